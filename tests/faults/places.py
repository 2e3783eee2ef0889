"""Homes in which we cannot work: hooks stay silent and exit with 0, commands say what is wrong."""

from __future__ import annotations

import errno
import fcntl
import os
import pkgutil
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import opensync_hooks
from opensync_hooks.cli import main
from opensync_hooks.queue import worker
from tests.faults import child
from tests.faults.clock import CLOCK
from tests.faults.figure import Figure
from tests.faults.machine import Machine

NOBODY = 65_534


@dataclass(frozen=True, slots=True)
class Spot:
    """One kind of bad home. `spoil` prepares it, `enter` runs in each process. `works`: sessions
    can be delivered nevertheless.
    """

    name: str
    spoil: Callable[[Machine], None]
    enter: Callable[[], None] = lambda: None
    works: bool = False


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """Try `rounds` of the spots."""
    with CLOCK.running(1, skips=True):
        for spot in SPOTS[:rounds]:
            if spot.enter is _nobody and os.geteuid() != 0:
                figure.notes.append(f"{spot.name}: left out, needs root")
                continue
            _try_spot(figure, Machine(folder / spot.name.replace(" ", "-")), spot)
            figure.rounds += 1
    del dice


def _try_spot(figure: Figure, machine: Machine, spot: Spot) -> None:
    machine.folder.mkdir(mode=0o755, parents=True)
    with machine.used():
        machine.turn("s", 0)
        spot.spoil(machine)
        output = machine.folder / "said by hook"
        output.touch(mode=0o666)
        output.chmod(0o666)
        code = child.call(_in(spot, machine.hook_run()), stdin=machine.payload("s"), output=output)
        figure.check(code == 0, f"{spot.name}: the hook ended with {code}")
        figure.check(
            not output.read_bytes(), f"{spot.name}: the hook output {output.read_text()[:200]}"
        )
        code = child.call(_in(spot, worker.main), output=output)
        figure.check(code in (0, 1), f"{spot.name}: the worker ended with {code}")
        for command in (["status"], ["sync"]):
            code = child.call(_in(spot, partial(main.main, command)), output=output)
            _check(figure, spot, command[0], code, output.read_text("utf-8", "replace"))
    for path in (machine.folder, *machine.folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def _check(figure: Figure, spot: Spot, command: str, code: int, output: str) -> None:
    where = f"{spot.name}, {command}"
    figure.check("Traceback" not in output, f"{where}: a traceback: {output[-300:]}")
    figure.check("bug of opensync" not in output, f"{where}: {output[:300]}")
    figure.check(code != 3, f"{where}: ended with 3")
    if not spot.works:
        named = code or "Last error" in output
        figure.check(named, f"{where}: ended with 0 and output {output[:300]}")
        figure.check(len(output) > 20, f"{where}: said nothing")


def _in(spot: Spot, run: child.Run) -> child.Run:
    def inner() -> int | None:
        spot.enter()
        return run()

    return inner


def _nobody() -> None:
    for module in pkgutil.walk_packages(opensync_hooks.__path__, "opensync_hooks."):
        if not module.name.endswith(("__main__", "entry_windows")):
            import_module(module.name)  # the interpreter's own files may be closed to this user
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def _no_locks() -> None:
    def flock(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    fcntl.flock = flock


def _no_such_call() -> None:
    def flock(*_: Any) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    fcntl.flock = flock


def _file_at(*names: str) -> Callable[[Machine], None]:
    def spoil(machine: Machine) -> None:
        path = machine.ours.joinpath(*names)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text("not ours")

    return spoil


def _folder_at(*names: str) -> Callable[[Machine], None]:
    def spoil(machine: Machine) -> None:
        machine.ours.joinpath(*names, "inside").mkdir(parents=True, mode=0o700)

    return spoil


def _link_at(*names: str) -> Callable[[Machine], None]:
    def spoil(machine: Machine) -> None:
        path = machine.ours.joinpath(*names)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.symlink_to(machine.folder / "nowhere" / "else")

    return spoil


def _folder_for_the_lock(machine: Machine) -> None:
    (machine.spool / "worker.lock" / "inside").mkdir(parents=True, mode=0o700)


def _read_only(machine: Machine) -> None:
    """Make the home read-only for anyone but root."""
    for path in (machine.folder, *machine.folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def _of_another(machine: Machine) -> None:
    machine.spool.mkdir(parents=True, mode=0o700)
    machine.ours.chmod(0o700)


def _no_home(_: Machine) -> None:
    for name in ("HOME", "OPENSYNC_HOOKS_HOME", "USERPROFILE"):
        os.environ.pop(name, None)
    os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_STATE_HOME"] = "relative/path"
    os.environ["OPENSYNC_HOOKS_HOME"] = "/proc/nowhere"


SPOTS = (
    Spot("read-only home", _read_only, _nobody),
    Spot("folder of another user", _of_another, _nobody),
    Spot("no home", _no_home),
    Spot("file for the folder", _file_at()),
    Spot("file for the spool", lambda machine: _file_at(machine.spool.name)(machine)),
    Spot("file for the locks", _file_at("locks"), works=True),
    Spot("folder for the ledger", _folder_at("ledger.db")),
    Spot("folder for the store", _folder_at("store.db")),
    Spot("folder for the settings", _folder_at("config.toml")),
    Spot("folder for the lock", _folder_for_the_lock, works=True),
    Spot("link for the ledger", _link_at("ledger.db")),
    Spot("no locks", lambda _: None, _no_locks, works=True),
    Spot("no flock", lambda _: None, _no_such_call, works=True),
)
