"""A read that is not whole lowers nothing that was delivered, and says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.opencode.source import OpenCodeSource
from opensync_hooks.agents.source import UNREAD_COPY
from opensync_hooks.cli.verify.verifier import Verifier
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.model import Charge, Json, Message, Skipped, Usage
from tests.agents.opencode.test_copies import SESSION as ID
from tests.agents.opencode.test_copies import put, put_tree, say
from tests.delivery.harness import Harness, message, session, source_of
from tests.opencode_home import OpenCodeHome

UNREAD = {UNREAD_COPY: 1}
TORN = Skipped("unreadable", "unreadable line")


@pytest.fixture(params=["opensync", "embedded"])
def harness(request: pytest.FixtureRequest) -> Harness:
    value: Harness = request.getfixturevalue(request.param)
    return value


def call(number: int, text: str = "", *, tokens: int = 100, cost: float = 1.0) -> Message:
    charge = Charge(f"c{number}", "m", Usage(input_tokens=tokens, output_tokens=10), cost)
    return message(f"m{number}", text or f"answer {number}", charge=charge, model="m")


def totals(harness: Harness, session_id: str = "s1") -> tuple[Any, ...]:
    row, _ = harness.stored(session_id)
    return tuple(row.get(name) for name in ("title", "promptTokens", "completionTokens", "cost"))


def everything(harness: Harness, session_id: str = "s1") -> Json:
    """Return what is stored, without what each write changes."""
    row, messages = harness.stored(session_id)
    return {"messages": messages, **{key: row[key] for key in row if key != "updatedAt"}}


def test_older_copy_changes_nothing_of_what_the_newest_one_has_delivered(harness: Harness) -> None:
    harness.deliver(call(1), call(2), call(3), title="New title")
    before = everything(harness)
    older = (call(1), call(2, "half", tokens=5, cost=0.1))
    outcome = harness.deliver(
        *older, title="Old title", stored_ids=frozenset({"m1", "m2"}), unread_copy="damaged"
    )
    assert (outcome.state, outcome.sent, outcome.skipped) == (SyncState.INCOMPLETE, 0, UNREAD)
    assert everything(harness) == before


def test_what_is_new_in_an_older_copy_arrives(harness: Harness) -> None:
    harness.deliver(call(1), call(2), call(3), title="New title")
    outcome = harness.deliver(call(1), call(4), title="Old title", unread_copy="damaged")
    assert outcome.sent == 1
    assert harness.texts() == ["answer 1", "answer 2", "answer 3", "answer 4"]
    assert totals(harness) == ("New title", 300, 30, 3)
    harness.deliver(call(1), call(2), call(3), call(4), title="New title")
    assert totals(harness) == ("New title", 400, 40, 4), "the copy can be read again"


def test_older_copy_takes_over_once_it_counts_more(harness: Harness) -> None:
    harness.deliver(call(1), call(2), title="New title")
    later = [call(number) for number in (1, 3, 4)]
    outcome = harness.deliver(*later, title="Later title", unread_copy="damaged")
    assert outcome.state is SyncState.SYNCED
    assert totals(harness) == ("Later title", 300, 30, 3)


def test_prompt_that_only_the_unread_copy_has_keeps_the_session_as_it_was(harness: Harness) -> None:
    """Nothing but the ids of messages tells that the older copy is older."""
    harness.deliver(message("m1", "question"), message("m2", "another"), title="New title")
    before = everything(harness)
    outcome = harness.deliver(
        *(message("m1", "quest"),),
        title="Old title",
        stored_ids=frozenset({"m1"}),
        unread_copy="unavailable",
    )
    assert (outcome.state, outcome.skipped) == (SyncState.WAITING, UNREAD)
    assert everything(harness) == before


def test_unread_copy_that_adds_nothing_holds_nothing_up(harness: Harness) -> None:
    harness.deliver(call(1, "half"), title="Title", unread_copy="unavailable")
    outcome = harness.deliver(call(1), call(2), title="Later title", unread_copy="unavailable")
    assert outcome.state is SyncState.SYNCED
    assert harness.texts() == ["answer 1", "answer 2"]
    assert totals(harness) == ("Later title", 200, 20, 2)


@pytest.mark.parametrize("force", [False, True])
def test_damaged_lines_lower_no_totals(harness: Harness, force: bool) -> None:
    harness.deliver(call(1), call(2), title="Title")
    damaged = source_of(session(call(2), title="Title", skipped={TORN: 1}))
    outcome = harness.syncer.sync(*damaged, force=force)
    assert (outcome.state, outcome.skipped) == (SyncState.INCOMPLETE, {TORN: 1})
    assert totals(harness) == ("Title", 200, 20, 2)
    assert harness.texts() == ["answer 1", "answer 2"]


def test_new_prices_apply_to_damaged_sessions(harness: Harness) -> None:
    harness.deliver(call(1), title="Title", skipped={TORN: 1})
    harness.deliver(call(1, cost=0.5), title="Title", skipped={TORN: 1})
    assert totals(harness) == ("Title", 100, 10, 0.5)


def test_whole_read_corrects_the_totals_in_both_directions(harness: Harness) -> None:
    harness.deliver(call(1), call(2), title="Title")
    harness.deliver(call(1, tokens=50), title="Title")
    assert totals(harness) == ("Title", 50, 10, 1)


def test_verify_names_what_cannot_be_read_and_repairs_nothing_away(harness: Harness) -> None:
    harness.deliver(call(1), call(2), title="New title")
    before = everything(harness)
    source, located = source_of(
        session(call(1), title="Old title", unread_copy="damaged", stored_ids=frozenset({"m1"}))
    )
    verifier = Verifier(harness.syncer, harness.syncer.destination)
    verdict = verifier.verify(source, located)
    assert [difference.kind for difference in verdict.differences] == ["not read"]
    verifier.repair(source, located, verdict)
    assert everything(harness) == before


def test_garbled_transcript_keeps_its_totals(harness: Harness) -> None:
    transcript = harness.transcript()
    for number in (1, 2):
        transcript.turn(number)
    harness.sync()
    before = everything(harness)
    prompt, answer, *rest = transcript.path.read_bytes().splitlines(keepends=True)
    transcript.path.write_bytes(b"".join([prompt, answer.replace(b'"type"', b"}{"), *rest]))
    assert harness.sync().state is SyncState.INCOMPLETE
    assert everything(harness) == before


class OpenCodeCopies:
    """One session of OpenCode in two databases, of which the newest can be made unreadable."""

    def __init__(self, harness: Harness, home: Path) -> None:
        self._harness = harness
        self.opencode = OpenCodeHome(home)
        self.say("opencode.db", 1, 2)
        self.say("opencode-local.db", 1, 2, 3, 4)

    def say(self, name: str, *times: int) -> None:
        """Add a message for each time: of the user for odd ones, and a response for even ones."""
        if not (self.opencode.data / name).exists():
            put(self.opencode, name, {})
        call = {"tokens": {"input": 100, "output": 10}, "cost": 0.5, "modelID": "m"}
        with self.opencode.writing(name) as db:
            for time in times:
                say(self.opencode, db, time, f"text {time}")
            patch = "UPDATE message SET data = json_patch(data, ?) WHERE time_created % 2 = 0"
            db.execute(patch, (json.dumps(call),))
            db.execute("UPDATE session SET title = ?", (f"Title in {name}",))

    def sync(self, *, force: bool = False) -> SyncOutcome:
        source: OpenCodeSource = self.opencode.source()
        located = source.find(ID)
        assert located
        return self._harness.syncer.sync(source, located, force=force)

    @contextmanager
    def unreadable(self, how: str) -> Iterator[None]:
        path, kept = (self.opencode.data / name for name in ("opencode-local.db", "kept"))
        path.rename(kept)
        if how == "damaged":
            path.write_bytes(b"no database" * 99)
        else:
            path.symlink_to("/nowhere/opencode-local.db")
        yield
        path.unlink()
        kept.rename(path)


@pytest.mark.parametrize("loss", ["file deleted", "half migrated"])
def test_opencode_keeps_what_came_from_a_copy_that_is_gone(
    harness: Harness, tmp_path: Path, loss: str
) -> None:
    """Nobody has undone anything."""
    copies = OpenCodeCopies(harness, tmp_path / "home")
    copies.sync()
    before = everything(harness, ID)
    if loss == "file deleted":
        for file in copies.opencode.data.glob("opencode-local.db*"):
            file.unlink()
    else:
        with copies.opencode.writing("opencode-local.db") as db:
            db.execute("DELETE FROM message")
            db.execute("DELETE FROM part")
    assert (copies.sync().state, copies.sync().sent) == (SyncState.SYNCED, 0)
    assert everything(harness, ID) == before
    source = copies.opencode.source()
    located = source.find(ID)
    assert located
    verdict = Verifier(harness.syncer, harness.syncer.destination).verify(source, located)
    assert (verdict.differences, verdict.surplus) == ((), 2)
    copies.say("opencode.db", 5, 6, 7, 8)
    copies.sync()
    assert totals(harness, ID) == ("Title in opencode.db", 300, 30, 1.5)
    copies.sync()
    assert harness.texts(ID) == [f"text {time}" for time in range(1, 9)]


def test_opencode_keeps_what_came_from_a_lesser_copy_that_is_gone(
    harness: Harness, tmp_path: Path
) -> None:
    copies = OpenCodeCopies(harness, tmp_path / "home")
    copies.say("opencode.db", 5, 6)
    copies.say("opencode-local.db", 7, 8)
    copies.sync()
    before = everything(harness, ID)
    assert totals(harness, ID)[1:] == (400, 40, 2)
    for file in copies.opencode.data.glob("opencode.db*"):
        file.unlink()
    copies.sync()
    assert everything(harness, ID) == before


@pytest.mark.parametrize("how", ["damaged", "link"])
def test_opencode_keeps_what_its_newest_database_has_delivered(
    harness: Harness, tmp_path: Path, how: str
) -> None:
    copies = OpenCodeCopies(harness, tmp_path / "home")
    copies.sync()
    before = everything(harness, ID)
    with copies.unreadable(how):
        outcome = copies.sync()
        expected = SyncState.INCOMPLETE if how == "damaged" else SyncState.WAITING
        assert (outcome.state, outcome.sent, outcome.skipped) == (expected, 0, UNREAD)
        copies.sync(force=True)
        assert everything(harness, ID) == before
        copies.say("opencode.db", 5, 6)
        assert copies.sync().sent == 2
        assert totals(harness, ID) == ("Title in opencode-local.db", 200, 20, 1)
    outcome = copies.sync()
    assert (outcome.state, outcome.skipped) == (SyncState.SYNCED, {})
    assert totals(harness, ID)[1:] == (300, 30, 1.5)
    assert harness.texts(ID) == [f"text {time}" for time in range(1, 7)]


def test_opencode_file_of_a_message_that_became_unreadable_lowers_nothing(
    harness: Harness, tmp_path: Path
) -> None:
    copies = OpenCodeCopies(harness, tmp_path / "home")
    for file in copies.opencode.data.glob("*.db*"):
        file.unlink()
    put_tree(copies.opencode, {1: "q", 2: "a", 3: "more", 4: "b"})
    for time in (2, 4):
        path = copies.opencode.data / "storage" / "message" / ID / f"msg_{ID}_{time:03}.json"
        tokens = '"tokens": {"input": 100, "output": 10}'
        path.write_text(f'{{"role": "assistant", "time": {{"created": {time}}}, {tokens}}}')
    copies.sync()
    assert totals(harness, ID)[1:3] == (200, 20)
    path.write_text("{torn")
    assert copies.sync().state is SyncState.INCOMPLETE
    assert totals(harness, ID)[1:3] == (200, 20)


def test_opencode_part_that_became_unreadable_stays_delivered(
    harness: Harness, tmp_path: Path
) -> None:
    copies = OpenCodeCopies(harness, tmp_path / "home")
    with copies.opencode.writing("opencode-local.db") as db:
        added = '(\'added\', \'msg_ses_d01_004\', ?, 4, 4, \'{"type": "text", "text": "more"}\')'
        db.execute(f"INSERT INTO part VALUES {added}", (ID,))  # noqa: S608 - the text above
        copies.sync()
        before = harness.texts(ID)
        assert before[-1] == "more\n\ntext 4"
        db.execute("UPDATE part SET data = '{torn' WHERE id = 'added'")
    assert copies.sync().state is SyncState.INCOMPLETE
    assert harness.texts(ID) == before
