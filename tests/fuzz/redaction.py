"""Hostile texts for the redaction, with a secret planted among them.

Whatever is around it, the secret must not survive, what was masked must not change once more, the
words beside the secret must stay, and time must grow no faster than the text.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from opensync_hooks.config import Config, Folders
from opensync_hooks.model import Message, Text, ToolCall, ToolResult
from opensync_hooks.privacy.cleaning import clean_message
from opensync_hooks.privacy.redaction.memory import SecretMemory
from opensync_hooks.privacy.redaction.private_keys import PRIVATE_KEYS
from opensync_hooks.privacy.redaction.redactor import Redactor
from opensync_hooks.privacy.redaction.rule import Example
from opensync_hooks.privacy.redaction.structured import STRUCTURED
from opensync_hooks.privacy.redaction.table import AnyRule
from opensync_hooks.privacy.redaction.tokens import TOKENS
from tests.fuzz.target import Target
from tests.privacy import corpus
from tests.privacy.test_redaction import AROUND, EXAMPLES, in_json
from tests.privacy.test_redaction_time import MAX_GROWTH, cpu_seconds, growth

_LONGEST = 20_000
_SECONDS = 0.3
"""A repeated text of 32 KB usually takes a hundredth of that."""
_SLOW = 1 << 15
_ISSUED = frozenset(map(id, (*PRIVATE_KEYS, *TOKENS, *STRUCTURED)))


class Redaction(Target):
    """A text of any kind; its checksum decides which secret is planted, and how."""

    name = "redaction"

    @staticmethod
    def seeds() -> Iterator[bytes]:
        # No example of a rule is among them: a secret would survive as its own double.
        chance = random.Random(1)  # noqa: S311
        cases = list(corpus.cases())
        for _ in range(40):
            yield "\n".join(case.text for case in chance.sample(cases, 12)).encode()
        source = Path(__file__).read_text()
        yield source.encode()
        yield json.dumps({"command": source, "password": [source, {"value": "x"}]}).encode()

    def __call__(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace")[:_LONGEST]
        chance = random.Random(zlib.crc32(data))  # noqa: S311
        masked = _masked_for_good(text)
        rule, example = chance.choice(EXAMPLES)
        _survives_nowhere(text, rule, example, chance)
        if masked == text:
            _neighbours_stay(text, example)
        if chance.random() < 0.2:
            _session_remembers(text, chance)
            _takes_no_longer_than_it_is(text[: chance.choice((1, 3, 8, 30, 200))])


def _redact(text: str) -> str:
    return Redactor().redact(text)


def _masked_for_good(text: str) -> str:
    masked = _redact(text)
    assert _redact(masked) == masked, "a masked text is masked again"
    return masked


def _survives_nowhere(text: str, rule: AnyRule, example: Example, chance: random.Random) -> None:
    around = chance.choice(AROUND) if id(rule) in _ISSUED else "{}"
    planted = around.format(example.text)
    lines = text.split("\n")
    lines.insert(chance.randrange(len(lines) + 1), planted)
    document = in_json("\n".join(lines), chance.choice((0, 0, 1, 3)))
    assert example.secret not in _redact(document), f"{rule.kind} survives in {around!r}"


def _neighbours_stay(text: str, example: Example) -> None:
    """Words between blank lines are no part of a secret, whatever else is in the text."""
    first, last = "\n\nOne of them is\n\n", "\n\nThat was one of them.\n\n"
    if _redact(f"{text}{first}{last}{text}") == f"{text}{first}{last}{text}":
        masked = _redact(f"{text}{first}{example.text}{last}{text}")
        assert first in masked, "what precedes a secret is masked"
        assert last in masked, "what follows a secret is masked"


def _session_remembers(text: str, chance: random.Random) -> None:
    secret = "".join(chance.choices("abcdefghkmnpqrstuvwxyzABCDEFGHKMNPQR23456789", k=24)) + "4kQ7"
    config, memory = Config(Folders.from_environ({})), SecretMemory()
    call = ToolCall("c", "Bash", {"command": f"deploy {secret}", "note": text}, "")
    parts = (Text(f"API_TOKEN={secret}\n"), call, ToolResult("c", "Bash", f"{text}\n{secret}\n"))
    cleaned = clean_message(Message("m", "assistant", parts), config, memory=memory)
    assert secret not in repr(cleaned), "a secret of the session returns"


def _takes_no_longer_than_it_is(unit: str) -> None:
    def repeated(size: int) -> str:
        return (unit * (size // max(1, len(unit)) + 1))[:size]

    redact: Callable[[str], object] = _redact
    if cpu_seconds(redact, repeated(_SLOW)) > _SECONDS:
        assert growth(redact, repeated, _SLOW) < MAX_GROWTH, "slow"
