"""A token is masked whoever issues it, if what is before its random part says that it is one."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from opensync_hooks.privacy.redaction.redactor import Redactor

RANDOM = "h7Qx2K9qmZ4wpLs8Vt3nRb6YcE5jD1gA"
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.mark.parametrize(
    "token",
    [
        f"acmesk_{RANDOM}",
        f"acme-tok-{HASH}",
        f"acme_live_{RANDOM[:24]}",
        f"xq_v2_{RANDOM}",
        f"5f1d7a84db14e2cd90f3a1bb:{HASH}",
        f"k8QzLm2x.{RANDOM}",
    ],
)
@pytest.mark.parametrize("surroundings", ["it is {}, try it", "x = '{}'", '{{\\n\\t"a": "{}"}}'])
def test_token_of_an_unknown_issuer_is_masked(token: str, surroundings: str) -> None:
    masked = Redactor().redact(surroundings.format(token))
    assert masked == surroundings.format("[redacted:token]")


@pytest.mark.parametrize(
    "text",
    [
        f"public_token_{HASH}, cache_tok_{HASH}, idempotency_tok_{HASH}",
        f"image sandbox-{HASH} was built from live-{HASH[:40]}",
        "toolu_01A09q90qw90lq917835lq9X, msg_01XFDUDYJgAACzvnptvVoYEL, prj_9aBcD3fGh1jKlMn0pQ",
        f"task_{HASH} of the flask_{HASH}",
        f"sha256:{HASH}",
    ],
)
def test_ids_and_hashes_stay(text: str) -> None:
    assert Redactor().redact(text) == text


def test_token_is_masked_to_its_end_in_the_next_line() -> None:
    text = f"see acme_tok_{RANDOM[:24]}\n    {RANDOM[24:]}7k there"
    assert Redactor().redact(text) == "see [redacted:token] there"


def test_secret_is_masked_within_url_escapes_alone() -> None:
    url = f"redis://:{RANDOM[:20]}@cache-2.internal:6379/0"
    text = "GET /lookup?ref={}&page=2 HTTP/1.1"
    masked = Redactor().redact(text.format(quote(url, safe="")))
    assert masked == text.format(
        "redis%3A%2F%2F%3A[redacted:url-password]%40cache-2.internal%3A6379%2F0"
    )


def test_what_is_encoded_within_an_encoded_text_is_not_searched() -> None:
    inner = quote(quote("https://example.org/a b?x=1", safe=""), safe="")
    text = f"see {inner} and {base64.b64encode(b'only words in here').decode()}"
    assert Redactor().redact(text) == text
