"""The rules that keep a project at home: globs in config.toml, and .opensync-ignore.

A project has many paths: as the agent wrote it, without links, in the repository of its git
worktree, and that repository's in turn. A rule on any of them holds.
"""

from __future__ import annotations

import glob
import os
import unicodedata
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from opensync_hooks.hook import paths
from opensync_hooks.privacy.git_worktrees import in_repository
from opensync_hooks.system.local_paths import ignores_case, local_path, without_links

IGNORE = ".opensync-ignore"
_MAX_PATHS = 50
"""Of one project; repositories can lead to each other in circles."""
_MAX_MATCHES = 10_000
"""A glob such as `/*/*/*` has more matches on the disk than there is time for."""


def matching_glob(folder: str, globs: tuple[str, ...]) -> str | None:
    """Return the first glob that matches the project or a folder above it."""
    project_paths = list(_project_paths(folder))
    names = {name for path in project_paths for ancestor in (path, *path.parents)
             for name in (str(ancestor), ancestor.name)}  # fmt: skip
    is_any_case = any(map(ignores_case, project_paths))
    spellings = {_spelling(name, is_any_case) for name in names}
    for pattern in globs:
        for rule in {_spelling(rule, is_any_case) for rule in _resolved_globs(pattern)}:
            if any(fnmatchcase(name, rule) for name in spellings):
                return pattern
    return None


def is_opted_out(folder: str) -> bool:
    """Whether there is an ignore file in the project or above it, up to the home."""
    home = without_links(Path(paths.home(os.environ.get)))
    for project in _project_paths(folder):
        for path in (project, *project.parents) if project.is_absolute() else ():
            if os.path.lexists(path / IGNORE):
                return True
            if without_links(path) == home:
                break
    return False


def _project_paths(folder: str) -> Iterator[Path]:
    waiting = [local_path(folder)]
    for path in waiting:  # grows while it is walked
        if len(waiting) > _MAX_PATHS:
            break
        yield path
        if path.is_absolute():
            others = (without_links(path), *in_repository(path))
            waiting += [other for other in dict.fromkeys(others) if other not in waiting]


def _spelling(text: str, is_any_case: bool) -> str:
    """Return the text in one spelling: macOS does not tell `é` from `e` with an accent."""
    composed = unicodedata.normalize("NFC", text)
    return composed.casefold() if is_any_case else composed


def _resolved_globs(pattern: str) -> Iterator[str]:
    """Yield the pattern, then without links: those of its beginning, and those that it matches."""
    rule = local_path(os.path.expanduser(pattern))  # noqa: PTH111 - Path raises for ~nobody
    yield str(rule)
    if rule.is_absolute() and "\0" not in pattern:
        parts = rule.parts
        plain = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts))
        yield str(without_links(Path(*parts[:plain])).joinpath(*parts[plain:]))
        matches = islice(glob.iglob(str(rule)), _MAX_MATCHES)  # noqa: PTH207 - Path.glob refuses `/x`
        yield from (glob.escape(str(without_links(Path(match)))) for match in matches)
