"""The result of a trial, as a line of a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

_HEAD = ("trial", "rounds", "lost", "doubled", "seconds", "result", "notes")


@dataclass(slots=True)
class Figure:
    """The counts of one trial. It has passed if there are no `failures`, which are sentences."""

    trial: str
    rounds: int = 0
    lost: int = 0
    doubled: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fail(self, sentence: str) -> None:
        self.failures.append(sentence)

    def check(self, holds: object, sentence: str) -> None:
        if not holds:
            self.fail(sentence)

    def add(self, lost: int, doubled: int, where: str) -> None:
        self.lost += lost
        self.doubled += doubled
        if lost or doubled:
            self.fail(f"{where}: {lost} lost, {doubled} doubled")

    def take(self, other: Figure) -> None:
        """Add the result of a part of the trial."""
        self.lost += other.lost
        self.doubled += other.doubled
        self.failures += other.failures

    @property
    def passed(self) -> bool:
        return not (self.lost or self.doubled or self.failures)

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "passed": self.passed}


def table(figures: Iterable[Figure]) -> str:
    rows = [_HEAD, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD) - 1)]
    return "\n".join(_line(row, widths) for row in rows)


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        figure.trial,
        f"{figure.rounds:,}",
        f"{figure.lost:,}",
        f"{figure.doubled:,}",
        f"{figure.seconds:.1f}",
        "passed" if figure.passed else f"{len(figure.failures)} FAILED",
        "; ".join(figure.notes),
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
    return "  ".join((*cells, row[-1])).rstrip()
