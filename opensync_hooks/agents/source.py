"""The interface of a source: one agent's sessions on the disk, read into values of the model."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from opensync_hooks.agents.description import HookFactsLookup
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import HookEvent, Json, Session, Skipped, Trigger

UNREAD_COPY = Skipped("unreadable", "unreadable file that may have a newer copy")


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


class NotResumableError(Exception):
    """The session has to be read from its beginning."""


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """The place from which a session is read on, as a `Checkpoint` of an earlier read said."""

    state: Json
    known_names: Callable[[Iterable[int]], frozenset[int]]
    """Returns which of these digests are of names in front of it."""


@runtime_checkable
class ResumableSource(Source, Protocol):
    """A source that can leave out what was in a session before."""

    def resume(
        self,
        located: Located,
        checkpoint_of: Callable[[str], SavedCheckpoint | None],
        is_due: Callable[[str, str], bool],
        *,
        divides: bool = False,
    ) -> Iterator[Session]:
        """Yield what `read` does, but each session only from its checkpoint on, if it has one.

        A session whose file is not the same any more, or whose new lines may concern older ones,
        is read from its beginning. A subagent that is not due is left out, and not even opened:
        `is_due` takes its id, and a fingerprint that changes whenever its files do.

        `divides`: a session without a checkpoint, too, may come in sections if it is long. If the
        checkpoint of one is not returned before the next is read, the session is read as a whole.

        Raises SourceError.
        """
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
