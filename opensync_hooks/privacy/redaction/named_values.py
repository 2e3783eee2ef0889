"""Secrets that the name beside them identifies: `NAME=value`, `"name": "value"`, `--name value`.

The name, what links it to the value, and the value are each matched by small patterns; what the
value must look like is decided by plain comparisons.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from opensync_hooks.privacy.redaction import names, values
from opensync_hooks.privacy.redaction.names import Name, NameMatch
from opensync_hooks.privacy.redaction.patterns import NEWLINE, QUOTE
from opensync_hooks.privacy.redaction.randomness import (
    is_identifier,
    is_mixed_case,
    is_random,
    is_wordy,
)
from opensync_hooks.privacy.redaction.rule import Span
from opensync_hooks.privacy.redaction.values import Extent, compiled

_NEXT_LINE = (
    # the value is in the next line: after `\`, `(`, `|-`, or only indented, and it is not a name;
    # in titles, line ends have become spaces
    r"(?=[(|>\\ \t\r\n])"
    rf"(?:(?:[(|>][-+]?)?[ \t]{{0,2}}{NEWLINE}(?>(?:[ \t]|(?>\\+)t){{1,40}})"
    r"|(?:[|>][-+]?|\((?=[ \t][\"'])|\\)[ \t])(?!-|[\"']?(?>[\w.$-]{1,80})[\"']?[ \t]{0,3}[:=])"
)
_COLOUR = r"(?:(?:\x1b|\\u001b|\\x1b|\\e|\\033)?\[[0-9;]{0,9}m){0,2}"
_FIELDS = r"(?>[^{}]{0,160}?(?:value|default)[\"'\\]{0,4}\s?[:=])"
LINK = (
    rf"(?:[ ][0-9]{{1,2}}(?=:)|[0-9]{{0,2}}){_COLOUR}(?:"
    # `{"name": {…, "value": "…`, `variable "name" {… default = "…`
    rf"(?P<nested>{QUOTE}?\s?[:=]?\s?\{{{_FIELDS}\s{{0,3}})"
    # `=`, `": "`, `'] = `, ` => `, `: str = `, `"name": "…", "value": "`, ` name="…" value=`
    rf"|(?P<assignment>(?>(?:{QUOTE}\]?|\*\*)?[ \t]{{0,3}}"
    r"(?::[ \t]?&?[a-z](?>[a-z|. ]{0,20})=|[=-]>|:=|={1,2}|:(?!:)(?:\*\*)?|\uff1a"
    rf"|{QUOTE}?(?:[,\s]|(?>\\+)n)(?>(?:\s|(?>\\+)[nt]){{0,20}}){QUOTE}?value{QUOTE}?\s{{0,2}}[:=])"
    rf"[ \t]{{0,24}}{_COLOUR}(?:{_NEXT_LINE})?(?:[bfru]{{1,2}}(?=[\"'`]))?))"
    rf"|(?P<argument>{QUOTE}(?:,\s{{0,9}}|\r?\n[ \t]{{0,9}}\d{{1,3}}\)[ ])(?={QUOTE}))"
    rf"|(?P<cell>[`*]{{0,2}}[ \t]{{0,9}}\|[ \t]{{0,9}}[`*]{{0,2}})"
    r"|(?P<tag>>)"
    r"|(?P<verb>(?: (?:for|of)(?: [\w-]{1,20}){1,4})?"
    r"[ \t](?:is|was|are|ist|lautet|est|es|é|to|provided|--body|-b)(?:[:\uff1a]|[ \t])[ \t]?`?"
    r"|[ ](?:for|of)(?: [\w-]{1,20}){1,4}:[ \t]`?|[是为は][:\uff1a]?[ \t]?`?)"
    r"|(?P<option>[ ]{4,40}(?=(?>[^ \n]+)[ ]{0,9}(?:\r?\n|\Z))"
    rf"|[ \t]{{1,3}}(?:{NEWLINE}(?>(?:[ \t]|(?>\\+)t){{0,40}})|\\[ \t])?)"
    r")"
)
"""What may be between a name and its value."""
_OPENING = rf"(?>(?:{QUOTE}|(?>\\+))?)"
_RANDOM, _LONG, _SHORT, _SHORTEST = 16, 8, 6, 3
_LONG_WORD, _MANY_DIGITS = 200, 3
_SIGNS = "!?@#$%^&+*"


def find_named_values(text: str, lower: str, matches: Iterable[NameMatch]) -> Iterator[Span]:
    """Yield the values beside these names; `lower` is the text in lower case."""
    examined = 0  # or a long word would be read from each name in it
    for match, kind in matches:
        start, end = match.span()
        if lower[end : end + 1] == ":" == lower[start - 1 : start]:
            continue  # a part of a longer name, as in `arn:aws:secretsmanager:eu:1:secret:name`
        link = compiled(LINK).match(lower, end)
        before = text[max(0, start - names.BEFORE) : start]
        if not link:
            continue
        name = names.classify(text[start:end], kind, before)
        if name and link.end() >= examined:
            extent, is_secret = _find_value(name, link, text, lower)
            if extent and is_secret:
                yield (*extent, name.kind)
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
        return values.tagged(lower, start), not values.is_placeholder(lower, start)
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
    if is_nested or is_enclosed or how in ("option", "verb", "cell", "argument"):
        word = value if is_quoted else value.rstrip(".,;:!?)")
        is_secret = _is_evident(re.split(r"\s", word, maxsplit=1)[0], name)
        is_made_up = not is_wordy(word) and not is_identifier(word)
        is_variable = name.is_variable and (how == "argument" or is_enclosed) and is_made_up
        return (extent[0], extent[0] + len(word)), is_secret or is_variable
    if value.isalpha() and "==" in link[0]:
        return extent, False  # compared with a plain word, as in `user_pass == "git"`
    return extent, _fits(value, name, is_quoted=is_quoted, is_tight=is_tight)


def _find_option(name: Name, start: int, text: str, lower: str) -> tuple[Extent | None, bool]:
    """Return the extent of the word behind `--name`, and whether it is a secret."""
    extent = values.bare(lower, start, _LONG)
    if extent and lower.startswith(("(", "[", "{"), extent[1]):
        return extent, False  # code
    if extent and name.strictness == "random":
        return extent, _fits(text[slice(*extent)], name, is_quoted=False, is_tight=False)
    return extent, values.is_option_value(lower, start)


def _may_begin(name: Name, link: re.Match[str], lower: str) -> bool:
    """Whether a secret can begin behind the link: not a placeholder, nor the path of a file."""
    opening = compiled(_OPENING).match(lower, link.end())
    first = opening.end() if opening else link.end()
    if name.lower == "pass" and link.lastgroup == "option" and lower[first - 1] == "`":
        return False  # the verb, as in "pass `asn1Spec`"
    if name.lower == "pwd" and compiled(r"[/~.]|[a-z]:\\").match(lower, first):
        return False  # the working directory
    is_path = name.strictness != "loose" and values.is_path(lower, first)
    return not is_path and not values.is_placeholder(lower, first)


def _extent(
    name: Name, lower: str, start: int, *, is_quoted: bool, is_tight: bool
) -> Extent | None:
    if is_quoted:
        return values.quoted(lower, start, with_spaces="phrase" in name.lower)
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
    if values.is_code(word.lower() + " ", 0) and not is_random(word):
        return False
    return is_random(word) or (has_digit and (is_quoted or is_tight or not is_number))


def _is_evident(word: str, name: Name) -> bool:
    """Whether a value that only follows a name cannot be a word of the sentence."""
    is_literal = word.lower().startswith("0x") or "EXAMPLE" in word or "=" in word.rstrip("=")
    if len(word) < _LONG or is_literal:
        return False
    digits = sum(map(str.isdigit, word))
    is_loose = name.strictness == "loose" or (name.kind == "credential" and ":" in word)
    if is_loose and digits and any(map(_SIGNS.__contains__, word)):
        return True
    return is_random(word) and (digits >= _MANY_DIGITS or is_mixed_case(word))
