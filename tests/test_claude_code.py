"""Claude Code's transcripts, as it wrote them, become sessions without a word lost or doubled."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensync_hooks.errors import SourceError
from opensync_hooks.model import (
    Attachment,
    Message,
    Reasoning,
    Session,
    Text,
    ToolCall,
    ToolResult,
    Trigger,
    Usage,
)
from opensync_hooks.sources.claude_code import ClaudeCode, kinds, lines
from opensync_hooks.sources.claude_code.branches import START, Node, undone
from opensync_hooks.sources.regular import open_regular
from tests.recount import recount
from tests.sessions import told
from tests.transcripts import Pen, call, result, text

DATA = Path(__file__).parent / "data" / "claude"
TRANSCRIPTS = sorted(path for path in DATA.glob("*/*.jsonl"))
UNDONE = {"00000006-0000-4000-8000-000000000006": Counter(prompts=1, responses=1)}


def read(path: Path) -> list[Session]:
    source = ClaudeCode(Path("/nowhere"))
    located = source.find(str(path))
    assert located
    return list(source.read(located))


def tally(sessions: Iterable[Session]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for session in sessions:
        for message in session.messages:
            if message.undone:
                continue
            counts["prompts"] += message.role == "user"
            counts["responses"] += message.role == "assistant"
            counts["tool calls"] += sum(isinstance(part, ToolCall) for part in message.parts)
            counts["tool results"] += sum(isinstance(part, ToolResult) for part in message.parts)
        total = sum((charge.usage for charge in session.charges), Usage())
        counts["inputTokens"] += total.input_tokens
        counts["outputTokens"] += total.output_tokens
        counts["cacheReadTokens"] += total.cache_read_tokens
        counts["cacheWriteTokens"] += total.cache_write_5m_tokens + total.cache_write_1h_tokens
    return +counts


@pytest.mark.parametrize(
    "path", TRANSCRIPTS, ids=lambda path: f"{path.parent.name}/{path.stem[:8]}"
)
def test_recorded_session_holds_what_an_independent_count_finds(path: Path) -> None:
    files = [path, *sorted((path.with_suffix("") / "subagents").glob("*.jsonl"))]
    assert tally(read(path)) == recount(*files) - UNDONE.get(path.stem, Counter())


def session_of(folder: str, number: int = 0) -> Session:
    return read(sorted((DATA / folder).glob("*.jsonl"))[number])[0]


def test_blocks_of_one_response_are_one_message_with_each_result_behind_its_call() -> None:
    parallel = list(session_of("01-print-tools-resume").messages)[2]
    assert [type(part) for part in parallel.parts] == [Text] + [ToolCall, ToolResult] * 3
    calls = [part for part in parallel.parts if isinstance(part, ToolCall)]
    results = [part for part in parallel.parts if isinstance(part, ToolResult)]
    assert [call.name for call in calls] == ["Write", "Bash", "Bash"]
    assert [result.call_id for result in results] == [call.id for call in calls]
    assert [result.is_error for result in results] == [False, True, False]
    assert results[1].output == "Exit code 1"


def test_thinking_is_kept_apart_from_what_was_said() -> None:
    first = list(session_of("01-print-tools-resume").messages)[1]
    assert first.parts[0] == Reasoning("I should look around first.")
    assert first.text == "Let me look at the project — naïve café ☕ 日本語 🚀."


def test_one_hour_and_five_minute_cache_writes_are_told_apart() -> None:
    first = list(session_of("01-print-tools-resume").messages)[1]
    assert first.charge
    assert first.charge.usage == Usage(12, 120, 15_000, 1_000, 2_000, 0)


def test_subagents_are_sessions_of_their_own_under_their_parent() -> None:
    parent, quick, slow = read(DATA / "02-subagents" / "00000002-0000-4000-8000-000000000002.jsonl")
    assert quick.id == f"{parent.id}:agent-a97d6040605cff485"
    assert {quick.parent_id, slow.parent_id} == {parent.id}
    assert quick.title == "Helper B (subagent of 00000002)"
    assert told(quick) == [
        ("user", "play:subquick B please"),
        ("assistant", "Quick sub report."),
    ]


@pytest.mark.parametrize("meta", [b"", b"{", b"[1]", b"[" * 100_000, b'{"description": 7}'])
def test_note_on_a_subagent_that_makes_no_sense_costs_only_its_title(
    claude: ClaudeCode, meta: bytes
) -> None:
    located = claude.find("00000002-0000-4000-8000-000000000002")
    assert located
    (located.path.with_suffix("") / "subagents" / "agent-a97d6040605cff485.meta.json").write_bytes(
        meta
    )
    _, quick, _ = claude.read(located)
    assert quick.parent_id == located.session_id
    assert quick.title == "play:subquick B please (subagent of 00000002)"


def test_task_notification_is_not_taken_for_a_prompt() -> None:
    session = read(DATA / "02-subagents" / "00000003-0000-4000-8000-000000000003.jsonl")[0]
    injected = [text for role, text in told(session) if role == "system"]
    assert injected[-1].startswith("<task-notification>")
    assert [text for role, text in told(session) if role == "user"] == [
        "play:agentbg delegate in background"
    ]


def test_own_title_wins_over_the_generated_one() -> None:
    assert session_of("03-interactive-title-bash-rename-compact").title == "Demo session ünï"


def test_first_prompt_is_the_title_where_there_is_no_other() -> None:
    assert session_of("05-fork").title == "play:basic original"


def test_what_came_before_a_compaction_stays_and_its_summary_is_nobodys_prompt() -> None:
    said = told(session_of("03-interactive-title-bash-rename-compact"))
    summary = next(
        n for n, (_, text) in enumerate(said) if text.startswith("This session is being")
    )
    assert said[0] == ("user", "play:basic look around")
    assert said[summary][0] == "system"
    assert said[-2:] == [("user", "play:hello after compaction"), ("assistant", "Hello there.")]


def test_rewound_branch_is_marked_undone_and_its_tokens_still_count() -> None:
    session = session_of("04-interrupt-rewind-clear")
    gone = [message.text for message in session.messages if message.undone]
    assert gone == ["play:hello second", "Hello there."]
    assert len(session.charges) == 4


def test_interrupted_answer_is_kept_and_the_interruption_is_a_system_text() -> None:
    said = told(session_of("04-interrupt-rewind-clear"))
    assert ("assistant", "Slow start ") in said
    assert ("system", "[Request interrupted by user]") in said


def test_api_error_is_a_system_text_that_costs_nothing() -> None:
    last = list(session_of("06-image-large-result-api-error").messages)[-1]
    assert (last.role, last.text, last.charge) == (
        "system",
        "API Error: 400 fake bad request",
        None,
    )


def test_image_is_named_and_measured_but_not_carried() -> None:
    first = list(session_of("06-image-large-result-api-error").messages)[1]
    assert isinstance(first.parts[1], ToolResult)
    assert first.parts[1].output == "[image/png, 70 bytes]"


# ---- transcripts written by hand: what no recording shows ----------------------------------------


@pytest.fixture
def pen(tmp_path: Path) -> Pen:
    return Pen(tmp_path / "claude" / "projects" / "-work" / "s1.jsonl")


def test_largest_count_of_each_token_field_is_the_final_one(pen: Pen) -> None:
    pen.line("user", "go")
    pen.says("m1", text("a"), output=1)
    pen.says("m1", text("b"), output=40)
    pen.says("m1", call("t1"), output=3)
    pen.line("assistant", [text("c")], message={"id": "m1"})
    (session,) = read(pen.path)
    assert [charge.usage.output_tokens for charge in session.charges] == [40]


def test_block_that_comes_after_a_result_still_belongs_to_its_message(pen: Pen) -> None:
    pen.line("user", "go")
    pen.says("m1", call("t1"))
    pen.line("user", result("t1"))
    pen.says("m1", call("t2"))
    pen.line("user", result("t2", [text("two")]))
    (session,) = read(pen.path)
    _, answer = session.messages
    assert [getattr(part, "call_id", getattr(part, "id", None)) for part in answer.parts] == [
        "t1", "t1", "t2", "t2",
    ]  # fmt: skip


def test_same_tool_id_in_two_responses_goes_to_the_one_that_asked_last(pen: Pen) -> None:
    """Gateways number the calls of each response from the start."""
    pen.line("user", "go")
    for api_id, output in (("m1", "one"), ("m2", "two")):
        pen.says(api_id, call("call_0"))
        pen.line("user", result("call_0", output))
    _, first, second = read(pen.path)[0].messages
    assert [message.parts[1] for message in (first, second)] == [
        ToolResult("call_0", "Bash", "one"),
        ToolResult("call_0", "Bash", "two"),
    ]


def test_result_without_its_call_is_kept(pen: Pen) -> None:
    pen.line("user", result("lost", "still here"))
    (message,) = read(pen.path)[0].messages
    assert (message.role, message.parts) == ("system", (ToolResult("lost", "", "still here"),))
    assert not message.undone


def test_result_of_several_blocks_is_told_in_words(pen: Pen) -> None:
    pen.line("user", "go")
    pen.says("m1", call("t1"))
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/gif", "data": "QQ=="},
    }
    found = {"type": "web_search_result", "title": "A page", "url": "https://example.invalid"}
    pen.line("user", result("t1", [text("said"), image, found, {"type": "hologram"}, "odd"]))
    answer = list(read(pen.path)[0].messages)[1]
    said = "said\n[image/gif, 1 bytes]\nA page https://example.invalid\n[hologram]"
    assert answer.parts[1] == ToolResult("t1", "Bash", said)


def test_text_beside_a_result_is_a_message_of_its_own_without_the_result(pen: Pen) -> None:
    pen.line("user", "go")
    pen.says("m1", call("t1"))
    pen.line("user", [*result("t1"), text("and by the way")])
    said = list(read(pen.path)[0].messages)
    assert said[1].parts[1] == ToolResult("t1", "Bash", "ok")
    assert said[2].parts == (Text("and by the way"),)


def test_rewind_to_the_beginning_undoes_all_that_was_before(pen: Pen) -> None:
    pen.line("user", "first try")
    pen.says("m1", text("no"))
    pen.line("user", "second try", parent=None)
    pen.says("m2", text("yes"))
    messages = list(read(pen.path)[0].messages)
    assert [message.undone for message in messages] == [True, True, False, False]


def test_two_terminals_on_one_session_undo_nothing(pen: Pen) -> None:
    fork = pen.line("user", "shared")
    left = pen.line("user", "left", parent=fork)
    right = pen.line("user", "right", parent=fork)
    left = pen.says("m1", text("to the left"), parent=left)
    right = pen.says("m2", text("to the right"), parent=right)
    pen.line("user", "left again", parent=left)
    pen.line("user", "right again", parent=right)
    assert not any(message.undone for message in read(pen.path)[0].messages)


def test_line_whose_parent_is_lost_goes_on_from_the_line_before(pen: Pen) -> None:
    pen.line("user", "go")
    pen.raw(b'{"type":"assistant", broken\n')
    pen.line("user", "more", parent="lost")
    session = read(pen.path)[0]
    assert [message.undone for message in session.messages] == [False, False]
    assert session.skipped == {"unreadable line": 1}


def test_sidechain_lines_of_old_versions_become_a_subagent(pen: Pen) -> None:
    pen.line("user", "go")
    pen.says("m1", call("t1"))
    pen.line("user", "look around", parent=None, isSidechain=True)
    pen.says("m2", text("looked"), isSidechain=True)
    main, child = read(pen.path)
    assert [charge.id for charge in main.charges] == ["m1"]
    assert [charge.id for charge in child.charges] == ["m2"]
    assert (child.parent_id, child.title) == ("s1", "look around (subagent of s1)")


def test_subagent_in_a_file_beside_its_session_is_linked_to_it(pen: Pen) -> None:
    """As 2.0 wrote them, and some runs of 2.1: its lines alone tell whose it is."""
    pen.line("user", "go")
    beside = Pen(pen.path.with_name("agent-a1b2c3d4.jsonl"))
    whose: dict[str, Any] = {"sessionId": "s1", "agentId": "a1b2c3d4", "isSidechain": True}
    beside.line("user", "look around", **whose)
    beside.says("m2", text("looked"), **whose)
    source = ClaudeCode(pen.path.parents[2])
    found = {one.id: one for located in source.sessions() for one in source.read(located)}
    assert found.keys() == {"s1", "agent-a1b2c3d4"}
    child = found["agent-a1b2c3d4"]
    assert told(child) == [("user", "look around"), ("assistant", "looked")]
    assert (child.parent_id, child.title) == ("s1", "look around (subagent of s1)")
    assert [charge.id for charge in child.charges] == ["m2"]


def test_line_written_twice_is_read_once(pen: Pen) -> None:
    pen.line("user", "go")
    pen.raw(pen.path.read_bytes())
    assert len(list(read(pen.path)[0].messages)) == 1


def test_torn_last_line_is_left_for_the_next_time(pen: Pen) -> None:
    pen.line("user", "whole")
    whole = pen.path.read_bytes()
    pen.line("user", "torn")
    pen.path.write_bytes(pen.path.read_bytes()[:-1])
    (session,) = read(pen.path)
    assert told(session) == [("user", "whole")]
    assert session.skipped == {"torn last line": 1}
    assert pen.path.read_bytes().startswith(whole)


def test_line_separators_inside_a_string_split_nothing(pen: Pen) -> None:
    said = "a\u2028b\u2029c\x85d\x0be"
    value = json.dumps(
        {"type": "user", "uuid": "u", "message": {"content": said}}, ensure_ascii=False
    )
    pen.raw(value.encode() + b"\n")
    assert told(read(pen.path)[0]) == [("user", said)]


def test_broken_utf8_costs_a_character_not_a_line(pen: Pen) -> None:
    pen.raw(b'{"type":"user","uuid":"u","message":{"content":"a\xffb"}}\n')
    assert told(read(pen.path)[0]) == [("user", "a\ufffdb")]


def test_line_of_64_mb_is_one_message(pen: Pen) -> None:
    pen.line("user", "x" * (64 << 20))
    pen.line("user", "after")
    lengths = [len(message.text) for message in read(pen.path)[0].messages]
    assert lengths == [64 << 20, 5]


def test_line_over_the_limit_is_counted_and_the_rest_is_read(
    pen: Pen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST_LINE", 1000)
    pen.line("user", "x" * 3000)
    pen.line("user", "after", parent=None)
    (session,) = read(pen.path)
    assert (told(session), session.skipped) == ([("user", "after")], {"line too long": 1})


def test_unknown_types_blocks_and_fields_are_left_alone(pen: Pen) -> None:
    pen.line("user", "go", surprise={"a": 1})
    pen.line("hologram", "?")
    pen.says("m1", {"type": "hologram", "depth": 3})
    pen.says("m1", text("hello"))
    assert told(read(pen.path)[0]) == [("user", "go"), ("assistant", "hello")]


def test_relocated_session_belongs_to_the_folder_it_moved_to(pen: Pen) -> None:
    pen.line("user", "go")
    pen.raw(b'{"type":"relocated","relocatedCwd":"/elsewhere"}\n')
    pen.raw(b'{"type":"relocated","relocatedCwd":null}\n')
    assert read(pen.path)[0].project_path == "/elsewhere"


def test_session_is_told_by_its_lines_and_its_times_by_what_was_said(pen: Pen) -> None:
    """What Claude Code notes for itself may come much later, and is nothing that happened."""
    late = {"timestamp": "2030-01-01T00:00:00Z"}
    pen.line("user", "go", gitBranch="main", version="2.1.0")
    pen.line("attachment", "hook", **late)
    pen.line("system", "trace", subtype="stop_hook_summary", **late)
    pen.says("m1", text("done"), cwd="/work/below", gitBranch=7, version=None)
    (session,) = read(pen.path)
    first, answer = session.messages
    assert (session.created_at, session.updated_at) == (first.created_at, answer.created_at)
    assert session.project_path == "/work", "where it began"
    assert (session.git_branch, session.agent_version) == ("main", "2.1.0")
    assert (session.model, session.provider) == ("claude-opus-4-5", "anthropic")


def test_line_that_lacks_its_time_its_id_or_its_model_is_told_all_the_same(pen: Pen) -> None:
    pen.line("user", "go", timestamp=None)
    pen.line("assistant", [text("first")], message={"model": "claude-opus-4-5"}, timestamp="soon")
    pen.line("assistant", [text("second")], message={"model": 7})
    pen.says("m1", text("third"))
    pen.line("assistant", [text("more")], message={"id": "m1"}, timestamp=7)
    session = read(pen.path)[0]
    _, first, second, third = session.messages
    assert [one.text for one in (first, second, third)] == ["first", "second", "third\n\nmore"]
    assert [one.model for one in (first, second, third)] == [
        *("claude-opus-4-5", None, "claude-opus-4-5")
    ]
    assert (first.created_at, first.duration_ms, second.duration_ms) == (None, None, None)
    assert third.duration_ms == 1_000
    assert session.model == "claude-opus-4-5"


def test_what_a_command_of_claude_codes_printed_is_a_system_text(pen: Pen) -> None:
    pen.line("system", "Compacted.", subtype="local_command")
    pen.line("system", "said", subtype="informational")
    pen.line("system", "a trace", subtype="turn_duration")
    assert [role for role, _ in told(read(pen.path)[0])] == ["system", "system"]


def test_folder_outside_of_a_repository_has_no_branch(pen: Pen) -> None:
    pen.line("user", "go", gitBranch="HEAD")
    assert read(pen.path)[0].git_branch is None


def test_answer_that_nothing_comes_before_took_no_known_time(pen: Pen) -> None:
    pen.says("m1", text("hello"))
    pen.line("user", "go")
    pen.says("m2", text("done"))
    hello, _, done = read(pen.path)[0].messages
    assert (hello.duration_ms, done.duration_ms) == (None, 1_000)


@pytest.mark.parametrize(
    ("fields", "role"),
    [
        ({"origin": {"kind": "human"}, "message": {"content": "<command-name>/x"}}, "user"),
        ({"origin": {"kind": "task-notification"}}, "system"),
        ({"origin": {"by": "nobody"}}, "user"),
        ({"origin": "human"}, "user"),
        ({"promptSource": "system"}, "system"),
        ({"promptSource": "queued", "message": {"content": "<bash-input>ls"}}, "user"),
        ({"isMeta": True, "origin": {"kind": "human"}}, "system"),
        ({"isCompactSummary": True}, "system"),
        ({"message": {"content": " <local-command-stdout>x"}}, "system"),
        ({"message": {"content": [{"type": "text", "text": ["odd"]}, text("words")]}}, "user"),
    ],
)
def test_only_what_the_user_typed_is_a_prompt(pen: Pen, fields: dict[str, Any], role: str) -> None:
    pen.line("user", "words", **fields)
    (message,) = read(pen.path)[0].messages
    assert message.role == role


@pytest.mark.parametrize(
    "fields", [{"isApiErrorMessage": True}, {"message": {"model": "<synthetic>"}}]
)
def test_answer_that_no_model_gave_is_told_by_either_sign(pen: Pen, fields: dict[str, Any]) -> None:
    pen.line("assistant", [text("API Error: 529")], **fields)
    (session,) = read(pen.path)
    (message,) = session.messages
    assert (message.role, message.charge, session.model) == ("system", None, None)


def test_cache_writes_are_counted_where_only_their_kinds_are_stated(pen: Pen) -> None:
    kinds_only = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}
    for name, written in (
        ("m1", {"cache_creation": kinds_only}),
        ("m2", {"cache_creation": kinds_only, "cache_creation_input_tokens": 30}),
        ("m3", {"cache_creation_input_tokens": 30}),
        ("m4", {"cache_creation": [], "cache_creation_input_tokens": -30}),
    ):
        message = {"id": name, "model": "claude-opus-4-5", "usage": written}
        pen.line("assistant", [text("hello")], message=message)
    usages = [charge.usage for charge in read(pen.path)[0].charges]
    both = Usage(cache_write_5m_tokens=10, cache_write_1h_tokens=20)
    assert usages == [both, both, Usage(cache_write_5m_tokens=30), Usage()]


def test_blank_blocks_are_no_parts_and_an_answer_begins_with_its_first_line(pen: Pen) -> None:
    pen.line("user", "go")
    pen.says("m1", {"type": "thinking", "thinking": " ", "signature": "x"})
    pen.says("m1", text("\n"))
    pen.says("m1", text("words"))
    pen.says("m2", text(" "))
    prompt, answer = read(pen.path)[0].messages
    assert answer.parts == (Text("words"),)
    assert prompt.created_at
    assert answer.created_at == prompt.created_at + 1_000


def test_title_comes_from_a_prompt_and_not_from_what_was_put_before_it(pen: Pen) -> None:
    pen.line("user", "a caveat", isMeta=True)
    pen.says("m1", text("hello"))
    pen.line("user", "the first prompt")
    pen.line("user", "the second prompt")
    assert read(pen.path)[0].title == "the first prompt"


def test_title_line_that_says_nothing_takes_no_title_away(pen: Pen) -> None:
    pen.line("user", "go")
    for of, key in (("ai-title", "aiTitle"), ("custom-title", "customTitle")):
        pen.raw(json.dumps({"type": of, key: f"by {of}"}).encode() + b"\n")
        pen.raw(json.dumps({"type": of, key: ""}).encode() + b"\n")
        assert read(pen.path)[0].title == f"by {of}"


def test_subagents_that_share_a_file_are_kept_apart(pen: Pen) -> None:
    """By the id of the agent, where the lines have one; else by what they hang on."""
    pen.line("user", "go")
    named = [pen.line("user", f"to {one}", None, isSidechain=True, agentId=one) for one in "ab"]
    first = pen.line("user", "to c", None, isSidechain=True)
    last = pen.line("user", "to d", None, isSidechain=True)
    for parent, one in ((named[1], "b"), (named[0], "a")):
        pen.says(f"m-{one}", text(f"from {one}"), parent=parent, isSidechain=True, agentId=one)
    pen.says("m-d", text("from d"), parent=last, isSidechain=True)
    pen.says("m-c", text("from c"), parent=first, isSidechain=True)
    pen.says("m-c", text("more of c"), parent="lost", isSidechain=True)
    _, *children = read(pen.path)
    assert [[said for _, said in told(child)] for child in children] == [
        ["to a", "from a"],
        ["to b", "from b"],
        ["to c", "from c\n\nmore of c"],
        ["to d", "from d"],
    ]


def test_attachment_of_a_prompt_is_named_not_carried(pen: Pen) -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "QUJD"}
    pen.line("user", [text("read this"), {"type": "document", "title": "a.pdf", "source": source}])
    (message,) = read(pen.path)[0].messages
    assert message.parts == (Text("read this"), Attachment("application/pdf", 3, "a.pdf"))


def test_file_that_grows_while_it_is_read_gives_what_it_held_at_first(pen: Pen) -> None:
    pen.line("user", "one")
    source = ClaudeCode(pen.path.parent.parent.parent)
    located = source.find("s1")
    assert located
    session = next(source.read(located))
    pen.line("user", "two")
    assert told(session) == [("user", "one")]


def test_file_replaced_while_it_is_read_is_an_error_not_a_mixture(pen: Pen) -> None:
    pen.line("user", "one")
    session = read(pen.path)[0]
    other = pen.path.with_suffix(".new")
    other.write_bytes(pen.path.read_bytes())
    other.replace(pen.path)
    with pytest.raises(SourceError, match="replaced while it was read"):
        list(session.messages)


@pytest.mark.parametrize("plant", [os.mkfifo, lambda path: Path(path).symlink_to("/etc/passwd")])
def test_pipe_or_link_in_place_of_a_transcript_is_refused(tmp_path: Path, plant: Any) -> None:
    path = tmp_path / "s.jsonl"
    plant(path)
    with pytest.raises(SourceError):
        open_regular(path)


# ---- finding -------------------------------------------------------------------------------------


@pytest.fixture
def claude(tmp_path: Path) -> ClaudeCode:
    projects = tmp_path / "claude" / "projects"
    shutil.copytree(DATA / "02-subagents", projects / "-tmp-demo-project")
    return ClaudeCode(tmp_path / "claude")


def test_session_is_found_by_id_by_path_and_by_a_subagents_path(claude: ClaudeCode) -> None:
    by_id = claude.find("00000002-0000-4000-8000-000000000002")
    assert by_id
    agent_file = next((by_id.path.with_suffix("") / "subagents").glob("*.jsonl"))
    assert claude.find(str(by_id.path)) == by_id == claude.find(str(agent_file))
    assert claude.find("00000009-none") is None
    assert claude.find("../../etc/passwd") is None


def test_fingerprint_changes_when_only_a_subagent_goes_on(claude: ClaudeCode) -> None:
    before = claude.find("00000002-0000-4000-8000-000000000002")
    assert before
    agent_file = next((before.path.with_suffix("") / "subagents").glob("*.jsonl"))
    with agent_file.open("ab") as file:
        file.write(b"\n")
    after = claude.find(before.session_id)
    assert after
    assert before.fingerprint != after.fingerprint


def test_file_that_is_named_like_no_session_is_not_listed(claude: ClaudeCode) -> None:
    known = {located.session_id for located in claude.sessions()}
    folder = next(iter(claude.sessions())).path.parent
    Pen(folder / "a copy.jsonl").line("user", "go")
    assert {located.session_id for located in claude.sessions()} == known


def test_sessions_are_listed_newest_first(claude: ClaudeCode) -> None:
    old = claude.find("00000003-0000-4000-8000-000000000003")
    assert old
    for path in (old.path, *old.path.with_suffix("").rglob("*")):
        os.utime(path, (1, 1))
    assert [one.session_id[:8] for one in claude.sessions()] == ["00000002", "00000003"]


def test_path_outside_the_agents_folder_is_not_opened(claude: ClaudeCode, tmp_path: Path) -> None:
    planted = tmp_path / "evil" / "projects" / "x" / "s9.jsonl"
    Pen(planted).line("user", "secret")
    assert claude.locate(Trigger("claude-code", "s9", path=str(planted))) is None


def test_path_of_another_session_is_not_taken_for_the_one_that_the_hook_names(
    claude: ClaudeCode,
) -> None:
    wanted, other = (f"0000000{n}-0000-4000-8000-00000000000{n}" for n in (2, 3))
    path = claude.find(other)
    assert path
    found = claude.locate(Trigger("claude-code", wanted, path=str(path.path)))
    assert found == claude.find(wanted)


def test_moved_transcript_is_found_though_the_hook_named_the_old_place(claude: ClaudeCode) -> None:
    wanted = "00000002-0000-4000-8000-000000000002"
    located = claude.find(wanted)
    assert located
    moved = located.path.parent.parent / "-elsewhere" / located.path.name
    moved.parent.mkdir()
    located.path.rename(moved)
    found = claude.locate(Trigger("claude-code", wanted, path=str(located.path)))
    assert found
    assert found.path == moved


# ---- what a hook asks for ------------------------------------------------------------------------


def payload(**fields: Any) -> dict[str, Any]:
    return {"session_id": "s1", "hook_event_name": "Stop", **fields}


def test_trigger_holds_a_digest_of_the_awaited_message_and_no_text(claude: ClaudeCode) -> None:
    trigger = claude.trigger(payload(last_assistant_message="very private"))
    assert trigger
    assert trigger.awaits
    assert "private" not in repr(trigger)


@pytest.mark.parametrize(("path", "wanted"), [("/a/s1.jsonl", "/a/s1.jsonl"), (7, None)])
def test_path_that_a_hook_names_is_handed_on(
    claude: ClaudeCode, path: object, wanted: str | None
) -> None:
    trigger = claude.trigger(payload(transcript_path=path))
    assert trigger
    assert trigger.path == wanted


@pytest.mark.parametrize("session_id", [None, 7, "", "../x", "a/b", "x" * 129, "a\nb"])
def test_id_that_is_none_asks_for_nothing(claude: ClaudeCode, session_id: Any) -> None:
    assert claude.trigger(payload(session_id=session_id)) is None


def test_stop_is_settled_once_the_shown_message_is_written(pen: Pen) -> None:
    claude = ClaudeCode(pen.path.parent.parent.parent)
    trigger = claude.trigger(payload(last_assistant_message="second block\n"))
    assert trigger
    pen.says("m1", text("first block"))
    assert not claude.settled(trigger)
    pen.says("m1", text("second block"))
    pen.line("attachment", "large bookkeeping" * 1000)
    assert claude.settled(trigger)


def test_session_end_waits_for_nothing(claude: ClaudeCode) -> None:
    trigger = claude.trigger(payload(hook_event_name="SessionEnd", reason="clear"))
    assert trigger
    assert claude.settled(trigger)
    assert trigger.end_reason == "clear"


# ---- any input at all ----------------------------------------------------------------------------

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
_BLOCK = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["text", "thinking", "tool_use", "tool_result", "image", "document", "x"]
        )
        | _JSON,
        "text": _JSON,
        "thinking": _JSON,
        "id": _JSON,
        "name": _JSON,
        "input": _JSON,
        "tool_use_id": _JSON,
        "content": _JSON,
        "source": _JSON,
    },
)
_LINE = st.fixed_dictionaries(
    {"type": st.sampled_from(["user", "assistant", "system", "attachment", "ai-title"])},
    optional={
        "uuid": st.sampled_from("abcdef") | _JSON,
        "parentUuid": st.sampled_from("abcdef") | _JSON,
        "logicalParentUuid": _JSON,
        "timestamp": st.just("2026-01-01T00:00:00Z") | _JSON,
        "isSidechain": st.booleans() | _JSON,
        "agentId": _JSON,
        "aiTitle": _JSON,
        "origin": _JSON,
        "promptSource": _JSON,
        "subtype": _JSON,
        "message": st.fixed_dictionaries(
            {},
            optional={
                "id": _JSON,
                "model": _JSON,
                "usage": _JSON,
                "content": st.lists(_BLOCK) | _JSON,
            },
        )
        | _JSON,
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_LINE | _JSON, max_size=8))
def test_no_line_whatever_breaks_the_reader(tmp_path: Path, values: list[Any]) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(b"".join(json.dumps(value).encode() + b"\n" for value in values))
    for session in read(path):
        for message in session.messages:
            assert isinstance(message, Message)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(min_value=0))
def test_every_prefix_of_a_session_holds_only_what_the_whole_holds(
    tmp_path: Path, cut: int
) -> None:
    whole = (
        DATA / "01-print-tools-resume" / "00000001-0000-4000-8000-000000000001.jsonl"
    ).read_bytes()
    path = tmp_path / "prefix.jsonl"
    path.write_bytes(whole[: cut % len(whole)])
    known = {message.id: message for message in session_of("01-print-tools-resume").messages}
    for message in read(path)[0].messages:
        assert all(part in known[message.id].parts for part in message.parts)


@given(
    st.lists(
        st.tuples(st.integers(-1, 30), st.sampled_from(["prompt", "assistant", "results", "other"]))
    )
)
def test_branch_the_user_is_on_is_never_undone(raw: list[tuple[int, Any]]) -> None:
    nodes = [Node(min(parent, index - 1), kind) for index, (parent, kind) in enumerate(raw)]
    gone = undone(nodes)
    node = len(nodes) - 1
    while node != START:
        assert node not in gone
        node = nodes[node].parent


def test_digest_ignores_blank_ends_only() -> None:
    assert kinds.digest(" a b\n") == kinds.digest("a b")
    assert kinds.digest("a b") != kinds.digest("ab")
