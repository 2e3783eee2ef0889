"""A chat of the command line, or the model's own view in the database, becomes turns."""

from __future__ import annotations

import base64
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensync_hooks.agents.cursor.protobuf import fields
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.model import HookFacts, Reasoning, Skipped, Text, ToolCall, ToolResult, Trigger
from tests.agents.cursor.conversations import TURN
from tests.cursor_home import (
    BEGAN,
    CANARY,
    ENDED,
    Editor,
    assistant,
    chat,
    protobuf,
    text,
    transcript,
    transcript_line,
    user,
    user_line,
)
from tests.cursor_home import graph as blobs_of
from tests.sessions import dialogue, only, outputs

DATA = Path(__file__).parents[2] / "data" / "cursor"


def test_chat_has_prompts_answers_and_results_but_no_preamble(
    home: Path, source: CursorSource
) -> None:
    chat(home, TURN, name="List files", lastUsedModel="composer-2.5")
    session = only(source, "c1")
    prompt, answer = session.messages
    assert (prompt.role, prompt.parts) == ("user", (Text("list files"),))
    assert prompt.created_at == 1_784_628_660_000, "13:11 at UTC+3"
    assert answer.parts == (
        Reasoning("I should list"),
        Text("Listing."),
        ToolCall("call_1\nfc_1", "Shell", {"command": "ls"}, "Bash"),
        ToolResult("call_1\nfc_1", "Shell", "a.txt\nb.txt"),
        Text("There are two files."),
    )
    assert (session.title, session.model) == ("List files", "composer-2.5")
    assert (session.project_path, session.created_at) == ("/work/app", BEGAN)
    assert CANARY not in repr(session) + repr(list(session.messages))


@pytest.mark.parametrize("state", ["closed", "killed"])
def test_chat_written_by_cursors_own_code_is_read(
    home: Path, source: CursorSource, state: str
) -> None:
    folder = home / ".cursor" / "chats" / "0" / "c1"
    shutil.copytree(DATA / "sdk" / state, folder)
    session = only(source, "c1")
    assert dialogue(session) == [
        ("user", "list files"),
        ("assistant", "Listing.\n\nThere are two files."),
    ]
    assert outputs(session) == ["a.txt\nb.txt"]
    assert (session.title, session.project_path) == ("List files", "/home/dev/app")


def test_chat_that_is_just_being_created_is_not_settled(home: Path, source: CursorSource) -> None:
    path = chat(home, TURN)
    path.unlink()
    path.touch()
    located = source.find("c1")
    assert located
    assert not source.is_settled(Trigger("cursor", "c1"))
    assert list(source.read(located)) == []


def test_chat_in_two_folders_is_read_from_the_hooks_folder(
    home: Path, source: CursorSource, notes: HookNotes
) -> None:
    chat(home, TURN, cwd="/work/app")
    chat(home, [user("elsewhere"), assistant(text("NONE"))], cwd="/work/other")
    notes.add("c1", HookFacts(cwd="/work/app"))
    assert dialogue(only(source, "c1"))[0] == ("user", "list files")
    notes.add("c1", HookFacts(cwd="/work/other"))
    assert dialogue(only(source, "c1"))[0] == ("user", "elsewhere")


def test_start_of_a_chat_is_its_own_or_that_of_the_notes_beside_it(
    home: Path, source: CursorSource
) -> None:
    chat(home, TURN, createdAt=BEGAN + 7)
    assert only(source, "c1").created_at == BEGAN + 7
    chat(home, TURN, createdAt=None)
    assert only(source, "c1").created_at == BEGAN


def test_blank_prompts_and_unnamed_tools_are_tolerated(home: Path, source: CursorSource) -> None:
    odd = {"type": "tool-call", "toolCallId": "c1"}
    gave = {"role": "tool", "content": [{"type": "tool-result", "toolCallId": "c1", "result": 7}]}
    chat(home, (user(" "), user("go"), assistant(odd), gave, assistant(text("done"))))
    prompt, answer = only(source, "c1").messages
    assert prompt.parts == (Text("go"),)
    assert answer.parts == (ToolCall("c1", "tool", {}), ToolResult("c1", "", "7"), Text("done"))


def test_missing_blob_loses_only_its_message(home: Path, source: CursorSource) -> None:
    path = chat(home, TURN)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("DELETE FROM blobs WHERE instr(data, CAST('two files' AS BLOB))")
    db.close()
    session = only(source, "c1")
    assert dialogue(session) == [("user", "list files"), ("assistant", "Listing.")]
    assert session.skipped == {Skipped("unreadable", "blob missing"): 1}


@pytest.mark.parametrize(
    ("messages", "running", "settled"),
    [
        (TURN, False, True),
        (TURN, True, False),
        (TURN[:1], False, False),
        (TURN[:2], False, False),
        (TURN[:3], False, False),
    ],
)
def test_chat_is_settled_once_the_agent_has_answered(
    home: Path, source: CursorSource, messages: Any, *, running: bool, settled: bool
) -> None:
    chat(home, messages, running=running)
    assert source.is_settled(Trigger("cursor", "c1")) is settled


def test_turns_removed_by_a_compaction_are_restored_from_the_transcript(
    home: Path, source: CursorSource
) -> None:
    """They are spare: richer ones that the destination already has are kept."""
    turns = [
        (user(word), assistant(text(f"answer to {word}"))) for word in ("one", "go", "go", "go")
    ]
    chat(home, [message for turn in turns for message in turn])
    before = list(only(source, "c1").messages)
    chat(home, [message for turn in turns[2:] for message in turn])
    transcript(
        home,
        [
            line
            for word in ("one", "go", "go", "go")
            for line in (
                user_line(word),
                transcript_line("assistant", text(f"lesser answer to {word}")),
            )
        ],
        "c1/c1.jsonl",
    )
    after = list(only(source, "c1").messages)
    assert [message.id for message in after] == [message.id for message in before]
    assert [message.spare for message in after] == [True] * 4 + [False] * 4
    assert [message.text for message in after][-4:] == [message.text for message in before][-4:]


def test_prompt_without_a_time_takes_it_from_the_transcript(
    home: Path, source: CursorSource
) -> None:
    prompt = {"role": "user", "content": [text("<user_query>\ngo\n</user_query>")]}
    chat(home, [prompt, assistant(text("gone"))])
    assert [message.created_at for message in only(source, "c1").messages] == [BEGAN, BEGAN]
    line = user_line("go", "Tuesday, Sep 29, 2026, 1:11 PM (UTC+3)")
    transcript(home, [line, transcript_line("assistant", text("gone")), ENDED], "c1/c1.jsonl")
    at = 1790676660000
    assert [message.created_at for message in only(source, "c1").messages] == [at, at]


def test_session_without_bubbles_is_read_from_its_graph(home: Path, source: CursorSource) -> None:
    editor = Editor(home)
    blobs = blobs_of(TURN)
    root = blobs.popitem()[1]
    for name, raw in blobs.items():
        as_it_is = raw[:1] == b"{"
        editor.put(f"agentKv:blob:{name}", raw.decode() if as_it_is else raw.hex())
    state = "~" + base64.b64encode(root).decode()
    draft = editor.draft(name="Its name", conversationState=state)
    draft.headers = [{"bubbleId": "gone", "type": 1}]
    draft.save()
    editor.close()
    session = only(source, "s1")
    assert dialogue(session)[0] == ("user", "list files")
    assert outputs(session) == ["a.txt\nb.txt"]
    assert (session.title, session.created_at) == ("Its name", BEGAN)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_protobuf_reader_terminates_on_any_bytes(raw: bytes) -> None:
    assert len(list(fields(raw))) <= len(raw)


def test_protobuf_reader_yields_every_field() -> None:
    raw = protobuf(1, b"x" * 300) + protobuf(26, 2**40) + b"\x29" + b"12345678" + protobuf(4, b"")
    assert list(fields(raw)) == [
        (1, b"x" * 300),
        (26, 2**40),
        (5, b"12345678"),
        (4, b""),
    ]
