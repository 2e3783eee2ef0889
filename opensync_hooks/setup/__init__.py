"""The one-time setup: environment, command, hooks, first sessions; and how all of it goes again.

install.py calls `from_clone` in whatever Python runs it, which makes the private environment and
runs `opensync-hooks install` there. That command calls `install`, whose hooks point to the
environment that runs it. Only the standard library is imported until the sessions are synced.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from opensync_hooks.agents import registry
from opensync_hooks.agents.settings_files.file_change import apply_all, read
from opensync_hooks.errors import OpenSyncError, as_opensync_error
from opensync_hooks.hook import paths
from opensync_hooks.setup import (
    command_link,
    environment,
    initial_sync,
    installation,
    migration,
    options,
    uninstall,
)
from opensync_hooks.setup.initial_sync import Sync
from opensync_hooks.setup.installation import Installation
from opensync_hooks.setup.npm_plugins import Found
from opensync_hooks.setup.report import complain, row, say, short

INTERRUPTED = 130


def from_clone(root: str, argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    wish = options.read(argv)
    return _guarded(partial(_from_clone, Path(root), argv, wish, environ))


def _guarded(run: Callable[[], int]) -> int:
    try:
        return run()
    except (OpenSyncError, OSError) as error:
        known = as_opensync_error(error)
        complain(str(known), known.hint)
        return known.exit_code
    except (KeyboardInterrupt, EOFError):
        complain("\nInterrupted. The same command goes on from here.")
        return INTERRUPTED


def _from_clone(
    root: Path, argv: Sequence[str], wish: argparse.Namespace, environ: Mapping[str, str]
) -> int:
    if wish.uninstall:
        return uninstall.uninstall(wish, environ)
    place = environment.current(root, environ)
    link = place or environment.link(environ)
    package = environment.package(link, made=place is not None)
    future = Installation(environment.python(link), package)
    if wish.dry_run:
        made = f"would be made, with Python {platform.python_version()} ({sys.executable})"
        row("Environment", f"{short(link)} {'is up to date' if place else made}")
        return _preview(future, wish, environ)
    _foresee(future, wish, environ)
    if place is None:
        say("Making a private Python environment; the first time, this takes a minute.")
        place = environment.make(root, environ)
    python = str(environment.python(place))
    code = _run([python, "-I", "-m", "opensync_hooks", "install", *argv], environ)
    if code == 0:
        environment.sweep(place, environ)
    return code


def _run(command: list[str], environ: Mapping[str, str]) -> int:
    """Ctrl-C reaches the child as well, which ends what it is at, and says so."""
    with subprocess.Popen(command, env=dict(environ)) as child:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return child.wait()
        finally:
            signal.signal(signal.SIGINT, before)


def install(wish: argparse.Namespace, sync: Sync, environ: Mapping[str, str] = os.environ) -> int:
    """Register hooks that point to the running environment; `sync` delivers the first sessions."""
    return install_at(installation.running(environ), wish, sync, environ)


def install_at(
    here: Installation,
    wish: argparse.Namespace,
    sync: Sync,
    environ: Mapping[str, str] = os.environ,
) -> int:
    if wish.dry_run:
        return _preview(here, wish, environ)
    installation.check(here, environ)
    _foresee(here, wish, environ)
    row("Environment", short(here.python.parent.parent))
    command = _command(here, environ)
    changed_over = migration.offer(wish, environ)
    registered = [_register(agent, here, wish, environ) for agent in options.chosen(wish)]
    _remove_earlier(here, environ)
    if changed_over and migration.known_login(environ) and not wish.all:
        _say_whose_begin_here(changed_over, command, wish, environ)
    elif not wish.no_backfill:
        initial_sync.run(here, wish, sync, environ)
    none = "No agent was found, so nothing is kept yet."
    say(f"\nDone. {'Every session is kept from now on.' if any(registered) else none}")
    say(f"  {command} status   shows where sessions go and what waits")
    if not migration.known_login(environ):
        say(f"  {command} serve    shows them in your browser")
        say(f"  {command} login    sends them to your OpenSync; until then they stay here")
    return 0


def _say_whose_begin_here(
    changed_over: Sequence[Found],
    command: str,
    wish: argparse.Namespace,
    environ: Mapping[str, str],
) -> None:
    """No session is sent now; those of an agent whose plugin was not there need not stay so."""
    labels = [one.label for one in changed_over]
    sent = f"those of {', '.join(labels)} that the old plugin sent are there"
    row("Sessions", f"{sent}; ours begin from here")
    for agent in options.chosen(wish):
        if agent.label not in labels and agent.registration.is_installed(environ.get):
            row("", f"those of {agent.label} are sent by: {command} sync --agent {agent.name}")


def _foresee(here: Installation, wish: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """A file that must not be changed is found before anything else is."""
    for agent in options.chosen(wish):
        if wish.agents or agent.registration.is_installed(environ.get):
            try:
                agent.registration.plan(environ.get, here.hook(agent))
            except OpenSyncError as error:
                others = ",".join(one.name for one in options.chosen(wish) if one is not agent)
                way_out = f"; --agents {others} leaves {agent.label} out" if others else ""
                raise OpenSyncError(str(error), error.hint + way_out) from error


def _command(here: Installation, environ: Mapping[str, str]) -> str:
    """Put the command in place where that is ours to do; how the user calls it."""
    place = command_link.path(environ)
    if not command_link.serves(here.program, environ):
        found = shutil.which(paths.NAME, path=environ.get("PATH", ""))
        return paths.NAME if found else shlex.quote(str(here.program))
    if not command_link.is_free(environ):
        row("Command", f"{short(here.program)} ({short(place)} is another program's, and stays)")
        return shlex.quote(str(here.program))
    command_link.put(here.program, environ)
    row("Command", short(place))
    if command_link.on_path(environ):
        return paths.NAME
    row("", f"{short(place.parent)} is not on your PATH: add it in your shell's profile")
    return shlex.quote(str(place))


def _register(
    agent: registry.Agent,
    here: Installation,
    wish: argparse.Namespace,
    environ: Mapping[str, str],
) -> bool:
    """Put the agent's hooks in place; whether the agent is there at all."""
    path = agent.registration.settings_path(environ.get)
    if not wish.agents and not agent.registration.is_installed(environ.get):
        row(agent.label, "not found; once it is there, run this again")
        return False
    if not here.script(agent).is_file():
        raise OpenSyncError(
            f"{here.script(agent)}: missing. No hook was registered.", "install it again"
        )
    done = apply_all(partial(agent.registration.plan, environ.get, here.hook(agent)))
    row(agent.label, f"{'registered' if done else 'up to date'} in {short(path)}")
    for note in (
        (agent.registration.activation_hint, agent.registration.advice(environ.get)) if done else ()
    ):
        if note:
            row("", note)
    return True


def _remove_earlier(here: Installation, environ: Mapping[str, str]) -> None:
    """An environment of install.py's, where no hook points to it any more."""
    places = environment.made(environ)
    if command_link.serves(here.program, environ) or not places or _in_use(places, environ):
        return
    command_link.remove(environ)
    environment.remove(environ)
    row("", f"{short(places[0])}, which install.py had made, is no longer needed and gone")


def _in_use(places: Sequence[Path], environ: Mapping[str, str]) -> bool:
    settings = [
        read(agent.registration.settings_path(environ.get)) or b"" for agent in registry.AGENTS
    ]
    return any(os.fsencode(f"{place}/") in one for one in settings for place in places)


def _preview(here: Installation, wish: argparse.Namespace, environ: Mapping[str, str]) -> int:
    place = short(command_link.path(environ))
    if not command_link.serves(here.program, environ):
        row("Command", str(here.program))
    elif command_link.leads_to(here.program, environ):
        row("Command", f"{place} is up to date")
    elif command_link.is_free(environ):
        row("Command", f"{place} would be linked to {short(here.program)}")
    else:
        row("Command", f"{place} is another program's, and would stay")
    migration.preview(wish, environ)
    for agent in options.chosen(wish):
        path = short(agent.registration.settings_path(environ.get))
        if not wish.agents and not agent.registration.is_installed(environ.get):
            row(agent.label, "not found")
        elif change := agent.registration.plan(environ.get, here.hook(agent)):
            row(agent.label, f"{path} would change:\n{change.diff()}")
        else:
            row(agent.label, f"up to date in {path}")
    if not wish.no_backfill:
        initial_sync.preview(wish, environ)
    say("\nDry run: nothing was changed.")
    return 0
