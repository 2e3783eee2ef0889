"""The same conversation in the format of each of Cursor's copies."""

from __future__ import annotations

import json
from typing import Any

from tests.cursor_home import (
    ENDED,
    Draft,
    assistant,
    call,
    result,
    text,
    transcript_line,
    use,
    user,
    user_line,
)

TURN: tuple[dict[str, Any], ...] = (
    user("list files", "request-1"),
    assistant(
        {"type": "reasoning", "text": "I should list", "signature": "c2ln"},
        text("Listing."),
        call("call_1\nfc_1", "Shell", command="ls"),
    ),
    result("call_1\nfc_1", "Shell", "a.txt\nb.txt"),
    assistant(text("There are two files.")),
)
AS_TRANSCRIPT = (
    user_line("list files"),
    transcript_line("assistant", text("Listing.\n\nI should list"), use("Shell", command="ls")),
    transcript_line("assistant", text("There are two files.")),
    ENDED,
)


def add_turn_of_every_kind(draft: Draft) -> list[str]:
    return [
        draft.add_prompt("Fix the parser, please. 日本語 🚀"),
        draft.add_thought("I should look first."),
        draft.add_tool_call(
            "read_file_v2" if draft.version >= 13 else "read_file",
            rawArgs=json.dumps({"target_file": "/work/a.py"}),
            result=json.dumps({"contents": "x = 1"}),
        ),
        draft.add_answer("It is fixed."),
    ]
