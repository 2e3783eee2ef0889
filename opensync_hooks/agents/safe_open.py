"""Opens files in an agent's folders: regular files only, and none through a link."""

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from opensync_hooks.errors import SourceError
from opensync_hooks.system.files import open_regular_file


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading. Raises SourceError, also for a link, a pipe or a device."""
    try:
        return open_regular_file(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SourceError(f"{path}: {reason}.") from error


def is_file(path: Path) -> bool:
    """Whether there is a file; False for a name too long to be one, where `Path.is_file` raises."""
    return os.path.isfile(path)  # noqa: PTH113 - see above


def within(root: Path, folders: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders that are below `root` without a link between; `root` itself may be one.

    A planted link could lead to any folder of the user's, whose files would be uploaded.
    """
    for folder in folders:
        try:
            names = folder.relative_to(root).parts
        except ValueError:
            continue
        if ".." not in names and not _passes_a_link(str(root), names):
            yield folder


def is_within(root: Path, folder: Path) -> bool:
    return any(within(root, (folder,)))


def files_within(root: Path, folder: Path, pattern: str) -> list[Path]:
    """Return the matching files below a folder in `root`, sorted, without any behind a link."""
    try:
        paths = sorted(folder.glob(pattern))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # a session id that cannot be a file's name
            raise
        return []
    folders = set(within(root, dict.fromkeys(path.parent for path in paths)))
    return [path for path in paths if path.parent in folders]


def _passes_a_link(root: str, names: tuple[str, ...]) -> bool:
    if os.name == "nt":  # where junctions redirect as well
        expected = os.path.join(os.path.realpath(root), *names)  # noqa: PTH118 - a plain text
        return os.path.realpath(os.path.join(root, *names)) != expected  # noqa: PTH118
    path = root
    for name in names:
        path = f"{path}/{name}"
        if os.path.islink(path):  # noqa: PTH114 - called for every folder of every session
            return True
    return False
