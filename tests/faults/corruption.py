"""Damaged files of ours lead to the old state or to a named error, never to a crash or to silence.
What was delivered is neither lost nor doubled.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from opensync_hooks.queue import worker
from tests.faults import child
from tests.faults.clock import CLOCK, pause
from tests.faults.damage import Damage, flipped, of_pages, prefixes
from tests.faults.deployment import deployment
from tests.faults.figure import Figure
from tests.faults.machine import Machine
from tests.faults.plan import Board, Fault, Plan, Request

TURNS = 8
_HOURS = 2 * 3600
Choose = Callable[[Iterable[Damage]], list[Damage]]


class _Down(Plan):
    """A server that fails until the trial heals it."""

    def __init__(self, board: Board) -> None:
        self.board = board

    def request(self, _request: Request) -> Fault | None:
        return None if self.board["healed"] else Fault("nothing")


@dataclass(slots=True)
class _Bench:
    """A machine whose state can be restored again and again."""

    figure: Figure
    machine: Machine
    saved: Path

    def keep(self) -> None:
        shutil.copytree(self.machine.ours, self.saved)

    def restore(self) -> None:
        shutil.rmtree(self.machine.ours, ignore_errors=True)
        shutil.copytree(self.saved, self.machine.ours)

    def check(self, holds: object, name: str, expectation: str) -> None:
        self.figure.check(holds, f"{name}: {expectation}")

    def work(self, name: str) -> None:
        code = child.call(worker.main)
        self.check(code in (0, 1), name, f"the worker ended with {code}")

    def says(self, name: str, *command: str) -> tuple[int, str]:
        """Return the output of a command, which must not crash."""
        code, output = self.machine.command(*command)
        broken = "Traceback" in output or "bug of opensync" in output or code in (3, child.BROKEN)
        self.check(not broken, name, f"{' '.join(command)} ended with {code}: {output[-300:]}")
        return code, output


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Apply `rounds` damages to each of the six files, or all of them for 0."""

    def choose(damages: Iterable[Damage]) -> list[Damage]:
        every = list(damages)
        return dice.sample(every, rounds) if 0 < rounds < len(every) else every

    with CLOCK.running(1, skips=True):
        for trial_of in (_ledger, _ledger_log, _job, _event, _settings, _store):
            before = figure.rounds
            trial_of(figure, folder / trial_of.__name__, choose, dice)
            name = trial_of.__name__.strip("_").replace("_", "'s ")
            figure.notes.append(f"{name} {figure.rounds - before}")


def _ledger(figure: Figure, folder: Path, choose: Choose, dice: random.Random) -> None:
    with deployment(folder) as server:
        machine = Machine(folder / "machine", server)
        for damage, bench in _damaged(figure, machine, "ledger.db", choose, dice):
            bench.work(damage.name)
            _, output = bench.says(damage.name, "status")
            quiet = "Last error" not in output and bench.machine.audit().lost
            bench.check(not quiet, damage.name, "not delivered, and status says nothing")
            _recovered(bench, damage.name)


def _ledger_log(figure: Figure, folder: Path, choose: Choose, dice: random.Random) -> None:
    """Damage the write-ahead log that a killed worker left beside the ledger."""
    with deployment(folder) as server:
        machine = Machine(folder / "machine", server)
        with machine.used():
            for turn in range(TURNS):
                machine.turn("s", turn)
            bench = _Bench(figure, machine, folder / "saved")
            machine.hook("s")
            _half_done(machine)
            bench.keep()
            log = machine.ours / "ledger.db-wal"
            content = log.read_bytes() if log.exists() else b""
            figure.check(content, "no log was left to be damaged")
            for damage in choose(chain(of_pages(content, dice), prefixes(content, 512))):
                bench.restore()
                log.write_bytes(damage.content)
                bench.work(damage.name)
                _recovered(bench, f"log, {damage.name}")
                figure.rounds += 1


def _half_done(machine: Machine) -> None:
    """Kill a worker while it delivers."""
    log = machine.ours / "ledger.db-wal"
    for wait in (0.02, 0.01, 0.005, 0.002, 0.0):
        pid = child.fork(worker.main)
        while not log.exists() and child.lives(pid):
            pause(0.001)
        child.killed_after(pid, wait)
        if log.exists() and log.stat().st_size:
            return


def _damaged(
    figure: Figure, machine: Machine, name: str, choose: Choose, dice: random.Random
) -> Iterator[tuple[Damage, _Bench]]:
    """Damage the file between a delivered session and its next turn."""
    with machine.used():
        for turn in range(TURNS):
            machine.turn("s", turn)
        machine.hook("s")
        machine.work()
        bench = _Bench(figure, machine, machine.folder / "saved")
        bench.keep()
        machine.turn("s", TURNS)
        path = machine.ours / name
        content = path.read_bytes()
        for damage in choose(chain(of_pages(content, dice, 3), prefixes(content, 1024))):
            bench.restore()
            path.write_bytes(damage.content)
            machine.hook("s")
            yield damage, bench
            figure.rounds += 1


def _recovered(bench: _Bench, name: str) -> None:
    """Check that the next hook, two hours later, completes everything, each message once."""
    for _ in range(2):
        CLOCK.skip(_HOURS)
        bench.machine.hook("s")
        bench.work(name)
    audit = bench.machine.audit()
    bench.figure.add(audit.lost, audit.doubled, f"{name} {audit.names}")
    bench.check(not bench.machine.waiting(), name, f"waiting {bench.machine.waiting()}")


def _job(figure: Figure, folder: Path, choose: Choose, dice: random.Random) -> None:
    _queued(figure, folder, choose, dice, ".job")


def _event(figure: Figure, folder: Path, choose: Choose, dice: random.Random) -> None:
    _queued(figure, folder, choose, dice, ".event")


def _queued(figure: Figure, folder: Path, choose: Choose, dice: random.Random, suffix: str) -> None:
    """Damage a waiting job: the session's next hook must deliver everything."""
    board = Board()
    with deployment(folder, _Down(board), board) as server:
        machine = Machine(folder / "machine", server)
        with machine.used():
            machine.turn("s", 0)
            machine.hook("s")
            if suffix == ".job":
                machine.work()
            bench = _Bench(figure, machine, folder / "saved")
            bench.keep()
            board["healed"] = 1
            path = next(machine.spool.glob(f"*{suffix}"))
            content = path.read_bytes()
            flips = (flipped(content, dice) for _ in range(100))
            for damage in choose(chain(prefixes(content, 1), flips)):
                bench.restore()
                path.write_bytes(damage.content)
                name = f"{suffix} {damage.name}"
                bench.work(name)
                bench.says(name, "status")
                _recovered(bench, name)
                figure.rounds += 1


def _settings(figure: Figure, folder: Path, choose: Choose, dice: random.Random) -> None:
    with deployment(folder) as server:
        machine = Machine(folder / "machine")
        with machine.used():
            machine.turn("s", 0)
            machine.ours.mkdir(mode=0o700)
            path = machine.ours / "config.toml"
            path.touch(mode=0o600)
            more = "[privacy]\nthinking = false\n"
            text = f'url = "{server.url}"\napi_key = "{server.key}"\n\n{more}'
            path.write_text(text)
            bench = _Bench(figure, machine, folder / "saved")
            bench.keep()
            content = text.encode()
            flips = (flipped(content, dice) for _ in range(100))
            for damage in choose(chain(prefixes(content, 1), flips)):
                bench.restore()
                path.write_bytes(damage.content)
                machine.hook("s")
                bench.work(damage.name)
                code, output = bench.says(f"settings, {damage.name}", "status")
                is_reported = code or "Last error" in output or server.url in output
                silent = f"settings, {damage.name}: nothing output: {output[:200]}"
                figure.check(is_reported or "embedded" in output, silent)
                path.write_bytes(content)
                CLOCK.skip(_HOURS)
                machine.hook("s")
                bench.work(damage.name)
                _, stored = server.rows()
                figure.check(stored.get("s"), f"settings, {damage.name}: never arrived")
                figure.rounds += 1


def _store(figure: Figure, folder: Path, choose: Choose, dice: random.Random) -> None:
    """Damage the embedded store, the only copy: one of the commands must report it."""
    quiet = 0
    well: set[str] | None = None
    machine = Machine(folder / "machine")
    for damage, bench in _damaged(figure, machine, "store.db", choose, dice):
        name = f"store, {damage.name}"
        bench.work(name)
        if well is None:
            well = _wrong_without_damage(bench)
        status, doctor = bench.says(name, "status"), bench.says(name, "doctor", "--json")
        verify = bench.says(name, "verify", "--all")
        if "Last error" in status[1] or _wrong(doctor[1]) - well or verify[0]:
            continue
        # nothing is reported: then everything must be there, each message once
        audit = bench.machine.audit()
        quiet += 1
        figure.add(audit.lost, audit.doubled, f"{name} {audit.names}")
    figure.notes.append(f"{quiet} harmless to the store")


def _wrong_without_damage(bench: _Bench) -> set[str]:
    """Return the checks that fail without damage, because no agent is installed here."""
    sick = bench.machine.ours.with_name("sick")
    bench.machine.ours.rename(sick)
    bench.restore()
    wrong = _wrong(bench.says("no damage", "doctor", "--json")[1])
    bench.check(bench.says("no damage", "verify", "--all")[0] in (0, 1), "no damage", "verify")
    shutil.rmtree(bench.machine.ours)
    sick.rename(bench.machine.ours)
    return wrong


def _wrong(doctor: str) -> set[str]:
    checks = json.loads(doctor)["checks"]
    return {check["check"] for check in checks if check["state"] != "ok"}
