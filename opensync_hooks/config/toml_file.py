"""config.toml on disk: read only if it is private, changed by one process at a time."""

import copy
import os
import re
import shlex
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opensync_hooks.config.folders import Folders
from opensync_hooks.errors import NotConfiguredError
from opensync_hooks.system.file_lock import file_lock
from opensync_hooks.system.files import atomic_write, ensure_private_folder, open_regular_file

_API_KEY = re.compile(r"osk_[\w-]+")


def read(path: Path) -> dict[str, Any]:
    """Return the document, empty if there is no file. Raises NotConfiguredError if unusable."""
    try:
        with open_regular_file(_target(path)) as file:
            _check_private(path, os.fstat(file.fileno()))
            import tomllib  # noqa: PLC0415 - without a login there is mostly no file

            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        reason = _API_KEY.sub("osk_…", str(error))
        raise NotConfiguredError(
            f"{path}: not valid TOML ({reason}).", "Correct it; nothing is sent until then."
        ) from None
    except OSError as error:
        raise NotConfiguredError(
            f"{path}: {error.strerror}.",
            "Replace it by a file that only you can read and write; nothing is sent until then.",
        ) from None


def is_empty(path: Path) -> bool:
    """Return whether there is a file of 0 bytes. This package never leaves one."""
    try:
        return path.stat().st_size == 0
    except OSError:
        return False


def change(folders: Folders, edit: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Apply `edit` to the document in the file and return it. Raises NotConfiguredError."""
    from opensync_hooks.config import toml_edit  # noqa: PLC0415 - few processes change settings

    path = _target(folders.settings)
    with file_lock(ensure_private_folder(folders.locks) / "config.lock"):
        # A killed process may have left its temporary file, and the key may be in it.
        for leftover in path.parent.glob(f".{path.name}.????????"):
            leftover.unlink(missing_ok=True)
        document = read(path)
        before = copy.deepcopy(document)
        edit(document)
        if document != before:
            ensure_private_folder(folders.settings.parent)
            text = path.read_text("utf-8") if path.exists() else ""
            rewritten = toml_edit.rewrite(text, document)
            if rewritten:
                atomic_write(path, rewritten.encode())
            else:
                path.unlink()  # an empty file would count as one that lost its content
    return document


def _target(path: Path) -> Path:
    """Return the file behind a link of the user's own, as dotfile managers make them.

    Another user's link, and one to nothing, stay links, which are not followed.
    """
    try:
        is_own = path.is_symlink() and (os.name != "posix" or path.lstat().st_uid == os.geteuid())
        return path.resolve(strict=True) if is_own else path
    except (OSError, RuntimeError):  # nothing there, or a circle of links
        return path


def _check_private(path: Path, status: os.stat_result) -> None:
    """Whoever can read the file has the key; whoever can write it decides where the key goes."""
    if os.name != "posix":
        return
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise NotConfiguredError(
            f"{path}: other users can read it, and it holds the key.",
            f"chmod 600 {shlex.quote(str(path))}",
        )
    if status.st_uid != os.geteuid():
        raise NotConfiguredError(
            f"{path}: belongs to another user (uid {status.st_uid}).",
            "Move it away, and run `opensync-hooks login`.",
        )
