"""Git worktrees: a folder elsewhere on the disk that belongs to the same project as its repository.

In a worktree, `.git` is a file that names a folder in `worktrees` of the repository's own `.git`
(git's documentation, "gitrepository-layout"). That of a submodule is elsewhere, and its `config`
names the working folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from opensync_hooks.system.local_paths import local_path, without_links
from opensync_hooks.system.patterns import compiled

_MAX_CHARACTERS = 65_536
_WORKING_FOLDER = r'(?mi)^[ \t]*worktree[ \t]*=[ \t]*"?([^"\n]+?)"?[ \t\r]*$'


def in_repository(folder: Path) -> Iterator[Path]:
    """Yield where a folder of a worktree is in the main repository; nothing outside of worktrees.

    The repository is derived from the path alone if it is gone.
    """
    for root in (folder, *folder.parents):
        common = _common_folder(root / ".git")
        if common is not None:
            for working_folder in _working_folders(common):
                yield working_folder / folder.relative_to(root)


def _working_folders(common: Path) -> Iterator[Path]:
    """Yield where the files of the repository with this `.git` are; a bare one has none."""
    yield common.parent if common.name == ".git" else common
    for name in ("config", "config.worktree"):
        for match in compiled(_WORKING_FOLDER).finditer(_read(common / name)):
            yield without_links(common / local_path(match[1]))


def _common_folder(link: Path) -> Path | None:
    """Return the `.git` that a worktree shares with its repository, from the worktree's own."""
    name, _, target = _read(link).partition(": ")
    if name != "gitdir" or not target:
        return None
    git_folder = without_links(link.parent / local_path(target))
    return git_folder.parent.parent if git_folder.parent.name == "worktrees" else None


def _read(path: Path) -> str:
    """Return a small file's text; an empty one if it is not a file of this kind."""
    try:
        if not path.is_file():
            return ""
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_MAX_CHARACTERS).strip()
    except OSError:
        return ""
