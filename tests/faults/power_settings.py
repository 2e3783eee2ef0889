"""Power cuts while `login`, `config set` and the registration of hooks write settings files.

Each file is the old or the new one, and the new one once the command has exited.
"""

from __future__ import annotations

import os
import random
import shlex
from functools import partial
from pathlib import Path

from opensync_hooks.agents.registry import AGENTS
from opensync_hooks.agents.settings_files import file_change
from opensync_hooks.agents.settings_files.registration import Registration
from opensync_hooks.cli import main
from tests.faults import child, restart
from tests.faults.deployment import Deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine
from tests.faults.recording import Recording, Tree, tree
from tests.faults.volatile import crashed, final_tree

_THEIRS = {
    ".claude/settings.json": b'{\n  "model": "opus",\n  "hooks": {"Stop": [{"hooks": []}]}\n}\n',
    ".cursor/hooks.json": b'{"version": 1, "hooks": {"stop": [{"command": "theirs"}]}}',
}
_NOWHERE = Path(os.devnull)


class _ByLogin(Machine):
    """A machine whose destination is set by its settings file only."""

    def environ(self) -> dict[str, str]:
        own = super().environ()
        return {name: own[name] for name in ("HOME", "OPENSYNC_HOOKS_HOME")}

    @property
    def watched(self) -> list[str]:
        paths = [agent.registration.settings_path(os.environ.get) for agent in AGENTS]
        return [str(path.relative_to(self.folder)) for path in (self.ours / "config.toml", *paths)]


Step = tuple[child.Run, bytes | None]


def trial(
    figure: Figure, folder: Path, server: Deployment, rounds: int, dice: random.Random
) -> None:
    machine = _ByLogin(folder / "settings", server)
    with machine.used():
        for name, content in _THEIRS.items():
            path = machine.home / name
            path.parent.mkdir()
            path.write_bytes(content)
        recording = Recording(machine.folder)
        states = [tree(machine.folder)]
        for run, stdin in _steps(machine):
            code = recording.run(run, stdin, _NOWHERE)
            figure.check(code == 0, f"settings: a step ended with {code}")
            recording.note("done", len(states))
            states.append(tree(machine.folder))
        figure.check(final_tree(recording) == states[-1], "settings: not what was done")
        figure.notes.append(f"settings: {len(recording.calls)} calls recorded")
        for number in range(rounds):
            moment = dice.randint(0, len(recording.calls))
            left = crashed(recording, moment, dice)
            where = f"settings {number}, after call {moment}"
            done = recording.outside(moment).get("done", 0)
            _compare(figure, where, machine.watched, left, states[done : done + 2])
            _begin_again(figure, where, machine, left, states)
            figure.rounds += 1


def _steps(machine: Machine) -> list[Step]:
    server = machine.deployment
    assert server
    login = ["login", "--url", server.url, "--api-key-stdin"]
    return [
        (lambda: main.main(login), server.key.encode()),
        (lambda: main.main(["config", "set", "thinking", "true"]), None),
        (lambda: _register("one"), None),
        (lambda: _register("two"), None),
    ]


def _register(version: str) -> None:
    for agent in AGENTS:
        command = _command(agent.registration, version)
        file_change.apply_all(partial(agent.registration.plan, os.environ.get, command))


def _command(registration: Registration, version: str) -> str:
    script = f"/{version}/site-packages/opensync_hooks/hooks/{registration.script}"
    return shlex.join((f"/{version}/bin/python", "-I", "-S", script))


def _compare(
    figure: Figure, where: str, watched: list[str], left: Tree, allowed: list[Tree]
) -> None:
    for name in watched:
        there = any(left.get(name) == state.get(name) for state in allowed)
        figure.check(there, f"{where}: {name} is {str(left.get(name))[:200]}")


def _begin_again(
    figure: Figure, where: str, machine: _ByLogin, left: Tree, states: list[Tree]
) -> None:
    """Check that the same commands work afterwards, and that the originals are restored byte
    for byte.
    """
    restart.put(left, machine.folder, machine.ours, machine.home)
    code, output = machine.command("status")
    figure.check(
        "Traceback" not in output and code != 3, f"{where}: status, {code}: {output[-300:]}"
    )
    for run, stdin in _steps(machine):
        code = child.call(run, stdin=stdin, output=_NOWHERE)
        figure.check(code == 0, f"{where}: the same again ended with {code}")
    again = tree(machine.folder)
    differing = [name for name in machine.watched if again.get(name) != states[-1].get(name)]
    figure.check(not differing, f"{where}: done again, it is different: {differing}")
    child.call(_removed)
    again = tree(machine.folder)
    theirs = [name for name in machine.watched[1:] if again.get(name) != states[0].get(name)]
    figure.check(not theirs, f"{where}: not as it was before us: {theirs}")


def _removed() -> None:
    for agent in AGENTS:
        file_change.apply_all(partial(agent.registration.plan_removal, os.environ.get))
