"""The totals of a session, as the destination stores them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from operator import add, sub
from typing import Any

from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json

_FIELDS = {
    "prompt": "promptTokens",
    "completion": "completionTokens",
    "cost": "cost",
    "duration": "durationMs",
}
"""Each field with its name on OpenSync."""


@dataclass(frozen=True, slots=True)
class Totals:
    prompt: float = 0
    completion: float = 0
    cost: float = 0
    """USD."""
    duration: float = 0
    """Ms."""

    @classmethod
    def from_json(cls, body: Json) -> Totals:
        """Read the fields of a session or message as OpenSync names them; 0 for a missing one."""
        numbers: list[Any] = [body.get(name) for name in _FIELDS.values()]
        return cls(*(number if isinstance(number, int | float) else 0 for number in numbers))

    @classmethod
    def parse(cls, text: str | None) -> Totals | None:
        """Read a column of the ledger; None for an empty or damaged one."""
        try:
            return cls(**json.loads(text)) if text else None
        except (ValueError, TypeError):
            return None

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    def to_json(self) -> Json:
        """Return the fields under OpenSync's names, without zeros."""
        fields = {name: getattr(self, field) for field, name in _FIELDS.items()}
        return {name: number for name, number in fields.items() if number}

    def is_close(self, other: Totals) -> bool:
        return all(math.isclose(*pair, rel_tol=1e-9, abs_tol=1e-9) for pair in self._pairs(other))

    def cost_above(self, before: Totals | None) -> float:
        """Return by how many USD the same tokens cost more than before."""
        is_same = before and (before.prompt, before.completion) == (self.prompt, self.completion)
        return self.cost - before.cost if before and is_same else 0.0

    def largest(self, other: Totals) -> Totals:
        """Return the larger one of each number."""
        return self._combine(max, other)

    def __add__(self, other: Totals) -> Totals:
        return self._combine(add, other)

    def __sub__(self, other: Totals) -> Totals:
        return self._combine(sub, other)

    def _combine(self, function: Callable[[float, float], float], other: Totals) -> Totals:
        return Totals(*(function(*pair) for pair in self._pairs(other)))

    def _pairs(self, other: Totals) -> list[tuple[float, float]]:
        return [(getattr(self, field), getattr(other, field)) for field in _FIELDS]


NO_TOTALS = Totals()
