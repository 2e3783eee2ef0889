"""Remove hooks, command and environment; with `--purge` also settings, queue and sessions.

Only the standard library is imported: a clone without an environment can uninstall.
"""

import argparse
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.settings_files import backup
from opensync_hooks.agents.settings_files.file_change import apply_all
from opensync_hooks.errors import OpenSyncError, UsageError
from opensync_hooks.setup import command_link, environment, installation, npm_plugins, user_data
from opensync_hooks.setup.options import selected_agents
from opensync_hooks.system import windows
from opensync_hooks.system.terminal import (
    can_ask,
    confirm,
    print_error,
    print_line,
    print_lines,
    print_row,
    short_path,
    surviving_closed_output,
)
from opensync_hooks.system.windows import command_line


def uninstall(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> int:
    """Return the exit code: 1 if an agent's file, and what its hooks need, had to stay.

    Raises OpenSyncError, OSError.
    """
    with surviving_closed_output():
        if arguments.purge and not _may_purge(arguments, environ):
            print_line("Nothing was changed.")
            return 1
        agents = selected_agents(arguments)
        unregistered = [_unregister(agent, arguments, environ) for agent in agents]
        if not all(unregistered):
            reason = "The hooks above are still registered, so their environment stays."
            return print_error(OpenSyncError(reason))
        if not arguments.agents:
            command = "" if installation.is_private(environ) else installation.uninstall_command()
            _remove_installation(arguments, environ)
            _report_remains(arguments, environ, command)
        return 0


def _may_purge(arguments: argparse.Namespace, environ: Mapping[str, str]) -> bool:
    if arguments.agents:
        raise UsageError(
            "--purge deletes everything, so it cannot go with --agents. Nothing was changed.",
            "leave out one of the two",
        )
    files = user_data.find(environ)
    print_row("To delete", "permanently:" if files else "no settings, no sessions")
    for path, content in files:
        print_row("", f"{short_path(path)}: {content}")
    if arguments.dry_run or arguments.yes or not files:
        return True
    if not can_ask():
        raise UsageError(
            "--purge deletes the key and every session stored on this machine, and there is no "
            "terminal to ask on. Nothing was changed.",
            "pass --yes",
        )
    return confirm("Delete all of this?")


def _unregister(agent: Agent, arguments: argparse.Namespace, environ: Mapping[str, str]) -> bool:
    """Remove the agent's hooks; returns whether that was possible."""
    plan = partial(agent.registration.plan_removal, environ.get)
    try:
        changes = list(filter(None, (plan(),))) if arguments.dry_run else apply_all(plan)
    except OpenSyncError as error:
        print_row(agent.label, "hooks could not be removed")
        print_error(error)
        return False
    verb = "would be removed" if arguments.dry_run else "removed"
    path = short_path(agent.registration.settings_path(environ.get))
    print_row(agent.label, f"hooks {verb} from {path}" if changes else "no hook registered")
    if advice := agent.registration.plugin_advice(environ.get):
        print_row("", advice)
    for change in changes if arguments.dry_run else ():
        print_lines(change.diff())
    return True


def _remove_installation(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    verb = "would be removed" if arguments.dry_run else "removed"
    if not arguments.dry_run and windows.IS_WINDOWS:
        verb = "removed, or will be when this command has ended"
    if command_link.is_ours(environ):
        print_row("Command", f"{short_path(command_link.path(environ))} {verb}")
    for folder in environment.existing(environ):
        print_row("Environment", f"{short_path(folder)} {verb}")
    if arguments.dry_run:
        return
    command_link.remove(environ)
    environment.remove(environ)
    backup.forget_all(environ.get)
    if arguments.purge and user_data.find(environ):
        user_data.delete(environ)
        print_row("Deleted", "settings, key, queue and stored sessions")


def _report_remains(
    arguments: argparse.Namespace, environ: Mapping[str, str], command: str
) -> None:
    for entry in npm_plugins.load_backups(environ.get):
        if Path(entry.backup).is_file():
            print_lines(f"\n{entry.package} was taken out of {short_path(entry.path)} when you")
            print_line(f"migrated. The previous file: {short_path(entry.backup)}")
    if arguments.dry_run:
        print_lines("\nDry run: nothing was changed.")
        return
    remaining = user_data.roots(environ)
    if remaining and not arguments.purge:
        print_lines("\nSettings, stored sessions and queue stay. To delete them as well:")
        print_line(f"  {command_line(['rm', '-r', *map(str, remaining)])}")
    if command:
        print_lines(f"\nTo remove the package itself: {command}")
