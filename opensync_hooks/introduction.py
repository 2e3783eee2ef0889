"""The first words with a server: whether it is an OpenSync, and knows the key.

Tells apart what the user can do something about: the address, the key, the network, the server.
"""

from __future__ import annotations

import errno
import socket
from urllib.parse import urlsplit

import requests

from opensync_hooks.client import Client
from opensync_hooks.errors import (
    CertificateError,
    KeyRefusedError,
    OpenSyncError,
    UnreachableError,
    WrongAddressError,
)

_NO_NETWORK = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
_ADDRESS = "It ends in .convex.site; of a self-hosted Convex it is the address of HTTP actions."


def introduce(url: str, key: str, *, known: bool) -> None:
    """Returns where the server is an OpenSync that takes the key; it stores nothing.

    `known`: this key was accepted there before. Raises KeyRefusedError, WrongAddressError,
    UnreachableError.
    """
    try:
        with Client(url, key) as client:
            client.server_time()
            client.put_batch({})
    except KeyRefusedError as error:
        raise _refused(url, known=known) from error
    except CertificateError:
        raise
    except WrongAddressError as error:
        what = f"{url}: something answers there, but it is no OpenSync."
        raise WrongAddressError(what, _ADDRESS) from error
    except UnreachableError as error:
        raise _unreachable(url, error) from None


def _refused(url: str, *, known: bool) -> OpenSyncError:
    if known:
        return KeyRefusedError(
            f"{url}: the key that was accepted before is refused now.",
            "A new key in OpenSync's settings ends the old one: copy the new one from there.",
        )
    return KeyRefusedError(
        f"{url}: no account there has this key.", "Copy it from OpenSync's settings page."
    )


def _unreachable(url: str, error: UnreachableError) -> OpenSyncError:
    host = urlsplit(url).hostname
    cause = _cause(error)
    if isinstance(cause, socket.gaierror):
        if cause.errno == socket.EAI_AGAIN:
            return UnreachableError(f"{url}: there is no network.", "Try again when there is one.")
        return WrongAddressError(f"{host}: no host has this name.", "Check how it is spelt.")
    if isinstance(cause, TimeoutError | requests.exceptions.Timeout):
        return UnreachableError(
            f"{url}: takes the connection, but is too slow to answer.", "Try again later."
        )
    if isinstance(cause, OSError) and cause.errno in _NO_NETWORK:
        return UnreachableError(f"{url}: there is no way to it.", "Check the network.")
    if "not OpenSync's" in str(error):
        what = f"{url}: something answers there, but it is no OpenSync."
        return WrongAddressError(what, _ADDRESS)
    return UnreachableError(str(error), error.hint or "Try again later.")


def _cause(error: BaseException) -> BaseException | None:
    """What the operating system said, below the layers that requests puts around it."""
    seen: BaseException | None = error
    found: BaseException | None = None
    while seen is not None:
        if isinstance(seen, OSError):
            found = seen
        seen = _below(seen)
    return found


def _below(error: BaseException) -> BaseException | None:
    inner = error.__cause__ or error.__context__
    if inner is None and error.args:
        inner = getattr(error.args[0], "reason", None) or error.args[0]
    return inner if isinstance(inner, BaseException) else None
