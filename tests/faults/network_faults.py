"""The eighteen network faults, each with its variants and the class of its response."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Literal

from opensync_hooks.server.routes import Response
from tests.faults.clock import CLOCK
from tests.faults.plan import Fault

Class = Literal["passing", "permanent", "stop"]
"""Passing: tried again by itself. Permanent: parked with the reason. Stop: the queue rests."""


@dataclass(frozen=True, slots=True)
class NetworkFault:
    """One fault. `way`: where it occurs, on the way to the server, at its socket, or in its
    response.
    """

    name: str
    meaning: Class
    way: Literal["way", "door", "answer"]
    variants: tuple[str, ...] = ("",)

    @property
    def needs_tls(self) -> bool:
        return self.name.startswith("certificate")


FAULTS = (
    NetworkFault("name unknown", "passing", "way"),
    NetworkFault("refused", "passing", "way"),
    NetworkFault("connect timeout", "passing", "way"),
    NetworkFault("certificate unknown", "stop", "door", ("unknown",)),
    NetworkFault("certificate of another host", "stop", "door", ("other host",)),
    NetworkFault("reset", "passing", "answer", ("before", "during", "after")),
    NetworkFault("read timeout after storing", "passing", "answer"),
    NetworkFault("cut JSON", "passing", "answer"),
    NetworkFault("HTML with 200", "passing", "answer"),
    NetworkFault("redirect", "passing", "answer"),
    NetworkFault("401", "stop", "answer"),
    NetworkFault("413", "permanent", "answer"),
    NetworkFault("429", "passing", "answer", ("seconds", "date")),
    NetworkFault("500 passing", "passing", "answer"),
    NetworkFault("500 validation", "permanent", "answer"),
    NetworkFault("50x", "passing", "answer", ("502", "503", "504")),
    NetworkFault("one byte a second", "passing", "answer"),
    NetworkFault("answer twice", "passing", "answer"),
)
_HTML = {"Content-Type": "text/html"}
_OCCUPIED = (
    'Documents read from or written to the "sessions" table changed while this mutation was being '
    "run and on every subsequent retry."
)
_INVALID = "Error: ArgumentValidationError: Value does not match validator. Path: .parts[0]"


def _error(status: int, text: str, headers: Mapping[str, str] | None = None) -> Fault:
    return Fault(answer=Response(status, json.dumps({"error": text}).encode(), headers or {}))


def armed(name: str, variant: str, trap: int, seconds: int) -> Fault:
    """Return what the server does. `trap`: a port that no client may be sent to.

    `seconds`: how long it asks the client to wait, if it does.
    """
    later = {"Retry-After": str(seconds)}
    if variant == "date":
        at = CLOCK.true_ms() / 1000 + seconds + 1
        later = {"Retry-After": formatdate(at, usegmt=True)}
    there = {"Location": f"http://localhost:{trap}/sync/session"}
    faults = {
        "reset": Fault(
            "nothing", Response(0, b"") if variant == "during" else None, stored=variant == "after"
        ),
        "read timeout after storing": Fault("hang", stored=True),
        "cut JSON": Fault(answer=Response(200, b'{"ok":true,"mess', {"Content-Length": "16"})),
        "HTML with 200": Fault(answer=Response(200, b"<html>Sign in to Hotel WiFi</html>", _HTML)),
        "redirect": Fault(answer=Response(307, b"", there)),
        "401": _error(401, "Invalid API key"),
        "413": Fault(answer=Response(413, b"<html>Too Large</html>", _HTML)),
        "429": _error(429, "Too many requests", later),
        "500 passing": _error(500, _OCCUPIED),
        "500 validation": _error(500, _INVALID),
        "50x": Fault(answer=Response(int(variant or 0), b"<html>Bad gateway</html>", _HTML)),
        "one byte a second": Fault("slow", stored=True),
        "answer twice": Fault("twice", stored=True),
    }
    return faults[name]
