"""Why a request got no response. The library's own text is not shown: it may hold what was sent."""

from __future__ import annotations

import errno
import socket
from enum import Enum

import requests

from opensync_hooks.errors import UnreachableError


class NetworkErrorKind(Enum):
    """The kinds of network failure, each with its reason and its next step for the user."""

    UNKNOWN_HOST = "unknown host name", "Check how the URL is spelled."
    NO_NETWORK = "no network connection", "Try again when you are online."
    NO_ROUTE = "no route to host", "Check the network."
    NOT_LISTENING = "nothing is listening there", "Check the URL and its port."
    NO_RESPONSE = "no response", "Try again later."
    TOO_SLOW = "the response takes too long", "Try again later."
    BROKEN = "the connection broke off", "Check the network, then the URL."
    PROXY = "refused by the proxy", "Check the settings of the proxy."
    NO_HTTP_PROXY = (
        "HTTPS_PROXY or ALL_PROXY names no HTTP proxy, and SOCKS is not supported",
        "Name an http:// proxy in HTTPS_PROXY, or exempt the host in NO_PROXY.",
    )
    TLS = "no encrypted connection", "Check the URL and its port, and the settings of the proxy."
    OTHER = "network error", "Check the network, then the URL."


class NetworkError(UnreachableError):
    """The server sent no response, or not all of one."""

    kind: NetworkErrorKind

    def __init__(self, url: str, kind: NetworkErrorKind, reason: str = "") -> None:
        text, hint = kind.value
        super().__init__(f"{url}: cannot be reached ({reason or text}).", hint)
        self.kind = kind


_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
_BY_CLASS_NAME = {
    "NameResolutionError": NetworkErrorKind.UNKNOWN_HOST,
    "NewConnectionError": NetworkErrorKind.NOT_LISTENING,
    "ConnectTimeoutError": NetworkErrorKind.NO_RESPONSE,
    "ReadTimeout": NetworkErrorKind.NO_RESPONSE,
    "ReadTimeoutError": NetworkErrorKind.NO_RESPONSE,
    "ProtocolError": NetworkErrorKind.BROKEN,
    "ChunkedEncodingError": NetworkErrorKind.BROKEN,
    "ConnectionError": NetworkErrorKind.BROKEN,
    "ProxyError": NetworkErrorKind.PROXY,
    **dict.fromkeys(  # the first for SOCKS without its library, the others for no URL
        ("InvalidSchema", "InvalidProxyURL", "ProxySchemeUnknown", "LocationParseError"),
        NetworkErrorKind.NO_HTTP_PROXY,
    ),
}
"""By class of requests or urllib3; urllib3's are named here because it is not ours to import."""


def network_error(url: str, error: requests.RequestException) -> NetworkError:
    """Translate an exception of requests, by the operating system's code if there is one."""
    system_error = _system_error(error)
    if isinstance(system_error, socket.gaierror) and system_error.errno == socket.EAI_AGAIN:
        # The name service is out of reach, whereas for an unknown name it would say so.
        return NetworkError(url, NetworkErrorKind.NO_NETWORK)
    if system_error is not None and system_error.errno in _NO_ROUTE:
        return NetworkError(url, NetworkErrorKind.NO_ROUTE)
    inner = error.args[0] if error.args else None
    cause = getattr(inner, "reason", None) or inner
    class_name = type(cause if isinstance(cause, BaseException) else error).__name__
    kind = _BY_CLASS_NAME.get(class_name, NetworkErrorKind.OTHER)
    return NetworkError(url, kind, class_name if kind is NetworkErrorKind.OTHER else "")


def _system_error(error: BaseException) -> OSError | None:
    """Return the innermost OSError that is not an exception of requests."""
    inner = error.__cause__ or error.__context__
    deeper = _system_error(inner) if inner else None
    if deeper or not isinstance(error, OSError) or isinstance(error, requests.RequestException):
        return deeper
    return error
