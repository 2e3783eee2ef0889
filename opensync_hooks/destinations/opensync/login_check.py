"""Checks a login, and tells apart what the user can act on: URL, key, network or server."""

from __future__ import annotations

from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.destinations.opensync.network_errors import NetworkError, NetworkErrorKind
from opensync_hooks.destinations.opensync.responses import ForeignResponseError
from opensync_hooks.errors import (
    CertificateError,
    KeyRefusedError,
    UnreachableError,
    UnusableDestinationError,
)


def check_login(url: str, key: str, *, accepted_before: bool) -> None:
    """Return if the server is an OpenSync that accepts the key; store nothing there.

    `accepted_before`: the server has accepted this very key earlier. Raises KeyRefusedError,
    UnusableDestinationError or UnreachableError.
    """
    try:
        with OpenSyncClient(url, key) as client:
            client.server_time()
            client.put_batch({})
    except CertificateError:
        raise
    except KeyRefusedError as error:
        if accepted_before:
            raise KeyRefusedError(
                f"{url}: this API key is no longer valid.",
                "A new key in OpenSync's settings replaces the old one: copy the new one.",
            ) from error
        raise KeyRefusedError(
            f"{url}: unknown API key.", "Copy it from OpenSync's settings page."
        ) from error
    except (UnusableDestinationError, ForeignResponseError) as error:
        raise UnusableDestinationError(
            f"{url}: a server responds there, but it is not OpenSync.",
            "The URL ends in .convex.site; for a self-hosted Convex it is that of HTTP actions.",
        ) from error
    except NetworkError as error:
        if error.kind is NetworkErrorKind.UNKNOWN_HOST:
            raise UnusableDestinationError(str(error), error.hint) from error
        raise
    except UnreachableError as error:
        raise UnreachableError(str(error), error.hint or "Try again later.") from error
