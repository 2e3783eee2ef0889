"""Checks of the connection: destination, clock, proxy, certificates."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.config import Config
from opensync_hooks.delivery import factory
from opensync_hooks.errors import OpenSyncError, RejectedError, ServerFailureError
from opensync_hooks.system.clock import now

if TYPE_CHECKING:
    from opensync_hooks.destinations.opensync.client import OpenSyncClient

_WARN_FROM_MS = 5_000
"""The server tells two versions of a message apart by 5 s, so a larger offset can mix them up."""
_FAIL_FROM_MS = 60_000


def destination(config: Config) -> Iterator[Finding]:
    """Check that the destination responds and accepts the key, and compare its clock with ours."""
    if not config.url:
        yield ok("destination", "the embedded store on this machine")
        return
    from opensync_hooks.destinations.opensync.client import OpenSyncClient  # noqa: PLC0415 - requests costs 70 ms

    try:
        with factory.open_destination(config) as opensync:
            opensync.put_batch({})
    except OpenSyncError as error:
        yield failed("destination", str(error), error.hint or "Try again later.")
        return
    yield ok("destination", f"{config.url} responds and accepts the key")
    with OpenSyncClient(config.url, config.api_key or "") as client:
        yield clock(client.server_time() - now())
        yield _dashboard(client)


def _dashboard(client: OpenSyncClient) -> Finding:
    """Check that OpenSync can still add up the account, as its pages do."""
    try:
        number = client.stats().get("sessionCount")
    except (RejectedError, ServerFailureError):
        fact = "OpenSync can no longer list the account: its sessions have more than 16 MiB."
        return failed("dashboard", fact, "Shorten their search texts: `opensync-hooks slim`.")
    return ok("dashboard", f"OpenSync lists {number} sessions of the account")


def clock(offset_ms: int) -> Finding:
    """Judge by how much the server's clock is ahead of ours."""
    if abs(offset_ms) < _WARN_FROM_MS:
        return ok("clock", f"{abs(offset_ms) / 1000:.1f} s off the server's")
    direction = "behind" if offset_ms > 0 else "ahead of"
    fact = f"this machine's clock is {abs(offset_ms) // 1000} s {direction} the server's."
    finding = failed if abs(offset_ms) >= _FAIL_FROM_MS else warning
    return finding("clock", fact, "Let the system set it: `timedatectl set-ntp true` on Linux.")


def proxy(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Show the proxy that requests go through, and check that its certificates exist."""
    if not config.url:
        yield ok("network", "not needed: sessions go to the embedded store")
        return
    from opensync_hooks.destinations.opensync.transport import CA_BUNDLE_VARIABLES  # noqa: PLC0415 - as above

    variable = next((name for name in CA_BUNDLE_VARIABLES if environ.get(name)), "")
    if variable and not os.path.exists(environ[variable]):  # noqa: PTH110 - never raises
        fact = f"{variable} names {environ[variable]}, which does not exist."
        yield failed("TLS", fact, f"Correct or unset {variable}.")
    url = urlsplit(config.url)
    address = getproxies().get(url.scheme)
    if address is None or proxy_bypass(url.hostname or ""):
        yield ok("proxy", "none")
        return
    scheme, _, rest = address.rpartition("//")
    host = rest.rpartition("@")[2].rstrip("/")  # without user name and password
    yield ok("proxy", f"requests go through {scheme or 'http:'}//{host}")
