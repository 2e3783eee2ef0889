"""Secrets that are known by their shape: keys in files, tokens of several parts, URLs."""

from __future__ import annotations

from opensync_hooks.redaction.formats import (
    ALNUM,
    BASE64,
    BREAK,
    CUT,
    HEX,
    UPPER,
    URLSAFE,
    Example,
    Format,
    at_word,
    body,
    fill,
)

_KEY_NAME = r"(?:[A-Z0-9]{1,12} ){0,4}PRIVATE KEY(?: BLOCK)?-----"
_LINE = r"[A-Za-z0-9+/=]"
_LAST = rf"{_LINE}{{1,76}}+(?=[ \t]*+(?:[\r\n\"'\\]|{CUT}))"
"""A short line of base64 is one only where it stands alone."""
_PEM = (
    rf"-----BEGIN {_KEY_NAME}"
    # to its end; or where that is missing, for as long as lines of base64 follow
    rf"(?:(?:[^-]++|-(?!----)){{0,4000}}+-----END {_KEY_NAME}"
    r"|(?:(?:\s|\\+[rn])*Proc-Type:[^\n\\]{0,60}(?:\s|\\+[rn])*DEK-Info:[^\n\\]{0,80})?"
    rf"(?s:.{{0,24}}?{_LINE}{{24,}}+)*+(?:{BREAK}{_LAST})?)"
)
_PEM_LINES_BACKWARDS = rf"(?:(?:n(?:r\\+)?\\+|[\s|>\"'+,→0-9])*{_LINE}{{16,76}}){{1,70}}"
_NEWLINE = r"(?:\r?\n|(?:\\+r)?\\+n)"
_PUTTY = rf"Private-Lines:\s?\d{{1,4}}(?P<lines>(?:{_NEWLINE}(?:{_LINE}{{24,}}+|{_LAST}))++)"
_PRIVATE = "PRIVATE " + "KEY-----"


def _lines(letters: str, most: int) -> str:
    """A run of letters that may go on in the lines below."""
    return rf"[{letters}]++(?:{BREAK}[{letters}]{{20,}}+){{0,{most}}}+"


_JWT = (
    rf"eyJ{at_word('eyJ', URLSAFE)}(?=[{URLSAFE}]{{8}}){_lines(URLSAFE, 3)}"
    rf"(?:\.(?=[{URLSAFE}]{{4}}){_lines(URLSAFE, 24)}){{1,4}}+"
)
SHAPES: tuple[Format, ...] = (
    Format(
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
    Format(
        "private-key",
        ("PRIVATE",),
        rf"-----END {_KEY_NAME}",
        (Example(fill(ALNUM, 64), "", f"\n-----END RSA {_PRIVATE}"),),
        ("-----END CERTIFICATE-----",),
        back=rf"(?:n(?:r\\+)?\\+|\s)?{_LINE}{{1,76}}{_PEM_LINES_BACKWARDS}|"
        rf"(?:n(?:r\\+)?\\+|\s)?{_LINE}{{16,76}}",
        reach=4096,
    ),
    Format(
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
    Format(
        "private-key",
        ("LS0tLS1CRUdJTi*",),
        rf"LS0tLS1CRUdJTi(?!BDRV|BQVU){body(BASE64, 56)}",
        (Example("LS0tLS1CRUdJTi" + "BQUklWQVRFIEtFWS" + fill(ALNUM, 40)),),
        ("LS0tLS1CRUdJTi" + "BDRVJUSUZJQ0FURS" + fill(ALNUM, 40),),
    ),
    Format(
        "aws-access-key",
        ("AKIA*", "ASIA*", "ABIA*", "ACCA*"),
        rf"(?:AKIA|ASIA|ABIA|ACCA){body(UPPER, 16)}"
        r"(?:[^A-Za-z0-9/+=]{1,5}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=]))?",
        (Example("AK" + "IA" + fill(UPPER, 16)), Example("AS" + "IA" + fill(UPPER, 16))),
        ("AKIA begins it, ASIAN markets",),
    ),
    Format(
        "azure-client-secret",
        ("Q~",),
        rf"Q~{body(URLSAFE + '.~', 30)}",
        (Example("abc8Q~" + fill(ALNUM, 31)),),
        ("What is Q~ about?",),
        back=rf"\d[{URLSAFE}.~]{{3}}",
    ),
    Format(
        "azure-devops-token",
        ("*JQQJ99*",),
        rf"JQQJ99{body(ALNUM, 20)}",
        (Example(fill(ALNUM, 52) + "JQQJ99" + fill(ALNUM, 26)),),
        ("JQQJ99 is in the middle of it",),
        back=rf"[{ALNUM}]{{40,52}}",
    ),
    Format(
        "terraform-token",
        ("atlasv1",),
        rf"\.atlasv1\.{body(URLSAFE, 60)}",
        (Example(fill(ALNUM, 14) + ".atlasv1." + fill(ALNUM, 64)),),
        ("x.atlasv1.y",),
        back=rf"[{ALNUM}]{{14}}",
    ),
    Format(
        "convex-deploy-key",
        ("eyJ*",),
        rf"\|(?P<key>eyJ{body(BASE64, 40)})",
        (Example("eyJ" + fill(ALNUM, 40), "prod:happy-animal-123|"),),
        ("a|eyJ",),
    ),
    Format(
        "telegram-token",
        ("AA*",),
        rf":AA{body(URLSAFE, 33)}",
        (Example("123456789:AA" + fill(ALNUM, 33)),),
        ("12:AA:0B:4C",),
        back=r"\d{8,10}",
    ),
    Format(
        "discord-token",
        ("MT*", "Mj*", "Mz*", "ND*", "NT*", "Nj*", "Nz*", "OD*", "OT*"),
        rf"\.[{URLSAFE}]{{6,7}}\.{body(URLSAFE, 27)}",
        (Example("MT" + fill(ALNUM, 24) + "." + fill(ALNUM, 6) + "." + fill(ALNUM, 38)),),
        ("MTU is in some.module.name",),
        back=rf"[{URLSAFE}]{{21,26}}[TjzD][MNO]",
    ),
    Format(
        "mailchimp-key",
        tuple(f"us{number}" for number in range(1, 30)),
        r"-us\d{1,2}(?![A-Za-z0-9])",
        (Example(fill(HEX, 32) + "-us12"),),
        ("made-us4, 0123456789abcdef-us1",),
        back=rf"[{HEX}]{{32}}",
    ),
    Format(
        "airtable-token",
        ("pat*",),
        rf"pat[{ALNUM}]{{14}}\.{body(HEX, 60)}",
        (Example("pat" + fill(ALNUM, 14) + "." + fill(HEX, 64)),),
        ("pathology.abc",),
    ),
    Format(
        "hubspot-token",
        ("pat",),
        rf"pat-(?:na|eu)\d-{body(HEX + '-', 36)}",
        (Example("pat-na1-" + fill(HEX, 36)),),
        ("pat-na1 begins it",),
    ),
    Format(
        "sendgrid-key",
        ("SG",),
        rf"SG\.[{URLSAFE}]{{20,24}}+\.{body(URLSAFE, 36)}",
        (Example("SG" + "." + fill(ALNUM, 22) + "." + fill(ALNUM, 43)),),
        ("Singapore: SG.",),
    ),
    Format(
        "resend-key",
        ("re",),
        rf"re_[{ALNUM}]{{8,10}}_{body(ALNUM, 20)}",
        (Example("re_" + fill(ALNUM, 8) + "_" + fill(ALNUM, 24)),),
        ("core_functions_of_it",),
    ),
    Format(
        "mapbox-token",
        ("eyJ*",),
        rf"sk\.eyJ[{URLSAFE}]{{20,}}+\.{body(URLSAFE, 20)}",
        (Example("sk.eyJ" + fill(ALNUM, 60) + "." + fill(ALNUM, 22)),),
        ("sk.eyJ begins it",),
    ),
    Format(
        "salesforce-token",
        ("00D*",),
        rf"00D[{ALNUM}]{{12,15}}!{body(ALNUM + '._', 60)}",
        (Example("00D" + fill(ALNUM, 12) + "!" + fill(ALNUM, 96)),),
        ("0x00DEADBEEF!",),
    ),
    Format(
        "jwt",
        ("eyJ*",),
        _JWT,
        (
            Example("eyJ" + ".".join(fill(ALNUM, size) for size in (33, 60, 43))),
            Example("eyJ" + fill(ALNUM, 33) + ".eyJ" + fill(ALNUM, 60)),
        ),
        ("eyJ begins it, eyJhbGciOi",),
    ),
    Format(
        "slack-webhook",
        ("slack",),
        rf"hooks\.slack\.com/(?P<path>[A-Za-z]{{4,12}}/{body('-A-Za-z0-9/_+', 30)})",
        (
            Example(
                "services/T" + fill(UPPER, 8) + "/B" + fill(UPPER, 8) + "/" + fill(ALNUM, 24),
                "https://hooks.slack.com/",
            ),
        ),
        ("https://hooks.slack.com/services",),
    ),
    Format(
        "discord-webhook",
        ("webhooks",),
        rf"/api/webhooks/(?P<path>\d{{1,24}}/{body(URLSAFE, 40)})",
        (Example("123456789012345678/" + fill(ALNUM, 68), "https://discord.com/api/webhooks/"),),
        ("https://discord.com/api/webhooks/123",),
    ),
    Format(
        "teams-webhook",
        ("office",),
        rf"\.webhook\.office\.com/(?P<path>{body('-A-Za-z0-9@/_', 40)})",
        (Example("webhookb2/" + fill(HEX, 80), "https://x.webhook.office.com/"),),
        ("https://x.webhook.office.com/",),
    ),
    Format(
        "password-hash",
        ("2a", "2b", "2y", "argon2i", "argon2id", "$6$", "$y$"),
        r"\$(?:2[aby]\$\d\d\$[./A-Za-z0-9]{50,}+|(?:[56y]|argon2id?)\$[^\s:$\"']{1,60}\$[^\s:\"']{20,}+)",
        (
            Example("$2b$12$" + fill(ALNUM, 53)),
            Example("$6$" + fill(ALNUM, 16) + "$" + fill(ALNUM, 86)),
        ),
        ("costs $5$ or $6$",),
    ),
    Format(
        "url-password",
        ("://",),
        rf"://(?!\[redacted:)(?:[^\s/?#@:\"'<>\\]{{0,100}}+:(?!\[redacted:|\$[{{(]|\$[a-z_]+@|[<{{*]|%[s(])"
        rf"(?P<password>[^\s/@\"'<>]++)@|(?P<user>[{URLSAFE}.~]{{20,200}}+)@)",
        (
            Example(fill(ALNUM, 10), "postgres://me:", "@db.example.org/x"),
            Example("p-" + fill(ALNUM, 9), "redis://:", "@cache:6379"),
            Example(fill(HEX, 32), "https://", "@errors.example.org/4"),
        ),
        ("http://localhost:8080/@scope/name", "see https://me@example.org", "ssh://git@host:22/x"),
    ),
)
