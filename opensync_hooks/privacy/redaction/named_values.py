"""Secrets that are known by the name beside them: `NAME=value`, `"name": "value"`, `--name value`.

All of it is compared with the text in lower case.
"""

from __future__ import annotations

from opensync_hooks.privacy.redaction.rule import (
    ALNUM,
    BREAK,
    CUT,
    FOLD,
    NEWLINE,
    QUOTE,
    Example,
    Rule,
    fill,
    rest,
)

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
_CALL = (
    r"(?!(?:self|this|cls|args|opts|options|config|conf|settings|os|process|env|request|req|data"
    r"|params|ctx|props|kwargs|credentials|secrets|vars?|local|module|each)\.)"
    r"(?![a-z_](?>[\w.]*)[(\[])"
)
_CODE = _CALL + (r"(?!(?>(?:[a-z_](?>\w*)\.)+)[a-z_](?>\w*)(?:[^\w=+/-]|\Z))")
"""Not `self.password2`."""
_BELOW = (
    # the value stands in the next line: behind `\`, `(`, `|-`, or only indented, and is no name;
    # in a title, the line's end has become a blank
    r"(?=[(|>\\ \t\r\n])"
    rf"(?:(?:[(|>][-+]?)?[ \t]{{0,2}}{NEWLINE}(?>(?:[ \t]|(?>\\+)t){{1,40}})"
    r"|(?:[|>][-+]?|\((?=[ \t][\"'])|\\)[ \t])(?!-|[\"']?(?>[\w.$-]{1,80})[\"']?[ \t]{0,3}[:=])"
)
_LINK = (
    # from a name to its value: `=`, `": "`, `'] = `, ` => `, `: str = `, and a name's "value": ""
    rf"[0-9]{{0,2}}(?>(?:{QUOTE}\]?)?[ \t]{{0,3}}"
    r"(?::[ \t]?[a-z](?>[a-z|. ]{0,20})=|=>|:=|={1,2}|:"
    rf"|{QUOTE}?(?:[,\s]|(?>\\+)n)(?>(?:\s|(?>\\+)[nt]){{0,20}}){QUOTE}?value{QUOTE}?\s{{0,2}}[:=])"
    rf"[ \t]{{0,3}}(?:{_BELOW})?(?:[bfru]{{1,2}}(?=[\"'`]))?)"
)
_REST = rest("-a-z0-9+/=_.~")
_TIGHT = (
    # also signs that mostly end a value, where nothing shows that they do
    r"(?>(?:(?>[^\s\"'`&;\\(),\[\]{}<>|]+)|[(),\[\]{}<>|](?=[^\s\"'`&;\\)])"
    r"|[&;](?=[^\s\"'`&;\\(),\[\]{}<>|])(?!(?>[\w .-]{0,40})=))+)"
)
_WORD = r"[^\s\"'`,;&<>()\[\]{}|\\]"
_NO_CALL = r"(?![(\[{])"
_DIGIT = r"(?=(?>[^ \t\r\n\"'`0-9]{0,24})\d)"
_LETTER = r"(?=(?>[^ \t\r\n\"'`a-z]{0,24})[a-z])"
_SIGN = r"(?=(?>[^ \t\r\n\"'`0-9!@#$%^&*+]{0,40})[0-9!@#$%^&*+])"


_TIGHTLY = rf"(?<=[a-z0-9]=){_CODE}(?P<tight>{_TIGHT}{_REST})(?=[\s;&\"'`<|}}\\]|\Z)"
"""Between a name, its `=` and its value there is nothing, as hardly anybody writes code."""


_ESCAPED = r"(?:(?>\\+)[\"'`]|(?>\\+)u002[27]|&quot;|&#3[49];)"


_INNER = rf"(?:{FOLD}|{BREAK}|(?:(?<=\\n)|(?<=\\n[>|+#*]))(?>[ \t>|+#*]{{1,40}}))"
"""A line's end within quotes; of an escaped one, the letters may have been taken already."""


def _quoted(excluded: str = r"\s") -> str:
    """A value in quotes of its own, or in quotes that are escaped as it lies in a quoted text."""
    own = []
    for quote, name in (('"', "double"), ("'", "single"), ("`", "back")):
        word = rf"(?>(?:(?>[^{quote}\\{excluded}]+)|\\\S)+)"
        joint = rf"(?:{_INNER}|{quote}{FOLD}{quote})"
        own.append(rf"{quote}(?P<{name}>{word}(?>(?:{joint}{word}){{0,3}}))(?:{quote}|{CUT})")
    word = rf"(?>(?:(?>[^{excluded}\"'`\\&]+)|&(?!quot;|#3))+)"
    escaped = rf"{_ESCAPED}(?P<escaped>{word}(?>(?:{_INNER}{word}){{0,3}}))(?:{_ESCAPED}|{CUT})"
    return "|".join((*own, escaped))


def _flag(names: list[str]) -> str:
    """After `--name` a blank is enough."""
    dashed = "|".join(rf"(?<=-{name})" for name in names)
    value = rf"{_DIGIT}{_LETTER}{_LEFT_OUT}(?P<flag>(?>{_WORD}{{8,}}){_REST}){_NO_CALL}"
    below = rf"(?:{NEWLINE}(?>(?:[ \t]|(?>\\+)t){{0,40}})|\\[ \t])?"
    return rf"(?:{dashed})(?:[ \t]{{1,3}}{below}|{QUOTE},\s{{0,9}}{QUOTE})(?!-){value}"


def _once(*conditions: str) -> str:
    """What must hold of a value, in quotes or not."""
    return rf"(?=(?>(?:{QUOTE}|(?>\\+))?){''.join(conditions)})"


def _strictly(begin: str, names: list[str]) -> str:
    """Code is full of tokens and keys: only a value with a digit in it is one, or a long one."""
    digit = rf"(?:{_DIGIT}|(?<=[a-z0-9]=)|(?=[a-z]{{20}}))(?=[^ \t\r\n\"'`]{{8}})"
    bare = (
        rf"(?:{_DIGIT}{_LETTER}|(?=[a-z]{{20}})){_CODE}(?P<bare>(?>{_WORD}{{8,}}){_REST}){_NO_CALL}"
    )
    link = rf"(?:{_LINK}|{QUOTE},[ \t]?(?={QUOTE}))"
    conditions = _once(digit, _LEFT_OUT, _ELSEWHERE)
    return rf"{begin}(?:{_flag(names)}|{link}{conditions}(?:{_quoted()}|{_TIGHTLY}|{bare}))"


def _loosely(begin: str, names: list[str], *, blanks: bool = False, condition: str = "") -> str:
    """A password may be any word, as long as it cannot be a piece of code."""
    bare = rf"{_SIGN}{_CODE}(?P<bare>(?>{_WORD}{{6,}}){_REST}){_NO_CALL}"
    within = r"\n" if blanks else r"\s"
    value = "|".join((_quoted(within), _TIGHTLY, bare))
    conditions = _once(rf"(?=[^{within}\"'`]{{3}})", condition, _LEFT_OUT)
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
        Example(secret, f"{name}: |-\n    "),
        Example(secret, f'{name} = (\n    "', '"\n)'),
        Example(secret, f"tool --{name} \\\n    "),
        Example(secret, f'["tool", "--{name}", "', '"]'),
        Example(secret, f"{{\\u0022{name}\\u0022:\\u0022", "\\u0022}"),
        Example(secret, f"<i data-x='{{&quot;{name}&quot;: &quot;", "&quot;}'>"),
        Example(secret, f"https://example.org/?{name}=", "&x=1"),
    )


def _shouted(kind: str, begin: str, names: tuple[str, ...], *keywords: str) -> Rule:
    """A name in capitals, `=`, and a value at once: a shell's assignment, where no dot is code."""
    value = rf"(?i:{_LEFT_OUT}{_ELSEWHERE}{_CALL})(?P<literal>{_TIGHT}(?i:{_REST}))"
    return Rule(
        kind,
        keywords,
        rf"{begin}[0-9]{{0,2}}=(?=[^\s\"'`]{{8}}){_DIGIT}{value}",
        tuple(Example(fill(ALNUM, 9) + "." + fill(ALNUM, 6), f"MY_{name}=") for name in names),
        (f"{names[0]}=settings.password",),
    )


_PASSWORD_ENDS = ("*word", "*passwd", "*phrase", "*pass", "*pwd")

NAMED_VALUES: tuple[Rule, ...] = (
    Rule(
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
        casefold=True,
    ),
    Rule(
        "password",
        tuple(f"*{name}" for name in _IN_TAGS),
        f">(?:{'|'.join(f'(?<={name}>)' for name in _IN_TAGS)})"
        rf"{_LEFT_OUT}(?P<tagged>(?>[^<>\s]{{4,}}))</",
        (Example("hunter" + "two", "<password>", "</password>"),),
        ("<label>password</label>", "<token></token>"),
        casefold=True,
    ),
    Rule(
        "password",
        ("*pwd",),
        _loosely("pwd", ["pwd"], condition=r"(?![/~.]|[a-z]:\\)"),
        (Example("hunter" + "two", "Uid=sa;Pwd=", ";"), *_examples("pwd", fill(ALNUM, 9))),
        ("PWD=/home/me/project", "OLDPWD=/", "pwd; ls"),
        casefold=True,
    ),
    Rule(
        "password",
        ("*phrase",),
        _loosely("passphrase", ["passphrase"], blanks=True),
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
        casefold=True,
    ),
    Rule(
        "secret",
        ("*secret", "*key", "secret"),
        _strictly(_SECRETLY, _SECRETS),
        (*_examples("secret", fill(ALNUM, 16)), *_examples("secret_access_key", fill(ALNUM, 40))),
        ("secret = Secret.from_name(v1)", "client_secret: /run/secrets/client_secret1"),
        casefold=True,
    ),
    Rule(
        "api-key",
        ("*key",),
        _strictly(_KEY, [f"{of}.key" for of in ("api", "access", "auth", "private")]),
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
        _strictly("credentials?", ["credential", "credentials"]),
        _examples("credential", fill(ALNUM, 16)),
        ("credentials = service.load_v1(path)",),
        casefold=True,
    ),
    _shouted(
        "password",
        "P(?:ASS(?:WORD|WD|PHRASE)?|WD)",
        ("PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD"),
        *_PASSWORD_ENDS,
    ),
    _shouted("secret", "SECRET", ("SECRET",), "*secret"),
    _shouted("token", "TOKEN", ("TOKEN",), "*token"),
    _shouted(
        "api-key", f"KEY{_behind('_').upper()}", ("API_KEY", "ACCESS_KEY", "AUTH_KEY"), "*key"
    ),
)
