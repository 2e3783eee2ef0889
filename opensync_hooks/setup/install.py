"""Register hooks and command for an existing environment, then sync the first sessions.

A step that fails stops what follows; running the same command again completes the installation.
"""

import argparse
import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from functools import partial

from opensync_hooks.agents import registry
from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.settings_files.file_change import apply_all, read
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths
from opensync_hooks.setup import (
    command_link,
    environment,
    initial_sync,
    installation,
    migration,
    options,
)
from opensync_hooks.setup.initial_sync import Sync
from opensync_hooks.setup.installation import Installation
from opensync_hooks.setup.npm_plugins import InstalledPlugin
from opensync_hooks.setup.preview import preview
from opensync_hooks.system.terminal import (
    print_line,
    print_lines,
    print_row,
    short_path,
    surviving_closed_output,
)


def install(
    arguments: argparse.Namespace, sync: Sync, environ: Mapping[str, str] = os.environ
) -> int:
    """Register hooks that run in the present environment; `sync` delivers the first sessions.

    Returns the exit code. Raises OpenSyncError, OSError.
    """
    with surviving_closed_output():
        return install_at(installation.running(environ), arguments, sync, environ)


def install_at(
    here: Installation, arguments: argparse.Namespace, sync: Sync, environ: Mapping[str, str]
) -> int:
    """Do what `install` does, for any environment."""
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
        initial_sync.run(here, arguments, sync, environ)
    result = "Every session is kept from now on."
    if not any(registered):
        result = "No agent was found, so nothing is kept yet."
    print_lines(f"\nDone. {result}")
    print_line(f"  {command} status   shows where sessions go and what is waiting")
    if not migration.existing_login(environ):
        print_line(f"  {command} serve    shows them in your browser")
        print_line(f"  {command} login    sends them to your OpenSync; until then they stay here")
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
        return paths.NAME if program else shlex.quote(str(here.program))
    if not command_link.is_free(environ):
        reason = f"{short_path(link)} is another program's and stays"
        print_row("Command", f"{short_path(here.program)} ({reason})")
        return shlex.quote(str(here.program))
    command_link.create(here.program, environ)
    print_row("Command", short_path(link))
    if command_link.is_on_path(environ):
        return paths.NAME
    print_row("", f"{short_path(link.parent)} is not on your PATH: add it in your shell's profile")
    return shlex.quote(str(link))


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
        if any(os.fsencode(f"{folder}/") in settings for folder in folders):
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
