"""Reads JSON that an agent wrote, of any version: a missing or misshapen value reads as absent."""

import json
import re
from typing import Any

from opensync_hooks.model import Json

_MAX_COUNT = 10**12
_MAX_NUMBER = 10**18
"""JSON may hold integers that no float and no column can hold."""
_DECODER = json.JSONDecoder()
_MEMBER = re.compile(r'[\s{,]*"((?:[^"\\]|\\.)*)"\s*:\s*')
_CUT_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)')


def decode(raw: object) -> Any:
    """Return the JSON value in a text or in bytes, or None. Invalid UTF-8 is replaced."""
    text = raw.decode("utf-8-sig", "replace") if isinstance(raw, bytes) else raw
    if not isinstance(text, str):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def decode_dict(raw: object) -> Json | None:
    """Return the JSON object in a text or in bytes, or None."""
    value = decode(raw)
    return value if isinstance(value, dict) else None


def decode_damaged(raw: bytes, text_key: str) -> Json:
    """Return the members of an object up to where it is damaged.

    Of a text that is cut, the whole words count if it is the member `text_key`: half of a secret
    would not be recognized as one.
    """
    text = raw.decode("utf-8", "replace")
    members: Json = {}
    position = 0
    while match := _MEMBER.match(text, position):
        name = match[1]
        try:
            members[name], position = _DECODER.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            cut = _CUT_TEXT.match(text, match.end()) if name == text_key else None
            words = decode(f'"{cut[1].rpartition(" ")[0]}"') if cut else None
            return {**members, text_key: words} if words else members
    return members


def as_dict(raw: object) -> Json:
    """Return `raw` if it is an object, or the object that it encodes; else an empty one."""
    return raw if isinstance(raw, dict) else decode_dict(raw) or {}


def get(value: Any, *keys: str) -> Any:
    """Return the value at the end of a path of keys; None where the path breaks off."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def get_str(value: Any, *keys: str) -> str | None:
    """Return the text at the end of a path of keys; None for an empty text, too."""
    text = get(value, *keys)
    return text if isinstance(text, str) and text else None


def get_float(value: Any, *keys: str) -> float | None:
    """Return the number at the end of a path of keys, unless it is negative or absurdly large."""
    number = get(value, *keys)
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return number if is_number and 0 <= number < _MAX_NUMBER else None


def get_int(value: Any, *keys: str) -> int | None:
    """Return the same as `get_float`, rounded: a time, a price in cents."""
    number = get_float(value, *keys)
    return None if number is None else round(number)


def get_count(value: Any, *keys: str) -> int:
    """Return a whole number of tokens or bytes; 0 for what a damaged record may hold instead."""
    number = get(value, *keys)
    return number if type(number) is int and 0 < number < _MAX_COUNT else 0


def get_dict(value: Any, *keys: str) -> Json:
    """Return the object at the end of a path of keys, or an empty one."""
    mapping = get(value, *keys)
    return mapping if isinstance(mapping, dict) else {}


def content_blocks(message: Json) -> list[Json]:
    """Return the blocks of a message's content; a bare text is one block."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return get_dicts(message, "content")


def get_list(value: Any, *keys: str) -> list[Any]:
    """Return the list at the end of a path of keys, or an empty one."""
    elements = get(value, *keys)
    return elements if isinstance(elements, list) else []


def get_dicts(value: Any, *keys: str) -> list[Json]:
    """Return the objects in the list at the end of a path of keys."""
    return [element for element in get_list(value, *keys) if isinstance(element, dict)]


def get_strs(value: Any, *keys: str) -> list[str]:
    """Return the texts in the list at the end of a path of keys, without empty ones."""
    return [text for text in get_list(value, *keys) if isinstance(text, str) and text]
