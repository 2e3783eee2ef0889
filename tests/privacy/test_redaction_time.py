"""Redaction takes time in proportion to the text, whatever the text is.

Only growth is judged: a text 16 times as long takes a linear pattern 16 times as long, and a
quadratic one 256 times. So the tests hold on a machine of any speed that does other things too.
"""

from __future__ import annotations

import base64
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from opensync_hooks.privacy.redaction import redactor as redactor_module
from opensync_hooks.privacy.redaction.named_formats import NamedFormat
from opensync_hooks.privacy.redaction.prefilter import Prefilter
from opensync_hooks.privacy.redaction.redactor import Redactor
from opensync_hooks.privacy.redaction.rule import Example, Rule
from opensync_hooks.privacy.redaction.table import RULES, AnyRule
from opensync_hooks.privacy.redaction.tokens import TokenFormat
from tests.privacy.test_redaction import EXAMPLES, code, in_json, rule_id

LONG = bool(os.environ.get("OPENSYNC_TEST_LONG"))
FACTOR = 16
MAX_GROWTH = 64
"""Midway between linear and quadratic: a factor of four is left to chance on either side."""
ATTEMPTS = 12
LARGEST = 1 << 15
"""A quadratic pattern takes seconds with it, and fixed costs are small beside it."""

MakeText = Callable[[int], str]
"""Returns a text of the given size."""


def growth(call: Callable[[str], object], make_text: MakeText, largest: int = LARGEST) -> float:
    """Return how many times as much CPU time a text takes that is 16 times as long.

    What disturbs a measurement only lengthens it, so that the shortest of several counts.
    """
    small, large = make_text(largest // FACTOR), make_text(largest)
    took = grown = float("inf")
    for _ in range(ATTEMPTS):
        took = min(took, *(cpu_seconds(call, small) for _ in range(2)))
        grown = min(grown, cpu_seconds(call, large))
        if grown < took * MAX_GROWTH:
            break
    return grown / took


def cpu_seconds(call: Callable[[str], object], text: str) -> float:
    start = time.process_time()
    call(text)
    return time.process_time() - start


def hostile() -> Iterator[tuple[str, Callable[[int], str]]]:
    """Yield names and texts of any size: common ones, and those that make patterns slow."""
    yield "code", lambda size: code()[:size]
    noise = random.Random(1).randbytes(LARGEST)  # noqa: S311
    yield "base64", lambda size: base64.b64encode(noise).decode()[:size]
    yield "base64 in lines", lambda size: base64.encodebytes(noise).decode()[:size]
    yield "hex", lambda size: noise.hex()[:size]
    words = [keyword.strip("*") for rule in RULES for keyword in rule.keywords]
    yield "every keyword", partial(_any_of, words, " ")
    yield "every keyword, joined", partial(_any_of, words, "")
    yield "every format", partial(_any_of, [example.text for _, example in EXAMPLES], " ")
    yield "nested JSON", partial(_repeated, in_json('"password": "a', 5))
    for unit in REPEATED:
        yield f"{unit!r}, repeated", partial(_repeated, unit)


def _any_of(words: list[str], separator: str, size: int) -> str:
    return separator.join(random.Random(1).choices(words, k=size // 2))[:size]  # noqa: S311


def _repeated(unit: str, size: int) -> str:
    return (unit * (size // len(unit) + 1))[:size]


def _repeated_before(end: str, unit: str, size: int) -> str:
    return _repeated(unit, size) + end


REPEATED = (
    *"_-=:.a0A/+<\\\"' \n\t>[", "日本語ü—✓ ", "İ", "\\n", '\\"', '\\\\\\"', "\\u0022", "&quot;",
    "%3D", "[33m", "token=a1", "tokens: [", "tokens:\n- a", "A=", "x=1&", "A=1;", "| ", "> ",
    "密钥是xoxe.", "密钥是shpat_d357ad345459ea50608b0", "[name] => ", "{password, ", "</key><key>",
    '" +\n',
    '"\n"', "\n    ", "4\n", "4\\\n",
    "a1b2c3d4\n", "password", "value", "token:", "password=", "PASSWORD=", "pass='", 'key="',
    '"token",', "secret_key: 'a", "password: a1b2c3(", "password: a1b2c3d4\n", "token: |-\n  ",
    'token = "a1b2c3d4\n', "- name: PASSWORD\n", "--password ", "--token \\\n",
    "token" + "\\" * 90, "bearer ", "authorization: ", "cookie: a=", "sk-", "ghp_",
    "ghp_" + "4" * 30 + "\n", "AKIA4\\n", "eyJ", "eyJa.", "eyJaaaa\n.", "eyJ" + "4" * 30 + "\n",
    "://", "://a:", "://a:b\n", "$6$aaaa\n$", "MT.aaaaaa.", "a.aaaaaa\n", "abcdef-us4", "JQQJ99",
    "Q~", "12345678:AA", "-----BEGIN ", "-----BEGIN PRIVATE " + "KEY-----\n",
    "-----END PRIVATE " + "KEY-----\n", "4kQ7xB2mZ94kQ7xB\n", "Private-" + "Lines: 1\naaaaaaaa ",
)  # fmt: skip
"""Beginnings of patterns, what they repeat, and what they continue after."""
HOSTILE = dict(hostile())


@pytest.fixture(scope="module")
def redact() -> Callable[[str], str]:
    """Return a redactor's method after every pattern has been compiled."""
    redactor = Redactor()
    redactor.redact("".join(example.text for _, example in EXAMPLES))
    return redactor.redact


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_no_faster_than_the_text(name: str, redact: Callable[[str], str]) -> None:
    assert growth(redact, HOSTILE[name]) < MAX_GROWTH


def different_rules() -> list[AnyRule]:
    """Return all rules, but only one of the token formats that are matched by the same patterns."""
    by_patterns: dict[object, AnyRule] = {}
    for rule in RULES:
        key: object = rule
        if isinstance(rule, TokenFormat):
            key = rule.charset, rule.condition, rule.min_length >= 60
        by_patterns.setdefault(key, rule)
    return list(RULES) if LONG else list(by_patterns.values())


@pytest.mark.parametrize("rule", different_rules(), ids=rule_id)
def test_no_pattern_is_slow_on_near_matches(rule: AnyRule, redact: Callable[[str], str]) -> None:
    """A pattern is slow where it fails late: behind the beginning of an example."""
    rng = random.Random(rule.kind)  # noqa: S311
    for example in rule.examples[: 99 if LONG else 2]:
        cut = rng.randrange(len(example.before) + 1, len(example.text) + 1)
        tails = ["", "\n", "\\n", " ", "=", '"', "'", ".", "!", "A" * 1000, "\\" * 99]
        for tail in tails if LONG else rng.sample(tails, 3):
            near_match = example.text[:cut] + tail
            make_text = partial(_repeated, near_match)
            assert growth(redact, make_text) < MAX_GROWTH, near_match


@pytest.mark.parametrize(
    ("pattern", "unit"),
    [("a+b", "a"), ("(?:key=)+;", "key="), (r"[\w.]*@", "a."), (r"\s+y", " "), ("a.*?b", "ac")],
)
def test_quadratic_pattern_is_noticed(pattern: str, unit: str) -> None:
    make_text = partial(_repeated, unit)
    assert growth(re.compile(pattern).findall, make_text, LARGEST // 8) > MAX_GROWTH


def test_quadratic_pattern_is_noticed_among_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Rule("slow", ("a",), "a+b", (Example("ab"),), ("a",), casefold=True)
    rules = (rule for rule in RULES if not isinstance(rule, NamedFormat))
    monkeypatch.setattr(redactor_module, "_PREFILTER", Prefilter((*rules, slow)))
    assert growth(Redactor().redact, HOSTILE["'a', repeated"]) > MAX_GROWTH


def test_no_value_is_read_again_from_each_name_in_it(redact: Callable[[str], str]) -> None:
    """Also where what ends it tells that it is code, or a part of a list."""
    for unit, end in (("PASSWORD=uri", ", "), ("xtoken:selected", "{"), ("A_KEY=b", "( ")):
        assert growth(redact, partial(_repeated_before, end, unit)) < MAX_GROWTH, unit


def test_rows_that_could_be_headings_are_read_once(redact: Callable[[str], str]) -> None:
    for rows in ("| password | b |\n", "| b | token |\n| token | b |\n", "a  pw\n-  --\n"):
        assert growth(redact, partial(_repeated, rows)) < MAX_GROWTH


def test_command_takes_time_in_proportion_to_its_length() -> None:
    units = ("word-", "find-generic-password ", "vault kv get ", "kubectl get secret ")

    def redact_output(command: str) -> str:
        return Redactor().redact_output(command, "4kQ7xB2mZ9af\n")

    for unit in units:
        assert growth(redact_output, partial(_repeated, unit)) < MAX_GROWTH, unit
