"""Register hooks and command for an existing environment, then sync the first sessions.

A step that fails stops what follows; running the same command again completes the installation.
"""

import argparse
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from opensync_hooks.agents import registry
from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.settings_files.file_change import apply_all, read
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths
from opensync_hooks.setup import (
    command_link,
    environment,
    installation,
    migration,
    options,
    sample_session,
)
from opensync_hooks.setup.installation import Installation
from opensync_hooks.setup.npm_plugins import InstalledPlugin
from opensync_hooks.system import windows
from opensync_hooks.system.terminal import print_line, print_lines, print_row, short_path
from opensync_hooks.system.windows import command_line

NEWEST = 20

Sync = Callable[[str | None, int | None], int]
"""Delivers sessions of one agent or of all, the newest `limit` or all; returns an exit code."""


def install(
    here: Installation, arguments: argparse.Namespace, sync: Sync, environ: Mapping[str, str]
) -> int:
    """Register hooks that run in the environment `here`; `sync` delivers the first sessions.

    Returns the exit code. Raises OpenSyncError, OSError.
    """
    if arguments.dry_run:
        return preview(here, arguments, environ)
    installation.check(here, environ)
    check_settings_files(here, arguments, environ)
    print_row("Environment", short_path(here.python.parent.parent))
    command = _link_command(here, environ)
    migrated = migration.offer(arguments, environ)
    registered = [
        _register(agent, here, arguments, environ) for agent in options.selected_agents(arguments)
    ]
    _remove_unused_environment(here, environ)
    if migrated and migration.existing_login(environ) and not arguments.all:
        _report_skipped_sync(migrated, command, arguments, environ)
    elif not arguments.no_backfill:
        initial_sync(here, arguments, sync, environ)
    result = "Every session is kept from now on."
    if not any(registered):
        result = "No agent was found, so nothing is kept yet."
    print_lines(f"\nDone. {result}")
    print_line(f"  {command} status   shows where sessions go and what is waiting")
    if not migration.existing_login(environ):
        print_line(f"  {command} serve    shows them in your browser")
        print_line(f"  {command} login    sends them to your OpenSync; until then they stay here")
    return 0


def preview(here: Installation, arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print every change and make none; returns the exit code. Raises OpenSyncError."""
    link = short_path(command_link.path(environ))
    if not command_link.is_for(here.program, environ):
        print_row("Command", str(here.program))
    elif command_link.leads_to(here.program, environ):
        print_row("Command", f"{link} is up to date")
    elif command_link.is_free(environ):
        print_row("Command", f"{link} would be linked to {short_path(here.program)}")
    else:
        print_row("Command", f"{link} is another program's and would stay")
    migration.preview(arguments, environ)
    for agent in options.selected_agents(arguments):
        path = short_path(agent.registration.settings_path(environ.get))
        if not arguments.agents and not agent.registration.is_installed(environ.get):
            print_row(agent.label, "not found")
        elif change := agent.registration.plan(environ.get, here.hook(agent)):
            print_row(agent.label, f"{path} would change:")
            print_lines(change.diff())
        else:
            advice = agent.registration.plugin_advice(environ.get)
            print_row(agent.label, advice or f"up to date in {path}")
    if not arguments.no_backfill:
        _preview_initial_sync(arguments, environ)
    print_lines("\nDry run: nothing was changed.")
    return 0


def check_settings_files(
    here: Installation, arguments: argparse.Namespace, environ: Mapping[str, str]
) -> None:
    """Raise OpenSyncError for a settings file that cannot be changed, before anything else is."""
    agents = options.selected_agents(arguments)
    for agent in agents:
        if arguments.agents or agent.registration.is_installed(environ.get):
            try:
                agent.registration.plan(environ.get, here.hook(agent))
            except OpenSyncError as error:
                others = ",".join(other.name for other in agents if other is not agent)
                way_out = f"; --agents {others} leaves {agent.label} out" if others else ""
                raise OpenSyncError(str(error), error.hint + way_out) from error


def _link_command(here: Installation, environ: Mapping[str, str]) -> str:
    """Link the command if that is ours to do; returns what the user types to run it."""
    link = command_link.path(environ)
    if not command_link.is_for(here.program, environ):
        program = shutil.which(paths.NAME, path=environ.get("PATH", ""))
        return paths.NAME if program else command_line([str(here.program)])
    if not command_link.is_free(environ):
        reason = f"{short_path(link)} is another program's and stays"
        print_row("Command", f"{short_path(here.program)} ({reason})")
        return command_line([str(here.program)])
    try:
        command_link.create(here.program, environ)
    except OSError as error:  # the command is a convenience: hooks work without it
        reason = f"{short_path(link)} could not be made: {error.strerror}"
        print_row("Command", f"{short_path(here.program)} ({reason})")
        return command_line([str(here.program)])
    print_row("Command", short_path(link))
    if command_link.is_on_path(environ):
        return paths.NAME
    folder = short_path(link.parent)
    cure = "add it in your account's settings"
    if not windows.IS_WINDOWS:
        cure = f'in your shell\'s profile: export PATH="{folder.replace("~", "$HOME", 1)}:$PATH"'
    print_row("", f"{folder} is not on your PATH; {cure}")
    return command_line([str(link)])


def _register(
    agent: Agent, here: Installation, arguments: argparse.Namespace, environ: Mapping[str, str]
) -> bool:
    """Register the agent's hooks; returns whether the agent is on this machine."""
    registration = agent.registration
    if not arguments.agents and not registration.is_installed(environ.get):
        print_row(agent.label, "not found; once it is installed, run this again")
        return False
    script = here.script(agent)
    if not script.is_file():
        raise OpenSyncError(f"{script}: missing. No hook was registered.", "install it again")
    changes = apply_all(partial(registration.plan, environ.get, here.hook(agent)))
    if advice := registration.plugin_advice(environ.get):
        print_row(agent.label, advice)
        if changes:
            print_row("", f"our hooks were taken out of {short_path(changes[0].path)}")
        return True
    state = "registered" if changes else "up to date"
    print_row(agent.label, f"{state} in {short_path(registration.settings_path(environ.get))}")
    for advice in (registration.activation_hint, registration.advice(environ.get)):
        if changes and advice:
            print_row("", advice)
    return True


def _remove_unused_environment(here: Installation, environ: Mapping[str, str]) -> None:
    """Remove an environment that install.py built, once the hooks run in another one."""
    folders = environment.existing(environ)
    if command_link.is_for(here.program, environ) or not folders:
        return
    for agent in registry.AGENTS:
        settings = read(agent.registration.settings_path(environ.get)) or b""
        paths_in_hooks = (windows.bare_path(folder.as_posix()) for folder in folders)
        if any(os.fsencode(f"{path}/") in settings for path in paths_in_hooks):
            return
    command_link.remove(environ)
    environment.remove(environ)
    print_row("", f"{short_path(folders[0])}, which install.py had built, is no longer needed")


def _report_skipped_sync(
    migrated: Sequence[InstalledPlugin],
    command: str,
    arguments: argparse.Namespace,
    environ: Mapping[str, str],
) -> None:
    """Say why nothing is synced now, and how to sync the agents that had no plugin before."""
    labels = [plugin.label for plugin in migrated]
    reason = f"those of {', '.join(labels)} were sent by the old plugin"
    print_row("Sessions", f"{reason}; new ones are sent from here")
    for agent in options.selected_agents(arguments):
        if agent.label not in labels and agent.registration.is_installed(environ.get):
            print_row("", f"to send those of {agent.label}: {command} sync --agent {agent.name}")


def initial_sync(
    here: Installation, arguments: argparse.Namespace, sync: Sync, environ: Mapping[str, str]
) -> None:
    """Sync or play the sample. Raises OpenSyncError if the sample does not arrive."""
    if not _count_sessions(arguments, environ):
        print_row("Sessions", "none on this machine yet; playing the bundled sample ...")
        print_row("", f"{sample_session.play(here, environ)}; the sample is removed again")
        return
    print_row("Sessions", f"syncing {'all' if arguments.all else f'the newest {NEWEST}'} ...")
    limit = None if arguments.all else NEWEST
    codes = [sync(agent, limit) for agent in arguments.agents or [None]]
    if any(codes):
        print_row("", f"not all could be synced: `{paths.NAME} sync` continues")


def _preview_initial_sync(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Print what `initial_sync` would sync."""
    count = _count_sessions(arguments, environ)
    if count:
        selected = count if arguments.all else min(count, NEWEST)
        print_row("Sessions", f"{selected} of {count} would be synced")
    else:
        sample = "the bundled sample would be played in a folder of its own"
        print_row("Sessions", f"none on this machine yet; {sample}")


def _count_sessions(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    agents = options.selected_agents(arguments)
    return sum(1 for agent in agents for _ in agent.source(environ).sessions())
