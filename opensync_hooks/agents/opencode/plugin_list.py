"""The `plugin` list in OpenCode's own settings: one entry out, every other byte as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opensync_hooks.agents.settings_files import jsonc_edit
from opensync_hooks.agents.settings_files.file_change import FileChange, read
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.hook import paths as folders

_NAMES = ("config.json", "opencode.json", "opencode.jsonc")
_BOM = "\ufeff"


def paths(env: folders.Lookup) -> Iterator[Path]:
    """Those that hold for every project; a project's own are its team's."""
    config = Path(env("XDG_CONFIG_HOME") or folders.home(env) + "/.config") / "opencode"
    extra = env("OPENCODE_CONFIG_DIR")
    for folder in (config, Path(folders.home(env), ".opencode"), *([Path(extra)] if extra else [])):
        yield from (folder / name for name in _NAMES)
    alone = env("OPENCODE_CONFIG")
    if alone:
        yield Path(alone)


def without(path: Path, package: str) -> FileChange | None:
    """The change that takes every entry of the package out of the list; None if there is none."""
    before = read(path)
    if before is None or package.encode() not in before:
        return None
    try:
        text = before.decode("utf-8")
        mark, text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
        while (place := _place(jsonc_edit.parse(text), package)) is not None:
            text = jsonc_edit.remove(text, ("plugin", place))
    except ValueError as error:
        raise OpenSyncError(
            f"{path}: cannot be read as JSON with comments. Nothing was changed.",
            f"take {package} out of its `plugin` list by hand",
        ) from error
    after = (mark + text).encode()
    return None if after == before else FileChange(path, before, after)


def _place(settings: Any, package: str) -> int | None:
    plugins = settings.get("plugin") if isinstance(settings, dict) else None
    for i, entry in enumerate(plugins if isinstance(plugins, list) else ()):
        name = entry[0] if isinstance(entry, list) and entry else entry
        if isinstance(name, str) and _is(name, package):
            return i
    return None


def _is(name: str, package: str) -> bool:
    """By its name with or without a version, or by the path of an installed package."""
    return name == package or name.startswith(f"{package}@") or f"node_modules/{package}/" in name
