"""Counts the messages of one session of OpenCode, without the reader.

Up to 1.18, a message has a role, tokens and parts: `text`, `tool`, `file` and others. From 2.x on,
it is a row with a type; a response has its text and its tools, with their results, in `content`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field

from opensync_hooks.agents.census import Tally, as_count, as_dict, as_text, dicts_in
from opensync_hooks.agents.opencode.vocabulary import PART_TYPES, TOKENS
from opensync_hooks.agents.vocabulary import unknown_fields
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json

_TOOLS = ("tool", "tool-invocation")
_STATES = ("pending", "running", "streaming", "completed", "error")
_TYPED = ("file", "agent", "subtask")
_SILENT_ROWS = ("synthetic", "system", "idle")
_SHELL_NOTE = "The following tool was executed by the user"
_READ_NOTE = "Called the "
"""Texts that OpenCode adds to a prompt begin with these."""


@dataclass(slots=True)
class MessageCount:
    """The count of one copy of a session."""

    output_has_reasoning: bool = False
    """Up to 1.1, the tokens of reasoning are part of the output."""
    tally: Tally = field(default_factory=Tally)
    has_words: bool = False
    _shell_prompts: set[str] = field(default_factory=set)
    """The prompts that stand for a shell command of the user's."""

    def add(self, message_id: str, info: Json | None, parts: Sequence[Json | None]) -> None:
        """Count a message of 1.x or older. It is None if it is damaged, and so is a part."""
        intact = [part for part in parts if part is not None]
        self.tally.unreadable += len(parts) - len(intact) + (info is None)
        role = as_text(as_dict(info).get("role"))
        if info is None:
            return
        if role not in ("user", "assistant", "system"):
            self.tally.unknown[f"message {role}"] += 1
        elif not intact and not info.get("error") and not _has_tokens(info):
            self.tally.unknown["message without parts"] += 1
        elif role == "assistant":
            self._add_parts(intact)
            self._add_calls(intact)
            steps = [part for part in intact if part.get("type") == "step-finish"]
            # Until 1.0 one message had all steps of a turn, and the tokens of the last one.
            self._add_tokens(steps if len(steps) > 1 else [info])
            is_by_shell = as_text(info.get("parentID")) in self._shell_prompts
            if not is_by_shell and info.get("summary") is not True:
                self._add_response(intact)
        else:
            self._add_parts(intact)
            self._add_prompt(message_id, intact, is_sure=role == "user")

    def add_row(self, kind: str, row: Json | None) -> None:
        """Count a row of 2.x; None for a damaged one."""
        content = dicts_in(row, "content")
        if row is None:
            self.tally.unreadable += 1
        elif kind == "user":
            files = [{"type": "file"}] if row.get("files") or row.get("agents") else []
            self._add_prompt("", [{"type": "text", "text": row.get("text")}, *files])
        elif kind == "assistant":
            self._add_parts(content)
            self._add_calls(content)
            self._add_tokens([row])
            self._add_response(content)
        elif kind == "compaction":
            self._add_tokens([row])
        elif kind == "shell":
            status = "running" if row.get("status") == "running" else "completed"
            self._add_calls([{"type": "tool", "state": {"status": status}}])
            self.tally.add("utterances", is_sure=False)
        elif kind == "skill":
            self.tally.add("utterances", is_sure=False)
        elif kind not in _SILENT_ROWS and not kind.endswith("-switched"):
            self.tally.unknown[f"row {kind}"] += 1

    def _add_parts(self, parts: Iterable[Json]) -> None:
        for part in parts:
            kind = as_text(part.get("type"))
            is_known = kind in PART_TYPES
            self.tally.recognized += is_known
            self.tally.unknown[f"part {kind}"] += not is_known
            self.has_words = self.has_words or kind in _TOOLS or _has_text(part)

    def _add_calls(self, parts: Iterable[Json]) -> None:
        for part in parts:
            if part.get("type") in _TOOLS:
                status = as_dict(part.get("state")).get("status")
                has_ended = as_dict(part.get("toolInvocation")).get("state") == "result"
                self.tally.add("tool_calls")
                self.tally.add("tool_results", int(has_ended or status in ("completed", "error")))
                if status is not None and status not in _STATES:
                    self.tally.add("tool_results", is_sure=False)

    def _add_prompt(self, message_id: str, parts: list[Json], *, is_sure: bool = True) -> None:
        added = [part for part in parts if part.get("synthetic") or part.get("ignored")]
        typed = [part for part in parts if part not in added]
        self.has_words = self.has_words or any(map(_has_text, parts))
        texts = [part for part in typed if part.get("type") == "text"]
        is_prompt = any(map(_has_text, texts)) or any(part.get("type") in _TYPED for part in typed)
        self.tally.add("utterances", int(is_prompt), is_sure=is_sure)
        for part in added:
            text = as_text(part.get("text"))
            if text.startswith(_SHELL_NOTE):
                self._shell_prompts.add(message_id)
                self.tally.add("utterances", is_sure=False)
            if text.startswith(_READ_NOTE):  # an attached file, as if the model had read it
                self.tally.add("tool_calls", is_sure=False)
                self.tally.add("tool_results", is_sure=False)

    def _add_response(self, parts: list[Json]) -> None:
        """Count a response; one of mere thoughts, or one that failed, may come to nothing."""
        has_content = any(
            part.get("type") in (*_TOOLS, "file")
            or (part.get("type") == "text" and _has_text(part))
            for part in parts
        )
        self.tally.add("responses", is_sure=has_content)

    def _add_tokens(self, calls: Iterable[Json]) -> None:
        for call in calls:
            tokens = as_dict(call.get("tokens"))
            unknown = unknown_fields(tokens, TOKENS)
            self.tally.unknown.update(f"tokens.{name}" for name, _ in unknown)
            read, written = _tokens(tokens, output_has_reasoning=self.output_has_reasoning)
            self.tally.add("prompt_tokens", read)
            self.tally.add("completion_tokens", written)


def _tokens(tokens: Json, *, output_has_reasoning: bool) -> tuple[int, int]:
    """Return the tokens read and written; `total` is right even where single counts are not."""
    cache = as_dict(tokens.get("cache"))
    read = sum(map(as_count, (tokens.get("input"), cache.get("read"), cache.get("write"))))
    output, total = as_count(tokens.get("output")), as_count(tokens.get("total"))
    reasoning = 0 if total or output_has_reasoning else as_count(tokens.get("reasoning"))
    return read, max(total - read, output + reasoning)


def _has_tokens(info: Json) -> bool:
    tokens = as_dict(info.get("tokens"))
    return bool(as_count(tokens.get("input")) or as_count(tokens.get("output")))


def _has_text(part: Json) -> bool:
    return bool(as_text(part.get("text")).strip())
