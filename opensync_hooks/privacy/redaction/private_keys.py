"""Private keys in files: PEM and PuTTY, whole or torn, as they are shown in terminals and diffs."""

from __future__ import annotations

from opensync_hooks.privacy.redaction.rule import (
    ALNUM,
    BASE64,
    BREAK,
    CUT,
    NEWLINE,
    Example,
    Rule,
    body,
    fill,
    rest,
)

_KEY_NAME = r"(?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
_LINE = r"[A-Za-z0-9+/=]"
_OTHER = "[^A-Za-z0-9+/=]"
_LAST = rf"(?>{_LINE}{{1,76}})(?=(?>[ \t]*)(?:[\r\n\"'\\]|{CUT}))"
"""A short line of base64 is one only where it stands alone."""
_PEM = (
    rf"-----BEGIN {_KEY_NAME}"
    # to its end; or where that is missing, for as long as lines of base64 follow
    rf"(?:(?>(?:(?>[^-]+)|-(?!----)){{0,4000}})-----END {_KEY_NAME}"
    r"|(?:(?:\s|\\+[rn])*Proc-Type:[^\n\\]{0,60}(?:\s|\\+[rn])*DEK-Info:[^\n\\]{0,80})?"
    rf"(?>(?:(?:{NEWLINE}|[ \t])(?>{_LINE}{{1,24}}){BREAK}(?={_LINE}{{8}}))?)"
    rf"(?>(?:(?>{_OTHER}{{0,80}})(?:(?>{_LINE}{{1,8}})(?>{_OTHER}{{1,40}})){{0,3}}?(?>{_LINE}{{24,}})(?![-._!~$]\w))*)(?:{BREAK}{_LAST}|{rest('A-Za-z0-9+/=')}))"
)
_BETWEEN = r"(?:n(?>\\+)(?:r(?>\\+))?|(?>\\+)r(?>\\+)|[\s|>\"'+,→0-9\\])*"
_PEM_LINES_BACKWARDS = (
    rf"(?:{_BETWEEN}{_LINE}{{16,76}}){{1,70}}"
    # what is left of a line that was cut off above
    rf"(?:{_BETWEEN}(?=[A-Za-z+/=]{{0,15}}[0-9]){_LINE}{{4,15}}(?!{_LINE}))?"
)
_PUTTY = (
    # also where the line ends have become blanks, as in titles
    r"Private-Lines:\s?\d{1,4}"
    rf"(?P<lines>(?>(?:(?:{NEWLINE}|(?>[ \t]+))"
    rf"(?:(?>{_LINE}{{24,}})|{_LAST}|(?>{_LINE}{{8,}}){CUT}))+)"
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
        prefix_pattern=rf"{_BETWEEN}{_LINE}{{1,76}}{_PEM_LINES_BACKWARDS}|{_BETWEEN}{_LINE}{{16,76}}",
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
