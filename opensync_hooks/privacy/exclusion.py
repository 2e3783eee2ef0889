"""Sessions that are not delivered: of excluded or opted-out projects, and private ones.

Each such session has one small file of ours. A private session stays private in every later run,
and an opted-out project stays so after its folder, and the file in it, are gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from opensync_hooks.config import Config
from opensync_hooks.hook import paths
from opensync_hooks.model import Session
from opensync_hooks.system.files import atomic_write, read_file, session_file_stem

IGNORE = ".opensync-ignore"
_PRIVATE = "private: its agent ran with OPENSYNC_HOOKS_PRIVATE"
"""The content of a private session's file; other files hold another reason."""


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
        self.record(agent, session_id, _PRIVATE)

    def private_reason(self, agent: str, session_id: str) -> str | None:
        """Return why the session may not even be read; None if it is not private."""
        return _PRIVATE if self._recorded(agent, session_id) == _PRIVATE else None

    def reason(self, session: Session) -> str | None:
        """Return why the session is not delivered, as a sentence; None if it may be.

        One folder that is excluded keeps the whole session here.
        """
        reason = self.private_reason(session.agent, session.id)
        folders = dict.fromkeys(filter(None, (session.project_path, *session.folders)))
        for folder in folders:
            reason = reason or self._matching_glob(folder) or _opted_out(folder)
        if reason is None and not all(map(os.path.exists, folders)):
            return self._recorded(session.agent, session.id)
        return reason

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
        return sum(1 for _ in self.folder.glob("*.txt")) if self.folder.is_dir() else 0

    def _matching_glob(self, project: str | None) -> str | None:
        names = list(_names(project))
        for glob in self.globs:
            pattern = str(Path(os.path.expanduser(glob)))  # noqa: PTH111 - Path raises for ~nobody
            if any(fnmatch(name, pattern) for name in names):
                return f"its project matches `{glob}` under exclude in config.toml"
        return None

    def _recorded(self, agent: str, session_id: str) -> str | None:
        try:
            return read_file(self._path(agent, session_id)).decode("utf-8").strip() or _PRIVATE
        except FileNotFoundError:
            return None
        except ValueError:  # damaged, so the reason is unknown, and nothing may leave by mistake
            return _PRIVATE

    def _path(self, agent: str, session_id: str) -> Path:
        return self.folder / (session_file_stem(agent, session_id) + ".txt")


def _names(project: str | None) -> Iterator[str]:
    """Yield what a glob may match: each folder up to the root, also without links, and its name."""
    for path in {project, _resolve(project)} if project else set():
        for folder in (Path(path), *Path(path).parents):
            yield from (str(folder), folder.name)


def _opted_out(project: str | None) -> str | None:
    """Return a reason if there is an ignore file in the project or above it, up to the home."""
    if not project or not Path(project).is_absolute():
        return None
    home = _resolve(paths.home(os.environ.get))
    for folder in (Path(project), *Path(project).parents):
        if os.path.lexists(folder / IGNORE):
            return f"{IGNORE} is in its project or above it"
        if _resolve(str(folder)) == home:
            break
    return None


def _resolve(path: str) -> str:
    """Return the path without links; a text that cannot be a path stays as it is."""
    try:
        return os.path.realpath(path)
    except ValueError:
        return path
