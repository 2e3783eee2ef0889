"""Damages to a file: truncated, a page zeroed or filled with noise, one bit flipped."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

PAGE = 4_096


@dataclass(frozen=True, slots=True)
class Damage:
    name: str
    content: bytes


def of_pages(content: bytes, dice: random.Random, flips: int = 1) -> Iterator[Damage]:
    """Yield each page zeroed, each page random, and `flips` single flipped bits in each page."""
    for start in range(0, len(content), PAGE):
        page = start // PAGE
        before, after = content[:start], content[start + PAGE :]
        size = len(content[start : start + PAGE])
        yield Damage(f"page {page} zeroed", before + bytes(size) + after)
        yield Damage(f"page {page} noise", before + dice.randbytes(size) + after)
        for _ in range(flips):
            yield flipped(content, dice, start, start + size)


def flipped(content: bytes, dice: random.Random, start: int = 0, end: int | None = None) -> Damage:
    offset = dice.randrange(start, len(content) if end is None else end)
    bit = 1 << dice.randrange(8)
    changed = bytes([content[offset] ^ bit])
    return Damage(f"bit {bit} of byte {offset}", content[:offset] + changed + content[offset + 1 :])


def prefixes(content: bytes, step: int) -> Iterator[Damage]:
    for length in range(0, len(content), step):
        yield Damage(f"first {length} bytes", content[:length])
