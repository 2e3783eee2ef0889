"""Why a request got no answer, in a few words; the error's own text may hold what was sent."""

from __future__ import annotations

import errno
import socket

import requests

NO_NAME = "no host has this name"
NO_NETWORK = "there is no network"
NO_WAY = "there is no way to it"
SILENT = "it does not answer"
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
_BY_KIND = {
    "NameResolutionError": NO_NAME,
    "NewConnectionError": "nothing listens there",
    "ConnectTimeoutError": SILENT,
    "ReadTimeout": SILENT,
    "ReadTimeoutError": SILENT,
    "ProtocolError": "the connection broke",
    "ChunkedEncodingError": "the connection broke",
    "ConnectionError": "the connection broke",
    "ProxyError": "the proxy refuses",
}


def why(error: requests.exceptions.RequestException) -> str:
    """The cause as the system tells it, else the kind of error."""
    said = _system(error)
    if isinstance(said, socket.gaierror) and said.errno == socket.EAI_AGAIN:
        return NO_NETWORK  # a name service that cannot be asked, where another one says no
    if said is not None and said.errno in _NO_WAY:
        return NO_WAY
    cause = getattr(error.args[0], "reason", None) if error.args else None
    name = type(cause or error).__name__
    return _BY_KIND.get(name, name)


def _system(error: BaseException) -> OSError | None:
    """What the operating system said, below the layers that are put around it."""
    found: OSError | None = None
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            break
        if isinstance(seen, OSError) and not isinstance(seen, requests.RequestException):
            found = seen
        inner = seen.args[0] if seen.args else None
        below = seen.__cause__ or seen.__context__ or getattr(inner, "reason", None) or inner
        seen = below if isinstance(below, BaseException) else None
    return found
