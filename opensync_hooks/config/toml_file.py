"""config.toml on the disk: read with suspicion, changed by one process at a time."""

from __future__ import annotations

import copy
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from opensync_hooks.config import toml_text
from opensync_hooks.errors import NotConfiguredError
from opensync_hooks.system.files import atomic_write, ensure_private_folder, open_regular_file

_ANY_KEY = re.compile(r"osk_[\w-]+")


def read(path: Path) -> dict[str, Any]:
    """Nothing where there is no file. Raises NotConfiguredError for one that cannot be used."""
    try:
        with open_regular_file(path) as file:
            _check_private(path, os.fstat(file.fileno()))
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        said = _ANY_KEY.sub("osk_…", str(error))
        raise NotConfiguredError(
            f"{path}: not valid TOML ({said}).", "Correct it; until then nothing is sent."
        ) from None
    except OSError as error:
        raise NotConfiguredError(
            f"{path}: {error.strerror}.",
            "Put a file there that only you can read and write; until then nothing is sent.",
        ) from None


def is_empty(path: Path) -> bool:
    """Whether there is a file of no bytes, which nothing of ours leaves behind."""
    try:
        return path.stat().st_size == 0
    except OSError:
        return False


def change(path: Path, locks: Path, changing: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The document after the change. Raises NotConfiguredError, as `read` does.

    Sweeps what a killed process had begun to write, for the key may be in it.
    """
    with FileLock(ensure_private_folder(locks) / "config.lock", mode=0o600):
        for scrap in path.parent.glob(f".{path.name}.????????"):
            scrap.unlink(missing_ok=True)
        document = read(path)
        before = copy.deepcopy(document)
        changing(document)
        if document != before:
            ensure_private_folder(path.parent)
            _write(path, document)
    return document


def _write(path: Path, document: dict[str, Any]) -> None:
    text = path.read_text("utf-8") if path.exists() else ""
    changed = toml_text.rewritten(text, document)
    if changed:
        atomic_write(path, changed.encode())
    else:
        path.unlink()  # an empty file would be taken for one that lost what it held


def _check_private(path: Path, status: os.stat_result) -> None:
    """Whoever can read the file has the key; whoever can write it, says where the key is sent."""
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
