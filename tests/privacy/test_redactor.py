"""Masks are exactly where secrets are, also beside other masks, in fields, and by users' rules."""

from __future__ import annotations

import base64
import re

import pytest

from opensync_hooks.privacy.redaction.memory import SecretMemory
from opensync_hooks.privacy.redaction.redactor import Redactor

RANDOM = "4kQ7xB2mZ9af"
GITHUB_TOKEN = "ghp_" + RANDOM * 3
HERE = ("", "[redacted:x]\n", f"{GITHUB_TOKEN}\n", "DB_PASSWORD=hunter2" + "hunter2\n")


@pytest.mark.parametrize("before", HERE)
@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("AUTHORIZATION: BEARER {}", "AUTHORIZATION: BEARER [redacted:authorization]"),
        ("curl -u me:{} x", "curl -u [redacted:curl-user] x"),
        ("MY_API_KEY={}", "MY_API_KEY=[redacted:api-key]"),
        ("TOKENS: [{}, b]", "TOKENS: [[redacted:secret], b]"),
        ("| PASSWORD |\n|--|\n| {} |", "| PASSWORD |\n|--|\n| [redacted:password] |"),
    ],
)
def test_mask_moves_no_mask_behind_it(before: str, line: str, masked: str) -> None:
    first = Redactor().redact(before)
    assert Redactor().redact(before + line.format(RANDOM * 2)) == first + masked


def test_secret_directly_behind_a_mask_is_masked() -> None:
    assert Redactor().redact(f"[redacted:x]{GITHUB_TOKEN}") == "[redacted:x][redacted:github-token]"
    vault = "hvs." + RANDOM * 8
    assert Redactor().redact(f"[redacted:x]{vault}") == "[redacted:x][redacted:vault-token]"


def test_each_of_two_secrets_without_a_sign_between_them_is_masked() -> None:
    """The second begins a word only where the first has become a mask."""
    cursor_key, heroku_key = "crsr_" + "4729af" * 12, "HRKU-" + RANDOM * 3
    masked = Redactor().redact(cursor_key[:69] + heroku_key)
    assert masked == "[redacted:cursor-key][redacted:heroku-api-key]"


def test_two_parts_of_a_token_make_a_token_only_without_a_gap() -> None:
    bot, secret = "123456789", ":AA" + RANDOM * 3
    assert Redactor().redact(f"is {bot}{secret[:36]}") == "is [redacted:telegram-token]"
    assert Redactor().redact(f"is {bot} or {secret[:36]}") == f"is {bot} or {secret[:36]}"


def test_each_of_many_secrets_in_a_list_is_masked() -> None:
    words = [f"{RANDOM}{number:03}" for number in range(30)]
    assert Redactor().redact(f"tokens: [{', '.join(words)}]").count("[redacted:secret]") == 30


def test_secret_within_another_is_masked_once() -> None:
    memory = SecretMemory()
    for secret in ("a1b2c3d4", "x9-a1b2c3d4-e5"):
        memory.remember(secret, "token")
    assert Redactor(memory=memory).redact("(x9-a1b2c3d4-e5)") == "([redacted:token])"


def test_field_is_masked_because_of_its_name() -> None:
    redactor = Redactor()
    redact_field = redactor.redact_field
    assert redact_field("password", "swordfish") == "[redacted:password]"
    assert redact_field("db_password", "two words") == "[redacted:password]"
    assert redact_field("apiKey", "4kQ7xB2mZ9") == "[redacted:api-key]"
    assert redact_field("client_secret", "4kQ7xB2m\"'`9") != "4kQ7xB2m\"'`9"
    for name, text in (
        ("title", "swordfish"), ("password", ""), ("token", "two words"), ("password", "${PASS}"),
        ("max_tokens", "4096"), ("key", "ctrl+a"), ("password", "[redacted:password]"),
    ):  # fmt: skip
        assert redact_field(name, text) == text


@pytest.mark.parametrize("password", ["K\"7'r`Tz#9 q", "a\"b'c`d", "it's", "4kQ7xB2m\"'`9"])
def test_password_is_masked_to_its_end_whatever_quotes_are_in_it(password: str) -> None:
    assert Redactor().redact_field("password", password) == "[redacted:password]"


def test_field_that_holds_more_than_a_token_is_masked_by_its_name_as_well() -> None:
    masked = Redactor().redact_field("password", f"swordfish {GITHUB_TOKEN}")
    assert masked == "[redacted:password]"
    assert Redactor().redact_field("password", masked) == masked


@pytest.mark.parametrize(
    "name", ["x" * 300 + "_password", "Password:", "Password *", "passwords", "password field"]
)
def test_value_is_masked_under_each_spelling_of_a_name(name: str) -> None:
    assert Redactor().redact_field(name, "swordfish") == "[redacted:password]"


def test_key_is_masked_by_the_label_of_the_field_that_it_is_typed_into() -> None:
    assert Redactor().redact_field("API_Key textbox", RANDOM) == "[redacted:api-key]"


def test_name_of_a_field_that_holds_a_secret_itself_hides_no_value() -> None:
    masked = Redactor().redact_field(f"{GITHUB_TOKEN}_api_key", RANDOM)
    assert GITHUB_TOKEN not in masked
    assert RANDOM not in masked


def test_users_own_patterns_are_masked_under_their_names() -> None:
    patterns = (("employee", re.compile(r"EMP-[0-9]{6}")), ("word", re.compile("redacted|hunter")))
    redactor = Redactor(patterns)
    assert redactor.redact("by EMP-123456 today") == "by [redacted:employee] today"
    once = redactor.redact("hunter of EMP-123456")
    assert once == "[redacted:word] of [redacted:employee]"
    assert redactor.redact(once) == once, "no pattern masks a mask"


def test_match_without_a_character_is_no_secret() -> None:
    redactor = Redactor((("digits", re.compile("[0-9]*")),))
    assert redactor.redact("a 12 b") == "a [redacted:digits] b"
    assert redactor.counts == {"digits": 1}


def test_whole_match_of_a_users_pattern_is_masked() -> None:
    redactor = Redactor((("id", re.compile("EMP-(?P<number>[0-9]+)")),))
    assert redactor.redact("by EMP-123456 today") == "by [redacted:id] today"


def test_allowed_secret_stays() -> None:
    allowed = "AK" + "IAIOSFODNN7QWERTYU"
    other = allowed.replace("7", "2")
    redactor = Redactor(is_allowed=lambda text: text == allowed)
    assert redactor.redact(f"{allowed} {other}") == f"{allowed} [redacted:aws-access-key]"

    line = f"DB_PASSWORD={allowed}"
    encoded = base64.b64encode(line.encode()).decode()
    assert redactor.redact(f"{line} {encoded}") == f"{line} {encoded}"
