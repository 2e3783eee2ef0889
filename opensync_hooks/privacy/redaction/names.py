"""Names of secrets, in code, in settings and in sentences of several languages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from opensync_hooks.privacy.redaction import languages, qualifiers
from opensync_hooks.system.patterns import compiled

Strictness = Literal["loose", "strict", "random", "words", "digits"]
"""What a value must look like: no code, a made-up word, made at random, many words, or a PIN."""

NAMES: dict[str, tuple[str, str]] = {
    # what every such name contains, or is with `^`, the kind of its value, and the name
    "pass": ("password", r"pass(?:word|wd|code|wort|phrase)?"),
    "pwd": ("password", "pwd"),
    "pw": ("password", "pw"),
    "psk": ("password", "psk"),
    "masterauth": ("password", "masterauth"),
    **{word: ("password", word) for word in ("requirepass", "bindpw", "rootpw")},
    "^pin": ("password", "pin"),
    **{
        f"{first}pin": ("password", "pin") for first in ("card", "sim", "user", "security", "login")
    },
    "token": ("token", "token"),
    "^totp": ("secret", "totp"),
    "secret": ("secret", r"secret(?:[ _.-]?access)?(?:[ _.-]?key(?:[_-]base)?|[ _.-]?string)?"),
    "credential": ("credential", "credentials?"),
    "key": ("key", r"key(?:[_-]data|s(?=[\"'`*]{0,3}\s?[:=]))?"),
    "mnemonic": ("seed-phrase", "mnemonic"),
    "phrase": ("seed-phrase", r"(?:seed|recovery)[ _-]?phrase"),
    **languages.names_by_part(),
}
_ENGLISH = ("pass", "pw", "psk", "masterauth", "token", "secret", "credential", "key", "pin")
BEFORE = 40
"""So many characters before a name tell what it stands for."""
_END = (
    r"(?![a-z_.\-)(\]};/@#%!?$+]|[0-9]{3})"
    # `[name] => value`, `{name, "value"`, `.set_name("value"`
    r"|(?=\]\s=>|\((?>\\*)[\"'])"
)
"""Behind one of these signs, neither the name goes on nor does anything link it to a value."""
_TAIL = (
    # `_prod`, also before a blank; `Prod`, only where a value is assigned
    r"(?>[_-][a-z0-9_]{1,40}(?:-[a-z0-9_]{1,20}){0,3})(?![a-z_.\-)(\]};/@#%!?$+])"
    r"|(?>[a-z][a-z0-9]{1,30})(?=[\"'`\\&\]*]{0,4}[ \t]{0,3}(?:[=:,{]|value))"
)
_FOREIGN_TAIL = rf"\.[a-z]{{2,20}}(?=[ \t]{{0,3}}=)|{_TAIL}"
_UNSPACED = "\u2e7f"
"""In Chinese, Japanese and Korean, no sign separates words."""
_SHORT, _SHORT_WORDS = 6, ("pass", "pw", "psk", "pin")
"""Words that may be the end of another word."""
_SETTER = (
    # a command or a call that gives its second argument to the name in the first
    r"(?:^|[\s;&|(>`$/\"'])(?:ENV|(?:setx|setenv|set[ ]-[a-zA-Z]{1,4}|[\w-]*config(?:ure)?[: ]set"
    r"|git[ ]config|[\w-]*secrets?[ :]set|env[ ]add)(?:[ ][-/][-\w]{1,20}(?:=\S{1,20})?){0,3})"
    r"[ \t]+[\"']?[\w.:/-]*$"
    r"|\b(?:[Dd]efine|set\w{0,12}|put\w{0,12}|add\w{0,12}|append|fill)\([ ]?[\"'][\w.:#-]*$"
)
_LINE_START = r"(?:\A|\n)[ \t\r*#>+|\"'`-]*(?:[a-zA-Z_][\w-]*)?\Z"
_PARENT = (
    r"(?i)(?:jwt|crypt|encryption|cipher|signing|hmac|auth|session)[\"']\s?(?::|=>)\s?[{\[]"
    r"[^{}\[\]]{0,40}[\"']\Z"
)
"""The object that a plain `key` is in, as in `"jwt": {"key": …`."""
_USER = (
    r"(?i)\b(?:user(?:name)?|log(?:in|ged)|account|e-?mail|usuario|benutzer|utente|utilisateur)\b"
    r"[^\n]{1,30}(?:,|/|\b(?:and|with|und|mit|y|con|et|e|avec|en|met|plus))[ ](?:the[ ])?$"
)


class Name(NamedTuple):
    """A name of a secret in a text."""

    kind: str
    lower: str
    strictness: Strictness
    is_option: bool
    """It is written as `--name`."""
    is_variable: bool
    """It is written in capitals with an underscore, as variables of the environment are."""
    is_uncertain: bool
    """An unknown word follows, so that it may stand for something else."""
    before: str
    """The text before it."""

    def is_first(self) -> bool:
        """Whether it is in the first word of its line."""
        return _ends_with(_LINE_START, self.before)

    def is_repeated_by(self, value: str) -> bool:
        """Whether a value says the name again: `RESET_PASSWORD = "reset_password"`, `"/v1/token"`.

        It is a constant then, or the path of what is called. `PASSWORD = "mypassword"` is not.
        """
        match = compiled(r"[\w-]*\Z").search(self.before)
        name, letters = _letters(self.lower), _letters(value)
        identifier = _letters(match[0] if match else "") + name
        is_path = "/" in value and letters.endswith(name)
        is_constant = letters.endswith(identifier) or identifier.endswith(letters)
        return is_path or (is_constant and len(name) < min(len(letters), len(identifier)))

    def is_result(self, label: str) -> bool:
        """Whether it is the result of a test, as in `PASS: tests/a.exp: it starts`."""
        return label.startswith("PASS:") and _ends_with(r"(?:\A|\n)[ \t]*\Z", self.before)

    def has_user(self) -> bool:
        """Whether a user is named before it, as in `with user ada and password …`."""
        return _ends_with(_USER, self.before)


NameMatch = tuple[re.Match[str], str]
"""Where a name is, and its kind. What follows the name and belongs to it is the group `tail`."""


def find_names(lower: str, parts: Iterable[str]) -> list[NameMatch]:
    """Return the names with these parts in a text in lower case, each with its kind, in order."""
    matches = []
    for part in parts:
        kind, pattern = NAMES[part]
        tail = _TAIL if part in _ENGLISH else _FOREIGN_TAIL
        name_and_tail = f"{pattern}(?:{_END}|(?=(?P<tail>{tail})))"
        matches += [(match, kind) for match in compiled(name_and_tail).finditer(lower)]
    return sorted(matches, key=lambda pair: pair[0].start())


@lru_cache(maxsize=1024)
def classify(name: str, kind: str, before: str, tail: str = "") -> Name | None:
    """Return what a name stands for, judged by what is around it; all in their original case.

    The same names return again and again in a document.
    """
    before = compiled(r"\\[nrt](?=[A-Za-z]*\Z)").sub("\\n", before)  # it ends an escaped line
    beginning = compiled(r"[\w-]*").match(before[::-1])
    identifier = beginning[0][::-1] if beginning else ""
    around = before[: len(before) - len(identifier)]
    is_separated = not before[-1:].isalpha() or (name[0].isupper() and before[-1:].islower())
    if around.endswith("::") or "public" in identifier.lower():
        return None
    qualifier = before.lower().rstrip("_-. ")
    if kind == "token" and qualifier.endswith(qualifiers.PAGING_QUALIFIERS):
        return None
    strictness = _strictness(name, kind, before, tail, is_separated=is_separated)
    if strictness is None:
        return None
    is_english = name.lower().startswith(_ENGLISH)
    return Name(
        "api-key" if kind == "key" else kind,
        name.lower(),
        strictness,
        identifier.startswith("-"),
        name.isupper() and ("_" in identifier + name + tail or not is_english),
        is_english and not qualifiers.SYSTEMS.issuperset(qualifiers.split(tail)[:1]),
        before,
    )


def _strictness(
    name: str, kind: str, before: str, tail: str, *, is_separated: bool
) -> Strictness | None:
    """Return what the value of a name must look like; None if it is not a secret."""
    lower, qualifier = name.lower(), before.lower().rstrip("_-. ")
    is_english = lower.startswith(_ENGLISH)
    is_joined = before[-1:].isascii() and before[-1:].isalpha() and name[0].islower()
    if lower == "pw" and name.isupper() and before[-1:].isupper():  # as in `CMPW`, not in `DBPW`
        is_joined = not qualifiers.SYSTEMS.issuperset(qualifiers.split(before)[-1:])
    is_part = not (is_separated or is_english or lower[0] > _UNSPACED) and len(lower) < _SHORT
    if is_part or (is_joined and lower in _SHORT_WORDS):
        return None  # a part of a word, such as `enclave` or `bypass`
    if kind == "seed-phrase":
        return "words"
    if kind == "password":
        if lower == "pin":
            return "digits" if qualifier.endswith(qualifiers.PIN_QUALIFIERS) else None
        return None if qualifier.endswith("ask") else "loose"  # a program, as `GIT_ASKPASS`
    if kind != "key":
        return "strict"
    if not is_english:
        around = f"{before[-20:]}{tail}".lower()
        is_api = not lower[0].isascii() or any(
            map(around.__contains__, qualifiers.FOREIGN_KEY_QUALIFIERS)
        )
        return "strict" if is_api else "random"
    if qualifier.endswith(qualifiers.KEY_QUALIFIERS):
        return "strict"
    if before.endswith(("?", "&")) or compiled(_PARENT).search(before):
        return "random"  # in the query of a URL, or in an object of keys
    is_word = not re.match(r"[\w-]", before[-1:])
    is_part = qualifier == before.lower() and name[0].islower()
    return (
        None if is_word or is_part or qualifier.endswith(qualifiers.PUBLIC_QUALIFIERS) else "random"
    )


def is_set(before: str) -> bool:
    """Whether a command or a call gives a name a value, as `setx NAME value` does."""
    return _ends_with(_SETTER, before)


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text)).lower()


def _ends_with(pattern: str, before: str) -> bool:
    before = compiled(r"\\+[nrt]").sub("\n", before)  # ends of lines are escaped in JSON
    return bool(compiled(pattern).search(before))


@lru_cache(maxsize=1024)
def identify(identifier: str) -> Name | None:
    """Return what an identifier or a heading as a whole stands for, if it names a secret."""
    lower = identifier.lower() + "="
    for match, kind in find_names(lower, (part for part in NAMES if part.lstrip("^") in lower)):
        start, end = match.span()
        tail = identifier[end : end + len(match["tail"] or "")]
        is_whole = end + len(tail) == len(identifier)
        if is_whole and (not tail or qualifiers.belongs(identifier[start:end], tail)):
            name = classify(identifier[start:end], kind, identifier[:start], tail)
            if name:
                return name
    return None


@lru_cache(maxsize=1024)
def is_name(word: str) -> bool:
    """Whether a word is the name of a secret in any language, as a label is in a translation."""
    patterns = (pattern for _, pattern in NAMES.values())
    return any(compiled(pattern).fullmatch(word.lower()) for pattern in patterns)
