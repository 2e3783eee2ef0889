"""Names of secrets, in code, in settings and in sentences of several languages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Literal, NamedTuple

Strictness = Literal["loose", "strict", "random", "words"]
"""What a value must look like: nothing but code, a made-up word, made at random, or many words."""

NAMES: dict[str, tuple[str, str]] = {
    # what every such name contains, the kind of its value, and the name
    "pass": ("password", r"pass(?:word|wd|code|wort|phrase)?"),
    "pwd": ("password", "pwd"),
    "pw": ("password", "pw"),
    "psk": ("password", "psk"),
    "masterauth": ("password", "masterauth"),
    "kennwort": ("password", "kennwort"),
    "wachtwoord": ("password", "wachtwoord"),
    "contrase": ("password", "contrase(?:ñ|n)a"),
    "senha": ("password", "senha"),
    "mot de passe": ("password", "mot de passe"),
    "haslo": ("password", "haslo"),
    "hasło": ("password", "hasło"),
    "lösenord": ("password", "lösenord"),
    "adgangskode": ("password", "adgangskode"),
    "salasana": ("password", "salasana"),
    "jelszó": ("password", "jelszó"),
    "heslo": ("password", "heslo"),
    "şifre": ("password", "şifre"),
    "sifre": ("password", "sifre"),
    "parola": ("password", "parola"),
    "пароль": ("password", "пароль"),
    "密码": ("password", "密码"),
    "密碼": ("password", "密碼"),
    "口令": ("password", "口令"),
    "パスワード": ("password", "パスワード"),
    "비밀번호": ("password", "비밀번호"),
    "token": ("token", "token"),
    "secret": ("secret", r"secret(?:[ _.-]?access)?(?:[ _.-]?key(?:[_-]base)?|[ _.-]?string)?"),
    "credential": ("credential", "credentials?"),
    "key": ("key", r"key(?:[_-]data|s(?=[\"'`*]{0,3}\s?[:=]))?"),
    "密钥": ("key", "密钥"),
    "密鑰": ("key", "密鑰"),
    "mnemonic": ("seed-phrase", "mnemonic"),
    "phrase": ("seed-phrase", r"(?:seed|recovery)[ _-]?phrase"),
}
BEFORE = 40
"""So many characters before a name tell what it stands for."""
_END = r"(?![a-z_.\-)(\]};/@#%!?$+]|[0-9]{3})"
"""Behind one of these signs, neither the name goes on nor does anything link it to a value."""
_KEY_QUALIFIERS = (
    *("api", "app", "access", "private", "signing", "encryption", "auth", "account", "master"),
    *("service", "license", "shared", "webhook", "deploy", "admin", "client", "session"),
    *("storage", "subscription", "server", "consumer", "integration", "preshared", "secret"),
    *("unseal",),
)
_PUBLIC_QUALIFIERS = (
    *("public", "pub", "publishable", "site", "cache", "sort", "primary", "foreign", "partition"),
    *("hash", "row", "object", "unique", "idempotency", "dedup", "dedupe", "routing", "shard"),
    *("etag", "content", "file", "blob", "build", "image", "layer", "state", "lock", "commit"),
    *("s3", "bucket", "host", "fingerprint", "query", "memo", "registry", "translation", "message"),
    *("event", "node", "tree", "item", "index", "group", "entry", "map", "ssh", "verify"),
)
"""Keys of these kinds look random and are no secrets."""

_PAGING_QUALIFIERS = (
    *("next", "continuation", "pagination", "page", "request", "change", "lock", "sequence"),
    *("previous", "prev", "forward", "backward", "starting", "idempotency", "creation"),
)
"""Tokens of these kinds are positions in a list, or names of a request."""


class Name(NamedTuple):
    """A name of a secret in a text."""

    kind: str
    lower: str
    strictness: Strictness
    is_option: bool
    """It is written as `--name`."""
    is_variable: bool
    """It is written in capitals with an underscore, as variables of the environment are."""


NameMatch = tuple[re.Match[str], str]
"""Where a name is, and its kind."""


def find_names(lower: str, parts: Iterable[str]) -> list[NameMatch]:
    """Return the names with these parts in a text in lower case, each with its kind, in order."""
    matches = []
    for part in parts:
        kind, pattern = NAMES[part]
        matches += [(match, kind) for match in _compile(pattern + _END).finditer(lower)]
    return sorted(matches, key=lambda pair: pair[0].start())


@lru_cache(maxsize=1024)
def classify(name: str, kind: str, before: str) -> Name | None:
    """Return what a name stands for, judged by what is before it; both in their original case.

    The same names return again and again in a document.
    """
    before = _compile(r"\\[nrt](?=[A-Za-z]*\Z)").sub("\\n", before)  # it ends an escaped line
    beginning = _compile(r"[\w-]*").match(before[::-1])
    identifier = beginning[0][::-1] if beginning else ""
    is_option = identifier.startswith("-")
    is_variable = name.isupper() and ("_" in identifier or "_" in name)
    strictness: Strictness = "strict"
    qualifier = before.lower().rstrip("_-. ")
    if before[: len(before) - len(identifier)].endswith("::") or "public" in identifier.lower():
        return None
    if kind == "token" and qualifier.endswith(_PAGING_QUALIFIERS):
        return None
    if kind == "password":
        is_joined = before[-1:].isascii() and before[-1:].isalpha() and name[0].islower()
        is_joined = is_joined and not before.endswith("require")
        if (is_joined and name.lower() in ("pass", "pw", "psk")) or qualifier.endswith("ask"):
            return None  # a part of a word, such as `bypass`, or a program, as `GIT_ASKPASS`
        strictness = "loose"
    elif kind == "seed-phrase":
        strictness = "words"
    elif kind == "key":
        kind = "api-key"
        is_separated = qualifier != before.lower() or name[0].isupper()
        if not name.isascii() or qualifier.endswith(_KEY_QUALIFIERS):
            strictness = "strict"
        elif before.endswith(("?", "&")):
            strictness = "random"  # in the query of a URL
        elif not identifier or not is_separated or qualifier.endswith(_PUBLIC_QUALIFIERS):
            return None
        else:
            strictness = "random"
    return Name(kind, name.lower(), strictness, is_option, is_variable)


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
