"""`status`: shows on one screen where sessions go, what is waiting and what is wrong."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from datetime import date

from opensync_hooks.cli import status_data
from opensync_hooks.cli.commands.command import Command
from opensync_hooks.cli.status_data import AgentStatus, Status
from opensync_hooks.config import EMBEDDED_STORE, Folders
from opensync_hooks.pricing import in_force
from opensync_hooks.queue.report import QueueItem
from opensync_hooks.system.formatting import ago, count, money, size
from opensync_hooks.system.terminal import print_line, short_path

_MAX_ROWS = 3
"""Of one kind of problem: all of it fits on one screen."""
_Row = tuple[str, str]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _status(arguments: argparse.Namespace) -> int:
    status = status_data.gather()
    if arguments.json:
        print(json.dumps(status.as_json(), indent=2))
        return 0
    for line in render(status, Folders.from_environ(os.environ)):
        print_line(line)
    return 0


def render(status: Status, folders: Folders) -> Iterator[str]:
    """Yield aligned lines, with the terms that OpenSync's own pages use."""
    rows = [
        *_destination(status, folders),
        *_other_destinations(status),
        *_privacy(status),
        *((("Store size", size(status.store_bytes)),) if status.store_bytes else ()),
        *((f"{agent.label} hooks", _agent(agent)) for agent in status.agents),
        *_catch_up(status),
        *_problems(status),
    ]
    width = max(len(name) for name, _ in rows) + 2
    for name, text in rows:
        yield f"{name + ':' if name else '':<{width}}{text}"


def _destination(status: Status, folders: Folders) -> Iterator[_Row]:
    is_embedded = status.destination == EMBEDDED_STORE
    yield (
        "Destination",
        f"embedded store ({short_path(folders.store)})" if is_embedded else "OpenSync",
    )
    if not status.reachable:
        yield "Connected", "no"
    elif status.authorised is False:
        yield "Connected", "no, the key is refused"
    else:
        yield "Connected", f"yes, key {status.key}" if status.key else "yes"
    no_url = "none; `opensync-hooks login` sends to your OpenSync instead"
    yield "Convex URL", no_url if is_embedded else status.destination
    subagents = f", {count(status.subagents, 'subagent')}" if status.subagents else ""
    yield "Sessions synced", f"{status.sessions} ({count(status.messages, 'message')}{subagents})"
    if status.only_in_store:
        number = count(status.only_in_store, "session")
        yield "In the store only", f"{number}: opensync-hooks push"
    yield "Last sync", ago(status.last_sync)
    yield "Waiting", count(status.waiting, "job") if status.waiting else "nothing"
    for queue in status.elsewhere:
        waiting = f"{count(queue.waiting, 'job')} for {queue.destination or 'another destination'}"
        advice = "run opensync-hooks sync with the variables that its hooks have"
        yield "", f"{waiting} from another environment, since {ago(queue.oldest)}: {advice}"


def _other_destinations(status: Status) -> Iterator[_Row]:
    for other in status.destinations:
        synced = f"{count(other.sessions, 'session')} synced ({count(other.messages, 'message')})"
        facts = [f"{other.url}: {synced}, the last one {ago(other.last_sync)}"]
        facts += [f"{count(other.waiting, 'job')} waiting"] if other.waiting else []
        facts += [other.problem] if other.problem else []
        yield f"Projects of {other.name}", "; ".join(facts)


def _privacy(status: Status) -> Iterator[_Row]:
    yield "Thinking", "included" if status.thinking else "left out"
    secrets = "masked" if status.redact else "not masked (redact = false)"
    if outdated := sum(agent.masked_otherwise for agent in status.agents):
        fact = f"{count(outdated, 'session')} by older rules or settings"
        secrets += f"; {fact}: opensync-hooks sync --all"
    yield "Secrets", secrets
    kept = "kept in the embedded store" if status.keeps_file_contents else "left out"
    yield "File contents", "included" if status.file_contents else kept
    if status.excluded:
        reasons = (f"{number} {reason}" for reason, number in status.excluded_reasons.items())
        yield "Excluded", f"{count(status.excluded, 'session')} ({'; '.join(reasons)})"


def _agent(agent: AgentStatus) -> str:
    if agent.problem:
        hook = agent.problem
    elif agent.outdated:
        hook = f"registered by version {agent.outdated}: run opensync-hooks install"
    elif agent.registered:
        hook = "registered"
    elif agent.installed:
        hook = "not registered: run opensync-hooks install"
    else:
        hook = "agent not installed"
    facts = [hook]
    if agent.synced:
        facts.append(f"{agent.synced} synced, the last one {ago(agent.last_sync)}")
    if agent.waiting:
        facts.append(f"{agent.waiting} waiting")
    if agent.unsynced:
        unsynced = f"{agent.unsynced} of {count(agent.on_disk, 'session')} not synced yet"
        facts.append(f"{unsynced}: opensync-hooks sync --agent {agent.agent}")
    return "; ".join(facts)


def _catch_up(status: Status) -> Iterator[_Row]:
    catch_up, facts = status.catch_up, []
    if not catch_up.enabled:
        facts.append("off (catch_up = false): sessions without a hook wait for opensync-hooks sync")
    if catch_up.delivered:
        sessions = count(catch_up.delivered, "session")
        facts.append(f"{sessions} delivered without a hook, the last one {ago(catch_up.last)}")
    if catch_up.failed:
        agent, session_id = catch_up.failed[0]
        named = f"{session_id} ({agent})" + (", …" if len(catch_up.failed) > 1 else "")
        facts.append(f"{len(catch_up.failed)} not whole yet: {named}")
    if facts:
        yield "Catch-up", "; ".join(facts)


def _problems(status: Status) -> Iterator[_Row]:
    if status.cooldown:
        yield "Cooldown", status.cooldown.describe()
    apart = [f"{_name(item)}: {item.reason}" for item in status.apart]
    yield from _first_rows("Waiting apart", apart, "opensync-hooks queue list")
    quarantined = [f"{_name(item)}: {item.reason}" for item in status.quarantined]
    yield from _first_rows("Quarantined", quarantined, "opensync-hooks queue list")
    not_understood = [
        f"{session.session_id} ({session.agent}): none of its content could be read"
        for session in status.not_understood
    ]
    yield from _first_rows("Not understood", not_understood, "opensync-hooks status --json")
    deleted = [
        f"{session.session_id} ({session.agent}): opensync-hooks sync --force {session.main_id}"
        for session in status.deleted
    ]
    yield from _first_rows("Deleted there", deleted, "opensync-hooks status --json")
    losses = [f"{lost} {name}" for name, lost in status.lost.items() if name not in status.unknown]
    if deficient := (*status.incomplete, *status.not_understood):
        losses.append(f"in {count(len(deficient), 'session')} such as {deficient[0].session_id}")
    if losses:
        yield "Incomplete", ", ".join(losses)
    if status.unknown:
        yield "Unknown", ", ".join(f"{name} ({number})" for name, number in status.unknown.items())
    if status.unpriced:
        yield "No price for", ", ".join(status.unpriced)
    if status.own_prices:
        yield "Own prices", ", ".join(status.own_prices)
    age = in_force.age_in_days(date.fromisoformat(status.prices_from))
    if age > in_force.MAX_AGE_DAYS:
        yield "Prices", f"{age} days old: {in_force.RENEWAL}"
    if status.stated_free:
        prices = status.stated_free.items()
        models = (f"{model} ({money(usd)} at list price)" for model, usd in prices)
        yield "Stated as free", ", ".join(models)
    if status.last_error:
        yield "Last error", f"{status.last_error} ({ago(status.last_error_at)})"


def _first_rows(label: str, texts: list[str], command: str) -> Iterator[_Row]:
    """Yield the first texts, and which command prints the others."""
    for text in texts[:_MAX_ROWS]:
        yield label, text
    if len(texts) > _MAX_ROWS:
        yield label, f"{len(texts) - _MAX_ROWS} more: {command}"


def _name(item: QueueItem) -> str:
    return item.session_id if item.message is None else f"{item.session_id} message {item.message}"


STATUS = Command(
    "status",
    "show where sessions go, what is waiting, and what is wrong",
    _status,
    "opensync-hooks status --json",
    _add_arguments,
)
