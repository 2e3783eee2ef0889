"""Paths as other programs wrote them: of the other side of WSL, or in another spelling."""

import os
import re
from pathlib import Path

from opensync_hooks.system import windows

_DRIVE = re.compile(r"([A-Za-z]):(?:[\\/]|\Z)")
_SLASHED_DRIVE = re.compile(r"/([A-Za-z]):?(?:/|\Z)")
_WSL_SHARE = re.compile(r"[\\/]{2}(?:wsl\$|wsl\.localhost)[\\/][^\\/]+", re.IGNORECASE)
_SEPARATORS = re.compile(r"[\\/]+")


def local_path(text: str) -> Path:
    r"""Return the path as this system names it.

    On Windows, `/c:/x` and `/c/x` are C:\x. On Linux, `C:\x` is /mnt/c/x, where
    WSL mounts the drive, and `\\wsl$\Ubuntu\x` is /x.
    """
    if windows.IS_WINDOWS:
        drive = _SLASHED_DRIVE.match(text)  # of an editor's URI, or of Git Bash
        return Path(f"{drive[1]}:/{text[drive.end() :]}" if drive else text)
    if drive := _DRIVE.match(text):
        return Path("/mnt", drive[1].lower(), *_SEPARATORS.split(text[drive.end() :]))
    if share := _WSL_SHARE.match(text):
        return Path("/", *_SEPARATORS.split(text[share.end() :]))
    return Path(_SEPARATORS.sub("/", text) if text.startswith("\\\\") else text)


def without_links(path: Path) -> Path:
    """Return the path without links and `..`; one that cannot be resolved stays as it is."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return path


def ignores_case(path: Path) -> bool:
    """Whether the disk takes another spelling of the path for the same, as on macOS and Windows."""
    if windows.IS_WINDOWS:  # a folder that tells them apart is rare, and a rule had better hold
        return True
    for folder in (path, *path.parents):
        other = folder.with_name(folder.name.swapcase()) if folder.name else folder
        try:
            if other != folder and folder.exists():
                return folder.samefile(other)
        except (OSError, ValueError):
            return False
    return False
