"""A damaged file loses at most its damaged lines."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensync_hooks.agents.claude_code import lines
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.safe_open import open_regular
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Message, Skipped
from tests.agents.claude_code.recordings import DATA, read, session_of
from tests.sessions import dialogue
from tests.transcripts import TranscriptWriter, text

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


def test_line_written_twice_is_read_once(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    writer.write(writer.path.read_bytes())
    assert len(list(read(writer.path)[0].messages)) == 1


def test_torn_last_line_is_left_for_the_next_read_until_the_file_rests(
    writer: TranscriptWriter,
) -> None:
    writer.line("user", "complete")
    complete = writer.path.read_bytes()
    writer.line("user", "torn")
    writer.path.write_bytes(writer.path.read_bytes()[:-2])
    (session,) = read(writer.path)
    assert dialogue(session) == [("user", "complete")]
    assert (session.is_partial, session.skipped) == (True, {})
    os.utime(writer.path, (0, 0))
    (session,) = read(writer.path)
    assert session.skipped == {Skipped("unreadable", "torn last line"): 1}
    assert not session.is_partial
    assert writer.path.read_bytes().startswith(complete)


def test_whole_last_line_needs_no_newline(writer: TranscriptWriter) -> None:
    writer.line("user", "farewell")
    content = writer.path.read_bytes()
    writer.path.write_bytes(content[:-1])
    before = read(writer.path)[0]
    assert (dialogue(before), before.skipped) == ([("user", "farewell")], {})
    writer.line("user", "back again")
    after = read(writer.path)[0]
    assert (dialogue(after), after.skipped) == (
        [("user", "farewell"), ("user", "back again")],
        {},
    )


STUB = b'{"type":"user","sessionId":"s1","message":{"content":[{"type":"text","text":"to'
"""Half of a record, with whole objects in it."""


@pytest.mark.parametrize(
    ("damage", "skipped"),
    [
        (lambda first, second: b"\0" * 300 + first + b"\n" + second, 0),
        (lambda first, second: first + b"\0" * 300 + second, 0),
        (lambda first, second: first + b"\n" + second + b"\0" * 300, 0),
        (lambda first, second: first + second, 0),
        (lambda first, second: STUB + first + b"\n" + second, 1),
        (lambda first, second: first + STUB + second, 1),
        (lambda first, second: first + b"\n" + second[40:] + second, 1),
        (lambda first, second: first + b"\r\n" + b"\xff\xfe" + second, 1),
        (lambda first, second: first + b"\n" + STUB + b"\0\0" + STUB + second, 1),
    ],
)
def test_whole_records_of_a_damaged_line_are_read(
    writer: TranscriptWriter, damage: Callable[[bytes, bytes], bytes], skipped: int
) -> None:
    texts = ['say {"a": 1}{"type": 2, "sessionId": 3} — ü', "and this"]
    for content in texts:
        writer.line("user", content)
    writer.path.write_bytes(damage(*writer.path.read_bytes().splitlines()) + b"\n")
    session = read(writer.path)[0]
    assert dialogue(session) == [("user", content) for content in texts]
    assert sum(session.skipped.values()) == skipped


def test_line_separators_inside_a_text_do_not_split_a_line(writer: TranscriptWriter) -> None:
    content = "a\u2028b\u2029c\x85d\x0be"
    value = json.dumps(
        {"type": "user", "uuid": "u", "message": {"content": content}}, ensure_ascii=False
    )
    writer.write(value.encode() + b"\n")
    assert dialogue(read(writer.path)[0]) == [("user", content)]


def test_invalid_utf8_costs_a_character_and_not_the_line(writer: TranscriptWriter) -> None:
    writer.write(b'{"type":"user","uuid":"u","message":{"content":"a\xffb"}}\n')
    assert dialogue(read(writer.path)[0]) == [("user", "a\ufffdb")]


def test_line_of_64_mb_is_one_message(writer: TranscriptWriter) -> None:
    writer.line("user", "x" * (64 << 20))
    writer.line("user", "after")
    lengths = [len(message.text) for message in read(writer.path)[0].messages]
    assert lengths == [64 << 20, 5]


def test_line_over_the_limit_is_counted_and_the_rest_is_read(
    writer: TranscriptWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    writer.line("user", "x" * 3000)
    writer.line("user", "after", parent=None)
    (session,) = read(writer.path)
    assert (dialogue(session), session.skipped) == (
        [("user", "after")],
        {Skipped("unreadable", "line too long"): 1},
    )


def test_unknown_bookkeeping_is_counted_by_name(writer: TranscriptWriter) -> None:
    writer.line("user", "go", surprise={"a": 1})
    writer.write(b'{"type": "hologram", "state": {"depth": [3]}}\n')
    writer.write(b'{"type": "system", "uuid": "s", "subtype": "eclipse", "content": "Dark."}\n')
    usage = {"input_tokens": 1, "output_tokens": 5, "moon": "full", "tides": 0}
    usage |= {"cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1d_input_tokens": 2}}
    usage |= {"server_tool_use": {"web_search_requests": 1, "dives": 3}, "iterations": [{"a": 1}]}
    message = {"id": "m1", "model": "claude-opus-4-5", "usage": usage}
    writer.line("assistant", [text("hello")], message=message)
    (session,) = read(writer.path)
    assert dialogue(session) == [("user", "go"), ("system", "Dark."), ("assistant", "hello")]
    assert session.skipped == {
        Skipped("unknown", "line of type hologram"): 1,
        Skipped("unknown", "system line of subtype eclipse"): 1,
        Skipped("unknown", "usage field moon"): 1,
        Skipped("unknown", "usage field tides"): 1,
        Skipped("unknown", "usage field cache_creation.ephemeral_1d_input_tokens"): 1,
        Skipped("unknown", "usage field server_tool_use.dives"): 1,
    }


def test_unknown_line_or_block_that_may_have_been_said_is_a_loss(writer: TranscriptWriter) -> None:
    writer.line("hologram", "?")
    writer.write(b'{"type": "envelope", "lines": [{"message": {"text": "of a later shape"}}]}\n')
    writer.write(b'{"words": "of a later shape"}\n')
    writer.respond("m1", {"type": "shadow", "depth": 3})
    usage = {"input_tokens": 1, "output_tokens": 5, "moon_tokens": 7}
    writer.line("assistant", [], message={"id": "m2", "model": "m", "usage": usage})
    (session,) = read(writer.path)
    assert session.skipped == {
        Skipped("unreadable", "line of type hologram"): 1,
        Skipped("unreadable", "line of type envelope"): 1,
        Skipped("unreadable", "line without a type"): 1,
        Skipped("unreadable", "block of type shadow"): 1,
        Skipped("unreadable", "usage field moon_tokens"): 1,
    }


def test_utterance_without_an_id_is_counted_as_lost(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    writer.line("user", "lost", uuid=None)
    (session,) = read(writer.path)
    assert dialogue(session) == [("user", "go")]
    assert session.skipped == {Skipped("unplaced", "user line without an id"): 1}


def test_bookkeeping_and_usage_of_the_newest_version_are_known(writer: TranscriptWriter) -> None:
    writer.line("user", "go")
    for line_type in ("derived-from", "content-replacement", "isolation-latch", "pr-link"):
        writer.write(json.dumps({"type": line_type, "sessionId": "s1"}).encode() + b"\n")
    usage = {
        "input_tokens": 1,
        "output_tokens": 5,
        "speed": "fast",
        "inference_geo": "us",
        "server_tool_use": {"web_search_requests": 1},
        "iterations": [{"type": "message", "output_tokens": 5}],
    }
    writer.line("assistant", [text("done")], message={"id": "m1", "model": "m", "usage": usage})
    session = read(writer.path)[0]
    assert (dialogue(session), session.skipped) == ([("user", "go"), ("assistant", "done")], {})


def test_growing_file_is_read_up_to_its_length_at_the_start(writer: TranscriptWriter) -> None:
    writer.line("user", "one")
    source = ClaudeCodeSource(writer.path.parent.parent.parent)
    located = source.find("s1")
    assert located
    session = next(source.read(located))
    writer.line("user", "two")
    assert dialogue(session) == [("user", "one")]


def test_file_replaced_during_the_read_is_an_error(writer: TranscriptWriter) -> None:
    writer.line("user", "one")
    session = read(writer.path)[0]
    other = writer.path.with_suffix(".new")
    other.write_bytes(writer.path.read_bytes())
    other.replace(writer.path)
    with pytest.raises(SourceError, match="replaced while it was read"):
        list(session.messages)


@pytest.mark.parametrize("plant", [os.mkfifo, lambda path: Path(path).symlink_to("/etc/passwd")])
def test_pipe_or_link_in_place_of_a_transcript_is_refused(tmp_path: Path, plant: Any) -> None:
    path = tmp_path / "s.jsonl"
    plant(path)
    with pytest.raises(SourceError):
        open_regular(path)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_LINE | _JSON, max_size=8))
def test_any_line_is_read_without_an_exception(tmp_path: Path, values: list[Any]) -> None:
    path = tmp_path / "any.jsonl"
    path.write_bytes(b"".join(json.dumps(value).encode() + b"\n" for value in values))
    for session in read(path):
        for message in session.messages:
            assert isinstance(message, Message)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(min_value=0))
def test_truncated_transcript_has_only_parts_of_the_complete_one(tmp_path: Path, cut: int) -> None:
    folder = "01-print-tools-resume"
    content = (DATA / folder / "00000001-0000-4000-8000-000000000001.jsonl").read_bytes()
    path = tmp_path / "truncated.jsonl"
    path.write_bytes(content[: cut % len(content)])
    complete = {
        name: message
        for message in session_of(folder).messages
        for name in (message.id, *message.aliases)  # a prompt is queued before it has a line
    }
    for message in read(path)[0].messages:
        assert all(part in complete[message.id].parts for part in message.parts)
