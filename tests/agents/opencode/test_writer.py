"""While OpenCode writes, nothing is read torn or too early, and nothing is changed."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from typing import Any

import pytest

from opensync_hooks.agents.opencode import tables_v1
from opensync_hooks.agents.opencode.database import DatabaseTables
from opensync_hooks.agents.opencode.layouts import TailState
from opensync_hooks.agents.opencode.source import OpenCodeSource
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Text, Trigger
from tests.agents.opencode.recordings import CHILD, DELEGATE, OF_API, TOOLS, TRUTH, changing
from tests.opencode_home import RECORDED, TREES, OpenCodeHome
from tests.sessions import everything


def test_session_is_settled_once_its_last_message_is_complete_and_old(
    recorded: OpenCodeHome,
) -> None:
    source = recorded.source()
    assert source.is_settled(Trigger("opencode", TOOLS))
    assert not source.is_settled(Trigger("opencode", "ses_e04542bb1ffeZcfkmF6H6qhBz5"))
    assert source.is_settled(Trigger("opencode", "ses_e04545d1cffe1ZjVqne9kHy747")), "aborted"
    assert source.is_settled(Trigger("opencode", OF_API))


@pytest.mark.parametrize("version", [*TREES, "2.x"])
def test_every_generation_tells_when_a_session_is_settled(
    opencode: OpenCodeHome, version: str
) -> None:
    source = OpenCodeSource(opencode.put(version).source()._layouts, now=lambda: time.time() + 60)
    assert all(source.is_settled(Trigger("opencode", name)) for name in TRUTH[version])


@pytest.mark.parametrize(
    ("info", "is_final"),
    [
        (None, False),
        ({"role": "user", "time": {"created": 1}}, False),
        ({"role": "assistant", "time": {"created": 1}}, False),
        ({"role": "assistant", "time": {"created": 1, "completed": 2}}, True),
        ({"role": "assistant", "time": {"created": 1}, "error": {"name": "UnknownError"}}, True),
        ({"role": "assistant", "time": {"completed": 2}, "finish": "tool-calls"}, False),
        ({"role": "assistant", "time": {}, "finish": "tool-calls", "error": {"name": "E"}}, True),
    ],
    ids=["none", "prompt", "begun", "done", "failed", "has called a tool", "failed at a tool"],
)
def test_last_message_tells_whether_the_turn_is_over(
    info: dict[str, Any] | None, is_final: bool
) -> None:
    assert TailState.of_message(info or {}, 0).is_final == is_final


def test_session_is_not_settled_after_a_step_that_called_a_tool(recorded: OpenCodeHome) -> None:
    with recorded.writing() as db:
        (last,) = db.execute(
            "SELECT max(id) FROM message WHERE session_id = ?", (TOOLS,)
        ).fetchone()
        db.execute(
            "UPDATE message SET data = json_set(data, '$.finish', 'tool-calls') WHERE id = ?",
            (last,),
        )
    assert not recorded.source().is_settled(Trigger("opencode", TOOLS))


NOW = 1_800_000_000_000


def at(opencode: OpenCodeHome, now: int) -> OpenCodeSource:
    """Return a source whose clock has stopped."""
    return OpenCodeSource(opencode.source()._layouts, now=lambda: now / 1000)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the seconds of each wait, which passes at once."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


@pytest.mark.parametrize(
    ("ago", "waited"), [(100, [0.4]), (500, []), (60_000, []), (-(10**9), [0.5])]
)
def test_quiet_moment_after_the_last_write_is_awaited(
    recorded: OpenCodeHome, waits: list[float], ago: int, waited: list[float]
) -> None:
    """OpenCode still writes when it is idle: the end of an abort, the summary of a prompt.

    A clock that was set back makes no wait longer.
    """
    written = NOW - ago
    changing("UPDATE part SET time_updated = ? WHERE session_id = ?", written, TOOLS)(recorded)
    assert at(recorded, NOW).is_settled(Trigger("opencode", TOOLS))
    assert waits == pytest.approx(waited)


def test_session_that_changes_in_the_quiet_moment_is_not_settled(
    recorded: OpenCodeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a child, a title, the counts after a compaction do not change the last message."""
    changing("UPDATE session SET time_updated = ? WHERE id = ?", NOW, DELEGATE)(recorded)
    changing("DELETE FROM event_sequence")(recorded)
    later = "UPDATE message SET time_updated = time_updated + 1 WHERE session_id = ?"
    changes = [changing(later, CHILD)]
    monkeypatch.setattr(time, "sleep", lambda _: [changes.pop()(recorded) for _ in changes[:]])
    source = at(recorded, NOW)
    assert not source.is_settled(Trigger("opencode", DELEGATE))
    assert source.is_settled(Trigger("opencode", DELEGATE))


def test_session_is_never_torn_while_opencode_writes_it(recorded: OpenCodeHome) -> None:
    """A message and its three parts are written in one transaction, a hundred times a second."""
    row = "INSERT INTO session (id, project_id, slug, directory, title, version, time_created, "
    changing(f"{row} time_updated) VALUES ('ses_live', 'p', 's', '/d', 't', '1', 1, 1)")(recorded)
    stop = threading.Event()
    writer = threading.Thread(target=_write, args=(recorded, stop))
    writer.start()
    try:
        seen: set[int] = set()
        end = time.monotonic() + 2
        while len(seen) < 6 or time.monotonic() < end:
            (session,) = recorded.read("ses_live")
            for message in session.messages:
                assert len(message.parts) == 3
                assert len({part.text for part in message.parts if isinstance(part, Text)}) == 1
            seen.add(len(list(session.messages)))
    finally:
        stop.set()
        writer.join()


def _write(opencode: OpenCodeHome, stop: threading.Event) -> None:
    db = opencode.database()
    number = 0
    while not stop.is_set():
        number += 1
        db.execute("BEGIN")
        info = json.dumps({"role": "assistant", "time": {"created": number}})
        values = (f"msg_{number:06}", number, info)
        db.execute("INSERT INTO message VALUES (?, 'ses_live', ?, 0, ?)", values)
        for index in range(3):
            part = json.dumps({"type": "text", "text": f"of {number}"})
            key = f"prt_{number:06}_{index}"
            db.execute(
                "INSERT INTO part VALUES (?, ?, 'ses_live', 0, 0, ?)", (key, values[0], part)
            )
        db.execute("COMMIT")
        time.sleep(0.01)
    db.close()


def _state(opencode: OpenCodeHome) -> dict[str, tuple[str, int]]:
    state = {}
    for path in sorted(opencode.data.iterdir()):
        if path.suffix != ".db-shm":  # shared memory, in which readers leave their own marks
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            state[path.name] = (digest, path.stat().st_mtime_ns)
        else:
            state[path.name] = ("", 0)
    return state


@pytest.mark.parametrize("is_open", [True, False], ids=["while OpenCode runs", "afterwards"])
def test_reading_changes_no_byte_and_leaves_no_file(recorded: OpenCodeHome, is_open: bool) -> None:
    db = recorded.database()
    db.execute("UPDATE session SET time_archived = 7")
    if not is_open:
        db.close()
    assert (recorded.data / "opencode.db-wal").exists() == is_open
    before = _state(recorded)
    source = recorded.source()
    assert len(list(everything(source))) == len(TRUTH["1.18.33"])
    assert source.is_settled(Trigger("opencode", TOOLS))
    assert _state(recorded) == before
    db.close()


def test_rows_that_are_only_in_the_wal_are_read(opencode: OpenCodeHome) -> None:
    """`opencode run` leaves nearly all of its data there when it exits."""
    db = opencode.database()
    db.executescript((RECORDED / "1.18.33.sql").read_text())
    assert (opencode.data / "opencode.db").stat().st_size < 10_000
    assert opencode.read(TOOLS)[0].id == TOOLS
    db.close()


def test_logins_in_the_same_database_cannot_be_read(recorded: OpenCodeHome) -> None:
    with recorded.writing() as db:
        db.execute("INSERT INTO credential VALUES ('c', 'i', 'l', 'canary', '', '', 1, 1, 1)")
    assert "canary" not in repr(list(everything(recorded.source())))
    database = DatabaseTables(recorded.data / "opencode.db", tables_v1)
    with pytest.raises(SourceError):
        database._read(lambda view: view.run("SELECT value FROM credential"))
