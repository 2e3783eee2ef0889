"""What goes wrong in a deployment and when, and a few numbers that the processes of a trial
share.
"""

from __future__ import annotations

import json
import mmap
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from opensync_hooks.server.routes import Response

Manner = Literal["whole", "nothing", "hang", "slow", "twice"]
_SLOTS = ("connects", "healed", "struck", "lost answers")


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `number` counts from 0 over all connections, in order of arrival."""

    number: int
    method: str
    path: str
    body: bytes

    def json(self) -> dict[str, Any]:
        value = json.loads(self.body or b"{}")
        return value if isinstance(value, dict) else {}

    @property
    def message_id(self) -> str:
        """Return the agent's id of the message in it; empty for other requests."""
        if self.path != "/sync/message":
            return ""
        return str(self.json().get("externalId", "")).partition(":")[2]


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request. `stored`: the server has carried it out before."""

    manner: Manner = "whole"
    answer: Response | None = None
    stored: bool = False


class Plan:
    """The plan in which nothing goes wrong. It lives in the server's process."""

    keeps_alive = True
    secure: Mapping[str, ssl.SSLContext] | None = None

    def connection(self, _number: int) -> str:
        """Return `reset`, the name of a certificate in `secure`, or `good`."""
        return "good"

    def request(self, _request: Request) -> Fault | None:
        return None


class Board:
    """A few numbers that the processes of a trial share."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._hanging = mmap.mmap(-1, 1 << 16)
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> int:
        offset = _SLOTS.index(name) * 8
        return int.from_bytes(self._page[offset : offset + 8], "little")

    def __setitem__(self, name: str, value: int) -> None:
        offset = _SLOTS.index(name) * 8
        self._page[offset : offset + 8] = value.to_bytes(8, "little")

    def hangs(self, port: int) -> bool:
        """Return whether the client at this port will never get a response."""
        return bool(self._hanging[port])

    def hang(self, port: int, *, hangs: bool = True) -> None:
        self._hanging[port] = hangs

    def count(self, name: str) -> int:
        """Add one; return the previous value."""
        with self._lock:
            was = self[name]
            self[name] = was + 1
        return was
