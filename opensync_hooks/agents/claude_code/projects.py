"""The project of a session: the folder that it worked in, or the repository of a worktree."""

from __future__ import annotations

import re
from collections.abc import Mapping

_WORKTREE = re.compile(r"(.+?)[\\/]\.claude[\\/]worktrees[\\/]")


def project_path(folder: str | None, worktrees: Mapping[str, str]) -> str | None:
    """Return the folder; for one in a worktree, the folder that the worktree was made from."""
    for worktree, original in worktrees.items():
        if folder == worktree or (folder or "").startswith((f"{worktree}/", f"{worktree}\\")):
            return original
    in_repository = _WORKTREE.match(folder or "")
    return in_repository[1] if in_repository else folder
