"""Parses a transcript into steps: JSON lines, or the text that older versions wrote.

A transcript holds no tool results, ids, models or tokens. In JSON lines thoughts cannot be told
from the answer; the older text marks them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from opensync_hooks.agents.cursor import prompts, tools
from opensync_hooks.agents.cursor.conversation import Step, text_parts
from opensync_hooks.agents.cursor.graph import content_blocks
from opensync_hooks.agents.cursor.message_ids import MessageIds
from opensync_hooks.agents.json_access import decode_dict, get_dict, get_str
from opensync_hooks.model import Attachment, Json, Part, Reasoning, Text, ToolCall

_SPEAKER = re.compile(r"^(user|assistant):\n", re.MULTILINE)
_MARK = re.compile(r"^\[(Thinking|Tool call|Tool result)\] ?(.*)$", re.MULTILINE)
_ARGUMENT = re.compile(r"^  ([A-Za-z_][A-Za-z0-9_-]*): ?", re.MULTILINE)
_TURN_ENDED = re.compile(
    r"^Turn ended: (success|aborted|error)(?:: (.*))?\Z", re.MULTILINE | re.DOTALL
)
_IMAGE = "[Image]"


@dataclass(slots=True)
class ParsedTranscript:
    """The steps of a transcript, and whether it may be complete."""

    steps: list[Step] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    is_torn: bool = False
    """The last line is incomplete: the file is being written."""
    is_settled: bool = False
    """The last word is the agent's."""
    _ids: MessageIds = field(default_factory=MessageIds)
    _last_prompt: str = ""
    _timed_prompts: set[str] = field(default_factory=set)
    _is_working: bool = False

    def add_user_text(self, raw: str) -> None:
        user_text = prompts.parse(raw)
        self.is_settled = False
        if user_text.kind == "context":
            self.skipped["context"] += 1
        elif user_text.kind == "note":
            self._add_system(*text_parts(user_text.text))
        elif self._is_repeated(raw, user_text.sent_at):
            self.skipped["prompt repeated by a compaction"] += 1
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
    for number, line in enumerate(lines, 1):
        value = decode_dict(line)
        if value is not None:
            _add_line(value, transcript)
        elif not line.strip():
            continue
        elif number == len(lines):
            transcript.is_torn, transcript.is_settled = True, False
            transcript.skipped["torn last line"] += 1
        else:
            transcript.skipped["unreadable line"] += 1


def _add_line(value: Json, transcript: ParsedTranscript) -> None:
    role, kind = value.get("role"), value.get("type")
    blocks = content_blocks(get_dict(value, "message")) or content_blocks(value)
    if kind in ("turn_ended", "error"):
        transcript.end_turn(get_str(value, "status"), get_str(value, "error"))
    elif role == "user":
        for text in filter(None, (get_str(block, "text") for block in blocks)):
            transcript.add_user_text(text)
    elif role == "assistant":
        transcript.add_answer(list(_answer_parts(blocks)))
    elif kind != "metadata":
        transcript.skipped[f"unknown line {str(kind or role)[:40]}"] += 1


def _answer_parts(blocks: list[Json]) -> Iterator[Part]:
    for block in blocks:
        name = get_str(block, "name")
        if block.get("type") == "tool_use" and name:
            yield ToolCall("", name, block.get("input") or {}, tools.category(name))
        else:
            yield from text_parts(get_str(block, "text"))


def _parse_text(text: str, transcript: ParsedTranscript) -> None:
    end = _TURN_ENDED.search(text)
    pieces = _SPEAKER.split(text[: end.start()] if end else text)
    for speaker, words in zip(pieces[1::2], pieces[2::2], strict=True):
        if speaker == "user":
            transcript.add_user_text(words.strip("\n"))
        else:
            transcript.add_answer(list(_marked_parts(words)))
    if end:
        transcript.end_turn(end[1], end[2])


def _marked_parts(answer: str) -> Iterator[Part]:
    """Split an answer of the older text at its marks."""
    pieces = _MARK.split(answer)
    yield from text_parts(pieces[0].strip("\n"))
    for mark, rest, below in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        if mark == "Tool call":
            name = rest.strip() or "tool"
            arguments = _ARGUMENT.split(below.strip("\n"))
            values = (value.rstrip("\n") for value in arguments[2::2])
            mapping = dict(zip(arguments[1::2], values, strict=True))
            yield ToolCall("", name, mapping, tools.category(name))
            continue
        if mark == "Thinking":
            yield Reasoning(rest)
        yield from text_parts(below.strip("\n"))
