"""Times are read wherever Cursor writes one, and never invented."""

from __future__ import annotations

from typing import Any

import pytest

from opensync_hooks.agents.cursor import timestamps
from opensync_hooks.agents.cursor.source import CursorSource
from tests.cursor_home import BEGAN, Editor, iso
from tests.sessions import only


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (BEGAN, BEGAN), (BEGAN / 1000, BEGAN), (str(BEGAN), BEGAN), (iso(BEGAN), BEGAN),
        ("2026-09-21T14:13:20+00:00", BEGAN), ("2026-09-21T14:13:20", BEGAN),
        (13_692_473.6, None), (0, None), (-5, None), (True, None), (None, None), ("soon", None),
        (float("nan"), None), (float("inf"), None), (10**30, None), ("9" * 400, None), ([], None),
        ("٣٤٥", None), ("0001-01-01T00:00:00+23:59", None),
    ],
)  # fmt: skip
def test_only_plausible_times_are_read(value: Any, ms: int | None) -> None:
    assert timestamps.parse(value) == ms


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("Tuesday, Jul 21, 2026, 1:11 PM (UTC+3)", "2026-07-21T10:11:00.000Z"),
        ("Tuesday, Jul 21, 2026, 1:11\u202fAM (UTC-7)", "2026-07-21T08:11:00.000Z"),
        ("Wednesday, Dec 31, 2025, 12:05 AM (UTC)", "2025-12-31T00:05:00.000Z"),
        ("Wednesday, Dec 31, 2025, 12:05 PM (UTC+5:30)", "2025-12-31T06:35:00.000Z"),
        ("Wednesday, Dec 31, 2025, 12:05 PM (UTC+5.5)", "2025-12-31T06:35:00.000Z"),
    ],
)
def test_time_in_a_prompt_is_read_with_its_offset(tag: str, expected: str) -> None:
    ms = timestamps.parse_tag(tag)
    assert ms
    assert iso(ms) == expected


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "Tuesday, Jul 21, 2026, 1:11 PM",
        "Tuesday, Jul 41, 2026, 1:11 PM (UTC+3)",
        "Tuesday, Xyz 21, 2026, 1:11 PM (UTC+3)",
        "Tuesday, Anf 21, 2026, 1:11 PM (UTC)",
    ],
)
def test_time_without_an_offset_or_a_valid_day_is_ignored(tag: str) -> None:
    assert timestamps.parse_tag(tag) is None


def test_time_since_the_start_of_a_process_is_ignored(editor: Editor, source: CursorSource) -> None:
    draft = editor.draft(version=3)
    draft.add_prompt("go")
    draft.add_answer(
        "one", timingInfo={"clientStartTime": 13_692_473.6, "clientRpcSendTime": BEGAN + 7}
    )
    draft.add_prompt("again")
    draft.add_answer("two", timingInfo={"clientStartTime": 13_692_473.6})
    draft.save()
    times = [message.created_at for message in only(source, "s1").messages]
    assert times == [BEGAN, BEGAN + 7, BEGAN + 7, BEGAN + 7]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_message_without_a_time_takes_the_sessions_time(
    editor: Editor, source: CursorSource, version: int
) -> None:
    """The destination would date it to the sync, so a prompt of 2025 would follow its answer."""
    draft = editor.draft(version=version)
    draft.add_turn(1)
    draft.add_turn(2)
    draft.save()
    assert [message.created_at for message in only(source, "s1").messages] == [BEGAN] * 4


def test_message_is_never_dated_before_an_earlier_first_message(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft(version=3, createdAt=BEGAN + 99)
    draft.add_prompt("go")
    draft.add_answer("one", timingInfo={"clientRpcSendTime": BEGAN + 7})
    draft.save()
    assert [message.created_at for message in only(source, "s1").messages] == [BEGAN + 7] * 2


def test_answer_lasts_from_its_prompt_to_the_end_of_its_last_step(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft(lastUpdatedAt=BEGAN + 90_000)
    draft.add_prompt("go")
    draft.add_thought("Hm.")
    draft.add_answer("done", completedAtMs=BEGAN + 60_000)
    draft.save()
    session = only(source, "s1")
    prompt, answer = session.messages
    asked_at = BEGAN + 1_500  # when the row says that the prompt was complete
    assert (prompt.duration_ms, answer.duration_ms) == (None, BEGAN + 60_000 - asked_at)
    assert (session.duration_ms, session.updated_at) == (answer.duration_ms, BEGAN + 90_000)


def test_session_ends_with_its_last_message_if_its_document_is_older(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft()
    draft.add_turn(1)
    draft.save()
    session = only(source, "s1")
    assert session.updated_at == max(message.created_at or 0 for message in session.messages)


def test_absolute_times_of_2025_are_read(editor: Editor, source: CursorSource) -> None:
    draft = editor.draft(version=3)
    draft.add_prompt("go", timingInfo={"clientStartTime": BEGAN + 1})
    timing = {"clientRpcSendTime": BEGAN + 5, "clientEndTime": BEGAN + 9}
    draft.add_answer("done", timingInfo=timing)
    draft.save()
    prompt, answer = only(source, "s1").messages
    assert (prompt.created_at, answer.created_at) == (BEGAN + 1, BEGAN + 5)
    assert answer.duration_ms == 8
