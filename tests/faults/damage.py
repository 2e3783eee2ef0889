"""Ways in which a file goes bad: cut short, a page zeroed or full of noise, one bit flipped."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

PAGE = 4_096


@dataclass(frozen=True, slots=True)
class Damage:
    name: str
    content: bytes


def of_pages(whole: bytes, dice: random.Random, flips: int = 1) -> Iterator[Damage]:
    """Each page zeroed, each page random, and in each page so many times one bit flipped."""
    for start in range(0, len(whole), PAGE):
        page = start // PAGE
        before, after = whole[:start], whole[start + PAGE :]
        size = len(whole[start : start + PAGE])
        yield Damage(f"page {page} zeroed", before + bytes(size) + after)
        yield Damage(f"page {page} noise", before + dice.randbytes(size) + after)
        for _ in range(flips):
            yield flipped(whole, dice, start, start + size)


def flipped(whole: bytes, dice: random.Random, start: int = 0, end: int | None = None) -> Damage:
    place = dice.randrange(start, len(whole) if end is None else end)
    bit = 1 << dice.randrange(8)
    changed = bytes([whole[place] ^ bit])
    return Damage(f"bit {bit} of byte {place}", whole[:place] + changed + whole[place + 1 :])


def prefixes(whole: bytes, step: int) -> Iterator[Damage]:
    for length in range(0, len(whole), step):
        yield Damage(f"first {length} bytes", whole[:length])
