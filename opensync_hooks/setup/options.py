"""What may be said to install.py, `opensync-hooks install` and `opensync-hooks uninstall`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from opensync_hooks.agents import registry

_NAMES = ",".join(registry.NAMES)
EXAMPLE = ",".join(registry.NAMES[::2])
"""A choice of agents, for help texts."""


def read(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments of install.py itself, which does both."""
    parser = argparse.ArgumentParser(
        prog="install.py",
        description="Makes a private Python environment, registers the hooks with the agents found "
        "on this machine and syncs the newest sessions. Run again, it brings all that up to date.",
        epilog=f"example: python install.py --agents {EXAMPLE} --dry-run",
    )
    for_install(parser)
    removal = parser.add_argument_group("to take all of it away again")
    removal.add_argument("--uninstall", action="store_true", help="hooks, command, environment")
    _for_purge(removal)
    return _checked(parser, parser.parse_args(argv))


def for_install(parser: argparse.ArgumentParser) -> None:
    _for_both(parser)
    first = parser.add_mutually_exclusive_group()
    first.add_argument("--all", action="store_true", help="sync all sessions, not the newest only")
    first.add_argument("--no-backfill", action="store_true", help="sync no session now")
    old = parser.add_mutually_exclusive_group()
    old.add_argument(
        "--take-over",
        action="store_true",
        help="use the login of OpenSync's npm plugins, and take their hooks out",
    )
    old.add_argument("--keep-old", action="store_true", help="leave the npm plugins as they are")


def for_uninstall(parser: argparse.ArgumentParser) -> None:
    _for_both(parser)
    _for_purge(parser)


def chosen(options: argparse.Namespace) -> tuple[registry.Agent, ...]:
    names = options.agents or [agent.name for agent in registry.AGENTS]
    return tuple(agent for agent in registry.AGENTS if agent.name in names)


def _for_both(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only show what would be changed")
    parser.add_argument(
        "--agents", type=_names, metavar="NAMES", help=f"only these, of {_NAMES} (default: all)"
    )


def _for_purge(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--purge", action="store_true", help="settings, key, queue and synced sessions as well"
    )
    parser.add_argument("--yes", action="store_true", help="purge without asking")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in _NAMES.split(",")]
    if wrong or not names:
        what = f"no agent is called {wrong[0]}" if wrong else "no agent is named"
        raise argparse.ArgumentTypeError(f"{what}; there are {_NAMES}")
    return names


def _checked(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.Namespace:
    if (options.purge or options.yes) and not options.uninstall:
        parser.error("--purge and --yes belong to --uninstall")
    return options
