"""A session belongs to the folder in which it worked, and every open folder can keep it home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.cursor import projects
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.model import HookFacts
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.privacy.project_rules import IGNORE
from tests.cursor_home import Editor, assistant, chat, text, transcript, user, user_line, window
from tests.sessions import only


def workspace_file(home: Path, *, name: str = "desk/all.code-workspace") -> Path:
    """Write a window's file that lists two folders, one of them relative."""
    for folder in ("garden", "cellar"):
        (home / folder).mkdir(exist_ok=True)
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    cellar = json.dumps(str(home / "cellar"))
    path.write_text(f'{{"folders": [{{"path": "../garden"}}, {{"path": {cellar}}},] /* two */}}')
    return path


def save(editor: Editor, session_id: str = "s1", command: str = "make", **document: Any) -> None:
    draft = editor.draft(session_id, **document)
    draft.add_prompt("Dig")
    draft.add_tool_call("run_terminal_command_v2", rawArgs=json.dumps({"command": command}))
    draft.add_answer("Dug.")
    draft.save()


def is_excluded(source: CursorSource, tmp_path: Path, session_id: str = "s1") -> bool:
    return Exclusions(tmp_path / "excluded").reason(only(source, session_id)) is not None


def opened_on(path: Path) -> dict[str, Any]:
    return {"id": "w", "configPath": {"fsPath": str(path), "scheme": "file"}}


@pytest.mark.parametrize("name", ["desk/all.code-workspace", "Workspaces/workspace.json"])
def test_project_of_a_window_with_several_folders_is_the_one_worked_in(
    home: Path, editor: Editor, source: CursorSource, name: str
) -> None:
    path = workspace_file(home, name=name)
    save(editor, "there", f"cd {home}/cellar && make", workspaceIdentifier=opened_on(path))
    save(editor, "nowhere", workspaceIdentifier=opened_on(path))
    save(editor, "relative", "cellar/build.sh", workspaceIdentifier=opened_on(path))
    projects_by_id = {name: only(source, name).project_path for name in ("there", "nowhere")}
    assert projects_by_id == {"there": str(home / "cellar"), "nowhere": str(home / "garden")}
    assert only(source, "relative").project_path == str(home / "cellar")


def test_folder_listed_in_a_workspace_file_keeps_the_session_home(
    home: Path, editor: Editor, source: CursorSource, tmp_path: Path
) -> None:
    save(editor, workspaceIdentifier=opened_on(workspace_file(home)))
    assert not is_excluded(source, tmp_path)
    (home / "cellar" / IGNORE).touch()
    assert is_excluded(source, tmp_path)


def test_repository_keeps_the_session_home(
    home: Path, editor: Editor, source: CursorSource, tmp_path: Path
) -> None:
    (home / "cellar").mkdir()
    (home / "cellar" / IGNORE).touch()
    repositories = [{"repoPath": str(home)}, {"repoPath": str(home / "cellar")}]
    save(editor, trackedGitRepos=repositories)
    assert is_excluded(source, tmp_path)


@pytest.mark.parametrize("copy", ["editor", "chat", "transcript"])
def test_folder_that_a_hook_reported_keeps_the_session_home(
    home: Path, source: CursorSource, notes: HookNotes, tmp_path: Path, copy: str
) -> None:
    folders = [home / "garden", home / "cellar"]
    for folder in folders:
        folder.mkdir()
    (home / "cellar" / IGNORE).touch()
    if copy == "editor":
        editor = Editor(home)
        save(editor)
        editor.close()
    elif copy == "chat":
        chat(home, [user("Dig"), assistant(text("Dug."))], session_id="s1", cwd=str(folders[0]))
    else:
        transcript(home, [user_line("Dig")], "s1.jsonl")
    payload = {"conversation_id": "s1", "hook_event_name": "stop", "generation_id": "g"}
    event = source.parse_event(payload | {"workspace_roots": [str(path) for path in folders]})
    assert event
    assert event.facts
    notes.add("s1", event.facts)
    assert notes.facts("s1").roots == tuple(map(str, folders))
    assert only(source, "s1").project_path == str(folders[0])
    assert is_excluded(source, tmp_path)
    notes.add("s1", HookFacts(cwd=str(folders[0]), roots=(str(folders[0]),)))
    assert is_excluded(source, tmp_path), "a later hook of the session must not forget the folder"


def test_subagent_inherits_the_folders_of_its_parent(
    home: Path, editor: Editor, source: CursorSource, notes: HookNotes
) -> None:
    save(editor, "kid")
    save(editor, "s1", subagentComposerIds=["kid"])
    notes.add("s1", HookFacts(roots=(str(home / "a"), str(home / "b"))))
    located = source.find("s1")
    assert located
    _, kid = source.read(located)
    assert set(kid.folders) >= {str(home / "a"), str(home / "b")}


def test_transcript_of_a_window_with_several_folders_has_their_rules(
    home: Path, source: CursorSource, tmp_path: Path
) -> None:
    path = workspace_file(home)
    window(home, "w", path.as_uri(), {}, key="workspace")
    transcript(home, [user_line("Dig")], "s1.jsonl", project=projects.slug(str(path)))
    assert only(source, "s1").project_path == str(home / "garden")
    (home / "cellar" / IGNORE).touch()
    assert is_excluded(source, tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"folders": [{"path": 1}, 7]}', b"\xff"])
def test_workspace_file_without_folders_is_no_project(
    home: Path, editor: Editor, source: CursorSource, content: bytes
) -> None:
    path = home / "odd.code-workspace"
    path.write_bytes(content)
    save(editor, workspaceIdentifier=opened_on(path), trackedGitRepos=[{"repoPath": "/w/repo"}])
    assert only(source, "s1").project_path == "/w/repo"


def test_windows_paths_in_a_payload_are_those_of_the_database(source: CursorSource) -> None:
    payload = {"conversation_id": "s1", "workspace_roots": ["/c:/Users/ada/app", "/home/ada"]}
    event = source.parse_event(payload)
    assert event
    assert event.facts
    assert event.facts.roots == ("c:\\Users\\ada\\app", "/home/ada")
