"""Private keys in PEM and PuTTY files, complete or cut, as terminals and diffs show them."""

from __future__ import annotations

from opensync_hooks.privacy.redaction.patterns import ALNUM, BASE64, BREAK, CUT, NEWLINE, body, rest
from opensync_hooks.privacy.redaction.rule import Example, Rule, fill

_KEY_NAME = r"(?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
_BASE64 = r"[A-Za-z0-9+/=]"
_NOT_BASE64 = "[^A-Za-z0-9+/=]"
_LAST_LINE = rf"(?>{_BASE64}{{1,76}})(?=(?>[ \t]*)(?:[\r\n\"'\\]|{CUT}))"
"""A short word is base64 only if it is alone on its line."""
_PEM = (
    rf"-----BEGIN {_KEY_NAME}"
    # up to its end; without one, as long as lines of base64 follow
    rf"(?:(?>(?:(?>[^-]+)|-(?!----)){{0,4000}})-----END {_KEY_NAME}"
    r"|(?:(?:\s|\\+[rn])*Proc-Type:[^\n\\]{0,60}(?:\s|\\+[rn])*DEK-Info:[^\n\\]{0,80})?"
    rf"(?>(?:(?:{NEWLINE}|[ \t])(?>{_BASE64}{{1,24}}){BREAK}(?={_BASE64}{{8}}))?)"
    rf"(?>(?:(?>{_NOT_BASE64}{{0,80}})(?:(?>{_BASE64}{{1,8}})(?>{_NOT_BASE64}{{1,40}})){{0,3}}?"
    rf"(?>{_BASE64}{{24,}})(?![-._!~$]\w))*)(?:{BREAK}{_LAST_LINE}|{rest('A-Za-z0-9+/=')}))"
)
_BETWEEN = r"(?:n(?>\\+)(?:r(?>\\+))?|(?>\\+)r(?>\\+)|[\s|>\"'+,→0-9\\])*"
_PEM_LINES_REVERSED = (
    rf"(?:{_BETWEEN}{_BASE64}{{16,76}}){{1,70}}"
    # the end of a line whose beginning was cut off
    rf"(?:{_BETWEEN}(?=[A-Za-z+/=]{{0,15}}[0-9]){_BASE64}{{4,15}}(?!{_BASE64}))?"
)
_PUTTY = (
    # in titles, line ends have become spaces
    r"Private-Lines:\s?\d{1,4}"
    rf"(?P<lines>(?>(?:(?:{NEWLINE}|(?>[ \t]+))"
    rf"(?:(?>{_BASE64}{{24,}})|{_LAST_LINE}|(?>{_BASE64}{{8,}}){CUT}))+)"
    rf"{rest('A-Za-z0-9+/=')})"
)
_PRIVATE = "PRIVATE " + "KEY-----"

PRIVATE_KEYS: tuple[Rule, ...] = (
    Rule(
        "private-key",
        ("PRIVATE",),
        _PEM,
        tuple(
            Example(fill(ALNUM, 64), f"-----BEGIN {name}{_PRIVATE}\n", after)
            for name in ("", "RSA ", "OPENSSH ", "EC ", "ENCRYPTED ")
            for after in (f"\n-----END {name}{_PRIVATE}", "")
        ),
        ("-----BEGIN CERTIFICATE-----\n" + fill(ALNUM, 64) + "\n-----END CERTIFICATE-----",),
    ),
    Rule(
        "private-key",
        ("PRIVATE",),
        rf"-----END {_KEY_NAME}",
        (Example(fill(ALNUM, 64), "", f"\n-----END RSA {_PRIVATE}"),),
        ("-----END CERTIFICATE-----",),
        prefix_pattern=(
            rf"{_BETWEEN}{_BASE64}{{1,76}}{_PEM_LINES_REVERSED}|{_BETWEEN}{_BASE64}{{16,76}}"
        ),
        prefix_max=4096,
    ),
    Rule(
        "private-key",
        ("Lines",),
        _PUTTY,
        (
            Example(
                fill(ALNUM, 64),
                "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nPrivate-Lines: 1\n",
            ),
        ),
        ("Private-Lines: 14",),
    ),
    Rule(
        "private-key",
        ("LS0tLS1CRUdJTi*",),
        rf"LS0tLS1CRUdJTi(?!BDRV|BQVU){body(BASE64, 56)}",
        (Example("LS0tLS1CRUdJTi" + "BQUklWQVRFIEtFWS" + fill(ALNUM, 40)),),
        ("LS0tLS1CRUdJTi" + "BDRVJUSUZJQ0FURS" + fill(ALNUM, 40),),
    ),
)
