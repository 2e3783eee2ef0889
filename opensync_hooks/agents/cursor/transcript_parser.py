"""Parses a transcript into steps: JSON lines, or the text that older versions wrote.

A transcript holds no ids, models or tokens, and hardly any tool results. Thoughts
cannot be told from the answer: JSON lines have them behind it, after an empty line, or in its place
beside a call; the older text marks where they begin. See `answers`.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import field, replace
from typing import Any

from opensync_hooks.agents.cursor import prompts, tools, unknown
from opensync_hooks.agents.cursor.conversation import Step, answer_parts, text_parts
from opensync_hooks.agents.cursor.message_ids import MessageIds
from opensync_hooks.agents.json_access import content_blocks, decode_dict, get_dict, get_str
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import (
    Attachment,
    Json,
    Part,
    Reasoning,
    Skipped,
    Text,
    ToolCall,
    ToolResult,
)

_SPEAKER = re.compile(r"^(user|assistant):\n", re.MULTILINE)
_MARK = re.compile(r"^\[(Thinking|Tool call|Tool result)\] ?(.*)$", re.MULTILINE)
_ARGUMENT = re.compile(r"^  ([A-Za-z_][A-Za-z0-9_-]*)([:=]) ?", re.MULTILINE)
_INDENTED = re.compile(r"\n?(?:  .*(?:\n+|\Z))+")
_UNINDENTED = re.compile(r"\n(?=\S)")
_TURN_ENDED = re.compile(
    r"^Turn ended: (success|aborted|error)(?:: (.*)|\.?\s*)\Z", re.MULTILINE | re.DOTALL
)
_READERS, _WRITERS = ("Read", "Grep", "Search"), ("Write", "Edit")
_PATH_NAMES = ("path", "file_path", "target_file", "filename", "target_notebook")
_IMAGE = "[Image]"
EMPTY_LINE = re.compile(r"\n[ \t]*\n")
_THOUGHTS = ("thinking", "reasoning")
_BLOCKS = (*_THOUGHTS, "text", "tool_use", "tool_result", "image")
_REDACTED = re.compile(r"\s*\[REDACTED\]\s*\Z")
"""What a version that keeps thoughts back writes in the place of each."""


@dataclass(slots=True)
class ParsedTranscript:
    """The steps of a transcript, and whether it may be complete."""

    steps: list[Step] = field(default_factory=list)
    skipped: Counter[Skipped] = field(default_factory=Counter)
    is_torn: bool = False
    """The last line is incomplete: the file is being written."""
    is_settled: bool = False
    """The last word is the agent's."""
    _ids: MessageIds = field(default_factory=MessageIds)
    _calls: dict[str, str] = field(default_factory=dict)
    """The id of the last call of each tool."""
    _last_prompt: str = ""
    _timed_prompts: set[str] = field(default_factory=set)
    _is_working: bool = False

    def add_user_text(self, raw: str) -> None:
        user_text = prompts.parse(raw)
        self.is_settled = False
        if user_text.kind == "context":
            self.skipped[Skipped("left out", "context")] += 1
        elif user_text.kind == "note":
            self._add_system(*text_parts(user_text.text))
        elif self._is_repeated(raw, user_text.sent_at):
            self.skipped[Skipped("left out", "prompt repeated by a compaction")] += 1
        elif user_text.text.strip():
            self._last_prompt, self._is_working = raw, False
            if user_text.sent_at:
                self._timed_prompts.add(raw)
            images = [Attachment("image", None)] * user_text.text.count(_IMAGE)
            parts: tuple[Part, ...] = (Text(user_text.text), *images)
            step_id = self._ids.prompt(user_text.text)
            self.steps.append(Step(step_id, "user", parts, user_text.sent_at))

    def _is_repeated(self, raw: str, sent_at: int | None) -> bool:
        """A compaction writes a prompt again, also while the agent is working on it."""
        if raw == self._last_prompt:
            return self._is_working
        # Timestamps have minutes, and nobody types the same words twice in one minute.
        return sent_at is not None and raw in self._timed_prompts

    def add_answer(self, parts: list[Part]) -> None:
        step_id = self._ids.within_turn()
        numbered: list[Part] = []
        call_count = 0
        for part in parts:
            if isinstance(part, ToolCall):
                call_count += 1
                part = replace(part, id=f"{step_id}.{call_count}")  # noqa: PLW2901
                self._calls[part.name] = part.id
            elif isinstance(part, ToolResult):
                part = replace(part, call_id=self._calls.get(part.name, step_id))  # noqa: PLW2901
            numbered.append(part)
        self.steps.append(Step(step_id, "assistant", tuple(numbered)))
        self._is_working = bool(parts) and isinstance(parts[-1], ToolCall)
        self.is_settled = bool(parts) and not self._is_working

    def end_turn(self, status: str | None, error: str | None) -> None:
        self.is_settled, self._is_working = True, False
        if error:
            self._add_system(Text(f"[{status or 'error'}: {error}]"))

    def _add_system(self, *parts: Part) -> None:
        self.steps.append(Step(self._ids.within_turn(), "system", parts))


def parse(content: bytes, suffix: str) -> ParsedTranscript:
    """Parse what is complete; everything else is counted in `skipped`."""
    transcript = ParsedTranscript()
    if suffix == ".txt":
        _parse_text(content.decode("utf-8-sig", "replace").replace("\r\n", "\n"), transcript)
    else:
        _parse_lines(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), transcript)
    return transcript


def _parse_lines(lines: list[bytes], transcript: ParsedTranscript) -> None:
    values = [decode_dict(line) for line in lines]
    redacts_thoughts = any(_has_redacted_thought(value) for value in values if value)
    for number, (line, value) in enumerate(zip(lines, values, strict=True), 1):
        if value is not None:
            _add_line(value, transcript, redacts_thoughts=redacts_thoughts)
        elif not line.strip():
            continue
        elif number == len(lines):
            transcript.is_torn, transcript.is_settled = True, False
            transcript.skipped[Skipped("unreadable", "torn last line")] += 1
        else:
            transcript.skipped[Skipped("unreadable", "unreadable line")] += 1


def _blocks(line: Json) -> list[Json]:
    return content_blocks(get_dict(line, "message")) or content_blocks(line)


def _has_redacted_thought(line: Json) -> bool:
    texts = (get_str(block, "text") or "" for block in _blocks(line))
    return line.get("role") == "assistant" and any(map(_REDACTED.search, texts))


def _add_line(value: Json, transcript: ParsedTranscript, *, redacts_thoughts: bool) -> None:
    role, kind, blocks = value.get("role"), value.get("type"), _blocks(value)
    if kind in ("turn_ended", "error"):
        transcript.end_turn(get_str(value, "status"), get_str(value, "error"))
    elif role == "user":
        for text in filter(None, (get_str(block, "text") for block in blocks)):
            transcript.add_user_text(text)
        transcript.skipped.update(unknown.in_blocks(blocks, _BLOCKS))
    elif role == "assistant":
        transcript.add_answer(list(_answer_parts(blocks, redacts_thoughts=redacts_thoughts)))
        transcript.skipped.update(unknown.in_blocks(blocks, _BLOCKS))
    elif kind != "metadata":
        transcript.skipped[Skipped("unreadable", f"unknown line {str(kind or role)[:40]}")] += 1


def _answer_parts(blocks: list[Json], *, redacts_thoughts: bool) -> Iterator[Part]:
    # A response that calls tools may have thoughts and no answer.
    has_call = any(block.get("type") == "tool_use" for block in blocks)
    for block in blocks:
        name, text = get_str(block, "name"), get_str(block, "text") or ""
        if block.get("type") == "tool_use" and name:
            yield ToolCall("", name, block.get("input") or {}, tools.category(name))
        elif block.get("type") in _THOUGHTS:
            yield Reasoning(text or get_str(block, "thinking") or "")
        else:
            parts = tuple(answer_parts(_REDACTED.sub("", text)))
            # A thought between tags is no reason to expect another one behind the answer.
            has_tags = any(isinstance(part, Reasoning) for part in parts)
            is_clear = redacts_thoughts or has_tags
            yield from parts if is_clear else _doubtful_parts(text, has_call=has_call)


def _doubtful_parts(text: str, *, has_call: bool) -> Iterator[Part]:
    """Yield the part of an answer that cannot be a thought, then the rest as what it may be."""
    plain = text.strip("\n")
    answer, rest = ("", plain) if has_call else [*EMPTY_LINE.split(plain, maxsplit=1), ""][:2]
    yield from text_parts(answer)
    if rest.strip():
        yield Reasoning(rest, is_doubtful=True)


def _parse_text(text: str, transcript: ParsedTranscript) -> None:
    pieces = _SPEAKER.split(text)
    for speaker, words in zip(pieces[1::2], pieces[2::2], strict=True):
        end = _TURN_ENDED.search(words)
        answer = words[: end.start()] if end else words
        if speaker == "user":
            transcript.add_user_text(answer.strip("\n"))
        else:
            transcript.add_answer(list(_marked_parts(answer)))
        if end:
            transcript.end_turn(end[1], end[2])


def _marked_parts(answer: str) -> Iterator[Part]:
    """Split an answer of the older text at its marks.

    Nothing says where a thought ends, so everything up to the next mark may be one.
    """
    pieces = _MARK.split(answer)
    yield from answer_parts(pieces[0].strip("\n"))
    marks = [*pieces[1::3], ""]
    for index, (head, body) in enumerate(zip(pieces[2::3], pieces[3::3], strict=True)):
        name, below, rest = head.strip() or "tool", body.strip("\n"), ""
        if marks[index] == "Thinking":
            yield from (Reasoning(head),) if head.strip() else ()
            yield from (Reasoning(below, is_doubtful=True),) if below.strip() else ()
        elif marks[index] == "Tool call":
            arguments, rest = _arguments(name, below, has_result=marks[index + 1] == "Tool result")
            yield ToolCall("", name, arguments, tools.category(name))
        else:
            output = _INDENTED.match(body)
            is_contents = not output and tools.category(name) in _READERS
            rest = "" if is_contents else body[output.end() :] if output else body
            text = below if is_contents else textwrap.dedent(output[0]) if output else ""
            yield from (ToolResult("", name, text.strip("\n")),) if text.strip() else ()
        yield from answer_parts(rest.strip("\n"))


def _arguments(name: str, text: str, *, has_result: bool) -> tuple[Any, str]:
    """Return a call's arguments, and the answer below them.

    Their later lines are not indented. Where a result follows, or where the last argument may be
    a file's contents, such lines belong to the argument.
    """
    if text.lstrip()[:1] == "{":
        with suppress(ValueError, RecursionError):
            start = text.index("{")
            arguments, length = json.JSONDecoder().raw_decode(text[start:])
            return arguments, text[start + length :]
    pieces = _ARGUMENT.split(text)
    if len(pieces) == 1:
        return {}, text
    *_, last_name, separator, last = pieces
    is_contents = tools.category(name) in _WRITERS and last_name.lower() not in _PATH_NAMES
    end = _UNINDENTED.search(last)
    is_answer = end and not is_contents and not (has_result and separator == ":")
    rest = last[end.start() :] if end and is_answer else ""
    pieces[-1] = last[: len(last) - len(rest)]
    values = (value.rstrip("\n") for value in pieces[3::3])
    return dict(zip(pieces[1::3], values, strict=True)), rest
