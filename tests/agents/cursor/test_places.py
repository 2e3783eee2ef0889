"""Sessions are read from every place in which a version of Cursor has kept them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.errors import DamagedSourceError
from opensync_hooks.model import Trigger
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.privacy.project_rules import IGNORE
from tests.cursor_home import (
    BEGAN,
    Editor,
    text,
    transcript,
    transcript_line,
    user_folder,
    user_line,
    window,
)
from tests.sessions import dialogue, only

TABS = "workbench.panel.aichat.view.aichat.chatdata"
COMPOSERS = "composer.composerData"
LINES = (user_line("go"), transcript_line("assistant", text("gone")))
DIALOGUE = [("user", "go"), ("assistant", "gone")]


def tab(session_id: str = "old", **more: Any) -> dict[str, Any]:
    bubbles = [
        {"type": "user", "id": "u", "text": "go"},
        {"type": "ai", "id": "a", "rawText": "gone", "modelType": "gpt-4"},
    ]
    return {"tabId": session_id, "chatTitle": "A tab", "bubbles": bubbles, **more}


def composer(session_id: str = "old", **more: Any) -> dict[str, Any]:
    bubbles = [
        {"type": 1, "bubbleId": "u", "text": "go"},
        {"type": 2, "bubbleId": "a", "text": "gone"},
    ]
    document = {"composerId": session_id, "name": "A composer", "createdAt": BEGAN}
    return {**document, "conversation": bubbles, **more}


def ids(source: CursorSource) -> list[str]:
    return [located.session_id for located in source.sessions()]


@pytest.mark.parametrize(
    ("key", "value", "title"),
    [
        (TABS, {"tabs": [{"tabId": "empty", "bubbles": []}, tab(lastSendTime=BEGAN)]}, "A tab"),
        (COMPOSERS, {"allComposers": [{"composerId": "listed"}, composer()]}, "A composer"),
    ],
)
def test_session_that_a_window_holds_is_read(
    home: Path, source: CursorSource, key: str, value: Any, title: str
) -> None:
    window(home, "w", "file:///work/my%20app", {key: value})
    assert ids(source) == ["old"]
    session = only(source, "old")
    assert dialogue(session) == DIALOGUE
    assert (session.title, session.project_path) == (title, "/work/my app")
    assert session.created_at == BEGAN
    assert source.find("old") == next(iter(source.sessions()))
    assert source.locate(Trigger("cursor", "old")) is None, "hooks are younger than these sessions"


def test_session_that_was_moved_to_the_global_database_is_read_from_there(
    home: Path, editor: Editor, source: CursorSource
) -> None:
    window(home, "w", "file:///work/app", {COMPOSERS: {"allComposers": [composer("s1")]}})
    draft = editor.draft("s1")
    draft.add_turn(1)
    draft.save()
    assert ids(source) == ["s1"]
    assert dialogue(only(source, "s1"))[0] == ("user", "prompt 1")


def test_damaged_window_is_named_and_stops_no_other(home: Path, source: CursorSource) -> None:
    window(home, "broken", "file:///work/a", {})
    window(home, "sound", "file:///work/b", {TABS: {"tabs": [tab()]}})
    path = user_folder(home) / "workspaceStorage" / "broken" / "state.vscdb"
    path.write_bytes(b"no database at all" * 100)
    named, session = sorted(source.sessions(), key=lambda located: located.session_id != path.name)
    assert session.session_id == "old"
    with pytest.raises(DamagedSourceError, match=r"broken/state\.vscdb"):
        list(source.read(named))


@pytest.mark.parametrize("layout", ["c1/c1.jsonl", "c1.jsonl"])
def test_transcript_outside_of_any_project_is_read(
    home: Path, source: CursorSource, layout: str
) -> None:
    transcript(home, LINES, layout, project=".")
    assert ids(source) == ["c1"]
    assert dialogue(only(source, "c1")) == DIALOGUE
    assert source.locate(Trigger("cursor", "c1")) == source.find("c1")


def test_project_is_the_folder_that_the_user_trusted(
    home: Path, source: CursorSource, tmp_path: Path
) -> None:
    trusted = tmp_path / "my.app-v2"
    trusted.mkdir()
    path = transcript(home, LINES, "c1.jsonl", project="my-app-v2")
    note = path.parent.parent / ".workspace-trusted"
    note.write_text("{torn")
    assert only(source, "c1").project_path is None
    note.write_text(json.dumps({"workspacePath": str(trusted)}))
    session = only(source, "c1")
    assert session.project_path == str(trusted)
    (trusted / IGNORE).touch()
    assert Exclusions(tmp_path / "excluded").reason(session)


def test_notes_of_a_chat_without_a_database_complete_its_transcript(
    home: Path, source: CursorSource
) -> None:
    line = {"role": "user", "message": {"content": [text("<user_query>\ngo\n</user_query>")]}}
    transcript(home, [line], "c1.jsonl")
    folder = home / ".cursor" / "chats" / "0" / "c1"
    folder.mkdir(parents=True)
    notes = {"cwd": "/work/app", "createdAtMs": BEGAN, "updatedAtMs": BEGAN + 5}
    (folder / "meta.json").write_text(json.dumps(notes))
    session = only(source, "c1")
    times = (session.created_at, session.updated_at)
    assert (session.project_path, *times) == ("/work/app", BEGAN, BEGAN + 5)
