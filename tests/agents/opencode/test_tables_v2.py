"""Sessions of 2.x, and of the /api/session of 1.18, are read like those of 1.x."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opensync_hooks.model import Attachment, Text, ToolCall, ToolResult, Trigger
from tests.agents.opencode.recordings import MIGRATED, NEW, OF_API
from tests.opencode_home import OpenCodeHome
from tests.sessions import dialogue


def test_session_of_2_x_is_read_like_one_of_1_x(opencode: OpenCodeHome) -> None:
    parent, child = opencode.put("2.x").read(NEW)
    assert dialogue(parent)[:2] == [
        ("user", "How many files are here? Use a subagent."),
        ("assistant", "I will ask a subagent."),
    ]
    failed = [part for part in list(parent.messages)[2].parts if isinstance(part, ToolResult)]
    assert failed[0] == ToolResult("call_2", "read", "File not found: missing.txt", is_error=True)
    assert failed[1].output == "3\n"
    assert dialogue(parent)[4:] == [("system", ""), ("system", "## Goal\nCount files. Done.")]
    assert (child.parent_id, child.title) == (NEW, "Count files (subagent of ses_ee23aaaaaffe)")


def test_failed_answer_of_2_x_gives_the_reason_and_a_null_title_is_no_title(
    opencode: OpenCodeHome,
) -> None:
    (session,) = opencode.put("2.x").read("ses_ee23ccccc3feConstructedNoTtl")
    assert session.title == "This will fail"
    assert dialogue(session)[1] == ("system", "[provider: made up failure]")


def test_stale_rows_of_1_x_in_a_file_of_2_x_are_ignored(opencode: OpenCodeHome) -> None:
    (session,) = opencode.put("2.x").read(MIGRATED)
    assert session.title == "Old session, continued in 2.x"
    assert [role for role, _ in dialogue(session)] == [
        *("user", "assistant", "system", "user", "system", "assistant")
    ]


def test_prompt_of_2_x_names_its_files_and_agents(opencode: OpenCodeHome) -> None:
    data = {
        "text": "see",
        "files": [
            {"uri": "file:///a/b%20c.txt", "mime": "text/plain"},
            {"uri": "data:image/png;base64,AAAA", "mime": "image/png", "name": "x.png"},
        ],
        "agents": [{"name": "plan"}],
    }
    with opencode.put("2.x").writing() as db:
        db.execute(
            "UPDATE session_message SET data = ? WHERE type = 'user' AND session_id = ?",
            (json.dumps(data), NEW),
        )
    prompt = next(iter(opencode.read(NEW)[0].messages))
    assert prompt.parts == (
        Text("see"),
        Attachment("text/plain", None, "/a/b c.txt"),
        Attachment("image/png", 3, "x.png"),
        Text("@plan"),
    )
    assert prompt.created_at == 1791500000010


def test_cost_that_1_18_did_not_count_is_left_to_the_price_table(
    recorded: OpenCodeHome,
) -> None:
    (session,) = recorded.read(OF_API)
    assert [charge.cost for charge in session.charges] == [None] * 4
    assert session.title == "hello play:v2tools"


def test_file_that_a_tool_of_2_x_returned_is_an_attachment(opencode: OpenCodeHome) -> None:
    content = [
        {"type": "text", "text": "one"},
        {"type": "file", "uri": "file:///a/plot.png", "mime": "image/png"},
        {"type": "text", "text": "two"},
    ]
    state = {"status": "completed", "input": {}, "content": content, "structured": {"exit": 3}}
    tool = {"type": "tool", "id": "c1", "name": "draw", "state": state}
    with opencode.put("2.x").writing() as db:
        db.execute(
            "UPDATE session_message SET data = ? WHERE type = 'assistant' AND session_id = ?",
            (json.dumps({"content": [tool]}), NEW),
        )
    messages = opencode.read(NEW)[0].messages
    answer = next(message for message in messages if message.role == "assistant")
    assert answer.parts == (
        ToolCall("c1", "draw", {}),
        ToolResult("c1", "draw", "one\ntwo", is_error=True),
        Attachment("image/png", None, "/a/plot.png"),
    )


@pytest.mark.parametrize(
    ("kind", "data", "is_settled"),
    [
        ("user", {"text": "go"}, False),
        ("assistant", {"time": {"created": 1}}, False),
        ("assistant", {"time": {"created": 1, "completed": 2}}, True),
        ("assistant", {"time": {"created": 1}, "error": {"type": "provider"}}, True),
        ("idle", {"outcome": "interrupted"}, True),
        ("shell", {"status": "exited"}, True),
    ],
)
def test_last_row_of_2_x_tells_whether_the_turn_is_over(
    opencode: OpenCodeHome, kind: str, data: dict[str, Any], is_settled: bool
) -> None:
    insert = "INSERT INTO session_message VALUES ('m', ?, ?, 99, 1, 1, ?)"
    with opencode.put("2.x").writing() as db:
        db.execute(insert, (MIGRATED, kind, json.dumps(data)))
    assert opencode.source().is_settled(Trigger("opencode", MIGRATED)) is is_settled
