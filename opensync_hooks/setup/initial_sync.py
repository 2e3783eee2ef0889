"""The newest sessions go through at once; where there is none yet, the bundled sample does."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

from opensync_hooks.agents import registry
from opensync_hooks.hook import paths
from opensync_hooks.setup import sample
from opensync_hooks.setup.installation import Installation
from opensync_hooks.setup.options import chosen
from opensync_hooks.setup.report import row

NEWEST = 20

Sync = Callable[[str | None, int | None], int]
"""Delivers sessions of one agent or of all, the newest `limit` or all; returns an exit code."""


def run(
    here: Installation, options: argparse.Namespace, sync: Sync, environ: Mapping[str, str]
) -> None:
    if not _count(options, environ):
        row("Sessions", "none on this machine yet; playing the bundled sample ...")
        arrived = sample.play(here.python, here.hook(registry.AGENTS[0]), environ)
        row("", f"{arrived}; it is gone again")
        return
    row("Sessions", f"syncing {'all' if options.all else f'the newest {NEWEST}'} ...")
    limit = None if options.all else NEWEST
    codes = [sync(agent, limit) for agent in options.agents or [None]]
    if any(codes):
        row("", f"not all could be synced: `{paths.NAME} sync` goes on")


def preview(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    count = _count(options, environ)
    wanted = count if options.all else min(count, NEWEST)
    none = "none on this machine yet; the bundled sample would be played in a folder of its own"
    row("Sessions", f"{wanted} of {count} would be synced" if count else none)


def _count(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    return sum(1 for agent in chosen(options) for _ in agent.source(environ).sessions())
