"""The log: one line per event with names, ids and counts, never with content.

It is for users who wonder what happened, and for bug reports. No code reads it.
"""

import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from opensync_hooks.dataclass import dataclass

MAX_BYTES = 1 << 20
"""Size at which a file is rotated; three files are kept."""
_PLAIN = re.compile(r"[\w.:#+-]{1,120}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Log:
    """An append-only log file that any number of processes may write. Never raises."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "hooks.log"

    def write(self, event: str, **fields: object) -> None:
        """Append one line. Empty fields are left out, and values that may be text are masked."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        pairs = (f"{_plain(name)}={_plain(value)}" for name, value in fields.items() if value)
        line = " ".join((time, str(os.getpid()), event, *pairs)) + "\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # no link, no pipe
        with suppress(OSError):
            fd = os.open(self.path, flags, 0o600)
            try:
                os.write(fd, line.encode())  # a single write, or lines of two processes would mix
            finally:
                os.close(fd)

    def rotate(self) -> None:
        """Rename the files once they are large.

        Only the single worker may call it: two processes would rename each other's new file.
        """
        with suppress(OSError):
            if self.path.stat().st_size < MAX_BYTES:
                return
            older = self.folder / "hooks.1.log"
            with suppress(FileNotFoundError):
                older.replace(self.folder / "hooks.2.log")
            self.path.replace(older)


def _plain(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else f"({len(text)} characters)"
