"""Power cuts at any moment of hooks, workers and commands: of what was not synced, all, half or
nothing is on the disk.

Real runs are recorded once, call by call. For each moment, many disks are made that a power cut
could leave, and the machine restarts on each: what the agent has must arrive with the session's
next hook or with a plain `sync`, and `status` must name it until then.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from opensync_hooks.cli import main
from opensync_hooks.hook.entry import PRIVATE
from opensync_hooks.queue import worker
from tests.faults import agents, power_settings, restart, syscalls
from tests.faults.clock import CLOCK
from tests.faults.deployment import deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine
from tests.faults.recording import Recording, tree
from tests.faults.restart import AGENTS, Apart, Sessions, Watched
from tests.faults.volatile import crashed, final_tree

_HOURS = 3 * 3_600
_NEVER = "private"
"""The session that is to stay here, once its hook has said so."""


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Try `rounds` disks: with a server, with the embedded store, and a tenth for login and
    install.
    """
    if not syscalls.can_trace():
        figure.notes.append("left out: needs Linux on x86-64 that allows ptrace")
        return
    seed = dice.random()
    with CLOCK.running(1, skips=True), deployment(folder) as server:
        server.record()  # once it responds, its initial state is on its disk
        for machine in (Machine(folder / "wire", server), Apart(folder / "embedded")):
            with machine.used():
                bench = _Bench(figure, machine)
                bench.record()
                for number in range(rounds * 9 // 20):
                    bench.cut(number, random.Random(f"{seed} {number}"))  # noqa: S311
                figure.notes.append(f"{bench.named} that only `status` named until `sync`")
        power_settings.trial(figure, folder / "settings", server, rounds - figure.rounds, dice)


@dataclass(slots=True)
class _Bench:
    figure: Figure
    machine: Machine
    dice: random.Random = field(init=False)
    recording: Recording = field(init=False)
    named: int = 0

    def record(self) -> None:
        """Record sessions that begin and grow, a private one, and one that only `sync` finds."""
        self.recording = Recording(self.machine.folder, AGENTS)
        if self.machine.deployment:
            self.recording.before = Watched(self.machine.deployment, self.recording).look
            self.recording.before()
        for session, turns in (
            ("s", (0, 1)),
            ("s", (2,)),
            (_NEVER, (0,)),
            ("t", (0,)),
            ("s", (3,)),
        ):
            self._turn(session, *turns)
            os.environ.update({PRIVATE: "1"} if session == _NEVER else {})
            self.recording.run(self.machine.hook_run(), self.machine.payload(session))
            os.environ.pop(PRIVATE, None)
            self.recording.note(session, "its hook has ended")
            self.recording.run(worker.main)
        self._turn("u", 0)
        self.recording.run(lambda: main.main(["sync"]), output=Path(os.devnull))
        played = final_tree(self.recording) == tree(self.machine.folder, AGENTS)
        self.figure.check(played, "the recording is not what was done")
        audit = self.machine.audit()
        self.figure.add(audit.lost, audit.doubled, f"without any power cut {audit.names}")
        calls = len(self.recording.calls)
        self.figure.notes.append(f"{self.machine.folder.name}: {calls} calls recorded")

    def _turn(self, session: str, *turns: int) -> None:
        # The same prompts at the same times would make every other session a copy of this one.
        began = agents.BEGAN - 60 if session == _NEVER else None
        for turn in turns:
            self.machine.turn(session, turn, began=began)
        self.machine.turns.pop(_NEVER, None)
        self.recording.note("sessions", Sessions.from_machine(self.machine))

    def cut(self, number: int, dice: random.Random) -> None:
        """Play one power cut and the restart."""
        self.dice = dice
        moment = self.dice.randint(1, len(self.recording.calls))
        left = crashed(self.recording, moment, self.dice)
        ways: tuple[Callable[[str], None], ...] = (self._next_hooks, self._sync, self._another)
        way = self.dice.choice(ways)
        where = f"{self.machine.folder.name} {number}, after call {moment}, {way.__name__[1:]}"
        restart.start(self.machine, self.recording, moment, left)
        if not self.machine.deployment:
            self._check_store(where)
            restart.start(self.machine, self.recording, moment, left)
        CLOCK.skip(_HOURS)
        way(where)
        self._look(where)
        if _NEVER in self.recording.outside(moment):
            self.figure.check(_NEVER not in self.machine.rows()[0], f"{where}: it was private")
        self.figure.rounds += 1

    def _check_store(self, where: str) -> None:
        try:
            forgotten = restart.forgotten(self.machine)
        except sqlite3.Error as error:
            forgotten = [str(error)]
        self.figure.check(not forgotten, f"{where}: the store forgot {forgotten}")

    def _next_hooks(self, where: str) -> None:
        """Continue each session, or end it once more."""
        for session, turns in self.machine.turns.items():
            if self.dice.random() < 0.5:
                self.machine.turn(session, len(turns))
            self.machine.hook(session)
        self._work(where)

    def _sync(self, where: str) -> None:
        code, output = self.machine.command("sync")
        self.figure.check(
            code == 0 and "Traceback" not in output, f"{where}: sync, {code}: {output}"
        )

    def _another(self, where: str) -> None:
        """Check that `status` names, and `sync` delivers, what another session's hook does not."""
        self.machine.turn("another", 0)
        self.machine.hook("another")
        self._work(where)
        if self.machine.audit().lost:
            _, output = self.machine.command("status", "--json")
            status = json.loads(output)
            named = (
                status["waiting"] + status["parked"] + sum(a["unsynced"] for a in status["agents"])
            )
            self.figure.check(named, f"{where}: not delivered, and status says nothing")
            self.named += 1
        self._sync(where)

    def _work(self, where: str) -> None:
        code = self.machine.work()
        self.figure.check(code == 0, f"{where}: the worker ended with {code}")

    def _look(self, where: str) -> None:
        audit = self.machine.audit()
        self.figure.add(audit.lost, audit.doubled, f"{where} {audit.names}")
        self.figure.check(not self.machine.waiting(), f"{where}: waits {self.machine.waiting()}")
        unreadable = self.machine.unreadable()
        self.figure.check(not unreadable, f"{where}: unreadable {unreadable}")
