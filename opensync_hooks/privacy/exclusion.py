"""Sessions that are not delivered: of excluded or opted-out projects, and private ones.

Each such session has one small file of ours with the reason, and a private one another by which its
forks are recognized. A private session stays private in every later run, and an opted-out project
stays so after its folder, and the file in it, are gone.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from opensync_hooks.config import Config
from opensync_hooks.dataclass import dataclass
from opensync_hooks.hook import paths
from opensync_hooks.model import Session
from opensync_hooks.privacy import private_sessions
from opensync_hooks.privacy.private_sessions import PrivateSession
from opensync_hooks.privacy.project_rules import IGNORE, is_opted_out, matching_glob
from opensync_hooks.system.files import atomic_write, read_file, session_file_stem

_PRIVATE = (private_sessions.REASON, private_sessions.COPY_REASON)
_NO_PROJECT = "no folder of it is known, so a rule under exclude in config.toml may apply"


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Safe for several processes. Methods raise OSError if the disk does."""

    folder: Path
    globs: tuple[str, ...] = ()

    @classmethod
    def for_user(cls, globs: tuple[str, ...] = ()) -> Exclusions:
        return cls(Path(paths.state(os.environ.get)) / "excluded", globs)

    @classmethod
    def from_config(cls, config: Config) -> Exclusions:
        return cls(config.folders.state / "excluded", config.exclude)

    def keep_private(self, agent: str, session_id: str) -> None:
        """Make the session private for good, whatever its later hooks say."""
        self.record(agent, session_id, private_sessions.REASON)
        if not self._path(agent, session_id, ".json").exists():
            self._write(agent, PrivateSession(session_id))

    def private_reason(self, agent: str, session_id: str) -> str | None:
        """Return why the session may never leave; None if it is not private."""
        reason = self._recorded(agent, session_id)
        return reason if reason in _PRIVATE else None

    def reason(self, session: Session) -> str | None:
        """Return why the session is not delivered, as a sentence; None if it may be.

        One folder that is excluded keeps the whole session here, whatever way leads into it.
        """
        if reason := self._private_reason(session):
            return reason
        folders = dict.fromkeys(filter(None, (session.project_path, *session.folders)))
        for folder in folders:
            if pattern := matching_glob(folder, self.globs):
                return f"its project matches `{pattern}` under exclude in config.toml"
            if is_opted_out(folder):
                return f"{IGNORE} is in its project or above it"
        if not all(map(os.path.exists, folders)):
            return self._recorded(session.agent, session.id)
        return _NO_PROJECT if self.globs and not folders else None

    def unread_private_ids(self, agent: str) -> list[str]:
        """Return the private sessions whose forks are not recognized until they are read once."""
        return [private.id for private in self._private_sessions(agent) if not private.digests]

    def learn_forks(self, private: Session) -> None:
        """Keep digests of a private session's first messages, by which forks are recognized."""
        if digests := private_sessions.digests(private):
            self._write(private.agent, PrivateSession(private.id, digests))

    def is_private_fork(self, session: Session) -> bool:
        """Return whether the session begins as a private one of the same agent does."""
        digests = [private.digests for private in self._private_sessions(session.agent)]
        return any(digests) and not private_sessions.digests(session).isdisjoint(*digests)

    def record(self, agent: str, session_id: str, reason: str | None) -> None:
        """Remember the result of `reason` for when the project is gone; None forgets it."""
        if reason is None:
            self._path(agent, session_id).unlink(missing_ok=True)
        elif self._recorded(agent, session_id) != reason:
            content = f"{reason}\n".encode("utf-8", "replace")
            atomic_write(self._path(agent, session_id), content)

    def was_excluded(self, agent: str, session_id: str) -> bool:
        """Return whether the session was excluded when it was last looked at."""
        return self._recorded(agent, session_id) is not None

    def count(self) -> int:
        """Return how many sessions were excluded when they were last looked at."""
        return sum(1 for _ in self.folder.glob("*.txt"))

    def reasons(self) -> Counter[str]:
        """Count the reasons of the sessions that were excluded when they were last looked at."""
        return Counter(filter(None, map(_reason, self.folder.glob("*.txt"))))

    def _private_reason(self, session: Session) -> str | None:
        if reason := self.private_reason(session.agent, session.id):
            return reason
        origins = (session.parent_id, session.forked_from, session.id.partition(":")[0])
        is_private = any(id_ and self.private_reason(session.agent, id_) for id_ in origins)
        return private_sessions.COPY_REASON if is_private else None

    def _private_sessions(self, agent: str) -> Iterator[PrivateSession]:
        for path in self.folder.glob(f"{agent}-*.json"):
            private = PrivateSession.parse(read_file(path))
            if private and self._path(agent, private.id, ".json") == path:
                yield private

    def _write(self, agent: str, private: PrivateSession) -> None:
        atomic_write(self._path(agent, private.id, ".json"), private.dump())

    def _recorded(self, agent: str, session_id: str) -> str | None:
        return _reason(self._path(agent, session_id))

    def _path(self, agent: str, session_id: str, suffix: str = ".txt") -> Path:
        return self.folder / (session_file_stem(agent, session_id) + suffix)


def _reason(path: Path) -> str | None:
    try:
        return read_file(path).decode("utf-8").strip() or private_sessions.REASON
    except FileNotFoundError:
        return None
    except ValueError:  # damaged, so the reason is unknown, and nothing may leave by mistake
        return private_sessions.REASON
