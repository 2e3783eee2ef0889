"""Secrets that the name beside them identifies: `NAME=value`, `"name": "value"`, `--name value`.

The name, what links it to the value, and the value are each matched by small patterns; what the
value must look like is decided by plain comparisons.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from opensync_hooks.privacy.redaction import names, qualifiers, values
from opensync_hooks.privacy.redaction.links import LINK
from opensync_hooks.privacy.redaction.names import Name, NameMatch
from opensync_hooks.privacy.redaction.patterns import QUOTE
from opensync_hooks.privacy.redaction.randomness import (
    is_class,
    is_identifier,
    is_mixed_case,
    is_random,
    is_wordy,
)
from opensync_hooks.privacy.redaction.rule import Span
from opensync_hooks.privacy.redaction.values import Extent
from opensync_hooks.system.patterns import compiled

_CHANGED = r"(?>\\*)[\"'][ ]->[ ](?>\\*)[\"'](?P<value>(?>[^\s\"'\\]{4,}))"
_OPENING = rf"(?>(?:{QUOTE}|(?>\\+))?)"
_RANDOM, _LONG, _SHORT, _SHORTEST = 16, 8, 6, 3
_LONG_WORD, _MANY_DIGITS, _LONG_LETTERS = 200, 3, 24
_ERROR_NUMBER = r"-[0-9]{10}|0x[0-9A-Fa-f]{8}"
"""The number of an error, of which a constant tells the name."""
_PIN = "[0-9]{4,8}"
_SIGNS = "!?@#$%^&+*"
_DIRECTIVES = ("requirepass", "masterauth", "bindpw", "rootpw")
"""They are followed by their value in the same line, as in the configuration of Redis."""
_OPEN_LINKS = ("option", "verb", "cell", "argument", "call")
"""They may also be in a sentence, or in a list of names."""
_ALGORITHM = (
    r"(?:utf|sha|md|aes|base|ascii|latin|iso|argon|pbkdf|scrypt|bcrypt|rsa|win|oauth|http)(?![a-z])"
)
_HOST = r"(?:[a-z0-9-]+\.)+[a-z]+(?::[0-9]+)?"


def find_named_values(text: str, lower: str, matches: Iterable[NameMatch]) -> Iterator[Span]:
    """Yield the values beside these names; `lower` is the text in lower case."""
    examined = 0  # or a long word would be read from each name in it
    for match, kind in matches:
        start, end = match.span()
        tail = match["tail"] or ""
        if tail and not qualifiers.belongs(text[start:end], text[end : end + len(tail)]):
            continue
        name_end, end = end, end + len(tail)
        if lower[end : end + 1] == ":" == lower[start - 1 : start]:
            continue  # a part of a longer name, as in `arn:aws:secretsmanager:eu:1:secret:name`
        link = compiled(LINK).match(lower, end)
        before = text[max(0, start - names.BEFORE) : start]
        if not link:
            continue
        name = names.classify(text[start:name_end], kind, before, text[name_end:end])
        if name and link.end() >= examined:
            extent, is_secret = _find_value(name, link, text, lower)
            if extent and is_secret:
                yield (*extent, name.kind)
                changed = compiled(_CHANGED).match(lower, extent[1])
                if changed:  # as in the plan of Terraform
                    yield (*changed.span("value"), name.kind)
            if extent and extent[1] - extent[0] > _LONG_WORD:
                examined = extent[1]


def _find_value(
    name: Name, link: re.Match[str], text: str, lower: str
) -> tuple[Extent | None, bool]:
    """Return the extent of the value behind a name, and whether it is a secret."""
    start, how = link.end(), str(link.lastgroup)
    if how == "option" and name.is_option:
        return _find_option(name, start, text, lower)
    if name.strictness == "words":
        return values.phrase(lower, start), True
    if how == "tag":
        extent = values.tagged(lower, start)
        if extent and link["attribute"] and not _is_mixed(text[slice(*extent)], _SHORT):
            return extent, False  # a label
        return extent, not values.is_placeholder(lower, start)
    if not _may_begin(name, link, lower):
        return None, False
    opening = compiled(_OPENING).match(lower, start)
    is_quoted = bool(opening and opening[0])
    is_tight = lower[start - 1] == "=" and lower[start - 2].isalnum()
    extent = _extent(name, lower, start, is_quoted=is_quoted, is_tight=is_tight)
    if extent is None:
        return None, False
    value = text[extent[0] : extent[1]]
    after = "" if is_quoted else lower[extent[1] : extent[1] + 1]
    if after and (after in "([{" or (after == ">" and is_tight)):
        return extent, False  # code
    is_nested = how == "nested" and name.strictness != "loose"
    is_enclosed = is_tight and bool(after) and after in ",)]"
    is_enclosed = is_enclosed and not values.begins_field(lower, extent[1])
    is_given = how in ("option", "argument") and (
        name.lower in _DIRECTIVES or names.is_set(name.before)
    )
    if is_nested or is_enclosed or (how in _OPEN_LINKS and not is_given):
        word = value if is_quoted else value.rstrip(".,;:!?)")
        first = re.split(r"\s", word, maxsplit=1)[0]
        how = "enclosed" if is_enclosed else how
        is_secret = _is_evident(first, name) or _is_made_up(
            first, name, how, link[0], is_quoted=is_quoted and lower[extent[0] - 1] != "`"
        )
        return (extent[0], extent[0] + len(word)), is_secret
    if _is_constant(value, name, link) or (
        not (is_quoted or values.is_last(lower, extent[1]))
        and name.is_result(text[link.start() - len("PASS") : link.end()])
    ):
        return extent, False
    is_line = is_given or (
        ":" in link[0] and name.is_first() and values.is_line(value, extent, lower)
    )
    return extent, _fits(value, name, is_quoted=is_quoted, is_tight=is_tight or is_line)


def _find_option(name: Name, start: int, text: str, lower: str) -> tuple[Extent | None, bool]:
    """Return the extent of the word behind `--name`, and whether it is a secret."""
    extent = values.bare(lower, start, _LONG)
    if extent and lower.startswith(("(", "[", "{"), extent[1]):
        return extent, False  # code
    if extent and name.strictness == "random":
        return extent, _fits(text[slice(*extent)], name, is_quoted=False, is_tight=False)
    if extent and names.identify(text[slice(*extent)]):
        return extent, False  # a name, as in `--secret dbPassword`
    return extent, values.is_option_value(lower, start)


def _is_constant(value: str, name: Name, link: re.Match[str]) -> bool:
    """Whether a value is compared, is the number of an error or says the name again."""
    is_compared = value.isalpha() and "==" in link[0]  # as in `user_pass == "git"`
    is_error = name.kind != "api-key" and bool(compiled(_ERROR_NUMBER).fullmatch(value))
    return is_compared or is_error or name.is_repeated_by(value)


def _may_begin(name: Name, link: re.Match[str], lower: str) -> bool:
    """Whether a secret can begin behind the link: not a placeholder, nor the path of a file."""
    opening = compiled(_OPENING).match(lower, link.end())
    first = opening.end() if opening else link.end()
    if name.lower == "pass" and link.lastgroup == "option" and lower[first - 1] == "`":
        return False  # the verb, as in "pass `asn1Spec`"
    if name.lower == "pwd" and compiled(r"[/~.]|[a-z]:\\").match(lower, first):
        return False  # the working directory
    if link.lastgroup == "option" and lower.startswith("--", first):
        return False  # an option, as in `rootpw --plaintext …`
    is_path = name.strictness != "loose" and values.is_path(lower, first)
    return not is_path and not values.is_placeholder(lower, first)


def _extent(
    name: Name, lower: str, start: int, *, is_quoted: bool, is_tight: bool
) -> Extent | None:
    if is_quoted:
        extent = values.quoted(lower, start, with_spaces="phrase" in name.lower)
        is_phrase = extent is None and name.strictness == "loose"
        return values.passphrase(lower, start) if is_phrase else extent
    if name.strictness == "digits":
        pin = compiled(_PIN + r"(?!\w)").match(lower, start)
        return pin.span() if pin else None
    if is_tight:
        is_code = values.is_call if name.is_variable else values.is_code
        return None if is_code(lower, start) else values.tight(lower, start)
    if values.is_code(lower, start):
        return None
    return values.bare(lower, start, _SHORT)


def _fits(value: str, name: Name, *, is_quoted: bool, is_tight: bool) -> bool:
    """Whether a value that is assigned to a name can be a secret."""
    word = re.split(r"[\s\\]", value, maxsplit=1)[0]
    if "EXAMPLE" in value or value.endswith("example") or not any(map(str.isalnum, value)):
        return False
    if name.strictness == "digits":
        return bool(re.fullmatch(_PIN, value))
    if name.is_uncertain and not _is_mixed(word, _LONG if name.strictness == "loose" else _RANDOM):
        return False
    if name.strictness == "loose":
        has_sign = any(character.isdigit() or character in _SIGNS for character in word[:40])
        has_sign = has_sign or is_random(word)
        return len(value) >= _SHORTEST and (is_quoted or is_tight or has_sign)
    if name.strictness == "random":
        return len(value) >= _RANDOM and is_random(word)
    has_digit = any(map(str.isdigit, word[: values.FAR + 1]))
    if len(word) < _LONG or any(map("()[]{}<>".__contains__, word)):
        return False
    is_number = not any(map(str.isalpha, word))
    if is_random(word):
        return True
    if values.is_code(word.lower() + " ", 0) or (not is_quoted and is_class(word)):
        return False
    if not has_digit:  # the signs in it may separate what is random only together
        is_long = len(word) >= _RANDOM and not is_wordy(word)
        return is_long and is_random("".join(filter(str.isalnum, word)))
    return is_quoted or is_tight or not is_number


def _is_evident(word: str, name: Name) -> bool:
    """Whether a value that only follows a name cannot be a word of the sentence."""
    if name.strictness == "digits":
        return bool(re.fullmatch(_PIN, word))
    is_literal = word.lower().startswith("0x") or "EXAMPLE" in word or "=" in word.rstrip("=")
    if len(word) < _LONG or is_literal:
        return False
    digits = sum(map(str.isdigit, word))
    is_loose = name.strictness == "loose" or (name.kind == "credential" and ":" in word)
    if is_loose and digits and any(map(_SIGNS.__contains__, word)):
        return True
    is_mixed = is_mixed_case(word) and (digits > 0 or len(word) >= _LONG_LETTERS)
    return is_random(word) and (digits >= _MANY_DIGITS or is_mixed)


def _is_made_up(word: str, name: Name, how: str, link: str, *, is_quoted: bool) -> bool:
    """Whether a word that only follows a name has letters and digits as a password has."""
    if name.is_variable and how == "verb" and len(word) >= _RANDOM and is_random(word):
        return True
    if name.is_variable and how in ("argument", "enclosed"):
        return len(word) >= _SHORTEST and not is_wordy(word) and not is_identifier(word)
    is_column = how == "option" and link.startswith("   ")
    is_numbered = how == "argument" and ")" in link  # as redis-cli prints a list
    is_open = is_numbered or how in ("verb", "cell")
    if name.strictness != "loose" or name.lower == "pass":
        return False
    if is_quoted and how in ("option", "call", "argument"):
        return not (name.is_uncertain or word.startswith("/")) and _is_mixed(word, _SHORT)
    if not (is_column or is_open or name.has_user()):
        return _is_passphrase(word)
    return _is_mixed(word, _SHORT if name.is_variable else _LONG)


def _is_passphrase(word: str) -> bool:
    """Whether a word is made of words and a number, as people make passwords: `Otter1974`."""
    digits = sum(map(str.isdigit, word))
    is_long = digits >= _MANY_DIGITS or (digits > 1 and is_mixed_case(word))
    return is_long and word[:1].isalpha() and "=" not in word and _is_mixed(word, _LONG)


def _is_mixed(word: str, min_length: int) -> bool:
    """Whether a word is no word of a language: it has letters and digits, or was made at random."""
    if (
        len(word) < min_length
        or word.startswith("0x")
        or is_identifier(word)
        or re.fullmatch(_HOST, word)
        or re.match(_ALGORITHM, word.lower())
        or names.is_name(word.rstrip("0123456789"))
    ):
        return False
    has_digit, has_letter = any(map(str.isdigit, word)), any(map(str.isalpha, word))
    has_sign = any(map(_SIGNS.__contains__, word)) and not is_wordy(word)
    return (has_letter and (has_digit or has_sign)) or is_random(word)
