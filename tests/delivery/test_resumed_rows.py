"""A session of a database that is read on from a checkpoint arrives as one that is read whole.

Sessions of OpenCode grow and change in random ways, and two destinations get them after each step:
one by resumed runs, the other by whole ones. Both must have the same at any time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given as for_all

from opensync_hooks.agents import json_access
from opensync_hooks.agents.opencode import tables_v1, tables_v2
from opensync_hooks.agents.opencode.sessions import SessionReader
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.model import Json
from tests.delivery.two_sides import (
    PlainStore,
    Side,
    Steps,
    change_settings,
    compare,
    delete_there,
    divide_into_small_parts,
    few_histories,
    histories,
    play_history,
    send_again,
    two_sides,
)
from tests.opencode_home import OpenCodeHome

ROOT, CHILD = "ses_root", "ses_child"
_SHELL_NOTE = "The following tool was executed by the user"


@dataclass
class Growth:
    """A session of OpenCode 1.x, and a subagent of it, that change in any way that rows can."""

    home: OpenCodeHome
    sides: tuple[Side, Side]
    db: sqlite3.Connection = field(init=False)
    at: int = 1_790_000_000_000
    count: int = 0
    model: str = "fake-model"
    folder: str = "/work"

    def __post_init__(self) -> None:
        self.db = self.home.put("1.18.33").database()
        for table in ("message", "part", "session_message", "event_sequence"):
            self.db.execute(f"DELETE FROM {table}")  # noqa: S608
        (some,) = self.db.execute("SELECT id FROM session LIMIT 1").fetchone()
        self.db.execute("DELETE FROM session WHERE id != ?", (some,))
        self.db.execute("UPDATE session SET id = ?, parent_id = NULL, revert = NULL", (ROOT,))
        self.db.execute("UPDATE session SET title = 'New session - 2026-01-01T00:00:00.000Z'")
        columns = [row[1] for row in self.db.execute("PRAGMA table_info(session)")]
        changes = {"id": f"'{CHILD}'", "parent_id": f"'{ROOT}'", "slug": "'child'"}
        values = ", ".join(changes.get(name, name) for name in columns)
        self.db.execute(f"INSERT INTO session SELECT {values} FROM session")  # noqa: S608

    def add(
        self, role: str, *parts: Any, session: str = ROOT, back_by: int = 0, **info: Any
    ) -> str:
        self.count += 1
        self.at += 1_000
        at, name = self.at - back_by, f"msg_{self.count:06}"
        value = {"role": role, "time": {"created": at, "completed": at + 500}, **info}
        if role == "assistant":
            value |= {"modelID": self.model, "providerID": "fake", "cost": self.count / 1_000}
            value |= {"tokens": {"input": self.count, "output": 7}, "path": {"cwd": self.folder}}
            value.setdefault("finish", "stop")
        row = (name, session, at, at, json.dumps(value))
        self.db.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", row)
        for part in parts:
            self.add_part(name, part, session=session)
        update = "UPDATE session SET time_updated = ? WHERE id = ?"
        self.db.execute(update, (self.at, session))
        return name

    def add_part(self, message: str, part: Any, session: str = ROOT) -> None:
        self.count += 1
        data = part if isinstance(part, str) else json.dumps(part)
        row = (f"prt_{self.count:06}", message, session, self.at, self.at, data)
        self.db.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)", row)

    def rows(self, table: str, session: str = ROOT) -> list[str]:
        query = f"SELECT id FROM {table} WHERE session_id = ? ORDER BY id"  # noqa: S608
        return [name for (name,) in self.db.execute(query, (session,))]

    def row_id(self, table: str, number: int) -> str:
        """Return the id of a row; low numbers are of the newest ones."""
        names = self.rows(table)
        return names[-1 - number % len(names)] if names else ""

    def change(self, table: str, number: int, old: str, new: str) -> None:
        update = f"UPDATE {table} SET data = replace(data, ?, ?) WHERE id = ?"  # noqa: S608
        self.db.execute(update, (old, new, self.row_id(table, number)))

    def act(self, action: str, number: int) -> None:
        getattr(self, f"do_{action}")(number)

    def do_turn(self, number: int) -> None:
        prompt = self.add("user", text(f"prompt {self.count}"))
        for _ in range(number % 3):
            state = {"status": "completed", "input": {"command": "ls"}, "output": f"{self.count}"}
            call = {"type": "tool", "tool": "bash", "callID": f"c{self.count}", "state": state}
            step = {"type": "step-finish", "cost": 0.1}
            self.add("assistant", call, step, parentID=prompt, finish="tool-calls")
        self.add("assistant", text(f"answer {self.count}"), parentID=prompt)

    do_sync = do_turn

    def do_child_turn(self, number: int) -> None:
        self.add("user", text(f"task {self.count}"), session=CHILD)
        if number % 4:
            self.add("assistant", text(f"done {self.count}"), session=CHILD)

    def do_edit_part(self, number: int) -> None:
        self.change("part", number, "answer", "changed answer")

    def do_rewrite_row(self, number: int) -> None:
        """Replace a row by an equal one, which gets another rowid."""
        name = self.row_id("part", number)
        row = self.db.execute("SELECT * FROM part WHERE id = ?", (name,)).fetchone()
        if row:
            self.db.execute("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?)", row)

    def do_edit_message(self, number: int) -> None:
        self.change("message", number, '"output": 7', f'"output": {number}')

    def do_delete_message(self, number: int) -> None:
        name = self.row_id("message", number)
        self.db.execute("DELETE FROM message WHERE id = ?", (name,))
        if number % 2:  # else its parts are orphans
            self.db.execute("DELETE FROM part WHERE message_id = ?", (name,))

    def do_delete_part(self, number: int) -> None:
        self.db.execute("DELETE FROM part WHERE id = ?", (self.row_id("part", number),))

    def do_late_part(self, number: int) -> None:
        """Add a part to a message of any age."""
        if name := self.row_id("message", number):
            self.add_part(name, text(f"late {self.count}"))

    def do_late_message(self, number: int) -> None:
        """Add a message between older ones."""
        self.add("assistant", text(f"between {self.count}"), back_by=number * 1_000)

    def do_revert(self, number: int) -> None:
        revert = {"messageID": self.row_id("message", number)}
        revert |= {"partID": "prt"} if number % 3 == 0 else {}
        value = json.dumps(revert) if number % 2 else None
        self.db.execute("UPDATE session SET revert = ? WHERE id = ?", (value, ROOT))

    def do_undo(self, number: int) -> None:
        """Delete the last messages, as the prompt after an undo does."""
        for name in self.rows("message")[-1 - number % 4 :]:
            self.db.execute("DELETE FROM message WHERE id = ?", (name,))
            self.db.execute("DELETE FROM part WHERE message_id = ?", (name,))
        self.do_turn(number)

    def do_title(self, number: int) -> None:
        title = f"title {number}" if number % 3 else None
        self.db.execute("UPDATE session SET title = coalesce(?, title)", (title,))

    def do_shell(self, number: int) -> None:
        """Run a command of the user's; its response may come after a later prompt."""
        prompt = self.add("user", {**text(_SHELL_NOTE), "synthetic": True})
        if number % 2:
            self.do_turn(0)
        self.add("assistant", text(f"shell {self.count}"), parentID=prompt)

    def do_late_response(self, number: int) -> None:
        if name := self.row_id("message", number):
            self.add("assistant", text(f"late {self.count}"), parentID=name)

    def do_running(self, number: int) -> None:
        self.add("user", text(f"running {self.count}"))
        self.add("assistant", text("…"), time={"created": self.at - number % 2 * 7_200_000})

    def do_secret(self, number: int) -> None:
        secret = f"Tr0ub4dor{number % 3}Xy9"  # only known as one by what is beside it
        words = f"password: {secret}" if number % 2 else f"and again {secret}"
        injected = {**text(f"password: Inj3cted{number}Xy9"), "synthetic": True}
        self.add("user", text(words), *([injected] if number % 4 == 0 else []))
        self.add("assistant", text(f"I saw {secret} and Inj3cted{number}Xy9"))

    def do_same_call(self, number: int) -> None:
        """Add a response that is the same API call as another one, under an id of its own."""
        row = self.db.execute(
            "SELECT data FROM message WHERE id = ?", (self.row_id("message", number),)
        ).fetchone()
        if row:
            name = self.add("assistant", text(f"copied {self.count}"))
            self.db.execute("UPDATE message SET data = ? WHERE id = ?", (row[0], name))

    def do_move(self, number: int) -> None:
        self.folder = f"/work/{number % 3}"
        self.model = f"model-{number % 2}"

    def do_version(self, number: int) -> None:
        version = ("1.2.3", "1.18.33")[number % 2]
        self.db.execute("UPDATE session SET version = ?", (version,))

    def do_novelty(self, number: int) -> None:
        self.add("assistant", {"type": f"novelty-{number % 2}"}, text("said"))
        if number % 3 == 0:
            self.add(f"role-{number}", text("who?"))

    def do_damage(self, number: int) -> None:
        table = ("message", "part")[number % 2]
        name = self.row_id(table, number // 2)
        self.db.execute(f"UPDATE {table} SET data = '{{bro' WHERE id = ?", (name,))  # noqa: S608

    def do_copy(self, number: int) -> None:
        """Have another database with an older state of the session."""
        if number % 2:
            other = sqlite3.connect(self.home.data / "opencode-beta.db")
            self.db.backup(other)
            other.close()
        else:
            for path in self.home.data.glob("opencode-beta.db*"):
                path.unlink()

    def do_new_table(self, number: int) -> None:
        self.db.execute("CREATE TABLE IF NOT EXISTS novelty (session_id TEXT, words TEXT)")
        self.db.execute("INSERT INTO novelty VALUES (?, ?)", (ROOT, f"said {number}"))

    def do_settings(self, number: int) -> None:
        change_settings(self.sides, number)

    def do_send_again(self, number: int) -> None:
        send_again(self.sides, ROOT, number)

    def do_delete_there(self, number: int) -> None:
        delete_there(self.sides, ROOT, number)

    def compare(self) -> None:
        compare(self.sides, ROOT)


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


STEPS = histories(Growth, rare=("copy", "new_table", "damage", "revert", "running"))


def play(steps: Steps, store: Callable[..., Store]) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        home = OpenCodeHome(folder)
        growth = Growth(home, stack.enter_context(two_sides(folder, home.source(), store)))
        stack.callback(growth.db.close)
        growth.do_turn(1)
        play_history(growth, steps)


@few_histories
@for_all(STEPS)
def test_store_gets_the_same_from_resumed_and_whole_runs(steps: Steps) -> None:
    play(steps, Store)


@few_histories
@for_all(STEPS)
def test_sessions_in_parts_arrive_the_same_from_resumed_and_whole_runs(
    monkeypatch: pytest.MonkeyPatch, steps: Steps
) -> None:
    divide_into_small_parts(monkeypatch)
    play(steps, PlainStore)


# ---- what a turn reads ---------------------------------------------------------------------------


@dataclass
class LongSession:
    growth: Growth

    @property
    def resumed(self) -> Side:
        return self.growth.sides[0]

    def compare(self) -> None:
        self.growth.compare()

    def texts(self) -> list[str]:
        stored = self.resumed.store.session(ROOT)
        assert stored
        return [message.get("textContent", "") for message in stored["messages"]]


@pytest.fixture
def long_session(tmp_path: Path) -> Iterator[LongSession]:
    home = OpenCodeHome(tmp_path)
    with two_sides(tmp_path, home.source(), Store) as sides:
        growth = Growth(home, sides)
        growth.add("user", text("password: Tr0ub4dorXy9"))
        shell = growth.add("user", {**text(_SHELL_NOTE), "synthetic": True}, id="shell")
        growth.add("assistant", text("first command"), parentID=shell)
        for number in range(40):
            growth.do_turn(number)
        growth.compare()
        yield LongSession(growth)
        growth.db.close()


def test_turn_decodes_no_old_rows(
    long_session: LongSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[object] = []

    def decode_dict(raw: object) -> Json | None:
        decoded.append(raw)
        return json_access.decode_dict(raw)

    monkeypatch.setattr(tables_v1, "decode_dict", decode_dict)
    counts = []
    for _ in range(2):
        long_session.growth.do_turn(1)
        decoded.clear()
        long_session.resumed.sync(ROOT)
        old_sample = tables_v1._SAMPLE
        counts.append(len(decoded) - 2 * old_sample)
    assert max(counts) < 60 < len(long_session.growth.rows("part"))


def test_old_row_that_changes_without_its_time_arrives(long_session: LongSession) -> None:
    update = "UPDATE part SET data = replace(data, 'prompt', 'edited') WHERE id = ?"
    name = long_session.growth.rows("part")[10]
    for old in long_session.growth.rows("part")[5:10]:
        long_session.growth.db.execute(update, (old,))
    long_session.growth.db.execute(update, (name,))
    long_session.growth.do_turn(0)
    long_session.compare()
    assert any("edited" in words for words in long_session.texts())


def test_secret_of_an_old_message_is_masked_in_a_new_one(long_session: LongSession) -> None:
    long_session.growth.do_turn(0)
    long_session.compare()
    long_session.growth.add("user", text("so it was Tr0ub4dorXy9"))
    long_session.compare()
    assert long_session.texts()[-1] == "so it was [redacted:password]"


def test_late_response_to_an_old_command_of_the_users_is_not_the_models(
    long_session: LongSession,
) -> None:
    shell = long_session.growth.rows("message")[1]
    long_session.growth.add("assistant", text("second command"), parentID=shell)
    long_session.compare()
    stored = long_session.resumed.store.session(ROOT)
    assert stored
    assert stored["messages"][-1]["role"] == "system"


def test_call_that_an_old_message_bears_too_is_counted_as_in_one_walk(
    long_session: LongSession,
) -> None:
    growth = long_session.growth
    (data,) = growth.db.execute(
        "SELECT data FROM message WHERE id = ?", (growth.rows("message")[4],)
    ).fetchone()
    name = growth.add("assistant", text("copied"))
    growth.db.execute("UPDATE message SET data = ? WHERE id = ?", (data, name))
    long_session.compare()


def test_message_deleted_behind_the_checkpoint_or_before_it_is_marked(
    long_session: LongSession,
) -> None:
    growth = long_session.growth
    for name in (growth.rows("message")[-1], growth.rows("message")[3]):
        growth.db.execute("DELETE FROM message WHERE id = ?", (name,))
        growth.db.execute("DELETE FROM part WHERE message_id = ?", (name,))
        growth.do_turn(0)
        long_session.compare()
    assert sum(words.startswith("[undone]") for words in long_session.texts()) == 2


def test_session_that_cannot_be_read_on_for_a_bug_is_read_whole_at_the_next_attempt(
    long_session: LongSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TypeError

    long_session.growth.do_turn(0)
    monkeypatch.setattr(SessionReader, "learn", fail)
    with pytest.raises(TypeError):
        long_session.resumed.sync(ROOT)
    outcome = long_session.resumed.sync(ROOT)
    assert outcome
    assert outcome.sent == 2


def test_session_of_2_x_is_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = OpenCodeHome(tmp_path).put("2.x")
    decoded: list[object] = []

    def decode_dict(raw: object) -> Json | None:
        decoded.append(raw)
        return json_access.decode_dict(raw)

    with home.writing() as db, two_sides(tmp_path, home.source(), Store) as sides:
        (session_id,) = db.execute(
            "SELECT session_id FROM session_message WHERE type = 'shell'"
            " AND session_id NOT IN (SELECT session_id FROM message)"
        ).fetchone()
        compare(sides, session_id)
        query = "SELECT * FROM session_message WHERE session_id = ? AND type = ? ORDER BY seq"
        for turn in range(100, 130):
            for kind in ("user", "assistant"):
                message_id, *others, data = db.execute(query, (session_id, kind)).fetchone()
                value = json.loads(data) | {"cost": turn}  # of a call of its own
                row = [f"{message_id}{turn}", *others, json.dumps(value)]
                row[3] = 2 * turn + (kind == "assistant")
                marks = ", ".join("?" * len(row))
                db.execute(f"INSERT INTO session_message VALUES ({marks})", row)  # noqa: S608
            if turn % 10 == 0:
                compare(sides, session_id)
        monkeypatch.setattr(tables_v2, "decode_dict", decode_dict)
        counts = []
        for side in sides:
            decoded.clear()
            side.sync(session_id)
            counts.append(len(decoded))
        assert counts[0] < counts[1] - 40
