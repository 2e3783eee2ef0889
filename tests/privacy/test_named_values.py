"""What is beside a name decides whether it is a secret, and where the secret ends."""

from __future__ import annotations

import pytest

from opensync_hooks.privacy.redaction.redactor import Redactor

PASSWORD, TOKEN, KEY = "[redacted:password]", "[redacted:token]", "[redacted:api-key]"
HUNTER = "hunter2-" + "hunter2"
RANDOM = "4kQ7xB2mZ9af"


def redact(text: str) -> str:
    return Redactor().redact(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        # sentences, and the signs that end them
        (f"token {RANDOM}...", f"token {TOKEN}..."),
        (f"passphrase is {RANDOM}!", f"passphrase is {PASSWORD}!"),
        (f"--token {RANDOM}!", f"--token {TOKEN}"),
        # the sign belongs to a quoted value
        (f"'--token', '{RANDOM}?'", f"'--token', '{TOKEN}'"),
        ("'user_pass', 'Kx7!pw-9(x)'", f"'user_pass', '{PASSWORD}'"),
        # a variable's value may be a number, and what a call gets
        ("'DB_PASSWORD', '12345678'", f"'DB_PASSWORD', '{PASSWORD}'"),
        (f"API_KEY={HUNTER})", f"API_KEY={KEY})"),
        # compared with what is no word
        (f"TOKEN == {RANDOM}>", f"TOKEN == {TOKEN}>"),
        (f"user_pass == {HUNTER})", f"user_pass == {PASSWORD})"),
        ("password == Kx7!pw)", f"password == {PASSWORD})"),
        # between backquotes
        (f"pwd `{RANDOM}`", f"pwd `{PASSWORD}`"),
        ("pass=`swordfish`", f"pass=`{PASSWORD}`"),
        # a password may look like a path, and be short
        ("DB_PASSWORD is /etc/x1y2z3w4 now", f"DB_PASSWORD is {PASSWORD} now"),
        ("user_pass:Kx7!pw;", f"user_pass:{PASSWORD};"),
        ("pwd: foo_bar1;", f"pwd: {PASSWORD};"),
        ("pass: hunter?", f"pass: {PASSWORD}"),
        ("pass='pw!'", f"pass='{PASSWORD}'"),
        # in quotes or behind a plain sign, a number may be a secret, and a word with dots
        ('"TOKEN": "12345678901234567890"', f'"TOKEN": "{TOKEN}"'),
        ("private_key=12345678901234567890;", f"private_key={KEY};"),
        ("api_key: 0x12345678", f"api_key: {KEY}"),
        ("API_KEY='a.b.c1d2e3f4'", f"API_KEY='{KEY}'"),
        ("token aB3dE6gH", f"token {TOKEN}"),
        ("auth_key:4kQ7xB2m;", f"auth_key:{KEY};"),
        # a value that was cut
        ('pwd = "4kQ7xB2m', f'pwd = "{PASSWORD}'),
        # options
        ("--api-key config.key1x", f"--api-key {KEY}"),
        ("--secret 0xdeadbeef99", "--secret [redacted:secret]"),
        ("--key q7sd9f2kd0sl3m4k", f"--key {KEY}"),
        ("mysql --password swordfish shop1", f"mysql --password {PASSWORD} shop1"),
        # of several names, each has its value
        (f"arn:aws:secretsmanager:us:1:secret:x DB_PASSWORD={HUNTER}",
         f"arn:aws:secretsmanager:us:1:secret:x DB_PASSWORD={PASSWORD}"),
        (f"The password, DB_PASSWORD={HUNTER}", f"The password, DB_PASSWORD={PASSWORD}"),
    ],
)  # fmt: skip
def test_value_is_masked_to_its_end(text: str, masked: str) -> None:
    assert redact(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        # words
        'password:swordfish"]',
        "the password is swordfish",
        "The password: see the wiki page on hunters",
        # code
        "API_KEY:4kQ7xB2m{x}",
        "credential: 4kQ7xB2m(x)",
        "--password 4kQ7xB2m[0]",
        "user_pass=hunter2hunter2>",
        "secret=a.b.c1d2e3f4 and more",
        "pass: config.key1!",
        "my password: a.b.c1d2e3f4>",
        "TOKEN=4kQ7xB2mZ9af4kQ7{x}",
        "--token='config.key1'",
        "sort --key column12",
        "cache --key: aB3dE6gH and more",
        "--key=`12345678901234567890`",
        # other options, and paths of a network
        "tool --token --retries3",
        "tool --token xxxxxxxx1",
        "tool --password get_token",
        "--password    12345678901234567890",
        r"password: \\server1\share2",
        # constants and examples
        "password `abc=def12345`",
        "my password=ab",
        "credentials `12345678901234567890`",
        "access_key `Kx7!pw99`",
        "auth_key='Kx7!pw</b>'",
        '"secret": {"value": "0x12345678"}',
        "'DB_PASSWORD', '__'",
        'pass = "__"',
        'secret_key = "1EXAMPLE23"',
        "api_key='x1example'",
        "API_KEY=(pw,",
        # the verb
        "pass `asn1Spec` to it",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text
