"""The first sync: the newest sessions, or the bundled sample if there is no session yet."""

import argparse
from collections.abc import Callable, Mapping

from opensync_hooks.hook import paths
from opensync_hooks.setup import sample_session
from opensync_hooks.setup.installation import Installation
from opensync_hooks.setup.options import selected_agents
from opensync_hooks.system.terminal import print_row

NEWEST = 20

Sync = Callable[[str | None, int | None], int]
"""Delivers sessions of one agent or of all, the newest `limit` or all; returns an exit code."""


def run(
    here: Installation, arguments: argparse.Namespace, sync: Sync, environ: Mapping[str, str]
) -> None:
    """Sync or play the sample. Raises OpenSyncError if the sample does not arrive."""
    if not _count(arguments, environ):
        print_row("Sessions", "none on this machine yet; playing the bundled sample ...")
        print_row("", f"{sample_session.play(here, environ)}; the sample is removed again")
        return
    print_row("Sessions", f"syncing {'all' if arguments.all else f'the newest {NEWEST}'} ...")
    limit = None if arguments.all else NEWEST
    codes = [sync(agent, limit) for agent in arguments.agents or [None]]
    if any(codes):
        print_row("", f"not all could be synced: `{paths.NAME} sync` continues")


def preview(arguments: argparse.Namespace, environ: Mapping[str, str]) -> None:
    """Print what `run` would sync."""
    count = _count(arguments, environ)
    if count:
        selected = count if arguments.all else min(count, NEWEST)
        print_row("Sessions", f"{selected} of {count} would be synced")
    else:
        sample = "the bundled sample would be played in a folder of its own"
        print_row("Sessions", f"none on this machine yet; {sample}")


def _count(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    agents = selected_agents(arguments)
    return sum(1 for agent in agents for _ in agent.source(environ).sessions())
