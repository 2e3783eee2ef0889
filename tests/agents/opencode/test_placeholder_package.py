"""OpenCode does not wait for a package because of our plugin, and every trace can be undone."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from opensync_hooks.agents.opencode import OPENCODE, placeholder_package
from opensync_hooks.agents.opencode.registration import OpenCodeRegistration
from opensync_hooks.agents.settings_files import file_change

AGENT = OpenCodeRegistration()
PACKAGE = "@opencode-ai/plugin"
COMMAND = "/usr/bin/python3 -I -S /opt/hooks/opencode.py"


class Folder:
    def __init__(self, home: Path) -> None:
        self.path = home / ".config" / "opencode"
        self.path.mkdir(parents=True)
        self.home = home
        self.env = {"HOME": str(home), "PATH": str(home)}

    def put(self, name: str, content: object) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))

    def tree(self) -> dict[str, bytes | None]:
        return {
            str(path.relative_to(self.home)): path.read_bytes() if path.is_file() else None
            for path in self.home.rglob("*")
        }

    def install(self) -> None:
        file_change.apply_all(lambda: AGENT.plan(self.env.get, COMMAND))

    def uninstall(self) -> None:
        file_change.apply_all(lambda: AGENT.plan_removal(self.env.get))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "home")


def is_installed(folder: Path) -> bool:
    """Decide as OpenCode 1.15 and 1.18 do, in `Npm.install`."""
    if not (folder / "node_modules").exists():
        return False
    manifest_path, lock_path = folder / "package.json", folder / "package-lock.json"
    manifest = json.loads(manifest_path.read_text()) if manifest_path.exists() else {}
    lock = json.loads(lock_path.read_text()) if lock_path.exists() else {}
    declared = {*manifest.get("dependencies", {}), *manifest.get("devDependencies", {}), PACKAGE}
    return declared <= set(lock.get("packages", {}).get("", {}).get("dependencies", {}))


def test_opencode_takes_the_package_as_installed(folder: Folder) -> None:
    assert not is_installed(folder.path)
    folder.install()
    assert is_installed(folder.path)
    assert AGENT.advice(folder.env.get) == ""


def test_uninstall_removes_every_trace(folder: Folder) -> None:
    folder.put("opencode.json", "{}")
    (folder.home / ".opencode" / "bin").mkdir(parents=True)
    before = folder.tree()
    folder.install()
    assert is_installed(folder.home / ".opencode"), "OpenCode installs into each folder"
    folder.uninstall()
    assert folder.tree() == before


def test_lock_file_is_written_last_and_removed_first(folder: Folder) -> None:
    """What is left when the installation is killed never claims a package that is not there."""
    placed: list[str] = []
    while change := placeholder_package.plan(OPENCODE, folder.env.get):
        change.apply()
        placed.append(change.path.name)
    assert placed == ["index.js", "package.json", "package-lock.json"]
    removal = placeholder_package.plan_removal(OPENCODE, folder.env.get)
    assert removal
    assert removal.path.name == "package-lock.json"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("package-lock.json", {"packages": {}}),
        ("package.json", {"dependencies": {"left-pad": "1"}}),
        ("package.json", {"devDependencies": {"left-pad": "1"}}),
        ("package.json", "not JSON"),
        ("node_modules/left-pad/index.js", ""),
        (f"node_modules/{PACKAGE}/index.js", "export const tool = 1"),
        (f"node_modules/{PACKAGE}/package.json", {"version": "1.15.13"}),
    ],
)
def test_packages_of_the_user_stay_as_they_are(folder: Folder, name: str, content: object) -> None:
    folder.put(name, content)
    before = folder.tree()
    folder.install()
    assert not (folder.path / "package-lock.json").exists() or name == "package-lock.json"
    folder.uninstall()
    assert folder.tree() == before


def test_package_json_that_asks_for_this_package_alone_is_no_obstacle(folder: Folder) -> None:
    folder.put("package.json", {"dependencies": {PACKAGE: "1.3.2"}})
    folder.install()
    assert is_installed(folder.path)


def test_package_that_replaced_the_placeholder_stays(folder: Folder) -> None:
    folder.install()
    shutil.rmtree(folder.path / "node_modules")
    folder.put(f"node_modules/{PACKAGE}/package.json", {"version": "1.18.33"})
    folder.put("package-lock.json", {"packages": {"": {"dependencies": {PACKAGE: "1.18.33"}}}})
    before = folder.tree()
    folder.install()
    assert folder.tree() == before
    folder.uninstall()
    assert is_installed(folder.path)


def test_folder_without_placeholder_is_named(folder: Folder) -> None:
    folder.put("package.json", {"dependencies": {"left-pad": "1"}})
    folder.install()
    note = AGENT.advice(folder.env.get)
    assert f"echo fetch-retries=0 >> {folder.path}/.npmrc" in note
    folder.put(".npmrc", "fetch-retries=0\n")
    assert AGENT.advice(folder.env.get) == ""


@pytest.mark.parametrize("is_online", [True, False])
def test_import_of_the_placeholder_installs_the_package(folder: Folder, is_online: bool) -> None:
    """OpenCode's program acts as Bun with BUN_BE_BUN; here a script does, under Node."""
    node = shutil.which("node")
    if not node:
        pytest.fail("node is needed, as for the tests of the plugin")
    folder.install()
    real = folder.path / "node_modules" / PACKAGE / "dist" / "index.js"
    script = folder.home / "bun"
    install = f"mkdir -p {real.parent} && echo 'export const tool = 7' > {real}"
    check = f'[ "$BUN_BE_BUN $*" = "1 add {PACKAGE}" ] && [ "$PWD" = {folder.path} ]'
    script.write_text(f"#!/bin/sh\n{check} && {install if is_online else 'exit 1'}\n")
    script.chmod(0o755)
    folder.put(
        "mine.mjs",
        f"process.execPath = {json.dumps(str(script))}\n"
        f'const {{ tool }} = await import("{PACKAGE}/tool")\nconsole.log(tool)\n',
    )
    done = subprocess.run(
        [node, folder.path / "mine.mjs"], capture_output=True, text=True, check=False
    )
    assert not (folder.path / "package-lock.json").exists(), "OpenCode installs its own version"
    if is_online:
        assert done.stdout == "7\n"
    else:
        assert "could not be installed: check the network" in done.stderr
