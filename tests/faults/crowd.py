"""Many hooks at the same moment, for one session and for many; each may start a worker.

Meanwhile `sync` runs by hand; it takes the session's lock only.
"""

from __future__ import annotations

import os
import random
from functools import partial
from pathlib import Path

from opensync_hooks.cli import main
from opensync_hooks.queue import worker
from tests.faults import child
from tests.faults.clock import pause, stopwatch
from tests.faults.deployment import deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine
from tests.faults.watch import Watch

LINGER_S = 0.02
"""In place of a second, so that most rounds meet workers that leave."""
TURNS = 25
_LONGEST_S = 60.0
SHORT, LONG = 32, 64
BY_HAND = 2


def one_session(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Fire LONG or SHORT hooks of one session at the same moment, `rounds` times."""
    hooks = LONG if rounds > 100 else SHORT
    _rounds(figure, folder, rounds, [f"s{number // TURNS}" for number in range(rounds)], hooks)
    figure.notes.append(f"{hooks} hooks x {rounds}")
    del dice


def many_sessions(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Fire LONG or SHORT // 2 hooks of different sessions at the same moment, `rounds` times."""
    hooks = LONG if rounds > 100 else SHORT // 2
    _rounds(figure, folder, rounds, [""] * rounds, hooks)
    figure.notes.append(f"{hooks} sessions x {rounds}")
    del dice


def _rounds(figure: Figure, folder: Path, rounds: int, names: list[str], hooks: int) -> None:
    slowest = 0.0
    worker.LINGER_SECONDS = LINGER_S
    watch = Watch(folder / "watch")
    with deployment(folder) as server:
        machine = Machine(folder / "machine", server)
        with machine.used():
            for number, name in enumerate(names):
                fired = [name or f"s{number // TURNS}-{hook}" for hook in range(hooks)]
                for session in dict.fromkeys(fired):
                    machine.turn(session, number)
                began = stopwatch()
                codes = _at_once(machine, fired, watch)
                figure.check(not any(codes), f"round {number}: ended with {codes}")
                left = _settled(machine)
                slowest = max(slowest, stopwatch() - began)
                figure.check(not left, f"round {number}: still waiting {left}")
                if number % TURNS == TURNS - 1 or number == rounds - 1:
                    _look(figure, machine, number)
        seen = server.record()
    figure.rounds = rounds * hooks
    twice = sum(count - 1 for name, count in seen.messages.items() if name)
    figure.doubled += twice
    figure.check(not twice, f"{twice} messages were sent more than once")
    figure.check(seen.overlaps == 0, f"{seen.overlaps} times two workers in one session")
    for way, overlaps in (("file", watch.met()), ("diary", watch.overlaps())):
        figure.check(
            not overlaps, f"by the {way} {len(overlaps)} times two at once: {overlaps[:2]}"
        )
    figure.check(watch.stays() >= rounds * BY_HAND, "nobody was watched")
    figure.notes.append(f"slowest round {slowest:.1f} s")


def _at_once(machine: Machine, sessions: list[str], watch: Watch) -> list[int]:
    """Start all processes behind a gate, so that forking does not spread them; return their
    exit codes.
    """
    gate, key = os.pipe()

    def start(_root: str) -> None:
        """Start a worker as the hook does: a process of its own, without the lock that the
        hook probed.
        """
        os.closerange(3, 1024)
        if os.fork() == 0:
            try:
                os.setsid()
                watch.begin()
                worker.main()
            finally:
                os._exit(0)

    def by_hand(session: str) -> int:
        watch.begin()
        return main.main(["sync", session])

    def at_the_gate(run: child.Run) -> child.Run:
        def wait_and_run() -> int | None:
            os.close(key)
            os.read(gate, 1)
            return run()

        return wait_and_run

    pids = []
    for session in sessions:
        run = at_the_gate(machine.hook_run(session, start=start))
        pids.append(child.fork(run, stdin=machine.payload(session)))
    for session in sessions[:BY_HAND]:
        run = at_the_gate(partial(by_hand, session))
        pids.append(child.fork(run, output=Path(os.devnull)))
    os.close(gate)
    os.close(key)
    return [child.ended(pid) for pid in pids]


def _settled(machine: Machine) -> list[str]:
    """Wait until the queue is empty; return what is left in it after a minute."""
    end = stopwatch() + _LONGEST_S
    while stopwatch() < end:
        # A worker may turn an event into a job during the listing: list again when it is gone.
        if not machine.waiting() and not machine.is_worked() and not machine.waiting():
            return []
        pause(0.005)
    return machine.waiting()


def _look(figure: Figure, machine: Machine, number: int) -> None:
    audit = machine.audit()
    figure.add(audit.lost, audit.doubled, f"round {number} {audit.names}")
    for session in list(machine.authors):
        machine.forget(session)
