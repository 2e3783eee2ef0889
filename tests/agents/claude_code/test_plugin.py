"""Our plugin for Claude Code: its manifest, and what setup knows of an enabled plugin."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from opensync_hooks import __version__
from opensync_hooks.agents.claude_code.registration import REGISTRATION
from opensync_hooks.agents.settings_files.blockers import BlockerKind
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.hook import paths
from tests.hooks_home import ENVIRONMENT, PACKAGE

ROOT = Path(__file__).parents[3]
MANIFEST = json.loads((ROOT / ".claude-plugin" / "plugin.json").read_text())
COMMAND = hook_command(Path(ENVIRONMENT, "bin/python"), Path(PACKAGE, "hooks/claude_code.py"))
NAME = "opensync-hooks@team"


def enable(home: Path, root: Path = ROOT, *, name: str = NAME, value: bool = True) -> Path:
    """Write the files of Claude Code that enable a plugin; returns the plugin's data folder."""
    folder = home / ".claude"
    (folder / "plugins").mkdir(parents=True, exist_ok=True)
    settings = folder / "settings.json"
    before = json.loads(settings.read_text()) if settings.exists() else {}
    settings.write_text(json.dumps({**before, "enabledPlugins": {name: value}}))
    copies = {name: [{"scope": "user", "installPath": str(root), "version": "0.1.0"}]}
    record = folder / "plugins" / "installed_plugins.json"
    record.write_text(json.dumps({"version": 2, "plugins": copies}))
    return folder / "plugins" / "data" / name.replace("@", "-")


def test_plugin_has_the_events_that_setup_registers_and_this_version() -> None:
    assert {*MANIFEST["hooks"]} == {*REGISTRATION.events, *REGISTRATION.begin_events}
    assert MANIFEST["version"] == __version__
    for groups in MANIFEST["hooks"].values():
        ((handler,),) = (group["hooks"] for group in groups)
        assert (handler["type"], handler["timeout"]) == ("command", REGISTRATION.timeout)
        words = shlex.split(handler["command"])
        data = f"{paths.PLUGIN}=${{CLAUDE_PLUGIN_DATA}}"
        assert words[-5:-1] == [data, "python3", "-I", "-S"]
        assert words[-1] == f"${{CLAUDE_PLUGIN_ROOT}}/hooks/{REGISTRATION.script}"
        assert words[:6] == ["[", "!", "-f", words[-1], "]", "||"]


@pytest.mark.parametrize("exit_code", [0, 1, None], ids=["works", "fails", "deleted"])
def test_only_a_hook_whose_folder_was_deleted_is_silent(
    tmp_path: Path, exit_code: int | None
) -> None:
    """An update or a removal deletes the folder while sessions are open that run its hooks."""
    script = tmp_path / "hooks" / "claude_code.py"
    if exit_code is not None:
        script.parent.mkdir()
        script.write_text(f"raise SystemExit({exit_code})")
    variables = {"CLAUDE_PLUGIN_ROOT": str(tmp_path), "CLAUDE_PLUGIN_DATA": str(tmp_path)}
    for groups in MANIFEST["hooks"].values():
        hook = subprocess.run(
            ["/bin/sh", "-c", groups[0]["hooks"][0]["command"]],
            env=os.environ | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        assert (hook.returncode, hook.stdout, hook.stderr) == (exit_code or 0, b"", b"")


def test_marketplace_names_the_plugin_in_its_own_repository() -> None:
    market = json.loads((ROOT / ".claude-plugin" / "marketplace.json").read_text())
    (plugin,) = market["plugins"]
    assert (plugin["name"], plugin["source"]) == (MANIFEST["name"], "./")


def test_plugin_of_a_marketplace_in_a_folder_runs_there(home: Path, tmp_path: Path) -> None:
    enable(home, tmp_path / "copy")
    (home / ".claude" / "plugins" / "known_marketplaces.json").write_text(
        json.dumps(
            {
                "team": {
                    "source": {"source": "directory", "path": str(ROOT)},
                    "installLocation": str(ROOT),
                }
            }
        )
    )
    assert REGISTRATION.state(os.environ.get).path == ROOT / ".claude-plugin" / "plugin.json"


def test_enabled_plugin_is_registered_and_settings_stay_as_they_are(home: Path) -> None:
    enable(home)
    state = REGISTRATION.state(os.environ.get)
    assert (state.path, state.works) == (ROOT / ".claude-plugin" / "plugin.json", True)
    assert {*state.events} == {*REGISTRATION.events}
    assert state.late == ()
    assert REGISTRATION.plan(os.environ.get, COMMAND) is None
    assert REGISTRATION.plugin_advice(os.environ.get).endswith(NAME)


@pytest.mark.parametrize(
    ("name", "value"),
    [(NAME, False), ("opensync-hooks-x@team", True), ("other@opensync-hooks", True)],
    ids=["disabled", "another plugin", "another plugin of a marketplace of our name"],
)
def test_what_is_no_enabled_plugin_of_ours_changes_nothing(
    home: Path, name: str, *, value: bool
) -> None:
    enable(home, name=name, value=value)
    assert REGISTRATION.plan(os.environ.get, COMMAND) is not None
    assert not REGISTRATION.state(os.environ.get).events


@pytest.mark.parametrize("record", ["", "[]", '{"plugins": {"opensync-hooks@team": [7, {}]}}'])
def test_damaged_record_of_plugins_is_no_plugin(home: Path, record: str) -> None:
    enable(home)
    (home / ".claude" / "plugins" / "installed_plugins.json").write_text(record)
    assert REGISTRATION.plan(os.environ.get, COMMAND) is not None


def test_where_both_are_there_setup_takes_the_hooks_out_of_the_settings(home: Path) -> None:
    settings = home / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{"model": "opus"}')
    change = REGISTRATION.plan(os.environ.get, COMMAND)
    assert change
    change.apply()
    enable(home)
    events = [entry.event for entry in REGISTRATION.entries(os.environ.get)]
    assert sorted(events) == sorted(2 * [*REGISTRATION.events, *REGISTRATION.begin_events])
    removal = REGISTRATION.plan(os.environ.get, COMMAND)
    assert removal
    removal.apply()
    assert json.loads(settings.read_text()) == {"model": "opus", "enabledPlugins": {NAME: True}}


def test_turned_off_hooks_and_a_missing_script_are_named(home: Path, tmp_path: Path) -> None:
    enable(home, tmp_path / "gone")
    blocker = REGISTRATION.state(os.environ.get).blocker
    assert blocker
    assert (blocker.kind, blocker.path.name) == (BlockerKind.SCRIPT_MISSING, "claude_code.py")
    enable(home)
    settings = home / ".claude" / "settings.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "disableAllHooks": True}))
    blocker = REGISTRATION.state(os.environ.get).blocker
    assert blocker
    assert blocker.kind is BlockerKind.DISABLED


def test_environment_that_could_not_be_built_is_named_with_the_reason(home: Path) -> None:
    data = enable(home)
    data.mkdir(parents=True)
    (data / "setup.log").write_text("error: no network\nhint: check it\n")
    blocker = REGISTRATION.state(os.environ.get).blocker
    assert blocker
    assert (blocker.kind, blocker.reason) == (
        BlockerKind.PYTHON_MISSING,
        "error: no network hint: check it",
    )
    (data / "env" / "bin").mkdir(parents=True)
    (data / "env" / "bin" / "python").touch()
    assert REGISTRATION.state(os.environ.get).works
