"""How all of it goes again: hooks, command, environment; settings and sessions only if asked for.

Standard library only: a clone without any environment can take away what it once set up.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.settings_files import backup
from opensync_hooks.agents.settings_files.file_change import apply_all
from opensync_hooks.errors import OpenSyncError, UsageError
from opensync_hooks.setup import (
    command_link,
    environment,
    installation,
    migration_backups,
    user_data,
)
from opensync_hooks.setup.options import chosen
from opensync_hooks.setup.report import agrees, complain, is_terminal, row, say, short


def uninstall(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """The exit code: 1 if an agent's file had to be left, and with it what its hooks need."""
    if options.purge and not _may_purge(options, environ):
        say("Nothing was changed.")
        return 1
    left = [agent for agent in chosen(options) if not _unregister(agent, options, environ)]
    if left:
        complain("The hooks above are still there, so the environment that they run in stays.")
        return 1
    if not options.agents:
        package = "" if installation.is_private(environ) else installation.removal()
        _remove_what_hooks_need(options, environ)
        _say_what_was_retired(environ)
        _say_what_stays(options, environ, package)
    return 0


def _may_purge(options: argparse.Namespace, environ: Mapping[str, str]) -> bool:
    if options.agents:
        raise UsageError(
            "--purge takes everything away, so it cannot go with --agents. Nothing was changed.",
            "leave out one of the two",
        )
    held = user_data.held(environ)
    row("To delete", "for good:" if held else "no settings, no sessions")
    for one in held:
        row("", f"{short(one.path)}: {one.what}")
    if options.dry_run or options.yes or not held:
        return True
    if not is_terminal():
        raise UsageError(
            "--purge deletes the key and every session synced to this machine, and there is no "
            "terminal to ask on. Nothing was changed.",
            "say --yes as well",
        )
    return agrees("Delete all of this?")


def _unregister(agent: Agent, options: argparse.Namespace, environ: Mapping[str, str]) -> bool:
    plan = partial(agent.registration.plan_removal, environ.get)
    try:
        changes = list(filter(None, (plan(),))) if options.dry_run else apply_all(plan)
    except OpenSyncError as error:
        row(agent.label, "hooks could not be taken out")
        complain(str(error), error.hint)
        return False
    would = "would be " if options.dry_run else ""
    where = short(agent.registration.settings_path(environ.get))
    row(agent.label, f"hooks {would}taken out of {where}" if changes else "no hook registered")
    if changes and options.dry_run:
        say("\n".join(change.diff() for change in changes))
    return True


def _remove_what_hooks_need(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    would = "would be " if options.dry_run else ""
    if command_link.is_ours(environ):
        row("Command", f"{short(command_link.path(environ))} {would}removed")
    for place in environment.made(environ):
        row("Environment", f"{short(place)} {would}removed")
    if options.dry_run:
        return
    command_link.remove(environ)
    environment.remove(environ)
    backup.forget_all(environ.get)
    if options.purge and user_data.held(environ):
        user_data.delete(environ)
        row("Deleted", "settings, key, queue and synced sessions")


def _say_what_was_retired(environ: Mapping[str, str]) -> None:
    for one in migration_backups.everything(environ.get):
        if Path(one.backup).is_file():
            say(f"\n{one.package} was taken out of {short(one.path)} when you changed over. That")
            say(f"file as it was: {short(one.backup)}")


def _say_what_stays(options: argparse.Namespace, environ: Mapping[str, str], package: str) -> None:
    if options.dry_run:
        say("\nDry run: nothing was changed.")
        return
    left = user_data.roots(environ)
    if left and not options.purge:
        say("\nSettings, synced sessions and queue stay. To delete them as well:")
        say(f"  rm -r {shlex.join(map(str, left))}")
    if package:
        say(f"\nThe package itself goes with: {package}")
