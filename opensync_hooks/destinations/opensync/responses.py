"""What a response of OpenSync means: the JSON object that was requested, or an error.

The status alone does not decide: this server answers 500 to what it will never accept, 401 while it
is overloaded, and 200 from a login page in between. Its error text tells these apart, here and
nowhere else. Only its own JSON, an `error` and nothing else, refuses a key, and only Convex's own
sentence means a wrong URL: a page, a redirect, a proxy's or a gateway's error comes from something
in between, and passes.
No text is shown in full, because a rejection may echo what was sent.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from opensync_hooks.errors import (
    KeyRefusedError,
    OpenSyncError,
    RejectedError,
    ServerFailureError,
    UnreachableError,
    UnusableDestinationError,
)
from opensync_hooks.model import Json

if TYPE_CHECKING:
    import requests

_TRANSIENT_STATUSES = frozenset({408, 425, 429, 502, 503, 504})
_TRANSIENT_PHRASES = (
    "changed while this mutation",
    "Too many concurrent",
    "Try again later",
    "couldn't be completed",
    "timed out",
    "API key validation failed",
)
_INVALID_ARGUMENT = "ArgumentValidationError"
_SPLIT_EMOJI = "lone leading surrogate"
_PERMANENT_PHRASES = (
    _INVALID_ARGUMENT,
    _SPLIT_EMOJI,
    "Invalid arguments",
    "Field name",
    "too large",
    "too nested",
    "too long",
    "too many",
    "Too many",
    "SyntaxError",
    "TypeError",
)
_NO_ROUTE = b"No matching routes found"
"""Convex's own answer, in plain text, on a deployment that does not run OpenSync."""
_NEVER_FROM_OPENSYNC = frozenset({*range(300, 400), 403, 405, 407, 511})
"""Statuses of login pages and proxies."""
LOOKUP_PATH = "/api/sessions/get"
_MAX_TEXT = 160
_ANY_KEY = re.compile(r"osk_[\w-]+")


class ForeignResponseError(UnreachableError):
    """The response is not OpenSync's, but another site's or a captive portal's."""

    def __init__(self, url: str, status: int = 200) -> None:
        detail = "" if status == 200 else f" ({status})"
        super().__init__(
            f"{url}: the response is not from OpenSync{detail}.",
            "Check the URL, and whether this network has a login page of its own.",
        )


class RateLimitError(UnreachableError):
    """The server takes requests again after a while, which it names in `retry_after`."""


class NotFoundError(UnusableDestinationError):
    """OpenSync itself says that it does not have what was requested."""


class InvalidArgumentError(RejectedError):
    """An argument has the wrong form, such as an id of another deployment."""


class SplitEmojiError(RejectedError):
    """The server's search text, cut at a fixed length, would end inside an emoji."""


def parse_response(url: str, response: requests.Response, key: str) -> Json:
    """Return the response's JSON object, or raise the error that it stands for."""
    status = response.status_code
    value = _parse_json(response)
    if status == 200 and isinstance(value, dict):
        return value
    if status == 200:
        raise ForeignResponseError(url)
    text = _error_text(value, key)
    if status in _TRANSIENT_STATUSES or _mentions(text, _TRANSIENT_PHRASES):
        retry_after = _retry_after(response.headers.get("Retry-After"))
        is_limit = status == 429 and retry_after is not None
        error_class = RateLimitError if is_limit else UnreachableError
        raise error_class(
            f"{url}: temporary error {status}. {text}".rstrip(), retry_after=retry_after
        )
    if status == 404 and response.content.strip() == _NO_ROUTE:
        raise UnusableDestinationError(f"{url}: no OpenSync server there.", "Check the URL.")
    if _is_foreign(response, value):
        raise ForeignResponseError(url, status)
    raise _permanent_error(url, status, text)


def batch_error(url: str, text: str, key: str) -> OpenSyncError:
    """Return the error that one entry in the `errors` of a batch's response stands for."""
    is_transient = _mentions(text, _TRANSIENT_PHRASES)
    error_class = UnreachableError if is_transient else RejectedError
    return error_class(f"{url}: {_printable(text, key)[:_MAX_TEXT]}")


def _permanent_error(url: str, status: int, text: str) -> OpenSyncError:
    if status == 401:
        return KeyRefusedError(
            f"{url}: the key is refused. {text}".rstrip(),
            "Copy it from OpenSync's settings page and run `opensync-hooks login`.",
        )
    if status == 404:
        return NotFoundError(f"{url}: not found. {text}".rstrip())
    if status in {400, 409, 413, 422} or _mentions(text, _PERMANENT_PHRASES):
        classes = {_SPLIT_EMOJI: SplitEmojiError, _INVALID_ARGUMENT: InvalidArgumentError}
        error_class = next((classes[phrase] for phrase in classes if phrase in text), RejectedError)
        return error_class(f"{url}: refused ({status}). {text}".rstrip())
    return ServerFailureError(f"{url}: server error {status}. {text}".rstrip())


def _is_foreign(response: requests.Response, value: Any) -> bool:
    """Whether something between us and OpenSync has answered."""
    status = response.status_code
    is_own_error = isinstance(value, dict) and value.keys() == {"error"}
    is_page = response.content.lstrip().startswith(b"<") and status != 413  # a proxy's limit
    if status == 404:  # OpenSync misses sessions, and none of its routes
        is_own_error &= LOOKUP_PATH in (response.request.url or "")
    is_refusal = status in {401, 404}
    return status in _NEVER_FROM_OPENSYNC or is_page or (is_refusal and not is_own_error)


def _parse_json(response: requests.Response) -> Any:
    """Return the body's JSON value, or None.

    Not `response.json()`: it guesses the encoding, which takes long for a large body.
    """
    try:
        return json.loads(response.content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _error_text(value: Any, key: str) -> str:
    """Return the start of the server's error text: enough to classify it, too little to leak."""
    text = (value.get("error") or value.get("message")) if isinstance(value, dict) else None
    first_line = text.strip().partition("\n")[0] if isinstance(text, str) else ""
    # On a deployment a failed validation goes on with the object that was sent.
    return _printable(first_line.partition("Object:")[0], key)[:_MAX_TEXT].strip()


def _printable(text: str, key: str) -> str:
    """Take out API keys, which the server may echo, and characters that steer a terminal."""
    masked = _ANY_KEY.sub("osk_…", text.replace(key, "…") if key else text)
    return "".join(character if character.isprintable() else " " for character in masked)


def _mentions(text: str, phrases: tuple[str, ...]) -> bool:
    return any(phrase in text for phrase in phrases)


def _retry_after(header: str | None) -> float | None:
    """Return the seconds to wait, from either form of the header; None if it is unreadable."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 - takes 4 ms
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
