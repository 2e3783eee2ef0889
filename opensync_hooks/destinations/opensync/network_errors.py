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
    inner = error.args[0] if error.args else None
    cause = getattr(inner, "reason", None) or inner
    name = type(cause if isinstance(cause, BaseException) else error).__name__
    return _BY_KIND.get(name, name)


def _system(error: BaseException) -> OSError | None:
    """What the operating system said, below the layers that are put around it."""
    below = error.__cause__ or error.__context__
    found = _system(below) if below else None
    if found or not isinstance(error, OSError) or isinstance(error, requests.RequestException):
        return found
    return error
