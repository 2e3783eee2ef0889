"""The result of a tool keeps its text, whatever shape it has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agents.claude_code.recordings import read
from tests.sessions import outputs
from tests.transcripts import TranscriptWriter

PAGE = {
    "type": "document",
    "title": "Timetable",
    "source": {"type": "text", "media_type": "text/plain", "data": "The ferry leaves at nine."},
}


@pytest.mark.parametrize(
    ("content", "output"),
    [
        ({"type": "advisor_result", "text": "Take the bridge."}, "Take the bridge."),
        (
            {"type": "web_fetch_result", "url": "https://ferry.example/", "content": PAGE},
            "https://ferry.example/\nTimetable\nThe ferry leaves at nine.",
        ),
        (
            {"type": "bash_code_execution_result", "stdout": "a\n", "stderr": "b", "content": []},
            "a\nb",
        ),
        (
            {"type": "x_error", "error_code": "too_many", "error_message": "Wait."},
            "too_many\nWait.",
        ),
        ({"type": "view_result", "content": "line one"}, "line one"),
        ({"type": "str_replace_result", "lines": ["-old", "+new"]}, "-old\n+new"),
        ({"depth": {"fathoms": 3}, "encrypted_content": "zz"}, '{"depth": {"fathoms": 3}}'),
        ([PAGE], "Timetable\nThe ferry leaves at nine."),
    ],
)
def test_object_keeps_its_text(writer: TranscriptWriter, content: Any, output: str) -> None:
    writer.respond("m1", {"type": "server_tool_use", "id": "t1", "name": "tool", "input": {}})
    writer.respond("m1", {"type": "tool_tool_result", "tool_use_id": "t1", "content": content})
    assert outputs(read(writer.path)[0]) == [output]


def test_object_with_an_error_code_is_an_error(writer: TranscriptWriter) -> None:
    content = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    writer.respond("m1", {"type": "server_tool_use", "id": "t1", "name": "search", "input": {}})
    writer.respond("m1", {"type": "search_tool_result", "tool_use_id": "t1", "content": content})
    (message,) = read(writer.path)[0].messages
    assert message.parts[1].is_error  # type: ignore[union-attr]
