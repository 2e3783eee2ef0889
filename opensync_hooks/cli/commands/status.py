"""`status`: where the user stands, on one screen."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator

from opensync_hooks.cli import status_data
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.status_data import Hooks, Status
from opensync_hooks.config import EMBEDDED_STORE, Folders
from opensync_hooks.queue import cooldown
from opensync_hooks.queue.report import QueueItem
from opensync_hooks.system.formatting import ago, count
from opensync_hooks.system.terminal import print_line

_MOST_NAMED = 3

Line = tuple[str, str]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one object for machines")


def _status(arguments: argparse.Namespace) -> int:
    found = status_data.gather()
    if arguments.json:
        print(json.dumps(found.as_json(), indent=2))
        return 0
    for line in render(found, Folders.from_environ(os.environ)):
        print_line(line)
    return 0


def render(found: Status, folders: Folders) -> Iterator[str]:
    """The names before the colons are those that OpenSync's own pages use."""
    lines = [*_destination(found, folders), *_privacy(found), *_agents(found), *_troubles(found)]
    width = max(len(name) for name, _ in lines) + 2
    for name, text in lines:
        yield f"{name + ':':<{width}}{text}"


def _destination(found: Status, folders: Folders) -> Iterator[Line]:
    if found.destination == EMBEDDED_STORE:
        yield "Destination", f"embedded store ({folders.store})"
        yield "Connected", _connected(found)
        yield "Convex URL", "none; `opensync-hooks login` sends to your OpenSync instead"
    else:
        yield "Destination", "OpenSync"
        yield "Connected", _connected(found)
        yield "Convex URL", found.destination
    yield "Sessions synced", f"{found.sessions} ({count(found.messages, 'message')})"
    yield "Last sync", ago(found.last_sync)
    yield "Waiting", count(found.waiting, "job") if found.waiting else "nothing"


def _connected(found: Status) -> str:
    if not found.reachable:
        return "no"
    if found.authorised is False:
        return "no, the key is refused"
    return "yes" + (f", key {found.key}" if found.key else "")


def _privacy(found: Status) -> Iterator[Line]:
    yield "Thinking", "sent" if found.thinking else "stays here"
    yield "Secrets", "masked" if found.redact else "sent as they are (redact = false)"
    yield "Files' contents", "sent" if found.file_contents else "stay here"
    if found.excluded:
        yield "Excluded", f"{count(found.excluded, 'session')}, as you asked"


def _agents(found: Status) -> Iterator[Line]:
    for hooks in found.agents:
        yield f"{hooks.label} hooks", "; ".join([_registration(hooks), *_sessions(hooks)])


def _registration(hooks: Hooks) -> str:
    if hooks.problem:
        return hooks.problem
    if hooks.outdated:
        return f"registered by version {hooks.outdated}: run opensync-hooks install"
    if hooks.registered:
        return "registered"
    return "not registered: run opensync-hooks install" if hooks.found else "agent not found"


def _sessions(hooks: Hooks) -> Iterator[str]:
    if hooks.synced:
        yield f"{hooks.synced} synced, the last one {ago(hooks.last_sync)}"
    if hooks.waiting:
        yield f"{hooks.waiting} waiting"
    if hooks.unsynced:
        missing = f"{hooks.unsynced} of {count(hooks.on_disk, 'session')} not synced yet"
        yield f"{missing}: opensync-hooks sync --agent {hooks.agent}"


def _troubles(found: Status) -> Iterator[Line]:
    if found.rest:
        yield "Not asked now", cooldown.describe(found.rest)
    for line in _set_aside(found.set_aside):
        yield "Set aside", line
    if found.lost:
        yield "Not whole", ", ".join(f"{number} {kind}" for kind, number in found.lost.items())
    if found.unpriced:
        yield "No price for", ", ".join(found.unpriced)
    if found.last_error:
        yield "Last error", f"{found.last_error} ({ago(found.last_error_at)})"


def _set_aside(items: tuple[QueueItem, ...]) -> Iterator[str]:
    for item in items[:_MOST_NAMED]:
        message = "" if item.message is None else f" message {item.message}"
        yield f"{item.session_id}{message}: {item.reason}"
    if len(items) > _MOST_NAMED:
        yield f"{len(items) - _MOST_NAMED} more: opensync-hooks queue list"


STATUS = Command(
    "status",
    "show where sessions go, what waits, and what is wrong",
    _status,
    _arguments,
    "opensync-hooks status --json",
)
