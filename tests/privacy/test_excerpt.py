"""A text that is too long to be sent is masked as if all of it had been, in little memory."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from opensync_hooks.config import Config, load
from opensync_hooks.delivery.json_values import Truncator
from opensync_hooks.delivery.payloads import message_body
from opensync_hooks.delivery.redact import redact
from opensync_hooks.ledger.losses import CUT_TEXTS
from opensync_hooks.model import Message, Part, Session, Text, ToolCall, ToolResult
from opensync_hooks.privacy import excerpt
from opensync_hooks.privacy.cleaning import clean_message
from opensync_hooks.privacy.redaction.redactor import Redactor
from tests.privacy.test_redaction import EXAMPLES

WORDS = "one word after the other and a line\n"
SECRET = "hunter2" + "hunter2"
ASSIGNED = f"\nDB_PASSWORD={SECRET}\n"


def filler(length: int) -> str:
    return (WORDS * (length // len(WORDS) + 1))[:length]


def clean(*parts: Part, config: Config | None = None) -> Message:
    return clean_message(Message("m1", "assistant", parts), config or load())


def sent(text: str) -> str:
    (part,) = clean(Text(text)).parts
    assert isinstance(part, Text)
    assert isinstance(part.text, excerpt.Excerpt), "all of the text was masked"
    return Truncator(excerpt.MAX_TEXT_BYTES)(part.text)


LIMIT, MARGIN = 1 << 17, 1 << 13


@pytest.fixture
def _low_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut early, but where a text is searched in one round, as it is at the real limit."""
    monkeypatch.setattr(excerpt, "MAX_TEXT_BYTES", LIMIT)
    monkeypatch.setattr(excerpt, "_MARGIN", MARGIN)


@pytest.mark.usefixtures("_low_limit")
@pytest.mark.parametrize(
    ("distance", "step"), [(0, 3), (-1, 9), (1, 9), (MARGIN, 9), (2 * MARGIN, 9)], ids=str
)
def test_secret_near_the_cut_is_masked_as_in_the_whole_text(distance: int, step: int) -> None:
    """`distance`: of its middle from the cut; -1 and 1: it ends or begins at the cut."""
    for rule, example in EXAMPLES[::step]:
        middle = len(example.before) + len(example.secret) // 2
        offset = {-1: len(example.text), 1: 0}.get(distance, middle - distance)
        start = filler(LIMIT - offset)
        text = f"{start[:-1]}\n{example.text}\n{filler(4 * MARGIN)}"
        expected = Truncator(LIMIT)(Redactor().redact(text))
        beginning, _, rest = sent(text).partition("\n[cut here: ")
        assert beginning == expected.partition("\n[cut here: ")[0], rule
        assert rest.endswith(" more bytes]")


@pytest.mark.usefixtures("_low_limit")
def test_text_of_secrets_is_masked_up_to_what_can_be_sent() -> None:
    """A mask is shorter than most secrets, so that more of the text finds room."""
    chance = random.Random(5)  # noqa: S311 - the same in every run
    keys = ("".join(chance.choices("abcdefghjkmnpqrstuvwxyz23456789", k=90)) for _ in range(20_000))
    text = "".join(f"API_KEY={key}\n" for key in keys)
    expected = Truncator(LIMIT)(Redactor().redact(text))
    assert len(expected) > LIMIT
    assert sent(text).partition("\n[cut here")[0] == expected.partition("\n[cut here")[0]


def test_cut_names_the_bytes_of_the_whole_text() -> None:
    text = filler(3_000_000) + "é\ud800" * 10
    for body in (
        message_body(clean(Text(text)), None)[0]["parts"][0]["content"],
        message_body(clean(Text(text)), None)[0]["textContent"],
        message_body(clean(ToolResult("c", "Bash", text)), None)[0]["parts"][0]["content"][
            "result"
        ],
    ):
        start, _, mark = body.partition("\n[cut here: ")
        assert len(start.encode()) + int(mark.split()[0]) == 3_000_000 + 10 * (2 + 3)


def test_cut_of_arguments_names_what_was_cut_from_their_texts() -> None:
    body, cuts = message_body(
        clean(ToolCall("c", "run", {"input": filler(2_000_000), "last": 1})), None
    )
    start, _, mark = body["parts"][0]["content"]["args"].partition("\n[cut here: ")
    assert 2_000_000 < len(start) + int(mark.split()[0]) < 2_100_000
    assert cuts[CUT_TEXTS] == 1


def test_secret_in_what_is_not_sent_is_masked_where_it_returns() -> None:
    value = "Zr7+wq/" + "T41kPz0Lm9"
    for position in (1_000_000, 2_500_000, 4_000_000):
        long = f"{filler(position)}\nDB_PASSWORD={value}\n{filler(4_000_100 - position)}"
        messages = [Message(str(n), "user", (Text(t),)) for n, t in enumerate((long, value))]
        session = redact(Session("s", "claude-code", messages), load())
        assert value not in str([*session.messages][1].parts)


def test_pattern_of_the_user_may_match_any_length(tmp_path: Path) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text("[privacy.patterns]\nmemo = '(?s)<memo>.*</memo>'\n")
    settings.chmod(0o600)
    config = load({"OPENSYNC_HOOKS_HOME": str(tmp_path)})
    (part,) = clean(Text(f"a <memo>{filler(2_000_000)}</memo> b"), config=config).parts
    assert part == Text("a [redacted:memo] b")


def test_secrets_are_counted_once() -> None:
    counts = Counter[str]()
    text = ASSIGNED + filler(2_000_000)
    clean_message(Message("m1", "user", (Text(text),)), load(), counts)
    assert counts == {"password": 1}


def test_memory_does_not_grow_with_the_text() -> None:
    text = filler(20_000_000)
    tracemalloc.start()
    clean(Text(text))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(text)
