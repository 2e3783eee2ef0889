"""Counts the steps of one copy of a Cursor session, without the reader.

    bubbles        rows of the editor: a prompt, a text, a thought, or a tool call with its result
    messages       the model's own view, as JSON: user, assistant and tool
    transcripts    text and calls, as JSON lines or as plain text; without results

Cursor shows all that the agent does between two prompts as one answer. An answer therefore counts
as one response that has to arrive, and each further piece of it as one that may.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import field

from opensync_hooks.agents.census import Tally, as_count, as_dict, dicts_in
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json

_USER, _ASSISTANT, _COMPACTION = 1, 2, 22
_QUERY = re.compile(r"<user_query>(.*?)(?:</user_query>|\Z)", re.DOTALL)
_TIMESTAMP = re.compile(r"\s*<timestamp>.*?</timestamp>\s*|\s*<timestamp/>\s*", re.DOTALL)
_INJECTED = re.compile(
    r"\s*(<(\w*_\w*|system-reminder|rules|summary)[ >/]|\[Previous conversation)"
)
"""The tags that Cursor adds have an underscore; HTML that a person types has none."""
_BLOCKS = ("text", "reasoning", "redacted-reasoning", "image", "file", "tool-call", "tool-result")
_BOOKKEEPING = ("turn_ended", "error", "metadata")
_RICH_TEXT = re.compile(r'"text": ?"\s*[^"\s]')
_SPEAKER = re.compile(r"^(user|assistant):\n", re.MULTILINE)
_MARK = re.compile(r"^\[(Thinking|Tool call|Tool result)\].*\n?", re.MULTILINE)
_TURN_ENDED = re.compile(r"^Turn ended: \w+.*\Z", re.MULTILINE | re.DOTALL)


@dataclass(slots=True)
class StepCount:
    """The count of one copy; its steps are added in their order."""

    tally: Tally = field(default_factory=Tally)
    tokens: dict[str, Counter[str]] = field(default_factory=dict)
    """What the steps of each turn count, by the id under which hooks report the turn."""
    _turn_id: str = ""
    _prompts: set[str] = field(default_factory=set)
    _is_answered: bool = False

    @property
    def has_content(self) -> bool:
        return any(self.tally.sure.values())

    def add_bubble(self, bubble: Json | None, tool: Json, *, is_listed: bool = True) -> None:
        """Count a bubble, None where its row is missing. One that no list names was undone."""
        if bubble is None:
            self.tally.unknown["bubble missing"] += 1
            return
        self.tally.recognized += 1
        kind, text = bubble.get("type"), bubble.get("text")
        self.tally.unknown[f"bubble of type {kind}"] += kind not in (_USER, _ASSISTANT)
        self.tally.unknown["text that is not a string"] += not isinstance(text, str | None)
        is_prompt = kind == _USER
        if bubble.get("capabilityType") == _COMPACTION or bubble.get("isSimulatedMsg") is True:
            return
        if is_prompt:
            self._turn_id = str(bubble.get("requestId") or "")
            if _has_words(bubble) or _has_attachments(bubble):
                self._add_prompt(is_sure=is_listed)
        else:
            has_call = self._add_call(tool, is_sure=is_listed)
            self._add_answer(is_sure=is_listed and (has_call or _has_words(bubble)))
        tokens = as_dict(bubble.get("tokenCount"))
        counts = self.tokens.setdefault(self._turn_id, Counter()) if is_listed else Counter()
        counts["read"] += as_count(tokens.get("inputTokens"))
        counts["written"] += as_count(tokens.get("outputTokens"))

    def add_message(self, message: Json | None) -> None:
        """Count a message of the model's view, None where its blob is missing."""
        if message is None:
            self.tally.unknown["blob missing"] += 1
            return
        options = as_dict(as_dict(message.get("providerOptions")).get("cursor"))
        role, blocks = message.get("role"), _blocks(message)
        unknown = [
            f"block {block.get('type')}" for block in blocks if block.get("type") not in _BLOCKS
        ]
        self.tally.unknown.update(unknown)
        self.tally.recognized += 1
        if role == "user" and not options.get("isSummary"):
            self._turn_id = str(options.get("requestId") or "")
            for block in blocks:
                self._add_text_of_user(_text(block))
        elif role == "assistant":
            calls = sum(block.get("type") == "tool-call" for block in blocks)
            self.tally.add("tool_calls", calls)
            is_text = any(block.get("type") == "text" and _has_words(block) for block in blocks)
            self._add_answer(is_sure=is_text or bool(calls))
        elif role == "tool":
            results = sum(block.get("type") == "tool-result" for block in blocks)
            self.tally.add("tool_results", results)
        elif role not in ("user", "system"):
            self.tally.unknown[f"message {role}"] += 1

    def add_transcript(self, content: bytes, suffix: str) -> None:
        """Count a transcript as a whole."""
        text = content.decode("utf-8-sig", "replace")
        if suffix == ".txt":
            self._add_plain_text(text.replace("\r\n", "\n"))
            return
        for line in text.split("\n"):
            try:
                value = json.loads(line) if line.strip() else None
            except (ValueError, RecursionError):
                self.tally.unreadable += 1
                continue
            if isinstance(value, dict):
                self._add_line(value)

    def _add_line(self, line: Json) -> None:
        role, kind = line.get("role"), line.get("type")
        blocks = _blocks(as_dict(line.get("message"))) or _blocks(line)
        if role not in ("user", "assistant") and kind not in _BOOKKEEPING:
            self.tally.unknown[f"line {role or kind}"] += 1
            return
        self.tally.recognized += 1
        if role == "user":
            for block in blocks:
                self._add_text_of_user(_text(block), may_repeat=True)
        elif role == "assistant":
            calls = sum(block.get("type") == "tool_use" for block in blocks)
            self.tally.add("tool_calls", calls)
            self._add_answer(is_sure=bool(calls) or any(map(_has_words, blocks)))

    def _add_plain_text(self, text: str) -> None:
        pieces = _SPEAKER.split(_TURN_ENDED.sub("", text))
        for speaker, words in zip(pieces[1::2], pieces[2::2], strict=True):
            self.tally.recognized += 1
            if speaker == "user":
                self._add_text_of_user(words, may_repeat=True)
                continue
            marks = [match[1] for match in _MARK.finditer(words)]
            bodies = _MARK.split(words)[2::2]
            for mark, body in zip(marks, bodies, strict=True):
                self.tally.add("tool_calls", int(mark == "Tool call"))
                has_body = body.startswith("  ")
                self.tally.add("tool_results", int(mark == "Tool result"), is_sure=has_body)
            is_text = bool(_MARK.split(words)[0].strip())
            self._add_answer(is_sure=is_text or "Tool call" in marks)

    def _add_text_of_user(self, text: str, *, may_repeat: bool = False) -> None:
        """Count the words of a person; `may_repeat`: a compaction writes prompts again."""
        query = _QUERY.search(text)
        words = query[1] if query else _TIMESTAMP.sub("", text, count=1)
        if words.strip() and (query or not _INJECTED.match(words)):
            self._add_prompt(is_sure=not may_repeat or text not in self._prompts)
            self._prompts.add(text)

    def _add_prompt(self, *, is_sure: bool) -> None:
        self.tally.add("utterances", is_sure=is_sure)
        self._is_answered = self._is_answered and not is_sure

    def _add_answer(self, *, is_sure: bool) -> None:
        self.tally.add("responses", is_sure=is_sure and not self._is_answered)
        self._is_answered = self._is_answered or is_sure

    def _add_call(self, tool: Json, *, is_sure: bool) -> bool:
        """Count a call with its result; in 2025 every other bubble has one without a name."""
        has_name = bool(_text(tool, "name"))
        if has_name or as_count(tool.get("tool")):
            has_result = bool(tool.get("result") or tool.get("error"))
            has_ended = has_result or tool.get("status") != "loading"
            self.tally.add("tool_calls", is_sure=is_sure and has_name)
            self.tally.add(
                "tool_results", int(has_ended), is_sure=is_sure and has_name and has_result
            )
        return has_name


def _blocks(message: Json) -> list[Json]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return dicts_in(message, "content")


def _text(record: Json, key: str = "text") -> str:
    text = record.get(key)
    return text.strip() if isinstance(text, str) else ""


def _has_words(record: Json) -> bool:
    """Whether a record has a text, or a rich text or code in the place of one."""
    rich = record.get("richText")
    rich = rich if isinstance(rich, str) else json.dumps(rich)
    codes = (_text(block, "content") for block in dicts_in(record, "codeBlocks"))
    return bool(_text(record) or _RICH_TEXT.search(rich) or any(codes))


def _has_attachments(bubble: Json) -> bool:
    context = as_dict(bubble.get("context"))
    selected = (context.get("fileSelections"), context.get("folderSelections"))
    return any((bubble.get("images"), bubble.get("attachedCodeChunks"), *selected))
