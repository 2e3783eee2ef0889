"""Print what an installation would change, for `--dry-run`."""

import argparse
from collections.abc import Mapping

from opensync_hooks.setup import command_link, initial_sync, migration, options
from opensync_hooks.setup.installation import Installation
from opensync_hooks.system.terminal import print_lines, print_row, short_path


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
            print_row(agent.label, f"up to date in {path}")
    if not arguments.no_backfill:
        initial_sync.preview(arguments, environ)
    print_lines("\nDry run: nothing was changed.")
    return 0
