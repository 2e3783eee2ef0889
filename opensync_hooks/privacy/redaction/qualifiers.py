"""Words beside the name of a secret that tell what it is for, or that it is no secret at all."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

KEY_QUALIFIERS = (
    *("api", "app", "access", "private", "signing", "encryption", "auth", "account", "master"),
    *("service", "license", "shared", "webhook", "deploy", "admin", "client", "session"),
    *("storage", "subscription", "server", "consumer", "integration", "preshared", "secret"),
    *("unseal", "hmac", "jwt", "fernet", "cipher", "crypto", "decryption"),
)
FOREIGN_KEY_QUALIFIERS = (
    *(
        "api",
        "priv",
        "secr",
        "segr",
        "sekr",
        "gehe",
        "gizli",
        "taj",
        "titk",
        "acc",
        "acces",
        "acess",
    ),
    *(
        "maest",
        "mestr",
        "cifr",
        "crypt",
        "krypt",
        "chiff",
        "firm",
        "podpis",
        "dost",
        "toeg",
        "zugang",
    ),
    *("zugriff", "hemlig", "salai", "rahas", "секрет", "приват", "доступ", "таємн"),
)
"""Beginnings of words that tell a key from the keys of a table."""
PUBLIC_QUALIFIERS = (
    *("public", "pub", "publishable", "site", "cache", "sort", "primary", "foreign", "partition"),
    *("hash", "row", "object", "unique", "idempotency", "dedup", "dedupe", "routing", "shard"),
    *("etag", "content", "file", "blob", "build", "image", "layer", "state", "lock", "commit"),
    *("s3", "bucket", "host", "fingerprint", "query", "memo", "registry", "translation", "message"),
    *("event", "node", "tree", "item", "index", "group", "entry", "map", "ssh", "verify"),
)
"""Keys of these kinds look random and are no secrets."""

PAGING_QUALIFIERS = (
    *("next", "continuation", "pagination", "page", "request", "change", "lock", "sequence"),
    *("previous", "prev", "forward", "backward", "starting", "idempotency", "creation"),
)
"""Tokens of these kinds are positions in a list, or names of a request."""

PIN_QUALIFIERS = (
    *("card", "sim", "bank", "atm", "user", "login", "security", "access", "admin", "unlock"),
    *("door", "alarm", "phone", "payment", "debit", "credit", "wallet", "voicemail", "parental"),
    *("customer", "account", "karten", "code", "kod", "codigo", "secret"),
)
_SYSTEM_WORDS = (
    "prod production dev develop development stage staging test testing qa uat preprod live"
    " sandbox local ci default main primary secondary root admin administrator user app"
    " application service api web site portal db database sql mysql postgres postgresql pg"
    " mariadb mssql oracle mongo mongodb redis rabbitmq kafka elastic mail email smtp imap ftp"
    " sftp ssh vpn wifi wlan ldap ad git github gitlab bitbucket jira aws gcp azure cloud docker"
    " registry npm pypi jenkins grafana slack stripe jwt oauth openai anthropic backup old new"
    " current previous confirm confirmation again repeat value raw plain cleartext plaintext"
    " base v banco bazy baza bd bdd datos dati correo correio courriel produkcja produccion"
    " producao produzione produktion"
)
"""Stages, places and systems that a password is for, in several languages."""
_OTHER_WORDS = (
    "id ids uid arn name names type types kind class url uri urls endpoint path paths file"
    " files filename dir directory folder location ref refs reference hash hashes hashed hasher"
    " digest checksum fingerprint salt length len size min max limit limits count counts counter"
    " total budget usage used cost price ttl age exp expiry expires expire expiration expired"
    " expiring lifetime timeout time timestamp date at by in on to from for of with without and"
    " or is are as if created updated modified last since until issued issuer audience aud scope"
    " scopes claims algorithm algo alg encoding encoded encoder format pattern regex regexp rule"
    " rules policy policies strength score level validator validators validation valid validate"
    " verify verified verification check checks checked checker required optional enabled"
    " disabled allowed supported set unset has need needs hint hints label labels title text"
    " message messages msg error errors err placeholder prompt help description desc info note"
    " notes field fields input inputs form box col column columns attr attribute property prop"
    " props param params parameter argument arg args var variable env store storage provider"
    " providers manager handler handlers factory generator generate util utils helper helpers"
    " cache map list array index idx pos position start end begin offset line stream parser"
    " lexer cls func function fn method callback hook event listener request req response resp"
    " reset change changed changes forgot forgotten recovery recover rotation rotate rotated"
    " version versions header headers prefix suffix separator delimiter delim mode status state"
    " group groups pair pairs ring vault page screen view modal dialog template icon button link"
    " style auth authentication based grant flow source src plugin plugins command cmd script"
    " program eval stdin less through rate ratio fail failed failure missing invalid incorrect"
    " wrong mismatch match matches management meta metadata data schema def definition spec"
    " option options config setting settings code codes press down up frame frames binding"
    " bindings board word words phrase scanning scanner detection mask masked masking show hide"
    " hidden visible visibility toggle test tests fixture mock example examples stats aliases"
    " alias owner longitud olvidada olvidado incorrecta invalida requerida requerido obrigatoria"
    " esquecida oublie oublié vergessen falsch länge laenge zapomniane nieprawidlowe dimenticata"
)
"""What is said about a secret: where it is, what it is like, what is done with it."""
SYSTEMS, _OTHERS = frozenset(_SYSTEM_WORDS.split()), frozenset(_OTHER_WORDS.split())
_NAME_IN_TAIL = re.compile("pass|pwd|token|secret(?![aoe])|key|credential|cred|salt|hash")
_SHORT_NAMES = ("pass", "pw", "pwd", "key", "pin", "psk")


def is_private(words: Iterable[str]) -> bool:
    """Whether none of the words before a key says that it is public, or a key of a table."""
    return not any(word.startswith(PUBLIC_QUALIFIERS) or word in _OTHERS for word in words)


def split(identifier: str) -> list[str]:
    """Return the words of an identifier, such as `DbMain` or `_db_main`, in lower case."""
    words = re.findall("[A-Z]?[a-z]+|[A-Z]+(?![a-z])", identifier)
    return [word.lower() for word in words]


@lru_cache(maxsize=1024)
def belongs(name: str, tail: str) -> bool:
    """Whether what follows a name only tells which one it is; both in their original case."""
    if tail[0] not in "_-." and not (tail[0].isupper() and name[-1].islower()):
        return False  # another word, such as `tokenize`
    words = set(split(tail))
    if name.lower() in _SHORT_NAMES and not words & SYSTEMS:
        return False
    return not words & _OTHERS and not _NAME_IN_TAIL.search(tail.lower())
