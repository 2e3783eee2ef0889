"""What is beside a secret keeps it from being masked as little as it is masked itself."""

from __future__ import annotations

import os
import random

import pytest

from opensync_hooks.privacy.redaction.redactor import Redactor, mask
from opensync_hooks.privacy.redaction.rule import unite
from opensync_hooks.privacy.redaction.table import AnyRule
from opensync_hooks.privacy.redaction.tokens import TOKENS, TokenFormat
from tests.privacy import corpus
from tests.privacy.test_redaction import EXAMPLES

LONG = bool(os.environ.get("OPENSYNC_TEST_LONG"))
PAIRS = 40 if LONG else 2
ABOVE, BELOW, BEFORE, BEHIND = (
    "{miss}\n{place}",
    "{place}\n{miss}",
    "{miss} {place}",
    "{place} {miss}",
)
TOKEN = "4kQ7xB2mZ9af" * 3
BELOW_A_TOKEN = (
    "echo {} | docker login --password-stdin",
    "sshpass -p {} ssh me@host",
    "mysql -u root -p{} shop",
    "redis-cli -h cache -a {} ping",
    "lftp -u me,{} ftp.example.org",
    "htpasswd -b file me {}",
    "keytool -list -storepass {} -v",
    "Passwort: {}",
    "SSHPASS={} ssh me@host",
)


def redact(text: str) -> str:
    return Redactor().redact(text)


def near_misses() -> list[str]:
    """Return examples of every kind of rule, whole, and cut where they no longer quite match."""
    different: dict[object, AnyRule] = {}
    for rule, _ in EXAMPLES:
        key: object = rule
        if isinstance(rule, TokenFormat):
            key = rule.charset, rule.condition, rule.min_length // 8
        different.setdefault(key, rule)
    misses = set()
    for rule, example in EXAMPLES:
        if rule in different.values():
            first = len(example.before)
            end = first + len(example.secret)
            middle = (first + end) // 2
            misses |= {example.text[:cut] for cut in (end, end - 1, middle, middle + 1, first + 5)}
    return sorted(misses - {""})


def places() -> list[tuple[str, str]]:
    """Return texts in which the structure tells what the secret is, each with that secret."""
    by_rules = [
        (example.text, example.secret)
        for rule, example in EXAMPLES
        if not isinstance(rule, TokenFormat)
    ]
    documented = [
        (case.text, case.pieces[0])
        for case in corpus.cases()
        if case.kind == "structured" and case.field in ("text", "command")
    ]
    return [(text, secret) for text, secret in by_rules + documented if secret not in redact(text)]


@pytest.mark.parametrize("order", [ABOVE, BELOW, BEFORE, BEHIND, ABOVE.replace("\n", "\\n")])
def test_no_near_miss_beside_a_secret_keeps_it_from_being_masked(order: str) -> None:
    chance = random.Random(order)  # noqa: S311
    misses = near_misses()
    survivors = [
        together
        for text, secret in places()
        for miss in chance.sample(misses, PAIRS)
        if secret not in miss and secret in redact(together := order.format(miss=miss, place=text))
    ]
    assert not survivors, survivors[:5]


@pytest.mark.parametrize("end", ["\n", "\\n", "\r\n"], ids=ascii)
@pytest.mark.parametrize("line", BELOW_A_TOKEN)
def test_command_below_half_a_token_stays_and_its_secret_does_not(line: str, end: str) -> None:
    for rule in TOKENS:
        for example in rule.examples:
            half = example.secret[: len(rule.prefix) + rule.min_length * 3 // 4]
            masked = redact(half + end + line.format("k7Qx" + TOKEN[:9]))
            kept = line.partition("{}")[0]
            assert masked.partition(end)[2].startswith(kept + "[redacted:"), (half, masked)


@pytest.mark.parametrize("end", ["\n", "\\n"], ids=ascii)
def test_half_a_token_above_a_command_is_masked(end: str) -> None:
    """Half of it and a line's end are enough: it may go on behind the word."""
    half = "ghp_" + TOKEN[:20]
    assert redact(f"{half}{end}echo done") == f"{mask('github-token')}{end}echo done"


def test_name_behind_an_escaped_line_end_is_a_name_of_its_own() -> None:
    for name in ("pw", "psk", "pass", "token", "api_key"):
        text = f"first line\\n{name}: {TOKEN[:14]}"
        assert redact(text).startswith(f"first line\\n{name}: [redacted:"), text


def test_spans_that_overlap_become_one_with_the_first_kind() -> None:
    spans = [(4, 8, "a"), (6, 10, "b"), (0, 5, "c"), (4, 9, "d"), (10, 12, "e"), (11, 11, "f")]
    assert list(unite(spans)) == [(0, 10, "a"), (10, 12, "e")]
    assert list(unite([(3, 3, "a")])) == []


@pytest.mark.parametrize("end", [", next", ") and", "]", ", timeout=5)"])
def test_value_in_a_list_or_in_brackets_is_masked(end: str) -> None:
    secret = "4kQ7xB2mZ9af4k"
    for name in ("DB_PASSWORD", "api_token", "ACCESS_KEY"):
        masked = redact(f"({name}={secret}{end}")
        assert masked.startswith(f"({name}=[redacted:"), masked
        assert masked.endswith(f"]{end}"), masked
    assert redact(f"login(user=user, password=password2{end}") == (
        f"login(user=user, password=password2{end}"
    )
