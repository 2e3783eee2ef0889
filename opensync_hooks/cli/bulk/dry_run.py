"""What a sync would send: planned and counted, with nothing sent and nothing changed."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import Config
from opensync_hooks.delivery.diff import SessionDiff
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.protocol import BatchReply
from opensync_hooks.ledger import readonly
from opensync_hooks.model import Json


@dataclass(frozen=True, slots=True)
class PlannedSync:
    """What the destination lacks of one session, subagent or part of a long session."""

    session_id: str
    title: str = ""
    messages: int = 0
    parts: int = 0
    size: int = 0
    """Bytes."""
    masked: Mapping[str, int] = field(default_factory=Counter)
    """Number of secrets by kind."""
    sends_totals: bool = False
    """Title or totals have changed."""
    excluded: str | None = None
    """Why nothing is sent."""

    @property
    def sends_anything(self) -> bool:
        return bool(self.messages or self.sends_totals)


@dataclass(frozen=True, slots=True)
class _NoDestination:
    """Has the name of the destination, and takes no calls."""

    name: str
    keeps_extra: bool

    def put_session(self, body: Json, extra: Json) -> NoReturn:
        raise NotImplementedError

    def put_message(self, body: Json, extra: Json, *, replaces: bool) -> NoReturn:
        raise NotImplementedError

    def put_batch(self, body: Json) -> BatchReply:
        raise NotImplementedError


@contextmanager
def open_planner(config: Config) -> Iterator[Syncer]:
    """Open a syncer that knows what was confirmed, but cannot send."""
    destination = _NoDestination(config.destination, keeps_extra=not config.url)
    with readonly.copied(config.folders.ledger) as ledger:
        yield Syncer(config, destination, ledger)


def plan(
    syncer: Syncer, source: Source, located: Located, *, force: bool = False
) -> Iterator[PlannedSync]:
    """Yield the plans for a session and its subagents. Raises SourceError."""
    for changes in syncer.preview(source, located, force=force):
        if isinstance(changes, SessionDiff):
            yield _plan_session(changes)
        else:
            yield PlannedSync(changes.session_id, excluded=changes.excluded)


def _plan_session(changes: SessionDiff) -> PlannedSync:
    messages = parts = size = 0
    masked = Counter[str]()
    for diff in changes.messages():
        if diff.is_due:
            messages += 1
            parts += len(diff.body["parts"])
            size += len(json.dumps(diff.body, ensure_ascii=False).encode())
            masked.update(diff.message.redacted)
    existing = changes.existing
    has_new_totals = existing is not None and existing.hash != changes.session_hash()
    return PlannedSync(
        session_id=changes.session.id,
        title=changes.session.title or "",
        messages=messages,
        parts=parts,
        size=size,
        masked=masked,
        sends_totals=bool(messages) or has_new_totals,
    )
