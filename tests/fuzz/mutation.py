"""Turns one input into another that is nearly as well formed, and wrong in one place.

Inputs are lines; most lines hold JSON, some behind a name and a tab. Bytes alone would be broken
long before they reach the code behind the parser.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

LONGEST = 1 << 20
_RAW = "@@raw %d@@"
_RAWS = (
    b"9" * 5_000,
    b"1e999",
    b"-1e-999",
    b"NaN",
    b"Infinity",
    b"[" * 3_000 + b"]" * 3_000,
    b'{"a":' * 400 + b"0" + b"}" * 400,
    b'"\xff\xfe\xc3"',
    b'"\\ud83d"',
    b'"\\u0000"',
    b"[" * 100,
    b'{"type":"text","type":null}',
)
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, 2**31, 2**53 + 1, 2**63, 2**64, 10**400),
    *("", " ", "\n", "\x00", "\ud800", "\udfff\ud800", "é" * 300, "A" * 20_000, "🎉" * 5_001),
    *("../../../../etc/passwd", "/proc/self/environ", "file:///etc/passwd", "C:\\CON", "~", "~x"),
    *("http://[::1", "vscode-remote://ssh-remote%2Bbox/x", "\x1b]0;x\x07", "\u202e", "$ref"),
    *("9999-12-31T23:59:60Z", "0001-01-01T00:00:00+23:59", "2026-13-45", "1e10", "-5", "nan"),
    *([], {}, [[]], [{}], [None], {"": ""}, {"$": 1}, {"__proto__": 1}, [[[[[[[[[[1]]]]]]]]]]),
    *({"type": "text", "text": None}, {"type": []}, {"id": {}}, ["a", 1, None, {}]),
)

Value = Any
Place = tuple[Any, Any]
"""A container, and the key or index of one value in it."""


def mutate(data: bytes, rng: random.Random, other: Sequence[bytes] = ()) -> bytes:
    """The input after one to four changes; `other` lends lines."""
    lines = data[:LONGEST].split(b"\n")
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        rng.choice(_CHANGES)(lines, rng, other)
        lines = lines or [b""]
    return b"\n".join(lines)[:LONGEST]


def _values(lines: list[bytes], rng: random.Random, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(lines))
    lines[at] = _with_value(lines[at], rng)


def _drop(lines: list[bytes], rng: random.Random, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(lines))
    del lines[at : at + rng.choice((1, 1, 1, 5))]


def _double(lines: list[bytes], rng: random.Random, _: Sequence[bytes]) -> None:
    line = lines[rng.randrange(len(lines))]
    times = rng.choice((1, 1, 1, 30)) if len(line) < 5_000 else 1
    at = rng.randrange(len(lines) + 1)
    lines[at:at] = [line] * times


def _swap(lines: list[bytes], rng: random.Random, _: Sequence[bytes]) -> None:
    first, second = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[first], lines[second] = lines[second], lines[first]


def _borrow(lines: list[bytes], rng: random.Random, other: Sequence[bytes]) -> None:
    if other:
        fragments = rng.choice(other).split(b"\n")
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(fragments))


def _rename(lines: list[bytes], rng: random.Random, _: Sequence[bytes]) -> None:
    """What one text named in two places has two names now, or two have one: links break."""
    words = [
        word for line in lines for word in line[:4_000].split(b'"')[1::2] if 3 < len(word) < 80
    ]
    if words:
        old, new = rng.choice(words), rng.choice(words)
        at = rng.randrange(len(lines))
        lines[at] = lines[at].replace(old, new)


def _bytes(lines: list[bytes], rng: random.Random, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(lines))
    line = bytearray(lines[at])
    offset = rng.randrange(len(line) + 1)
    line[offset : offset + rng.randrange(3)] = rng.randbytes(rng.randrange(4))
    lines[at] = bytes(line)


def _cut(lines: list[bytes], rng: random.Random, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(lines))
    lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
    if rng.random() < 0.5:
        del lines[at + 1 :]


Change = Callable[[list[bytes], random.Random, Sequence[bytes]], None]
_CHANGES: tuple[Change, ...] = (
    *(_values,) * 8,
    *(_drop, _double, _swap, _borrow, _rename, _rename, _bytes, _cut),
)


def _with_value(line: bytes, rng: random.Random) -> bytes:
    head, has_json, raw = _json_in(line)
    try:
        value = json.loads(raw) if has_json else None
    except (ValueError, RecursionError):
        value = None
    places = list(_places(value, 2_000))
    if not places:
        return line
    holder, key = rng.choice(places)
    choice = rng.random()
    if choice < 0.12:
        del holder[key]
    elif choice < 0.2 and isinstance(holder, dict):
        holder[rng.choice(("", "$x", "é", "type", "id", "__proto__", "a" * 3_000))] = holder.pop(
            key
        )
    elif choice < 0.3:
        other, other_key = rng.choice(places)
        holder[key] = json.loads(json.dumps(other[other_key]))
    elif choice < 0.4:
        holder[key] = _RAW % rng.randrange(len(_RAWS))
    elif choice < 0.47:
        holder[key] = json.dumps(holder[key])
    else:
        holder[key] = rng.choice(HOSTILE)
    return head + _dumped(value, rng)


def _json_in(line: bytes) -> tuple[bytes, bool, bytes]:
    """What comes before the JSON in a line, whether there is any, and the JSON."""
    starts = [at for at in (line.find(b"{"), line.find(b"[")) if at >= 0]
    return (line[: min(starts)], True, line[min(starts) :]) if starts else (line, False, b"")


def _places(value: Value, most: int) -> Iterator[Place]:
    waiting = [value]
    while waiting and most:
        holder = waiting.pop()
        pairs: list[Place] = []
        if isinstance(holder, dict):
            pairs = list(holder.items())
        elif isinstance(holder, list):
            pairs = list(enumerate(holder))
        for key, item in pairs[:most]:
            yield holder, key
            most -= 1
            waiting.append(item)


def _dumped(value: Value, rng: random.Random) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    except ValueError:  # more digits than Python writes
        return b"null"
    for number, raw in enumerate(_RAWS):
        text = text.replace(b'"%s"' % (_RAW % number).encode(), raw)
    return text
