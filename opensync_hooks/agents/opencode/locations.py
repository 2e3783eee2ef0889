"""Where OpenCode keeps its data, by the rules of OpenCode itself, the same on every system.

A fork has its own name in place of `opencode` and `OPENCODE`.

$XDG_DATA_HOME/opencode, else ~/.local/share/opencode
OPENCODE_DB                    one file, absolute or within that folder; `:memory:` for none
opencode.db                    for the released channels, or with OPENCODE_DISABLE_CHANNEL_DB
opencode-<channel>.db          for the others: local builds and development versions
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from opensync_hooks.agents.opencode import OPENCODE, tables_v1, tables_v2
from opensync_hooks.agents.opencode.database import DatabaseTables
from opensync_hooks.agents.opencode.exports import ExportFolder
from opensync_hooks.agents.opencode.json_tree import JsonTree
from opensync_hooks.agents.opencode.json_tree_v0 import JsonTreeV0
from opensync_hooks.agents.opencode.layouts import StorageLayout
from opensync_hooks.agents.opencode.product import Product


def layouts(
    environ: Mapping[str, str], home: str, product: Product = OPENCODE
) -> list[StorageLayout]:
    """Return all storage layouts, the newest generation first."""
    data = data_folder(environ, home, product)
    layouts: list[StorageLayout] = [
        DatabaseTables(path, tables)
        for path in databases(environ, data, product)
        for tables in (tables_v2, tables_v1)
    ]
    exports = Path(home, product.home_folders[0], "sessions")
    layouts += [JsonTree(data), JsonTreeV0(data), ExportFolder(exports)]
    return layouts


def data_folder(environ: Mapping[str, str], home: str, product: Product = OPENCODE) -> Path:
    return Path(environ.get("XDG_DATA_HOME") or f"{home}/.local/share") / product.folder


def databases(
    environ: Mapping[str, str], data: Path, product: Product = OPENCODE
) -> Iterator[Path]:
    """Yield the databases that exist. Only the program knows its channel, so all channels count.

    A link that leads nowhere is among them, so that reading it tells the user.
    """
    custom = environ.get(product.variable("DB"))
    released = data / f"{product.folder}.db"
    if custom:
        paths = [data / custom] if custom != ":memory:" else []
    elif environ.get(product.variable("DISABLE_CHANNEL_DB"), "").lower() in ("1", "true"):
        paths = [released]
    else:
        patterns = (f"{product.folder}-*.db", *product.older_databases)
        paths = [released, *(path for name in patterns for path in sorted(data.glob(name)))]
    return (path for path in paths if path.is_file() or path.is_symlink())
