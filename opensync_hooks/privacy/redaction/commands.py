"""Secrets in the arguments of well-known programs, in SQL, and in what a command prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

from opensync_hooks.privacy.redaction.patterns import ALNUM
from opensync_hooks.privacy.redaction.randomness import is_wordy
from opensync_hooks.privacy.redaction.rule import Example, Rule, Span, fill
from opensync_hooks.privacy.redaction.tokens import begins_word

PROGRAMS = {
    "sshpass": "-p?",
    "mysql mysqldump mysqladmin mariadb mariadb-dump 7z 7za 7zz rar unrar": "-p",
    "docker.login podman.login nerdctl.login buildah.login skopeo.login oc.login az.login": "-p_",
    "mongo mongosh mongodump mongorestore mongoexport mongoimport": "-p_",
    "redis-cli": "-a_",
    "ldapsearch ldapadd ldapmodify ldapdelete ldapwhoami": "-w_",
    "zip unzip mosquitto_pub mosquitto_sub": "-P_",
    "sqlcmd bcp": "-P?",
    "keytool jarsigner apksigner": "-storepass_ -keypass_ -srcstorepass_ -deststorepass_",
    "smbclient rpcclient": "-U%",
    "xfreerdp wfreerdp": "/p:",
    "cmdkey": "/pass:",
    "gh.secret.set gh.variable.set": "-b_ --body_",
    "vault.login rclone.obscure": "@1",
    "poetry.config composer.config": "@2",
    "htpasswd": "@2",
    "net.use": "@3",
}
"""Options and arguments that are secrets.

`-p_ ` is followed by its value in the next word, `-p` in the same one, `-p?` in either; `-U%` by a
user and a secret behind a percent sign. `@2` is the second argument that is no option.
"""
_WORDS = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'|;&<>\\]|(?!(?>\\+)[nr])\\.)+|[|;&<>]"
_MAX_WORDS, _MAX_LINE = 16, 240
_MAX_PRINTED = 5000
_PLACEHOLDER = r"[\"']?(?:\$|\[redacted:|[<%*{-]|\.\.\.|x{3}|-)"
_MIN_LENGTH = 4
_SECRET = fill(ALNUM, 14)


@dataclass(frozen=True)
class CommandFormat:
    """Programs whose arguments are secrets, as examples that prove it."""

    keywords: tuple[str, ...]
    examples: tuple[Example, ...]
    allowlist: tuple[str, ...]
    kind: str = "password"
    casefold: bool = False


def find_arguments(text: str, words: set[bytes]) -> Iterator[Span]:
    """Yield the secrets among the arguments of well-known programs."""
    spans = set()
    for first_word, pattern, options in _programs():
        examined = 0
        for match in re.finditer(pattern, text) if first_word in words else ():
            if match.start() < examined or not begins_word(text, match.start()):
                continue
            segment = text[match.end() : match.end() + _MAX_LINE]
            segment = segment.partition("\n")[0].partition("\\n")[0]
            if not any(map(segment.__contains__, ";|&")):
                examined = match.end() + len(segment)  # its other names are among the arguments
            for start, end in _arguments(text, match.end(), options):
                if end - start >= _MIN_LENGTH and not re.match(_PLACEHOLDER, text[start:end]):
                    spans.add((start, end, "password"))
    yield from sorted(spans)


def _arguments(text: str, start: int, options: list[str]) -> Iterator[tuple[int, int]]:
    end = min(len(text), start + _MAX_LINE)
    line_end = text.find("\n", start, end)
    line_end = end if line_end < 0 else line_end
    flags = (option.rstrip("_?%") for option in options)
    if not any(flag[0] == "@" or text.find(flag, start, line_end) >= 0 for flag in flags):
        return
    words = re.compile(_WORDS).finditer(text, start, line_end)
    previous, position = "", 0
    for word in islice(words, _MAX_WORDS):
        if word[0] in "|;&<>":
            return
        is_argument = not word[0].startswith(("-", "/"))
        position += is_argument and not re.match(r"-\w", previous)
        for option in options:
            flag, style = option[:-1], option[-1]
            if option == f"@{position}" and is_argument:
                yield _unquoted(word[0], word.start())
            elif style == "%" and previous == flag and "%" in word[0]:
                yield word.start() + word[0].index("%") + 1, word.end()
            elif style in "_?" and previous == flag:
                yield _unquoted(word[0], word.start())
            elif style not in "_%" and option[0] != "@":
                prefix = flag if style == "?" else option
                if word[0].startswith(prefix) and word[0] != prefix:
                    yield _unquoted(word[0][len(prefix) :], word.start() + len(prefix))
        previous = word[0]


def _unquoted(word: str, start: int) -> tuple[int, int]:
    is_quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "\"'"
    return (start + 1, start + len(word) - 1) if is_quoted else (start, start + len(word))


@cache
def _programs() -> list[tuple[bytes, str, list[str]]]:
    """Return the first word of each program, the pattern of its name, and its options."""
    return [
        (
            re.split("[._-]", name)[0].encode(),
            re.escape(name).replace(r"\.", r"\s+") + r"(?=\s)",
            options.split(),
        )
        for names, options in PROGRAMS.items()
        for name in names.split()
    ]


ARGUMENTS = CommandFormat(
    tuple({first_word.decode(): None for first_word, _, _ in _programs()}),
    tuple(
        Example(_SECRET, before, after)
        for before, after in (
            ("sshpass -p ", " ssh me@host"),
            ("sshpass -p'", "' ssh me@host"),
            ("mysql -u root -p", " shop"),
            ("docker login -u me -p ", " registry.example.com"),
            ("redis-cli -h cache -a ", " ping"),
            ("keytool -list -storepass ", " -v"),
            ("smbclient //host/share -U me%", ""),
            ("vault login ", ""),
            ("htpasswd -b file me ", ""),
        )
    ),
    ("sshpass -p $PASSWORD ssh host", "docker run -p 8080:80 image", "mysql -p shop", "net use x:"),
)


def _sql(keyword: str, before: str, example: str) -> Rule:
    return Rule(
        "password",
        (keyword,),
        rf"{before}(?>\\*)['\"](?!\[redacted:|[$<%{{:?])(?P<value>(?>[^'\"\n\\]{{4,}}))(?=\\*['\"])",
        (Example(_SECRET, example, "'"),),
        (example + ":password'", example + "'"),
        casefold=True,
    )


_STORING = tuple(
    f"{noun} {verb}" for noun in ("secret", "secrets") for verb in ("put", "set", "create", "add")
)
PIPED = (
    Rule(
        "password",
        ("-stdin", "with-token", "chpasswd", "sudo -s", *_STORING),
        r"(?:echo|printf)\s(?:-n\s|['\"]?%s['\"]?\s)?['\"]?(?:(?>[\w.-]{1,40}):)?"
        r"(?![$<`*]|[^\s\"'|]{0,80}\[redacted:)(?P<value>(?>[^\s\"'|$]{4,}))['\"]?\s{0,3}\|[^|\n]{0,80}"
        r"(?:password-stdin|with-token|--stdin|chpasswd|sudo -s\b|secrets? (?:put|set|create|add))",
        (
            Example(_SECRET, "echo ", " | docker login -u me --password-stdin"),
            Example(_SECRET, "echo 'me:", "' | chpasswd"),
        ),
        ("echo $TOKEN | gh auth login --with-token",),
        casefold=True,
    ),
    Rule(
        "token",
        ("with-token", *_STORING),
        r"(?:with-token|secrets? (?:put|set)[^\n|]{0,60}?)\s<<<\s?['\"]?(?![$<`])"
        r"(?P<value>(?>[^\s\"']{4,}))",
        (Example(_SECRET, "gh auth login --with-token <<< "),),
        ("gh auth login --with-token <<< $TOKEN",),
        casefold=True,
    ),
)
SQL = (
    _sql(
        "identified",
        r"(?:user|role|grant)\b[^;\n]{1,200}?identified\s(?:with\s\S{1,60}\s)?(?:by|as)\s(?:password\s)?",
        "CREATE USER app IDENTIFIED BY '",
    ),
    _sql(
        "password",
        r"(?:user|role|login)\s[^;\n]{1,120}?password\s{0,3}=?\s{0,3}(?:password)?\(?",
        "ALTER USER app WITH PASSWORD '",
    ),
    _sql(
        "set password",
        r"set password[^;\n]{0,120}?=\s{0,3}(?:password)?\s?\(?",
        "SET PASSWORD FOR 'app'@'%' = PASSWORD('",
    ),
)
CONNECTIONS = (
    Rule(
        "password",  # .pgpass
        (":*:", ":5432:", ":6432:", ":5433:"),
        r":(?:\d{2,5}|\*):[^:\s\[]{1,64}:[^:\s\[]{1,64}:(?!\[redacted:|[$<*])"
        r"(?P<password>(?>[^\s:\"'\\]{4,}))(?![^\s\"'\\])",
        (Example(_SECRET, "db.example.org:5432:*:app:"), Example(_SECRET, "*:*:*:app:", "\n")),
        ("db.example.org:5432:*:app:$PASSWORD", "host:5432:shop:me:"),
    ),
    Rule(
        "password",
        ("thin", "sqlplus"),
        r"(?:oracle:thin:|sqlplus\s)[\w.-]{1,64}/(?!\[redacted:|[$<{])"
        r"(?P<password>(?>[^\s/@\"']{3,}))@",
        (Example(_SECRET, "jdbc:oracle:thin:scott/", "@//db:1521/x"),),
        ("sqlplus scott/$PASSWORD@db",),
    ),
    Rule(
        "password",
        ("@tcp(", "@unix("),
        r":(?<!redacted:)(?!\[redacted:|[$<{%])(?P<password>(?>[^\s:@\"'/]{4,}))@(?:tcp|unix)\(",
        (Example(_SECRET, "dsn := kim:", "@tcp(db:3306)/shop"),),
        ("dsn := kim:$PASSWORD@tcp(db:3306)/shop",),
    ),
    Rule(
        "password",
        ("SecureString",),
        r"SecureString\s(?:-String\s)?(?>\\*)[\"'](?![$<]|\[redacted:)(?P<password>(?>[^\"'\n\\]{4,}))",
        (Example(_SECRET, 'ConvertTo-SecureString "', '" -AsPlainText'),),
        ('ConvertTo-SecureString "$password"',),
    ),
)
COMMANDS: tuple[Rule, ...] = (*PIPED, *SQL, *CONNECTIONS)
_PRINTS_SECRET = re.compile(
    r"(?i)(?:"
    # a variable, a file or an entry with the name of a secret
    r"(?:printenv|echo|config:get|get-secret-value|get-parameter|output -raw|configure get"
    r"|secret show|jsonpath|config get)\b[^|;&\n]{0,120}?"
    r"(?:pass(?:word|wd|phrase)?|secret|token|api.?key|_key|credential)"
    r"|(?:cat|type|less|more|head|tail|bat|get-content)\s[^|;&\n]{0,120}?"
    r"(?:\.key|\.token|secret[\w-]*(?:\.txt)?|token(?:\.txt)?|password[\w-]*(?:\.txt)?)(?=\s|\Z)"
    # programs that print secrets
    r"|auth (?:print-\w+-token|token)|(?:op read|pass show|gopass show|bw get password)\s"
    r"|find-(?:generic|internet)-password\b[^|;&\n]*\s-w|vault kv get\b[^|;&\n]*-field"
    r"|openssl rand|get-secret-value|keyvault secret show"
    r")"
)
_SHOWS_KEY_FILE = re.compile(
    r"(?i)(?:id_(?:rsa|dsa|ecdsa|ed25519)|[\w-]+\.(?:pem|key|p8))(?=\s|\Z)"
)
_ONE_WORD = re.compile(r"\s*(?P<secret>(?>\S{8,4096}))\s*\Z")
_KEY_LINES = re.compile(r"(?m)^(?P<secret>[A-Za-z0-9+/=]{16,76})\r?$")


def find_printed(command: str, output: str) -> Iterator[Span]:
    """Yield the secrets in an output that only the command which printed it identifies."""
    match = _ONE_WORD.match(output) if len(output) < _MAX_PRINTED else None
    if match and _PRINTS_SECRET.search(command) and not is_wordy(match["secret"]):
        yield (*match.span("secret"), "secret")
    elif _SHOWS_KEY_FILE.search(command):
        for line in _KEY_LINES.finditer(output):
            yield (*line.span("secret"), "private-key")
