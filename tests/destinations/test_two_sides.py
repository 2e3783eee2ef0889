"""Whatever server and machines do meanwhile: each message is one row, in its newest version."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.config import Folders, load
from opensync_hooks.delivery import split
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.errors import BusyError, UnreachableError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Json
from tests.delivery.harness import message, no_fault, session, source_of
from tests.opensync import Fault, RealStore, real_opensync
from tests.transcripts import TranscriptWriter, text


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def ms(self) -> int:
        return int(self.now * 1000)


class Machine:
    """A home folder with Claude Code and our state, which can be copied to another machine."""

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.folder = folder
        self.cloud = cloud
        self.source = ClaudeCodeSource(folder / "claude")

    def writer(self, session_id: str = "s1", **options: int) -> TranscriptWriter:
        path = self.folder / "claude" / "projects" / "-work" / f"{session_id}.jsonl"
        return TranscriptWriter(path, **options)

    @contextmanager
    def syncer(self) -> Iterator[Syncer]:
        url, key, clock = self.cloud.url, self.cloud.key, self.cloud.clock
        settings = replace(load(), folders=Folders(self.folder, self.folder, self.folder))
        with (
            OpenSyncClient(url, key, sleep=clock.sleep, clock=clock) as client,
            Ledger(self.folder / "ledger.db") as ledger,
        ):
            yield Syncer(settings, client, ledger)

    def sync(self, session_id: str = "s1") -> SyncOutcome:
        located = self.source.find(session_id)
        assert located
        with self.syncer() as syncer:
            return syncer.sync(self.source, located)

    def copy_to(self, folder: Path) -> Machine:
        shutil.copytree(self.folder, folder)
        return Machine(folder, self.cloud)


class Cloud:
    """An OpenSync for several machines, with a clock and faults of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.fault: Callable[[str, bytes], Fault | None] = no_fault
        self.store: RealStore
        self.url = self.key = ""

    def on_request(self, _method: str, path: str, body: bytes) -> Fault | None:
        return self.fault(path, body)

    def machine(self, name: str = "laptop") -> Machine:
        return Machine(self.folder / name, self)

    def texts(self, session_id: str = "s1") -> list[str]:
        stored = self.store.session(session_id)
        messages = stored["messages"] if stored else []
        return [message.get("textContent", "") for message in messages]

    def session(self, session_id: str = "s1") -> Json:
        stored = self.store.session(session_id)
        assert stored
        session: Json = stored["session"]
        return session


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path)
    with real_opensync(tmp_path, clock=cloud.clock.ms, on_request=cloud.on_request) as opensync:
        server, cloud.store, cloud.key = opensync
        cloud.url = server.url
        yield cloud


def turns(*numbers: int) -> list[str]:
    return [f"{kind} {number}" for number in numbers for kind in ("prompt", "answer")]


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
    # Messages sent between the deletion and the next answer with the session's id are there twice:
    # their ids begin with the deleted session's. A gap would be worse.
    assert Counter(cloud.texts()) == Counter(turns(1, 2, 3)) + Counter(turns(3))
    assert machine.sync().sent == 0


def test_session_that_is_deleted_again_and_again_is_left_for_later(cloud: Cloud) -> None:
    machine = cloud.machine()
    machine.writer().turn(1)

    def delete(path: str, body: bytes) -> None:
        if path == "/sync/message" and b"answer 1" in body:
            cloud.store.delete_session("s1")

    cloud.fault = delete
    with pytest.raises(BusyError) as caught:
        machine.sync()
    assert str(caught.value) == "s1: the destination deletes the session while it is being sent."
    assert caught.value.hint == "Check who else works with this account."
    cloud.fault = no_fault
    cloud.store.delete_session("s1")
    machine.sync()
    assert cloud.texts() == turns(1)


def test_deleted_part_is_sent_again_with_the_next_turn(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split, "MAX_MESSAGES", 4)
    machine = cloud.machine()
    writer = machine.writer()
    for number in range(1, 6):
        writer.turn(number)
    machine.sync()
    assert cloud.texts("s1#3") == turns(5)
    cloud.store.delete_session("s1#3")
    writer.turn(6)
    machine.sync()
    assert [cloud.texts(name) for name in ("s1", "s1#2")] == [turns(1, 2), turns(3, 4)]
    assert cloud.texts("s1#3") == turns(5, 6)


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
    assert desktop.sync().sent == 4
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
