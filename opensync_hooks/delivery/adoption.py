"""Takes over what a destination has of a session that this installation has not sent.

A message with one of our ids is the same message, whoever sent it. Older plugins have ids of their
own: their messages are recognized by role and text, stay as they are, and are replaced in their
place only where the user asks for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import field, replace

from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery.diff import MessageDiff, SessionDiff
from opensync_hooks.delivery.json_values import size_in_bytes
from opensync_hooks.ledger.session_record import MessageState
from opensync_hooks.ledger.totals import NO_TOTALS, Totals
from opensync_hooks.model import Json


def adopt(diff: SessionDiff, stored: Json) -> SessionDiff:
    """Enter into the ledger which messages are stored; return the diff that lacks only the rest.

    A message that another program's session has no equal of, but that is older than its last one,
    counts as left out by that program: only `sync --force` sends it.
    """
    match, record = _match(diff, stored), diff.record
    own_total, totals = _own_total(diff), _totals(stored)
    others = _others(match, own_total, totals)
    adopted = replace(diff, others=others)
    is_left = bool(match.strangers) or totals.is_close(own_total + others)
    record.adopt(
        str(stored["session"]["id"]),
        adopted.session_hash() if is_left else None,
        adopted.session_payload()[0].get("title"),
        totals,
        others,
    )
    for message, row in match.pairs:
        state, content_hash = MessageState.CONFIRMED, message.content_hash
        own_id = message.external_id(str(stored["session"]["id"]))
        is_own = row["externalId"] == own_id
        if is_own and size_in_bytes(message.body["parts"]) > size_in_bytes(row.get("parts", [])):
            state, content_hash = MessageState.PENDING, ""
        stored_as = None if is_own else str(row["externalId"])
        record.set_messages([(message.sent_id, content_hash, state, None)], stored_as)
    latest = max((row.get("createdAt") or 0 for row in match.strangers), default=None)
    for message in match.missing:
        if latest is not None and (message.body.get("createdAt") or 0) <= latest:
            record.set_message(message.sent_id, message.content_hash, MessageState.DISMISSED)
    return replace(diff, existing=record.remote_session(), others=others)


def recount(diff: SessionDiff, stored: Json) -> SessionDiff:
    """Return the diff with what others have contributed to the totals that are stored now."""
    totals, match = _totals(stored), _match(diff, stored)
    others = _others(match, _own_total(diff), totals)
    diff.record.set_totals(totals, others)
    return replace(diff, existing=diff.record.remote_session(), others=others)


def expected(diff: SessionDiff, stored: Json) -> SessionDiff:
    """Return the diff with what the stored messages of others say of their part in the totals.

    No message has a cost, so that of others is taken to be right.
    """
    match = _match(diff, stored)
    own_total = _own_total(diff)
    others = sum(map(Totals.from_json, match.foreign), NO_TOTALS)
    if match.foreign:
        others = replace(others, cost=max(0, _totals(stored).cost - own_total.cost))
    return replace(diff, others=others)


@dataclass(slots=True)
class _Match:
    """Which of our messages are stored, and which stored ones are not ours."""

    pairs: list[tuple[MessageDiff, Json]] = field(default_factory=list)
    missing: list[MessageDiff] = field(default_factory=list)
    foreign: list[Json] = field(default_factory=list)
    """Rows of messages that this machine does not have."""
    strangers: list[Json] = field(default_factory=list)
    """Rows under ids of another program, whether we have the message or not."""


def _match(diff: SessionDiff, stored: Json) -> _Match:
    match, prefix = _Match(), f"{stored['session']['id']}:"
    rows = {str(row.get("externalId")): row for row in stored["messages"]}
    # Where a session was deleted while it was sent, ids begin with the id that it had before.
    by_local_id = {name.partition(":")[2]: name for name in rows if not name.startswith(prefix)}
    unmatched: list[MessageDiff] = []
    for message in diff.messages():
        local_ids = (message.sent_id, message.message.id, *message.message.aliases)
        names = [message.external_id(prefix[:-1]), *(prefix + name for name in local_ids)]
        names += [by_local_id[name] for name in local_ids if name in by_local_id]
        name = next((name for name in names if name in rows), None)
        if name is None:
            unmatched.append(message)
        else:
            match.pairs.append((message, rows.pop(name)))
    for name in diff.record.message_hashes():  # what the agent has deleted since
        rows.pop(prefix + name, None)
    by_text = defaultdict(list)
    for name, row in rows.items():
        if not name.startswith(prefix):
            match.strangers.append(row)
            by_text[row.get("role"), _text(row)].append(name)
    for message in unmatched:
        text = _text(message.body)
        twins = by_text[message.body.get("role"), text] if text else []
        if twins:
            match.pairs.append((message, rows.pop(twins.pop(0))))
        else:
            match.missing.append(message)
    match.foreign.extend(rows.values())
    return match


def _others(match: _Match, own: Totals, stored: Totals) -> Totals:
    """Return the part of the totals that is not ours; none where all stored messages are ours."""
    if not match.foreign:
        return NO_TOTALS
    added = sum((_charged(message) for message in match.missing), NO_TOTALS)
    by_message = sum(map(Totals.from_json, match.foreign), NO_TOTALS)
    return by_message.largest(stored + added - own).largest(NO_TOTALS)


def _charged(message: MessageDiff) -> Totals:
    charge = message.message.charge
    return replace(Totals.from_json(message.body), cost=charge.cost or 0 if charge else 0)


def _own_total(diff: SessionDiff) -> Totals:
    return Totals.from_json(replace(diff, others=NO_TOTALS).session_payload()[0])


def _totals(stored: Json) -> Totals:
    return Totals.from_json(stored["session"])


def _text(body: Json) -> str:
    return "\n\n".join(_texts(body)).strip() or str(body.get("textContent") or "").strip()


def _texts(body: Json) -> Iterator[str]:
    for part in body.get("parts") or ():
        if part.get("type") == "text" and isinstance(part.get("content"), str):
            yield part["content"]
