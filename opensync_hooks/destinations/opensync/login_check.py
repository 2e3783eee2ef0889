"""The first words with a server: whether it is an OpenSync, and knows the key.

Tells apart what the user can do something about: the address, the key, the network, the server.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.destinations.opensync.network_errors import NO_NAME, NO_NETWORK, NO_WAY, SILENT
from opensync_hooks.errors import (
    CertificateError,
    KeyRefusedError,
    OpenSyncError,
    UnreachableError,
    WrongAddressError,
)

_ADDRESS = "It ends in .convex.site; of a self-hosted Convex it is the address of HTTP actions."


def check_login(url: str, key: str, *, known: bool) -> None:
    """Returns where the server is an OpenSync that takes the key; it stores nothing.

    `known`: this key was accepted there before. Raises KeyRefusedError, WrongAddressError,
    UnreachableError.
    """
    try:
        with OpenSyncClient(url, key) as client:
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
        raise _unreachable(url, error) from error


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
    host, said = urlsplit(url).hostname, str(error)
    if NO_NAME in said:
        return WrongAddressError(f"{host}: {NO_NAME}.", "Check how it is spelt.")
    if NO_NETWORK in said:
        return UnreachableError(f"{url}: {NO_NETWORK}.", "Try again when there is one.")
    if NO_WAY in said:
        return UnreachableError(f"{url}: {NO_WAY}.", "Check the network.")
    if SILENT in said or "too slowly" in said:
        return UnreachableError(f"{url}: is too slow to answer.", "Try again later.")
    if "not OpenSync's" in said:
        what = f"{url}: something answers there, but it is no OpenSync."
        return WrongAddressError(what, _ADDRESS)
    return UnreachableError(said, error.hint or "Try again later.")
