"""What a sync would send, counted and weighed; nothing is sent, and nothing changed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NoReturn

from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import Config
from opensync_hooks.delivery import payloads
from opensync_hooks.delivery.delivery import Delivery, is_due
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.protocol import BatchReply
from opensync_hooks.ledger import readonly
from opensync_hooks.ledger.session_record import MessageState
from opensync_hooks.model import Json


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One session, subagent or volume, as far as the destination does not have it."""

    session_id: str
    title: str = ""
    messages: int = 0
    parts: int = 0
    weight: int = 0
    """Bytes."""
    masked: Mapping[str, int] = field(default_factory=Counter)
    """The secrets that would be taken out, by kind."""
    head: bool = False
    """Title or totals would be sent."""
    excluded: str | None = None
    """Why it stays here."""

    @property
    def leaves(self) -> bool:
        return bool(self.messages or self.head)


@dataclass(frozen=True, slots=True)
class _Nowhere:
    """Stands for the destination, and is never called."""

    name: str
    keeps_extra: bool

    def put_session(self, body: Json, extra: Json) -> NoReturn:
        raise NotImplementedError

    def put_message(self, body: Json, extra: Json, *, replaces: bool) -> NoReturn:
        raise NotImplementedError

    def put_batch(self, body: Json) -> BatchReply:
        raise NotImplementedError


@contextmanager
def stage(config: Config) -> Iterator[Syncer]:
    """A syncer that knows what was confirmed, and that nothing can be sent with."""
    nowhere = _Nowhere(config.destination, keeps_extra=not config.url)
    with readonly.copied(config.folders.ledger) as ledger:
        yield Syncer(config, nowhere, ledger)


def rehearse(
    syncer: Syncer, source: Source, located: Located, *, force: bool = False
) -> Iterator[Rehearsed]:
    """The session and what belongs to it. Raises SourceError."""
    for one in syncer.preview(source, located):
        if isinstance(one, Delivery):
            yield _weighed(one, force=force)
        else:
            yield Rehearsed(one.session_id, excluded=one.reason)


def _weighed(delivery: Delivery, *, force: bool) -> Rehearsed:
    known = delivery.known = delivery.record.remote_session()
    messages = parts = weight = 0
    masked = Counter[str]()
    for message, body, extra, taken, _ in delivery.messages():
        _, entry = delivery.known_as(message)
        if force and entry:
            entry = replace(entry, state=MessageState.PENDING)
        if is_due(message, payloads.digest(body, extra), entry):
            messages += 1
            parts += len(body["parts"])
            weight += len(json.dumps(body, ensure_ascii=False).encode())
            masked += taken
    head = known is not None and known.hash != payloads.digest(*delivery.head())
    return Rehearsed(
        session_id=delivery.session.id,
        title=delivery.session.title or "",
        messages=messages,
        parts=parts,
        weight=weight,
        masked=masked,
        head=bool(messages) or head,
    )
