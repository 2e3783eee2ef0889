"""What OpenSync accepts: the fields of each body, and the rows that they become.

A body that passes here is stored by OpenSync too; one that fails is refused there, with a text of
the same kind. No text quotes a value, because errors end up in logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from opensync_hooks.destinations.store.convex_limits import (
    MAX_EXACT_INTEGER,
    check_arguments,
    check_row,
)
from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json

_ROLES = ("user", "assistant", "system", "tool", "unknown")
_ANY_ID = "0" * 32

Check = Callable[[Any], bool]


class OtherSessionError(RejectedError):
    """The message has the id of another session's, which OpenSync would overwrite."""


class MissingIdError(RejectedError):
    """A session without an id, for which OpenSync answers 400 instead of 500."""


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_parts(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(part, dict) and part.keys() == {"type", "content"} and _is_text(part["type"])
        for part in value
    )


class _BodyFields(NamedTuple):
    required: Mapping[str, Check]
    checks: Mapping[str, Check]
    """Of all fields."""


def _all(names: str, check: Check) -> dict[str, Check]:
    return dict.fromkeys(names.split(), check)


def _fields(required: Mapping[str, Check], **optional: Check) -> _BodyFields:
    return _BodyFields(required, {**required, **optional})


_BATCH_SESSION = _fields(
    _all("externalId", _is_text),
    **_all("title projectPath projectName model provider source", _is_text),
    **_all("promptTokens completionTokens cost durationMs", _is_number),
)
_BATCH_MESSAGE = _fields(
    _all("sessionExternalId externalId", _is_text) | _all("role", _ROLES.__contains__),
    **_all("textContent model source", _is_text),
    **_all("promptTokens completionTokens durationMs", _is_number),
    **_all("parts", _are_parts),
)
_SESSION = _BodyFields(_BATCH_SESSION.required, {**_BATCH_SESSION.checks, "createdAt": _is_number})
_MESSAGE = _BodyFields(_BATCH_MESSAGE.required, {**_BATCH_MESSAGE.checks, "createdAt": _is_number})

SESSION_FIELDS = tuple(_SESSION.checks)
_MESSAGE_ROW_FIELDS = _MESSAGE.checks.keys() - {"sessionExternalId", "source", "parts"}


def session(body: Json) -> Json:
    """Return the fields of a `/sync/session` body that are stored; unknown fields are dropped.

    Raises RejectedError for what OpenSync refuses.
    """
    # JavaScript's `||` decides which id counts: there, an empty list or object is true.
    ids = (body.get("externalId"), body.get("sessionId"))
    external_id = next((value for value in ids if value or isinstance(value, list | dict)), None)
    if external_id is None:
        raise MissingIdError("Missing externalId or sessionId")
    return _single(_SESSION, {**body, "externalId": external_id})


def message(body: Json) -> Json:
    """Return the fields of a `/sync/message` body that are stored; otherwise as `session`."""
    return _single(_MESSAGE, body)


def batch_sessions(items: Any) -> list[Json]:
    """Return the sessions of a batch; one invalid element or unknown field refuses them all."""
    return _list(_BATCH_SESSION, items, ".sessions")


def batch_messages(items: Any) -> list[Json]:
    """Return the messages of a batch; one invalid element or unknown field refuses them all."""
    return _list(_BATCH_MESSAGE, items, ".messages")


def check_session_row(row: Json) -> None:
    """Raise RejectedError if a session does not fit into its row, which has its title twice."""
    stored = {name: row[name] for name in SESSION_FIELDS if row.get(name) is not None}
    if row.get("title") is not None:
        stored["searchableText"] = row["title"]
    computed = {"userId": _ANY_ID, "isPublic": False, "messageCount": 0, "totalTokens": 0}
    check_row({**stored, **computed, "createdAt": 0, "updatedAt": 0})


def check_message_rows(row: Json, parts: Iterable[Json]) -> None:
    """Raise RejectedError if a message or one of its parts does not fit into its row."""
    stored = {name: row[name] for name in _MESSAGE_ROW_FIELDS if row.get(name) is not None}
    check_row({**stored, "sessionId": _ANY_ID, "createdAt": 0})
    for order, part in enumerate(parts):
        check_row({**part, "messageId": _ANY_ID, "order": order})


def _single(expected: _BodyFields, body: Json) -> Json:
    fields = {name: body[name] for name in expected.checks if name in body}
    check_arguments(fields)
    return _checked(expected, fields, "")


def _list(expected: _BodyFields, items: Any, path: str) -> list[Json]:
    check_arguments(items)
    if not isinstance(items, list):
        raise _mismatch(path)
    return [_checked(expected, fields, f"{path}[{i}]") for i, fields in enumerate(items)]


def _checked(expected: _BodyFields, fields: Any, path: str) -> Json:
    if not isinstance(fields, dict):
        raise _mismatch(path)
    for name in expected.required:
        if name not in fields:
            raise RejectedError(
                f"ArgumentValidationError: Object is missing the required field `{name}`."
            )
    for name, value in fields.items():
        check = expected.checks.get(name)
        if check is None:
            raise RejectedError(
                f"ArgumentValidationError: Object contains extra field `{name[:40]}`."
            )
        if not check(value):
            raise _mismatch(f"{path}.{name}")
    return {name: _as_stored(name, value) for name, value in fields.items()}


def _mismatch(path: str) -> RejectedError:
    return RejectedError(f"ArgumentValidationError: Value does not match validator. Path: {path}")


def _as_stored(name: str, value: Any) -> Any:
    """Return the value as OpenSync stores it: numbers are doubles."""
    if name == "parts":
        return [{**part, "content": _without_proto(part["content"])} for part in value]
    if isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER:
        return float(value)
    return value


def _without_proto(value: Any) -> Any:
    """Drop `__proto__`, which is not a field in JavaScript and is lost on OpenSync."""
    if isinstance(value, list):
        return [_without_proto(element) for element in value]
    if isinstance(value, dict):
        return {key: _without_proto(inner) for key, inner in value.items() if key != "__proto__"}
    return value
