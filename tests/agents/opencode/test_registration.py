"""Install adds one file to OpenCode's plugin folder; uninstall removes it and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from opensync_hooks.agents.opencode.registration import OpenCodeRegistration
from opensync_hooks.agents.settings_files import file_change
from opensync_hooks.agents.settings_files.blockers import BlockerKind
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.errors import OpenSyncError

AGENT = OpenCodeRegistration()
ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "hooks" / "opencode.py"
FOREIGN = b"export const Mine = async () => ({})\n"


class PluginHome:
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

    def put_program(self, version: str, name: str = "opencode") -> None:
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


def blocker_kind(opencode: PluginHome) -> BlockerKind:
    blocker = AGENT.state(opencode.env.get).blocker
    assert blocker
    return blocker.kind


@pytest.fixture
def opencode(tmp_path: Path) -> PluginHome:
    folder = tmp_path / "u"
    folder.mkdir()
    return PluginHome(folder)


def test_install_writes_one_file_with_python_and_script(opencode: PluginHome) -> None:
    opencode.put_program("1.18.33")
    assert opencode.install()[0].path == opencode.file
    text = opencode.file.read_text()
    words = [str(opencode.python), "-I", "-S", str(SCRIPT)]
    assert f"const COMMAND = {json.dumps(words)}\n" in text
    assert AGENT.state(opencode.env.get).works
    assert opencode.file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("folder", ["a]b", 'a"b', "a // b", "ü 'c'", "$&"])
def test_python_may_be_in_a_folder_of_any_name(opencode: PluginHome, folder: str) -> None:
    opencode.python = opencode.python.parent / folder / "python3"
    opencode.python.parent.mkdir(parents=True)
    opencode.python.touch()
    opencode.install()
    assert AGENT.state(opencode.env.get).works
    assert json.dumps(str(opencode.python)) in opencode.file.read_text()


def test_install_twice_is_install_once(opencode: PluginHome) -> None:
    opencode.install()
    before = opencode.tree()
    assert opencode.install() == []
    assert opencode.tree() == before


def test_upgrade_updates_the_paths(opencode: PluginHome) -> None:
    opencode.install("/old/python -I -S /old/opensync_hooks/hooks/opencode.py")
    assert blocker_kind(opencode) is BlockerKind.PYTHON_MISSING
    opencode.install()
    assert AGENT.state(opencode.env.get).works
    assert b"/old/" not in opencode.file.read_bytes()


def test_uninstall_leaves_the_folder_as_it_was(opencode: PluginHome) -> None:
    (opencode.config / "opencode.jsonc").write_text('{ // mine\n "plugin": ["x"], }')
    before = opencode.tree()
    opencode.install()
    opencode.uninstall()
    assert opencode.tree() == before
    assert not opencode.file.parent.exists()
    assert opencode.uninstall() == []


def test_uninstall_keeps_other_plugins_and_their_folder(opencode: PluginHome) -> None:
    opencode.file.parent.mkdir()
    (opencode.file.parent / "mine.js").write_bytes(FOREIGN)
    opencode.install()
    opencode.uninstall()
    assert opencode.tree() == {"plugin/mine.js": FOREIGN}


def test_foreign_file_of_our_name_is_never_touched(opencode: PluginHome) -> None:
    opencode.file.parent.mkdir()
    opencode.file.write_bytes(FOREIGN)
    with pytest.raises(OpenSyncError, match=r"another program's file\. Nothing was changed\."):
        opencode.install()
    assert opencode.uninstall() == []
    assert opencode.file.read_bytes() == FOREIGN
    assert blocker_kind(opencode) is BlockerKind.FOREIGN


def test_unreadable_file_is_the_blocker(opencode: PluginHome) -> None:
    opencode.file.mkdir(parents=True)
    state = AGENT.state(opencode.env.get)
    assert str(state.blocker) == f"{opencode.file}: cannot be read (Is a directory)"


@pytest.mark.parametrize("folder", ["plugins", "../../.opencode/plugin", "../../extra/plugins"])
def test_copy_in_another_plugin_folder_is_listed_and_removed(
    opencode: PluginHome, folder: str
) -> None:
    opencode.env["OPENCODE_CONFIG_DIR"] = str(opencode.config.parent.parent / "extra")
    opencode.install()
    copy = opencode.config / folder / opencode.file.name
    copy.parent.mkdir(parents=True)
    shutil.copy(opencode.file, copy)
    foreign = copy.with_name("mine.js")
    foreign.write_bytes(FOREIGN)
    assert [entry.path for entry in AGENT.entries(opencode.env.get)] == [
        opencode.file,
        Path(os.path.normpath(copy)),
    ], "each turn would start the hook twice"
    removed = [change.path for change in opencode.install() if change.after is None]
    assert list(map(os.path.normpath, removed)) == [os.path.normpath(copy)]
    assert not copy.exists()
    assert foreign.read_bytes() == FOREIGN


def test_link_to_a_dotfile_stays_a_link(opencode: PluginHome, tmp_path: Path) -> None:
    opencode.install()
    kept = tmp_path / "dotfiles.js"
    opencode.file.rename(kept)
    opencode.file.symlink_to(kept)
    kept.write_bytes(kept.read_bytes() + b"// old\n")
    opencode.install()
    assert opencode.file.is_symlink()
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
        (["who knows"], True),
        (["0.0.0-dev-202611010101"], True),
        ([], True),
        (["2.0.1", "1.1.65"], False),
    ],
)
def test_form_is_one_that_every_installed_opencode_can_load(
    opencode: PluginHome, versions: list[str], modern: bool
) -> None:
    """A default export keeps 1.2.6 from starting; 2.x does not load a file without one."""
    for version, name in zip(versions, ("opencode", "opencode2"), strict=False):
        opencode.put_program(f'"{version}"', name)
    opencode.install()
    lines = opencode.file.read_text().splitlines()
    assert any(line.startswith("export default") for line in lines) == modern
    assert sum(line.startswith("export ") for line in lines) == 1 + modern


def put_session(opencode: PluginHome, version: str, name: str = "opencode.db", at: int = 1) -> None:
    data = opencode.config.parents[1] / ".local" / "share" / "opencode"
    data.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(data / name)) as db:
        table = "session_v2" if version.startswith("2") else "session"
        db.execute(f"CREATE TABLE {table} (id TEXT, version TEXT, time_created INTEGER)")
        db.execute(f"INSERT INTO {table} VALUES ('ses_a', ?, ?)", (version, at))  # noqa: S608
        db.commit()


def is_modern(opencode: PluginHome) -> bool:
    return "\nexport default " in opencode.file.read_text()


@pytest.mark.parametrize(
    ("stored", "modern"),
    [
        ({"opencode.db": "1.2.4"}, False),
        ({"opencode.db": "1.18.33"}, True),
        ({"opencode.db": "2.0.12"}, True),
        ({"opencode.db": "0.0.0-dev-202611010101"}, True),
        ({"opencode.db": "1.2.4", "opencode-local.db": "1.15.0"}, True),
        ({"opencode-local.db": "1.15.0", "opencode-next.db": "1.2.4"}, False),
        ({"opencode.db": "2.0.1", "opencode-old.db": "1.2.4"}, True),
    ],
)
def test_newest_session_tells_the_form_where_no_program_is_found(
    opencode: PluginHome, stored: dict[str, str], modern: bool
) -> None:
    for at, (name, version) in enumerate(stored.items(), 1):
        put_session(opencode, version, name, at)
    opencode.install()
    assert is_modern(opencode) == modern
    assert AGENT.state(opencode.env.get).works


def test_unreadable_database_tells_nothing_of_the_form(opencode: PluginHome) -> None:
    data = opencode.config.parents[1] / ".local" / "share" / "opencode"
    data.mkdir(parents=True)
    (data / "opencode.db").write_bytes(b"no database" * 99)
    opencode.install()
    assert is_modern(opencode)


def test_json_files_without_a_database_are_those_of_an_old_version(opencode: PluginHome) -> None:
    data = opencode.config.parents[1] / ".local" / "share" / "opencode"
    (data / "storage").mkdir(parents=True)
    opencode.install()
    assert not is_modern(opencode)


def test_program_tells_the_form_against_the_database(opencode: PluginHome) -> None:
    put_session(opencode, "1.18.33")
    opencode.put_program("1.2.4")
    opencode.install()
    assert not is_modern(opencode)


def test_form_that_a_new_version_refuses_is_a_blocker_until_the_next_install(
    opencode: PluginHome,
) -> None:
    opencode.put_program("1.2.4")
    opencode.install()
    assert AGENT.state(opencode.env.get).works
    (opencode.programs / "opencode").unlink()
    put_session(opencode, "1.18.33")
    assert AGENT.state(opencode.env.get).works, "functions are enough for 1.18"
    put_session(opencode, "2.0.12", "opencode-next.db")
    assert blocker_kind(opencode) is BlockerKind.REFUSED
    opencode.install()
    assert is_modern(opencode)
    assert AGENT.state(opencode.env.get).works


def test_form_that_keeps_an_old_version_from_starting_is_a_blocker(opencode: PluginHome) -> None:
    opencode.install()
    put_session(opencode, "1.2.4")
    assert blocker_kind(opencode) is BlockerKind.REFUSED
    opencode.install()
    assert AGENT.state(opencode.env.get).works


@pytest.mark.parametrize("is_dangling", [False, True])
def test_uninstall_leaves_no_link_that_leads_nowhere(
    opencode: PluginHome, tmp_path: Path, is_dangling: bool
) -> None:
    opencode.install()
    kept = tmp_path / "dotfiles.js"
    opencode.file.rename(kept)
    opencode.file.symlink_to(kept)
    if is_dangling:
        kept.unlink()
    opencode.uninstall()
    assert not opencode.file.is_symlink()
    assert opencode.uninstall() == []


@pytest.mark.parametrize("version", ["1.18.33", "1.1.65"])
@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_file_is_valid_javascript_and_its_named_exports_are_functions(
    opencode: PluginHome, version: str
) -> None:
    """OpenCode calls each named export as a plugin."""
    opencode.put_program(version)
    opencode.install()
    copy = opencode.file.with_suffix(".mjs")
    shutil.copy(opencode.file, copy)
    script = (
        f"import * as all from {json.dumps(str(copy))};"
        "for (const [name, value] of Object.entries(all)) console.log(name, typeof value);"
        "console.log(Object.keys(await all.OpenSyncHooks({})).join())"
    )
    lines = subprocess.run(
        ["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    assert "OpenSyncHooks function" in lines
    assert ("default object" in lines) == (version == "1.18.33")
    assert "event,dispose" in lines


def test_opencode_is_installed_once_it_has_a_folder(opencode: PluginHome) -> None:
    assert AGENT.is_installed(opencode.env.get)
    opencode.config.rmdir()
    assert not AGENT.is_installed(opencode.env.get)
    data = opencode.config.parents[1] / ".local" / "share" / "opencode"
    data.mkdir(parents=True)
    assert AGENT.is_installed(opencode.env.get)


def test_missing_file_is_a_missing_event_without_a_blocker(opencode: PluginHome) -> None:
    state = AGENT.state(opencode.env.get)
    assert (state.works, state.missing, state.blocker) == (False, ("plugin",), None)


@pytest.mark.parametrize("line", ["const COMMAND = []", "const COMMAND = [", "const COMMAND = [7]"])
def test_file_without_a_valid_command_is_a_blocker(opencode: PluginHome, line: str) -> None:
    opencode.install()
    text = opencode.file.read_text().splitlines()
    broken = [line if old.startswith("const COMMAND") else old for old in text]
    opencode.file.write_text("\n".join(broken))
    assert blocker_kind(opencode) is BlockerKind.NO_COMMAND


def test_xdg_config_home_is_respected(opencode: PluginHome, tmp_path: Path) -> None:
    opencode.env["XDG_CONFIG_HOME"] = str(tmp_path / "x")
    assert AGENT.settings_path(opencode.env.get) == tmp_path / "x/opencode/plugin/opensync-hooks.js"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_reported(opencode: PluginHome) -> None:
    opencode.config.chmod(0o500)
    with pytest.raises(OpenSyncError, match="cannot be written"):
        opencode.install()
