"""The sessions of the embedded store, read like an agent's own, so that they can be sent elsewhere.

Their agents may have deleted them. They take the same way as all others: today's privacy rules
apply, and ids are those that a sync would use. A message that has arrived already stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from opensync_hooks.agents import registry
from opensync_hooks.agents.source import Located
from opensync_hooks.dataclass import dataclass
from opensync_hooks.delivery.payloads import UNDONE_MARK
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import SourceError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import (
    Attachment,
    Charge,
    Json,
    Message,
    Part,
    Reasoning,
    Session,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)

_USAGE_FIELDS = {
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "cache_read_tokens": "cacheReadTokens",
    "cache_write_5m_tokens": "cacheWrite5mTokens",
    "cache_write_1h_tokens": "cacheWrite1hTokens",
    "reasoning_tokens": "reasoningTokens",
}


def missing_ids(store: Store, ledger: Ledger, account: str) -> list[str]:
    """Return the stored sessions that the account does not have, in order of arrival.

    One that was sent only in part is among them; one that the user deleted there is not.
    """
    rows = ledger.rows(
        "SELECT id FROM session WHERE destination = ?"
        " AND (remote_id IS NOT NULL AND head IS NOT NULL OR removed IS NOT NULL)",
        account,
    )
    complete = {session_id for (session_id,) in rows}
    return [session_id for session_id in store.session_ids() if session_id not in complete]


def locate(store: Store, session_id: str) -> tuple[StoredSessions, Located] | None:
    """Return a source of the session, and where it is; None if another program stored it."""
    stored = store.session(session_id)
    names = {registry.opensync_name(name): name for name in registry.NAMES}
    agent = names.get(stored["session"].get("source", "")) if stored else None
    if stored is None or agent is None:
        return None
    changed_at = int(stored["session"]["updatedAt"])
    located = Located(session_id, store.path, changed_at, f"store {changed_at}")
    return StoredSessions(agent, store), located


@dataclass(slots=True)
class StoredSessions:
    """One agent's sessions in the store; a source that no hook uses."""

    agent: str
    store: Store

    def parse_event(self, _payload: object) -> None:
        return None

    def find(self, _id_or_path: str) -> Located | None:
        return None

    def locate(self, _trigger: object) -> Located | None:
        return None

    def sessions(self) -> Iterable[Located]:
        return ()

    def is_settled(self, _trigger: object) -> bool:
        return True

    def read(self, located: Located) -> Iterator[Session]:
        """Yield the session alone: its subagents are sessions of the store as well."""
        stored = self.store.session(located.session_id)
        if stored is None:
            raise SourceError(f"{located.session_id}: is no longer in the embedded store.")
        yield _session(self.agent, stored["session"], stored["messages"])


def _session(agent: str, row: Json, rows: list[Json]) -> Session:
    extra = row["extra"]
    messages = tuple(map(_message, rows))
    charges = [message.charge for message in messages if message.charge]
    rest = _rest(row, charges)
    return Session(
        id=row["externalId"],
        agent=agent,
        messages=messages,
        charges=(*charges, *([rest] if rest else [])),
        title=row.get("title"),
        project_path=row.get("projectPath"),
        model=row.get("model"),
        provider=row.get("provider"),
        created_at=_integer(row.get("createdAt")),
        updated_at=_integer(extra.get("lastActivityAt")),
        duration_ms=_integer(row.get("durationMs")),
        git_branch=extra.get("gitBranch"),
        agent_version=extra.get("agentVersion"),
        end_reason=extra.get("endReason"),
        parent_id=extra.get("parentExternalId"),
        forked_from=extra.get("forkedFromExternalId"),
    )


def _message(row: Json) -> Message:
    extra, parts = row["extra"], list(row["parts"])
    if extra.get("undone"):
        parts = [part for part in map(_without_mark, parts) if part is not None]
    charge = None
    if "promptTokens" in row or "completionTokens" in row:
        usage = _usage(row, extra)
        charge = Charge(_local_id(row), row.get("model"), usage, extra.get("cost"))
    return Message(
        id=_local_id(row),
        role=row["role"],
        parts=tuple(map(partial(_part, text=row.get("textContent") or ""), parts)),
        created_at=_integer(row.get("createdAt")),
        model=row.get("model"),
        charge=charge,
        duration_ms=_integer(row.get("durationMs")),
        undone=bool(extra.get("undone")),
        aliases=tuple(extra.get("aliases") or ()),
        spare=True,
    )


def _local_id(row: Json) -> str:
    """Return the agent's own id of a message, which follows the store's id of its session."""
    return str(row["externalId"]).partition(":")[2]


def _part(part: Json, text: str) -> Part:
    content: Any = part["content"]
    match part["type"], content:
        case "tool-call", {"id": call_id, "name": name, "args": arguments}:
            category, title = content.get("category", ""), content.get("title", "")
            return ToolCall(call_id, name, arguments, category, title)
        case "tool-result", {"id": call_id, "name": name, "result": result}:
            return ToolResult(call_id, name, result, bool(content.get("isError")))
        case "reasoning", str():
            return Reasoning(content)
        case "text", str() if content.startswith("[") and content not in text:
            return Attachment(content[1:-1], None)  # whose label is no part of the message's text
    return Text(content if isinstance(content, str) else str(content))


def _without_mark(part: Json) -> Json | None:
    content = part["content"]
    if part["type"] != "text" or not isinstance(content, str):
        return part
    if content == UNDONE_MARK.rstrip():  # of a message without a text
        return None
    return {**part, "content": content.removeprefix(UNDONE_MARK)}


def _rest(row: Json, charges: Iterable[Charge]) -> Charge | None:
    """Return what the session was billed beyond its messages, such as a title that was written."""
    total = _usage(row, row["extra"])
    billed = sum((charge.usage for charge in charges), Usage())
    names = _USAGE_FIELDS
    rest = {name: max(0, getattr(total, name) - getattr(billed, name)) for name in names}
    if not any(rest.values()):
        return None
    cost = row.get("cost", 0) - sum(charge.cost or 0 for charge in charges)
    return Charge(f"{row['externalId']} rest", row.get("model"), Usage(**rest), max(0, cost))


def _usage(row: Json, extra: Json) -> Usage:
    if "inputTokens" not in extra:  # another program stored it over HTTP
        return Usage(
            _integer(row.get("promptTokens")) or 0, _integer(row.get("completionTokens")) or 0
        )
    return Usage(**{name: extra.get(field, 0) for name, field in _USAGE_FIELDS.items()})


def _integer(number: float | None) -> int | None:
    return None if number is None else int(number)
