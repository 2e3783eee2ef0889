"""Every change of a session changes its fingerprint, and nothing else does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from opensync_hooks.agents.source import Located
from tests.agents.opencode.recordings import CHILD, DELEGATE, MIGRATED, TRUTH, changing
from tests.opencode_home import TREES, OpenCodeHome

_LAST_PART = "(SELECT id FROM part WHERE session_id = ? ORDER BY id DESC LIMIT 1)"
CHANGES: dict[str, Callable[[OpenCodeHome], None]] = {
    "late title": changing("UPDATE session SET title = 'late' WHERE id = ?", DELEGATE),
    "archive": changing("UPDATE session SET time_archived = 1 WHERE id = ?", DELEGATE),
    "undo": changing('UPDATE session SET revert = \'{"messageID":"m"}\' WHERE id = ?', DELEGATE),
    "end of a text": changing(
        f"UPDATE part SET time_updated = time_updated + 1 WHERE id = {_LAST_PART}",  # noqa: S608
        DELEGATE,
    ),
    "one message less": changing(
        "DELETE FROM message WHERE id = (SELECT max(id) FROM message WHERE session_id = ?)",
        DELEGATE,
    ),
    "a child's message": changing(
        "UPDATE message SET time_updated = time_updated + 1 WHERE session_id = ?", CHILD
    ),
    "a child less": changing("DELETE FROM session WHERE id = ?", CHILD),
}


@pytest.mark.parametrize("counted", [False, True], ids=["times", "counted events"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_of_a_session_changes_its_fingerprint(
    recorded: OpenCodeHome, change: Callable[[OpenCodeHome], None], counted: bool
) -> None:
    bump = "UPDATE event_sequence SET seq = seq + 1"
    with recorded.writing() as db:
        if not counted:
            db.execute("DELETE FROM event_sequence")
        before = _located(recorded)
        change(recorded)
        db.execute(bump)  # as OpenCode does with every change, where it counts them
    after = _located(recorded)
    assert before[DELEGATE] != after[DELEGATE]
    others = before.keys() & after.keys() - {DELEGATE, CHILD}
    assert counted or all(before[name] == after[name] for name in others)


def _located(opencode: OpenCodeHome) -> dict[str, Located]:
    source = opencode.source()
    sessions = {located.session_id: located for located in source.sessions()}
    for located in sessions.values():
        assert source.find(located.session_id) == located, "the same by either way"
    return sessions


def test_event_that_changes_no_time_changes_the_fingerprint(recorded: OpenCodeHome) -> None:
    before = _located(recorded)
    changing("UPDATE event_sequence SET seq = seq + 1 WHERE aggregate_id = ?", CHILD)(recorded)
    after = _located(recorded)
    assert [name for name in before if before[name] != after[name]] == [DELEGATE]


def test_new_rows_of_2_x_change_the_fingerprint(opencode: OpenCodeHome) -> None:
    before = _located(opencode.put("2.x"))
    insert = "INSERT INTO session_message VALUES ('m', ?, 'idle', 99, 1, 1, '{}')"
    with opencode.writing() as db:
        db.execute(insert, (MIGRATED,))
    after = _located(opencode)
    assert [name for name in before if before[name] != after[name]] == [MIGRATED]


@pytest.mark.parametrize("version", TREES)
def test_file_written_in_a_json_tree_changes_the_fingerprint(
    opencode: OpenCodeHome, version: str
) -> None:
    before = _located(opencode.put(version))
    newest = next(iter(TRUTH[version]))
    names = ("part", "message")
    file = max(
        path for name in names for path in opencode.data.rglob(f"{name}/*{newest}*/**/*.json")
    )
    os.utime(file, ns=(time.time_ns(), time.time_ns() + 10**9))
    after = _located(opencode)
    assert [name for name in before if before[name] != after[name]] == [newest]


def test_new_size_changes_the_fingerprint_even_with_an_old_time(
    opencode: OpenCodeHome,
) -> None:
    before = _located(opencode.put("1.1.65"))
    file = min(opencode.data.glob("storage/part/*/*.json"))
    stamp = file.stat().st_mtime_ns
    file.write_text(file.read_text() + " ")
    os.utime(file, ns=(stamp, stamp))
    after = _located(opencode)
    assert len([name for name in before if before[name] != after[name]]) == 1
