"""OpenSync's routes over a store: one request in, one answer out, no socket anywhere.

The answers are the real server's: 500 for what it refuses, 200 for a batch that stored nothing, 401
with its three texts, 404 in plain text for any path or method that is not in the table.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NoReturn, get_args

from opensync_hooks.destinations.store.export import ExportFormat
from opensync_hooks.destinations.store.reader import MESSAGE_FIELDS, SESSION_FIELDS
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.destinations.store.validation import MissingIdError
from opensync_hooks.errors import OpenSyncError, RejectedError, UnreachableError
from opensync_hooks.model import Json

_AN_ID = re.compile(r"[0-9a-z]{32}")
_MOST_SESSIONS = 2**31


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
"""Given the Authorization header and the key: why the request is refused, or an empty text."""


def respond(store: Store, key: str, request: Request) -> Response:
    """Never raises: what goes wrong is an answer too."""
    route = ROUTES.get((request.method, request.path))
    if route is None:
        return Response(404, b"No matching routes found", {"Content-Type": "text/plain"})
    _, handler = route
    refused = refusal(key, request)
    if refused:
        return _error(401, refused)
    try:
        return handler(store, request)
    except MissingIdError as error:
        return _error(400, str(error))
    except UnreachableError as error:  # a full disk passes: 503 makes a client try again
        return _error(503, f"Error: {error}")
    except OpenSyncError as error:
        return _error(500, f"Error: {error}")
    except _JsError as error:
        return _error(500, str(error))
    except Exception as error:  # noqa: BLE001 - a bug must not end the connection without a word
        return _error(500, f"Error: {type(error).__name__} inside the server")


def refusal(key: str, request: Request) -> str:
    """Why the request is refused, whatever its body says; an empty text where it is not."""
    route = ROUTES.get((request.method, request.path))
    return route[0](request.authorization, key) if route else "No matching routes found"


class _JsError(Exception):
    """What JavaScript throws, named as it names it; never with a piece of the body."""


def _no_key(_authorization: str, _key: str) -> str:
    return ""


def _bearer(authorization: str, key: str) -> str:
    if not authorization.startswith("Bearer "):
        return "Missing Authorization header"
    if not authorization.startswith("Bearer osk_"):
        return "Invalid or expired token"
    return _same_key(authorization, key)


def _api_key(authorization: str, key: str) -> str:
    if not authorization.startswith("Bearer osk_"):
        return "Invalid API key format"
    return _same_key(authorization, key)


def _same_key(authorization: str, key: str) -> str:
    same = hmac.compare_digest(authorization.encode(), f"Bearer {key}".encode())
    return "" if same else "Invalid API key"


def _health(store: Store, _: Request) -> Response:
    return _json({"status": "ok", "timestamp": store.now()})


def _put_session(store: Store, request: Request) -> Response:
    body = _fields(_read_json(request.body), "externalId")
    return _json({"ok": True, "sessionId": store.put_session(body, {})})


def _put_message(store: Store, request: Request) -> Response:
    body = _fields(_read_json(request.body), "sessionExternalId")
    return _json({"ok": True, "messageId": store.put_message(body, {}, replaces=True)})


def _put_batch(store: Store, request: Request) -> Response:
    body = _read_json(request.body)
    if not isinstance(body, dict):
        raise _JsError("TypeError: Cannot read properties (reading 'sessions')")
    reply = store.put_batch(body)
    counts = {"sessions": reply.sessions, "messages": reply.messages}
    return _json({"ok": True, **counts, "errors": list(reply.errors)})


def _session_ids(store: Store, _: Request) -> Response:
    return _json({"sessionIds": store.session_ids()})


def _sessions(store: Store, request: Request) -> Response:
    digits = re.match(r"\s*([+-]?[0-9]{1,18})", request.query.get("limit") or "50")
    if digits is None or int(digits[1]) < 0:
        raise RejectedError("`limit` must be a number that is not negative")
    found = store.sessions(min(int(digits[1]), _MOST_SESSIONS))
    return _json({"sessions": [_only(SESSION_FIELDS, session) for session in found]})


def _session(store: Store, request: Request) -> Response:
    found = _found(store, request)
    if isinstance(found, Response):
        return found
    messages = [_only(MESSAGE_FIELDS, message) for message in found["messages"]]
    return _json({"session": _only(SESSION_FIELDS, found["session"]), "messages": messages})


def _export(store: Store, request: Request) -> Response:
    found = _found(store, request)
    if isinstance(found, Response):
        return found
    forms: tuple[ExportFormat, ...] = get_args(ExportFormat)
    form: ExportFormat = next(
        (form for form in forms if form == request.query.get("format")), "json"
    )
    exported = store.export(found["session"]["id"], form) or {}
    if form != "markdown":
        return _json(exported)
    name = f'attachment; filename="{exported["filename"]}"'
    headers = {"Content-Type": "text/markdown", "Content-Disposition": name}
    return Response(200, exported["content"].encode(), headers)


def _stats(store: Store, _: Request) -> Response:
    return _json(store.stats())


ROUTES: dict[tuple[str, str], tuple[KeyCheck, Handler]] = {
    ("GET", "/health"): (_no_key, _health),
    ("POST", "/sync/session"): (_bearer, _put_session),
    ("POST", "/sync/message"): (_bearer, _put_message),
    ("POST", "/sync/batch"): (_bearer, _put_batch),
    ("GET", "/sync/sessions/list"): (_api_key, _session_ids),
    ("GET", "/api/sessions"): (_bearer, _sessions),
    ("GET", "/api/sessions/get"): (_bearer, _session),
    ("GET", "/api/stats"): (_bearer, _stats),
    ("GET", "/api/export"): (_bearer, _export),
}


def _found(store: Store, request: Request) -> Json | Response:
    """The session that the query names by the server's own id; no other name counts here."""
    asked = request.query.get("id")
    if not asked:
        return _error(400, "Missing session ID")
    if not _AN_ID.fullmatch(asked):
        raise RejectedError(
            "ArgumentValidationError: Value does not match validator. Path: .sessionId"
        )
    found = store.session(asked)
    if found is None or found["session"]["id"] != asked:
        return _error(404, "Session not found")
    return found


def _read_json(body: bytes) -> Any:
    """As JavaScript reads it: a mark in front is dropped, and a broken letter becomes U+FFFD."""
    text = body.decode(errors="replace").removeprefix("\ufeff")
    if not text:
        raise _JsError("SyntaxError: Unexpected end of JSON input")
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise _JsError(f"SyntaxError: Unexpected token at position {error.pos}") from None
    except ValueError:  # an integer of more digits than Python reads
        raise _JsError("SyntaxError: a number that is not finite") from None
    except RecursionError:
        raise RejectedError("Value is too nested") from None


def _no_constant(_name: str) -> NoReturn:
    raise _JsError("SyntaxError: Unexpected token")


def _fields(body: Any, wanted: str) -> Json:
    """JavaScript finds no field in a number or a text, but null has none to look for."""
    if body is None:
        raise _JsError(f"TypeError: Cannot read properties of null (reading '{wanted}')")
    return body if isinstance(body, dict) else {}


def _only(names: tuple[str, ...], shown: Json) -> Json:
    return {name: shown[name] for name in names if name in shown}


def _json(value: Json, status: int = HTTPStatus.OK) -> Response:
    return Response(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def _error(status: int, text: str) -> Response:
    return _json({"error": text}, status)
