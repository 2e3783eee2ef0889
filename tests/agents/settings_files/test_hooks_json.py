"""A hooks file lists our entries, those of the project included, and never raises for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.cursor.registration import CursorRegistration
from opensync_hooks.agents.settings_files.blockers import BlockerKind
from opensync_hooks.agents.settings_files.file_change import FileChange, apply_all
from opensync_hooks.agents.settings_files.hook_command import guarded
from opensync_hooks.agents.settings_files.hooks_json import HooksFile
from opensync_hooks.errors import OpenSyncError

AGENTS = (ClaudeCodeRegistration(), CursorRegistration())
every_agent = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)


def install(agent: HooksFile, home: Path) -> str:
    script = f"/opt/opensync_hooks/hooks/{agent.script}"
    command = f"/opt/bin/python3 -I -S {script}"
    env = {"HOME": str(home), "OPENSYNC_HOOKS_HOME": str(home / "ours")}
    assert apply_all(lambda: agent.plan(env.get, command))
    return command


@every_agent
def test_entries_are_ours_alone_with_event_python_and_script(
    agent: HooksFile, tmp_path: Path
) -> None:
    env = {"HOME": str(tmp_path)}
    command = install(agent, tmp_path)
    path = agent.settings_path(env.get)
    foreign = path.read_text().replace("/opensync_hooks/", "/another_program/")
    hooks = json.loads(path.read_text())
    for event, entries in json.loads(foreign)["hooks"].items():
        hooks["hooks"][event] += entries
    path.write_text(json.dumps(hooks))
    entries = agent.entries(env.get)
    assert [entry.event for entry in entries] == [*agent.events, *agent.begin_events]
    assert {entry.path for entry in entries} == {path}
    assert {entry.command for entry in entries} == {guarded(command)}
    assert {entry.python for entry in entries} == {"/opt/bin/python3"}
    assert {entry.script for entry in entries} == {Path(command.split()[-1])}


@every_agent
def test_entries_of_a_project_come_after_those_of_the_user(
    agent: HooksFile, tmp_path: Path
) -> None:
    env = {"HOME": str(tmp_path)}
    project = tmp_path / "project"
    install(agent, tmp_path)
    install(agent, project)
    project_path = agent.settings_path({"HOME": str(project)}.get)
    paths = [entry.path for entry in agent.entries(env.get, project)]
    assert paths == [agent.settings_path(env.get)] * 3 + [project_path] * 3
    assert len(agent.entries(env.get, tmp_path)) == 3, "the home as a project counts once"


@every_agent
@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'{"hooks": []}'])
def test_malformed_file_has_no_entries_and_is_the_blocker(
    agent: HooksFile, tmp_path: Path, content: bytes
) -> None:
    env = {"HOME": str(tmp_path)}
    path = agent.settings_path(env.get)
    path.parent.mkdir()
    path.write_bytes(content)
    assert agent.entries(env.get, tmp_path) == []
    blocker = agent.state(env.get).blocker
    if content != b'{"hooks": []}':
        assert blocker
        assert (blocker.kind, blocker.path) == (BlockerKind.MALFORMED, path)


@every_agent
def test_unreadable_file_has_no_entries_and_is_the_blocker(
    agent: HooksFile, tmp_path: Path
) -> None:
    env = {"HOME": str(tmp_path)}
    path = agent.settings_path(env.get)
    path.mkdir(parents=True)
    assert agent.entries(env.get) == []
    blocker = agent.state(env.get).blocker
    assert blocker
    assert (blocker.kind, blocker.path) == (BlockerKind.UNREADABLE, path)


@every_agent
def test_installation_of_an_earlier_version_works_and_lacks_the_begin_of_a_turn(
    agent: HooksFile, tmp_path: Path
) -> None:
    env = {"HOME": str(tmp_path)}
    command = install(agent, tmp_path)
    path = agent.settings_path(env.get)
    settings = json.loads(path.read_text())
    for event in agent.begin_events:
        del settings["hooks"][event]
    path.write_text(json.dumps(settings).replace(guarded(command), command))
    state = agent.state(env.get)
    assert (state.missing, state.late) == ((), agent.begin_events)
    install(agent, tmp_path)
    assert agent.state(env.get).late == ()
    assert {entry.command for entry in agent.entries(env.get)} == {guarded(command)}


def test_file_that_another_program_changes_back_each_time_ends_with_an_error(
    tmp_path: Path,
) -> None:
    path = tmp_path / "hooks.json"

    def plan() -> FileChange:
        path.write_bytes(b"{}")
        return FileChange(path, b"{}", b'{"hooks": {}}')

    with pytest.raises(OpenSyncError, match=r"hooks\.json: not as it should be"):
        apply_all(plan)
