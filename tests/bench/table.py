"""The rows of the table that `python -m tests.bench` prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: a ratio within one run, and the two figures that it is made of."""

    name: str
    value: float
    basis: str
    """By what the figure was divided, or its unit."""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name:<46} {self.value:>9.2f}  {self.basis:<34} {self.detail}".rstrip()


def ratio(name: str, value: float, base: float, basis: str, unit: str = "ms") -> Row:
    """Return a row of two figures in seconds, or in another unit that is no time."""
    factor = 1_000 if unit == "ms" else 1
    detail = f"{value * factor:.4g} / {base * factor:.4g} {unit}"
    return Row(name, value / base if base else 0.0, f"x {basis}", detail)


class Family(Protocol):
    """A group of rows that are measured together, in a module of its own."""

    def __call__(self, *, quick: bool) -> Iterator[Row]:
        """Yield each row as soon as it was measured; `quick`: smaller inputs, fewer rounds."""
