"""What an answer of OpenSync means: the JSON that was asked for, or the error that it stands for.

A 500 of this server is often permanent, a 401 sometimes passing, a 200 sometimes no answer of its:
the text decides. No answer is shown whole, for a refusal may echo what was sent.
"""

from __future__ import annotations

import json
import re
import time
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from opensync_hooks.errors import (
    KeyRefusedError,
    OpenSyncError,
    RejectedError,
    UnclearError,
    UnreachableError,
    WrongAddressError,
)
from opensync_hooks.model import Json

_PASSING_STATUS = frozenset({408, 425, 429, 502, 503, 504})
_PASSING_TEXT = (
    "changed while this mutation",
    "Too many concurrent",
    "Try again later",
    "couldn't be completed",
    "timed out",
    "API key validation failed",
)
_PERMANENT_TEXT = (
    "ArgumentValidationError",
    "Invalid arguments",
    "Field name",
    "too large",
    "too nested",
    "too long",
    "too many",
    "Too many",
    "SyntaxError",
    "TypeError",
    "lone leading surrogate",
)


_ANY_KEY = re.compile(r"osk_[\w-]+")


def parse_response(url: str, response: requests.Response, key: str) -> Json:
    """The answer's JSON object, or the error that the answer stands for, without the key in it."""
    status = response.status_code
    if status == 200:
        return _object(url, response)
    text = _error_text(response, key)
    if status in _PASSING_STATUS or any(known in text for known in _PASSING_TEXT):
        wait = _retry_after(response.headers.get("Retry-After"))
        raise UnreachableError(
            f"{url}: answers {status} for now. {text}".rstrip(), retry_after=wait
        )
    raise _final(url, status, text)


def refusal(url: str, said: str, key: str) -> OpenSyncError:
    """What an error inside of a successful answer means."""
    passing = any(known in said for known in _PASSING_TEXT)
    shown = _shown(said, key)[:160]
    return (UnreachableError if passing else RejectedError)(f"{url}: {shown}")


def _final(url: str, status: int, text: str) -> OpenSyncError:
    if status in (401, 403):
        return KeyRefusedError(
            f"{url}: the key is refused. {text}".rstrip(),
            "Copy it from OpenSync's settings page and run `opensync-hooks login`.",
        )
    if 300 <= status < 400:
        return WrongAddressError(
            f"{url}: redirects elsewhere, where the key must not follow.", "Check the URL."
        )
    if status in (404, 405):
        return WrongAddressError(f"{url}: no OpenSync answers there.", "Check the URL.")
    if status in (400, 413, 422) or any(known in text for known in _PERMANENT_TEXT):
        return RejectedError(f"{url}: refused ({status}). {text}".rstrip())
    return UnclearError(f"{url}: answers {status} for now. {text}".rstrip())


def _object(url: str, response: requests.Response) -> Json:
    value = _value(response)
    if not isinstance(value, dict):
        raise UnreachableError(
            f"{url}: an answer that is not OpenSync's.",
            "Is the URL another site's, or a network's login page in between?",
        )
    return value


def _value(response: requests.Response) -> Any:
    """The JSON of an answer, None where there is none. No guess at its letters: that takes long."""
    try:
        return json.loads(response.content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _shown(said: str, key: str) -> str:
    """Words of a server, which may repeat the key to us, or try to steer the terminal."""
    hidden = _ANY_KEY.sub("osk_…", said.replace(key, "…") if key else said)
    return "".join(letter if letter.isprintable() else " " for letter in hidden)


def _error_text(response: requests.Response, key: str) -> str:
    """The first words of what the server says; enough to class it, too little to leak."""
    value = _value(response)
    said = (value.get("error") or value.get("message")) if isinstance(value, dict) else None
    first_line = said.strip().split("\n", 1)[0] if isinstance(said, str) and said.strip() else ""
    return _shown(first_line.split("Object:", 1)[0], key)[:160].strip()


def _retry_after(value: str | None) -> float | None:
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
