"""`resume`: prints the agent's own command that continues a session."""

import argparse
import os
import shlex

from opensync_hooks.agents import registry
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.config import Folders
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import UsageError
from opensync_hooks.system.terminal import print_line


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION", help="an id")


def _resume(arguments: argparse.Namespace) -> int:
    session_id = arguments.session
    with Store(Folders.from_environ(os.environ).store) as store:
        session = store.session_summary(session_id)
    if session:
        agents = [a for a in registry.AGENTS if registry.opensync_name(a.name) == session["source"]]
        folder, session_id = session.get("projectPath"), session["externalId"]
        parent_id = session["extra"].get("parentExternalId")
        if parent_id:
            raise UsageError(f"{session_id}: a subagent.", f"opensync-hooks resume {parent_id}")
    else:
        located = registry.find(session_id)
        agents = [a for a in registry.AGENTS if located and a.name == located[0].agent]
        folder, session_id = None, located[1].session_id if located else session_id
    if not agents:
        raise UsageError(
            f"{session_id}: no such session is known.",
            "`opensync-hooks search WORDS` shows the ids of stored sessions.",
        )
    command = agents[0].description.resume_command.format(id=shlex.quote(session_id))
    if not command:
        raise UsageError(f"{session_id}: {agents[0].label} cannot resume a session by a command.")
    if folder and os.path.isdir(folder):  # noqa: PTH112 - a text of the store may not be a path
        command = f"cd {shlex.quote(folder)} && {command}"
    print_line(command)
    return 0


RESUME = Command(
    "resume",
    "print the agent's own command that continues a session",
    _resume,
    "opensync-hooks resume SESSION",
    _add_arguments,
)
