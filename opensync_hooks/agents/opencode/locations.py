"""Where OpenCode keeps its data, as it finds it itself: the same on every system.

$XDG_DATA_HOME/opencode, else ~/.local/share/opencode
OPENCODE_DB                    one file, absolute or within that folder; `:memory:` for none
opencode.db                    of the released channels, and of all with OPENCODE_DISABLE_CHANNEL_DB
opencode-<channel>.db          of the others: of a build its user made, of one for development
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from opensync_hooks.agents.opencode.database import Database
from opensync_hooks.agents.opencode.exports import Exports
from opensync_hooks.agents.opencode.json_tree import Tree
from opensync_hooks.agents.opencode.json_tree_v0 import ProjectTree
from opensync_hooks.agents.opencode.layouts import Layout

_ON = ("1", "true")


def data_folder(environ: Mapping[str, str], home: str) -> Path:
    return Path(environ.get("XDG_DATA_HOME") or f"{home}/.local/share") / "opencode"


def layouts(environ: Mapping[str, str], home: str) -> list[Layout]:
    """All that there are, the newest generation first."""
    data = data_folder(environ, home)
    found: list[Layout] = [Database(path) for path in databases(environ, data)]
    found += [Tree(data), ProjectTree(data), Exports(Path(home) / ".opencode" / "sessions")]
    return found


def databases(environ: Mapping[str, str], data: Path) -> Iterator[Path]:
    """Which channel a program is of, only the program knows: the file of each is looked into."""
    wanted = environ.get("OPENCODE_DB")
    if wanted:
        named = [data / wanted] if wanted != ":memory:" else []
    elif environ.get("OPENCODE_DISABLE_CHANNEL_DB", "").lower() in _ON:
        named = [data / "opencode.db"]
    else:
        named = [data / "opencode.db", *sorted(data.glob("opencode-*.db"))]
    return (path for path in named if path.is_file())
