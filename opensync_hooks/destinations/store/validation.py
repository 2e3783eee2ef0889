"""What OpenSync takes: the fields of each body, and how they become rows of its database.

Pure. A body that passes here is stored by the real server too; one that does not is refused with a
text of the same kind. The texts never repeat a value, because refusals end up in logs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opensync_hooks.destinations.store.limits import EXACT_INTEGER, check_arguments, check_row
from opensync_hooks.errors import RejectedError
from opensync_hooks.model import Json

MISSING_ID = "Missing externalId or sessionId"
_ROLES = ("user", "assistant", "system", "tool", "unknown")
_AN_ID = "0" * 32

Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_part(value: Any) -> bool:
    return (
        isinstance(value, dict) and value.keys() == {"type", "content"} and _is_text(value["type"])
    )


def _are_parts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_part, value))


@dataclass(frozen=True, slots=True)
class _Shape:
    required: Mapping[str, Check]
    optional: Mapping[str, Check]


def _each(names: str, check: Check) -> dict[str, Check]:
    return dict.fromkeys(names.split(), check)


_BATCH_SESSION = _Shape(
    _each("externalId", _is_text),
    _each("title projectPath projectName model provider source", _is_text)
    | _each("promptTokens completionTokens cost durationMs", _is_number),
)
_BATCH_MESSAGE = _Shape(
    _each("sessionExternalId externalId", _is_text) | _each("role", _ROLES.__contains__),
    _each("textContent model source", _is_text)
    | _each("promptTokens completionTokens durationMs", _is_number)
    | _each("parts", _are_parts),
)
_A_TIME = _each("createdAt", _is_number)
_SESSION = _Shape(_BATCH_SESSION.required, {**_BATCH_SESSION.optional, **_A_TIME})
_MESSAGE = _Shape(_BATCH_MESSAGE.required, {**_BATCH_MESSAGE.optional, **_A_TIME})

SESSION_FIELDS = (*_SESSION.required, *_SESSION.optional)
MESSAGE_FIELDS = (*_MESSAGE.required, *_MESSAGE.optional)


def session(body: Json) -> Json:
    """The fields of a `/sync/session` that count; raises RejectedError for what is refused."""
    key = next(filter(_holds, map(body.get, ("externalId", "sessionId"))), None)
    if key is None:
        raise RejectedError(MISSING_ID)
    return _taken(_SESSION, {**_known(_SESSION, body), "externalId": key})


def message(body: Json) -> Json:
    """The fields of a `/sync/message` that count; raises RejectedError for what is refused."""
    return _taken(_MESSAGE, _known(_MESSAGE, body))


def batch_sessions(items: Any) -> list[Json]:
    """A batch's list of sessions; one bad element refuses all of them."""
    return _list(_BATCH_SESSION, items, ".sessions")


def batch_messages(items: Any) -> list[Json]:
    """A batch's list of messages; one bad element refuses all of them."""
    return _list(_BATCH_MESSAGE, items, ".messages")


def check_session_row(row: Json) -> None:
    """Raises RejectedError for a session that outgrows its row, which holds the title twice."""
    kept = {name: row[name] for name in SESSION_FIELDS if row.get(name) is not None}
    text = {"searchableText": row["title"]} if row.get("title") is not None else {}
    counted = {"userId": _AN_ID, "isPublic": False, "messageCount": 0, "totalTokens": 0}
    check_row({**kept, **text, **counted, "createdAt": 0, "updatedAt": 0})


def check_message_rows(row: Json, parts: Iterable[Json]) -> None:
    """Raises RejectedError for a message that outgrows its row, or for such a part of it."""
    names = set(MESSAGE_FIELDS) - {"sessionExternalId", "source", "parts"}
    kept = {name: row[name] for name in names if row.get(name) is not None}
    check_row({**kept, "sessionId": _AN_ID, "createdAt": 0})
    for order, part in enumerate(parts):
        check_row({**part, "messageId": _AN_ID, "order": order})


def _known(shape: _Shape, body: Json) -> Json:
    return {name: body[name] for name in (*shape.required, *shape.optional) if name in body}


def _taken(shape: _Shape, fields: Json, path: str = "") -> Json:
    check_arguments(fields)
    _check_shape(shape, fields, path)
    return {name: _kept(name, value) for name, value in fields.items()}


def _list(shape: _Shape, items: Any, path: str) -> list[Json]:
    check_arguments(items)
    if not isinstance(items, list):
        raise _mismatch(path)
    for place, item in enumerate(items):
        _check_shape(shape, item, f"{path}[{place}]")
    return [{name: _kept(name, value) for name, value in item.items()} for item in items]


def _check_shape(shape: _Shape, fields: Any, path: str) -> None:
    if not isinstance(fields, dict):
        raise _mismatch(path)
    for name in shape.required:
        if name not in fields:
            raise RejectedError(
                f"ArgumentValidationError: Object is missing the required field `{name}`."
            )
    for name, value in fields.items():
        check = shape.required.get(name) or shape.optional.get(name)
        if check is None:
            raise RejectedError(
                f"ArgumentValidationError: Object contains extra field `{name[:40]}`."
            )
        if not check(value):
            raise _mismatch(f"{path}.{name}")


def _mismatch(path: str) -> RejectedError:
    return RejectedError(f"ArgumentValidationError: Value does not match validator. Path: {path}")


def _holds(value: Any) -> bool:
    """Whether JavaScript takes the value for true; the server looks for an id that way."""
    return bool(value) or isinstance(value, list | dict)


def _kept(name: str, value: Any) -> Any:
    """The value as the server keeps it: numbers are doubles, and one name in parts is lost."""
    if name == "parts":
        return [{**part, "content": _without_proto(part["content"])} for part in value]
    if isinstance(value, int) and abs(value) > EXACT_INTEGER:
        return float(value)
    return value


def _without_proto(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_proto(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_proto(item) for key, item in value.items() if key != "__proto__"}
    return value
