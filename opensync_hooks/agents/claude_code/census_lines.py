"""Counts the lines of one conversation of Claude Code, without the reader.

A line of type `user` holds a prompt, tool results or injected text; one of type `assistant` holds
one block of a response. Prompts that were queued while the agent worked come as attachments, or
only as `queue-operation` lines. Only the names of types are the reader's, too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import field

from opensync_hooks.agents.census import Tally, as_count, as_dict, as_text, dicts_in
from opensync_hooks.agents.claude_code.vocabulary import BLOCK_TYPES, LINE_TYPES, USAGE_FIELDS
from opensync_hooks.agents.vocabulary import unknown_fields
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json

_TOOL_BLOCKS = ("tool_use", "tool_result")
"""The ends of names: `server_tool_use`, `web_search_tool_result`."""
_IN_TOTALS = ("message", "fallback_message")
"""Requests within a call that its own counts contain."""
_INJECTED_FLAGS = ("isMeta", "isCompactSummary", "isVisibleInTranscriptOnly")
_COMMAND = re.compile(r"\s*<command-(?:name|message|args)>")
_COMMAND_PART = re.compile(r"<command-(name|args)>(.*?)</command-", re.DOTALL)
_SHELL_COMMAND = re.compile(r"\s*<bash-input>")
_IDE_CONTEXT = re.compile(r"<(ide_\w+)>.*?</\1>", re.DOTALL)
_NOT_TYPED = re.compile(
    r"\s*(<(local-command-\w+|bash-stdout|bash-stderr|task-notification|system-reminder|fork-boilerplate)>"
    r"|<teammate-message\b|\[Request interrupted by user|Caveat: The messages below were generated"
    r"|This session is being continued from a previous conversation)"
)


@dataclass(slots=True)
class ConversationCount:
    """The count of a session or of a subagent; `add` takes its lines in their order."""

    is_subagent: bool = False
    subagents: dict[str, ConversationCount] = field(default_factory=dict)
    """By `agent-<id>`: until 2.0, subagents wrote into the file of their session."""
    _tally: Tally = field(default_factory=Tally)
    _usages: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    """The tokens of each response."""
    _with_content: set[tuple[str, str]] = field(default_factory=set)
    """The responses that consist of more than thinking."""
    _ids: set[str] = field(default_factory=set)
    """Of lines and calls: copies of a session, and older versions, have some of them twice."""
    _sidechains: dict[str, str] = field(default_factory=dict)
    """The subagent of each sidechain line in a session's file, by the ids of line and response."""
    _queued: list[str] = field(default_factory=list)
    """Prompts that the agent has not yet taken out of its queue."""
    _taken: list[str] = field(default_factory=list)
    """Prompts that it has taken out, and that no other line repeats so far."""
    _absorbed: list[str] = field(default_factory=list)
    """The same, of prompts that no line puts into the queue."""
    _has_open_command: bool = False
    """Whether the last command may still turn out to begin a turn."""
    _turn: int = 0
    """Counts prompts and results: they separate responses that share an id."""

    def add(self, line: Json | None) -> None:
        """Count a line; None for a damaged one."""
        if line is None:
            self._tally.unreadable += 1
            return
        if line.get("isSidechain") is True and not self.is_subagent:
            self._subagent(line).add(line)
            return
        self._tally.agent_version = as_text(line.get("version")) or self._tally.agent_version
        if as_text(line.get("type")) not in LINE_TYPES:
            self._tally.unknown[as_text(line.get("type")) or "line without a type"] += 1
        elif self._is_new(as_text(line.get("uuid"))):
            self._tally.recognized += 1
            self._add_known(line)

    def _subagent(self, line: Json) -> ConversationCount:
        line_id, parent_id = as_text(line.get("uuid")), as_text(line.get("parentUuid"))
        response_id = as_text(as_dict(line.get("message")).get("id"))
        relatives = (self._sidechains.get(relative) for relative in (response_id, parent_id))
        name = as_text(line.get("agentId")) or next(filter(None, relatives), line_id)
        self._sidechains |= {relative: name for relative in (response_id, line_id) if relative}
        return self.subagents.setdefault(f"agent-{name}", ConversationCount(is_subagent=True))

    def _is_new(self, line_id: str) -> bool:
        is_new = not line_id or line_id not in self._ids
        self._ids.add(line_id)
        return is_new

    def _add_known(self, line: Json) -> None:
        match line["type"]:
            case "user":
                self._add_user_line(line, self._known_blocks(line))
            case "assistant":
                self._add_response_line(line, self._known_blocks(line))
            case "attachment":
                self._add_attachment(as_dict(line.get("attachment")))
            case "queue-operation":
                self._add_queue_operation(line)
            case "system" if _COMMAND.match(_text(_blocks(line))):
                self._unqueue(_command_line(_text(_blocks(line))))
                self._tally.add("utterances", is_sure=False)

    def _known_blocks(self, line: Json) -> list[Json]:
        blocks = _blocks(as_dict(line.get("message")))
        kinds = [as_text(block.get("type")) for block in blocks]
        unknown = [f"block {kind}" for kind in kinds if kind not in BLOCK_TYPES]
        self._tally.unknown.update(kind for kind in unknown if not kind.endswith(_TOOL_BLOCKS))
        if not blocks:
            self._tally.unknown[f"{line['type']} without content"] += 1
        return blocks

    def _add_user_line(self, line: Json, blocks: list[Json]) -> None:
        text = _IDE_CONTEXT.sub("", _text(blocks))
        results = sum("tool_use_id" in block for block in blocks)
        has_file = any(block.get("type") in ("image", "document") for block in blocks)
        is_injected = any(line.get(flag) for flag in _INJECTED_FLAGS)
        if results:
            self._tally.add("tool_results", results)
            self._turn += 1
            texts = [as_text(block.get("text")) for block in blocks]
            if not is_injected and any(_is_typed_beside_results(line, text) for text in texts):
                self._close_command(begins_turn=False)
                self._unqueue(text, by_order=False)
                self._tally.add("utterances")
        elif is_injected:
            return
        elif _COMMAND.match(text):
            self._close_command(begins_turn=False)
            self._unqueue(_command_line(text))
            self._has_open_command = True
        elif _SHELL_COMMAND.match(text):
            self._tally.add("utterances", is_sure=False)
        elif _is_typed(line, text) and (text.strip() or has_file):
            self._add_prompt(text)
        else:
            self._close_command(begins_turn=False)

    def _add_prompt(self, text: str) -> None:
        self._turn += 1
        self._close_command(begins_turn=False)
        self._unqueue(text)
        self._tally.add("utterances")

    def _close_command(self, *, begins_turn: bool) -> None:
        self._tally.add("utterances", int(self._has_open_command), is_sure=begins_turn)
        self._has_open_command = False

    def _add_response_line(self, line: Json, blocks: list[Json]) -> None:
        message = as_dict(line.get("message"))
        if line.get("isApiErrorMessage") or message.get("model") == "<synthetic>":
            return
        self._close_command(begins_turn=True)
        message_id = as_text(message.get("id")) or as_text(line.get("uuid"))
        response = message_id, as_text(line.get("requestId")) or f"turn {self._turn}"
        counts = self._usages.setdefault(response, Counter())
        counts |= self._usage(
            as_dict(message.get("usage"))
        )  # the first lines of a stream count less
        for block in blocks:
            kind = as_text(block.get("type"))
            is_call = kind.endswith("tool_use") and self._is_new(f"{response} {block.get('id')}")
            self._tally.add("tool_calls", int(is_call))
            self._tally.add("tool_results", int("tool_use_id" in block))
            if kind not in BLOCK_TYPES or as_text(block.get("text")).strip():
                self._with_content.add(response)

    def _usage(self, usage: Json) -> Counter[str]:
        unknown = unknown_fields(usage, USAGE_FIELDS)
        self._tally.unknown.update(f"usage.{name}" for name, _ in unknown)
        calls = dicts_in(usage, "iterations")
        advice = [call for call in calls if as_text(call.get("type")) not in _IN_TOTALS]
        return Counter(
            read=_prompt_tokens(usage),
            written=as_count(usage.get("output_tokens")),
            advice_read=sum(map(_prompt_tokens, advice)),
            advice_written=sum(as_count(call.get("output_tokens")) for call in advice),
        )

    def _add_attachment(self, attachment: Json) -> None:
        is_prompt = attachment.get("commandMode", "prompt") == "prompt"
        text = _text(_blocks({"content": attachment.get("prompt")}))
        if attachment.get("type") != "queued_command":
            # Attachments are context for the model, of ever new types, unless somebody said them.
            if "commandMode" in attachment or "humanTurn" in attachment:
                self._tally.unknown[f"attachment {attachment.get('type')}"] += 1
        elif is_prompt and _is_typed(attachment, text):
            self._add_prompt(text)

    def _add_queue_operation(self, line: Json) -> None:
        operation, text = line.get("operation"), _text(_blocks(line))
        if not self._is_new(f"{line.get('timestamp')} {operation} {text}"):  # they have no uuid
            return
        if operation == "enqueue" and not _NOT_TYPED.match(text):
            self._ids.add(f"queued {text}")
            self._queued.append(text)
        elif operation == "remove" and text and self._is_new(f"queued {text}"):
            self._absorbed += [] if _NOT_TYPED.match(text) else [text]
        elif operation in ("dequeue", "remove") and self._queued:
            index = self._queued.index(text) if text in self._queued else 0
            self._taken.append(self._queued.pop(index))
        elif operation == "popAll":  # back into the input line, to be edited
            self._tally.add("utterances", len(self._queued), is_sure=False)
            self._queued.clear()

    def _unqueue(self, text: str, *, by_order: bool = True) -> None:
        """Forget the queued prompt that a line repeats; `by_order`: perhaps with another text."""
        for prompts in (self._taken, self._absorbed, self._queued):
            if text in prompts:
                prompts.remove(text)
                return
        if by_order:
            del self._taken[:1]

    def finish(self) -> Tally:
        """Return the tally with what is only certain at the end of the file."""
        self._close_command(begins_turn=False)
        self._tally.add("utterances", len(self._taken) + len(self._absorbed))
        self._tally.add("utterances", len(self._queued), is_sure=False)
        for response, counts in self._usages.items():
            self._tally.add("responses", is_sure=response in self._with_content)
            self._tally.add("prompt_tokens", counts["read"])
            self._tally.add("completion_tokens", counts["written"])
            self._tally.add("prompt_tokens", counts["advice_read"], is_sure=False)
            self._tally.add("completion_tokens", counts["advice_written"], is_sure=False)
        return self._tally


def _is_typed(line: Json, text: str) -> bool:
    """Whether a person typed a prompt; versions before 2.1 say so in no field."""
    kind = as_dict(line.get("origin")).get("kind")
    source = line.get("promptSource")
    if kind or source:
        return kind == "human" if kind else source in ("typed", "queued", "sdk")
    return not _NOT_TYPED.match(text)


def _is_typed_beside_results(line: Json, text: str) -> bool:
    is_command = _COMMAND.match(text) or _SHELL_COMMAND.match(text)
    return bool(_IDE_CONTEXT.sub("", text).strip()) and not is_command and _is_typed(line, text)


def _prompt_tokens(usage: Json) -> int:
    written = sum(map(as_count, as_dict(usage.get("cache_creation")).values()))
    names = ("input_tokens", "cache_read_input_tokens")
    cached = max(as_count(usage.get("cache_creation_input_tokens")), written)
    return cached + sum(as_count(usage.get(name)) for name in names)


def _command_line(text: str) -> str:
    """Return a command as it was typed, `/name arguments`, of which a line holds the pieces."""
    parts = dict(_COMMAND_PART.findall(text))
    return f"{parts.get('name', '')} {parts.get('args', '')}".strip()


def _blocks(message: Json) -> list[Json]:
    """Return the content of a message; a bare text is one block."""
    content = message.get("content")
    return (
        [{"type": "text", "text": content}]
        if isinstance(content, str)
        else dicts_in(message, "content")
    )


def _text(blocks: Iterable[Json]) -> str:
    return "\n".join(filter(None, (as_text(block.get("text")) for block in blocks)))
