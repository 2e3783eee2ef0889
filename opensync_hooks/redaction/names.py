"""Secrets that are known by the name beside them: `NAME=value`, `"name": "value"`, `--name value`.

All of it is compared with the text in lower case.
"""

from __future__ import annotations

from opensync_hooks.redaction.formats import ALNUM, CUT, Example, Format, fill

_LEFT_OUT = (
    r"(?!\[redacted:|\$[{(]|\$[a-z_]+(?![\w!@#$%^&*+-])|\{[a-z_{$]|<[a-z_ ]|%[({sd]"
    r"|\*\*\*|x{4}|\.{3}|…"
    r"|(?:none|null|nil|true|false|undefined|string|str|bytes|number|boolean|pass(?:word|wd)?)\b)"
)
"""Not what stands where a secret would: a variable, a blank to fill in, a type, our own mask."""
_ELSEWHERE = (
    r"(?!https?:|file:|\.{1,2}/|~/|[a-z]:\\"
    r"|/(?:run|etc|var|home|users|tmp|opt|usr|mnt|root|app|srv|workspace|private)/)"
)
"""Not the place where the secret lies."""
_CODE = (
    r"(?!(?:self|this|cls|args|opts|options|config|conf|settings|os|process|env|request|req|data"
    r"|params|ctx|props|kwargs|credentials|secrets|vars?|local|module|each)\.)"
    r"(?![a-z_][\w.]*+[(\[])"
    r"(?!(?:[a-z_]\w*+\.)++[a-z_]\w*+(?:[^\w=+/-]|\Z))"
)
"""Not `self.password2`."""
_LINK = (
    # from a name to its value: `=`, `": "`, `'] = `, ` => `, `: str = `, and a name's "value": ""
    r"[0-9]{0,2}(?>(?:\\*[\"'`]\]?)?[ \t]{0,3}"
    r"(?::[ \t]?[a-z][a-z|. ]{0,20}+=|=>|:=|={1,2}|:"
    r"|(?:\\*[\"'`])?[,\s]\s{0,20}\\*[\"']?value\\*[\"']?\s{0,2}[:=])[ \t]{0,3}"
    r"(?:\\\r?\n[ \t]{0,20})?(?:[bfru]{1,2}(?=[\"'`]))?)"
)
_TIGHT = (
    # also signs that mostly end a value, where nothing shows that they do
    r"(?:[^\s\"'`&;\\(),\[\]{}<>|]++|[(),\[\]{}<>|](?=[^\s\"'`&;\\)])"
    r"|[&;](?=[^\s\"'`&;\\(),\[\]{}<>|])(?![\w .-]{0,40}+=))++"
)
_WORD = r"[^\s\"'`,;&<>()\[\]{}|\\]"
_NO_CALL = r"(?![(\[{])"
_DIGIT = r"(?=[^ \t\r\n\"'`0-9]{0,24}+\d)"
_LETTER = r"(?=[^ \t\r\n\"'`a-z]{0,24}+[a-z])"
_SIGN = r"(?=[^ \t\r\n\"'`0-9!@#$%^&*+]{0,40}+[0-9!@#$%^&*+])"


_TIGHTLY = rf"(?<=[a-z0-9]=){_CODE}(?P<tight>{_TIGHT})(?=[\s;&\"'`<|}}\\]|\Z)"
"""Between a name, its `=` and its value there is nothing, as hardly anybody writes code."""


def _quoted(excluded: str = r"\s") -> str:
    """A value in quotes of its own, or in quotes that are escaped as it lies in a quoted text."""
    own = (
        rf"{quote}(?P<{name}>(?:[^{quote}\\{excluded}]++|\\\S)++)(?:{quote}|{CUT})"
        for quote, name in (('"', "double"), ("'", "single"), ("`", "back"))
    )
    escaped = rf"\\+[\"'](?P<escaped>[^{excluded}\"'`\\]++)(?:\\+[\"']|{CUT})"
    return "|".join((*own, escaped))


def _flag(names: list[str]) -> str:
    """After `--name` a blank is enough."""
    dashed = "|".join(rf"(?<=-{name})" for name in names)
    value = rf"{_DIGIT}{_LETTER}{_LEFT_OUT}(?P<flag>{_WORD}{{8,}}+){_NO_CALL}"
    return rf"(?:{dashed})[ \t]{{1,3}}(?!-){value}"


def _once(*conditions: str) -> str:
    """What must hold of a value, in quotes or not."""
    return rf"(?=[\\\"'`]{{0,6}}+{''.join(conditions)})"


def _strictly(begin: str, names: list[str]) -> str:
    """Code is full of tokens and keys: only a value with a digit in it is one, or a long one."""
    digit = rf"(?:{_DIGIT}|(?<=[a-z0-9]=)|(?=[a-z]{{20}}))(?=[^ \t\r\n\"'`]{{8}})"
    bare = rf"(?:{_DIGIT}{_LETTER}|(?=[a-z]{{20}})){_CODE}(?P<bare>{_WORD}{{8,}}+){_NO_CALL}"
    link = rf"(?:{_LINK}|\\*[\"'`],[ \t]?(?=\\*[\"'`]))"
    conditions = _once(digit, _LEFT_OUT, _ELSEWHERE)
    return rf"{begin}(?:{_flag(names)}|{link}{conditions}(?:{_quoted()}|{_TIGHTLY}|{bare}))"


def _loosely(begin: str, names: list[str], *, blanks: bool = False, condition: str = "") -> str:
    """A password may be any word, as long as it cannot be a piece of code."""
    bare = rf"{_SIGN}{_CODE}(?P<bare>{_WORD}{{6,}}+){_NO_CALL}"
    value = "|".join((_quoted(r"\n" if blanks else r"\s"), _TIGHTLY, bare))
    conditions = _once(r"(?=[^\s\"'`]{3})", condition, _LEFT_OUT)
    return rf"{begin}(?:{_flag(names)}|{_LINK}{conditions}(?:{value}))"


_IN_TAGS = ("password", "passwd", "passphrase", "secret", "token", "apikey", "privatekey")
_PASSWORDS = ["password", "passwd", "passcode", "passwort", "pass"]
_SECRETS = ["secret", "secret.key", "secretkey", "secret.access.key"]
_SECRETLY = r"secret(?:[ _.-]?access)?(?:[ _.-]?key(?:[_-]base)?)?"
_OF_KEYS = (
    *("api", "app", "access", "private", "signing", "encryption", "auth", "account", "master"),
    *("service", "license", "shared", "webhook", "deploy", "admin", "client", "session"),
    *("storage", "subscription", "server", "consumer", "integration"),
)


def _behind(joint: str) -> str:
    """One look back for all the words of a length."""
    sizes = sorted({len(of) for of in _OF_KEYS})
    words = ("|".join(of for of in _OF_KEYS if len(of) == size) for size in sizes)
    return rf"(?<={joint}key)(?:{'|'.join(rf'(?<=(?:{of}){joint}key)' for of in words)})"


_KEY = rf"key(?:{_behind('[ _.-]')}|(?<=[a-z]key)(?:{_behind('')}))"


def _examples(name: str, secret: str) -> tuple[Example, ...]:
    """The ways in which values stand beside their names."""
    return (
        Example(secret, f"export MY_{name.upper()}="),
        Example(secret, f'{{"{name}": "', '"}'),
        Example(secret, f'{{\\"{name}\\": \\"', '\\"}'),
        Example(secret, f"{name}: "),
        Example(secret, f"config['{name}'] = '", "'"),
        Example(secret, f"tool --{name} ", " --verbose"),
        Example(secret, f"- name: {name.upper()}\n  value: "),
        Example(secret, f"https://example.org/?{name}=", "&x=1"),
    )


NAMES: tuple[Format, ...] = (
    Format(
        "password",
        ("*word", "*pass", "*passwd", "*passcode", "*passwort"),
        _loosely(r"pass(?:word|wd|code|wort|(?<![a-z]pass))", _PASSWORDS),
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
        folded=True,
    ),
    Format(
        "password",
        tuple(f"*{name}" for name in _IN_TAGS),
        f">(?:{'|'.join(f'(?<={name}>)' for name in _IN_TAGS)})"
        rf"{_LEFT_OUT}(?P<tagged>[^<>\s]{{4,}}+)</",
        (Example("hunter" + "two", "<password>", "</password>"),),
        ("<label>password</label>", "<token></token>"),
        folded=True,
    ),
    Format(
        "password",
        ("*pwd",),
        _loosely("pwd", ["pwd"], condition=r"(?![/~.]|[a-z]:\\)"),
        (Example("hunter" + "two", "Uid=sa;Pwd=", ";"), *_examples("pwd", fill(ALNUM, 9))),
        ("PWD=/home/me/project", "OLDPWD=/", "pwd; ls"),
        folded=True,
    ),
    Format(
        "password",
        ("*phrase",),
        _loosely("passphrase", ["passphrase"], blanks=True),
        (
            *_examples("passphrase", fill(ALNUM, 9)),
            Example("correct horse " + "battery", 'passphrase: "', '"'),
        ),
        ("Enter passphrase for key: ",),
        folded=True,
    ),
    Format(
        "token",
        ("*token",),
        _strictly("token", ["token"]),
        _examples("token", fill(ALNUM, 16)),
        (
            "token = self.tokens2.next()",
            "max_tokens: 4096, token: 12345678",
            'token = "access_token"',
            "token_url=https://example.org/oauth2/v1",
            "token: ${{ secrets.GITHUB_TOKEN }}",
            "--token TOKEN  how to log in",
        ),
        folded=True,
    ),
    Format(
        "secret",
        ("*secret", "*key", "secret"),
        _strictly(_SECRETLY, _SECRETS),
        (*_examples("secret", fill(ALNUM, 16)), *_examples("secret_access_key", fill(ALNUM, 40))),
        ("secret = Secret.from_name(v1)", "client_secret: /run/secrets/client_secret1"),
        folded=True,
    ),
    Format(
        "api-key",
        ("*key",),
        _strictly(_KEY, [f"{of}.key" for of in ("api", "access", "auth", "private")]),
        (
            *_examples("api_key", fill(ALNUM, 16)),
            Example(fill(ALNUM, 16), "X-Api-Key: "),
            Example(fill(ALNUM, 86) + "==", "AccountName=x;AccountKey=", ";EndpointSuffix=y"),
        ),
        ("api_key=os.getenv('API_KEY1')", "primary_key=customer12345", "api_key: str = Field(1)"),
        folded=True,
    ),
    Format(
        "credential",
        ("*credential", "*credentials"),
        _strictly("credentials?", ["credential", "credentials"]),
        _examples("credential", fill(ALNUM, 16)),
        ("credentials = service.load_v1(path)",),
        folded=True,
    ),
)
