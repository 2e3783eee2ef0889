"""One planned change of one file that belongs to the user: shown, then made whole or not at all."""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from opensync_hooks.errors import OpenSyncError
from opensync_hooks.system.files import atomic_write


class StaleError(OpenSyncError):
    """The file is no longer what the change was planned for."""


@dataclass(frozen=True, slots=True)
class Note:
    """A private file of ours that goes with a change; without content it is to go."""

    path: Path
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Change:
    """`before` and `after` are the whole file; None is no file."""

    path: Path
    before: bytes | None
    after: bytes | None
    notes: tuple[Note, ...] = ()
    """Those to keep are written before the file is, those to go leave after it."""
    prune: int = 0
    """How many of the file's folders, from the innermost, go as well once nothing is in them."""

    def diff(self) -> str:
        old = f"{self.path}" if self.before is not None else os.devnull
        new = f"{self.path}" if self.after is not None else os.devnull
        lines = difflib.unified_diff(_lines(self.before), _lines(self.after), old, new, lineterm="")
        return "\n".join(lines)

    def apply(self) -> None:
        """Raises StaleError, and changes nothing, if somebody wrote the file meanwhile."""
        for note in self.notes:
            if note.content is not None:
                atomic_write(note.path, note.content)
        if read(self.path) != self.before:
            raise StaleError(
                f"{self.path}: another program wrote it at this moment. Nothing was changed.",
                "run the same command again",
            )
        if self.after is None:
            _delete(self.path)
            with suppress(OSError):
                for folder in self.path.parents[: self.prune]:
                    folder.rmdir()
        else:
            write(self.path, self.after)
        for note in self.notes:
            if note.content is None:
                _delete(note.path)


def carry_out(plan: Callable[[], Change | None], attempts: int = 3) -> Change | None:
    """Plan and apply, and plan anew if the file changed in between; what was done, if anything."""
    change = plan()
    if change is None:
        return None
    try:
        change.apply()
    except StaleError:
        if attempts == 1:
            raise
        return carry_out(plan, attempts - 1)
    return change


def carry_out_all(plan: Callable[[], Change | None]) -> list[Change]:
    """One change after the other, until there is nothing left to change."""
    return list(iter(partial(carry_out, plan), None))


def read(path: Path) -> bytes | None:
    """The whole file; None when there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OpenSyncError(
            f"{path}: cannot be read ({error.strerror}). Nothing was changed.",
            "see who owns it and what its permissions are",
        ) from error


def write(path: Path, content: bytes) -> None:
    """Replace the whole file in one step; a link stays a link, and a mode stays the mode."""
    target = Path(os.path.realpath(path))
    try:
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
        atomic_write(target, content)
        if mode is not None:
            target.chmod(mode)
    except OSError as error:
        raise _unwritable(path, error) from error


def _delete(path: Path) -> None:
    try:
        Path(os.path.realpath(path)).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> OpenSyncError:
    return OpenSyncError(
        f"{path}: cannot be written ({error.strerror}). Nothing was changed.",
        f"make {path.parent} writable for yourself",
    )


def _lines(content: bytes | None) -> list[str]:
    if not content:
        return []
    text = content.decode("utf-8", "replace").removesuffix("\n")
    return [line.removesuffix("\r") for line in text.split("\n")]
