"""Git worktrees: a folder elsewhere on the disk that belongs to the same project as its repository.

In a worktree, `.git` is a file that names a folder in the repository; `commondir` in there leads to
the repository's own `.git` (git's documentation, "gitrepository-layout").
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_MAX_CHARACTERS = 8192


def in_repository(folder: Path) -> Iterator[Path]:
    """Yield where a folder of a worktree is in the main repository; nothing outside of worktrees.

    The repository is derived from the path alone if it is gone.
    """
    for root in (folder, *folder.parents):
        common = _common_folder(root / ".git")
        if common is not None:
            repository = common.parent if common.name == ".git" else common
            yield repository / folder.relative_to(root)


def _common_folder(link: Path) -> Path | None:
    """Return the `.git` that a worktree shares with its repository, from the worktree's own."""
    name, _, target = _read_line(link).partition(":")
    if name != "gitdir" or not target.strip() or "\0" in target:
        return None
    git_folder = (link.parent / target.strip()).resolve()
    common = _read_line(git_folder / "commondir")
    if common and "\0" not in common:
        return (git_folder / common).resolve()
    return git_folder.parent.parent if git_folder.parent.name == "worktrees" else None


def _read_line(path: Path) -> str:
    """Return the only line of a small file; an empty text if it is not a file of this kind."""
    try:
        if not path.is_file():
            return ""
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_MAX_CHARACTERS).strip()
    except (OSError, ValueError):
        return ""
