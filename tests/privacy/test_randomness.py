"""What was made at random is told from words and identifiers, whatever characters it is made of."""

from __future__ import annotations

import random
import string

import pytest

from opensync_hooks.privacy.redaction.randomness import is_random
from opensync_hooks.privacy.redaction.redactor import Redactor

HEX = "0123456789abcdef"
LOWER = string.ascii_lowercase + string.digits
BASE32 = string.ascii_uppercase + "234567"
BASE62 = string.ascii_letters + string.digits


@pytest.mark.parametrize("characters", [HEX, LOWER, BASE32, BASE62])
@pytest.mark.parametrize("length", [16, 24, 40])
def test_random_words_are_seen(characters: str, length: int) -> None:
    rng = random.Random(length)  # noqa: S311
    words = ["".join(rng.choices(characters, k=length)) for _ in range(1_000)]
    assert sum(map(is_random, words)) >= 940


@pytest.mark.parametrize(
    "word",
    [
        *("shorter", "blahblahblah", "Geschwindigkeit", "shyamkrishna", "MAHAJANI", "20241130"),
        *("getKnowledgeBase", "base64encode", "filebase64sha256", "utf16surrogate", "sha256sum"),
        *("Ed25519PublicKey", "PassRoleToEC2", "isNotOpeningBracket", "TensorFlow2Model"),
    ],
)
def test_words_and_identifiers_are_not_random(word: str) -> None:
    assert not is_random(word)


@pytest.mark.parametrize(
    "secret",
    [
        "aio_npxfUFgjMjvLBgfEDyMgBHFfpwVU",  # letters alone
        "sha256~SE0WT_nYtIj1e-l7dqnqbKgTezjgcbbyhWxurkeGDNc",
        "viAfPCjqolwwayd/py/jwiWog2sIf1cT6KGgVSJm5LMacfZIC6YTSIRAcAkWDYjoRQsNcQIeU1U/+AStb/HeUK==",
    ],
)
def test_secret_is_masked_however_its_words_fall(secret: str) -> None:
    redactor = Redactor()
    redactor.redact("an AStb of letters alone")
    assert secret[-8:] not in redactor.redact(f"signed in with {secret} (12 ms)")
