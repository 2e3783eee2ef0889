"""One planned change of one file of the user's: first shown, then made completely or not at all."""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from opensync_hooks.agents.settings_files.blockers import Blocker, BlockerKind, SettingsError
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.system.files import atomic_write

_ATTEMPTS = 3
_MAX_CHANGES = 50
"""More than an agent has settings files, each of which is changed once."""


class StaleError(SettingsError):
    """The file is no longer what the change was planned for."""


@dataclass(frozen=True, slots=True)
class SideFile:
    """A private file of ours that is written with a change, or deleted if `content` is None."""

    path: Path
    content: bytes | None


@dataclass(frozen=True, slots=True)
class FileChange:
    """`before` and `after` are the file's complete content; None stands for no file."""

    path: Path
    before: bytes | None
    after: bytes | None
    side_files: tuple[SideFile, ...] = ()
    """They are written before the file is, and deleted after it."""
    prune: int = 0
    """How many of the file's folders, from the innermost, are removed once they are empty."""

    def diff(self) -> str:
        import difflib  # noqa: PLC0415 - only for somebody who looks at it

        old = f"{self.path}" if self.before is not None else os.devnull
        new = f"{self.path}" if self.after is not None else os.devnull
        lines = difflib.unified_diff(_lines(self.before), _lines(self.after), old, new, lineterm="")
        return "\n".join(lines)

    def apply(self) -> None:
        """Raise StaleError, and change nothing, if another program wrote the file meanwhile."""
        for side_file in self.side_files:
            if side_file.content is not None:
                atomic_write(side_file.path, side_file.content)
        if read(self.path) != self.before:
            raise StaleError(
                Blocker(BlockerKind.CHANGED, self.path, "another program wrote it at this moment"),
                "run the same command again",
            )
        _replace(self.path, self.after)
        if self.after is None:
            with suppress(OSError):
                for folder in self.path.parents[: self.prune]:
                    folder.rmdir()
        for side_file in self.side_files:
            if side_file.content is None:
                _replace(side_file.path, None)


def apply_all(plan: Callable[[], FileChange | None]) -> list[FileChange]:
    """Plan and apply one change after the other, until there is nothing left to change.

    If another program writes the file in between, the change is planned again, twice at most.
    Raises SettingsError, and OpenSyncError for a file that is changed again and again.
    """
    changes: list[FileChange] = []
    attempts = _ATTEMPTS
    while change := plan():
        if len(changes) == _MAX_CHANGES:
            raise OpenSyncError(
                f"{change.path}: not as it should be after {_MAX_CHANGES} changes.",
                "another program may be undoing them: close it, then run the same command again",
            )
        try:
            change.apply()
        except StaleError:
            attempts -= 1
            if not attempts:
                raise
        else:
            changes.append(change)
            attempts = _ATTEMPTS
    return changes


def read(path: Path) -> bytes | None:
    """Return the file's content; None if there is no file. Raises SettingsError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(
            Blocker(BlockerKind.UNREADABLE, path, f"cannot be read ({error.strerror})"),
            "check its owner and its permissions",
        ) from error


def _replace(path: Path, content: bytes | None) -> None:
    """Write or delete the file in one step. A link goes only with its file; the mode stays."""
    target = Path(os.path.realpath(path))
    try:
        if content is None:
            for file in (target, path):  # a link must not stay behind that leads nowhere
                file.unlink(missing_ok=True)
            return
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
        atomic_write(target, content)
        if mode is not None:
            target.chmod(mode)
    except OSError as error:
        raise SettingsError(
            Blocker(BlockerKind.UNWRITABLE, path, f"cannot be written ({error.strerror})"),
            f"make {path.parent} writable for yourself",
        ) from error


def _lines(content: bytes | None) -> list[str]:
    if not content:
        return []
    text = content.decode("utf-8", "replace").removesuffix("\n")
    return [line.removesuffix("\r") for line in text.split("\n")]
