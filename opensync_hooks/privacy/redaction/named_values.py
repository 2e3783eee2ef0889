"""Secrets that the name beside them identifies: `NAME=value`, `"name": "value"`, `--name value`.

All rules but those for upper-case names compare with the text in lower case.
"""

from __future__ import annotations

from opensync_hooks.privacy.redaction.patterns import (
    ALNUM,
    BREAK,
    CUT,
    FOLD,
    NEWLINE,
    QUOTE,
    rest,
)
from opensync_hooks.privacy.redaction.rule import Example, Rule, fill

_NO_PLACEHOLDER = (
    r"(?!\[redacted:|\$[{(]|\$[a-z_]+(?![\w!@#$%^&*+-])|\{[a-z_{$]|<[a-z_ ]|%[({sd]"
    r"|\*\*\*|x{4}|\.{3}|…"
    r"|(?:none|null|nil|true|false|undefined|string|str|bytes|number|boolean|pass(?:word|wd)?)\b)"
)
"""Not a variable, a placeholder, a type or our own mask in the place of the secret."""
_NO_PATH = (
    r"(?!https?:|file:|\.{1,2}/|~/|[a-z]:\\"
    r"|/(?:run|etc|var|home|users|tmp|opt|usr|mnt|root|app|srv|workspace|private)/)"
)
"""Not the URL or path of a file that holds the secret."""
_NO_ATTRIBUTE = (
    r"(?!(?:self|this|cls|args|opts|options|config|conf|settings|os|process|env|request|req|data"
    r"|params|ctx|props|kwargs|credentials|secrets|vars?|local|module|each)\.)"
    r"(?![a-z_](?>[\w.]*)[(\[])"
)
_NO_CODE = _NO_ATTRIBUTE + (r"(?!(?>(?:[a-z_](?>\w*)\.)+)[a-z_](?>\w*)(?:[^\w=+/-]|\Z))")
"""Not `self.password2`, nor `settings.db.password`."""
_NEXT_LINE = (
    # the value is in the next line: after `\`, `(`, `|-`, or only indented, and it is not a name;
    # in titles, line ends have become spaces
    r"(?=[(|>\\ \t\r\n])"
    rf"(?:(?:[(|>][-+]?)?[ \t]{{0,2}}{NEWLINE}(?>(?:[ \t]|(?>\\+)t){{1,40}})"
    r"|(?:[|>][-+]?|\((?=[ \t][\"'])|\\)[ \t])(?!-|[\"']?(?>[\w.$-]{1,80})[\"']?[ \t]{0,3}[:=])"
)
_ASSIGNMENT = (
    # between name and value: `=`, `": "`, `'] = `, ` => `, `: str = `, `"name": "…", "value": "`
    rf"[0-9]{{0,2}}(?>(?:{QUOTE}\]?)?[ \t]{{0,3}}"
    r"(?::[ \t]?[a-z](?>[a-z|. ]{0,20})=|=>|:=|={1,2}|:"
    rf"|{QUOTE}?(?:[,\s]|(?>\\+)n)(?>(?:\s|(?>\\+)[nt]){{0,20}}){QUOTE}?value{QUOTE}?\s{{0,2}}[:=])"
    rf"[ \t]{{0,3}}(?:{_NEXT_LINE})?(?:[bfru]{{1,2}}(?=[\"'`]))?)"
)
_REST = rest("-a-z0-9+/=_.~")
_TIGHT = (
    # characters that usually end a value belong to it unless something shows that they end it
    r"(?>(?:(?>[^\s\"'`&;\\(),\[\]{}<>|]+)|[(),\[\]{}<>|](?=[^\s\"'`&;\\)])"
    r"|[&;](?=[^\s\"'`&;\\(),\[\]{}<>|])(?!(?>[\w .-]{0,40})=))+)"
)
_WORD = r"[^\s\"'`,;&<>()\[\]{}|\\]"
_NO_CALL = r"(?![(\[{])"
_DIGIT = r"(?=(?>[^ \t\r\n\"'`0-9]{0,24})\d)"
_LETTER = r"(?=(?>[^ \t\r\n\"'`a-z]{0,24})[a-z])"
_SIGN = r"(?=(?>[^ \t\r\n\"'`0-9!@#$%^&*+]{0,40})[0-9!@#$%^&*+])"
_TIGHT_VALUE = rf"(?<=[a-z0-9]=){_NO_CODE}(?P<tight>{_TIGHT}{_REST})(?=[\s;&\"'`<|}}\\]|\Z)"
"""`name=value` without spaces, as in shells and settings files, and rarely in code."""
_ESCAPED = r"(?:(?>\\+)[\"'`]|(?>\\+)u002[27]|&quot;|&#3[49];)"
_BREAK_IN_QUOTES = rf"(?:{FOLD}|{BREAK}|(?:(?<=\\n)|(?<=\\n[>|+#*]))(?>[ \t>|+#*]{{1,40}}))"
"""A line's end within quotes; the word before it may include the letters of an escaped one."""


def _quoted(excluded: str = r"\s") -> str:
    """Match a value in quotes, or in escaped quotes within a quoted text."""
    own = []
    for quote, name in (('"', "double"), ("'", "single"), ("`", "back")):
        word = rf"(?>(?:(?>[^{quote}\\{excluded}]+)|\\\S)+)"
        joint = rf"(?:{_BREAK_IN_QUOTES}|{quote}{FOLD}{quote})"
        own.append(rf"{quote}(?P<{name}>{word}(?>(?:{joint}{word}){{0,3}}))(?:{quote}|{CUT})")
    word = rf"(?>(?:(?>[^{excluded}\"'`\\&]+)|&(?!quot;|#3))+)"
    escaped = (
        rf"{_ESCAPED}(?P<escaped>{word}(?>(?:{_BREAK_IN_QUOTES}{word}){{0,3}}))(?:{_ESCAPED}|{CUT})"
    )
    return "|".join((*own, escaped))


def _option_value(names: list[str]) -> str:
    """Match ` value` after `--name`: after an option, a space is enough."""
    dashed = "|".join(rf"(?<=-{name})" for name in names)
    value = rf"{_DIGIT}{_LETTER}{_NO_PLACEHOLDER}(?P<flag>(?>{_WORD}{{8,}}){_REST}){_NO_CALL}"
    below = rf"(?:{NEWLINE}(?>(?:[ \t]|(?>\\+)t){{0,40}})|\\[ \t])?"
    return rf"(?:{dashed})(?:[ \t]{{1,3}}{below}|{QUOTE},\s{{0,9}}{QUOTE})(?!-){value}"


def _check(*conditions: str) -> str:
    """Check the conditions on a value, which may be in quotes."""
    return rf"(?=(?>(?:{QUOTE}|(?>\\+))?){''.join(conditions)})"


def _strict(name: str, options: list[str]) -> str:
    """Match a named value with a digit in it, or a long one: code is full of tokens and keys."""
    digit = rf"(?:{_DIGIT}|(?<=[a-z0-9]=)|(?=[a-z]{{20}}))(?=[^ \t\r\n\"'`]{{8}})"
    start = rf"(?:{_DIGIT}{_LETTER}|(?=[a-z]{{20}})){_NO_CODE}"
    bare = rf"{start}(?P<bare>(?>{_WORD}{{8,}}){_REST}){_NO_CALL}"
    link = rf"(?:{_ASSIGNMENT}|{QUOTE},[ \t]?(?={QUOTE}))"
    conditions = _check(digit, _NO_PLACEHOLDER, _NO_PATH)
    value = f"{_quoted()}|{_TIGHT_VALUE}|{bare}"
    return rf"{name}(?:{_option_value(options)}|{link}{conditions}(?:{value}))"


def _loose(name: str, options: list[str], *, spaces: bool = False, condition: str = "") -> str:
    """Match any named value that cannot be code: a password may be an ordinary word."""
    bare = rf"{_SIGN}{_NO_CODE}(?P<bare>(?>{_WORD}{{6,}}){_REST}){_NO_CALL}"
    within = r"\n" if spaces else r"\s"
    value = "|".join((_quoted(within), _TIGHT_VALUE, bare))
    conditions = _check(rf"(?=[^{within}\"'`]{{3}})", condition, _NO_PLACEHOLDER)
    return rf"{name}(?:{_option_value(options)}|{_ASSIGNMENT}{conditions}(?:{value}))"


_IN_TAGS = ("password", "passwd", "passphrase", "secret", "token", "apikey", "privatekey")
_PASSWORDS = ["password", "passwd", "passcode", "passwort", "pass"]
_SECRETS = ["secret", "secret.key", "secretkey", "secret.access.key"]
_KEY_QUALIFIERS = (
    *("api", "app", "access", "private", "signing", "encryption", "auth", "account", "master"),
    *("service", "license", "shared", "webhook", "deploy", "admin", "client", "session"),
    *("storage", "subscription", "server", "consumer", "integration"),
)


def _qualified(separator: str) -> str:
    """Match after `key` if a qualifier precedes it, with one lookbehind for each length of them."""
    lengths = sorted({len(word) for word in _KEY_QUALIFIERS})
    words = ("|".join(word for word in _KEY_QUALIFIERS if len(word) == n) for n in lengths)
    lookbehinds = "|".join(rf"(?<=(?:{group}){separator}key)" for group in words)
    return rf"(?<={separator}key)(?:{lookbehinds})"


_KEY = rf"key(?:{_qualified('[ _.-]')}|(?<=[a-z]key)(?:{_qualified('')}))"


def _examples(name: str, secret: str) -> tuple[Example, ...]:
    """Return the ways in which values are written beside their names."""
    return (
        Example(secret, f"export MY_{name.upper()}="),
        Example(secret, f'{{"{name}": "', '"}'),
        Example(secret, f'{{\\"{name}\\": \\"', '\\"}'),
        Example(secret, f"{name}: "),
        Example(secret, f"config['{name}'] = '", "'"),
        Example(secret, f"tool --{name} ", " --verbose"),
        Example(secret, f"- name: {name.upper()}\n  value: "),
        Example(secret, f"{name}: |-\n    "),
        Example(secret, f'{name} = (\n    "', '"\n)'),
        Example(secret, f"tool --{name} \\\n    "),
        Example(secret, f'["tool", "--{name}", "', '"]'),
        Example(secret, f"{{\\u0022{name}\\u0022:\\u0022", "\\u0022}"),
        Example(secret, f"<i data-x='{{&quot;{name}&quot;: &quot;", "&quot;}'>"),
        Example(secret, f"https://example.org/?{name}=", "&x=1"),
    )


def _uppercase(kind: str, pattern: str, names: tuple[str, ...], *keywords: str) -> Rule:
    """Return the rule for `NAME=value` in a shell, where a dot in the value is not code."""
    value = rf"(?i:{_NO_PLACEHOLDER}{_NO_PATH}{_NO_ATTRIBUTE})(?P<literal>{_TIGHT}(?i:{_REST}))"
    return Rule(
        kind,
        keywords,
        rf"{pattern}[0-9]{{0,2}}=(?=[^\s\"'`]{{8}}){_DIGIT}{value}",
        tuple(Example(fill(ALNUM, 9) + "." + fill(ALNUM, 6), f"MY_{name}=") for name in names),
        (f"{names[0]}=settings.password",),
    )


_PASSWORD_ENDS = ("*word", "*passwd", "*phrase", "*pass", "*pwd")

NAMED_VALUES: tuple[Rule, ...] = (
    Rule(
        "password",
        ("*word", "*pass", "*passwd", "*passcode", "*passwort"),
        _loose(r"pass(?:word|wd|code|wort|(?<![a-z]pass))", _PASSWORDS),
        (
            *_examples("password", fill(ALNUM, 9)),
            Example("hunter" + "two", "DB_PASSWORD="),
            Example("let" + "mein", 'password = "', '"'),
            Example("hunter" + "two", "Server=db;User Id=sa;Password=", ";Timeout=3"),
            Example("hunter" + "two", "host=db user=me password=", " dbname=x"),
        ),
        (
            "password = getpass.getpass()",
            "def login(user: str, password: str) -> None:",
            'password = os.environ["DB_PASSWORD"]',
            "PASSWORD=${DB_PASSWORD}",
            'password: "<your password>"',
            "login(user=user, password=password)",
            "passed: 12, passing=yes",
        ),
        casefold=True,
    ),
    Rule(
        "password",
        tuple(f"*{name}" for name in _IN_TAGS),
        f">(?:{'|'.join(f'(?<={name}>)' for name in _IN_TAGS)})"
        rf"{_NO_PLACEHOLDER}(?P<tagged>(?>[^<>\s]{{4,}}))</",
        (Example("hunter" + "two", "<password>", "</password>"),),
        ("<label>password</label>", "<token></token>"),
        casefold=True,
    ),
    Rule(
        "password",
        ("*pwd",),
        _loose("pwd", ["pwd"], condition=r"(?![/~.]|[a-z]:\\)"),
        (Example("hunter" + "two", "Uid=sa;Pwd=", ";"), *_examples("pwd", fill(ALNUM, 9))),
        ("PWD=/home/me/project", "OLDPWD=/", "pwd; ls"),
        casefold=True,
    ),
    Rule(
        "password",
        ("*phrase",),
        _loose("passphrase", ["passphrase"], spaces=True),
        (
            *_examples("passphrase", fill(ALNUM, 9)),
            Example("correct horse " + "battery", 'passphrase: "', '"'),
        ),
        ("Enter passphrase for key: ",),
        casefold=True,
    ),
    Rule(
        "token",
        ("*token",),
        _strict("token", ["token"]),
        _examples("token", fill(ALNUM, 16)),
        (
            "token = self.tokens2.next()",
            "max_tokens: 4096, token: 12345678",
            'token = "access_token"',
            "token_url=https://example.org/oauth2/v1",
            "token: ${{ secrets.GITHUB_TOKEN }}",
            "--token TOKEN  how to log in",
        ),
        casefold=True,
    ),
    Rule(
        "secret",
        ("*secret", "*key", "secret"),
        _strict(r"secret(?:[ _.-]?access)?(?:[ _.-]?key(?:[_-]base)?)?", _SECRETS),
        (*_examples("secret", fill(ALNUM, 16)), *_examples("secret_access_key", fill(ALNUM, 40))),
        ("secret = Secret.from_name(v1)", "client_secret: /run/secrets/client_secret1"),
        casefold=True,
    ),
    Rule(
        "api-key",
        ("*key",),
        _strict(_KEY, [f"{word}.key" for word in ("api", "access", "auth", "private")]),
        (
            *_examples("api_key", fill(ALNUM, 16)),
            Example(fill(ALNUM, 16), "X-Api-Key: "),
            Example(fill(ALNUM, 86) + "==", "AccountName=x;AccountKey=", ";EndpointSuffix=y"),
        ),
        ("api_key=os.getenv('API_KEY1')", "primary_key=customer12345", "api_key: str = Field(1)"),
        casefold=True,
    ),
    Rule(
        "credential",
        ("*credential", "*credentials"),
        _strict("credentials?", ["credential", "credentials"]),
        _examples("credential", fill(ALNUM, 16)),
        ("credentials = service.load_v1(path)",),
        casefold=True,
    ),
    _uppercase(
        "password",
        "P(?:ASS(?:WORD|WD|PHRASE)?|WD)",
        ("PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD"),
        *_PASSWORD_ENDS,
    ),
    _uppercase("secret", "SECRET", ("SECRET",), "*secret"),
    _uppercase("token", "TOKEN", ("TOKEN",), "*token"),
    _uppercase(
        "api-key", f"KEY{_qualified('_').upper()}", ("API_KEY", "ACCESS_KEY", "AUTH_KEY"), "*key"
    ),
)
