"""A transcript's content as steps: JSON lines, or the text that older versions wrote.

What is not in a transcript: results of tools, ids, models, tokens. Thoughts are glued to the answer
and cannot be told apart from it; the older text marks them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from opensync_hooks.agents.cursor import prompts, tools
from opensync_hooks.agents.cursor.conversation import Step, text_parts
from opensync_hooks.agents.cursor.graph import blocks
from opensync_hooks.agents.cursor.message_ids import Names
from opensync_hooks.agents.json_access import Value, decode, part, string
from opensync_hooks.model import Attachment, Part, Reasoning, Text, ToolCall

_SPEAKER = re.compile(r"^(user|assistant):\n", re.MULTILINE)
_MARK = re.compile(r"^\[(Thinking|Tool call|Tool result)\] ?(.*)$", re.MULTILINE)
_ARGUMENT = re.compile(r"^  ([A-Za-z_][A-Za-z0-9_-]*): ?", re.MULTILINE)
_END = re.compile(r"^Turn ended: (success|aborted|error)(?:: (.*))?\Z", re.MULTILINE | re.DOTALL)
_PICTURE = "[Image]"


@dataclass(slots=True)
class Read:
    """What a transcript says, and whether its last word can be the last."""

    steps: list[Step] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    is_torn: bool = False
    is_settled: bool = False
    _names: Names = field(default_factory=Names)
    _prompt: str = ""
    _stamped: set[str] = field(default_factory=set)
    _is_at_work: bool = False

    def said(self, text: str) -> None:
        """A text of the user's, or one that Cursor put there as his."""
        said = prompts.read(text)
        self.is_settled = False
        if said.kind == "context":
            self.skipped["context"] += 1
        elif said.kind == "note":
            self.steps.append(Step(self._names.within_turn(), "system", text_parts(said.text)))
        elif self._is_repeated(text, said):
            self.skipped["prompt repeated by a compaction"] += 1
        elif said.text.strip():
            self._prompt, self._is_at_work = text, False
            self._stamped.update({text} if said.at else ())
            name = self._names.prompt(said.text)
            self.steps.append(Step(name, "user", _with_pictures(said.text), said.at))

    def _is_repeated(self, text: str, said: prompts.Said) -> bool:
        """A compaction writes a prompt once more, also while the agent is at work on it."""
        if text == self._prompt:
            return self._is_at_work
        return (
            said.at is not None and text in self._stamped
        )  # to the minute the same, and the words

    def answered(self, parts: list[Part]) -> None:
        name = self._names.within_turn()
        calls = (one for one in parts if isinstance(one, ToolCall))
        named = {id(call): f"{name}.{place}" for place, call in enumerate(calls, 1)}
        made = (_named(one, named[id(one)]) if id(one) in named else one for one in parts)
        self.steps.append(Step(name, "assistant", tuple(made)))
        self._is_at_work = bool(parts) and isinstance(parts[-1], ToolCall)
        self.is_settled = bool(parts) and not self._is_at_work

    def ended(self, status: str | None, error: str | None) -> None:
        self.is_settled, self._is_at_work = True, False
        if error:
            said = Text(f"[{status or 'error'}: {error}]")
            self.steps.append(Step(self._names.within_turn(), "system", (said,)))


def _named(part: Part, call_id: str) -> Part:
    if not isinstance(part, ToolCall):
        return part
    return ToolCall(call_id, part.name, part.arguments, part.category)


def _with_pictures(text: str) -> tuple[Part, ...]:
    return (Text(text), *(Attachment("image", None) for _ in range(text.count(_PICTURE))))


def read(content: bytes, suffix: str) -> Read:
    """Everything in a transcript that is there whole; the rest is counted."""
    found = Read()
    if suffix == ".txt":
        _read_text(content.decode("utf-8-sig", "replace").replace("\r\n", "\n"), found)
    else:
        _read_lines(content, found)
    return found


def _read_lines(content: bytes, found: Read) -> None:
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        value = decode(line)
        if isinstance(value, dict):
            _take(value, found)
        elif number == len(lines):
            found.is_torn, found.is_settled = True, False
            found.skipped["torn last line"] += 1
        else:
            found.skipped["unreadable line"] += 1


def _take(value: Value, found: Read) -> None:
    role, kind = value.get("role"), value.get("type")
    if kind in ("turn_ended", "error"):
        found.ended(string(value, "status"), string(value, "error"))
    elif role == "user":
        texts = (string(block, "text") for block in _blocks(value))
        for text in filter(None, texts):
            found.said(text)
    elif role == "assistant":
        found.answered(list(_parts(value)))
    elif kind != "metadata":
        found.skipped[f"unknown line {str(kind or role)[:40]}"] += 1


def _blocks(value: Value) -> list[Value]:
    return blocks(part(value, "message")) or blocks(value)


def _parts(value: Value) -> Iterator[Part]:
    for block in _blocks(value):
        name = string(block, "name")
        if block.get("type") == "tool_use" and name:
            yield ToolCall("", name, block.get("input") or {}, tools.category(name))
        else:
            yield from text_parts(string(block, "text"))


def _read_text(text: str, found: Read) -> None:
    end = _END.search(text)
    pieces = _SPEAKER.split(text[: end.start()] if end else text)
    for speaker, said in zip(pieces[1::2], pieces[2::2], strict=True):
        if speaker == "user":
            found.said(said.strip("\n"))
        else:
            found.answered(list(_marked_parts(said)))
    if end:
        found.ended(end[1], end[2])


def _marked_parts(said: str) -> Iterator[Part]:
    """An answer of the older text, taken apart at its marks."""
    pieces = _MARK.split(said)
    yield from text_parts(pieces[0].strip("\n"))
    for mark, rest, below in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        if mark == "Thinking":
            yield Reasoning(rest)
        elif mark == "Tool call":
            name = rest.strip() or "tool"
            yield ToolCall("", name, _arguments(below), tools.category(name))
        yield from text_parts(below.strip("\n") if mark != "Tool call" else None)


def _arguments(below: str) -> Value:
    pieces = _ARGUMENT.split(below.strip("\n"))
    return dict(zip(pieces[1::2], (one.rstrip("\n") for one in pieces[2::2]), strict=True))
