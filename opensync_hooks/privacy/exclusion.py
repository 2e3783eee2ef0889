"""Sessions that are not delivered at all: by project, by a file in it, or because they are private.

One small file of ours for each such session remembers it: a private one stays private in every
later run, and a project that was opted out stays so when its folder, and the file in it, are gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from opensync_hooks.config import Config
from opensync_hooks.hook import paths
from opensync_hooks.system.files import atomic_write, read_file, session_file_stem

IGNORE = ".opensync-ignore"
_PRIVATE = "private: its agent ran with OPENSYNC_HOOKS_PRIVATE"


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Safe for several processes. Methods raise OSError where the disk does."""

    folder: Path
    globs: tuple[str, ...] = ()

    @classmethod
    def for_user(cls, globs: tuple[str, ...] = ()) -> Exclusions:
        return cls(Path(paths.state(os.environ.get)) / "excluded", globs)

    @classmethod
    def from_config(cls, config: Config) -> Exclusions:
        return cls(config.folders.state / "excluded", config.exclude)

    def keep_private(self, agent: str, session_id: str) -> None:
        """For good, whatever later hooks of the session say."""
        self.remember(agent, session_id, _PRIVATE)

    def private(self, agent: str, session_id: str) -> str | None:
        """Why the session may not even be read; None if nothing is known against it."""
        return _PRIVATE if self._known(agent, session_id) == _PRIVATE else None

    def reason(self, agent: str, session_id: str, project: str | None) -> str | None:
        """Why the session stays here, in words for the user; None where it may be delivered."""
        why = self.private(agent, session_id) or self._matching(project) or _opted_out(project)
        if why is None and project and not os.path.isdir(project):  # noqa: PTH112 - never raises
            return self._known(agent, session_id)
        return why

    def remember(self, agent: str, session_id: str, why: str | None) -> None:
        """Keep what `reason` said, for when the project is gone; None forgets it."""
        if why is None:
            self._path(agent, session_id).unlink(missing_ok=True)
        elif self._known(agent, session_id) != why:
            atomic_write(self._path(agent, session_id), f"{why}\n".encode("utf-8", "replace"))

    def remembers(self, agent: str, session_id: str) -> bool:
        """Whether the session was found excluded when it was last looked at."""
        return self._known(agent, session_id) is not None

    def count(self) -> int:
        """How many sessions were found excluded when they were last looked at."""
        return sum(1 for _ in self.folder.glob("*.txt")) if self.folder.is_dir() else 0

    def _matching(self, project: str | None) -> str | None:
        named = list(_names(project))
        for glob in self.globs:
            wanted = str(Path(os.path.expanduser(glob)))  # noqa: PTH111 - Path's raises for ~nobody
            if any(fnmatch(one, wanted) for one in named):
                return f"its project matches `{glob}` under exclude in config.toml"
        return None

    def _known(self, agent: str, session_id: str) -> str | None:
        try:
            return read_file(self._path(agent, session_id)).decode("utf-8").strip() or _PRIVATE
        except FileNotFoundError:
            return None
        except ValueError:  # damaged: what it said is not known, and nothing may leave by mistake
            return _PRIVATE

    def _path(self, agent: str, session_id: str) -> Path:
        return self.folder / (session_file_stem(agent, session_id) + ".txt")


def _names(project: str | None) -> Iterator[str]:
    """What a glob may match: the folder and those above it, also behind links; and their names."""
    for path in {project, _resolved(project)} if project else set():
        for folder in (Path(path), *Path(path).parents):
            yield from (str(folder), folder.name)


def _opted_out(project: str | None) -> str | None:
    """Whether a file opts the project out, in its folder or in one above, up to the home folder."""
    if not project or not Path(project).is_absolute():
        return None
    home = _resolved(paths.home(os.environ.get))
    for folder in (Path(project), *Path(project).parents):
        if os.path.lexists(folder / IGNORE):
            return f"{IGNORE} lies in its project, or above it"
        if _resolved(str(folder)) == home:
            break
    return None


def _resolved(path: str) -> str:
    """Without links; what can be no path at all stays as it is."""
    try:
        return os.path.realpath(path)
    except ValueError:
        return path
