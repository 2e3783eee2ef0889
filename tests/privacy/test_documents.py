"""Secrets in documents that say what they hold: Kubernetes secrets, lists, texts in base64."""

from __future__ import annotations

import base64
import json

import pytest

from opensync_hooks.privacy.redaction.redactor import Redactor

MASK = "[redacted:kubernetes-secret]"
WORD = "correct-horse"
RANDOM = "4kQ7xB2mZ9af"


def redact(text: str) -> str:
    return Redactor().redact(text)


@pytest.mark.parametrize("field", ["data", "stringData"])
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_values_of_a_kubernetes_secret_are_masked(field: str, quote: str) -> None:
    head = f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {WORD}\n{field}:\n"
    text = f"{head}  user: {quote}{WORD}{quote}\n  b.c-d: {quote}{WORD}{quote}\ntype: Opaque\n"
    masked = f"{head}  user: {quote}{MASK}{quote}\n  b.c-d: {quote}{MASK}{quote}\ntype: Opaque\n"
    assert redact(text) == masked


def test_kubernetes_secret_is_recognized_whatever_comes_first() -> None:
    assert redact(f"data:\n  user: {WORD}\nkind: Secret") == f"data:\n  user: {MASK}\nkind: Secret"
    windows = redact(f"kind: Secret\r\ndata:\r\n  user: {WORD}\r\n")
    assert windows == f"kind: Secret\r\ndata:\r\n  user: {MASK}\r\n"
    assert redact(f"kind: Secret\ndata:\n  user: {WORD}") == f"kind: Secret\ndata:\n  user: {MASK}"


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_kubernetes_secret_in_json_is_masked(field: str) -> None:
    document = {"kind": "Secret", field: {"user": WORD, "b": WORD}, "metadata": {"name": WORD}}
    masked = {**document, field: {"user": MASK, "b": MASK}}
    assert redact(json.dumps(document)) == json.dumps(masked)
    assert redact(json.dumps(json.dumps(document))) == json.dumps(json.dumps(masked))


@pytest.mark.parametrize(
    "text",
    [
        f"kind: ConfigMap\ndata:\n  user: {WORD}\n",
        f"kind: SecretStore\ndata:\n  user: {WORD}\n",
        f"kind: Secret\nmetadata:\n  user: {WORD}\n",
        "kind: Secret\ndata:\n  a: yes\n",
        f"kind: Secret\ndata: {{}}\nspec:\n  user: {WORD}\n",
        json.dumps({"kind": "Secret", "metadata": {"data": "x", "name": WORD}}),
    ],
)
def test_other_documents_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "name", ["passwords", "tokens", "secrets", "credentials", "apikeys", "api_keys", "api-keys"]
)
@pytest.mark.parametrize(
    "form",
    [
        "{}: [{}, {}]", '{}: ["{}", "{}"]', "{} = ('{}', '{}')", "{}:\n- {}\n- {}\nEND",
        "MY_{} =\n  - {}\n  - {}", '"{}": ["{}", "{}"]',
    ],
)  # fmt: skip
def test_random_words_of_a_list_that_a_plural_names_are_masked(name: str, form: str) -> None:
    first, second = RANDOM, RANDOM[::-1]
    assert redact(form.format(name, first, second)) == form.format(
        name, "[redacted:secret]", "[redacted:secret]"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"planets: [{RANDOM}]",
        "tokens: [identifier, whitespace, delimiters]",
        f"tokens: {{a: [{RANDOM[:6]}]}}",
        f"tokens: [f({RANDOM})]",
        f"the tokens are [{RANDOM}]",
        "tokens: [abcdefGHIJKLmnop]",
        "tokens: [identifier2024, whitespace-17]",
    ],
)
def test_other_lists_stay(text: str) -> None:
    assert redact(text) == text


def test_base64_of_a_secret_is_masked_with_its_padding_wherever_it_is() -> None:
    for size in range(14, 17):  # each padding there is
        text = "DB_PASSWORD=" + (RANDOM + RANDOM)[:size]
        encoded = base64.b64encode(text.encode()).decode()
        assert encoded.strip("=").isalnum()
        document = f"a {encoded} b\n{encoded}\n"
        assert redact(document) == "a [redacted:base64] b\n[redacted:base64]\n"
        assert redact(encoded) == "[redacted:base64]"


def test_base64_of_lines_is_decoded() -> None:
    encoded = base64.b64encode(b"user=me\r\npassword=hunter2hunter2\n").decode()
    assert redact(f"see {encoded}") == "see [redacted:base64]"


@pytest.mark.parametrize(
    "content", [b"Nothing to see here, move along.", b"DB_PASSWORD=\x00\x01hunter2hunter2"]
)
def test_base64_of_anything_else_stays(content: bytes) -> None:
    encoded = base64.b64encode(content).decode()
    assert redact(f"see {encoded}") == f"see {encoded}"


def test_base64_in_base64_is_not_opened() -> None:
    once = base64.b64encode(b"DB_PASSWORD=hunter2hunter2").decode()
    twice = base64.b64encode(once.encode()).decode()
    assert redact(twice) == twice
