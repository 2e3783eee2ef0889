"""A session of Cursor's lies in one place or in several, and arrives once, from the richest."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensync_hooks.errors import SourceError
from opensync_hooks.model import (
    Heard,
    Message,
    Reasoning,
    Session,
    Text,
    ToolCall,
    ToolResult,
    Trigger,
)
from opensync_hooks.notebook import Notebook
from opensync_hooks.sources.cursor import Cursor, graph, projects, records, transcripts
from opensync_hooks.sources.cursor.roots import Roots
from tests.cursor_home import (
    BEGAN,
    CANARY,
    ENDED,
    Editor,
    assistant,
    call,
    chat,
    protobuf,
    record,
    result,
    said_by_user,
    text,
    transcript,
    use,
    user,
    window,
)
from tests.cursor_home import graph as blobs_of

DATA = Path(__file__).parent / "data" / "cursor"


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    return Notebook(tmp_path / "ours" / "notes", "cursor")


@pytest.fixture
def source(home: Path, notebook: Notebook) -> Cursor:
    return Cursor(Roots.of({}, str(home)), notebook)


def family(source: Cursor, session_id: str = "c1") -> list[Session]:
    located = source.find(session_id)
    assert located
    return list(source.read(located))


def only(source: Cursor, session_id: str = "c1") -> Session:
    (session,) = family(source, session_id)
    return session


def texts(session: Session) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in session.messages]


def outputs(session: Session) -> list[str]:
    parts = (part for message in session.messages for part in message.parts)
    return [part.output for part in parts if isinstance(part, ToolResult)]


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
    said_by_user("list files"),
    record("assistant", text("Listing.\n\nI should list"), use("Shell", command="ls")),
    record("assistant", text("There are two files.")),
    ENDED,
)


# ---- chats of the command line -------------------------------------------------------------------


def test_chat_is_prompts_and_answers_with_results_and_nothing_of_the_preamble(
    home: Path, source: Cursor
) -> None:
    chat(home, TURN, name="List files", lastUsedModel="composer-2.5")
    session = only(source)
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
def test_chat_that_cursors_own_code_wrote(home: Path, source: Cursor, state: str) -> None:
    folder = home / ".cursor" / "chats" / "0" / "c1"
    shutil.copytree(DATA / "sdk" / state, folder)
    session = only(source)
    assert texts(session) == [
        ("user", "list files"),
        ("assistant", "Listing.\n\nThere are two files."),
    ]
    assert outputs(session) == ["a.txt\nb.txt"]
    assert (session.title, session.project_path) == ("List files", "/home/dev/app")


def test_chat_that_is_just_being_made_is_not_finished(home: Path, source: Cursor) -> None:
    path = chat(home, TURN)
    path.unlink()
    path.touch()
    located = source.find("c1")
    assert located
    assert not source.settled(Trigger("cursor", "c1"))
    assert list(source.read(located)) == []


def test_chat_in_two_folders_is_taken_from_where_the_hook_ran(
    home: Path, source: Cursor, notebook: Notebook
) -> None:
    chat(home, TURN, cwd="/work/app")
    chat(home, [user("elsewhere"), assistant(text("NONE"))], cwd="/work/other")
    notebook.add("c1", Heard(cwd="/work/app"))
    assert texts(only(source))[0] == ("user", "list files")
    notebook.add("c1", Heard(cwd="/work/other"))
    assert texts(only(source))[0] == ("user", "elsewhere")


def test_missing_blob_costs_only_its_message(home: Path, source: Cursor) -> None:
    path = chat(home, TURN)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("DELETE FROM blobs WHERE instr(data, CAST('two files' AS BLOB))")
    db.close()
    session = only(source)
    assert texts(session) == [("user", "list files"), ("assistant", "Listing.")]
    assert session.skipped == {"blob missing": 1}


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
def test_chat_is_settled_when_the_last_word_is_the_agents(
    home: Path, source: Cursor, messages: Any, *, running: bool, settled: bool
) -> None:
    chat(home, messages, running=running)
    assert source.settled(Trigger("cursor", "c1")) is settled


def test_turns_that_a_compaction_took_out_come_from_the_transcript(
    home: Path, source: Cursor
) -> None:
    """They are spare: where the destination has the richer ones already, those stay."""
    turns = [
        (user(word), assistant(text(f"answer to {word}"))) for word in ("one", "go", "go", "go")
    ]
    chat(home, [message for turn in turns for message in turn])
    before = list(only(source).messages)
    chat(home, [message for turn in turns[2:] for message in turn])
    transcript(
        home,
        [
            one
            for word in ("one", "go", "go", "go")
            for one in (said_by_user(word), record("assistant", text(f"lesser answer to {word}")))
        ],
        "c1/c1.jsonl",
    )
    after = list(only(source).messages)
    assert [message.id for message in after] == [message.id for message in before]
    assert [message.spare for message in after] == [True] * 4 + [False] * 4
    assert [message.text for message in after][-4:] == [message.text for message in before][-4:]


def test_time_of_a_prompt_that_the_graph_lacks_stands_in_the_transcript(
    home: Path, source: Cursor
) -> None:
    asked = {"role": "user", "content": [text("<user_query>\ngo\n</user_query>")]}
    chat(home, [asked, assistant(text("gone"))])
    assert [message.created_at for message in only(source).messages] == [BEGAN, BEGAN]
    said = said_by_user("go", "Tuesday, Sep 29, 2026, 1:11 PM (UTC+3)")
    transcript(home, [said, record("assistant", text("gone")), ENDED], "c1/c1.jsonl")
    at = 1790676660000
    assert [message.created_at for message in only(source).messages] == [at, at]


# ---- the same inside the editor's database -------------------------------------------------------


def test_session_whose_bubbles_are_gone_is_read_from_its_graph(home: Path, source: Cursor) -> None:
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
    assert texts(session)[0] == ("user", "list files")
    assert outputs(session) == ["a.txt\nb.txt"]
    assert (session.title, session.created_at) == ("Its name", BEGAN)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_protobuf_reader_ends_on_any_bytes(raw: bytes) -> None:
    assert len(list(graph.fields(raw))) <= len(raw)


def test_protobuf_reader_gives_every_field() -> None:
    raw = protobuf(1, b"x" * 300) + protobuf(26, 2**40) + b"\x29" + b"12345678" + protobuf(4, b"")
    assert list(graph.fields(raw)) == [(1, b"x" * 300), (26, 2**40), (5, b"12345678"), (4, b"")]


# ---- transcripts ---------------------------------------------------------------------------------

LAYOUTS = ("c1/c1.jsonl", "c1.jsonl", "c1/c1.txt", "c1.txt")
AS_TEXT = """user:
<user_query>
list files
</user_query>

assistant:
[Thinking] I should list
Listing.
[Tool call] Shell
  command: ls
  description: two
lines

[Tool result] Shell

assistant:
There are two files.

Turn ended: error: boom"""


def write(home: Path, layout: str) -> Path:
    path = transcript(home, AS_TRANSCRIPT, layout)
    if layout.endswith(".txt"):
        path.write_text(AS_TEXT)
    return path


@pytest.mark.parametrize("layout", LAYOUTS)
def test_transcript_is_found_in_every_layout(home: Path, source: Cursor, layout: str) -> None:
    path = write(home, layout)
    session = only(source)
    assert texts(session)[0] == ("user", "list files")
    calls = [
        part for message in session.messages for part in message.parts if isinstance(part, ToolCall)
    ]
    assert [(one.name, one.category, one.arguments["command"]) for one in calls] == [
        ("Shell", "Bash", "ls")
    ]
    assert [one.session_id for one in source.sessions()] == ["c1"]
    assert source.find(str(path)) == source.find("c1")


def test_lines_come_before_text(home: Path, source: Cursor) -> None:
    for layout in reversed(LAYOUTS):
        write(home, layout)
        located = source.find("c1")
        assert located
        assert str(located.path).endswith(layout)


def test_older_text_tells_thoughts_arguments_and_the_error() -> None:
    found = records.read(AS_TEXT.encode(), ".txt")
    prompt, first, second, end = found.steps
    assert prompt.parts == (Text("list files"),)
    assert first.parts == (
        Reasoning("I should list"),
        Text("Listing."),
        ToolCall(first.parts[2].id, "Shell", {"command": "ls", "description": "two\nlines"}, "Bash")
        if isinstance(first.parts[2], ToolCall)
        else None,
    )
    assert second.parts == (Text("There are two files."),)
    assert (end.role, end.parts) == ("system", (Text("[error: boom]"),))


@pytest.mark.parametrize("suffix", [".jsonl", ".txt"])
def test_transcripts_of_cursors_own_writer(suffix: str) -> None:
    name = "transcript.jsonl" if suffix == ".jsonl" else "transcript-error.txt"
    found = records.read((DATA / "sdk" / name).read_bytes(), suffix)
    assert [step.role for step in found.steps][:3] == ["user", "assistant", "assistant"]
    assert found.steps[0].parts == (Text("list files"),)
    assert found.steps[0].created_at == 1_784_628_660_000
    assert found.is_settled
    assert not found.skipped


def recorded(folder: str) -> list[Path]:
    return sorted((DATA / "recordings" / folder).rglob("*.jsonl"))


def test_recording_of_three_turns() -> None:
    path = next(path for path in recorded("tui-multi-turn") if path.stem.startswith("8bb3"))
    found = records.read(path.read_bytes(), ".jsonl")
    assert [step.role for step in found.steps].count("user") == 3
    names = [part.name for step in found.steps for part in step.parts if isinstance(part, ToolCall)]
    assert names == ["Shell", "Write", "Read"]
    assert found.is_settled
    assert not found.skipped


def test_recording_of_tools_that_write_and_read_a_file(home: Path, source: Cursor) -> None:
    (path,) = recorded("tui-tools")
    target = home / ".cursor/projects/work/agent-transcripts" / path.stem / path.name
    target.parent.mkdir(parents=True)
    shutil.copyfile(path, target)
    prompt, answer = only(source, path.stem).messages
    assert prompt.text.startswith("Do these as separate tool calls")
    calls = [part for part in answer.parts if isinstance(part, ToolCall)]
    named = [(call.name, call.category) for call in calls]
    assert named == [
        *(("Shell", "Bash"), ("Write", "Write")),
        *(("Read", "Read"), ("StrReplace", "Edit")),
    ]
    assert calls[1].arguments == {"path": "<RUN>/note.txt", "contents": "hi\n"}
    assert answer.text.endswith("DONE")


def test_recording_of_two_compactions_has_its_one_prompt_once() -> None:
    (path,) = recorded("compaction-transcript-continuity")
    found = records.read(path.read_bytes(), ".jsonl")
    assert [step.role for step in found.steps].count("user") == 1
    assert found.skipped == {"prompt repeated by a compaction": 2, "context": 1}
    assert found.steps[-1].parts == (Text("DONE"),)


def test_session_that_was_resumed_elsewhere_is_taken_from_where_the_hook_ran(
    home: Path, source: Cursor, notebook: Notebook
) -> None:
    session_id = "586fe548-42aa-4a11-90aa-e131f51a36dc"
    for project in ("repo", "elsewhere"):
        folder = home / ".cursor" / "projects" / f"work-{project}" / "agent-transcripts"
        shutil.copytree(DATA / "recordings" / "session-resume" / project, folder)
    notebook.add(session_id, Heard(cwd="/work/repo"))
    session = only(source, session_id)
    assert [role for role, _ in texts(session)] == ["user", "assistant"] * 2
    assert session.project_path == "/work/repo"
    notebook.add(session_id, Heard(cwd="/work/elsewhere"))
    assert [text for _, text in texts(only(source, session_id))][1:] == ["NONE"]


def test_sibling_transcript_of_a_subagent_is_a_session_of_its_own(
    home: Path, source: Cursor
) -> None:
    folder = home / ".cursor" / "projects" / "work" / "agent-transcripts"
    shutil.copytree(DATA / "recordings" / "foreground-subagent-result", folder)
    assert len(list(source.sessions())) == 2


def test_subagent_below_its_parent_is_linked_to_it(home: Path, source: Cursor) -> None:
    transcript(home, AS_TRANSCRIPT, "c1/c1.jsonl")
    transcript(home, AS_TRANSCRIPT, "c1/subagents/kid.jsonl")
    assert [(one.id, one.parent_id) for one in family(source)] == [("c1", None), ("kid", "c1")]
    assert only(source, "kid").parent_id == "c1"
    assert [one.session_id for one in source.sessions()] == ["c1"]


def test_subagents_below_another_projects_transcript_belong_to_the_session_as_well(
    home: Path, source: Cursor
) -> None:
    transcript(home, AS_TRANSCRIPT, "c1/c1.jsonl", "work-app")
    transcript(home, AS_TRANSCRIPT, "c1/subagents/kid.jsonl", "work-app")
    newer = transcript(home, (said_by_user("more"), ENDED), "c1/c1.jsonl", "elsewhere")
    os.utime(newer, (2_000_000_000, 2_000_000_000))
    assert [(one.id, one.parent_id) for one in family(source)] == [("c1", None), ("kid", "c1")]


def test_subagent_that_only_has_a_transcript_is_delivered_with_the_editors_session(
    home: Path, source: Cursor
) -> None:
    """One whose id the editor lists comes from the editor alone, whatever its file is called."""
    editor = Editor(home)
    listed = "task-call_1\nfc_2"
    draft = editor.draft("c1", subagentComposerIds=[listed])
    draft.turn(1)
    draft.save()
    kid = editor.draft(listed)
    kid.turn(2)
    kid.save()
    editor.close()
    for name in ("task-call_1_0Afc_2", "other"):
        transcript(home, AS_TRANSCRIPT, f"c1/subagents/{name}.jsonl")
    assert [one.id for one in family(source)] == ["c1", listed, "other"]
    assert {one.parent_id for one in family(source)[1:]} == {"c1"}


def test_subagent_whose_parents_transcript_is_gone_is_found_by_a_sync_of_everything(
    home: Path, source: Cursor
) -> None:
    transcript(home, AS_TRANSCRIPT, "c1/subagents/kid.jsonl")
    assert [one.session_id for one in source.sessions()] == ["kid"]
    assert source.find("c1") is None
    assert only(source, "kid").parent_id == "c1"
    before = source.find("kid")
    transcript(home, AS_TRANSCRIPT[:2], "c1/c1.txt")
    assert [one.session_id for one in source.sessions()] == ["c1"]
    assert before == source.find("kid")


@pytest.mark.parametrize(
    "session_id", ["call_1\nfc_2", "a/b c", "..", ".", "../../etc/passwd", "a*b", "é" * 300]
)
def test_id_in_a_file_name_never_leaves_the_folder(
    home: Path, source: Cursor, session_id: str
) -> None:
    (home / ".cursor" / "projects" / "work-app").mkdir(parents=True)
    (home / ".cursor" / "projects" / "work-app" / "...jsonl").write_text("{}")
    name = transcripts.file_name(session_id)
    assert "/" not in name
    assert len(name) <= 200
    assert source.find(session_id) is None
    if name.strip("."):
        transcript(home, AS_TRANSCRIPT, f"{name}/{name}.jsonl")
        assert len(texts(only(source, session_id))) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b"\xef\xbb\xbf",
        b"not json\n",
        b"[" * 100_000 + b"\n",
        b"\x00" * 5_000,
        b'{"role":"user"}\n',
        b'{"role":"user","message":7}\n',
        b'[]\n{"type":null}\n',
        b'{"role":"assistant","message":{"content":[null,{"type":"tool_use"}]}}\n',
        b'{"role":"user","message":{"content":[{"type":"text","text":""}]}}\n',
        b'{"type":"metadata","metadata":{}}\n{"type":"turn_ended","status":"success"}\n',
    ],
)
@pytest.mark.parametrize("suffix", [".jsonl", ".txt"])
def test_transcript_that_says_nothing_is_no_error(content: bytes, suffix: str) -> None:
    found = records.read(content, suffix)
    assert not any(step.role == "user" for step in found.steps)


@given(st.binary(max_size=300), st.sampled_from([".jsonl", ".txt"]))
@settings(deadline=None)
def test_transcript_may_hold_any_bytes(content: bytes, suffix: str) -> None:
    records.read(content, suffix)


def test_every_beginning_of_a_transcript_only_grows_the_conversation() -> None:
    (path,) = recorded("compaction-transcript-continuity")
    whole = path.read_bytes()
    final = records.read(whole, ".jsonl").steps
    for end in range(0, len(whole), 7):
        found = records.read(whole[:end], ".jsonl")
        assert found.steps == final[: len(found.steps)]
        assert found.is_torn is (not whole[:end].endswith(b"\n") and not _is_whole(whole[:end]))


def _is_whole(raw: bytes) -> bool:
    """Whether the last line is complete but for its end."""
    last = raw.rpartition(b"\n")[2].strip()
    try:
        return not last or isinstance(json.loads(last), dict)
    except ValueError:
        return False


def test_ids_in_a_transcript_stay_when_it_is_rewritten_and_grows(
    home: Path, source: Cursor
) -> None:
    transcript(home, AS_TRANSCRIPT[:2], "c1/c1.jsonl")
    before = [message.id for message in only(source).messages]
    again = (said_by_user("list files"), record("assistant", text("As before.")), ENDED)
    transcript(home, (*AS_TRANSCRIPT[:-1], *again), "c1/c1.jsonl")
    after = [message.id for message in only(source).messages]
    assert after[:2] == before
    assert len(set(after)) == 4


def test_link_and_pipe_are_not_followed(home: Path, source: Cursor, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jsonl"
    secret.write_text(json.dumps(said_by_user("secret")) + "\n")
    path = transcript(home, (), "c1/c1.jsonl")
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(SourceError):
        family(source)
    path.unlink()
    os.mkfifo(path)
    assert source.find("c1") is None


# ---- several places at once ----------------------------------------------------------------------


@pytest.fixture
def editor(home: Path) -> Iterator[Editor]:
    opened = Editor(home)
    yield opened
    opened.close()


def test_hollow_transcript_never_hides_the_editors_session(
    home: Path, source: Cursor, editor: Editor
) -> None:
    draft = editor.draft("c1")
    draft.turn(1)
    draft.save()
    transcript(home, (ENDED,), "c1/c1.jsonl")
    chat(home, TURN)
    assert texts(only(source)) == [("user", "prompt 1"), ("assistant", "answer 1")]
    assert [one.session_id for one in source.sessions()] == ["c1"]


def test_empty_document_does_not_hide_the_transcript_but_gives_it_its_name(
    home: Path, source: Cursor, editor: Editor
) -> None:
    editor.draft("c1", name="Its name").save()
    transcript(home, AS_TRANSCRIPT, "c1/c1.jsonl")
    session = only(source)
    assert session.title == "Its name"
    assert len(texts(session)) == 2
    assert [one.session_id for one in source.sessions()] == ["c1"]


def aliases(message: Message) -> set[str]:
    return {message.id, *message.aliases}


def test_message_is_known_again_when_the_editors_rows_come_after_the_transcript(
    home: Path, source: Cursor, editor: Editor
) -> None:
    """The editor writes its rows late; what was delivered first must not arrive twice."""
    transcript(
        home,
        [
            one
            for n in (1, 2)
            for one in (said_by_user(f"prompt {n}"), record("assistant", text(f"answer {n}")))
        ],
        "c1/c1.jsonl",
    )
    first = [message.id for message in only(source).messages]
    draft = editor.draft("c1")
    draft.turn(1)
    draft.turn(2)
    draft.save()
    then = list(only(source).messages)
    assert all(name in aliases(message) for name, message in zip(first, then, strict=True))


def test_transcript_does_not_take_over_when_the_editor_lost_the_session(
    home: Path, source: Cursor, editor: Editor
) -> None:
    draft = editor.draft("c1")
    draft.turn(1)
    draft.save()
    transcript(home, AS_TRANSCRIPT, "c1/c1.jsonl")
    assert len(family(source)) == 1
    editor.db.execute("DELETE FROM cursorDiskKV")
    assert source.find("c1")
    assert family(source) == []


def test_project_of_a_transcript_is_the_folder_whose_name_fits(
    home: Path, source: Cursor, notebook: Notebook
) -> None:
    window(home, "w1", "file:///work/other", {})
    window(home, "w2", "file:///work/my%20app%20%C3%A9", {})
    transcript(home, AS_TRANSCRIPT, "c1/c1.jsonl", project=projects.slug("/work/my app é"))
    assert only(source).project_path == "/work/my app é"
    transcript(home, AS_TRANSCRIPT, "c2/c2.jsonl", project="nobody-knows")
    assert only(source, "c2").project_path is None
    notebook.add("c2", Heard(cwd="/work/told/by/the/hook"))
    assert only(source, "c2").project_path == "/work/told/by/the/hook"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/dev/app", "home-dev-app"),
        ("/home/dev/my app é/x_y", "home-dev-my-app-x-y"),
        ("C:\\Users\\dev", "c-Users-dev"),
    ],
)
def test_name_of_a_projects_folder_is_made_as_cursor_does(path: str, name: str) -> None:
    assert projects.slug(path) == name


def test_file_outside_of_cursors_folders_is_read_by_itself(
    source: Cursor, tmp_path: Path, home: Path
) -> None:
    path = transcript(tmp_path / "copy", AS_TRANSCRIPT, "c1/c1.jsonl")
    transcript(home, (said_by_user("another"),), "c1/c1.jsonl")
    located = source.find(str(path))
    assert located
    (session,) = source.read(located)
    assert texts(session)[0] == ("user", "list files")
    assert source.find(str(tmp_path / "nothing.jsonl")) is None
    (tmp_path / "other.jsonl").write_text("{}")
    assert source.find(str(tmp_path / "other.jsonl")) is None
