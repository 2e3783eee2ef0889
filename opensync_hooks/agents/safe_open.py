"""Opening what an agent left behind: a plain file, and nothing that only looks like one."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from opensync_hooks.errors import SourceError
from opensync_hooks.system.files import open_regular_file


def open_regular(path: Path) -> BinaryIO:
    """The file at `path`; SourceError for a link, a pipe, a device, or nothing there."""
    try:
        return open_regular_file(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SourceError(f"{path}: {why}.") from error


def is_file(path: Path) -> bool:
    """Whether a file is there; where `Path.is_file` raises, for a name too long to be one, not."""
    return os.path.isfile(path)  # noqa: PTH113 - see above


def within(root: Path, folders: Iterable[Path]) -> Iterator[Path]:
    """Those folders that lie below `root`, with no link on the way; `root` itself may be one.

    A link in there could name any folder of the user's, and what lies in it would be uploaded.
    """
    for folder in folders:
        try:
            parts = folder.relative_to(root).parts
        except ValueError:
            continue
        if ".." not in parts and not _leads_away(str(root), parts):
            yield folder


def _leads_away(root: str, parts: tuple[str, ...]) -> bool:
    """Whether one of the folders on the way is a link."""
    if os.name == "nt":  # where there are junctions as well
        below = os.path.join(os.path.realpath(root), *parts)  # noqa: PTH118 - text is compared
        return os.path.realpath(os.path.join(root, *parts)) != below  # noqa: PTH118
    path = root
    for part in parts:
        path = f"{path}/{part}"
        if os.path.islink(path):  # noqa: PTH114 - called for every folder of every session
            return True
    return False


def files_within(root: Path, folder: Path, pattern: str) -> list[Path]:
    """What matches below a folder in `root`, in order, where no folder on the way is a link."""
    try:
        found = sorted(folder.glob(pattern))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # an id that no file can be called by
            raise
        return []
    plain = set(within(root, dict.fromkeys(path.parent for path in found)))
    return [path for path in found if path.parent in plain]


def is_within(root: Path, folder: Path) -> bool:
    return any(within(root, (folder,)))
