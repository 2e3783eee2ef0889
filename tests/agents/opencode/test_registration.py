"""OpenCode's plugin folder after install and uninstall: one file of ours, and nobody else's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from opensync_hooks.agents.opencode.registration import OpenCodeRegistration
from opensync_hooks.agents.settings_files import file_change
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.errors import OpenSyncError

AGENT = OpenCodeRegistration()
ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "hooks" / "opencode.py"
FOREIGN = b"export const Mine = async () => ({})\n"


class Home:
    def __init__(self, folder: Path) -> None:
        self.config = folder / ".config" / "opencode"
        self.config.mkdir(parents=True)
        self.file = self.config / "plugin" / "opensync-hooks.js"
        self.python = folder / "a b" / "python3"
        self.python.parent.mkdir()
        self.python.touch()
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.env = {"HOME": str(folder), "PATH": str(self.programs)}

    def opencode(self, version: str, name: str = "opencode") -> None:
        program = self.programs / name
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)

    @property
    def command(self) -> str:
        return hook_command(self.python, SCRIPT)

    def install(self, command: str | None = None) -> list[file_change.FileChange]:
        return file_change.apply_all(lambda: AGENT.plan(self.env.get, command or self.command))

    def uninstall(self) -> list[file_change.FileChange]:
        return file_change.apply_all(lambda: AGENT.plan_removal(self.env.get))

    def tree(self) -> dict[str, bytes]:
        files = (path for path in self.config.rglob("*") if path.is_file())
        return {str(path.relative_to(self.config)): path.read_bytes() for path in files}


@pytest.fixture
def there(tmp_path: Path) -> Home:
    folder = tmp_path / "u"
    folder.mkdir()
    return Home(folder)


def test_install_writes_one_file_that_names_python_and_script(there: Home) -> None:
    there.opencode("1.18.33")
    (done,) = there.install()
    assert done.path == there.file
    text = there.file.read_text()
    words = [str(there.python), "-I", "-S", str(SCRIPT)]
    assert f"const COMMAND = {json.dumps(words)}\n" in text
    assert AGENT.state(there.env.get).works
    assert there.file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("folder", ["a]b", 'a"b', "a // b", "ü 'c'", "$&"])
def test_python_may_lie_in_a_folder_of_any_name(there: Home, folder: str) -> None:
    there.python = there.python.parent / folder / "python3"
    there.python.parent.mkdir(parents=True)
    there.python.touch()
    there.install()
    assert AGENT.state(there.env.get).works
    assert json.dumps(str(there.python)) in there.file.read_text()


def test_install_twice_is_install_once(there: Home) -> None:
    there.install()
    before = there.tree()
    assert there.install() == []
    assert there.tree() == before


def test_upgrade_renews_the_paths(there: Home) -> None:
    there.install("/old/python -I -S /old/opensync_hooks/hooks/opencode.py")
    assert "is gone" in str(AGENT.state(there.env.get).blocker)
    there.install()
    assert AGENT.state(there.env.get).works
    assert b"/old/" not in there.file.read_bytes()


def test_uninstall_leaves_the_folder_as_it_was(there: Home) -> None:
    (there.config / "opencode.jsonc").write_text('{ // mine\n "plugin": ["x"], }')
    before = there.tree()
    there.install()
    there.uninstall()
    assert there.tree() == before
    assert not there.file.parent.exists()
    assert there.uninstall() == []


def test_other_plugins_stay_with_their_folder(there: Home) -> None:
    there.file.parent.mkdir()
    (there.file.parent / "mine.js").write_bytes(FOREIGN)
    there.install()
    there.uninstall()
    assert there.tree() == {"plugin/mine.js": FOREIGN}


def test_foreign_file_of_our_name_is_neither_changed_nor_taken_away(there: Home) -> None:
    there.file.parent.mkdir()
    there.file.write_bytes(FOREIGN)
    with pytest.raises(OpenSyncError, match=r"another program's file\. Nothing was changed\."):
        there.install()
    assert there.uninstall() == []
    assert there.file.read_bytes() == FOREIGN
    assert "another program's file" in str(AGENT.state(there.env.get).blocker)


def test_file_that_cannot_be_read_is_said_without_a_full_stop(there: Home) -> None:
    there.file.mkdir(parents=True)
    found = AGENT.state(there.env.get)
    assert str(found.blocker) == f"{there.file}: cannot be read (Is a directory)"


@pytest.mark.parametrize("folder", ["plugins", "../../.opencode/plugin", "../../extra/plugins"])
def test_older_copy_elsewhere_is_taken_away_or_each_turn_fires_twice(
    there: Home, folder: str
) -> None:
    there.env["OPENCODE_CONFIG_DIR"] = str(there.config.parent.parent / "extra")
    there.install()
    copy = there.config / folder / there.file.name
    copy.parent.mkdir(parents=True)
    shutil.copy(there.file, copy)
    foreign = copy.with_name("mine.js")
    foreign.write_bytes(FOREIGN)
    assert [done.after for done in there.install()] == [None]
    assert not copy.exists()
    assert foreign.read_bytes() == FOREIGN


def test_link_to_a_file_of_dotfiles_stays_a_link(there: Home, tmp_path: Path) -> None:
    there.install()
    kept = tmp_path / "dotfiles.js"
    there.file.rename(kept)
    there.file.symlink_to(kept)
    kept.write_bytes(kept.read_bytes() + b"// old\n")
    there.install()
    assert there.file.is_symlink()
    assert not kept.read_bytes().endswith(b"// old\n")


@pytest.mark.parametrize(
    ("versions", "modern"),
    [
        (["0.5.29"], False),
        (["1.2.6"], False),
        (["1.2.11"], True),
        (["1.18.33"], True),
        (["2.0.32"], True),
        (["v1.3.0 (abc)"], True),
        (["who knows"], False),
        ([], False),
        (["2.0.1", "1.1.65"], False),
    ],
)
def test_shape_is_the_one_that_every_installed_opencode_starts_with(
    there: Home, versions: list[str], modern: bool
) -> None:
    """A default export keeps 1.2.6 from starting; a file without one is not loaded by 2.x."""
    for version, name in zip(versions, ("opencode", "opencode2"), strict=False):
        there.opencode(f'"{version}"', name)
    there.install()
    lines = there.file.read_text().splitlines()
    assert any(line.startswith("export default") for line in lines) == modern
    assert sum(line.startswith("export ") for line in lines) == 1 + modern


@pytest.mark.parametrize("version", ["1.18.33", "1.1.65"])
@pytest.mark.skipif(not shutil.which("node"), reason="there is no node")
def test_file_is_javascript_and_every_plain_export_a_function(there: Home, version: str) -> None:
    """OpenCode calls each export as a plugin."""
    there.opencode(version)
    there.install()
    copy = there.file.with_suffix(".mjs")
    shutil.copy(there.file, copy)
    script = (
        f"import * as all from {json.dumps(str(copy))};"
        "for (const [name, value] of Object.entries(all)) console.log(name, typeof value);"
        "console.log(Object.keys(await all.OpenSyncHooks({})).join())"
    )
    said = subprocess.run(
        ["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert "OpenSyncHooks function" in said
    assert ("default object" in said) == (version == "1.18.33")
    assert "event,dispose" in said


def test_agent_that_was_never_started_is_not_there(there: Home) -> None:
    assert AGENT.is_installed(there.env.get)
    there.config.rmdir()
    assert not AGENT.is_installed(there.env.get)
    data = there.config.parents[1] / ".local" / "share" / "opencode"
    data.mkdir(parents=True)
    assert AGENT.is_installed(there.env.get)


def test_nothing_registered_is_said_as_such(there: Home) -> None:
    found = AGENT.state(there.env.get)
    assert (found.works, found.missing, found.blocker) == (False, ("plugin",), None)


@pytest.mark.parametrize("line", ["const COMMAND = []", "const COMMAND = [", "const COMMAND = [7]"])
def test_file_of_ours_that_names_no_program_is_told(there: Home, line: str) -> None:
    there.install()
    text = there.file.read_text().splitlines()
    broken = [line if one.startswith("const COMMAND") else one for one in text]
    there.file.write_text("\n".join(broken))
    assert "names no program" in str(AGENT.state(there.env.get).blocker)


def test_folder_of_xdg_is_heeded(there: Home, tmp_path: Path) -> None:
    there.env["XDG_CONFIG_HOME"] = str(tmp_path / "x")
    assert AGENT.settings_path(there.env.get) == tmp_path / "x/opencode/plugin/opensync-hooks.js"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written_says_so(there: Home) -> None:
    there.config.chmod(0o500)
    with pytest.raises(OpenSyncError, match="cannot be written"):
        there.install()


def test_wait_for_the_registry_is_explained_until_it_is_over(there: Home) -> None:
    note = AGENT.advice(there.env.get)
    assert "71 s" in note
    assert f"echo fetch-retries=0 >> {there.config}/.npmrc" in note
    (there.config / ".npmrc").write_text("fetch-retries=0\n")
    assert AGENT.advice(there.env.get) == ""
    (there.config / ".npmrc").unlink()
    (there.config / "node_modules/@opencode-ai/plugin").mkdir(parents=True)
    assert AGENT.advice(there.env.get) == ""
