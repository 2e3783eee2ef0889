"""Secrets in HTTP headers and signed URLs, and in the files and options of certain programs.

All these rules compare with the text in lower case.
"""

from __future__ import annotations

from opensync_hooks.privacy.redaction.patterns import ALNUM, BREAK, HEX, LOWER, QUOTE, body, rest
from opensync_hooks.privacy.redaction.rule import Example, Rule, fill

_QUOTES = rf"(?>{QUOTE}{{0,2}})"
_NO_PLACEHOLDER = rf"(?!\[redacted:|[<{{$%*\[]|{QUOTE})"
_REST = rest("-a-z0-9+/=_.~")
_NEXT_LINE = rf"(?:\\?\r?\n\s{{0,20}}|{BREAK})?"
"""The value may be in the next line."""
_USER = (
    r"(?P<user>(?!\[redacted:|\d+:\d)(?>[^\s:\"'$<{]{1,64}):(?!\[redacted:|[$<{*])"
    r"(?>(?:[^\s\"'\\]|\\(?![nr]))+))"
)
"""A user and a password; two numbers are a user's and a group's."""
_NO_PART_OF_WORD = r"(?:(?<![a-z]authorization)|(?<=\\[nrt]authorization)|(?<=\dmauthorization))"
_ATTRIBUTE = r"(?:max-age|expires|path|domain|version|samesite)="
"""Settings of a cookie, which follow its value."""
_SCHEME = r"(?:bearer|basic|token|bot|apikey|negotiate|oauth|splunk|key)"

HEADERS: tuple[Rule, ...] = (
    Rule(
        "authorization",
        ("authorization",),
        rf"authorization{_NO_PART_OF_WORD}{_QUOTES}\]?\s{{0,3}}[:=,]\s{{0,3}}(?:[fbr](?=[\"']))?{_QUOTES}"
        rf"(?:{_SCHEME}(?:\s{{1,3}}|{BREAK}){_NEXT_LINE}{_NO_PLACEHOLDER}(?P<value>(?>[^\s\"'`\\,;<>]{{6,}}){_REST})"
        rf"|(?:digest|aws4-hmac-sha256)\s{_NO_PLACEHOLDER}(?P<line>(?>[^\r\n\\`]{{8,}}))"
        rf"|[a-z][\w-]{{1,24}}[ ]{_NO_PLACEHOLDER}(?!https?:)(?=(?>[^ \t\r\n\"'0-9]{{0,64}})\d)"
        rf"(?P<credential>(?>[^\s\"'`\\,;<>()]{{20,}}){_REST})"
        rf"|{_NO_PLACEHOLDER}(?!https?:|[a-z_](?>[\w.]*)[(\[])(?=(?>[^ \t\r\n\"'0-9]{{0,64}})\d)"
        rf"(?P<bare>(?>[^\s\"'`\\,;<>]{{8,}}){_REST}))",
        (
            Example(fill(ALNUM, 24), "Authorization: Bearer "),
            Example("dXNlcjpwYXNz" + "d29yZA==", "-H 'authorization: basic ", "' \\"),
            Example(fill(ALNUM, 12), '{"Authorization": "', '"}'),
            Example(fill(ALNUM, 12), '{\\"Authorization\\": \\"Token ', '\\"}'),
            Example('username="me", response="4f"', "Authorization: Digest ", "\nHost: x"),
        ),
        (
            "Authorization: Bearer ${TOKEN}",
            "the authorization: see below",
            ".. _`RFC6749#Authorization`: https://tools.ietf.org/html/rfc6749",
            'headers["Authorization"] = self.header(info[0])',
            '"AWS::Config::AggregationAuthorization": "af31" "8b77aaceeeaa",',
        ),
        casefold=True,
    ),
    Rule(
        "bearer-token",
        ("bearer",),
        rf"bearer\s{{1,2}}{_NO_PLACEHOLDER}(?=(?>[^ \t\r\n0-9]{{0,64}})\d)"
        rf"(?P<token>{body('-a-z0-9._~+/=', 20)})",
        (Example(fill(LOWER, 32), "with Bearer ", " in it"),),
        ("bearer authentication-and-authorization",),
        casefold=True,
    ),
    Rule(
        "cookie",
        ("cookie",),
        rf"cookie{_QUOTES}\s{{0,2}}(?:,\s{{0,9}}{QUOTE}value{QUOTE}\s{{0,2}})?:\s{{0,2}}{_QUOTES}(?!\[redacted:)"
        r"(?>(?:(?>[a-z0-9_.-]{1,80})=(?>[a-z_/-]{0,20}(?:\d{1,4})?);\s{0,2}){0,20})"
        rf"(?!{_ATTRIBUTE})(?P<cookies>(?>[a-z0-9_.-]{{1,80}})="
        rf"(?![a-z_]{{4,40}}\d{{0,4}}(?![^\s;\"'\\]|{BREAK}(?=[a-z%+/=_.-]{{0,40}}\d)[a-z0-9%+/=_.-]{{8}}))"
        r"(?=(?>[^ \t\r\n;0-9]{0,64})\d)"
        rf"(?:(?>[^\s;\"'\\]{{8,}}){_REST}|(?>[^\s;\"'\\]{{4,7}}){BREAK}(?>[a-z0-9%+/=_.-]{{8,}}))"
        r"(?>[^\r\n\"'\\]*))",
        (
            Example("sid=" + fill(ALNUM, 20) + "; theme=dark", "Set-Cookie: "),
            Example("sid=" + fill(ALNUM, 20), '{"name": "cookie", "value": "a=b; ', '"}'),
        ),
        (
            "Cookie: name=value",
            "Set-Cookie: a=b; Max-Age=31536000",
            "cookie: dict[str, str] = {}",
            "Set-Cookie: theme=dark2\nUser-Agent: me",
        ),
        casefold=True,
    ),
    Rule(
        "signature",
        ("signature=", "sig="),
        r"sig(?:nature|(?<=[?&]sig))=(?=(?>[^ \t\r\n&0-9]{0,64})\d)"
        rf"(?P<signature>{body('-a-z0-9%+/_=', 20)})",
        (
            Example(fill(HEX, 64), "?X-Amz-Date=1&X-Amz-Signature=", "&x=1"),
            Example(fill(ALNUM, 43) + "%3D", "https://x.blob/?sv=1&sig="),
        ),
        ("signature=inspect.signature(call)",),
        casefold=True,
    ),
    Rule(
        "registry-auth",
        ("_auth", '"auth', 'auth"'),
        rf"auth(?<=[_\"]auth){_QUOTES}\s{{0,3}}[:=]\s{{0,3}}{_QUOTES}"
        rf"(?=(?>[^ \t\r\n\"'0-9]{{0,64}})\d)(?P<auth>{body('a-z0-9+/', 16)}={{0,2}})"
        r"(?![a-z0-9_.(])",
        (
            Example(fill(ALNUM, 24), "//registry.npmjs.org/:_auth="),
            Example(fill(ALNUM, 24), '{"auths":{"x":{"auth": "', '"}}}'),
        ),
        ('"auth": "required"', "basic_auth = make()"),
        casefold=True,
    ),
    Rule(
        "curl-user",
        ("curl",),
        r"-u(?:ser(?:(?<=--user)|(?<=proxy-user))|(?<=\s-u))[ =]?[\"']?"
        rf"{_USER}",
        (Example("me:" + fill(ALNUM, 9), "curl -u ", " https://example.org"),),
        ("curl --user-agent x", "curl -u $USER:$PASS x"),
        casefold=True,
    ),
    Rule(
        "cookie",
        ("--cookie", "curl"),
        r"curl\s(?:[^\n|]{0,400}?\s)?(?:-b|--cookie)[ =]?[\"']?(?P<cookies>(?>[a-z0-9_.-]{1,80})="
        r"(?=(?>[^ \t\r\n;0-9]{0,64})\d)(?:(?>[^\s;\"'\\$<]{8,})"
        rf"{_REST}|(?>[^\s;\"'\\$<]{{4,7}}){BREAK}(?>[a-z0-9%+/=_.-]{{8,}})))",
        (Example("sid=" + fill(LOWER, 20), "curl -b '", "; a=b' https://example.org"),),
        ("curl -b cookies.txt https://example.org/a1", "curl -b sid=$COOKIE x"),
        casefold=True,
    ),
    Rule(
        "httpie-user",
        ("http",),
        r"https?\s(?:[^\n|;\"']{0,80}?\s)?(?:-a|--auth)[ =][\"']?"
        rf"{_USER}",
        (Example("me:" + fill(ALNUM, 9), "http -a ", " https://example.org"),),
        ("http -a $USER:$PASS x", "http --auth-type basic"),
        casefold=True,
    ),
    Rule(
        "openvpn-password",
        ("auth-user-pass",),
        r"<auth-user-pass>\s{0,9}(?>\S{1,200})\s{1,9}(?!\[redacted:|<)(?P<password>(?>[^\s<]{4,}))",
        (Example(fill(ALNUM, 9), "<auth-user-pass>\nme\n", "\n</auth-user-pass>"),),
        ("<auth-user-pass>\n</auth-user-pass>",),
        casefold=True,
    ),
    Rule(
        "netrc-password",
        ("machine",),
        r"machine\s{1,9}(?>\S{1,200})\s{1,9}login\s{1,9}(?>\S{1,200})\s{1,9}password\s{1,9}"
        r"(?!\$[\w{(]|\W{0,3}\[redacted:|\W{0,3}pass(?:word)?\W{0,2}\s|\W{0,3}pass(?:word)?\Z)(?P<password>(?>\S+))",
        (Example(fill(ALNUM, 9), "machine example.org login me password "),),
        (
            "a machine to login on",
            "machine example.org login me password pass\n",
            "machine example.org login me password $PASS",
        ),
        casefold=True,
    ),
)
