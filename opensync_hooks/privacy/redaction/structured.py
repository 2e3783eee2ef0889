"""Secrets with a structure of their own: tokens of several parts, webhooks, URLs with passwords."""

from __future__ import annotations

from string import ascii_letters, digits

from opensync_hooks.privacy.redaction.patterns import (
    ALNUM,
    BASE64,
    BREAK,
    BREAK_REVERSED,
    HEX,
    UPPER,
    URLSAFE,
    at_word,
    between,
    body,
    part,
    rest,
    run,
)
from opensync_hooks.privacy.redaction.rule import Example, Rule, fill

_STAND_IN = r"(?i:pass(?:word|wd)?|pwd)"
"""What documentation writes in a password's place."""
_CRYPT = "./A-Za-z0-9$+=_-"
_DOT = between(r"\.")


def _lines(charset: str, max_lines: int) -> str:
    """Match characters up to the next dot, continued over that many more lines."""
    more = rf"(?:(?>[{charset}]{{20,}})|(?>[{charset}]+)(?=\.[{charset}]))"
    enough = rf"(?=[{charset}]{{4}}|[{charset}]{{1,3}}{BREAK}[{charset}]{{4}})"
    return rf"{enough}(?>[{charset}]+)(?>(?:{BREAK}{more}){{0,{max_lines}}})"


_JWT = (
    rf"eyJ{at_word('eyJ', URLSAFE)}{_lines(URLSAFE, 3)}"
    rf"(?>(?:{_DOT}{_lines(URLSAFE, 24)}){{1,4}}){rest(URLSAFE)}"
)
STRUCTURED: tuple[Rule, ...] = (
    Rule(
        "aws-access-key",
        ("AKIA*", "ASIA*", "ABIA*", "ACCA*"),
        rf"(?:AKIA|ASIA|ABIA|ACCA)(?![A-Z0-9]{{0,13}}EXAMPLE){body(UPPER, 16)}"
        r"(?:[^A-Za-z0-9/+=]{1,5}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=]))?",
        (Example("AK" + "IA" + fill(UPPER, 16)), Example("AS" + "IA" + fill(UPPER, 16))),
        ("AKIA begins it, ASIAN markets", "AKIAIOSFODNN7EXAMPLE"),
    ),
    Rule(
        "azure-client-secret",
        ("Q~",),
        rf"Q~{body(URLSAFE + '.~', 30)}",
        (Example("abc8Q~" + fill(ALNUM, 31)),),
        ("What is Q~ about?",),
        prefix_pattern=rf"\d[{URLSAFE}.~]{{3}}",
    ),
    Rule(
        "azure-devops-token",
        ("*JQQJ99*",),
        rf"JQQJ99{body(ALNUM, 20)}",
        (Example(fill(ALNUM, 52) + "JQQJ99" + fill(ALNUM, 26)),),
        ("JQQJ99 is in the middle of it",),
        prefix_pattern=rf"(?:{BREAK_REVERSED})?{run(ALNUM, 40, 52, BREAK_REVERSED)}",
        prefix_max=120,
    ),
    Rule(
        "azure-key",
        ("ASt*", "ASb*", "AEh*", "ACR*", "*ACDb*", "*AzFu*", "*AzSe*", "*AzCa*"),
        r"(?:\+(?:ASt|ASb|AEh|ACR)|ACDb|AzFu|AzSe|AzCa)(?>[-A-Za-z0-9+/_]{4,12}={0,2})"
        r"(?![-A-Za-z0-9+/=_])",
        (
            Example(fill(ALNUM, 76) + "+ASt" + fill(ALNUM, 6) + "=="),
            Example(fill(ALNUM, 44) + "AzFu" + fill(ALNUM, 4) + "=="),
        ),
        ("a+ASt, AzFu and AzSe",),
        prefix_pattern=rf"(?:{BREAK_REVERSED})?{run('-A-Za-z0-9+/_', 30, 80, BREAK_REVERSED)}",
        prefix_max=160,
    ),
    Rule(
        "asana-token",
        ("1/", "2/"),
        rf":{body(HEX, 32)}",
        (Example("2/" + "1" * 16 + "/" + "2" * 16 + ":" + fill(HEX, 32)),),
        ("1/2:3",),
        prefix_pattern=r"\d{16}(?:/\d{16})?/[12]",
    ),
    Rule(
        "ngrok-token",
        tuple(f"2{character}*" for character in ascii_letters + digits),
        rf"2{at_word('2')}{run(ALNUM, 26, 26)}{between('_')}{part(ALNUM, 20, 22)}",
        (Example("2" + fill(ALNUM, 26) + "_" + fill(ALNUM, 21)),),
        ("2nd_edition_of_the_book",),
    ),
    Rule(
        "newrelic-license-key",
        ("*NRAL*",),
        "(?:FFFF)?NRAL(?![A-Za-z0-9])",
        (Example(fill(HEX, 36) + "FFFFNRAL"),),
        ("It ends in FFFFNRAL",),
        prefix_pattern=rf"(?:{BREAK_REVERSED})?{run(HEX, 32, 36, BREAK_REVERSED)}",
        prefix_max=100,
    ),
    Rule(
        "terraform-token",
        ("atlasv1",),
        rf"\.atlasv1\.{body(URLSAFE, 60)}",
        (Example(fill(ALNUM, 14) + ".atlasv1." + fill(ALNUM, 64)),),
        ("x.atlasv1.y",),
        prefix_pattern=rf"(?:{BREAK_REVERSED})?{run(ALNUM, 14, 14, BREAK_REVERSED)}",
    ),
    Rule(
        "convex-deploy-key",
        ("eyJ*",),
        rf"\|(?P<key>eyJ{body(BASE64, 40)})",
        (Example("eyJ" + fill(ALNUM, 40), "prod:happy-animal-123|"),),
        ("a|eyJ",),
    ),
    Rule(
        "telegram-token",
        (":AA",),
        rf":AA{body(URLSAFE, 33)}",
        (Example("123456789:AA" + fill(ALNUM, 33)),),
        ("12:AA:0B:4C",),
        prefix_pattern=r"\d{8,10}",
    ),
    Rule(
        "discord-token",
        ("MT*", "Mj*", "Mz*", "ND*", "NT*", "Nj*", "Nz*", "OD*", "OT*"),
        rf"\.(?:{BREAK})?{run(URLSAFE, 6, 7)}{_DOT}{part(URLSAFE, 27, 40)}",
        (Example("MT" + fill(ALNUM, 24) + "." + fill(ALNUM, 6) + "." + fill(ALNUM, 38)),),
        ("MTU is in some.module.name",),
        prefix_pattern=rf"(?:{BREAK_REVERSED})?{run(URLSAFE, 21, 26, BREAK_REVERSED)}[TjzD][MNO]",
        prefix_max=100,
    ),
    Rule(
        "mailchimp-key",
        tuple(f"us{number}" for number in range(1, 30)),
        rf"-us(?<=[{HEX}]{{5}}-us)\d{{1,2}}(?![A-Za-z0-9])",
        (Example(fill(HEX, 32) + "-us12"),),
        ("made-us4, 0123456789abcdef-us1",),
        prefix_pattern=run(HEX, 32, 32, BREAK_REVERSED),
        prefix_max=100,
    ),
    Rule(
        "airtable-token",
        ("pat*",),
        rf"pat{run(ALNUM, 14, 14)}{_DOT}{part(HEX, 60, 64)}",
        (Example("pat" + fill(ALNUM, 14) + "." + fill(HEX, 64)),),
        ("pathology.abc",),
    ),
    Rule(
        "hubspot-token",
        ("pat",),
        rf"pat-(?:na|eu)\d-{body(HEX + '-', 36)}",
        (Example("pat-na1-" + fill(HEX, 36)),),
        ("pat-na1 begins it",),
    ),
    Rule(
        "sendgrid-key",
        ("SG",),
        rf"SG\.{run(URLSAFE, 20, 24)}{_DOT}{part(URLSAFE, 36, 60)}",
        (Example("SG" + "." + fill(ALNUM, 22) + "." + fill(ALNUM, 43)),),
        ("Singapore: SG.",),
    ),
    Rule(
        "resend-key",
        ("re",),
        rf"re_{at_word('re_', URLSAFE)}{run(ALNUM, 8, 10)}{between('_')}{part(ALNUM, 20, 30)}",
        (Example("re_" + fill(ALNUM, 8) + "_" + fill(ALNUM, 24)),),
        ("core_functions_of_it",),
    ),
    Rule(
        "mapbox-token",
        ("eyJ*",),
        rf"sk\.eyJ{run(URLSAFE, 20, 400)}{_DOT}{part(URLSAFE, 20, 40)}",
        (Example("sk.eyJ" + fill(ALNUM, 60) + "." + fill(ALNUM, 22)),),
        ("sk.eyJ begins it",),
    ),
    Rule(
        "salesforce-token",
        ("00D*",),
        rf"00D{run(ALNUM, 12, 15)}{between('!')}{part(ALNUM + '._', 60, 120)}",
        (Example("00D" + fill(ALNUM, 12) + "!" + fill(ALNUM, 96)),),
        ("0x00DEADBEEF!",),
    ),
    Rule(
        "jwt",
        ("eyJ*",),
        _JWT,
        (
            Example("eyJ" + ".".join(fill(ALNUM, size) for size in (33, 60, 43))),
            Example("eyJ" + fill(ALNUM, 33) + ".eyJ" + fill(ALNUM, 60)),
        ),
        ("eyJ begins it, eyJhbGciOi",),
    ),
    Rule(
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
    Rule(
        "discord-webhook",
        ("webhooks",),
        rf"/api/webhooks/(?P<path>\d{{1,24}}/{body(URLSAFE, 40)})",
        (Example("123456789012345678/" + fill(ALNUM, 68), "https://discord.com/api/webhooks/"),),
        ("https://discord.com/api/webhooks/123",),
    ),
    Rule(
        "zapier-webhook",
        ("zapier",),
        r"hooks\.zapier\.com/hooks/catch/(?P<path>\d{4,12}/(?>[a-z0-9]{6,20}))",
        (Example("1234567/" + fill("a-z0-9", 7), "https://hooks.zapier.com/hooks/catch/"),),
        ("https://hooks.zapier.com/hooks/catch/",),
    ),
    Rule(
        "jwk-private-key",
        ("kty",),
        r"\"(?:d|p|q|dp|dq|qi|k)(?>\\*)\"\s?:\s?(?>\\*)\""
        rf"(?P<key>{body(URLSAFE, 30)})",
        (Example(fill(ALNUM, 43), '{"kty": "EC", "d": "', '"}'),),
        ('{"kty": "RSA", "n": "' + fill(ALNUM, 43) + '"}',),
    ),
    Rule(
        "teams-webhook",
        ("office",),
        rf"\.webhook\.office\.com/(?P<path>{body('-A-Za-z0-9@/_', 40)})",
        (Example("webhookb2/" + fill(HEX, 80), "https://x.webhook.office.com/"),),
        ("https://x.webhook.office.com/",),
    ),
    Rule(
        "password-hash",
        (
            *("2a", "2b", "2y", "argon2i", "argon2id", "apr1"),
            *("$1$", "$5$", "$6$", "$y$"),
        ),
        rf"\$(?:2[aby]\$\d\d\${body('./A-Za-z0-9', 50)}|(?:apr1|1)\${body(_CRYPT, 26)}"
        rf"|(?:[56y]|argon2id?)\$(?=[./A-Za-z0-9=]){body('./A-Za-z0-9$+=,_-', 40)})",
        (
            Example("$2b$12$" + fill(ALNUM, 53)),
            Example("$6$" + fill(ALNUM, 16) + "$" + fill(ALNUM, 86)),
            Example("$apr1$" + fill(ALNUM, 8) + "$" + fill(ALNUM, 22)),
        ),
        ("costs $5$ or $6$",),
    ),
    Rule(
        "password-hash",
        ("pbkdf2", "scrypt"),
        rf"(?:pbkdf2|scrypt)[:_$][a-z0-9:_=$]{{1,40}}\${body(_CRYPT, 26)}",
        (
            Example("pbkdf2_" + "sha256$600000$" + fill(ALNUM, 22) + "$" + fill(ALNUM, 43) + "="),
            Example("scrypt" + ":32768:8:1$" + fill(ALNUM, 16) + "$" + fill(HEX, 128)),
        ),
        ("pbkdf2_sha256 is a hasher",),
    ),
    Rule(
        "url-password",
        ("://",),
        rf"://(?!\[)(?:(?>[^\s/?#@:\"'<>\\]{{0,100}}):(?!\[redacted:|\$[{{(]|\$[a-z_]+@|[<{{*]|%[s(])"
        rf"(?P<password>(?!(?>\d+)\s|{_STAND_IN}@(?![^\s/?#@\"'<>]*@))(?>[^\s/@\"'<>]+)(?:{BREAK}(?>[^\s/@\"'<>]+))?)@"
        rf"|(?P<user>{run(URLSAFE + '.~', 20, 200)})@)",
        (
            Example(fill(ALNUM, 10), "postgres://me:", "@db.example.org/x"),
            Example("p-" + fill(ALNUM, 9), "redis://:", "@cache:6379"),
            Example(fill(HEX, 32), "https://", "@errors.example.org/4"),
        ),
        (
            "http://localhost:8080/@scope/name",
            "see https://me@example.org",
            "scheme://[user:passwd@]host",
            "ssh://git@host:22/x",
            "https://user:password@host/x",
        ),
    ),
)
