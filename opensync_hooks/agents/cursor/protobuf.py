"""Reads protobuf messages without a schema: a damaged one ends where it is damaged."""

from __future__ import annotations

from collections.abc import Iterator


def fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield the fields of a protobuf message, with their numbers, up to where it is damaged."""
    offset = 0
    while offset < len(message):
        key, offset = _varint(message, offset)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, offset = _varint(message, offset)
            yield number, value
            continue
        if wire_type == 2:
            size, offset = _varint(message, offset)
        else:
            size = {1: 8, 5: 4}.get(wire_type, len(message))
        if number == 0 or offset + size > len(message):
            return
        yield number, message[offset : offset + size]
        offset += size


def _varint(message: bytes, offset: int) -> tuple[int, int]:
    """Return a number and the offset behind it; an offset behind the end if it is damaged."""
    number = shift = 0
    while offset < len(message) and shift < 70:
        byte = message[offset]
        offset += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, offset
    return 0, len(message) + 1


def first(message: bytes, number: int) -> bytes:
    """Return the first text or message under a number; nothing if there is none."""
    values = (value for field, value in fields(message) if field == number)
    return next((value for value in values if isinstance(value, bytes)), b"")


def first_int(message: bytes, number: int) -> int | None:
    values = (value for field, value in fields(message) if field == number)
    return next((value for value in values if isinstance(value, int)), None)
