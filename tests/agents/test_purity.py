"""A reader turns files into values: it writes, logs, locks and remembers nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from opensync_hooks.system import files
from tests.test_architecture import MODULES, NAME, TREES, imports, reachable

AGENTS = ("claude_code", "opencode", "cursor")
ROOM = "agents."
FORBIDDEN_ROOMS = ("ledger", "queue", "delivery", "destinations", "server", "setup", "cli")
FORBIDDEN_MODULES = {"agents.hook_notes", "agents.registry", "system.log", "system.sqlite"}
FORBIDDEN_PACKAGES = {
    "filelock", "fcntl", "logging", "requests", "shutil", "socket", "subprocess", "tempfile",
}  # fmt: skip
FORBIDDEN_NAMES = {"atomic_write", "ensure_private_folder", "sync_folder"}
"""Functions of `system.files` that write."""
WRITING_METHODS = {
    "chmod", "hardlink_to", "mkdir", "rename", "rmdir", "symlink_to", "touch", "unlink",
    "write_bytes", "write_text", "makedirs", "remove", "utime", "truncate",
}  # fmt: skip
WRITING_FLAGS = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"}


def reader_modules(agent: str) -> list[str]:
    """Return the modules of the agents' room that reading one of its sessions may run."""
    source = f"{ROOM}{agent}.source"
    return sorted(name for name in {source, *reachable(source)} if name.startswith(ROOM))


READERS = sorted({name for agent in AGENTS for name in reader_modules(agent)})


def violations(tree: ast.Module) -> Iterator[str]:
    """Yield what in the module could change anything outside of the process."""
    for name in imports(ast.walk(tree)):
        internal = name.removeprefix(f"{NAME}.")
        room = internal.split(".")[0]
        if room in {*FORBIDDEN_ROOMS, *FORBIDDEN_PACKAGES} or internal in FORBIDDEN_MODULES:
            yield f"import of {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.alias) and node.name in FORBIDDEN_NAMES:
            yield f"import of {node.name}"
        elif isinstance(node, ast.Attribute):
            yield from {node.attr} & (WRITING_METHODS | WRITING_FLAGS)
        elif isinstance(node, ast.Call) and _opens_for_writing(node):
            yield ast.unparse(node)


def _opens_for_writing(call: ast.Call) -> bool:
    function = call.func
    is_method = isinstance(function, ast.Attribute)
    name = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
    if name == "connect":  # of sqlite3
        return not any(keyword.arg == "uri" for keyword in call.keywords)
    if name != "open":
        return False
    positional = call.args[0 if is_method else 1 :]
    modes = [*positional[:1], *(word.value for word in call.keywords if word.arg == "mode")]
    texts = [mode.value for mode in modes if isinstance(mode, ast.Constant)]
    return any(isinstance(text, str) and set(text) & set("wax+") for text in texts)


@pytest.mark.parametrize("name", READERS)
def test_reader_changes_nothing(name: str) -> None:
    assert list(violations(TREES[name])) == []


def test_forbidden_functions_exist() -> None:
    assert all(callable(getattr(files, name)) for name in FORBIDDEN_NAMES)


def test_every_module_of_a_reader_is_looked_at() -> None:
    assert {f"{ROOM}{agent}.source" for agent in AGENTS} <= {*READERS}
    assert {"agents.sqlite_snapshot", "agents.cursor.transcripts"} <= {*READERS}
    assert not {"agents.registry", "agents.cursor.registration"} & {*READERS}
    assert {*READERS} <= MODULES.keys()


@pytest.mark.parametrize(
    "line",
    [
        "from opensync_hooks.agents.hook_notes import HookNotes",
        "from opensync_hooks.ledger.ledger import Ledger",
        "from opensync_hooks.system.files import atomic_write",
        "import filelock",
        "path.write_text('x')",
        "path.open('wb')",
        "open(path, mode='a')",
        "os.open(path, os.O_CREAT)",
        "path.parent.mkdir()",
        "sqlite3.connect(path)",
    ],
)
def test_a_line_that_writes_is_noticed(line: str) -> None:
    assert list(violations(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "from opensync_hooks.system.files import open_regular_file",
        "path.open('rb')",
        "open(path)",
        "os.open(path, os.O_RDONLY)",
        "sqlite3.connect(uri, uri=True)",
    ],
)
def test_a_line_that_reads_is_no_violation(line: str) -> None:
    assert list(violations(ast.parse(line))) == []
