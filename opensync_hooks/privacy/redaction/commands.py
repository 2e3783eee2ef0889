"""Secrets in the arguments of well-known programs, in SQL and in connection strings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice

from opensync_hooks.dataclass import dataclass
from opensync_hooks.privacy.redaction.patterns import ALNUM
from opensync_hooks.privacy.redaction.rule import Example, Rule, Span, fill
from opensync_hooks.privacy.redaction.tokens import begins_word

PROGRAMS = {
    "sshpass": "-p?",
    "mysql mysqldump mysqladmin mariadb mariadb-dump 7z 7za 7zz rar unrar": "-p",
    "docker.login podman.login nerdctl.login buildah.login skopeo.login oc.login az.login"
    " helm.registry.login twine.upload cqlsh": "-p_ --password_",
    "mongo mongosh mongodump mongorestore mongoexport mongoimport": "-p_ --password_",
    "snowsql clickhouse-client": "--password_",
    "influx": "-t_ --token_",
    "netlify": "--auth_",
    "openssl.enc": "-k_",
    "lftp": "-u,",
    "redis-cli": "-a_",
    "ldapsearch ldapadd ldapmodify ldapdelete ldapwhoami": "-w_",
    "zip unzip mosquitto_pub mosquitto_sub": "-P_",
    "sqlcmd bcp": "-P?",
    "keytool jarsigner apksigner": "-storepass_ -keypass_ -srcstorepass_ -deststorepass_",
    "smbclient rpcclient": "-U%",
    "xfreerdp wfreerdp": "/p:",
    "cmdkey": "/pass:",
    "gh.secret.set gh.variable.set": "-b? --body_",
    "vault.login vault.operator.unseal rclone.obscure cargo.login redis-cli.AUTH": "@1",
    "gcloud.auth.activate-refresh-token": "@2",
    "poetry.config composer.config": "@2",
    "htpasswd wpa_passphrase net.user rabbitmqctl.add_user rabbitmqctl.change_password": "@2",
    "gpg gpg2": "--passphrase_",
    "net.use": "@3",
}
"""Options and arguments that are secrets.

`-p_ ` is followed by its value in the next word, `-p` in the same one, `-p?` in either; `-U%` by a
user and a secret behind a percent sign, `-u,` behind a comma. `@2` is the second argument that is
no option.
"""
_WORDS = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s\"'|;&<>\\]|(?!(?>\\+)[nr])\\.)+|[|;&<>]"
_GAP = r"(?>(?:\s|(?>\\+)[nrt]){0,20})(?>\\*)[\"']"
_NEXT_ELEMENT = rf"(?>\\*)[\"'],{_GAP}(?:args(?>\\*)[\"']:\s?\[{_GAP})?"
"""Between the elements of a list of arguments, or a command and its list: `"mysql", "-p…"`."""
_ELEMENT = r"(?:[^\"'\\\n]|(?>\\+)[^\"'\\\n])*"
_MAX_WORDS, _MAX_LINE = 16, 240
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
    """Yield the secrets among the arguments of well-known programs, in a line or in a list."""
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
    flags = (option.rstrip("_?%,") for option in options)
    if not any(flag[0] == "@" or text.find(flag, start, end) >= 0 for flag in flags):
        return
    previous, position = "", 0
    for word in islice(_words(text, start, end), _MAX_WORDS):
        if word[0] in "|;&<>":
            return
        is_argument = not word[0].startswith(("-", "/"))
        position += is_argument and not re.match(r"-\w", previous)
        for option in options:
            flag, style = option[:-1], option[-1]
            if option == f"@{position}" and is_argument:
                yield _unquoted(word[0], word.start())
            elif style in "%," and previous == flag and style in word[0]:
                yield word.start() + word[0].index(style) + 1, word.end()
            elif style in "_?" and previous == flag:
                yield _unquoted(word[0], word.start())
            elif style not in "_%," and option[0] != "@":
                prefix = flag if style == "?" else option
                if word[0].startswith(prefix) and word[0] != prefix:
                    yield _unquoted(word[0][len(prefix) :], word.start() + len(prefix))
        previous = word[0]


def _words(text: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """Yield the words of a command line, or the elements of a list."""
    if text[start].isspace():
        line_end = text.find("\n", start, end)
        yield from re.compile(_WORDS).finditer(text, start, end if line_end < 0 else line_end)
        return
    next_element, element = re.compile(_NEXT_ELEMENT), re.compile(_ELEMENT)
    while separator := next_element.match(text, start, end):
        if word := element.match(text, separator.end(), end):
            yield word
            start = word.end()


def _unquoted(word: str, start: int) -> tuple[int, int]:
    is_quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "\"'"
    return (start + 1, start + len(word) - 1) if is_quoted else (start, start + len(word))


@cache
def _programs() -> list[tuple[bytes, str, list[str]]]:
    """Return the first word of each program, the pattern of its name, and its options."""
    return [
        (
            re.split("[._-]", name)[0].encode(),
            re.escape(name).replace(r"\.", rf"(?:\s+|{_NEXT_ELEMENT})")
            + rf"(?=\s|{_NEXT_ELEMENT})",
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
            ('["mysql", "-u", "root", "-p', '", "shop"]'),
            ('{"command": "redis-cli", "args": ["-a", "', '"]}'),
            ("['docker', 'login',\n  '-p', '", "']"),
        )
    ),
    (
        *("sshpass -p $PASSWORD ssh host", "docker run -p 8080:80 image", "mysql -p shop"),
        *("net use x:", '["mysql", "-p", "shop"]', '["mysql", "redis-cli"], "-password1"'),
    ),
)


def _sql(keyword: str, before: str, example: str) -> Rule:
    return Rule(
        "password",
        (keyword,),
        rf"{before}(?>\\*)['\"](?!\[redacted:|[$<%{{:?]|pass(?:word)?\\*['\"])(?P<value>(?>[^'\"\n\\]{{4,}}))(?=\\*['\"])",
        (Example(_SECRET, example, "'"),),
        (example + ":password'", example + "'"),
        casefold=True,
    )


_STORING = tuple(
    f"{noun} {verb}" for noun in ("secret", "secrets") for verb in ("put", "set", "create", "add")
)
_STDIN = "pass(?:word|wd|phrase)?(?:-on|-from)?-stdin"
PIPED = (
    Rule(
        "password",
        ("-stdin", "with-token", "chpasswd", "sudo -s", *_STORING),
        r"(?:echo|printf)\s(?:-n\s|['\"]?%s['\"]?\s)?['\"]?(?:(?>[\w.-]{1,40}):)?"
        r"(?![$<`*]|[^\s\"'|]{0,80}\[redacted:)(?P<value>(?>[^\s\"'|$]{4,}))['\"]?\s{0,3}\|[^|\n]{0,80}"
        rf"(?:{_STDIN}|with-token|--stdin|chpasswd|sudo -s\b|secrets? (?:put|set|create|add))",
        (
            Example(_SECRET, "echo ", " | docker login -u me --password-stdin"),
            Example(_SECRET, "echo 'me:", "' | chpasswd"),
        ),
        ("echo $TOKEN | gh auth login --with-token",),
        casefold=True,
    ),
    Rule(
        "token",
        ("-stdin", "with-token", "kinit", "sudo -s", *_STORING),
        rf"(?:with-token|{_STDIN}|(?:kinit|sudo -s)\s[^\n|]{{0,60}}?"
        r"|secrets? (?:put|set)[^\n|]{0,60}?)"
        r"\s{0,2}<<<\s?['\"]?(?![$<`])(?P<value>(?>[^\s\"']{4,}))",
        (
            Example(_SECRET, "gh auth login --with-token <<< "),
            Example(_SECRET, "openconnect --passwd-on-stdin <<< '", "'"),
        ),
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
        r":(?:\d{2,5}|\*):(?!(?:[0-9a-f]{1,4}:){2}[0-9a-f]{1,4}(?![^\s.,;)`]))[^:\s\[]{1,64}:[^:\s\[/]{1,64}:(?!\[redacted:|[$<*])"
        # a resource's name, not a password, ends in `*`
        r"(?P<password>(?>[^\s:\"'\\]{4,}))(?<!\*)(?![^\s\"'\\])",
        (Example(_SECRET, "db.example.org:5432:*:app:"), Example(_SECRET, "*:*:*:app:", "\n")),
        (
            *("db.example.org:5432:*:app:$PASSWORD", "host:5432:shop:me:"),
            *("2001:0db8:0000:0000:0001", '"arn:aws:kms:*:*:secret:team/x1/*"'),
            '"arn:aws:q:*:*:space/${aws:Tag/Space1}"',
        ),
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
    Rule(
        "password",
        ("http-basic",),
        r"http-basic\.(?>\S{1,100})\s{1,3}(?>[^\s-]\S{0,99})\s{1,3}['\"]?(?![$<-]|\[redacted:)"
        r"(?P<password>(?>[^\s\"']{4,}))",
        (Example(_SECRET, "poetry config http-basic.mine me "),),
        ("poetry config http-basic.mine me $PASSWORD",),
    ),
    Rule(
        "secret",
        ("SecureString",),
        r"(?:SecureString(?>\\*)\",\s{0,40}(?>\\*)\"Value(?>\\*)\":\s?(?>\\*)\""
        r"|put-parameter\s(?=[^\n]{0,300}SecureString)[^\n]{0,300}?--value[ =][\"']?(?![$<]))"
        r"(?!\[redacted:)(?P<secret>(?>[^\s\"'\\]{4,}))",
        (
            Example(_SECRET, '{"Type": "SecureString", "Value": "', '"}'),
            Example(_SECRET, "aws ssm put-parameter --type SecureString --name /a --value "),
        ),
        ('{"Type": "String", "Value": "SecureString"}',),
    ),
    Rule(
        "password",  # of a Redis user, as in `user app on >password ~* +@all`
        ("+@", "~*"),
        r"user\s(?>\S{1,64})\s(?:on|off)\s(?:[^\n>]{0,100}\s)?>(?!\[redacted:)(?P<password>(?>\S{4,}))",
        (Example(_SECRET, "user app on >", " ~* +@all"),),
        ("user app on >", "user app off nopass ~* +@all"),
    ),
)
COMMANDS: tuple[Rule, ...] = (*PIPED, *SQL, *CONNECTIONS)
