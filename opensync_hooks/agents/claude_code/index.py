"""The first pass over a transcript: which lines belong to which message, without their content.

A transcript may have hundreds of megabytes. The index takes a few hundred bytes a line, and the
second pass (`messages`) reads one message at a time from the spans that are noted here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from opensync_hooks.agents.claude_code import line_types
from opensync_hooks.agents.claude_code.branches import START, Node, undone
from opensync_hooks.agents.claude_code.line_types import LineType
from opensync_hooks.agents.claude_code.lines import Span
from opensync_hooks.agents.json_access import get_str
from opensync_hooks.model import Json, Usage

_TITLE_SAMPLE = 400


@dataclass(slots=True)
class IndexedMessage:
    """The lines of one message: its own blocks, and the results of the tools that it called."""

    id: str
    type: LineType
    spans: list[Span] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    tool_ids: set[str] = field(default_factory=set)
    """The calls whose results belong to this message."""
    model: str | None = None
    usage: Usage | None = None
    began_at: int | None = None
    created_at: int | None = None
    ended_at: int | None = None
    undone: bool = False

    def add(self, span: Span, at: int | None) -> None:
        self.spans.append(span)
        if at is not None:
            self.created_at = at if self.created_at is None else self.created_at
            self.ended_at = at if self.ended_at is None else max(self.ended_at, at)


@dataclass(slots=True)
class Thread:
    """One conversation in a file: the main one, or a subagent's in a file that they share."""

    messages: dict[str, IndexedMessage] = field(default_factory=dict)
    """By id, in the order of the file."""
    nodes: list[Node] = field(default_factory=list)
    first_prompt: str = ""
    cwd: str | None = None
    git_branch: str | None = None
    version: str | None = None
    model: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    _by_tool_id: dict[str, IndexedMessage] = field(default_factory=dict)
    _node_by_uuid: dict[str, int] = field(default_factory=dict)

    def add(self, span: Span, line: Json, line_type: LineType) -> None:
        uuid = line["uuid"]
        if uuid in self._node_by_uuid:  # older versions repeated lines when a session was resumed
            return
        node = len(self.nodes)
        self.nodes.append(Node(self._parent(line, node), line_type))
        self._node_by_uuid[uuid] = node  # only now: a line that names itself has no such parent
        previous, at = self.updated_at, line_types.timestamp(line)
        self._note_facts(line, at if line_type != "other" else None)
        for message in self._messages_of(line, line_type):
            message.add(span, at)
            if line_type != "results":
                message.nodes.append(node)
            if message.began_at is None:
                message.began_at = previous
        if line_type == "prompt" and not self.first_prompt:
            self.first_prompt = line_types.text_of(line)[:_TITLE_SAMPLE]

    def mark_undone(self) -> None:
        """Mark the messages of which every line is on an abandoned branch."""
        gone = undone(self.nodes)
        for message in self.messages.values():
            message.undone = bool(message.nodes) and gone.issuperset(message.nodes)

    def _parent(self, line: Json, node: int) -> int:
        if line.get("parentUuid") is None and line.get("logicalParentUuid") is None:
            return START
        uuid = get_str(line, "parentUuid") or get_str(line, "logicalParentUuid")
        # A line whose parent could not be read continues the line before it, not the start.
        return self._node_by_uuid.get(uuid or "", node - 1)

    def _note_facts(self, line: Json, at: int | None) -> None:
        """Keep what lines say about the session: the first folder, and the last of the rest."""
        self.cwd = self.cwd or get_str(line, "cwd")
        self.git_branch = get_str(line, "gitBranch") or self.git_branch
        self.version = get_str(line, "version") or self.version
        if at is not None:
            self.created_at = at if self.created_at is None else min(self.created_at, at)
            self.updated_at = at if self.updated_at is None else max(self.updated_at, at)

    def _messages_of(self, line: Json, line_type: LineType) -> Iterable[IndexedMessage]:
        """Return the messages that the line is a part of."""
        if line_type == "other":
            return ()
        if line_type == "results":
            return self._callers(line)
        if line_type == "assistant":
            return (self._response(line),)
        return (self._message(line["uuid"], line_type),)

    def _response(self, line: Json) -> IndexedMessage:
        message = self._message(get_str(line, "message", "id") or line["uuid"], "assistant")
        message.model = self.model = get_str(line, "message", "model") or message.model
        usage = line_types.usage(line)
        # Early lines of a stream have early counts: the largest of each count is the final one.
        message.usage = usage.largest(message.usage or usage) if usage else message.usage
        for block in line_types.content_blocks(line):
            if isinstance(block.get("id"), str) and "name" in block:
                self._by_tool_id[block["id"]] = message
                message.tool_ids.add(block["id"])
        return message

    def _callers(self, line: Json) -> Iterable[IndexedMessage]:
        """Return the messages whose tools answer here; without one, the line is its own message."""
        callers: dict[str, IndexedMessage] = {}
        for block in line_types.content_blocks(line):
            tool_id = block.get("tool_use_id")
            caller = self._by_tool_id.get(tool_id) if isinstance(tool_id, str) else None
            if caller is None:
                caller = self._message(line["uuid"], "injected")
                caller.tool_ids.add(str(tool_id))
            callers[caller.id] = caller
        return callers.values()

    def _message(self, message_id: str, line_type: LineType) -> IndexedMessage:
        return self.messages.setdefault(message_id, IndexedMessage(message_id, line_type))


@dataclass(slots=True)
class TranscriptIndex:
    """All threads of one file, and what its bookkeeping lines say about the session."""

    main: Thread = field(default_factory=Thread)
    sidechains: dict[str, Thread] = field(default_factory=dict)
    custom_title: str | None = None
    ai_title: str | None = None
    relocated_cwd: str | None = None
    session_id: str | None = None
    """From the first line; in a subagent's file, the id of the session that it belongs to."""
    _sidechain_of: dict[str, str] = field(default_factory=dict)

    def add(self, span: Span, line: Json, *, is_subagent_file: bool) -> None:
        """Add a line. In a subagent's own file, its sidechain is the main thread."""
        line_type = line_types.line_type(line)
        self.session_id = self.session_id or get_str(line, "sessionId")
        if line_type is None:
            self._note_bookkeeping(line)
        elif line.get("isSidechain") and not is_subagent_file:
            self._sidechain(line).add(span, line, line_type)
        else:
            self.main.add(span, line, line_type)

    def _note_bookkeeping(self, line: Json) -> None:
        match line.get("type"):
            case "custom-title":
                self.custom_title = get_str(line, "customTitle") or self.custom_title
            case "ai-title":
                self.ai_title = get_str(line, "aiTitle") or self.ai_title
            case "relocated":
                self.relocated_cwd = get_str(line, "relocatedCwd") or self.relocated_cwd

    def _sidechain(self, line: Json) -> Thread:
        """Return the subagent's thread: until 2.0, subagents wrote into their session's file."""
        response_id, parent = get_str(line, "message", "id"), get_str(line, "parentUuid")
        earlier = (self._sidechain_of.get(key or "") for key in (response_id, parent))
        root = get_str(line, "agentId") or next(filter(None, earlier), line["uuid"])
        self._sidechain_of.update((key, root) for key in (response_id, line["uuid"]) if key)
        return self.sidechains.setdefault(root, Thread())
