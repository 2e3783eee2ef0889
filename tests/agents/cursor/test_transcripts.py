"""A transcript in any layout, torn or rewritten, becomes turns."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensync_hooks.agents.cursor import transcript_parser, transcripts
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.errors import SourceError
from opensync_hooks.model import HookFacts, Reasoning, Skipped, Text, ToolCall
from tests.agents.cursor.conversations import AS_TRANSCRIPT
from tests.cursor_home import ENDED, Editor, text, transcript, transcript_line, use, user_line
from tests.sessions import dialogue, family, only

DATA = Path(__file__).parents[2] / "data" / "cursor"


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
def test_transcript_is_found_in_every_layout(home: Path, source: CursorSource, layout: str) -> None:
    path = write(home, layout)
    session = only(source, "c1")
    assert dialogue(session)[0] == ("user", "list files")
    calls = [
        part for message in session.messages for part in message.parts if isinstance(part, ToolCall)
    ]
    assert [(call.name, call.category, call.arguments["command"]) for call in calls] == [
        ("Shell", "Bash", "ls")
    ]
    assert [located.session_id for located in source.sessions()] == ["c1"]
    assert source.find(str(path)) == source.find("c1")


def test_json_lines_take_precedence_over_text(home: Path, source: CursorSource) -> None:
    for layout in reversed(LAYOUTS):
        write(home, layout)
        located = source.find("c1")
        assert located
        assert str(located.path).endswith(layout)


def test_text_form_yields_thoughts_arguments_and_the_error() -> None:
    parsed = transcript_parser.parse(AS_TEXT.encode(), ".txt")
    prompt, first, second, end = parsed.steps
    assert prompt.parts == (Text("list files"),)
    assert first.parts == (
        Reasoning("I should list"),
        Reasoning("Listing.", is_doubtful=True),
        ToolCall(first.parts[2].id, "Shell", {"command": "ls", "description": "two\nlines"}, "Bash")
        if isinstance(first.parts[2], ToolCall)
        else None,
    )
    assert second.parts == (Text("There are two files."),)
    assert (end.role, end.parts) == ("system", (Text("[error: boom]"),))


@pytest.mark.parametrize("suffix", [".jsonl", ".txt"])
def test_transcript_written_by_cursors_own_code_is_read(suffix: str) -> None:
    name = "transcript.jsonl" if suffix == ".jsonl" else "transcript-error.txt"
    parsed = transcript_parser.parse((DATA / "sdk" / name).read_bytes(), suffix)
    assert [step.role for step in parsed.steps][:3] == ["user", "assistant", "assistant"]
    assert parsed.steps[0].parts == (Text("list files"),)
    assert parsed.steps[0].created_at == 1_784_628_660_000
    assert parsed.is_settled
    assert not parsed.skipped


def recorded(folder: str) -> list[Path]:
    return sorted((DATA / "recordings" / folder).rglob("*.jsonl"))


def test_line_of_an_unknown_type_is_counted(home: Path, source: CursorSource) -> None:
    odd = ({"type": "hologram"}, {"type": "metadata"}, {"role": "oracle"})
    transcript(home, (*odd, *AS_TRANSCRIPT), "c1/c1.jsonl")
    session = only(source, "c1")
    assert len(dialogue(session)) == 2
    assert session.skipped == {
        Skipped("unreadable", "unknown line hologram"): 1,
        Skipped("unreadable", "unknown line oracle"): 1,
    }


def test_transcript_is_settled_once_it_ends_with_an_answer() -> None:
    lines = [json.dumps(line).encode() + b"\n" for line in AS_TRANSCRIPT]
    settled = [
        transcript_parser.parse(b"".join(lines[:end]), ".jsonl").is_settled for end in range(5)
    ]
    assert settled == [False, False, False, True, True]


def test_calls_in_a_transcript_get_unique_ids(home: Path, source: CursorSource) -> None:
    bare = {"type": "tool_use", "name": "Read"}
    answer = transcript_line("assistant", text("Two."), use("Shell", command="ls"), bare)
    transcript(home, (user_line("go"), answer, ENDED), "c1/c1.jsonl")
    answer_text, first, second = list(only(source, "c1").messages)[1].parts
    assert answer_text == Reasoning("Two.", is_doubtful=True)
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert (first.arguments, second.arguments) == ({"command": "ls"}, {})
    assert len({first.id, second.id, ""}) == 3


def test_file_outside_every_layout_is_ignored(home: Path, source: CursorSource) -> None:
    transcript(home, AS_TRANSCRIPT, "c1/c1.jsonl")
    transcript(home, AS_TRANSCRIPT, "c1/notes/kid.jsonl")
    transcript(home, AS_TRANSCRIPT, "c1/kid.jsonl")
    assert [located.session_id for located in source.sessions()] == ["c1"]
    assert [session.id for session in family(source, "c1")] == ["c1"]


def test_recording_of_three_turns_has_their_prompts_and_calls() -> None:
    path = next(path for path in recorded("tui-multi-turn") if path.stem.startswith("8bb3"))
    parsed = transcript_parser.parse(path.read_bytes(), ".jsonl")
    assert [step.role for step in parsed.steps].count("user") == 3
    names = [
        part.name for step in parsed.steps for part in step.parts if isinstance(part, ToolCall)
    ]
    assert names == ["Shell", "Write", "Read"]
    assert parsed.is_settled
    assert not parsed.skipped


def test_recording_of_file_tools_has_their_names_and_arguments(
    home: Path, source: CursorSource
) -> None:
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


def test_recording_of_two_compactions_has_its_prompt_once() -> None:
    (path,) = recorded("compaction-transcript-continuity")
    parsed = transcript_parser.parse(path.read_bytes(), ".jsonl")
    assert [step.role for step in parsed.steps].count("user") == 1
    assert parsed.skipped == {
        Skipped("left out", "prompt repeated by a compaction"): 2,
        Skipped("left out", "context"): 1,
    }
    assert parsed.steps[-1].parts == (Text("DONE"),)


def test_session_resumed_elsewhere_is_read_from_the_hooks_folder(
    home: Path, source: CursorSource, notes: HookNotes
) -> None:
    session_id = "586fe548-42aa-4a11-90aa-e131f51a36dc"
    for project in ("repo", "elsewhere"):
        folder = home / ".cursor" / "projects" / f"work-{project}" / "agent-transcripts"
        shutil.copytree(DATA / "recordings" / "session-resume" / project, folder)
    notes.add(session_id, HookFacts(cwd="/work/repo"))
    session = only(source, session_id)
    assert [role for role, _ in dialogue(session)] == ["user", "assistant"] * 2
    assert session.project_path == "/work/repo"
    notes.add(session_id, HookFacts(cwd="/work/elsewhere"))
    assert [text for _, text in dialogue(only(source, session_id))][1:] == ["NONE"]


def test_sibling_transcript_of_a_subagent_is_its_own_session(
    home: Path, source: CursorSource
) -> None:
    folder = home / ".cursor" / "projects" / "work" / "agent-transcripts"
    shutil.copytree(DATA / "recordings" / "foreground-subagent-result", folder)
    assert len(list(source.sessions())) == 2


def test_subagent_below_its_parent_is_linked_to_it(home: Path, source: CursorSource) -> None:
    transcript(home, AS_TRANSCRIPT, "c1/c1.jsonl")
    transcript(home, AS_TRANSCRIPT, "c1/subagents/kid.jsonl")
    assert [(session.id, session.parent_id) for session in family(source, "c1")] == [
        ("c1", None),
        ("kid", "c1"),
    ]
    assert only(source, "kid").parent_id == "c1"
    assert [located.session_id for located in source.sessions()] == ["c1"]


def test_subagents_in_another_project_belong_to_the_session(
    home: Path, source: CursorSource
) -> None:
    transcript(home, AS_TRANSCRIPT, "c1/c1.jsonl", "work-app")
    transcript(home, AS_TRANSCRIPT, "c1/subagents/kid.jsonl", "work-app")
    newer = transcript(home, (user_line("more"), ENDED), "c1/c1.jsonl", "elsewhere")
    os.utime(newer, (2_000_000_000, 2_000_000_000))
    assert [(session.id, session.parent_id) for session in family(source, "c1")] == [
        ("c1", None),
        ("kid", "c1"),
    ]


def test_subagent_with_only_a_transcript_joins_the_editors_session(
    home: Path, source: CursorSource
) -> None:
    """A subagent that the editor lists is read from the editor, whatever its file's name."""
    editor = Editor(home)
    listed = "task-call_1\nfc_2"
    draft = editor.draft("c1", subagentComposerIds=[listed])
    draft.add_turn(1)
    draft.save()
    kid = editor.draft(listed)
    kid.add_turn(2)
    kid.save()
    editor.close()
    for name in ("task-call_1_0Afc_2", "other"):
        transcript(home, AS_TRANSCRIPT, f"c1/subagents/{name}.jsonl")
    assert [session.id for session in family(source, "c1")] == ["c1", listed, "other"]
    assert {session.parent_id for session in family(source, "c1")[1:]} == {"c1"}


def test_subagent_without_its_parents_transcript_is_listed_itself(
    home: Path, source: CursorSource
) -> None:
    transcript(home, AS_TRANSCRIPT, "c1/subagents/kid.jsonl")
    assert [located.session_id for located in source.sessions()] == ["kid"]
    assert source.find("c1") is None
    assert only(source, "kid").parent_id == "c1"
    before = source.find("kid")
    transcript(home, AS_TRANSCRIPT[:2], "c1/c1.txt")
    assert [located.session_id for located in source.sessions()] == ["c1"]
    assert before == source.find("kid")


@pytest.mark.parametrize(
    "session_id", ["call_1\nfc_2", "a/b c", "..", ".", "../../etc/passwd", "a*b", "é" * 300]
)
def test_session_id_never_leads_out_of_the_folder(
    home: Path, source: CursorSource, session_id: str
) -> None:
    (home / ".cursor" / "projects" / "work-app").mkdir(parents=True)
    (home / ".cursor" / "projects" / "work-app" / "...jsonl").write_text("{}")
    name = transcripts.file_name(session_id)
    assert "/" not in name
    assert len(name) <= 200
    assert source.find(session_id) is None
    if name.strip("."):
        transcript(home, AS_TRANSCRIPT, f"{name}/{name}.jsonl")
        assert len(dialogue(only(source, session_id))) == 2


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
def test_transcript_without_content_is_not_an_error(content: bytes, suffix: str) -> None:
    parsed = transcript_parser.parse(content, suffix)
    assert not any(step.role == "user" for step in parsed.steps)


@given(st.binary(max_size=300), st.sampled_from([".jsonl", ".txt"]))
@settings(deadline=None)
def test_transcript_may_hold_any_bytes(content: bytes, suffix: str) -> None:
    transcript_parser.parse(content, suffix)


def test_every_prefix_of_a_transcript_yields_the_first_steps() -> None:
    (path,) = recorded("compaction-transcript-continuity")
    content = path.read_bytes()
    final = transcript_parser.parse(content, ".jsonl").steps
    for end in range(0, len(content), 7):
        parsed = transcript_parser.parse(content[:end], ".jsonl")
        assert parsed.steps == final[: len(parsed.steps)]
        assert parsed.is_torn != _is_complete(content[:end])


def _is_complete(content: bytes) -> bool:
    """Return whether the last line is complete, with or without its line end."""
    last = content.rpartition(b"\n")[2].strip()
    try:
        return not last or isinstance(json.loads(last), dict)
    except ValueError:
        return False


def test_ids_in_a_transcript_survive_a_rewrite(home: Path, source: CursorSource) -> None:
    transcript(home, AS_TRANSCRIPT[:2], "c1/c1.jsonl")
    before = [message.id for message in only(source, "c1").messages]
    again = (user_line("list files"), transcript_line("assistant", text("As before.")), ENDED)
    transcript(home, (*AS_TRANSCRIPT[:-1], *again), "c1/c1.jsonl")
    after = [message.id for message in only(source, "c1").messages]
    assert after[:2] == before
    assert len(set(after)) == 4


def test_links_and_pipes_are_not_read(home: Path, source: CursorSource, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jsonl"
    secret.write_text(json.dumps(user_line("secret")) + "\n")
    path = transcript(home, (), "c1/c1.jsonl")
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(SourceError):
        family(source, "c1")
    path.unlink()
    os.mkfifo(path)
    assert source.find("c1") is None
