"""OpenCode 2.x, and sessions that 1.18 made for its `/api/session`: the table session_message.

    session_message(id, session_id, type, seq, time_created, time_updated, data)
    type: user assistant synthetic system skill shell compaction idle *-switched

An answer holds its content, calls and results in `data`; here it becomes what 1.x made of it.
Shapes as packages/schema/src/session-message.ts of anomalyco/opencode has them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from opensync_hooks.agents.json_access import Value
from opensync_hooks.agents.opencode.layouts import Entry, Pulse, Record
from opensync_hooks.agents.opencode.tables_v1 import Row, View, head, plain, sequence
from opensync_hooks.agents.opencode.values import mapping, number, objects, parse, text

_SILENT = ("idle", "agent-switched", "model-switched", "location-switched")


def record(view: View, row: Row, *, is_priced: bool) -> Record:
    """`is_priced`: whether a cost of nothing is meant; 1.18 did not count here yet."""
    wanted = ("id", "type", "time_created", "data")
    where = "WHERE session_id = ? ORDER BY seq"
    there = is_there(view)
    found = view.rows("session_message", wanted, where, plain(row["id"])) if there else []
    skipped: Counter[str] = Counter()
    return Record(head(row), _entries(found, skipped, is_priced=is_priced), skipped)


def is_there(view: View) -> bool:
    """In 1.15 the table had no `seq` yet, and noted nothing but switches of agent and model."""
    return {"session_id", "seq"} <= view.columns("session_message")


def trace(view: View, session_id: str) -> tuple[object, ...]:
    """Changes with everything that is written of the session's messages."""
    if not is_there(view):
        return ()
    what = "count(*), max(seq), max(time_updated)"
    found = view.run(f"SELECT {what} FROM session_message WHERE session_id = ?", session_id)  # noqa: S608
    return *found[0], sequence(view, session_id)


def pulse(view: View, session_id: str) -> Pulse | None:
    wanted = ("type", "time_updated", "data")
    where = "WHERE session_id = ? ORDER BY seq DESC LIMIT 1"
    for row in view.rows("session_message", wanted, where, session_id) if is_there(view) else ():
        of, at = plain(row["type"]), number(row, "time_updated") or 0
        if of == "assistant":
            return Pulse.of_info({"role": of, **(parse(row["data"]) or {})}, at)
        return Pulse(of != "user", at)
    return None


def _entries(found: list[Row], skipped: Counter[str], *, is_priced: bool) -> Iterator[Entry]:
    for row in found:
        name, kind, value = plain(row["id"]), plain(row["type"]), parse(row["data"])
        if kind in _SILENT:
            continue
        if value is None or not isinstance(name, str):
            skipped["unreadable message"] += 1
            continue
        value.setdefault("time", {"created": row["time_created"]})
        entry = _entry(name, kind, value)
        if not is_priced:
            entry.info["unpriced"] = True
        yield entry


def _entry(name: str, kind: str, value: Value) -> Entry:
    time = mapping(value, "time")
    if kind == "user":
        return Entry(name, {"role": "user", "time": time}, tuple(_asked(value)))
    if kind in ("synthetic", "system", "skill"):
        part = {"type": "text", "synthetic": True, "text": text(value, "text")}
        return Entry(name, {"role": "user", "time": time}, (part,))
    if kind == "assistant":
        return Entry(name, _answer(value), tuple(_content(value)))
    if kind == "shell":
        return Entry(name, {"role": "assistant", "time": time, "by_user": True}, (_shell(value),))
    if kind == "compaction":
        summary = {"type": "text", "text": text(value, "summary")}
        return Entry(name, {**_answer(value), "summary": True}, (summary,))
    return Entry(name, {"role": kind, "time": time})


def _asked(value: Value) -> Iterator[Value]:
    yield {"type": "text", "text": text(value, "text")}
    yield from ({**file, "type": "file"} for file in objects(value, "files"))
    yield from ({**agent, "type": "agent"} for agent in objects(value, "agents"))


def _answer(value: Value) -> Value:
    tokens = mapping(value, "tokens")
    return {
        "role": "assistant",
        "time": mapping(value, "time"),
        "agent": text(value, "agent"),
        "modelID": text(value, "model", "id"),
        "providerID": text(value, "model", "providerID"),
        "finish": text(value, "finish"),
        "cost": value.get("cost"),
        "tokens": {**tokens, "total": _total(tokens)},
        "error": value.get("error"),
    }


def _total(tokens: Value) -> int:
    """What 1.x called so: here `output` never holds the reasoning."""
    ways = (("input",), ("output",), ("reasoning",), ("cache", "read"), ("cache", "write"))
    return sum(number(tokens, *way) or 0 for way in ways)


def _content(value: Value) -> Iterator[Value]:
    for item in objects(value, "content"):
        yield _tool(item) if item.get("type") == "tool" else item
    if value.get("retry"):
        yield {**mapping(value, "retry"), "type": "retry"}


def _tool(item: Value) -> Value:
    state = mapping(item, "state")
    said = [text(one, "text") or "" for one in objects(state, "content") if "text" in one]
    return {
        "type": "tool",
        "tool": text(item, "name"),
        "callID": text(item, "id"),
        "state": {
            **state,
            "output": "\n".join(said),
            "metadata": mapping(state, "metadata") or mapping(state, "structured"),
            "attachments": [one for one in objects(state, "content") if one.get("type") == "file"],
        },
    }


def _shell(value: Value) -> Value:
    return {
        "type": "tool",
        "tool": "shell",
        "callID": text(value, "shellID"),
        "state": {
            "status": "running" if value.get("status") == "running" else "completed",
            "input": {"command": text(value, "command")},
            "output": text(value, "output", "text") or text(value, "output"),
            "metadata": {"exit": value.get("exit")},
        },
    }
