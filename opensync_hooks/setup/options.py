"""The options of install.py, `opensync-hooks install` and `opensync-hooks uninstall`."""

import argparse
from collections.abc import Sequence

from opensync_hooks.agents import registry

EXAMPLE = ",".join(registry.NAMES[::2])
"""A selection of agents, for help texts."""


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the arguments of install.py, which installs and uninstalls."""
    parser = argparse.ArgumentParser(
        prog="install.py",
        description="Builds a private Python environment, registers the hooks of the agents on "
        "this machine and syncs the newest sessions. Run it again to update all of that.",
        epilog=f"example: python install.py --agents {EXAMPLE} --dry-run",
    )
    for_install(parser)
    group = parser.add_argument_group("uninstalling")
    group.add_argument("--uninstall", action="store_true", help="hooks, command, environment")
    _add_purge(group)
    arguments = parser.parse_args(argv)
    if (arguments.purge or arguments.yes) and not arguments.uninstall:
        parser.error("--purge and --yes belong to --uninstall")
    return arguments


def for_install(parser: argparse.ArgumentParser) -> None:
    _add_common(parser)
    sessions = parser.add_mutually_exclusive_group()
    sessions.add_argument("--all", action="store_true", help="sync all sessions, not the newest 20")
    sessions.add_argument("--no-backfill", action="store_true", help="sync no session now")
    plugins = parser.add_mutually_exclusive_group()
    plugins.add_argument(
        "--take-over",
        action="store_true",
        help="migrate from OpenSync's npm plugins: use their login, and take their hooks out",
    )
    plugins.add_argument("--keep-old", action="store_true", help="leave the npm plugins active")


def for_uninstall(parser: argparse.ArgumentParser) -> None:
    _add_common(parser)
    _add_purge(parser)


def selected_agents(arguments: argparse.Namespace) -> tuple[registry.Agent, ...]:
    names = arguments.agents or registry.NAMES
    return tuple(agent for agent in registry.AGENTS if agent.name in names)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show every change and make none")
    names = ",".join(registry.NAMES)
    parser.add_argument(
        "--agents", type=_names, metavar="NAMES", help=f"only these of {names} (default: all)"
    )


def _add_purge(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--purge", action="store_true", help="also delete settings, key, queue and stored sessions"
    )
    parser.add_argument("--yes", action="store_true", help="purge without asking")


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in registry.NAMES]
    if unknown or not names:
        problem = f"no agent is called {unknown[0]}" if unknown else "no agent is named"
        raise argparse.ArgumentTypeError(f"{problem}; there are {','.join(registry.NAMES)}")
    return names
