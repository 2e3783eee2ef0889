"""Cursor's data is read from where each platform and each variable puts it."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.cursor import session_list, state_db
from opensync_hooks.agents.cursor.paths import CursorPaths
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.cli import main
from opensync_hooks.errors import SourceError
from tests.cursor_home import (
    ENDED,
    Editor,
    text,
    transcript,
    transcript_line,
    user_folder,
    user_line,
)
from tests.sessions import dialogue, only
from tests.transcripts import TranscriptWriter


def test_every_statement_uses_the_index(editor: Editor) -> None:
    """A scan would read all of a database that may have a hundred gigabytes."""
    draft = editor.draft(conversationState="~Ci" + "A" * 46, subagentComposerIds=["kid"])
    draft.add_turn(1)
    draft.save()
    statements: list[str] = []
    plans: list[str] = []

    def work(db: sqlite3.Connection) -> None:
        db.set_trace_callback(statements.append)
        state_db.summary(db, "s1")
        for read in (state_db._rows, state_db._graph):
            read(db, "s1")
        session_list._page(db, "composerData:")
        session_list._bubble_owners(db, "")
        db.set_trace_callback(None)
        for statement in {query for query in statements if "sqlite_master" not in query}:
            rows = db.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            plans.extend(row[3].decode() for row in rows)

    sqlite_snapshot.read(editor.path, work)
    assert len(plans) >= 5
    assert all(plan.startswith("SEARCH") for plan in plans), plans


def test_variables_override_the_databases_path(
    tmp_path: Path, home: Path, notes: HookNotes
) -> None:
    elsewhere = Editor(tmp_path / "elsewhere")
    draft = elsewhere.draft()
    draft.add_turn(1)
    draft.save()
    elsewhere.close()
    user = user_folder(tmp_path / "elsewhere")
    for environ in (
        {"CURSOR_STATE_DB": str(elsewhere.path)},
        {"CURSOR_IDE_DIR": str(user)},
        {"CURSOR_IDE_DIR": str(user.parent)},
        {"CURSOR_IDE_DIR": str(user / "globalStorage")},
        {"XDG_CONFIG_HOME": str(tmp_path / "elsewhere" / ".config")},
    ):
        assert CursorSource(CursorPaths.from_environ(environ, str(home)), notes.facts).find("s1"), (
            environ
        )
        remote = {**environ, "CURSOR_CODE_REMOTE": "true"}
        assert not CursorSource(CursorPaths.from_environ(remote, str(home)), notes.facts).find(
            "s1"
        ), environ


def test_nightly_builds_have_their_own_folder(home: Path, source: CursorSource) -> None:
    editor = Editor(home)
    draft = editor.draft()
    draft.add_turn(1)
    draft.save()
    editor.close()
    base = home / ".config"
    (base / "Cursor").rename(base / "Cursor Nightly")
    assert source.find("s1")


MAC, XDG = "Library/Application Support", {"XDG_CONFIG_HOME": "/xdg"}


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {}, "/home/dev/.config"),
        ("linux", XDG, "/xdg"),
        ("linux", {"XDG_CONFIG_HOME": "not/absolute"}, "/home/dev/.config"),
        ("darwin", {}, f"/home/dev/{MAC}"),
        ("darwin", XDG, f"/home/dev/{MAC}"),
        ("win32", {}, "/home/dev/AppData/Roaming"),
        ("win32", {"APPDATA": "/c/Roaming"}, "/c/Roaming"),
    ],
)
def test_every_platform_has_its_own_folders(
    monkeypatch: pytest.MonkeyPatch, platform: str, environ: dict[str, str], folder: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    roots = CursorPaths.from_environ(environ, "/home/dev")
    assert roots.databases == tuple(
        Path(folder, channel, "User/globalStorage/state.vscdb")
        for channel in ("Cursor", "Cursor Nightly")
    )
    assert roots.projects[-1] == Path("/home/dev/.cursor/projects")
    assert roots.chats[-2] == Path("/home/dev/.cursor/chats")


def test_hook_of_a_remote_window_ignores_the_local_database(
    editor: Editor, home: Path, source: CursorSource
) -> None:
    """Its rows are on another machine; a database here belongs to other windows."""
    draft = editor.draft()
    draft.add_turn(1)
    draft.save()
    lines = (user_line("prompt 1"), transcript_line("assistant", text("remote answer")), ENDED)
    transcript(home, lines, "s1/s1.jsonl")
    assert dialogue(only(source, "s1"))[1] == ("assistant", "answer 1")
    roots = CursorPaths.from_environ({"CURSOR_CODE_REMOTE": "true"}, str(home))
    remote = CursorSource(roots, HookNotes(home / "notes there", "cursor").facts)
    assert dialogue(only(remote, "s1"))[1] == ("assistant", "remote answer")


def test_database_of_2024_is_empty_and_an_invalid_file_is_an_error(
    home: Path, source: CursorSource
) -> None:
    path = user_folder(home) / "globalStorage" / "state.vscdb"
    editor = Editor(home)
    editor.db.execute("DROP TABLE cursorDiskKV")
    editor.close()
    assert source.find("s1") is None
    assert list(source.sessions()) == []
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(SourceError, match="not readable as a database"):
        source.find("s1")
    (listed,) = source.sessions()
    with pytest.raises(SourceError, match="not readable as a database"):
        list(source.read(listed))
    path.unlink()
    with pytest.raises(SourceError, match="a moment ago"):
        list(source.read(listed))


def test_unreadable_database_stops_no_other_agent(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = TranscriptWriter(home / ".claude" / "projects" / "-work" / "c1.jsonl")
    writer.turn(1)
    older = transcript(home, (user_line("prompt 1"), ENDED), "s1/s1.jsonl")
    for path in (writer.path, older):
        os.utime(path, (time.time() - 60,) * 2)
    path = user_folder(home) / "globalStorage" / "state.vscdb"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all" * 100)
    assert main.main(["sync", "c1"]) == 0
    assert main.main(["sync", "--all"]) == 1
    output = capsys.readouterr()
    assert "1 up to date, 1 incomplete" in output.out
    assert output.err.startswith(f"{path}: not readable as a database")
    assert main.main(["sync"]) == 1  # each time again
    assert main.main(["status"]) == 0
    assert "1 synced, the last one" in capsys.readouterr().out
    assert main.main(["sync", "s1"]) == 1  # the database may have held more of it
    assert "s1: 0 messages sent to embedded store, 1 unchanged" in capsys.readouterr().out
    assert main.main(["sync", "--limit", "1"]) == 1  # also if only the newest are synced
    assert main.main(["sync", "--since", "1h"]) == 1
