"""Counts what the newest sessions hold on disk, against what was delivered of them.

Only the ledger is asked for what was delivered; `verify` asks the destination itself.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import field, replace

from opensync_hooks.agents import registry
from opensync_hooks.agents.census import Census
from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.cli.bulk.backlog import is_unsynced
from opensync_hooks.cli.doctor.finding import Finding, ok, warning
from opensync_hooks.cli.verify.census_check import describe_unknown
from opensync_hooks.config import Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery.split import part_id
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.ledger import accounts
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageState, SessionRecord
from opensync_hooks.model import Message
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.system.formatting import count

_NEWEST = 20
_BUDGET_S = 2.0
"""For each agent; a session that was begun is finished."""


@dataclass(slots=True)
class _Result:
    """The newest sessions of one agent, added up; only synced ones have something delivered."""

    on_disk: int = 0
    delivered: int = 0
    synced: int = 0
    different: list[str] = field(default_factory=list)
    """Ids of synced sessions with another number of utterances."""
    censuses: list[Census] = field(default_factory=list)


def utterances(
    check: str,
    reported: Collection[str],
    config: Config,
    ledger: Ledger,
    environ: Mapping[str, str],
) -> Iterator[Finding]:
    """Check that everything that people said to an agent was delivered, and was understood.

    `reported` has the sessions and names of which the reader has said so already.
    """
    for agent in registry.AGENTS:
        result = _count(agent, config, ledger, environ)
        yield from _findings(check, agent, result, reported)


def _findings(
    check: str, agent: Agent, result: _Result, reported: Collection[str]
) -> Iterator[Finding]:
    cure = "Look for a newer opensync-hooks."
    for census in result.censuses:
        if not census.is_understood and census.session_id not in reported:
            fact = f"{agent.label}: nothing in {census.session_id} is understood."
            yield warning(check, fact, cure)
    if unknown := describe_unknown(_without(census, reported) for census in result.censuses):
        yield warning(check, f"{agent.label}: not understood: {unknown}.", cure)
    on_disk = count(result.on_disk, "utterance")
    fact = f"{agent.label}: {on_disk} on disk, {result.delivered} delivered"
    if result.different:
        cure = f"`opensync-hooks verify {result.different[0]}` names the differences."
        yield warning(check, f"{fact}.", cure)
    elif result.synced:
        yield ok(check, fact)


def _without(census: Census, reported: Collection[str]) -> Census:
    """Return the census without what the reader has named, as `line of type NAME` or the like."""
    texts = [f" {text}" for text in reported]
    unknown = {
        name: number
        for name, number in census.unknown.items()
        if not any(text.endswith(f" {name}") for text in texts)
    }
    unreadable = 0 if census.session_id in reported else census.unreadable
    return replace(census, unknown=Counter(unknown), unreadable=unreadable)


def _count(agent: Agent, config: Config, ledger: Ledger, environ: Mapping[str, str]) -> _Result:
    result, source = _Result(), agent.source(environ)
    ends_at = time.monotonic() + _BUDGET_S
    exclusions = Exclusions.from_config(config)
    for located in itertools.islice(source.sessions(), _NEWEST):
        if time.monotonic() > ends_at:
            break
        if _is_excluded(exclusions, agent, located.session_id):
            continue
        try:
            censuses = list(agent.census(located, environ))
            result.censuses += censuses
            if is_unsynced(config, ledger, source, located):
                continue
            delivered = _delivered(source, located, config, ledger)
        except OpenSyncError:  # other checks name files that cannot be read
            continue
        result.synced += 1
        for census in censuses:
            number = delivered.get(census.session_id, 0)
            if number is not None and not _is_excluded(exclusions, agent, census.session_id):
                _add(result, census, number)
    return result


def _is_excluded(exclusions: Exclusions, agent: Agent, session_id: str) -> bool:
    was_excluded = exclusions.was_excluded(agent.name, session_id)
    return was_excluded or exclusions.private_reason(agent.name, session_id) is not None


def _add(result: _Result, census: Census, delivered: int) -> None:
    low = census.counts.utterances
    on_disk = min(max(delivered, low), low + census.optional.utterances)
    result.on_disk += on_disk
    result.delivered += delivered
    result.different += [census.session_id] if on_disk != delivered else []


def _delivered(
    source: Source, located: Located, config: Config, ledger: Ledger
) -> dict[str, int | None]:
    """Return the number of confirmed prompts of the session, and of each of its subagents.

    It is None if a richer copy of the session was delivered, under other ids.
    """
    account = accounts.expected(ledger, config)
    numbers: dict[str, int | None] = {}
    for session in source.read(located):
        record = SessionRecord(ledger, account, session.agent, session.id)
        if session.richer_origin and session.richer_origin == record.origin():
            numbers[session.id] = None
        else:
            prompts = (message for message in session.messages if message.role == "user")
            numbers[session.id] = sum(
                _is_confirmed(record, prompt) or (prompt.undone and not config.undone)
                for prompt in prompts
            )
    return numbers


def _is_confirmed(record: SessionRecord, message: Message) -> bool:
    """Whether the message was delivered, in whichever part of its session."""
    for number in itertools.count(1):
        part = replace(record, session_id=part_id(record.session_id, number))
        states = (part.message(name) for name in (message.id, *message.aliases))
        existing = next(filter(None, states), None)
        if existing or part.remote_session() is None:
            break
    return existing is not None and existing.state is MessageState.CONFIRMED
