"""The census of Claude Code's transcripts, against counts by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.census import Census, Counts
from opensync_hooks.agents.claude_code.census import take_census
from tests.agents.claude_code.recordings import DATA
from tests.transcripts import TranscriptWriter, call, result, text

RECORDED = {
    "00000001": (Counts(2, 6, 6, 6, 44_672, 362), 0),
    "00000002": (Counts(1, 2, 2, 2, 4_238, 100), 2),
    "00000003": (Counts(1, 3, 1, 1, 6_371, 150), 1),
    "00000005": (Counts(2, 7, 6, 6, 62_947, 404), 0),
    "00000006": (Counts(4, 4, 0, 0, 8_550, 151), 0),
    "fb57e0ba": (Counts(1, 1, 0, 0, 2_140, 50), 0),
    "00000007": (Counts(1, 5, 6, 6, 42_646, 312), 0),
    "00000008": (Counts(2, 6, 6, 6, 44_792, 362), 0),
    "00000009": (Counts(3, 4, 2, 2, 8_594, 200), 0),
    "00000010": (Counts(4, 4, 1, 1, 1_976, 28), 0),
    "00000011": (Counts(3, 6, 2, 2, 1_180, 42), 1),
}
"""Utterances, responses, calls, results, tokens read and written; and the number of subagents. An
undone turn counts, an API error does not.
"""
SUBAGENTS = {
    "agent-a97d6040605cff485": Counts(1, 1, 0, 0, 2_119, 50),
    "agent-ae339a82874b340e3": Counts(1, 2, 1, 1, 4_238, 100),
    "agent-a73b5b86d9f3bba40": Counts(1, 2, 1, 1, 4_249, 100),
    "agent-ad2530038333ba9d7": Counts(0, 3, 2, 2, 151, 21),
}
RESPONSE = {"id": "m1", "model": "claude-opus-4-5"}


def count(path: Path) -> list[Census]:
    return list(take_census(path.stem, path, {}, "/nowhere"))


def count_main(path: Path) -> Census:
    (main,) = count(path)
    assert main.session_id == path.stem
    return main


@pytest.mark.parametrize("path", sorted(DATA.glob("*/*.jsonl")), ids=lambda path: path.stem[:8])
def test_recorded_session_has_the_counts_of_a_count_by_hand(path: Path) -> None:
    main, *subagents = count(path)
    assert (main.counts, main.subagents) == RECORDED[path.stem[:8]]
    for subagent in subagents:
        session_id, _, name = subagent.session_id.partition(":")
        assert (session_id, subagent.counts) == (path.stem, SUBAGENTS[name])
    (version,) = {census.agent_version for census in (main, *subagents)}
    assert version in {"2.1.329", "2.1.332"}
    assert not any(census.unknown or census.unreadable for census in (main, *subagents))


def test_commands_that_begin_no_turn_may_arrive_or_not() -> None:
    """`!echo`, /rename and /compact in one session, /clear in the other."""
    optional = {path.stem[:8]: count(path)[0].optional for path in DATA.glob("*/*.jsonl")}
    assert optional.pop("00000005") == Counts(utterances=3)
    assert optional.pop("fb57e0ba") == Counts(utterances=1)
    assert set(optional.values()) == {Counts()}


# ---- prompts -------------------------------------------------------------------------------------


def attachment(writer: TranscriptWriter, prompt: Any, mode: str = "prompt", **more: Any) -> None:
    value = {"type": "queued_command", "prompt": prompt, "commandMode": mode, **more}
    line = {"type": "attachment", "uuid": f"a{prompt}", "attachment": value, "sessionId": "s1"}
    writer.write(json.dumps(line).encode() + b"\n")


def operation(writer: TranscriptWriter, name: str, content: str | None = None, **more: Any) -> None:
    line = {"type": "queue-operation", "operation": name, "content": content, **more}
    writer.write(json.dumps({**line, "sessionId": "s1"}).encode() + b"\n")


def test_prompt_that_was_queued_while_the_agent_worked_is_an_utterance(
    writer: TranscriptWriter,
) -> None:
    writer.turn(1)
    attachment(writer, "use the small pump", origin={"kind": "human"})
    attachment(writer, [text("look at this"), {"type": "image"}])
    attachment(writer, "<task-notification>done</task-notification>", "task-notification")
    attachment(writer, "from a channel", origin={"kind": "channel"})
    assert count_main(writer.path).counts.utterances == 3


def test_prompt_that_only_the_queue_has_counts_once_the_agent_took_it(
    writer: TranscriptWriter,
) -> None:
    writer.turn(1)
    operation(writer, "enqueue", "leave out the broken ones")
    assert count_main(writer.path).counts.utterances == 1
    assert count_main(writer.path).optional.utterances == 1
    operation(writer, "remove", "leave out the broken ones", reason="absorbed_mid_turn")
    assert count_main(writer.path).counts.utterances == 2


@pytest.mark.parametrize("taken", ["dequeue", "remove"])
@pytest.mark.parametrize("line", ["then wash it", "[pasted] then wash it"])
def test_queued_prompt_that_a_line_repeats_counts_once(
    writer: TranscriptWriter, taken: str, line: str
) -> None:
    operation(writer, "enqueue", "then wash it")
    operation(writer, "enqueue", "<task-notification>done</task-notification>")
    operation(writer, taken)
    writer.line("user", line, promptSource="queued")
    assert count_main(writer.path).counts.utterances == 1
    assert count_main(writer.path).optional == Counts()


def test_prompt_that_only_leaves_the_queue_is_an_utterance(writer: TranscriptWriter) -> None:
    writer.turn(1)
    operation = {
        "type": "queue-operation",
        "operation": "remove",
        "content": "stop",
        "timestamp": "1",
    }
    writer.write(json.dumps(operation).encode() + b"\n")
    writer.turn(2)
    assert count_main(writer.path).counts.utterances == 3


def test_prompt_that_went_back_into_the_input_line_may_be_missing(
    writer: TranscriptWriter,
) -> None:
    operation(writer, "enqueue", "not yet")
    operation(writer, "popAll")
    writer.turn(1)
    census = count_main(writer.path)
    assert (census.counts.utterances, census.optional.utterances) == (1, 1)


NOT_TYPED = (
    "<task-notification>\n<status>completed</status>\n</task-notification>",
    '<teammate-message teammate_id="lead">\nScrub the deck.\n</teammate-message>',
    "<local-command-stdout>4 files</local-command-stdout>",
    "<bash-stdout>ok</bash-stdout><bash-stderr></bash-stderr>",
    "<system-reminder>mind the tide</system-reminder>",
    "<ide_opened_file>The user opened keel.py in the IDE.</ide_opened_file>",
    "[Request interrupted by user for tool use]",
    "Caveat: The messages below were generated by the user while running local commands.",
    "This session is being continued from a previous conversation that ran out of context.",
    "",
)


@pytest.mark.parametrize("content", NOT_TYPED, ids=lambda content: content[:20])
def test_text_that_nobody_typed_is_not_an_utterance(writer: TranscriptWriter, content: str) -> None:
    writer.line("user", content)
    assert count_main(writer.path).counts == Counts()
    assert count_main(writer.path).optional == Counts()


@pytest.mark.parametrize("flag", ["isMeta", "isCompactSummary", "isVisibleInTranscriptOnly"])
def test_text_that_is_flagged_as_injected_is_not_an_utterance(
    writer: TranscriptWriter, flag: str
) -> None:
    writer.line("user", "continue from where you left off", **{flag: True})
    assert count_main(writer.path).counts == Counts()


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"promptSource": "typed", "origin": {"kind": "human"}}, 1),
        ({"promptSource": "sdk"}, 1),
        ({"promptSource": None, "origin": None}, 1),
        ({"promptSource": "system"}, 0),
        ({"promptSource": "typed", "origin": {"kind": "task-notification"}}, 0),
    ],
)
def test_origin_of_a_prompt_goes_before_its_text(
    writer: TranscriptWriter, fields: dict[str, Any], number: int
) -> None:
    writer.line("user", "<div> how do I centre this?", **fields)
    assert count_main(writer.path).counts.utterances == number


def test_selection_in_the_editor_is_no_part_of_a_prompt(writer: TranscriptWriter) -> None:
    writer.line("user", [text("<ide_selection>x = 1</ide_selection>"), text("explain this")])
    writer.line("user", [{"type": "image", "source": {}}])
    assert count_main(writer.path).counts.utterances == 2


COMMAND = "<command-message>knots</command-message>\n<command-name>/knots</command-name>"


def test_command_that_begins_a_turn_is_an_utterance(writer: TranscriptWriter) -> None:
    writer.line("user", COMMAND)
    writer.line("user", [text("Base directory for this skill: /skills/knots")], isMeta=True)
    assert count_main(writer.path).optional.utterances == 1
    writer.respond("m1", text("a bowline"))
    writer.respond("m1", text("and a hitch"))
    census = count_main(writer.path)
    assert (census.counts.utterances, census.optional.utterances) == (1, 0)


def test_command_that_prints_something_begins_no_turn(writer: TranscriptWriter) -> None:
    writer.line("user", COMMAND)
    writer.line("user", "<local-command-stdout>done</local-command-stdout>")
    writer.turn(1)
    census = count_main(writer.path)
    assert (census.counts.utterances, census.optional.utterances) == (1, 1)


# ---- responses -----------------------------------------------------------------------------------


def test_lines_of_one_response_count_once_with_its_largest_counts(
    writer: TranscriptWriter,
) -> None:
    for output in (1, 80, 280):
        writer.respond("m1", text(f"line {output}"), output)
    assert count_main(writer.path).counts == Counts(
        responses=1, prompt_tokens=1, completion_tokens=280
    )


def test_one_id_with_several_request_ids_is_several_responses(writer: TranscriptWriter) -> None:
    for number in range(4):
        writer.respond("m1", call(f"c{number}"), requestId=f"req_{number}")
        writer.line("user", result(f"c{number}"))
    assert count_main(writer.path).counts == Counts(0, 4, 4, 4, 4, 20)


def test_prompt_or_result_separates_responses_of_a_gateway_with_one_id(
    writer: TranscriptWriter,
) -> None:
    for number in range(3):
        writer.line("user", f"gate {number}?")
        writer.respond("msg_0", text("opening"))
        writer.respond("msg_0", call(f"c{number}"))
        writer.line("user", result(f"c{number}"))
        writer.respond("msg_0", text("it is open"))
    assert count_main(writer.path).counts == Counts(3, 6, 3, 3, 6, 30)


def test_response_of_thoughts_alone_may_come_to_nothing(writer: TranscriptWriter) -> None:
    writer.respond("m1", {"type": "thinking", "thinking": "hm"})
    writer.respond("m2", text(" "))
    census = count_main(writer.path)
    assert census.counts == Counts(prompt_tokens=2, completion_tokens=10)
    assert census.optional == Counts(responses=2)


def test_api_error_is_not_a_response(writer: TranscriptWriter) -> None:
    message = {"id": "m1", "model": "<synthetic>", "usage": {"input_tokens": 9}}
    writer.line("assistant", [text("API Error: 400")], message=message, isApiErrorMessage=True)
    assert count_main(writer.path).counts == Counts()


def test_tokens_of_an_advisor_may_be_in_the_totals_or_not(writer: TranscriptWriter) -> None:
    usage = {
        "input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 200,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 40},
        "iterations": [
            {"type": "message", "input_tokens": 10, "output_tokens": 5},
            {"type": "advisor_message", "input_tokens": 1000, "output_tokens": 200},
        ],
    }  # fmt: skip
    writer.line("assistant", [text("so be it")], message={**RESPONSE, "usage": usage})
    census = count_main(writer.path)
    assert census.counts == Counts(0, 1, 0, 0, 260, 5)
    assert census.optional == Counts(prompt_tokens=1000, completion_tokens=200)


def test_results_of_server_tools_are_blocks_of_the_response(writer: TranscriptWriter) -> None:
    writer.respond("m1", {"type": "server_tool_use", "id": "s1", "name": "web_fetch", "input": {}})
    writer.respond("m1", {"type": "web_fetch_tool_result", "tool_use_id": "s1", "content": {}})
    assert count_main(writer.path).counts == Counts(0, 1, 1, 1, 1, 5)


# ---- files ---------------------------------------------------------------------------------------


def test_line_that_a_crash_damaged_is_counted_if_it_is_whole(writer: TranscriptWriter) -> None:
    writer.turn(1)
    writer.turn(2)
    first, second, third, fourth = writer.path.read_bytes().splitlines()
    writer.path.write_bytes(
        b"\xef\xbb\xbf" + b"\0" * 300 + first + b"\r\n" + second + third + b"\n"
        b'{"type":"assistant","message":{"content":[{"type":"text","text":"half a sen' + fourth
    )
    census = count_main(writer.path)
    assert census.counts == Counts(2, 2, 0, 0, 2, 10)
    assert census.unreadable == 1


def test_line_that_is_there_twice_counts_once(writer: TranscriptWriter) -> None:
    writer.turn(1)
    writer.write(writer.path.read_bytes())
    assert count_main(writer.path).counts == Counts(1, 1, 0, 0, 1, 5)


def test_copies_of_a_session_in_two_projects_are_united(writer: TranscriptWriter) -> None:
    writer.turn(1)
    copy = writer.path.parent.parent / "-elsewhere" / writer.path.name
    copy.parent.mkdir()
    shutil.copyfile(writer.path, copy)
    writer.turn(2)
    other = TranscriptWriter(copy)
    other.line("user", "go on here", uuid="another")
    assert count_main(writer.path).counts == count_main(copy).counts
    assert count_main(copy).counts.utterances == 3


def test_subagents_are_counted_at_any_depth(writer: TranscriptWriter) -> None:
    writer.turn(1)
    folder = writer.path.with_suffix("") / "subagents"
    names = ("agent-a1", "workflows/wf_1/agent-a2", "workflows/wf_1/phase-2/agent-a3")
    for name in names:
        TranscriptWriter(folder / f"{name}.jsonl").turn(1)
    (folder / "workflows/wf_1/journal.jsonl").write_text('{"type":"result"}\n')
    main, *subagents = count(writer.path)
    assert (main.counts.utterances, main.subagents) == (1, 3)
    assert [census.session_id for census in subagents] == [
        "s1:agent-a1",
        "s1:agent-a2",
        "s1:agent-a3",
    ]
    writer.path.unlink()
    assert len(count(writer.path)) == 3


def test_subagents_of_older_versions_are_counted_within_their_sessions_file(
    writer: TranscriptWriter,
) -> None:
    writer.turn(1)
    first = writer.line("user", "look around", parent=None, isSidechain=True)
    writer.respond("m2", text("a pier"), parent=first, isSidechain=True)
    writer.respond("m2", text("and a mole"), parent="lost", isSidechain=True)
    writer.line("user", "count them", isSidechain=True, agentId="a2")
    main, *subagents = count(writer.path)
    assert (main.counts, main.subagents) == (Counts(1, 1, 0, 0, 1, 5), 2)
    assert [census.counts for census in subagents] == [Counts(1, 1, 0, 0, 1, 5), Counts(1)]
    assert [census.session_id for census in subagents] == [f"s1:agent-{first}", "s1:agent-a2"]


# ---- what is not known ---------------------------------------------------------------------------


def test_unknown_types_and_fields_are_counted_by_name(writer: TranscriptWriter) -> None:
    usage = {"input_tokens": 1, "lantern_tokens": 77, "cache_creation": {"for_a_year": 2}}
    writer.line(
        "assistant", [text("hi"), {"type": "hologram"}], message={**RESPONSE, "usage": usage}
    )
    writer.line("moonbeam", "x", version="2.9.0")
    writer.line("user", None)
    attachment(writer, "aye", "prompt", type="shouted_command")
    census = count_main(writer.path)
    assert census.unknown == {
        "usage.lantern_tokens": 1, "block hologram": 1, "moonbeam": 1, "user without content": 1,
        "attachment shouted_command": 1, "usage.cache_creation.for_a_year": 1,
    }  # fmt: skip
    assert census.is_understood


@pytest.mark.parametrize(
    ("content", "unknown", "unreadable"),
    [
        (b'{"kind": "turn", "who": "human"}\n' * 4, {"line without a type": 4}, 0),
        (b"&Kp\x9a*Ot\n[1]\n\xff\xfe\n", {}, 3),
        (b"", {}, 0),
    ],
    ids=["unknown shape", "garbled", "empty"],
)
def test_file_of_which_nothing_is_understood_is_told_apart(
    writer: TranscriptWriter, content: bytes, unknown: dict[str, int], unreadable: int
) -> None:
    writer.write(content)
    census = count_main(writer.path)
    assert (census.counts, census.unknown, census.unreadable) == (Counts(), unknown, unreadable)
    assert not census.is_understood


def test_session_without_a_prompt_is_understood(writer: TranscriptWriter) -> None:
    writer.write(b'{"type":"mode","mode":"plan","sessionId":"s1"}\n')
    assert count_main(writer.path).is_understood
