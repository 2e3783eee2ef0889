"""What every target of hostile input has in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path


class Target:
    """The base: takes every input, and has no seeds."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0
        """The sessions that were read from the last input."""

    @staticmethod
    def seeds() -> Iterator[bytes]:
        yield b""

    def __call__(self, data: bytes) -> None:
        raise NotImplementedError
