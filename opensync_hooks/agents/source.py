"""The interface of a source: one agent's sessions on the disk, read into values of the model."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from opensync_hooks.agents.description import HookFactsLookup
from opensync_hooks.model import HookEvent, Json, Session, Trigger


@dataclass(frozen=True, slots=True)
class Located:
    """Where one session is."""

    session_id: str
    path: Path
    changed_at: int
    """In milliseconds since 1970."""
    fingerprint: str
    """Changes whenever anything of the session does."""


@dataclass(frozen=True, slots=True)
class StorageRemark:
    """A fact about the files with an agent's sessions, for `doctor`."""

    fact: str
    cure: str = ""
    """The user's next step; empty if nothing is wrong."""


class Source(Protocol):
    """One agent's sessions. Never writes, takes no lock, and leaves no file beside the agent's."""

    agent: str

    def parse_event(self, payload: Json) -> HookEvent | None:
        """Return what a hook's payload reports; None if it names no session."""
        ...

    def find(self, id_or_path: str) -> Located | None:
        """Return the session with this id or in this file; None if there is none."""
        ...

    def locate(self, trigger: Trigger) -> Located | None:
        """Return the session that a hook named; its path counts only in the agent's own folders."""
        ...

    def sessions(self) -> Iterable[Located]:
        """Return every session on the disk, newest first."""
        ...

    def is_settled(self, trigger: Trigger) -> bool | None:
        """Return whether everything that the agent had shown when it fired the hook is on the disk.

        None: the session is complete, but nothing tells whether its last turn is the one that the
        hook announced.
        """
        ...

    def read(self, located: Located) -> Iterator[Session]:
        """Yield the session, then the subagents that it started. Raises SourceError."""
        ...


@runtime_checkable
class InspectedSource(Protocol):
    """A source that has something to tell about its files."""

    def remarks(self) -> Iterable[StorageRemark]:
        """Return what `doctor` shows."""
        ...


OpenSource = Callable[[Mapping[str, str], str, HookFactsLookup], Source]
"""Returns an agent's source.

Takes the environment that says where the sessions are, and the path of the user's home folder.
"""
