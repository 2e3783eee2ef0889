"""The census of Cursor's sessions, against counts by hand."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.census import Census, Counts
from opensync_hooks.agents.cursor.census import take_census
from opensync_hooks.errors import SourceError
from opensync_hooks.model import HookFacts, TurnUsage, Usage
from tests.agents.cursor.conversations import AS_TRANSCRIPT, TURN, add_turn_of_every_kind
from tests.cursor_home import (
    ENDED,
    Editor,
    assistant,
    chat,
    graph,
    protobuf,
    text,
    transcript,
    transcript_line,
    use,
    user,
    user_folder,
    user_line,
    window,
)

DATA = Path(__file__).parents[2] / "data" / "cursor"
FILES = {
    "recordings/tui-multi-turn/8bb3c043-894b-4f2d-8751-0665bbc26eea": Counts(3, 3, 3),
    "recordings/tui-stop/0625c9eb-8fe1-4275-b663-d3933ea790eb": Counts(1, 1),
    "recordings/tui-tools/7066b542-20d9-4e5f-9508-0c0928a68d21": Counts(1, 1, 4),
    "recordings/session-resume/repo/586fe548-42aa-4a11-90aa-e131f51a36dc": Counts(2, 2, 2),
    "recordings/session-resume/elsewhere/586fe548-42aa-4a11-90aa-e131f51a36dc": Counts(1, 1),
    "recordings/compaction-transcript-continuity": Counts(1, 1, 12),
    "recordings/foreground-subagent-result/6e22aebd-b34d-4fb0-aa0b-2fff5bc2163f": Counts(1, 1, 1),
    "recordings/foreground-subagent-result/63eadd15-a2f3-440c-9dac-cfe56795f81b": Counts(1, 1),
    "sdk/closed": Counts(1, 1, 1, 1),
    "sdk/killed": Counts(1, 1, 1, 1),
    "sdk/transcript.jsonl": Counts(1, 1, 1),
    "sdk/transcript-error.txt": Counts(1, 1, 1),
}
"""Prompts, answers, calls and results. Two compactions repeat the only prompt of one of them."""


def no_facts(_session_id: str) -> HookFacts:
    return HookFacts()


def count(
    home: Path, session_id: str = "s1", path: Path | None = None, **hooks: Any
) -> list[Census]:
    located = path or user_folder(home) / "globalStorage" / "state.vscdb"
    facts = hooks.get("facts", no_facts)
    return list(take_census(session_id, located, {}, str(home), hook_facts=facts))


def count_chat(home: Path, path: Path) -> Census:
    (census,) = count(home, path.parent.name, path)
    return census


@pytest.mark.parametrize("name", FILES)
def test_recorded_file_has_the_counts_of_a_count_by_hand(home: Path, name: str) -> None:
    path = DATA / name
    pattern = "store.db" if "sdk" in name else "*.jsonl"
    files = [path] if path.is_file() else list(path.glob(pattern))
    (file,) = [file for file in files if file.name != "payloads.jsonl"]
    (census,) = count(home, file.stem, file)
    assert census.counts == FILES[name]
    assert not census.unknown
    assert not census.unreadable


RECORDED_ROWS = {
    "v3-2025-05": Counts(2, 2, 3, 3, 43_478, 1_400),
    "v16-2026-06": Counts(1),
}


@pytest.mark.parametrize("name", RECORDED_ROWS)
def test_recorded_rows_of_the_editor_have_the_counts_of_a_count_by_hand(
    home: Path, editor: Editor, name: str
) -> None:
    rows = [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines()]
    for row in rows:
        editor.put(row["key"], row["value"])
    session_id = rows[0]["key"].removeprefix("composerData:")
    (census,) = count(home, session_id)
    assert census.counts == RECORDED_ROWS[name]
    assert census.agent_version == f"composer {name[1:].partition('-')[0]}"


# ---- the editor ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2, 3, 9, 13, 16, 18])
def test_every_version_of_the_editors_rows_is_counted(
    home: Path, editor: Editor, version: int
) -> None:
    draft = editor.draft(version=version)
    add_turn_of_every_kind(draft)
    draft.add_turn(2)
    draft.save()
    (census,) = count(home)
    assert census.counts == Counts(2, 2, 1, 1)
    assert not census.unknown


def test_bubbles_that_no_list_names_may_arrive_or_not(home: Path, editor: Editor) -> None:
    draft = editor.draft()
    draft.add_turn(1)
    add_turn_of_every_kind(draft)
    draft.rewind(4)
    (census,) = count(home)
    assert census.counts == Counts(1, 1)
    assert census.optional == Counts(1, 3, 1, 1)


@pytest.mark.parametrize("document", [None, {"fullConversationHeadersOnly": []}, "{"])
def test_bubbles_count_if_their_list_is_lost(home: Path, editor: Editor, document: Any) -> None:
    draft = editor.draft()
    draft.add_turn(1)
    draft.add_turn(2)
    editor.put("composerData:s1", document)
    assert count(home)[0].counts == Counts(2, 2)


def test_prompt_that_nobody_typed_is_not_an_utterance(home: Path, editor: Editor) -> None:
    draft = editor.draft()
    draft.add_turn(1)
    draft.add_prompt("a background task is done", isSimulatedMsg=True)
    draft.add_bubble(1, {"text": "", "capabilityType": 22})
    draft.add_prompt("")
    draft.save()
    assert count(home)[0].counts == Counts(1, 1)


def test_prompt_may_be_rich_text_or_a_picture(home: Path, editor: Editor) -> None:
    draft = editor.draft()
    rich = {"root": {"children": [{"type": "text", "text": "hello"}]}}
    draft.add_prompt("", richText=json.dumps(rich))
    draft.add_prompt("", images=[{"uuid": "1"}])
    draft.add_prompt("", context={"fileSelections": [{"uri": {"fsPath": "/a"}}]})
    draft.save()
    assert count(home)[0].counts == Counts(3)


def test_call_without_a_result_has_none(home: Path, editor: Editor) -> None:
    draft = editor.draft()
    draft.add_tool_call("read_file_v2", status="loading")
    draft.add_tool_call("read_file_v2", status="cancelled")
    draft.add_tool_call("read_file_v2", status="error", error='{"message": "no such file"}')
    draft.save()
    (census,) = count(home)
    assert (census.counts.tool_calls, census.counts.tool_results) == (3, 1)
    assert census.optional.tool_results == 1


def test_hooks_count_of_a_turn_goes_before_that_of_its_bubbles(home: Path, editor: Editor) -> None:
    draft = editor.draft(version=10)
    for number in (1, 2):
        draft.add_prompt("go", requestId=f"request-{number}")
        draft.add_answer("gone", tokenCount={"inputTokens": 100 * number, "outputTokens": number})
    draft.save()
    assert count(home)[0].counts == Counts(2, 2, 0, 0, 300, 3)

    def facts(session_id: str) -> HookFacts:
        turn = TurnUsage("request-2", None, Usage(50, 7, cache_read_tokens=5))
        other = TurnUsage("request-9", None, Usage(1, 1))
        return HookFacts((turn, other), agent_version=f"3.18 of {session_id}")

    (census,) = count(home, facts=facts)
    assert census.counts == Counts(2, 2, 0, 0, 156, 9)
    assert census.agent_version == "3.18 of s1"


def test_subagents_are_counted_with_their_session(home: Path, editor: Editor) -> None:
    editor.draft("s1", subagentComposerIds=["s2", "task-1\nfc_2"]).save()
    child = editor.draft("s2", subComposerIds=["s3", "s1"])
    child.add_turn(1)
    child.save()
    editor.draft("s3").save()
    for name in ("task-1_0Afc_2", "s4"):
        transcript(home, AS_TRANSCRIPT, f"s1/subagents/{name}.jsonl")
    main, *subagents = count(home)
    assert main.subagents == 4
    assert {census.session_id for census in subagents} == {"s2", "s3", "task-1\nfc_2", "s4"}
    assert sum(census.counts.utterances for census in subagents) == 3


def test_missing_rows_are_counted_and_shells_are_understood(home: Path, editor: Editor) -> None:
    headers = [{"bubbleId": "a", "type": 1}, {"bubbleId": "b", "type": 2}]
    editor.put("composerData:s1", {"_v": 16, "fullConversationHeadersOnly": headers})
    editor.draft("s2").save()
    (census,), (shell,) = count(home, "s1"), count(home, "s2")
    assert census.unknown == {"bubble missing": 2}
    assert not census.is_understood
    assert shell.is_understood


def test_sessions_of_2024_are_counted_in_their_windows_database(home: Path) -> None:
    composer = {
        "composerId": "c1",
        "conversation": [{"type": 1, "text": "draw"}, {"type": 2, "text": "Drawn."}],
    }
    bubbles = [{"type": "user", "text": "who?"}, {"type": "ai", "rawText": "A yard."}]
    tabs = {"tabs": [{"tabId": "t1", "bubbles": bubbles}]}
    items = {
        "composer.composerData": {"allComposers": [composer]},
        "workbench.panel.aichat.view.aichat.chatdata": tabs,
    }
    window(home, "w1", "file:///work", items)
    path = user_folder(home) / "workspaceStorage" / "w1" / "state.vscdb"
    for session_id in ("c1", "t1"):
        assert count(home, session_id, path)[0].counts == Counts(1, 1)
    assert count(home, "c2", path) == []


# ---- chats ---------------------------------------------------------------------------------------


def test_chat_of_the_command_line_is_counted(home: Path) -> None:
    path = chat(home, (*TURN, user("and now?"), assistant({"type": "reasoning", "text": "hm"})))
    census = count_chat(home, path)
    assert census.counts == Counts(2, 1, 1, 1)
    assert census.optional == Counts(responses=2)


def test_messages_that_a_compaction_archived_are_counted(home: Path) -> None:
    """The root keeps a summary in their place, and names the archive that has them."""
    path = chat(home, TURN)
    summary = {
        "role": "user",
        "content": [text("[Previous conversation summary]: files")],
        "providerOptions": {"cursor": {"isSummary": True}},
    }
    later = graph((summary, user("again", "request-2"), assistant(text("Done."))))
    archive = b"".join(protobuf(1, bytes.fromhex(name)) for name in list(graph(TURN))[:-1])
    name = "0a" * 32
    *_, root_id = later
    root = later[root_id] + protobuf(13, bytes.fromhex(name))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        blobs = {**graph(TURN), **later, name: archive, "0b" * 32: root}
        db.executemany("INSERT OR REPLACE INTO blobs VALUES (?, ?)", blobs.items())
        meta = json.dumps({"latestRootBlobId": "0b" * 32}).encode().hex()
        db.execute("UPDATE meta SET value = ?", (meta,))
    assert count_chat(home, path).counts == Counts(2, 2, 1, 1)


def test_beginning_that_only_the_transcript_has_is_counted(home: Path) -> None:
    path = chat(home, TURN)
    lines = (user_line("before"), transcript_line("assistant", text("aye"), use("Shell")))
    transcript(home, (*lines, *AS_TRANSCRIPT), "c1/c1.jsonl")
    census = count_chat(home, path)
    assert census.counts == Counts(2, 1, 1, 1)
    assert census.optional.tool_calls == 2


def test_missing_and_unknown_messages_are_counted_by_name(home: Path) -> None:
    path = chat(home, (*TURN, {"role": "oracle", "content": [{"type": "hologram"}]}))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DELETE FROM blobs WHERE instr(data, CAST('two files' AS BLOB))")
    expected = {"blob missing": 1, "message oracle": 1, "block hologram": 1}
    assert count_chat(home, path).unknown == expected


# ---- transcripts ---------------------------------------------------------------------------------


def count_lines(home: Path, *lines: dict[str, Any]) -> Census:
    path = transcript(home, lines, "s1/s1.jsonl")
    (census,) = count(home, "s1", path)
    return census


def test_tags_that_cursor_adds_are_not_typed_but_html_is(home: Path) -> None:
    census = count_lines(
        home,
        transcript_line("user", text("<attached_files>\nsecret\n</attached_files>")),
        transcript_line("user", text("<dynamic_tools>\ntools\n</dynamic_tools>")),
        transcript_line("user", text("<div> how do I centre this?")),
        user_line(" "),
        ENDED,
    )
    assert census.counts == Counts(1)


def test_repeated_prompt_may_be_a_compactions_or_a_persons(home: Path) -> None:
    answer = transcript_line("assistant", text("aye"))
    census = count_lines(home, user_line("go"), answer, user_line("go"), answer)
    assert (census.counts.utterances, census.optional.utterances) == (1, 1)


def test_plain_text_is_counted(home: Path) -> None:
    path = transcript(home, (), "s1.txt")
    path.write_text(
        "user:\nwhat is in it\n\nassistant:\n[Tool call] Shell\n  command: ls\n"
        "[Tool result] Shell\n  oar.txt\nTwo files.\n[Tool call] Read\n[Tool result] Read\n\n"
        "assistant:\n[Thinking] hm\n\nuser:\nthanks\n\nTurn ended: success\n"
    )
    (census,) = count(home, "s1", path)
    assert census.counts == Counts(2, 1, 2, 1)
    assert census.optional == Counts(responses=1, tool_results=1)


def test_transcript_of_an_unknown_shape_is_not_understood(home: Path) -> None:
    census = count_lines(home, {"kind": "human_turn", "payload": {"words": "of a later shape"}})
    assert census.unknown == {"line None": 1}
    assert not census.is_understood
    assert count_lines(home, ENDED).is_understood


# ---- several copies ------------------------------------------------------------------------------


def test_richest_copy_with_content_counts(home: Path, editor: Editor) -> None:
    transcript(home, AS_TRANSCRIPT, "s1/s1.jsonl")
    editor.draft("s1").save()
    assert count(home)[0].counts == Counts(1, 1, 1)
    chat(home, TURN, "s1")
    assert count(home)[0].counts == Counts(1, 1, 1, 1)
    draft = editor.draft("s1")
    draft.add_turn(1)
    draft.add_turn(2)
    draft.save()
    assert count(home)[0].counts == Counts(2, 2)


def test_models_view_counts_where_the_window_lost_its_rows(home: Path, editor: Editor) -> None:
    blobs = graph(TURN)
    *_, root_id = blobs
    for name, blob in blobs.items():
        editor.put(f"agentKv:blob:{name}", blob.decode() if blob[:1] == b"{" else blob.hex())
    state = "~" + base64.b64encode(blobs[root_id]).decode()
    editor.draft("s1", conversationState=state).save()
    assert count(home)[0].counts == Counts(1, 1, 1, 1)


def test_transcript_of_the_folder_that_hooks_named_counts(home: Path) -> None:
    for project in ("repo", "elsewhere"):
        source = DATA / "recordings" / "session-resume" / project
        target = home / ".cursor" / "projects" / f"work-{project}" / "agent-transcripts"
        shutil.copytree(source, target)
    (path,) = target.glob("*/*.jsonl")
    for folder, prompts in (("/work/repo", 2), ("/work/elsewhere", 1)):
        facts = HookFacts(cwd=folder)
        (census,) = count(home, path.stem, path, facts=lambda _, facts=facts: facts)
        assert census.counts.utterances == prompts


def test_copy_outside_of_cursors_folders_is_counted_alone(home: Path, tmp_path: Path) -> None:
    transcript(home, AS_TRANSCRIPT, "s1/s1.jsonl")
    path = transcript(tmp_path / "copy", (*AS_TRANSCRIPT, user_line("more")), "s1/s1.jsonl")
    (census,) = count(home, "s1", path)
    assert census.counts.utterances == 2


def test_broken_database_hides_no_transcript(home: Path) -> None:
    database = user_folder(home) / "globalStorage" / "state.vscdb"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"no database" * 400)
    path = transcript(home, AS_TRANSCRIPT, "s1/s1.jsonl")
    assert count(home, "s1", path)[0].counts == Counts(1, 1, 1)
    with pytest.raises(SourceError, match=r"state\.vscdb"):
        count(home, "s1", database)


@pytest.mark.parametrize("session_id", ["", ".", "..", "a/b", "a\nb", "[x]", "\0", "\ud800", "a*"])
def test_any_id_is_looked_for_without_an_error(home: Path, editor: Editor, session_id: str) -> None:
    assert count(home, session_id, editor.path) == []
