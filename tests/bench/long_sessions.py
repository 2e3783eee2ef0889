"""What a new turn costs in long sessions of Cursor and OpenCode, and how often they are decoded."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.bench.home import BenchHome, bench_home
from tests.bench.made_up_sessions import session
from tests.bench.processes import Cost
from tests.bench.table import Row, ratio
from tests.cursor_home import Draft, Editor
from tests.opencode_home import OpenCodeHome

_TURN_MB = 0.006
_ROUNDS = 3


def measure(*, quick: bool) -> Iterator[Row]:
    sizes = (1, 4) if quick else (1, 32)
    for agent, one_turn in (("cursor", _cursor), ("opencode", _opencode)):
        costs = []
        for size in sizes:
            with bench_home() as home:
                costs.append(one_turn(home, int(size / _TURN_MB)))
        small, large = costs
        name = f"one turn, {agent} session of {sizes[1]} MB"
        yield ratio(name, large.cpu_s, small.cpu_s, f"that of {sizes[0]} MB, CPU")
        yield ratio(name, large.read_mb, small.read_mb, f"that of {sizes[0]} MB, read", "MB")
        yield Row(f"{name}: memory", large.peak_mib, "MiB", f"{small.peak_mib:.0f} MiB at 1 MB")


def _cheapest(costs: list[Cost]) -> Cost:
    return min(costs, key=lambda cost: cost.cpu_s)


def _cursor(home: BenchHome, turns: int) -> Cost:
    editor = Editor(home.path)
    draft = editor.draft("s1")
    editor.db.execute("BEGIN")
    for number in range(turns):
        _add_turn(draft, number)
    draft.save()
    editor.db.execute("COMMIT")
    home.deliver("s1", "cursor")
    costs = []
    for number in range(turns, turns + _ROUNDS):
        _add_turn(draft, number)
        draft.save()
        costs.append(home.deliver("s1", "cursor"))
    editor.close()
    return _cheapest(costs)


def _add_turn(draft: Draft, number: int) -> None:
    prompt, answer, words = _texts(number)
    draft.add_prompt(prompt)
    draft.add_tool_call("run_terminal_command_v2", rawArgs=json.dumps({"command": answer[:80]}),
                        result=json.dumps({"output": words}))  # fmt: skip
    draft.add_answer(answer)


def _texts(number: int) -> tuple[str, str, str]:
    """Return a prompt, an answer, and the output of a tool that has the rest of 6 KB."""
    bodies = [str(body["textContent"]) for body, _ in session(number % 50, messages=5).messages]
    return f"{number} {bodies[0]}", bodies[1], " ".join(bodies * 20)[:4_500]


def _opencode(home: BenchHome, turns: int) -> Cost:
    opencode = OpenCodeHome(home.path).put("1.18.33")
    costs = []
    with opencode.writing() as db:
        (session_id,) = db.execute("SELECT session_id FROM message LIMIT 1").fetchone()
        began = db.execute("SELECT max(time_created) FROM message").fetchone()[0]

        def add_turn(number: int) -> None:
            prompt, answer, words = _texts(number)
            for index, (role, text) in enumerate((("user", prompt), ("assistant", answer + words))):
                at = began + 1_000 * number + index
                info = {"role": role, "time": {"created": at, "completed": at}}
                opencode.say(db, session_id, f"msg_{number:08}{index}", info, text)

        db.execute("BEGIN")
        for number in range(turns):
            add_turn(number)
        db.execute("COMMIT")
        home.deliver(session_id, "opencode")
        for number in range(turns, turns + _ROUNDS):
            add_turn(number)
            costs.append(home.deliver(session_id, "opencode"))
    return _cheapest(costs)
