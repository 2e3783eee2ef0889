"""Ten thousand hooks in a minute, some hundreds of them real processes, and one worker."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

from opensync_hooks.hook import entry
from tests.faults.clock import CLOCK, pause, stopwatch
from tests.faults.deployment import deployment
from tests.faults.figure import Figure
from tests.faults.machine import AGENT, ROOT, Machine

SESSIONS = 100
_SHARE = 40
"""One of so many hooks is a process of its own, started as an agent starts it."""
_AT_ONCE = 8
_LONGEST_S = 300.0


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Fire `rounds` hooks."""
    with deployment(folder) as server:
        machine = Machine(folder / "machine", server)
        with machine.used():
            sessions = [f"s{number}" for number in range(SESSIONS)]
            for number, session in enumerate(sessions):
                machine.turn(session, number)
            began = stopwatch()
            _real_processes(figure, machine, sessions, max(1, rounds // _SHARE))
            fired = stopwatch() - began
            with CLOCK.running(1, skips=True):
                for number in range(rounds - rounds // _SHARE):
                    session = sessions[number % SESSIONS]
                    entry.write_event(str(machine.spool), AGENT, (), machine.payload(session))
                events = len(machine.waiting())
                began = stopwatch()
                machine.hook(dice.choice(sessions))
                code = machine.work()
                drained = stopwatch() - began
            _wait(machine)
            audit = machine.audit()
    figure.rounds = rounds
    figure.check(code in (0, 1), f"the worker ended with {code}")
    figure.add(audit.lost, audit.doubled, str(audit.names))
    figure.check(not machine.waiting(), f"waiting {machine.waiting()[:3]}")
    figure.notes.append(
        f"{max(1, rounds // _SHARE)} real processes in {fired:.1f} s; {events:,} events drained in "
        f"{drained:.1f} s"
    )


def _real_processes(figure: Figure, machine: Machine, sessions: list[str], count: int) -> None:
    script = [sys.executable, "-I", "-S", str(ROOT / "hooks" / "claude_code.py")]
    running: list[subprocess.Popen[bytes]] = []
    for number in range(count):
        process = subprocess.Popen(
            script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert process.stdin
        process.stdin.write(machine.payload(sessions[number % SESSIONS]))
        process.stdin.close()
        running.append(process)
        if len(running) == _AT_ONCE or number == count - 1:
            for process in running:
                assert process.stdout
                with process.stdout:
                    output = process.stdout.read()
                ended = process.wait(60)
                figure.check(
                    not output and ended == 0, f"a hook ended with {ended}: {output[:100]!r}"
                )
            running.clear()


def _wait(machine: Machine) -> None:
    """Wait until the workers that the real hooks started have exited."""
    end = stopwatch() + _LONGEST_S
    while (machine.waiting() or machine.is_worked()) and stopwatch() < end:
        pause(0.05)
