"""The commands in agents' settings on Windows: any shell runs them, and we know them again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path, PureWindowsPath
from typing import Any

import pytest

from opensync_hooks.agents import registry
from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.settings_files.file_change import apply_all
from opensync_hooks.agents.settings_files.hook_command import WAIT, hook_command, split_command
from opensync_hooks.system import windows

ENVIRONMENT = "AppData/Local/opensync-hooks/env-0123456789ab"
USERS = ("ada", "Jürgen", "Ada Lovelace", "O'Brien & Sons", "$HOME (x86)")
HOOKS_FILES = [agent for agent in registry.AGENTS if agent.name in ("claude-code", "cursor")]


@pytest.fixture(params=USERS)
def user(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[True, False], ids=["short names", "no short names"])
def has_short_names(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    def short_name(path: PureWindowsPath) -> str:
        return "USER~1" if request.param and path.name in USERS else path.name

    monkeypatch.setattr(windows, "IS_WINDOWS", True)
    monkeypatch.setattr(windows, "_short_name", short_name)
    return bool(request.param)


def command_of(user: str, script: str) -> str:
    root = PureWindowsPath("C:/Users", user, ENVIRONMENT)
    hook = root / "Lib/site-packages/opensync_hooks/hooks" / script
    return hook_command(root / "Scripts/python.exe", hook)


def handlers(settings: Any) -> list[dict[str, Any]]:
    entries = [entry for hooks in settings["hooks"].values() for entry in hooks]
    return [handler for entry in entries for handler in entry.get("hooks", [entry])]


@pytest.mark.usefixtures("has_short_names")
@pytest.mark.parametrize("agent", HOOKS_FILES, ids=lambda agent: agent.name)
def test_hook_is_registered_known_again_and_removed(agent: Agent, user: str, home: Path) -> None:
    env = {"HOME": str(home), "USERPROFILE": str(home)}.get
    registration = agent.registration
    path = registration.settings_path(env)
    path.parent.mkdir(parents=True)
    command = command_of(user, registration.script)
    (change,) = apply_all(lambda: registration.plan(env, command))
    assert not registration.state(env).missing
    entries = registration.entries(env)
    assert {entry.python for entry in entries} == {split_command(command)[0]}
    assert all(entry.script.name == registration.script for entry in entries)
    (change,) = apply_all(lambda: registration.plan_removal(env))
    assert change.after is None


@pytest.mark.parametrize("agent", HOOKS_FILES, ids=lambda agent: agent.name)
@pytest.mark.usefixtures("has_short_names")
def test_hook_that_the_user_made_to_wait_goes_on_waiting(
    agent: Agent, user: str, home: Path
) -> None:
    env = {"HOME": str(home)}.get
    registration = agent.registration
    path = registration.settings_path(env)
    path.parent.mkdir(parents=True)
    command = command_of("another", registration.script)
    apply_all(lambda: registration.plan(env, command))
    settings = json.loads(path.read_bytes())
    for handler in handlers(settings):
        if "args" in handler:
            handler["args"].append("--wait")
        else:
            handler["command"] += WAIT
    path.write_text(json.dumps(settings))
    apply_all(lambda: registration.plan(env, command_of(user, registration.script)))
    for handler in handlers(json.loads(path.read_bytes())):
        assert " ".join([handler["command"], *handler.get("args", [])]).endswith(" --wait")


def test_bash_and_powershell_get_the_same_words(user: str, has_short_names: bool) -> None:
    command = command_of(user, "claude_code.py")
    is_bare = has_short_names or user in ("ada", "Jürgen")
    assert ("'" not in command) is is_bare
    assert len(split_command(command)) == 4


@pytest.mark.usefixtures("has_short_names")
def test_bash_runs_the_command(user: str, tmp_path: Path, has_short_names: bool) -> None:
    """A folder `C:` below the current one stands for the drive."""
    command = command_of(user, "claude_code.py")
    python, _, _, script = split_command(command)
    for path in (tmp_path / python, tmp_path / script):
        path.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / python).symlink_to(sys.executable)
    (tmp_path / script).write_text("print('ran')")
    output = subprocess.check_output(["bash", "-c", command], cwd=tmp_path, text=True)
    assert output == "ran\n"
    assert has_short_names == ("USER~1" in command) or user in ("ada", "Jürgen")


@pytest.mark.parametrize("has_short_names", [False], indirect=True)
@pytest.mark.usefixtures("has_short_names")
def test_without_short_names_claude_code_starts_the_program_itself(home: Path) -> None:
    registration = HOOKS_FILES[0].registration
    command = command_of("Ada Lovelace", registration.script)
    change = registration.plan({"HOME": str(home)}.get, command)
    assert change
    assert change.after
    for handler in handlers(json.loads(change.after)):
        assert handler["command"] == f"C:/Users/Ada Lovelace/{ENVIRONMENT}/Scripts/python.exe"
        assert handler["args"][:2] == ["-I", "-S"]


@pytest.mark.parametrize("has_short_names", [False], indirect=True)
@pytest.mark.usefixtures("has_short_names")
def test_without_short_names_cursor_gets_a_command_for_powershell(home: Path) -> None:
    registration = HOOKS_FILES[1].registration
    command = command_of("Ada Lovelace", registration.script)
    change = registration.plan({"HOME": str(home)}.get, command)
    assert change
    assert change.after
    for handler in handlers(json.loads(change.after)):
        python = f"C:/Users/Ada Lovelace/{ENVIRONMENT}/Scripts/python.exe"
        assert handler["command"].startswith(f"& '{python}' -I -S '")
