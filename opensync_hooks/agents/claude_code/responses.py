"""Tells the responses of one conversation apart.

All lines of a response share its `message.id` and `requestId`. Some gateways give several responses
the same id: then the request separates them, or, where there is none, a user line between them.
"""

from __future__ import annotations

from dataclasses import field
from typing import NamedTuple

from opensync_hooks.agents.json_access import get_str
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json


class ResponseIds(NamedTuple):
    message_id: str
    """Unique in its session."""
    charge_id: str
    """The same in the copies of a fork, whose lines keep their uuids, and in no other session."""


@dataclass(slots=True)
class Responses:
    _turn: int = 0
    """The number of user lines so far."""
    _ids: dict[tuple[str, str | int], ResponseIds] = field(default_factory=dict)
    """By `message.id`, and by the request, or else by the turn."""
    _message_ids: set[str] = field(default_factory=set)

    def begin_turn(self) -> None:
        self._turn += 1

    def identify(self, line: Json) -> ResponseIds:
        """Return the ids of the response that the line is a block of."""
        uuid, request_id = line["uuid"], get_str(line, "requestId")
        message_id = get_str(line, "message", "id") or uuid
        key = message_id, request_id or self._turn
        if key not in self._ids:
            is_first = message_id not in self._message_ids
            self._message_ids.add(message_id)
            self._ids[key] = ResponseIds(
                message_id if is_first else f"{message_id}:{request_id or uuid}",
                f"{message_id}:{request_id}" if request_id else uuid,
            )
        return self._ids[key]
