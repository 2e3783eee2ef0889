"""Homes in which we cannot work: hooks stay silent and end with 0, commands say what is wrong."""

from __future__ import annotations

import errno
import fcntl
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from opensync_hooks.cli import main
from opensync_hooks.queue import worker
from tests.faults import child
from tests.faults.clock import CLOCK
from tests.faults.figure import Figure
from tests.faults.machine import Machine

NOBODY = 65_534


@dataclass(frozen=True, slots=True)
class Place:
    """`spoil` makes the place bad, `enter` runs in each process there. `works`: nothing is wrong
    enough to keep us from working.
    """

    name: str
    spoil: Callable[[Machine], None]
    enter: Callable[[], None] = lambda: None
    works: bool = False


def trial(figure: Figure, folder: Path, rounds: int, dice: random.Random) -> None:
    """`rounds` of the places."""
    with CLOCK.running(1, skips=True):
        for place in PLACES[:rounds]:
            if place.enter is _nobody and os.geteuid() != 0:
                figure.notes.append(f"{place.name}: left out, needs root")
                continue
            _place(figure, Machine(folder / place.name.replace(" ", "-")), place)
            figure.rounds += 1
    del dice


def _place(figure: Figure, machine: Machine, place: Place) -> None:
    machine.folder.mkdir(mode=0o755, parents=True)
    with machine.used():
        machine.turn("s", 0)
        place.spoil(machine)
        said = machine.folder / "said by hook"
        said.touch(mode=0o666)
        said.chmod(0o666)
        code = child.call(_in(place, machine.hook_run()), stdin=machine.payload("s"), output=said)
        figure.check(code == 0, f"{place.name}: the hook ended with {code}")
        figure.check(not said.read_bytes(), f"{place.name}: the hook said {said.read_text()[:200]}")
        code = child.call(_in(place, worker.main), output=said)
        figure.check(code in (0, 1), f"{place.name}: the worker ended with {code}")
        for command in (["status"], ["sync"]):
            code = child.call(_in(place, partial(main.main, command)), output=said)
            _check(figure, place, command[0], code, said.read_text("utf-8", "replace"))
    for path in (machine.folder, *machine.folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def _check(figure: Figure, place: Place, command: str, code: int, said: str) -> None:
    where = f"{place.name}, {command}"
    figure.check("Traceback" not in said, f"{where}: a traceback: {said[-300:]}")
    figure.check("bug of opensync" not in said, f"{where}: {said[:300]}")
    figure.check(code != 3, f"{where}: ended with 3")
    if not place.works:
        named = code or "Last error" in said
        figure.check(named, f"{where}: ended with 0 and said {said[:300]}")
        figure.check(len(said) > 20, f"{where}: said nothing")


def _in(place: Place, run: child.Run) -> child.Run:
    def inner() -> int | None:
        place.enter()
        return run()

    return inner


def _nobody() -> None:
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


def _read_only(machine: Machine) -> None:
    """For somebody who is not root."""
    for path in (machine.folder, *machine.folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def _of_another(machine: Machine) -> None:
    (machine.ours / "spool").mkdir(parents=True, mode=0o700)
    machine.ours.chmod(0o700)


def _no_home(_: Machine) -> None:
    for name in ("HOME", "OPENSYNC_HOOKS_HOME", "USERPROFILE"):
        os.environ.pop(name, None)
    os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_STATE_HOME"] = "relative/path"
    os.environ["OPENSYNC_HOOKS_HOME"] = "/proc/nowhere"


PLACES = (
    Place("read-only home", _read_only, _nobody),
    Place("folder of another user", _of_another, _nobody),
    Place("no home", _no_home),
    Place("file for the folder", _file_at()),
    Place("file for the spool", _file_at("spool")),
    Place("file for the locks", _file_at("locks"), works=True),
    Place("folder for the ledger", _folder_at("ledger.db")),
    Place("folder for the store", _folder_at("store.db")),
    Place("folder for the settings", _folder_at("config.toml")),
    Place("folder for the lock", _folder_at("spool", "worker.lock"), works=True),
    Place("link for the ledger", _link_at("ledger.db")),
    Place("no locks", lambda _: None, _no_locks, works=True),
    Place("no flock", lambda _: None, _no_such_call, works=True),
)
