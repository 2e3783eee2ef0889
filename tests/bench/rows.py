"""What a new turn costs in a session that its agent keeps in a database."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping

from tests.bench.home import BenchHome, bench_home
from tests.bench.made_up_sessions import vocabulary
from tests.bench.processes import Cost
from tests.bench.table import Row, ratio
from tests.cursor_home import Draft, Editor
from tests.opencode_home import OpenCodeHome

_TURNS = 3
_BEGAN = 1_790_000_000_000


def measure(*, quick: bool) -> Iterator[Row]:
    for agent, writer in (("opencode", _OpenCodeWriter), ("cursor", _CursorWriter)):
        first: Cost | None = None
        for size in (1, 4) if quick else (1, 4, 16):
            with bench_home() as home:
                turn = _turn(home, agent, writer(home), size)
            first = first or turn
            name = f"{agent}, one turn, session of {size} MB"
            yield ratio(f"{name}, CPU", turn.cpu_s, first.cpu_s, "that of 1 MB")
            yield ratio(f"{name}, read", turn.read_mb, first.read_mb, "that of 1 MB", "MB")
            yield Row(f"{name}, memory", turn.peak_mib, "MiB")


class _Words:
    def __init__(self) -> None:
        self._chance = random.Random(1)  # noqa: S311 - the same in every run

    def __call__(self, count: int) -> str:
        words, weights = vocabulary()
        return " ".join(self._chance.choices(words, cum_weights=weights, k=count))


class _CursorWriter:
    session_id = "s1"

    def __init__(self, home: BenchHome) -> None:
        self._draft: Draft = Editor(home.path, lists=False).draft(self.session_id)
        self._words, self._turns, self.size = _Words(), 0, 0

    def turn(self) -> None:
        draft, words, number = self._draft, self._words, self._turns
        self._turns += 1
        texts = [words(count) for count in (40, 60, 400, 150)]
        draft.add_prompt(texts[0], requestId=f"request-{number}")
        draft.add_answer(texts[1])
        arguments = {"rawArgs": json.dumps({"command": words(12)})}
        draft.add_tool_call("run_terminal_cmd", **arguments, result=json.dumps(texts[2]))
        draft.add_answer(texts[3])
        self.size += sum(map(len, texts))

    def save(self) -> None:
        self._draft.save()


class _OpenCodeWriter:
    session_id = "ses_long"

    def __init__(self, home: BenchHome) -> None:
        self._db = OpenCodeHome(home.path).put("1.18.33").database()
        (other_id,) = self._db.execute("SELECT session_id FROM message LIMIT 1").fetchone()
        columns = [row[1] for row in self._db.execute("PRAGMA table_info(session)")]
        changes = {"id": "?", "parent_id": "NULL", "revert": "NULL"}
        values = ", ".join(changes.get(name, name) for name in columns)
        query = f"INSERT INTO session SELECT {values} FROM session WHERE id = ?"  # noqa: S608
        self._db.execute(query, (self.session_id, other_id))
        self._words, self._at, self.size, self._parts = _Words(), _BEGAN, 0, 0
        self._db.execute("BEGIN")

    def turn(self) -> None:
        words = self._words
        texts = [words(count) for count in (40, 60, 400, 150)]
        self._message("user", {"type": "text", "text": texts[0]})
        command = {"input": {"command": words(12)}, "output": texts[2], "status": "completed"}
        call = {"type": "tool", "tool": "bash", "callID": f"call_{self._at}", "state": command}
        self._message("assistant", {"type": "text", "text": texts[1]}, call)
        self._message("assistant", {"type": "text", "text": texts[3]}, finish="stop")
        self.size += sum(map(len, texts))

    def _message(self, role: str, *parts: Mapping[str, object], finish: str = "tool-calls") -> None:
        self._at += 1_000
        at, name = self._at, f"msg_{self._at}"
        info: dict[str, object] = {"role": role, "time": {"created": at, "completed": at + 500}}
        if role == "assistant":
            tokens = {"input": 1_000, "output": 100, "cache": {"read": 200, "write": 0}}
            info |= {"modelID": "fake-model", "providerID": "fake", "cost": 0.01}
            info |= {"tokens": tokens, "finish": finish}
        row = (name, self.session_id, at, at, json.dumps(info))
        self._db.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", row)
        for part in ({"type": "step-start"}, *parts, {"type": "step-finish", "cost": 0.01}):
            self._parts += 1
            key = (f"prt_{self._parts:09}", name, self.session_id, at, at, json.dumps(part))
            self._db.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)", key)
        update = "UPDATE session SET time_updated = ? WHERE id = ?"
        self._db.execute(update, (at, self.session_id))

    def save(self) -> None:
        sequence = "INSERT OR REPLACE INTO event_sequence VALUES (?, ?, NULL)"
        self._db.execute(sequence, (self.session_id, self._parts))
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")


def _turn(
    home: BenchHome, agent: str, writer: _CursorWriter | _OpenCodeWriter, megabytes: float
) -> Cost:
    """Return the cheapest of some turns that follow a session of this size."""
    while writer.size < megabytes * 1e6:
        writer.turn()
    writer.save()
    home.deliver(writer.session_id, agent)
    costs = []
    for _ in range(_TURNS):
        writer.turn()
        writer.save()
        costs.append(home.deliver(writer.session_id, agent))
    return min(costs, key=lambda cost: cost.cpu_s)
