"""What a destination holds of one session against what would be sent of it now: no call is made.

Names what differs, never what is said in it: the sentences may stand in any log.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Literal

from opensync_hooks.delivery import payloads
from opensync_hooks.delivery.json_values import truncate
from opensync_hooks.ledger.session_record import MessageRecord, MessageState
from opensync_hooks.model import Json

Kind = Literal[
    "missing session",
    "missing message",
    "missing part",
    "changed part",
    "surplus part",
    "wrong tokens",
    "wrong cost",
    "changed field",
    "double message",
    "not synced",
    "set aside",
]
_TEXTS = ("title", "projectPath", "projectName", "model", "provider")
_TOKENS = ("promptTokens", "completionTokens")
_LONGEST_ID = 40


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not at the destination as it would be sent now."""

    kind: Kind
    session_id: str
    what: str
    """A sentence without its full stop, which names no content."""
    message_id: str | None = None
    """The name that the message was delivered under; None for the session itself."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One message as it would be sent now."""

    names: tuple[str, ...]
    """Its ids within the session, the first of them for a first delivery."""
    body: Json
    extra: Json
    entry: MessageRecord | None
    """What the ledger says of it."""
    undone: bool = False
    spare: bool = False

    @property
    def changed_since(self) -> bool:
        """Whether it was another one when it was last sent."""
        return self.entry is not None and self.entry.hash != payloads.digest(self.body, self.extra)


@dataclass(slots=True)
class Comparison:
    """Compares one session; afterwards, what of it was counted."""

    session_id: str
    remote_id: str
    messages: int = 0
    parts: int = 0
    surplus: int = 0
    """Messages that are there and that the agent no longer has."""
    later: int = 0
    """Messages that bear a later time there."""

    def head(self, sent: Json, extra: Json, there: Json) -> Iterator[Difference]:
        """Title, model, totals and the like. What is not known is not sent, and stays as it is."""
        for name in _TEXTS:
            if name in sent and there.get(name) != sent[name]:
                yield self._of("changed field", f"{name} is another one")
        for name in _TOKENS:
            yield from self._count("wrong tokens", name, sent, there)
        yield from self._count("wrong cost", "cost", sent, there)
        yield from self._count("changed field", "durationMs", sent, there)
        for kind, what in _extras(extra, there):
            yield self._of(kind, what)

    def all(self, sent: Iterable[Sent], there: Iterable[Json]) -> Iterator[Difference]:
        """Message by message, part by part. `there` is the destination's list."""
        rows = list(there)
        by_id = {str(one.get("externalId")): one for one in rows}
        if len(by_id) < len(rows):
            what = f"{len(rows) - len(by_id)} of its messages are there twice, under one name"
            yield self._of("double message", what)
        met: dict[tuple[str, ...], str] = {}
        for number, message in enumerate(sent, 1):
            found = [name for name in message.names if self._remote(name) in by_id]
            if not found:
                yield from self._absent(number, message)
                continue
            name = found[0]
            held = by_id.pop(self._remote(name))
            met.setdefault(_looks(held), name)
            self.messages += 1
            self.parts += len(message.body.get("parts", ()))
            label = _label(number, message)
            self.later += _is_later(held, message)
            since = ", for it has changed here since it was synced" if message.changed_since else ""
            for kind, what in () if message.spare else _compared(message, held):
                yield Difference(kind, self.session_id, f"{label}: {what}{since}", name)
        for held in by_id.values():
            self.surplus += 1
            twin = met.get(_looks(held))
            if twin:
                what = f"message {twin[:_LONGEST_ID]} is there twice, under two names"
                yield self._of("double message", what)

    def _absent(self, number: int, message: Sent) -> Iterator[Difference]:
        label, entry = _label(number, message), message.entry
        if entry is None and not message.undone:
            yield Difference("not synced", self.session_id, f"{label} is not synced yet")
        elif entry is not None and entry.state is MessageState.QUARANTINED:
            what = f"{label} is set aside, as the destination refuses it"
            yield Difference("set aside", self.session_id, what)
        elif entry is not None:
            name = message.names[0]
            yield Difference("missing message", self.session_id, f"{label} is missing", name)

    def _remote(self, name: str) -> str:
        return truncate(f"{self.remote_id}:{name}")

    def _count(self, kind: Kind, name: str, sent: Json, there: Json) -> Iterator[Difference]:
        wanted, found = sent.get(name, 0), there.get(name) or 0
        if not _same_number(wanted, found):
            yield self._of(kind, f"{name} is {found}, and should be {wanted}")

    def _of(self, kind: Kind, what: str) -> Difference:
        return Difference(kind, self.session_id, what)


def _compared(message: Sent, held: Json) -> Iterator[tuple[Kind, str]]:
    body = message.body
    for name in ("role", "model"):
        if name in body and held.get(name) != body[name]:
            yield "changed field", f"{name} is another one"
    if (held.get("textContent") or "") != body.get("textContent", ""):
        yield "changed field", "its text beside the parts is another one"
    for name in (*_TOKENS, "durationMs"):
        wanted, found = body.get(name, 0), held.get(name) or 0
        if not _same_number(wanted, found):
            kind: Kind = "changed field" if name == "durationMs" else "wrong tokens"
            yield kind, f"{name} is {found}, and should be {wanted}"
    yield from _extras(message.extra, held)
    yield from _parts(body.get("parts", ()), held.get("parts") or ())


def _extras(extra: Json, there: Json) -> Iterator[tuple[Kind, str]]:
    """What only the embedded store has room for; `extra` is empty for any other destination."""
    held = there.get("extra") or {}
    names = [name for name, value in extra.items() if held.get(name) != value]
    if names:
        yield "changed field", f"another {', '.join(names)}"


def _parts(sent: Iterable[Json], there: Iterable[Json]) -> Iterator[tuple[Kind, str]]:
    wanted, found = list(sent), _unshifted(list(sent), list(there))
    ours, theirs = list(map(_canonical, wanted)), list(map(_canonical, found))
    if ours == theirs:
        return
    for _, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if ours[a:b] == theirs[c:d]:
            continue
        both = min(b - a, d - c)
        for at in range(a, b):
            fate: tuple[Kind, str] = ("changed part", "is another one")
            if at - a >= both:
                fate = ("missing part", "is missing")
            yield fate[0], f"part {at + 1} ({wanted[at]['type']}) {fate[1]}"
        surplus = d - c - both
        if surplus > 0:
            yield "surplus part", f"{surplus} more {_parts_word(surplus)} there than here"


def _unshifted(sent: list[Json], there: list[Json]) -> list[Json]:
    """Without the blank that the client puts before a text to move the server's cut."""
    for at, (ours, theirs) in enumerate(zip(sent, there, strict=False)):
        if ours["type"] == "text":
            if theirs.get("content") == f" {ours['content']}":
                return [*there[:at], ours, *there[at + 1 :]]
            break
    return there


def _is_later(held: Json, message: Sent) -> bool:
    """An earlier one is right: a time in the server's future is sent as the server's now."""
    wanted, found = message.body.get("createdAt"), held.get("createdAt")
    return wanted is not None and isinstance(found, int | float) and found > wanted


def _label(number: int, message: Sent) -> str:
    return f"message {number} ({message.body.get('role')}, {message.names[0][:_LONGEST_ID]})"


def _looks(held: Json) -> tuple[str, ...]:
    parts = _canonical(held.get("parts"))
    return str(held.get("role")), str(held.get("createdAt")), str(held.get("textContent")), parts


def _canonical(value: Any) -> str:
    """The same text for the same JSON value, however its numbers are written."""
    try:
        return json.dumps(_plain(value), sort_keys=True)
    except RecursionError:
        return "deeper than anything that is sent"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _same_number(one: float, other: object) -> bool:
    return isinstance(other, int | float) and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def _parts_word(count: int) -> str:
    return "part is" if count == 1 else "parts are"
