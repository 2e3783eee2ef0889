"""The rules of the house, read from the imports and the syntax trees of its modules."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from opensync_hooks.agents import registry

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "opensync_hooks"
NAME = PACKAGE.name
MAX_LINES = 300
LAYERS = (
    ("", "dataclass", "model", "messages", "errors", "hook.paths"),
    ("system",),
    ("config",),
    ("pricing",),
    ("privacy",),
    ("ledger",),
    ("agents",),
    ("destinations",),
    ("delivery",),
    ("queue",),
    ("server",),
    ("setup",),
    ("cli",),
    ("__main__", "hook"),
)
"""Lowest first: a module imports from its own layer's room and from the layers before it."""
LATE_IMPORTS = {("hook.entry", "cli.foreground"), ("hook.entry", "hook.entry_windows")}
"""A hook that turns out to be a person's command hands over; a hook call never pays for it."""


def module_name(path: Path) -> str:
    """`opensync_hooks/queue/spool.py` as `queue.spool`; the package itself as an empty name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FORKS = {
    (f"agents.kilo{module}", "opencode") for module in ("", ".source", ".census", ".registration")
}
"""A fork is described by what it has in common with its origin, whose reader it shares."""
NAMES_AGENTS = {"agents.registry", "setup.npm_plugins", "destinations.store.store"}
"""The list itself; npm packages that serve one agent each; and OpenSync's own names for agents."""

MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield every module that import statements name, in either form."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                path = f"{node.module}.{alias.name}"
                is_module = path.startswith(NAME) and path.removeprefix(f"{NAME}.") in MODULES
                yield path if is_module else str(node.module)


def internal_imports(name: str) -> set[str]:
    """Return our modules that a module imports, also late or for types only."""
    paths = (path for path in imports(ast.walk(TREES[name])) if path.split(".")[0] == NAME)
    return {path.removeprefix(NAME).removeprefix(".") for path in paths}


def third_party_imports(name: str) -> set[str]:
    packages = {path.split(".")[0] for path in imports(ast.walk(TREES[name]))}
    return packages - sys.stdlib_module_names - {NAME, "__future__"}


def imports_at_start(name: str) -> set[str]:
    """Return what is imported together with the module, on any platform, at run time."""

    def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in body:
            yield node
            if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
                yield from statements([*node.body, *node.orelse])
            if isinstance(node, ast.Try | ast.With):
                yield from statements(node.body)

    return set(imports(statements(TREES[name].body)))


GRAPH = {name: internal_imports(name) for name in MODULES}


def string_constants(tree: ast.Module) -> Iterator[str]:
    """Yield every text in a module but docstrings, which may explain with an example."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            yield from [node.value] if isinstance(node.value, str) else []


def modules_in(room: str) -> list[str]:
    return [name for name in MODULES if name == room or name.startswith(f"{room}.")]


def reachable(name: str) -> set[str]:
    """Return every module of ours that is loaded, sooner or later, for this one's sake."""
    seen: set[str] = set()
    pending = [name]
    while pending:
        fresh = GRAPH.get(pending.pop(), set()) - seen
        seen |= fresh
        pending += fresh
    return seen


def layer(name: str) -> int:
    """Return the layer of a module; the most specific entry of LAYERS decides."""
    matches = [
        (len(room), index)
        for index, rooms in enumerate(LAYERS)
        for room in rooms
        if name == room or (room and name.startswith(f"{room}."))
    ]
    assert matches, f"{name} is in no layer"
    return max(matches)[1]


def test_the_reader_of_imports_finds_them_all() -> None:
    assert "ledger.ledger" in GRAPH["delivery.session_sync"]
    assert "queue.spool" in modules_in("queue")
    assert "destinations.store.store" in reachable("delivery.factory"), "late imports count"
    assert "requests" in third_party_imports("destinations.opensync.transport")
    assert "ledger.ledger" in reachable("hook.entry"), "by way of cli"
    assert (layer("hook.paths"), layer("hook.entry")) == (0, len(LAYERS) - 1)


@pytest.mark.parametrize("name", MODULES, ids=lambda name: name or NAME)
def test_module_imports_only_from_the_layers_below(name: str) -> None:
    upward = {target for target in GRAPH[name] if layer(target) > layer(name)}
    late = {target for source, target in LATE_IMPORTS if source == name}
    assert upward <= late


def test_modules_import_each_other_in_no_circle() -> None:
    graph = {
        name: {target for target in targets if (name, target) not in LATE_IMPORTS}
        for name, targets in GRAPH.items()
    }
    while leaves := {name for name, targets in graph.items() if not targets}:
        graph = {name: targets - leaves for name, targets in graph.items() if name not in leaves}
    assert graph == {}


@pytest.mark.parametrize(("name", "target"), sorted(LATE_IMPORTS))
def test_late_import_is_late(name: str, target: str) -> None:
    assert target in GRAPH[name]
    assert f"{NAME}.{target}" not in imports_at_start(name)


@pytest.mark.parametrize("name", modules_in("agents"))
def test_agents_know_nothing_of_where_sessions_go(name: str) -> None:
    rooms = ("destinations", "delivery", "queue", "ledger", "cli")
    assert reachable(name).isdisjoint(target for room in rooms for target in modules_in(room))


@pytest.mark.parametrize("name", [*modules_in("destinations"), *modules_in("ledger")])
def test_destinations_and_the_ledger_know_no_agent(name: str) -> None:
    assert reachable(name).isdisjoint(modules_in("agents"))


@pytest.mark.parametrize("name", MODULES, ids=lambda name: name or NAME)
def test_only_an_agents_own_folder_and_the_registry_name_it(name: str) -> None:
    if name in NAMES_AGENTS:
        return
    for agent in registry.AGENTS:
        package = agent.registration.script.removesuffix(".py")
        if name in modules_in(f"agents.{package}") or (name, package) in FORKS:
            continue
        names = {agent.name, agent.label, package, agent.description.opensync_name} - {""}
        pattern = re.compile(rf"(?<![\w./-])({'|'.join(map(re.escape, names))})(?![\w-])")
        assert [text for text in string_constants(TREES[name]) if pattern.search(text)] == []
        assert not GRAPH[name] & {*modules_in(f"agents.{package}")}


def test_opensync_and_the_store_know_nothing_of_each_other() -> None:
    opensync, store = modules_in("destinations.opensync"), modules_in("destinations.store")
    assert not any(reachable(name) & {*store} for name in opensync)
    assert not any(reachable(name) & {*opensync} for name in store)


def test_hook_imports_only_what_the_interpreter_has_built_in() -> None:
    builtin = {"sys", "fcntl", "posix", "select", "time", f"{NAME}.hook.paths"}
    assert imports_at_start("hook.entry") <= builtin
    assert imports_at_start("hook.paths") == {"sys"}
    assert GRAPH["hook.paths"] == GRAPH["hook"] == GRAPH[""] == set()


def test_only_three_packages_are_needed_at_run_time() -> None:
    packages = {package for name in MODULES for package in third_party_imports(name)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = (re.split("[<>=]", entry)[0] for entry in project["dependencies"])
    assert packages == {requirement.replace("-", "_") for requirement in requirements}
    assert len(packages) == 3


def test_no_class_is_compiled_while_its_module_is_imported() -> None:
    slow = {
        name
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "dataclasses"
        if "dataclass" in (alias.name for alias in node.names)
    }
    assert slow == {"dataclass"}, f"import it from {NAME}.dataclass"


def test_every_import_of_ours_exists() -> None:
    assert {target for targets in GRAPH.values() for target in targets} <= MODULES.keys()


@pytest.mark.parametrize("name", MODULES, ids=lambda name: name or NAME)
def test_module_has_a_docstring_and_stays_small(name: str) -> None:
    assert ast.get_docstring(TREES[name])
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("script", sorted(ROOT.glob("hooks/*.py")), ids=lambda path: path.name)
def test_entry_script_has_no_logic(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert len(text.splitlines()) <= 20
    assert {*imports(ast.walk(tree))} == {"sys", f"{NAME}.hook.entry"}


@pytest.mark.skipif(os.name != "posix", reason="the hook of Windows is another module")
@pytest.mark.parametrize("script", sorted(ROOT.glob("hooks/*.py")), ids=lambda path: path.name)
def test_hook_call_loads_nothing_slow(script: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "importtime", str(script)],
        input=b"", capture_output=True, check=True, timeout=600,
    )  # fmt: skip
    lines = process.stderr.decode().splitlines()
    loaded = {line.rpartition("|")[2].strip() for line in lines}
    slow = {"json", "re", "pathlib", "subprocess", "argparse", "typing", "collections"}
    slow |= {"os", "site", "threading", "hashlib", "socket", "dataclasses"}
    assert f"{NAME}.hook.entry" in loaded
    assert loaded.isdisjoint(slow)
    assert process.stdout in {b"", b"{}\n"}, "an agent reads it: nothing, or an empty answer"


REFUSED = {
    *("found", "one", "said", "known", "told", "place", "of", "what", "wanted", "made"),
    *("asked", "given", "heard", "luck", "whole", "held", "whose"),
}
"""Words that say nothing of the value they would name."""


def bindings(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield each name that a module binds, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name, node.lineno
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                yield name, node.lineno
            case ast.MatchStar(name=str(name)) | ast.alias(asname=str(name)):
                yield name, node.lineno


def python_files() -> list[Path]:
    roots = (PACKAGE, ROOT / "hooks", ROOT / "tests")
    return [ROOT / "install.py", *(path for root in roots for path in sorted(root.rglob("*.py")))]


def test_variables_bear_the_noun_of_their_value() -> None:
    refused = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in python_files()
        for name, line in bindings(ast.parse(path.read_text(encoding="utf-8")))
        if name.strip("_") in REFUSED
    ]
    assert refused == []


def test_one_class_name_has_one_meaning() -> None:
    owners = defaultdict(list)
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                owners[node.name].append(name)
    assert {name: rooms for name, rooms in owners.items() if len(rooms) > 1} == {}


@pytest.mark.parametrize("name", MODULES, ids=lambda name: name or NAME)
def test_no_decision_is_taken_from_the_text_of_an_error(name: str) -> None:
    """Texts may then be rewritten freely; an error has a class."""
    handlers = [node for node in ast.walk(TREES[name]) if isinstance(node, ast.ExceptHandler)]
    tests = [
        node.test
        for handler in handlers
        for node in ast.walk(handler)
        if isinstance(node, ast.If | ast.IfExp | ast.While)
    ]
    decisions = [
        ast.unparse(test)
        for test in tests
        for node in ast.walk(test)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("str", "repr")
    ]
    assert decisions == []


def test_the_top_level_holds_what_a_visitor_needs_first() -> None:
    """Anything else belongs into a package, or into `.github`, where it is documentation."""
    expected = {"CHANGELOG.md", "LICENSE", "README.md", "hooks", "install.py", "opensync_hooks"}
    expected |= {"pyproject.toml", "tests"}
    generated = {"build", "dist", "mutants", "PKG-INFO"}
    visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert visible - generated == expected
