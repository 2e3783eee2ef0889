"""The way to the destination: does it answer, with which clock, through which proxy."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from opensync_hooks.cli.doctor.finding import Finding, failed, ok, warning
from opensync_hooks.config import Config
from opensync_hooks.delivery import factory
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.system.clock import now

_SKEW_MS = 5_000
"""The server's window for a second version of a message: beyond it, times begin to matter."""
_FAR_OFF_MS = 60_000


def destination(config: Config) -> Iterator[Finding]:
    """Whether it answers, takes the key, and has our time."""
    if not config.url:
        yield ok("destination", "the embedded store, on this machine")
        return
    try:
        with factory.destination(config) as there:
            there.put_batch({})
    except OpenSyncError as error:
        yield failed("destination", str(error), error.hint or "Try again later.")
        return
    yield ok("destination", f"{config.url} answers and takes the key")
    yield clock(_skew(config))


def _skew(config: Config) -> int:
    """How many ms the server's clock is ahead of ours."""
    from opensync_hooks.destinations.opensync.client import OpenSyncClient  # noqa: PLC0415 - requests costs 70 ms to import

    with OpenSyncClient(config.url or "", config.api_key or "") as client:
        return client.server_time() - now()


def clock(ahead_ms: int) -> Finding:
    """`ahead_ms`: of the server's clock before ours."""
    if abs(ahead_ms) < _SKEW_MS:
        return ok("clock", f"{abs(ahead_ms) / 1000:.1f} s from the server's")
    way = "behind" if ahead_ms > 0 else "ahead of"
    what = f"this machine's clock is {abs(ahead_ms) // 1000} s {way} the server's."
    make = failed if abs(ahead_ms) >= _FAR_OFF_MS else warning
    return make("clock", what, "Let the system set it: `timedatectl set-ntp true` on Linux.")


def proxy(config: Config, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Through which proxy requests go, and with whose certificates."""
    if not config.url:
        yield ok("network", "not needed: sessions go to the embedded store")
        return
    yield from _certificates(environ)
    parts = urlsplit(config.url)
    found = getproxies().get(parts.scheme)
    if found is None or proxy_bypass(parts.hostname or ""):
        yield ok("proxy", "none on the way")
        return
    scheme, _, rest = found.rpartition("//")
    address = rest.rpartition("@")[2].rstrip("/")  # without a name and a password
    yield ok("proxy", f"requests go through {scheme or 'http:'}//{address}")


def _certificates(environ: Mapping[str, str]) -> Iterator[Finding]:
    from opensync_hooks.destinations.opensync.transport import CA_BUNDLE_VARIABLES  # noqa: PLC0415 - as above

    variable = next((one for one in CA_BUNDLE_VARIABLES if environ.get(one)), "")
    if variable and not os.path.exists(environ[variable]):  # noqa: PTH110 - never raises
        what = f"{variable} names {environ[variable]}, which does not exist."
        yield failed("TLS", what, f"Correct or unset {variable}.")
