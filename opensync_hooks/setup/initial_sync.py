"""The newest sessions go through at once; where there is none yet, the bundled sample does."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from opensync_hooks.agents import registrations
from opensync_hooks.hook import paths
from opensync_hooks.setup import sample
from opensync_hooks.setup.installation import Installation
from opensync_hooks.setup.options import chosen
from opensync_hooks.setup.report import row

NEWEST = 20


def sync(here: Installation, options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    if not _count(options, environ):
        row("Sessions", "none on this machine yet; playing the bundled sample ...")
        arrived = sample.play(here.python, here.hook(registrations.ALL[0]), environ)
        row("", f"{arrived}; it is gone again")
        return
    from opensync_hooks.cli import main  # noqa: PLC0415 - needs packages that a bare clone lacks

    row("Sessions", f"syncing {'all' if options.all else f'the newest {NEWEST}'} ...")
    wish = ["sync", *(["--all"] if options.all else ["--limit", str(NEWEST)])]
    wishes = [[*wish, "--agent", name] for name in options.agents] if options.agents else [wish]
    codes = [main.main(one) for one in wishes]  # all of them: one failure stops no other agent
    if any(codes):
        row("", f"not all could be synced: `{paths.NAME} sync` goes on")


def preview(options: argparse.Namespace, environ: Mapping[str, str]) -> None:
    try:
        count = _count(options, environ)
    except ImportError:  # a bare clone cannot even look
        row("Sessions", f"{'all' if options.all else f'the newest {NEWEST}'} would be synced")
        return
    wanted = count if options.all else min(count, NEWEST)
    none = "none on this machine yet; the bundled sample would be played in a folder of its own"
    row("Sessions", f"{wanted} of {count} would be synced" if count else none)


def _count(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from opensync_hooks.agents import registry  # noqa: PLC0415 - as above

    names = {agent.name for agent in chosen(options)}
    sources = (source for source in registry.all_sources(environ) if source.agent in names)
    return sum(1 for source in sources for _ in source.sessions())
