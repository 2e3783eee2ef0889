"""What no version has written is counted by its name, and its words are read where they can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.cursor import unknown
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.model import Skipped
from tests.cursor_home import (
    Editor,
    assistant,
    chat,
    text,
    transcript,
    transcript_line,
    user,
    user_line,
    window,
)
from tests.sessions import dialogue, only

SPEECH = '{"role": "user", "text": "hello"}'


def lost(name: str) -> Skipped:
    return Skipped("unreadable", name)


def unused(name: str) -> Skipped:
    return Skipped("unknown", name)


@pytest.mark.parametrize("version", [3, 18])
def test_generated_session_has_nothing_unknown(
    editor: Editor, source: CursorSource, version: int
) -> None:
    editor.draft("s1", version).add_turn(1)
    draft = editor.draft("s2", version)
    draft.add_turn(1)
    draft.add_tool_call("read_file_v2", rawArgs="{}", result="ok")
    draft.save()
    for key in ("codeBlockDiff:s2:x", "composer.content.ab12", "inlineDiffs-1", "agentKv:x"):
        editor.put(key, SPEECH)
    assert not only(source, "s2").skipped


def test_rows_under_unknown_keys_are_named_and_those_with_words_are_a_loss(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft()
    draft.add_turn(1)
    draft.save()
    for number in range(3):
        editor.put(f"utteranceId:s1:{number}", SPEECH)
        editor.put(f"rowHeights:s1:{number}", {"height": 4})
        editor.put(f"utteranceId:other:{number}", SPEECH)
    editor.put("pulse.4f2e", 7)
    session = only(source, "s1")
    assert session.skipped == {
        lost("row of key utteranceId:"): 3,
        unused("row of key rowHeights:"): 3,
        unused("row of key pulse."): 1,
    }


def test_unknown_tables_are_named_with_the_rows_of_the_session(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft()
    draft.add_turn(1)
    draft.save()
    editor.db.execute("CREATE TABLE utterances (id PRIMARY KEY, composerId, value)")
    editor.db.execute("CREATE INDEX owner ON utterances (composerId)")
    editor.db.execute('CREATE TABLE "odd ""name" (conversationId, value)')
    editor.db.execute("CREATE TABLE empty (composerId)")
    rows = [(1, "s1", SPEECH), (2, "s1", SPEECH), (3, "s2", SPEECH)]
    editor.db.executemany("INSERT INTO utterances VALUES (?, ?, ?)", rows)
    editor.db.executemany('INSERT INTO "odd ""name" VALUES (?, ?)', [("s2", "{}")] * 5)
    session = only(source, "s1")
    assert session.skipped == {
        lost("row of table utterances"): 2,
        unused('row of table odd "name'): 5,
    }


def test_unknown_keys_with_words_in_a_windows_database_are_a_loss(
    home: Path, source: CursorSource
) -> None:
    bubbles = [{"type": "user", "text": "go"}, {"type": "ai", "rawText": "Gone."}]
    items = {
        "workbench.panel.aichat.view.aichat.chatdata": {
            "tabs": [{"tabId": "t1", "bubbles": bubbles}]
        },
        "workbench.panel.aichat.hidden": [{"id": "x", "isHidden": False}],
        "aiService.prompts": [{"text": "go", "commandType": 4}],
        "aiService.dialogues": [{"text": "something else"}],
    }
    window(home, "w1", "file:///work", items)
    session = only(source, "t1")
    assert dialogue(session) == [("user", "go"), ("assistant", "Gone.")]
    assert session.skipped == {lost("row of key aiService.dialogues"): 1}


def test_many_unknown_keys_cost_few_steps(editor: Editor, source: CursorSource) -> None:
    draft = editor.draft()
    draft.add_turn(1)
    draft.save()
    rows = [(f"{number:x}.key", "{}") for number in range(3_000)]
    editor.db.executemany("INSERT INTO cursorDiskKV VALUES (?, ?)", rows)
    assert 1 <= len(only(source, "s1").skipped) <= unknown._MAX_KEYS


@pytest.mark.parametrize(
    ("fields", "skipped", "answer"),
    [
        ({"type": 3, "text": "answer"}, unused("bubble of type 3"), "answer"),
        ({"type": "poll"}, lost("bubble of type poll"), ""),
        ({"type": 2, "capabilityType": 77}, unused("bubble of capability 77"), ""),
        ({"type": 2, "text": 7}, lost("text that is not a string"), ""),
        ({"type": 2, "text": {"root": {"text": "answer"}}},
         unused("text that is not a string"), "answer"),
        ({"type": 2, "text": [{"text": "one "}, {"text": "two"}]},
         unused("text that is not a string"), "one two"),
    ],
)  # fmt: skip
def test_bubbles_of_unknown_forms_are_named(
    editor: Editor, source: CursorSource, fields: dict[str, Any], skipped: Skipped, answer: str
) -> None:
    draft = editor.draft()
    draft.add_prompt("prompt")
    bubble_id = draft.add_answer("")
    draft.save()
    editor.put(draft.key(bubble_id), {"_v": 3, **fields})
    session = only(source, "s1")
    assert session.skipped == {skipped: 1}
    assert dialogue(session) == [("user", "prompt"), *([("assistant", answer)] if answer else [])]
    assert session.skipped == {skipped: 1}, "it is counted once, however often it is walked"


def test_damaged_row_that_ends_like_an_object_is_named(
    editor: Editor, source: CursorSource
) -> None:
    draft = editor.draft()
    draft.add_prompt("prompt")
    bubble_id = draft.add_answer("")
    draft.save()
    editor.put(draft.key(bubble_id), b'{"type":2,"text":"the words before","x":{"y":}')
    session = only(source, "s1")
    assert session.skipped == {lost("damaged bubble"): 1}
    assert dialogue(session)[1] == ("assistant", "the words before")


def test_chats_name_roles_blocks_and_texts_of_unknown_forms(
    home: Path, source: CursorSource
) -> None:
    messages = [
        user("go"),
        assistant(text("Yes."), {"type": "hologram", "text": "x"}, {"type": "text", "text": 7}),
        {"role": "narrator", "content": [text("Meanwhile.")]},
        assistant(text("Done.")),
    ]
    chat(home, messages)
    session = only(source, "c1")
    assert session.skipped == {
        lost("block of type hologram"): 1,
        lost("text that is not a string"): 1,
        lost("message of role narrator"): 1,
    }


def test_transcripts_name_blocks_of_unknown_types(home: Path, source: CursorSource) -> None:
    lines = (
        user_line("go"),
        transcript_line("assistant", text("Yes."), {"type": "hologram"}),
        transcript_line("user", {"type": "hologram"}),
    )
    transcript(home, lines, "c1/c1.jsonl")
    assert only(source, "c1").skipped == {lost("block of type hologram"): 2}
