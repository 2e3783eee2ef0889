"""Reasons why a settings file cannot be changed, or why an agent would not run our hook."""

from enum import StrEnum, auto
from pathlib import Path

from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import OpenSyncError


class BlockerKind(StrEnum):
    UNREADABLE = auto()
    UNWRITABLE = auto()
    MALFORMED = auto()
    """Not JSON, or not the shape that the agent expects."""
    CHANGED = auto()
    """Another program wrote the file after the change was planned."""
    FOREIGN = auto()
    """Another program's file has the name of ours."""
    DISABLED = auto()
    """The user turned all hooks of the agent off."""
    REFUSED = auto()
    """The agent refuses the whole file."""
    NO_COMMAND = auto()
    PYTHON_MISSING = auto()
    SCRIPT_MISSING = auto()


@dataclass(frozen=True, slots=True)
class Blocker:
    """One reason, about the settings file or the program at `path`."""

    kind: BlockerKind
    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class SettingsError(OpenSyncError):
    """A settings file cannot be changed because of `blocker`; nothing was changed."""

    def __init__(self, blocker: Blocker, hint: str) -> None:
        super().__init__(f"{blocker}. Nothing was changed.", hint)
        self.blocker = blocker
        self.kind = blocker.kind
