"""The address of an OpenSync deployment, checked before a key is sent there."""

import re
from urllib.parse import urlsplit

from opensync_hooks.errors import UsageError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*")


def base_url(text: str) -> str:
    """Return the URL that takes requests, from what a user copies out of Convex's dashboard.

    The host `x.convex.cloud` becomes `x.convex.site`, which serves the HTTP actions. Raises
    UsageError for any URL that the key must not be sent to.
    """
    try:
        # A parser reads the host: a text may contain `convex.cloud` and still lead elsewhere.
        parts = urlsplit(text.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if not _HOST.fullmatch(host) or parts.scheme not in ("http", "https"):
        # The text is not shown: it may be the key, pasted into the wrong place.
        raise UsageError("This is not a URL.", "It looks like https://your-name.convex.site")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"{host}: the URL holds more than an address.",
            "Leave out user names, passwords and everything from `?` or `#` on.",
        )
    if parts.scheme == "http" and host not in LOOPBACK:
        raise UsageError(
            f"http://{host}: the key would travel unencrypted.", "Use its https address."
        )
    if host.endswith(".convex.cloud"):
        host = host.removesuffix("cloud") + "site"
    address = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{address}" + (f":{port}" if port else "") + parts.path.rstrip("/")
