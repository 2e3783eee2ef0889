"""Compares what a destination stores of one session with what would be sent now; makes no calls.

Differences are described without any content, as the descriptions may end up in a log.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from difflib import SequenceMatcher
from functools import partial
from typing import Any, Literal

from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery.diff import MessageDiff
from opensync_hooks.delivery.json_values import truncate
from opensync_hooks.ledger.session_record import MessageState
from opensync_hooks.model import Json

DifferenceKind = Literal[
    "missing session",
    "missing message",
    "deleted message",
    "missing part",
    "changed part",
    "surplus part",
    "wrong tokens",
    "wrong cost",
    "changed field",
    "older masks",
    "double message",
    "surplus message",
    "not synced",
    "quarantined",
    "census",
    "nothing understood",
    "not read",
]
_Change = tuple[DifferenceKind, str]
_SESSION_TEXTS = ("title", "projectPath", "projectName", "model", "provider")
_NUMBERS: Mapping[str, DifferenceKind] = {
    "promptTokens": "wrong tokens",
    "completionTokens": "wrong tokens",
    "durationMs": "changed field",
}
_RECOUNTED_FIELD = "agentCost"
"""What of it is its own may only be known after its original or its forks were delivered."""
_MAX_ID_LENGTH = 40
_UNDONE_MARK = "[undone]"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not stored as it would be sent now."""

    kind: DifferenceKind
    session_id: str
    description: str
    """Without content, and without a full stop."""
    message_id: str | None = None
    """The id under which the message was delivered; None for the session itself."""

    def as_json(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "session_id": self.session_id,
            "what": self.description,
            "message_id": self.message_id,
        }


@dataclass(slots=True)
class Comparison:
    """Compares one session, and counts what it compared."""

    session_id: str
    remote_id: str
    messages: int = 0
    parts: int = 0
    surplus: int = 0
    """Stored messages that the agent no longer has."""
    undone: list[Json] = field(default_factory=list)
    """Those of them that are marked as undone."""
    later: int = 0
    """Messages whose stored time is later than ours."""
    mask: Callable[[Json], Json] = lambda row: row
    """Masks a stored row by today's rules."""

    def difference(self, kind: DifferenceKind, description: str) -> Difference:
        return Difference(kind, self.session_id, description)

    def session(self, sent: Json, extra: Json, stored: Json) -> Iterator[Difference]:
        """Compare title, model, totals and the like. Unknown values are not sent, nor compared."""
        for kind, description in self._explained(partial(_session, sent, extra), stored):
            yield self.difference(kind, description)

    def _explained(
        self, compare: Callable[[Json], Iterator[_Change]], stored: Json, note: str = ""
    ) -> Iterator[_Change]:
        """Yield the changes with the note, or a single one if only today's masks are missing."""
        changes = tuple(compare(stored))
        if changes and not any(compare(self.mask(stored))):
            yield "older masks", "was masked by older rules"
            return
        for kind, description in changes:
            yield kind, description + note

    def all_messages(
        self, sent: Iterable[MessageDiff], stored: Sequence[Json], deleted: Iterable[str] = ()
    ) -> Iterator[Difference]:
        """Compare message by message and part by part; `stored` is the destination's list.

        `deleted`: ids of messages that the agent has deleted, which should be marked as undone.
        """
        by_id = {str(row.get("externalId")): row for row in stored}
        if len(by_id) < len(stored):
            description = f"{len(stored) - len(by_id)} messages are stored twice under one id"
            yield self.difference("double message", description)
        matched: dict[tuple[str, ...], str] = {}
        for number, diff in enumerate(sent, 1):
            label = f"message {number} ({diff.body.get('role')}, {_short(diff.sent_id)})"
            ids = (diff.sent_id, diff.message.id, *diff.message.aliases)
            remote_ids = {diff.external_id(self.remote_id): diff.sent_id}
            remote_ids |= {self._remote(name): name for name in ids}
            remote_id = next(filter(by_id.__contains__, remote_ids), None)
            if remote_id is None:
                yield from self._absent(label, diff)
                continue
            stored_id, row = remote_ids[remote_id], by_id.pop(remote_id)
            matched.setdefault(_content_key(row), stored_id)
            self.messages += 1
            self.parts += len(diff.body.get("parts", ()))
            self.later += _is_later(diff.body.get("createdAt"), row.get("createdAt"))
            has_changed = diff.existing is not None and diff.existing.hash != diff.content_hash
            note = ", as it has changed here since the last sync" if has_changed else ""
            for kind, description in (
                () if diff.message.spare else self._explained(partial(_message, diff), row, note)
            ):
                yield Difference(kind, self.session_id, f"{label}: {description}", stored_id)
        for message_id in deleted:
            if by_id.pop(self._remote(message_id), None):
                fact = f"message {_short(message_id)} was deleted here, but is not marked as undone"
                yield Difference("deleted message", self.session_id, fact, message_id)
        for row in by_id.values():
            self.surplus += 1
            twin = matched.get(_content_key(row))
            if twin:
                description = f"message {_short(twin)} is stored twice under two ids"
                yield self.difference("double message", description)
            elif str(row.get("textContent") or "").startswith(_UNDONE_MARK):
                self.undone.append(row)
            else:
                name = str(row.get("externalId")).removeprefix(f"{self.remote_id}:")
                label = f"surplus message ({row.get('role')}, {_short(name)})"
                yield self.difference("surplus message", f"{label}: the agent no longer has it")

    def _absent(self, label: str, diff: MessageDiff) -> Iterator[Difference]:
        if diff.existing is None:
            if not diff.is_withheld:
                yield self.difference("not synced", f"{label} is not synced yet")
        elif diff.existing.state is MessageState.QUARANTINED:
            yield self.difference("quarantined", f"{label} is quarantined: it was refused")
        else:
            description = f"{label} is missing"
            yield Difference("missing message", self.session_id, description, diff.sent_id)

    def _remote(self, message_id: str) -> str:
        return truncate(f"{self.remote_id}:{message_id}")


def _session(sent: Json, extra: Json, stored: Json) -> Iterator[_Change]:
    for name in (*_SESSION_TEXTS, *({"source"} & stored.keys())):  # OpenSync shows no source
        if name in sent and stored.get(name) != sent[name]:
            yield "changed field", f"{name} is different"
    yield from _numbers(sent, stored)
    yield from _number("cost", "wrong cost", sent, stored)
    yield from _extras(extra, stored)


def _message(diff: MessageDiff, stored: Json) -> Iterator[_Change]:
    body = diff.body
    for name in ("role", "model"):
        if name in body and stored.get(name) != body[name]:
            yield "changed field", f"{name} is different"
    if (stored.get("textContent") or "") != body.get("textContent", ""):
        yield "changed field", "its text outside the parts is different"
    yield from _numbers(body, stored)
    yield from _extras(diff.extra, stored)
    yield from _parts(body.get("parts", []), stored.get("parts") or [])


def _numbers(sent: Json, stored: Json) -> Iterator[_Change]:
    for name, kind in _NUMBERS.items():
        yield from _number(name, kind, sent, stored)


def _number(name: str, kind: DifferenceKind, sent: Json, stored: Json) -> Iterator[_Change]:
    expected, actual = sent.get(name, 0), stored.get(name) or 0
    is_number = isinstance(actual, int | float)
    if not is_number or not math.isclose(expected, actual, rel_tol=1e-9, abs_tol=1e-9):
        yield kind, f"{name} is {actual}, but should be {expected}"


def _extras(extra: Json, stored: Json) -> Iterator[_Change]:
    """Compare what only the embedded store keeps; `extra` is empty for any other destination."""
    stored_extra = stored.get("extra") or {}
    comparable = ((name, value) for name, value in extra.items() if name != _RECOUNTED_FIELD)
    names = [name for name, value in comparable if stored_extra.get(name) != value]
    if names:
        yield "changed field", f"{', '.join(names)} is different"


def _parts(sent: list[Json], stored: list[Json]) -> Iterator[_Change]:
    ours = [_canonical(part) for part in sent]
    theirs = [_canonical(part) for part in _without_padding(sent, stored)]
    if ours == theirs:  # the matcher is slow on long lists of equal parts
        return
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    for tag, start, end, stored_start, stored_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        replaced = min(end - start, stored_end - stored_start)
        for index in range(start, end):
            label = f"part {index + 1} ({sent[index]['type']})"
            if index - start < replaced:
                yield "changed part", f"{label} is different"
            else:
                yield "missing part", f"{label} is missing"
        surplus = stored_end - stored_start - replaced
        if surplus:
            yield "surplus part", f"{surplus} surplus {'part' if surplus == 1 else 'parts'}"


def _without_padding(sent: list[Json], stored: list[Json]) -> list[Json]:
    """Undo the space that the client puts before a text so that the server cuts it elsewhere."""
    for index, (ours, theirs) in enumerate(zip(sent, stored, strict=False)):
        if ours["type"] == "text":
            if theirs.get("content") == f" {ours['content']}":
                return [*stored[:index], ours, *stored[index + 1 :]]
            break
    return stored


def _is_later(sent: int | None, stored: object) -> bool:
    """Whether the stored time is later. Earlier is right: the server replaces future times."""
    return sent is not None and isinstance(stored, int | float) and stored > sent


def _content_key(stored: Json) -> tuple[str, ...]:
    """Return a key that is equal for two messages that look the same to a reader."""
    texts = (str(stored.get(name)) for name in ("role", "createdAt", "textContent"))
    return (*texts, _canonical(stored.get("parts")))


def _canonical(value: Any) -> str:
    """Return the same text for the same JSON value, however its numbers are written."""
    try:
        return json.dumps(_with_integers(value), sort_keys=True)
    except RecursionError:
        return "nested more deeply than anything that is sent"


def _with_integers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_integers(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_with_integers(child) for child in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _short(message_id: str) -> str:
    return message_id[:_MAX_ID_LENGTH]
