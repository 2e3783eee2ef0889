"""A session of any size arrives in pieces that OpenSync can open, each message in one of them."""

from __future__ import annotations

import pytest

from opensync_hooks.delivery import split as volumes
from opensync_hooks.delivery.split import is_large, name, split
from opensync_hooks.model import Charge, Message, Session, Text, Usage


def message(number: int, length: int = 10) -> Message:
    charge = Charge(f"c{number}", "m", Usage(output_tokens=number))
    return Message(
        f"m{number}", "assistant", (Text("x" * length),), number, charge=charge, duration_ms=2
    )


def session(*messages: Message) -> Session:
    loose = Charge("loose", None, Usage(output_tokens=1_000))
    charges = (*(one.charge for one in messages if one.charge), loose)
    return Session("s", "cursor", messages, charges, title="The title", created_at=1, duration_ms=9)


def weigh(one: Message) -> int:
    return len(one.text)


def nowhere(_session_id: str, _message: Message) -> bool:
    return False


def ids(parts: list[Session]) -> list[list[str]]:
    return [[one.id for one in part.messages] for part in parts]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "MOST_MESSAGES", 3)
    monkeypatch.setattr(volumes, "MOST_BYTES", 1_000)


def test_session_that_fits_stays_as_it_is() -> None:
    whole = session(*map(message, range(3)))
    assert list(split(whole, weigh, nowhere)) == [whole]
    assert not is_large(whole)
    assert list(split(session(), weigh, nowhere)) == [session()]


def test_more_messages_go_on_in_the_next_volume_which_says_so() -> None:
    whole = session(*map(message, range(8)))
    parts = list(split(whole, weigh, nowhere))
    assert is_large(whole)
    assert ids(parts) == [["m0", "m1", "m2"], ["m3", "m4", "m5"], ["m6", "m7"]]
    assert [part.id for part in parts] == ["s", "s#2", "s#3"]
    assert [part.title for part in parts] == [
        "The title",
        *(f"The title (part {n})" for n in (2, 3)),
    ]
    assert [part.created_at for part in parts] == [1, 3, 6]
    assert [part.duration_ms for part in parts] == [6, 6, 4]


def test_heavy_messages_go_on_in_the_next_volume() -> None:
    sizes = (600, 600, 300, 5_000, 10)
    whole = session(*(message(number, size) for number, size in enumerate(sizes)))
    assert is_large(whole)
    assert ids(list(split(whole, weigh, nowhere))) == [["m0"], ["m1", "m2"], ["m3"], ["m4"]]


def test_every_charge_counts_in_one_volume() -> None:
    parts = list(split(session(*map(message, range(7))), weigh, nowhere))
    charges = [[one.id for one in part.charges] for part in parts]
    assert charges == [["c0", "c1", "c2", "loose"], ["c3", "c4", "c5"], ["c6"]]


def test_message_that_was_delivered_stays_where_it_is() -> None:
    """An earlier answer has grown, a prompt was put in between: nothing moves or doubles."""
    first = list(split(session(*map(message, range(5))), weigh, nowhere))
    at = {(part.id, one.id) for part in first for one in part.messages}
    grown = session(message(0, 900), message(90), *map(message, range(1, 9)))
    parts = list(split(grown, weigh, lambda place, one: (place, one.id) in at))
    assert ids(parts)[0] == ["m0", "m90", "m1", "m2"]
    assert ids(parts)[1] == ["m3", "m4", "m5"]
    assert ids(parts)[2] == ["m6", "m7", "m8"]


def test_message_stays_in_its_volume_also_where_an_earlier_one_has_room_again() -> None:
    """A rewind took some of the first volume away, and told one of them once more, later."""
    first = list(split(session(*map(message, range(5))), weigh, nowhere))
    at = {(part.id, one.id) for part in first for one in part.messages}
    shorter = session(*map(message, (0, 3, 4, 2, 9)))
    parts = list(split(shorter, weigh, lambda place, one: (place, one.id) in at))
    assert ids(parts) == [["m0", "m2"], ["m3", "m4", "m9"]]


def test_volumes_are_named_after_their_session() -> None:
    assert [name("s", number) for number in (1, 2, 3)] == ["s", "s#2", "s#3"]
