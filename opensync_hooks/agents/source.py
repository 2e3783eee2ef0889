"""The agents' own stores, read-only: a source turns one session of one agent into values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from opensync_hooks.model import Session, Trigger


@dataclass(frozen=True, slots=True)
class Located:
    """Where one session lies. `fingerprint` changes whenever anything of the session does."""

    session_id: str
    path: Path
    changed_at: int
    fingerprint: str


class Source(Protocol):
    """One agent's sessions. Never writes, never locks, never leaves a file beside the agent's."""

    agent: str

    def trigger(self, payload: Mapping[str, Any]) -> Trigger | None:
        """What a hook's payload asks for; None when it asks for nothing."""
        ...

    def find(self, wanted: str) -> Located | None:
        """The session with this id, or in the file at this path; None when there is none."""
        ...

    def locate(self, trigger: Trigger) -> Located | None:
        """The session that a hook named, by its path only where the agent keeps sessions."""
        ...

    def sessions(self) -> Iterable[Located]:
        """All sessions on the disk, newest first."""
        ...

    def settled(self, trigger: Trigger) -> bool:
        """Whether all that the agent had shown when it fired the hook is on the disk by now."""
        ...

    def read(self, located: Located) -> Iterator[Session]:
        """The session, then the subagents it started. Raises SourceError."""
        ...
