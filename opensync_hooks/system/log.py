"""What happened, one line per event: names, ids and counts, never a word of anybody's.

For the user who wonders, and for a bug report. Nothing reads it, and nothing depends on it.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

LONGEST = 1 << 20
"""Bytes of one file; there are three at most."""
_PLAIN = re.compile(r"[\w.:#+-]{1,120}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Log:
    """Any number of processes may write, each line in one piece. Never raises."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "hooks.log"

    def write(self, event: str, **facts: object) -> None:
        """Of the facts, what is nothing is left out, and what is no plain name or number hidden."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = (f"{_plain(name)}={_plain(value)}" for name, value in facts.items() if value)
        line = " ".join((at, str(os.getpid()), event, *said)) + "\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # no link, no pipe
        with suppress(OSError):
            fd = os.open(self.path, flags, 0o600)
            try:
                os.write(fd, line.encode())
            finally:
                os.close(fd)

    def rotate(self) -> None:
        """Only for the one worker: two at once would rename what the other has just begun."""
        with suppress(OSError):
            if self.path.stat().st_size < LONGEST:
                return
            older = self.folder / "hooks.1.log"
            with suppress(FileNotFoundError):
                older.replace(self.folder / "hooks.2.log")
            self.path.replace(older)


def _plain(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else f"({len(text)} letters)"
