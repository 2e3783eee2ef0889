"""Whatever server and machines do meanwhile: each message is one row, in its newest version."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from opensync_hooks.errors import BusyError, UnreachableError
from tests.delivery.harness import message, no_fault, session, source_of
from tests.machines import Cloud, turns
from tests.opensync import Fault
from tests.transcripts import text

# ---- deleted on the server -----------------------------------------------------------------------


def test_session_deleted_while_it_is_being_sent_is_sent_again_completely(cloud: Cloud) -> None:
    machine = cloud.machine()
    writer = machine.writer()
    for number in (1, 2, 3):
        writer.turn(number)
    deletions = iter([True])

    def delete(path: str, body: bytes) -> None:
        if path == "/sync/message" and b"prompt 3" in body and next(deletions, False):
            cloud.store.delete_session("s1")

    cloud.fault = delete
    machine.sync()
    # What was sent between the deletion and the next answer with the session's id has made a new
    # session of it already: half of one would be worse than all.
    assert Counter(cloud.texts()) == Counter(turns(1, 2, 3))
    assert machine.sync().sent == 0


def test_session_that_is_deleted_again_and_again_is_left_for_later(cloud: Cloud) -> None:
    machine = cloud.machine()
    for number in range(1, 6):
        machine.writer(first=10 * number).turn(number)

    def delete(path: str, _: bytes) -> None:
        if path == "/sync/message":
            cloud.store.delete_session("s1")

    cloud.fault = delete
    with pytest.raises(BusyError) as caught:
        machine.sync()
    assert str(caught.value) == "s1: the destination deletes the session while it is being sent."
    assert caught.value.hint == "Check who else works with this account."


# ---- the windows of 5 and 10 seconds -------------------------------------------------------------


def test_newest_state_arrives_however_quickly_turns_follow(cloud: Cloud) -> None:
    """Each answer grows three times within the windows in which the server ignores repetitions."""
    machine = cloud.machine()
    writer = machine.writer(began=int(cloud.clock.now) - 2)
    for number in (1, 2, 3):
        writer.line("user", f"prompt {number}")
        for piece in ("one", "two", "three"):
            writer.respond(f"m{number}", text(piece), output=7)
            machine.sync()
            cloud.clock.sleep(0.3)
    assert cloud.texts()[1::2] == ["one\n\ntwo\n\nthree"] * 3
    session = cloud.session()
    assert (session["promptTokens"], session["completionTokens"]) == (3, 21)
    assert session["cost"] == pytest.approx(3 * (1 * 5 + 7 * 25) / 1e6)


def test_new_message_waits_for_no_window(cloud: Cloud) -> None:
    machine = cloud.machine()
    writer = machine.writer(began=int(cloud.clock.now) - 1)
    start = cloud.clock.now
    for number in (1, 2, 3):
        writer.turn(number)
        machine.sync()
    assert cloud.clock.now == start
    assert cloud.texts() == turns(1, 2, 3)


def test_answer_lost_within_the_window_leaves_the_newer_version(cloud: Cloud) -> None:
    machine = cloud.machine()
    writer = machine.writer(began=int(cloud.clock.now) - 2)
    writer.line("user", "prompt 1")
    writer.respond("m1", text("half"))
    cloud.fault = lambda _, body: Fault(stored=True) if b"half" in body else None
    with pytest.raises(UnreachableError):
        machine.sync()
    cloud.fault = no_fault
    writer.respond("m1", text("whole"))
    machine.sync()
    assert cloud.texts() == ["prompt 1", "half\n\nwhole"]
    assert cloud.store.stats()["messageCount"] == 2


@pytest.mark.parametrize("route", ["/sync/session", "/sync/message", "/sync/batch"])
def test_lost_answers_store_one_row_of_each(cloud: Cloud, route: str) -> None:
    machine = cloud.machine()
    writer = machine.writer()
    for number in (1, 2, 3):
        writer.turn(number)
        title = json.dumps({"type": "custom-title", "customTitle": f"Title {number}"})
        writer.write(f"{title}\n".encode())
        requests = Counter[str]()

        def lose_two_answers(
            path: str, body: bytes, requests: Counter[str] = requests
        ) -> Fault | None:
            external_id = json.loads(body).get("externalId", "") if body else ""
            requests[external_id] += path == route
            return Fault(stored=True) if path == route and requests[external_id] <= 2 else None

        cloud.fault = lose_two_answers
        machine.sync()
    assert cloud.texts() == turns(1, 2, 3)
    assert cloud.session()["title"] == "Title 3"
    stats = cloud.store.stats()
    assert (stats["sessionCount"], stats["messageCount"]) == (1, 6)


# ---- the search text, which the server cuts ------------------------------------------------------


@pytest.mark.parametrize("shift", range(4))
def test_emoji_at_the_cut_of_the_search_text_breaks_no_message(cloud: Cloud, shift: int) -> None:
    text = "a" * (4_985 + shift) + "🎉" * 20
    messages = [message(f"m{number}", text, created_at=number) for number in range(4)]
    with cloud.machine().syncer() as syncer:
        outcome = syncer.sync(*source_of(session(*messages, title="t")))
    assert (outcome.sent, outcome.quarantined) == (4, 0)
    assert len(cloud.texts()) == 4


# ---- several machines ----------------------------------------------------------------------------


def test_two_machines_with_one_account_keep_their_sessions_apart(cloud: Cloud) -> None:
    laptop, desktop = cloud.machine("laptop"), cloud.machine("desktop")
    laptop.writer("s1").turn(1)
    desktop.writer("s2").turn(2)
    laptop.sync("s1")
    desktop.sync("s2")
    assert (cloud.texts("s1"), cloud.texts("s2")) == (turns(1), turns(2))


def test_copied_home_sends_nothing_twice_and_both_machines_go_on(cloud: Cloud) -> None:
    """Our own state was copied as well, so what it confirmed is not sent from the copy either."""
    laptop = cloud.machine("laptop")
    laptop.writer().turn(1)
    laptop.sync()
    desktop = laptop.copy_to(cloud.folder / "desktop")
    assert desktop.sync().sent == 0
    for machine, number in ((laptop, 2), (desktop, 3)):
        writer = machine.writer()
        writer.last, writer._count = "s1-u2", number * 10
        writer.turn(number)
    assert (laptop.sync().sent, desktop.sync().sent) == (2, 2)
    assert cloud.texts() == turns(1, 2, 3)
    assert cloud.store.stats()["messageCount"] == 6
    assert (laptop.sync().sent, desktop.sync().sent) == (0, 0), "neither undoes the other"


def test_copied_sessions_without_our_state_are_stored_once(cloud: Cloud) -> None:
    """A new machine with the old one's transcripts sends all, and every row is there already."""
    laptop = cloud.machine("laptop")
    writer = laptop.writer()
    for number in (1, 2):
        writer.turn(number)
    laptop.sync()
    created_at = cloud.session()["createdAt"]
    desktop = laptop.copy_to(cloud.folder / "desktop")
    (desktop.folder / "ledger.db").unlink()
    assert desktop.sync().sent == 0
    assert cloud.texts() == turns(1, 2)
    assert cloud.store.stats()["sessionCount"] == 1
    assert cloud.session()["createdAt"] == created_at


def test_two_machines_on_one_session_at_the_same_moment_double_nothing(cloud: Cloud) -> None:
    laptop = cloud.machine("laptop")
    writer = laptop.writer()
    for number in (1, 2, 3):
        writer.turn(number)
    desktop = laptop.copy_to(cloud.folder / "desktop")
    interruptions: list[str] = []

    def sync_meanwhile(path: str, _: bytes) -> None:
        if path == "/sync/message" and not interruptions:
            interruptions.append(path)
            desktop.sync()

    cloud.fault = sync_meanwhile
    laptop.sync()
    assert interruptions
    assert cloud.texts() == turns(1, 2, 3)
    assert cloud.store.stats()["messageCount"] == 6
