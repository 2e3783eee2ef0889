"""The rules of the house, read from its imports."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "opensync_hooks"
OURS = "opensync_hooks"
MOST_LINES = 300
DEVELOPMENT = {"prices.generate"}
"""Run by us when prices change, never by a user."""
HAND_OVERS = {("entry", "by_hand"), ("entry", "entry_windows"), ("setup.first_sessions", "cli")}
"""Late imports that end one program's part and begin another's, which knows the first again."""


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def imported(nodes: Iterator[ast.AST] | list[ast.stmt]) -> Iterator[str]:
    """Every module that import statements name, `from package import module` as the module."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = whole.removeprefix(f"{OURS}.") in MODULES and whole.startswith(OURS)
                yield whole if is_module else str(node.module)


def everywhere(name: str) -> set[str]:
    return set(imported(ast.walk(tree(name))))


def own(name: str) -> set[str]:
    """The rooms that a room knows, also where it imports them late or for types only."""
    found = (one for one in everywhere(name) if one.split(".")[0] == OURS)
    return {one.removeprefix(OURS).removeprefix(".") for one in found}


def foreign(name: str) -> set[str]:
    """Top-level packages that neither Python nor we bring along."""
    tops = {one.split(".")[0] for one in everywhere(name)}
    return tops - sys.stdlib_module_names - {OURS, "__future__"}


def at_start(name: str) -> set[str]:
    """What is imported as soon as the module is, on whichever platform; not what types need."""

    def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in body:
            yield node
            if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
                yield from statements([*node.body, *node.orelse])
            if isinstance(node, ast.Try | ast.With):
                yield from statements(node.body)

    return set(imported(statements(tree(name).body)))


GRAPH = {name: own(name) for name in MODULES}


def within(folder: str) -> list[str]:
    return [name for name in MODULES if name == folder or name.startswith(f"{folder}.")]


def reachable(name: str) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        fresh = GRAPH.get(waiting.pop(), set()) - found
        found |= fresh
        waiting += fresh
    return found


def test_the_reader_of_imports_sees_what_it_should() -> None:
    assert "ledger" in GRAPH["sync"]
    assert {"queue.spool", "queue.drain"} <= {*within("queue")}
    assert "server" in GRAPH["commands.serve"], "late imports count"
    assert "model" in GRAPH["pricing"], "imports for types count"
    assert foreign("client") == {"requests"}
    assert "ledger" in reachable("entry"), "by way of by_hand, cli and sync"


@pytest.mark.parametrize("name", ["model", "errors"])
def test_vocabulary_knows_nobody(name: str) -> None:
    assert GRAPH[name] <= {""}, "at most the version"
    assert GRAPH[""] == set()


def test_hook_imports_only_what_costs_no_time() -> None:
    allowed = {"sys", "fcntl", "posix", "select", "time", f"{OURS}.folders"}
    assert at_start("entry") <= allowed
    assert at_start("folders") == {"sys"}
    assert foreign("entry") == foreign("folders") == foreign("") == set()
    assert GRAPH["folders"] == set()


@pytest.mark.parametrize("source", within("sources"))
def test_source_knows_nothing_of_where_sessions_go(source: str) -> None:
    ways_out = {"delivery", "sync", "wire", "worker", "cli"}
    rooms = ("client", "ledger", "store", "queue")
    assert reachable(source).isdisjoint(ways_out.union(*map(within, rooms)))


@pytest.mark.parametrize(
    "way",
    ["wire", *(one for room in ("client", "store", "server", "ledger") for one in within(room))],
)
def test_what_delivers_knows_no_agent(way: str) -> None:
    assert reachable(way).isdisjoint(within("sources"))


def test_client_and_store_do_not_know_each_other() -> None:
    assert not any(reachable(one) & {*within("store")} for one in within("client"))
    assert not any(reachable(one) & {*within("client")} for one in within("store"))


def test_rooms_do_not_know_each_other_in_a_circle() -> None:
    graph = {
        name: {one for one in known if (name, one) not in HAND_OVERS}
        for name, known in GRAPH.items()
    }
    while free := {name for name, known in graph.items() if not known}:
        graph = {name: known - free for name, known in graph.items() if name not in free}
    assert graph == {}


def test_nothing_behind_the_hook_knows_the_hook() -> None:
    assert "entry" not in reachable("by_hand")


@pytest.mark.parametrize(("name", "behind"), sorted(HAND_OVERS))
def test_hand_over_comes_late(name: str, behind: str) -> None:
    assert behind in GRAPH[name]
    assert f"{OURS}.{behind}" not in at_start(name)


def test_only_three_packages_are_needed_at_run_time() -> None:
    used = {one for name in MODULES if name not in DEVELOPMENT for one in foreign(name)}
    assert used == {"requests", "tomli_w", "filelock"}


def test_every_import_of_ours_is_there() -> None:
    assert {one for known in GRAPH.values() for one in known} <= MODULES.keys()


@pytest.mark.parametrize("name", MODULES, ids=lambda name: name or OURS)
def test_module_says_what_it_is_and_stays_small(name: str) -> None:
    text = MODULES[name].read_text(encoding="utf-8")
    if text.strip():
        assert ast.get_docstring(tree(name)), f"{name} has no docstring"
    assert len(text.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("script", sorted(ROOT.glob("hooks/*.py")), ids=lambda path: path.name)
def test_entry_script_has_no_logic(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= 15
    assert set(imported(ast.walk(ast.parse(text)))) == {"sys", f"{OURS}.entry"}


@pytest.mark.skipif(os.name != "posix", reason="the hook of Windows has no such way")
@pytest.mark.parametrize("script", sorted(ROOT.glob("hooks/*.py")), ids=lambda path: path.name)
def test_hook_call_loads_nothing_slow(script: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", str(script)],
        input=b"", capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.decode().splitlines()}
    slow = {"json", "re", "pathlib", "subprocess", "argparse", "typing", "collections"}
    assert f"{OURS}.entry" in loaded
    assert loaded.isdisjoint(slow | {"os", "site", "threading", "hashlib", "socket"})
    assert ran.stdout in {b"", b"{}\n"}, "an agent reads it: nothing, or an empty answer"
