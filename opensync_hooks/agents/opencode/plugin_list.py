"""The `plugin` list in OpenCode's own settings, from which another program's entry can be removed.

Every other byte stays as it is, comments included.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opensync_hooks.agents.json_access import get_list
from opensync_hooks.agents.opencode.product import Product
from opensync_hooks.agents.settings_files import jsonc_edit
from opensync_hooks.agents.settings_files.blockers import Blocker, BlockerKind, SettingsError
from opensync_hooks.agents.settings_files.file_change import FileChange, read
from opensync_hooks.hook import paths

_BOM = "\ufeff"


def settings_files(product: Product, env: paths.Lookup) -> Iterator[Path]:
    """Yield the settings files of the user; a project's own belong to its team."""
    for folder in config_folders(product, env):
        yield from (folder / name for name in product.settings_files)
    custom = env(product.variable("CONFIG"))
    if custom:
        yield Path(custom)


def config_folders(product: Product, env: paths.Lookup) -> list[Path]:
    """Return the folders of the user in which the program looks for settings and plugins."""
    home = paths.home(env)
    folders = [
        Path(env("XDG_CONFIG_HOME") or f"{home}/.config", product.folder),
        *(Path(home, name) for name in product.home_folders),
    ]
    custom = env(product.variable("CONFIG_DIR"))
    return [*folders, Path(custom)] if custom else folders


def plan_without(path: Path, package: str) -> FileChange | None:
    """Plan to remove every entry of an npm package; None if there is none."""
    before = read(path)
    if before is None or package.encode() not in before:
        return None
    try:
        text = before.decode("utf-8")
        bom, text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
        while (index := _index(jsonc_edit.parse(text), package)) is not None:
            text = jsonc_edit.remove(text, ("plugin", index))
    except ValueError as error:
        raise SettingsError(
            Blocker(BlockerKind.MALFORMED, path, "cannot be read as JSON with comments"),
            f"take {package} out of its `plugin` list by hand",
        ) from error
    after = (bom + text).encode()
    return None if after == before else FileChange(path, before, after)


def _index(settings: Any, package: str) -> int | None:
    """Find the package by its name, with or without a version, or by its path."""
    for index, entry in enumerate(get_list(settings, "plugin")):
        name = entry[0] if isinstance(entry, list) and entry else entry
        if isinstance(name, str) and (
            name == package or name.startswith(f"{package}@") or f"node_modules/{package}/" in name
        ):
            return index
    return None
