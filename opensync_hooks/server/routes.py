"""OpenSync's routes over the embedded store: a request in, a response out, without a socket.

The responses are the real server's: 500 for a refused body, 200 for a batch that stored nothing,
401 with its own texts, and 404 in plain text for any other path or method.
"""

import hmac
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from http import HTTPStatus
from typing import Any, NoReturn

from opensync_hooks.dataclass import dataclass
from opensync_hooks.destinations.store.reader import MESSAGE_FIELDS, SESSION_FIELDS
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.destinations.store.validation import MissingIdError, OtherSessionError
from opensync_hooks.errors import OpenSyncError, RejectedError, UnreachableError
from opensync_hooks.model import Json

_ID_FORM = re.compile(r"[0-9a-z]{32}")
_MAX_SESSIONS = 2**31
_NOT_FOUND = "No matching routes found"


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorization: str = field(default="", repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Store, Request], Response]
KeyCheck = Callable[[str, str], str]
"""Takes an Authorization header and the key; returns the error, or an empty text."""


class _HttpError(Exception):
    """The response to a request that cannot be served. Quotes nothing of the body.

    With status 500, an exception of the server's JavaScript, by its name there.
    """

    def __init__(self, text: str, status: int = 500) -> None:
        super().__init__(text)
        self.status = status


def respond(store: Store, key: str, request: Request) -> Response:
    """Answer a request. Never raises."""
    route = ROUTES.get((request.method, request.path))
    if route is None:
        return Response(404, _NOT_FOUND.encode(), {"Content-Type": "text/plain"})
    refusal = key_error(key, request)
    if refusal:
        return _error(401, refusal)
    try:
        return route[1](store, request)
    except MissingIdError as error:
        return _error(400, str(error))
    except OtherSessionError as error:
        return _error(409, f"Error: {error}")
    except _HttpError as error:
        return _error(error.status, str(error))
    except UnreachableError as error:  # such as a full disk: 503 makes a client try again
        return _error(503, f"Error: {error}")
    except OpenSyncError as error:
        return _error(500, f"Error: {error}")
    except Exception as error:  # noqa: BLE001 - a bug must not break the connection without a word
        return _error(500, f"Error: {type(error).__name__} inside the server")


def key_error(key: str, request: Request) -> str:
    """Return why a request is refused, whatever its body is; an empty text if it is not."""
    route = ROUTES.get((request.method, request.path))
    return route[0](request.authorization, key) if route else _NOT_FOUND


def _bearer(authorization: str, key: str) -> str:
    if not authorization.startswith("Bearer "):
        return "Missing Authorization header"
    if not authorization.startswith("Bearer osk_"):
        return "Invalid or expired token"
    return _wrong_key(authorization, key)


def _api_key(authorization: str, key: str) -> str:
    if not authorization.startswith("Bearer osk_"):
        return "Invalid API key format"
    return _wrong_key(authorization, key)


def _wrong_key(authorization: str, key: str) -> str:
    is_right = hmac.compare_digest(authorization.encode(), f"Bearer {key}".encode())
    return "" if is_right else "Invalid API key"


def _put_session(store: Store, request: Request) -> Response:
    body = _object(_parse_json(request.body), "externalId")
    return _json({"ok": True, "sessionId": store.put_session(body, {})})


def _put_message(store: Store, request: Request) -> Response:
    body = _object(_parse_json(request.body), "sessionExternalId")
    return _json({"ok": True, "messageId": store.put_message(body, {}, replaces=True)})


def _put_batch(store: Store, request: Request) -> Response:
    body = _parse_json(request.body)
    if not isinstance(body, dict):
        raise _HttpError("TypeError: Cannot read properties (reading 'sessions')")
    reply = store.put_batch(body)
    counts = {"sessions": reply.sessions, "messages": reply.messages}
    return _json({"ok": True, **counts, "errors": list(reply.errors)})


def _sessions(store: Store, request: Request) -> Response:
    limit = re.match(r"\s*([+-]?[0-9]{1,18})", request.query.get("limit") or "50")
    if limit is None or int(limit[1]) < 0:
        raise RejectedError("`limit` must be a number that is not negative")
    sessions = store.sessions(min(int(limit[1]), _MAX_SESSIONS))
    return _json({"sessions": [_select(session, SESSION_FIELDS) for session in sessions]})


def _session(store: Store, request: Request) -> Response:
    stored = _requested_session(store, request)
    messages = [_select(message, MESSAGE_FIELDS) for message in stored["messages"]]
    return _json({"session": _select(stored["session"], SESSION_FIELDS), "messages": messages})


def _export(store: Store, request: Request) -> Response:
    stored = _requested_session(store, request)
    form = request.query.get("format", "json")
    exported = store.export(stored["session"]["id"], form) or {}
    if form != "markdown":
        return _json(exported)
    disposition = f'attachment; filename="{exported["filename"]}"'
    headers = {"Content-Type": "text/markdown", "Content-Disposition": disposition}
    return Response(200, exported["content"].encode(), headers)


ROUTES: dict[tuple[str, str], tuple[KeyCheck, Handler]] = {
    ("GET", "/health"): (
        lambda *_: "",
        lambda store, _: _json({"status": "ok", "timestamp": store.now()}),
    ),
    ("POST", "/sync/session"): (_bearer, _put_session),
    ("POST", "/sync/message"): (_bearer, _put_message),
    ("POST", "/sync/batch"): (_bearer, _put_batch),
    ("GET", "/sync/sessions/list"): (
        _api_key,
        lambda store, _: _json({"sessionIds": store.session_ids()}),
    ),
    ("GET", "/api/sessions"): (_bearer, _sessions),
    ("GET", "/api/sessions/get"): (_bearer, _session),
    ("GET", "/api/stats"): (_bearer, lambda store, _: _json(store.stats())),
    ("GET", "/api/export"): (_bearer, _export),
}


def _requested_session(store: Store, request: Request) -> Json:
    """Return the session that the query names by the server's own id."""
    session_id = request.query.get("id")
    if not session_id:
        raise _HttpError("Missing session ID", 400)
    if not _ID_FORM.fullmatch(session_id):
        raise RejectedError(
            "ArgumentValidationError: Value does not match validator. Path: .sessionId"
        )
    stored = store.session(session_id)
    if stored is None or stored["session"]["id"] != session_id:
        raise _HttpError("Session not found", 404)
    return stored


def _parse_json(body: bytes) -> Any:
    """Parse as JavaScript does: drop a BOM, and replace invalid UTF-8 by U+FFFD."""
    text = body.decode(errors="replace").removeprefix("\ufeff")
    if not text:
        raise _HttpError("SyntaxError: Unexpected end of JSON input")
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _HttpError(f"SyntaxError: Unexpected token at position {error.pos}") from None
    except ValueError:  # an integer of more digits than Python parses
        raise _HttpError("SyntaxError: a number that is not finite") from None
    except RecursionError:
        raise RejectedError("Value is too nested") from None


def _refuse_constant(_name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python's parser would accept."""
    raise _HttpError("SyntaxError: Unexpected token")


def _object(body: Any, first_field: str) -> Json:
    """Return the body's fields as JavaScript sees them: none in a text, an exception for null."""
    if body is None:
        text = f"TypeError: Cannot read properties of null (reading '{first_field}')"
        raise _HttpError(text)
    return body if isinstance(body, dict) else {}


def _select(row: Json, names: tuple[str, ...]) -> Json:
    return {name: row[name] for name in names if name in row}


def _json(value: Json, status: int = HTTPStatus.OK) -> Response:
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        text = json.dumps(_with_nulls(value))
    return Response(status, text.encode(), {"Content-Type": "application/json"})


def _with_nulls(value: Any) -> Any:
    """Replace infinite sums by null, as JavaScript does: JSON has no such number."""
    if isinstance(value, dict):
        return {name: _with_nulls(element) for name, element in value.items()}
    if isinstance(value, list):
        return [_with_nulls(element) for element in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _error(status: int, text: str) -> Response:
    return _json({"error": text}, status)
