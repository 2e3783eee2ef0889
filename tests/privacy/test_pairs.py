"""A password is masked wherever its name is beside it, and nothing else is."""

from __future__ import annotations

import pytest

from opensync_hooks.privacy.redaction.redactor import Redactor

PASSWORDS = ("h7x2k9qmz4wp", "Amber-kettle-418", "gusty_Pelican77", "N81l.jk6YC!JEC")
MASK = "[redacted:password]"


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('    password       = "', '"  # rotated'),
        ("    [db_password] => ", "\n    [port] => 5432"),
        ('app.setPassword("', '").build()'),
        ('password := []byte("', '")'),
        ("connect(process.env.DB_PASSWORD ?? '", "')"),
        ("storePassword '", "'\n keyAlias 'upload'"),
        ('{:host "db7" :password "', '" :port 5432}'),
        ('<entry key="db.password">', "</entry>"),
        ("  'password' => string '", "' (length=12)"),
        ("enable password ", "\n"),
        ("パスワードは「", "」です。"),
        ("Das Passwort für den Server lautet ", ", bis Freitag"),
        ("Password changed to ", ""),
    ],
)
def test_password_is_masked_alone(before: str, password: str, after: str) -> None:
    assert Redactor().redact(before + password + after) == before + MASK + after


@pytest.mark.parametrize("ending", ["\\na b c = 5", '", "next": "a b c'])
@pytest.mark.parametrize(
    "before",
    [
        "username admin privilege 15 password 0 ",
        "SQL> CONNECT scott/",
        "CREATE USER app IDENTIFIED BY ",
    ],
)
def test_password_ends_with_its_line_and_with_its_string_within_json(
    before: str, ending: str
) -> None:
    begin, end = f'{{"text": "{before}', f'{ending}"}}'
    assert Redactor().redact(begin + PASSWORDS[0] + end) == begin + MASK + end


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("PASS: ", "\n"),
        ("MYSQLPW=", " run"),
        ("*:*:*:app:", "\n"),
        ("[![build](https://ci.example.org/a.svg?token=", ")](https://ci.example.org/a)"),
    ],
)
def test_value_is_masked_that_is_written_like_something_else(before: str, after: str) -> None:
    masked = Redactor().redact(before + "h7x2k9qmz4wpls8v" + after)
    assert masked.startswith(before + "[redacted:")
    assert masked.endswith("]" + after)


def test_both_sides_of_a_planned_change_are_masked() -> None:
    plan = '  ~ redis_password = "{}" -> "{}"\n    engine = "redis"\n'
    masked = Redactor().redact(plan.format(*PASSWORDS[:2]))
    assert masked == plan.format(MASK, MASK)


@pytest.mark.parametrize(
    "text",
    [
        "PASS: suite/arrays_1.exp: prints the 2nd element",
        'RESET_PASSWORD = "/v1/accounts:resetPassword"',
        'PURPOSE_REMOVE_PASSWORD: "remove_password"',
        'INVALID_PASSWORD: "auth/wrong-password"',
        'PATH_OF_TOKEN = "/v2/accounts/token"',
        "NTE_BAD_PASSWORD = 0x8009002D",
        "SEC_E_NO_PASSWORD = -2146893773",
        "\tOp386CMPW\n\tOp386CMPXCHG8B\n\tOp386CRC32L\n",
        '"Resource": "arn:aws:secretsmanager:*:*:secret:team/ssm/3p/*"',
        '{"name": "SMTP_PASSWORD", "slotSetting": false}',
        "expect(page.getByLabel('Password')).toBeVisible()",
        "validate.password(value).min(8)",
        'labels = ("user", "password", "proxy.example.com:3128")',
        'MovedAttribute("HTTPPasswordMgr", "urllib2", "urllib.request")',
        "#define OBJ_challengePassword             OBJ_pkcs9",
        '<label for="password">Password</label>',
        "The password has to be 12 characters long, with a digit.",
    ],
)
def test_text_about_passwords_stays(text: str) -> None:
    assert Redactor().redact(text) == text
