"""What the server and another machine may do meanwhile: one row of each, and the newest of it."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import Folders, load
from opensync_hooks.delivery import split
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.errors import BusyError, UnreachableError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Message, Session, Text
from tests.opensync import Fault, RealStore, real_opensync
from tests.transcripts import TranscriptWriter, text


class Clock:
    """Time that passes only by sleeping, or by being told to."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def ms(self) -> int:
        return int(self.now * 1000)


class Machine:
    """A home with Claude Code, and our state in it, which may be copied to another one."""

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.folder = folder
        self.cloud = cloud
        self.source = ClaudeCodeSource(folder / "claude")

    def writer(self, session_id: str = "s1", **more: int) -> TranscriptWriter:
        path = self.folder / "claude" / "projects" / "-work" / f"{session_id}.jsonl"
        return TranscriptWriter(path, **more)

    @contextmanager
    def syncer(self) -> Iterator[Syncer]:
        cloud = self.cloud
        with (
            OpenSyncClient(
                cloud.url, cloud.key, sleep=cloud.clock.sleep, clock=cloud.clock
            ) as client,
            Ledger(self.folder / "ledger.db") as ledger,
        ):
            own = Folders(self.folder, self.folder, self.folder)
            settings = replace(load(), folders=own)
            yield Syncer(settings, client, ledger)

    def sync(self, session_id: str = "s1") -> SyncOutcome:
        located = self.source.find(session_id)
        assert located
        with self.syncer() as syncer:
            return syncer.sync(self.source, located)

    def copied_to(self, folder: Path) -> Machine:
        shutil.copytree(self.folder, folder)
        return Machine(folder, self.cloud)


class Cloud:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.fault: Callable[[str, bytes], Fault | None] = lambda _path, _body: None
        self.posted: list[tuple[str, str]] = []
        self.store: RealStore
        self.url = self.key = ""

    def on_request(self, _method: str, path: str, body: bytes) -> Fault | None:
        if path != "/health":
            self.posted.append((path, json.loads(body).get("externalId", "") if body else ""))
        return self.fault(path, body)

    def machine(self, name: str = "laptop") -> Machine:
        return Machine(self.folder / name, self)

    def texts(self, session_id: str = "s1") -> list[str]:
        found = self.store.session(session_id)
        return [one.get("textContent", "") for one in found["messages"]] if found else []

    def head(self, session_id: str = "s1") -> dict[str, object]:
        found = self.store.session(session_id)
        assert found
        head: dict[str, object] = found["session"]
        return head


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path)
    with ExitStack() as stack:
        opened = real_opensync(tmp_path, clock=made.clock.ms, on_request=made.on_request)
        server, made.store, made.key = stack.enter_context(opened)
        made.url = server.url
        yield made


def turns(*numbers: int) -> list[str]:
    return [f"{of} {number}" for number in numbers for of in ("prompt", "answer")]


# ---- deleted on the server -----------------------------------------------------------------------


def test_session_deleted_while_it_is_being_sent_is_sent_again_whole(cloud: Cloud) -> None:
    machine = cloud.machine()
    writer = machine.writer()
    for number in (1, 2, 3):
        writer.turn(number)
    doomed = iter([True])

    def delete(path: str, body: bytes) -> None:
        if path == "/sync/message" and b"prompt 3" in body and next(doomed, False):
            cloud.store.delete_session("s1")

    cloud.fault = delete
    machine.sync()
    # What went out between the deletion and the next answer that names the session is there twice:
    # its id bears the old session's, which is gone. Nothing would be worse than a gap.
    found = Counter(cloud.texts())
    assert found == Counter(turns(1, 2, 3)) + Counter(turns(3))
    assert machine.sync().sent == 0


def test_session_that_somebody_deletes_again_and_again_is_given_a_rest(cloud: Cloud) -> None:
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
    cloud.fault = lambda _path, _body: None
    cloud.store.delete_session("s1")
    machine.sync()
    assert cloud.texts() == turns(1)


def test_volume_that_was_deleted_comes_back_whole_with_the_next_turn(
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


def test_no_old_state_stays_behind_however_quickly_the_turns_follow(cloud: Cloud) -> None:
    """Each answer grows three times within the windows that ignore what comes again."""
    machine = cloud.machine()
    writer = machine.writer(began=int(cloud.clock.now) - 2)
    for number in (1, 2, 3):
        writer.line("user", f"prompt {number}")
        for piece in ("one", "two", "three"):
            writer.respond(f"m{number}", text(piece), output=7)
            machine.sync()
            cloud.clock.sleep(0.3)
    assert cloud.texts()[1::2] == ["one\n\ntwo\n\nthree"] * 3
    head = cloud.head()
    assert (head["promptTokens"], head["completionTokens"]) == (3, 21)
    assert head["cost"] == pytest.approx(3 * (1 * 5 + 7 * 25) / 1e6)


def test_message_that_is_new_waits_for_no_window(cloud: Cloud) -> None:
    machine = cloud.machine()
    writer = machine.writer(began=int(cloud.clock.now) - 1)
    began = cloud.clock.now
    for number in (1, 2, 3):
        writer.turn(number)
        machine.sync()
    assert cloud.clock.now == began
    assert cloud.texts() == turns(1, 2, 3)


def test_answer_lost_within_the_window_leaves_the_newer_version(cloud: Cloud) -> None:
    machine = cloud.machine()
    writer = machine.writer(began=int(cloud.clock.now) - 2)
    writer.line("user", "prompt 1")
    writer.respond("m1", text("half"))
    cloud.fault = lambda _, body: Fault(stored=True) if b"half" in body else None
    with pytest.raises(UnreachableError):
        machine.sync()
    cloud.fault = lambda _path, _body: None
    writer.respond("m1", text("whole"))
    machine.sync()
    assert cloud.texts() == ["prompt 1", "half\n\nwhole"]
    assert cloud.store.stats()["messageCount"] == 2


@pytest.mark.parametrize("place", ["/sync/session", "/sync/message", "/sync/batch"])
def test_every_lost_answer_of_a_run_stores_one_row_of_each(cloud: Cloud, place: str) -> None:
    machine = cloud.machine()
    writer = machine.writer()
    for number in (1, 2, 3):
        writer.turn(number)
        writer.write(
            json.dumps({"type": "custom-title", "customTitle": f"Title {number}"}).encode()
        )
        writer.write(b"\n")
        lost = Counter[str]()

        def lose(path: str, body: bytes, lost: Counter[str] = lost) -> Fault | None:
            name = json.loads(body).get("externalId", "") if body else ""
            lost[name] += path == place
            return Fault(stored=True) if path == place and lost[name] <= 2 else None

        cloud.fault = lose
        machine.sync()
    assert cloud.texts() == turns(1, 2, 3)
    assert cloud.head()["title"] == "Title 3"
    stats = cloud.store.stats()
    assert (stats["sessionCount"], stats["messageCount"]) == (1, 6)


# ---- the poisoned cut of the search text ---------------------------------------------------------


@pytest.mark.parametrize("shift", range(4))
def test_emoji_at_the_cut_of_the_search_text_poisons_nothing(cloud: Cloud, shift: int) -> None:
    class Told:
        agent = "cursor"

        def read(self, _located: Located) -> Iterator[Session]:
            long = "a" * (4_985 + shift) + "🎉" * 20
            messages = [
                Message(f"m{number}", "assistant", (Text(long),), number) for number in range(4)
            ]
            yield Session("s1", self.agent, messages, title="t")

    located = Located("s1", Path("/nowhere"), 0, "mark")
    with cloud.machine().syncer() as syncer:
        outcome = syncer.sync(cast("Source", Told()), located)
    assert (outcome.sent, outcome.quarantined) == (4, 0)
    assert len(cloud.texts()) == 4


# ---- several machines ----------------------------------------------------------------------------


def test_two_machines_with_one_account_keep_their_sessions_apart(cloud: Cloud) -> None:
    laptop, desktop = cloud.machine("laptop"), cloud.machine("desktop")
    laptop.writer("s1").turn(1)
    desktop.writer("s2").turn(2)
    for machine, name in ((laptop, "s1"), (desktop, "s2")):
        machine.sync(name)
    assert (cloud.texts("s1"), cloud.texts("s2")) == (turns(1), turns(2))


def test_copied_home_sends_nothing_twice_and_both_go_on(cloud: Cloud) -> None:
    """Our own state was copied along: what it has confirmed is not sent from there either."""
    laptop = cloud.machine("laptop")
    laptop.writer().turn(1)
    laptop.sync()
    desktop = laptop.copied_to(cloud.folder / "desktop")
    assert desktop.sync().sent == 0
    writer = laptop.writer()
    writer.last, writer._count = "s1-u2", 10
    writer.turn(2)
    other = desktop.writer()
    other.last, other._count = "s1-u2", 20
    other.turn(3)
    assert (laptop.sync().sent, desktop.sync().sent) == (2, 2)
    assert cloud.texts() == turns(1, 2, 3)
    assert cloud.store.stats()["messageCount"] == 6
    assert (laptop.sync().sent, desktop.sync().sent) == (0, 0), "they do not take turns for ever"


def test_copied_sessions_without_our_state_are_stored_once(cloud: Cloud) -> None:
    """A new machine with the old one's transcripts sends all, and every row is there already."""
    laptop = cloud.machine("laptop")
    writer = laptop.writer()
    for number in (1, 2):
        writer.turn(number)
    laptop.sync()
    before = cloud.head()["createdAt"]
    desktop = laptop.copied_to(cloud.folder / "desktop")
    (desktop.folder / "ledger.db").unlink()
    assert desktop.sync().sent == 4
    assert cloud.texts() == turns(1, 2)
    assert (cloud.store.stats()["sessionCount"], cloud.head()["createdAt"]) == (1, before)


def test_two_machines_on_one_session_at_the_same_moment_double_nothing(cloud: Cloud) -> None:
    laptop = cloud.machine("laptop")
    writer = laptop.writer()
    for number in (1, 2, 3):
        writer.turn(number)
    desktop = laptop.copied_to(cloud.folder / "desktop")
    entered: list[str] = []

    def meanwhile(path: str, _: bytes) -> None:
        if path == "/sync/message" and not entered:
            entered.append(path)
            desktop.sync()

    cloud.fault = meanwhile
    laptop.sync()
    assert entered
    assert cloud.texts() == turns(1, 2, 3)
    assert cloud.store.stats()["messageCount"] == 6
