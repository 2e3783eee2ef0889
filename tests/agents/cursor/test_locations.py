"""A session with several copies is read once, from the richest."""

from __future__ import annotations

from pathlib import Path

import pytest

from opensync_hooks.agents.cursor import projects
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.model import HookFacts, Message
from tests.agents.cursor.conversations import AS_TRANSCRIPT, TURN
from tests.cursor_home import (
    ENDED,
    Editor,
    chat,
    text,
    transcript,
    transcript_line,
    user_line,
    window,
)
from tests.sessions import dialogue, only


def test_empty_transcript_never_hides_the_editors_session(
    home: Path, source: CursorSource, editor: Editor
) -> None:
    draft = editor.draft("c1")
    draft.add_turn(1)
    draft.save()
    transcript(home, (ENDED,), "c1/c1.jsonl")
    chat(home, TURN)
    assert dialogue(only(source, "c1")) == [("user", "prompt 1"), ("assistant", "answer 1")]
    assert [located.session_id for located in source.sessions()] == ["c1"]


def test_empty_document_names_the_transcript_and_does_not_hide_it(
    home: Path, source: CursorSource, editor: Editor
) -> None:
    editor.draft("c1", name="Its name").save()
    transcript(home, AS_TRANSCRIPT, "c1/c1.jsonl")
    session = only(source, "c1")
    assert session.title == "Its name"
    assert len(dialogue(session)) == 2
    assert [located.session_id for located in source.sessions()] == ["c1"]


def aliases(message: Message) -> set[str]:
    return {message.id, *message.aliases}


def test_bubbles_keep_the_ids_of_a_transcript_as_aliases(
    home: Path, source: CursorSource, editor: Editor
) -> None:
    """The editor writes its rows late, so a delivered transcript must not arrive twice."""
    transcript(
        home,
        [
            line
            for n in (1, 2)
            for line in (
                user_line(f"prompt {n}"),
                transcript_line("assistant", text(f"answer {n}")),
            )
        ],
        "c1/c1.jsonl",
    )
    first = [message.id for message in only(source, "c1").messages]
    draft = editor.draft("c1")
    draft.add_turn(1)
    draft.add_turn(2)
    draft.save()
    then = list(only(source, "c1").messages)
    assert all(name in aliases(message) for name, message in zip(first, then, strict=True))


def test_session_names_its_origin_and_the_richer_one(
    home: Path, source: CursorSource, editor: Editor
) -> None:
    draft = editor.draft("c1")
    draft.add_turn(1)
    draft.save()
    transcript(home, AS_TRANSCRIPT, "c1/c1.jsonl")
    from_rows = only(source, "c1")
    assert (from_rows.origin, from_rows.richer_origin) == ("database", None)
    editor.db.execute("DELETE FROM cursorDiskKV")
    from_file = only(source, "c1")
    assert (from_file.origin, from_file.richer_origin) == ("transcript", "database")
    assert dialogue(from_file)


def test_project_of_a_transcript_is_the_folder_with_a_matching_slug(
    home: Path, source: CursorSource, notes: HookNotes
) -> None:
    window(home, "w1", "file:///work/other", {})
    window(home, "w2", "file:///work/my%20app%20%C3%A9", {})
    transcript(home, AS_TRANSCRIPT, "c1/c1.jsonl", project=projects.slug("/work/my app é"))
    assert only(source, "c1").project_path == "/work/my app é"
    transcript(home, AS_TRANSCRIPT, "c2/c2.jsonl", project="nobody-knows")
    assert only(source, "c2").project_path is None
    notes.add("c2", HookFacts(cwd="/work/reported/by/the/hook"))
    assert only(source, "c2").project_path == "/work/reported/by/the/hook"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/dev/app", "home-dev-app"),
        ("/home/dev/my app é/x_y", "home-dev-my-app-x-y"),
        ("C:\\Users\\dev", "c-Users-dev"),
    ],
)
def test_slug_equals_cursors_own(path: str, name: str) -> None:
    assert projects.slug(path) == name


def test_file_outside_cursors_folders_is_read_alone(
    source: CursorSource, tmp_path: Path, home: Path
) -> None:
    path = transcript(tmp_path / "copy", AS_TRANSCRIPT, "c1/c1.jsonl")
    transcript(home, (user_line("another"),), "c1/c1.jsonl")
    located = source.find(str(path))
    assert located
    (session,) = source.read(located)
    assert dialogue(session)[0] == ("user", "list files")
    assert source.find(str(tmp_path / "nothing.jsonl")) is None
    (tmp_path / "other.jsonl").write_text("{}")
    assert source.find(str(tmp_path / "other.jsonl")) is None
