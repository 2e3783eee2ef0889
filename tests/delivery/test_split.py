"""A session of any size is delivered in parts that OpenSync can open, each message in one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from opensync_hooks.delivery import split as split_module
from opensync_hooks.delivery.progress import SessionProgress
from opensync_hooks.delivery.split import SessionPart, part_id, split
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageState, SessionRecord
from opensync_hooks.messages import MappedMessages
from opensync_hooks.model import Charge, Message, Reasoning, Session, Text, ToolCall, Usage
from tests.delivery import harness
from tests.delivery.harness import Harness


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split_module, "MAX_MESSAGES", 3)
    monkeypatch.setattr(split_module, "MAX_BYTES", 3_000)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as ledger:
        yield ledger


def message(number: int, length: int = 10) -> Message:
    """A message of twice its length and 180 bytes: the text is in the parts and beside them."""
    charge = Charge(f"c{number}", "m", Usage(output_tokens=number))
    return Message(
        f"m{number}", "assistant", (Text("x" * length),), number, charge=charge, duration_ms=2
    )


def session(*messages: Message) -> Session:
    charges = (message.charge for message in messages if message.charge)
    without_message = Charge("loose", None, Usage(output_tokens=1_000))
    return Session(
        "s", "cursor", messages, (*charges, without_message), title="Title", created_at=1,
        duration_ms=9,
    )  # fmt: skip


def parts_of(ledger: Ledger, *messages: Message) -> list[Session]:
    parts = split(
        session(*messages),
        lambda name: SessionRecord(ledger, "there", "cursor", name),
        SessionProgress(),
    )
    return [part.session for part in parts]


def deliver(ledger: Ledger, *messages: Message) -> None:
    for part in parts_of(ledger, *messages):
        record = SessionRecord(ledger, "there", "cursor", part.id)
        record.set_remote_id(f"remote {part.id}")
        for message in part.messages:
            record.set_message(message.id, "h", MessageState.CONFIRMED)


def ids(parts: list[Session]) -> list[list[str]]:
    return [[message.id for message in part.messages] for part in parts]


@pytest.mark.parametrize("count", [0, 3])
def test_session_that_fits_stays_as_it_is(ledger: Ledger, count: int) -> None:
    messages = tuple(map(message, range(count)))
    assert parts_of(ledger, *messages) == [session(*messages)]


def test_messages_beyond_the_limit_go_on_in_a_part_whose_title_says_so(ledger: Ledger) -> None:
    parts = parts_of(ledger, *map(message, range(8)))
    assert ids(parts) == [["m0", "m1", "m2"], ["m3", "m4", "m5"], ["m6", "m7"]]
    assert [part.id for part in parts] == ["s", "s#2", "s#3"]
    assert [part.title for part in parts] == ["Title", "Title (part 2)", "Title (part 3)"]
    assert [part.created_at for part in parts] == [1, 3, 6]
    assert [part.duration_ms for part in parts] == [6, 6, 4]


def test_bytes_beyond_the_limit_go_on_in_another_part(ledger: Ledger) -> None:
    sizes = (900, 900, 200, 5_000, 10)
    messages = (message(number, size) for number, size in enumerate(sizes))
    assert ids(parts_of(ledger, *messages)) == [["m0"], ["m1", "m2"], ["m3"], ["m4"]]


@pytest.mark.parametrize("character", ["x", "é", "会", "🚀"])
def test_size_is_counted_in_bytes_whatever_the_characters(ledger: Ledger, character: str) -> None:
    length = 2_000 // (2 * len(character.encode()))
    messages = [replace(message(n), parts=(Text(character * length),)) for n in range(2)]
    assert ids(parts_of(ledger, *messages)) == [["m0"], ["m1"]]


def test_many_small_parts_count_as_well(ledger: Ledger) -> None:
    calls = tuple(ToolCall(f"call-{n}", "Bash", {}) for n in range(20))
    messages = [replace(message(n), parts=calls) for n in range(2)]
    assert ids(parts_of(ledger, *messages)) == [["m0"], ["m1"]]


def test_messages_of_a_session_that_fits_are_read_only_once(ledger: Ledger) -> None:
    walks: list[str] = []

    def note(message: Message) -> Message:
        walks.append(message.id)
        return message

    noted = session(message(0), message(1))
    noted = replace(noted, messages=MappedMessages(noted.messages, note))
    (part,) = split(
        noted, lambda name: SessionRecord(ledger, "there", "cursor", name), SessionProgress()
    )
    assert part == SessionPart(session(message(0), message(1)))
    assert walks == ["m0", "m1"]


def test_every_charge_counts_in_one_part(ledger: Ledger) -> None:
    parts = parts_of(ledger, *map(message, range(7)))
    charges = [[charge.id for charge in part.charges] for part in parts]
    assert charges == [["c0", "c1", "c2", "loose"], ["c3", "c4", "c5"], ["c6"]]


def test_delivered_message_stays_in_its_part(ledger: Ledger) -> None:
    """An earlier answer has grown and a prompt was inserted: nothing moves or doubles."""
    deliver(ledger, *map(message, range(5)))
    assert ids(parts_of(ledger, message(0, 1_300), message(90), *map(message, range(1, 9)))) == [
        ["m0", "m90", "m1", "m2"], ["m3", "m4", "m5"], ["m6", "m7", "m8"],
    ]  # fmt: skip


def test_delivered_message_stays_in_its_part_though_an_earlier_one_has_room(ledger: Ledger) -> None:
    """A rewind took some of the first part away, and repeated one of its messages later."""
    deliver(ledger, *map(message, range(5)))
    parts = parts_of(ledger, *map(message, (0, 3, 4, 2, 9)))
    assert ids(parts) == [["m0", "m2"], ["m3", "m4", "m9"]]


# ---- delivered parts -----------------------------------------------------------------------------


def part_texts(opensync: Harness) -> tuple[list[str], list[str]]:
    return opensync.texts("s1"), opensync.texts("s1#2")


def test_part_that_is_full_goes_on_in_a_second_session(opensync: Harness) -> None:
    charges = [Charge(f"c{number}", "composer-2.5", Usage(output_tokens=10)) for number in range(5)]
    messages = [harness.message(f"m{n}", charge=charge) for n, charge in enumerate(charges)]
    assert opensync.deliver(*messages[:3], title="Long").sessions == 1
    outcome = opensync.deliver(*messages, title="Long")
    assert (outcome.sessions, outcome.sent, outcome.unchanged) == (1, 2, 3)
    assert part_texts(opensync) == (["m0", "m1", "m2"], ["m3", "m4"])
    assert opensync.deliver(*messages, title="Long").sent == 0
    sessions = [opensync.stored(session_id)[0] for session_id in ("s1", "s1#2")]
    assert [session["title"] for session in sessions] == ["Long", "Long (part 2)"]
    assert [session["completionTokens"] for session in sessions] == [30, 20]


def test_message_with_a_new_id_stays_in_the_part_that_has_it(opensync: Harness) -> None:
    opensync.deliver(*(harness.message(f"m{number}") for number in range(5)))
    renamed = harness.message("new", "m3", aliases=("m3",))
    names = ("m0", "m1", "m4")
    first, second, last = map(harness.message, names)
    assert opensync.deliver(first, second, renamed, last).sent == 0
    assert part_texts(opensync) == (["m0", "m1", "m2"], ["m3", "m4"])


def test_session_that_has_become_short_stays_in_two_parts(opensync: Harness) -> None:
    """In one again, the messages of the second part would be there twice."""
    messages = [harness.message(f"m{number}") for number in range(5)]
    opensync.deliver(*messages)
    assert opensync.deliver(messages[0], *messages[3:]).sent == 0
    assert part_texts(opensync) == (["m0", "m1", "m2"], ["m3", "m4"])


def test_charge_is_billed_for_good_in_the_part_that_billed_it_first(opensync: Harness) -> None:
    """A charge may be known before its message; a rewind takes the message away."""
    charges = [Charge(f"c{number}", "m", Usage(output_tokens=1)) for number in range(6)]
    messages = [harness.message(f"m{n}", charge=charge) for n, charge in enumerate(charges)]
    for count in (5, 6, 4, 3):
        opensync.deliver(*messages[:count], charges=tuple(charges))
        sessions = [opensync.stored(session_id)[0] for session_id in ("s1", "s1#2")]
        assert [session["completionTokens"] for session in sessions] == [4, 2]


def test_size_is_measured_in_bytes_after_redaction(
    opensync: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Characters of three bytes each, and thinking that is not sent and takes no room."""
    monkeypatch.setattr(split_module, "MAX_BYTES", 10_000)
    texts = ["会" * 1_000, "话" * 1_000, "a" * 1_000, "b" * 1_000]
    messages = [
        harness.message(text[0], parts=(Text(text), Reasoning("x" * 9_000))) for text in texts
    ]
    assert opensync.deliver(*messages).sent == 4
    parts = [opensync.texts(session_id) for session_id in ("s1", "s1#2", "s1#3")]
    assert ["".join(text[0] for text in part) for part in parts] == ["会", "话a", "b"]


def test_embedded_store_keeps_a_session_of_any_size_in_one(embedded: Harness) -> None:
    embedded.deliver(*(harness.message(f"m{number}") for number in range(9)))
    assert len(embedded.texts()) == 9


def test_parts_are_named_after_their_session() -> None:
    assert [part_id("s", number) for number in (1, 2, 3)] == ["s", "s#2", "s#3"]
