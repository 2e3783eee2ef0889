"""A broken, locked or missing database stops only itself, and is named with what to do."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.cli import main
from opensync_hooks.errors import DamagedSourceError, SourceError
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

PAGE = 4096


def database(home: Path) -> Path:
    return user_folder(home) / "globalStorage" / "state.vscdb"


def add_transcript(home: Path, session_id: str = "t1") -> None:
    lines = (user_line("prompt 1"), transcript_line("assistant", text("lesser 1")), ENDED)
    transcript(home, lines, f"{session_id}/{session_id}.jsonl")


def write_sessions(home: Path, count: int = 8) -> Path:
    """Write sessions whose answers fill a page each."""
    editor = Editor(home, journal="rollback")
    for number in range(count):
        draft = editor.draft(f"s{number}")
        draft.add_prompt(f"prompt of s{number} {'w' * 2_000}")
        draft.add_answer(f"answer of s{number} {'w' * 2_000}")
        draft.save()
    editor.db.execute("VACUUM")
    editor.close()
    return editor.path


def break_page(path: Path, words: str) -> None:
    content = bytearray(path.read_bytes())
    page = content.index(words.encode()) // PAGE * PAGE
    content[page : page + PAGE] = os.urandom(1) * PAGE
    path.write_bytes(bytes(content))


def ids(source: CursorSource) -> set[str]:
    return {located.session_id for located in source.sessions()}


@pytest.mark.parametrize("words", ["answer of s3", "prompt of s5"])
def test_damaged_page_loses_only_the_sessions_on_it(
    home: Path, source: CursorSource, words: str
) -> None:
    path = write_sessions(home)
    add_transcript(home)
    break_page(path, words)
    readable, failures = set(), []
    for located in source.sessions():
        try:
            readable |= {session.id for session in source.read(located) if [*session.messages]}
        except SourceError as error:
            failures.append(error)
    assert len(readable) >= 7, "all but one session, and the transcript"
    assert {"t1", "s0", "s7"} <= readable
    assert all(isinstance(error, DamagedSourceError) for error in failures)
    assert all(str(path) in str(error) and error.hint for error in failures)
    assert failures


def test_damage_among_keys_of_other_kinds_is_no_sessions_own(
    home: Path, source: CursorSource
) -> None:
    path = write_sessions(home, 1)
    with sqlite3.connect(path) as db:
        keys = ((f"{kind}Key:{number:0100}", b"x") for kind in "yz" for number in range(100))
        db.executemany("INSERT INTO cursorDiskKV VALUES (?, ?)", keys)
    content = path.read_bytes()
    pages = [content[start : start + PAGE] for start in range(0, len(content), PAGE)]
    index_leaf = b"\x0a"
    damaged = [
        b"\xff" * PAGE if page.startswith(index_leaf) and b"zKey:" in page else page
        for page in pages
    ]
    assert damaged != pages
    path.write_bytes(b"".join(damaged))
    assert [text for _, text in dialogue(only(source, "s0"))][1].startswith("answer of s0")


def test_session_whose_document_is_damaged_or_empty_is_read_from_its_bubbles(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft()
    draft.add_turn(1)
    for document in (None, "", "{torn", "[]"):
        editor.put("composerData:s1", document)
        assert ids(source) == {"s1"}
        assert dialogue(only(source, "s1")) == [("user", "prompt 1"), ("assistant", "answer 1")]
    editor.put("composerData:shell", None)
    assert ids(source) == {"s1"}


def garbage(home: Path) -> None:
    database(home).parent.mkdir(parents=True)
    database(home).write_bytes(b"no database at all" * 100)


def dangling_link(home: Path) -> None:
    database(home).parent.mkdir(parents=True)
    database(home).symlink_to(home / "unplugged" / "state.vscdb")


@pytest.mark.parametrize("break_database", [garbage, dangling_link])
def test_transcripts_beside_a_broken_database_arrive(
    home: Path, break_database: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    break_database(home)
    add_transcript(home)
    assert main.main(["sync", "--all"]) == 1
    output = capsys.readouterr()
    assert "t1: 2 messages sent" in output.out
    assert str(database(home)) in output.err
    assert "hint: " in output.err
    main.main(["sync", "t1"])
    assert "t1: 0 messages sent to embedded store, 2 unchanged" in capsys.readouterr().out
    assert main.main(["sync", "absent"]) == 1
    assert str(database(home)) in capsys.readouterr().err


def test_locked_database_delays_only_its_own_sessions(
    home: Path, source: CursorSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_snapshot, "LOCK_TIMEOUT_S", 0.05)
    path = write_sessions(home, 1)
    add_transcript(home)
    add_transcript(home, "s0")
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    assert ids(source) == {"state.vscdb", "t1", "s0"}
    for session_id in ("t1", "s0"):
        session = only(source, session_id)
        assert dialogue(session)[0] == ("user", "prompt 1")
        assert session.is_partial, "the database may hold a richer copy"
    db.execute("COMMIT")
    db.close()
    assert not only(source, "t1").is_partial
    assert dialogue(only(source, "s0"))[0][1].startswith("prompt of s0")


def test_database_behind_a_link_of_the_same_user_is_followed(
    home: Path, source: CursorSource, tmp_path: Path
) -> None:
    """With a write-ahead log, which is beside the file and not beside the link."""
    editor = Editor(tmp_path / "big disk")
    draft = editor.draft()
    draft.add_turn(1)
    draft.save()
    database(home).parent.mkdir(parents=True)
    database(home).symlink_to(editor.path)
    assert dialogue(only(source, "s1")) == [("user", "prompt 1"), ("assistant", "answer 1")]
    editor.close()
    assert ids(source) == {"s1"}
    database(home).unlink()
    database(home).symlink_to(tmp_path / "pipe")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceError, match="not a regular file"):
        source.find("s1")


def test_no_thread_drops_the_locks_of_another(home: Path) -> None:
    """Closing any descriptor of a file drops the locks of the whole process on it."""
    path = write_sessions(home, 1)
    entered, finished = threading.Event(), threading.Event()
    overlaps: list[bool] = []

    def hold(db: sqlite3.Connection) -> None:
        db.execute("SELECT count(*) FROM cursorDiskKV").fetchone()
        entered.set()
        overlaps.append(finished.wait(0.3))

    def look(_db: sqlite3.Connection) -> None:
        finished.set()

    threads = [threading.Thread(target=sqlite_snapshot.read, args=(path, hold))]
    threads[0].start()
    assert entered.wait(10)
    threads.append(threading.Thread(target=sqlite_snapshot.read, args=(path, look)))
    threads[1].start()
    for thread in threads:
        thread.join(10)
    assert overlaps == [False]
    assert finished.is_set()


@pytest.mark.parametrize(
    "end", [b'{"_v":3,"type":2,"text":"the words before a ha', b'["the words"]', b"x"]
)
def test_damaged_bubble_arrives_as_far_as_it_can_be_read_and_is_named(
    editor: Editor, source: CursorSource, end: bytes
) -> None:
    draft = editor.draft()
    draft.add_prompt("prompt")
    bubble_id = draft.add_answer("answer")
    draft.add_answer("next")
    draft.save()
    editor.put(draft.key(bubble_id), end)
    session = only(source, "s1")
    answer = "the words before a\n\nnext" if b"before" in end else "next"
    assert dialogue(session) == [("user", "prompt"), ("assistant", answer)]
    (skipped,) = session.skipped
    assert (skipped.name, skipped.is_loss) == ("damaged bubble", True)


def test_thought_of_a_damaged_bubble_does_not_become_an_answer(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft()
    draft.add_prompt("prompt")
    bubble_id = draft.add_answer("answer")
    draft.save()
    editor.put(draft.key(bubble_id), b'{"type":2,"thinking":{"text":"a private thought that is c')
    session = only(source, "s1")
    assert dialogue(session) == [("user", "prompt")]


def test_sessions_of_which_only_bubbles_are_left_are_listed(
    editor: Editor, source: CursorSource
) -> None:
    for name in ("a1", "b2", "c3:d", "e\nf"):
        draft = editor.draft(name)
        draft.add_prompt(f"prompt of {name}")
        draft.add_answer("answer")
        draft.save()
    for name in ("b2", "e\nf"):
        editor.db.execute("DELETE FROM cursorDiskKV WHERE key = ?", (f"composerData:{name}",))
    located = {located.session_id: located for located in source.sessions()}
    assert {"a1", "b2", "c3:d", "e\nf"} == {*located}
    (session,) = source.read(located["b2"])
    assert dialogue(session) == [("user", "prompt of b2"), ("assistant", "answer")]


def test_headers_that_are_mere_ids_give_the_order(editor: Editor, source: CursorSource) -> None:
    draft = editor.draft()
    ids = [draft.add_prompt("prompt"), draft.add_answer("answer")]
    draft.save(fullConversationHeadersOnly=ids)
    session = only(source, "s1")
    assert dialogue(session) == [("user", "prompt"), ("assistant", "answer")]
    assert not any(message.undone for message in session.messages)
