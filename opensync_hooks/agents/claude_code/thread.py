"""One conversation of a transcript: which lines belong to which message, without their content."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import field, replace

from opensync_hooks.agents.claude_code import line_types
from opensync_hooks.agents.claude_code.branches import START, Node, Nodes, undone
from opensync_hooks.agents.claude_code.content import content_blocks, text_of
from opensync_hooks.agents.claude_code.line_types import LineType
from opensync_hooks.agents.claude_code.lines import Span
from opensync_hooks.agents.claude_code.queued import PromptQueue
from opensync_hooks.agents.claude_code.responses import Responses
from opensync_hooks.agents.claude_code.usage import ResponseUsage
from opensync_hooks.agents.claude_code.user_lines import (
    is_injected,
    text_beside_results,
    typed_text,
)
from opensync_hooks.agents.json_access import get_float, get_str
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import AgentTotal, Json

_TITLE_SAMPLE = 400


@dataclass(slots=True)
class IndexedMessage:
    """The lines of one message: its own blocks, and the results of the tools that it called."""

    id: str
    type: LineType
    tool_ids: list[str] = field(default_factory=list)
    """The calls whose results belong to this message."""
    charge_id: str = ""
    made_in: str | None = None
    """The session that a fork copied the response from; versions before 2.1.330 do not say."""
    queued_id: str | None = None
    """The id under which the prompt was known while only the queue had it."""
    model: str | None = None
    usage: ResponseUsage | None = None
    began_at: int | None = None
    created_at: int | None = None
    ended_at: int | None = None
    undone: bool = False
    _lines: array[int] = field(default_factory=lambda: array("q"))
    """Four numbers each: a transcript has too many lines for an object of each."""

    @property
    def spans(self) -> Iterator[Span]:
        return map(Span, self._lines[::4], self._lines[1::4], self._lines[2::4])

    @property
    def nodes(self) -> list[int]:
        """The lines that are the message's own in the tree."""
        return [node for node in self._lines[3::4] if node >= 0]

    def add(self, span: Span, at: int | None, node: int = -1) -> None:
        self._lines.extend((span.offset, span.length, span.file, node))
        if at is not None:
            self.created_at = at if self.created_at is None else self.created_at
            self.ended_at = at if self.ended_at is None else max(self.ended_at, at)


@dataclass(slots=True)
class Thread:
    """One conversation in a file: the main one, or a subagent's in a file that they share."""

    messages: dict[str, IndexedMessage] = field(default_factory=dict)
    """By id, in the order of the file."""
    nodes: Nodes = field(default_factory=Nodes)
    first_prompt: str = ""
    folders: dict[str, None] = field(default_factory=dict)
    """Every `cwd`, in the order of their first lines."""
    git_branch: str | None = None
    version: str | None = None
    model: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    agent_totals: list[AgentTotal] = field(default_factory=list)
    last_charge_id: str = ""
    _queued_texts: dict[str, str] = field(default_factory=dict)
    """Of the prompts that were read from the queue, by the ids of their messages."""
    _queue: PromptQueue = field(default_factory=PromptQueue)
    _responses: Responses = field(default_factory=Responses)
    _open_command: tuple[IndexedMessage, str] | None = None
    """The last command and its text, as long as nothing shows whether it begins a turn."""
    _by_tool_id: dict[str, IndexedMessage] = field(default_factory=dict)
    _node_by_uuid: dict[str, int] = field(default_factory=dict)

    def __contains__(self, uuid: str | None) -> bool:
        return uuid in self._node_by_uuid

    @property
    def first_queued(self) -> str:
        """The first prompt that only the queue has."""
        texts = (text for id_, text in self._queued_texts.items() if id_ in self.messages)
        return next(texts, "")

    @property
    def began_at(self) -> int | None:
        """When the first line was written; in a thread of the queue alone, the first prompt."""
        times = (message.created_at for message in self.messages.values())
        return self.created_at or min(filter(None, times), default=None)

    def add(self, span: Span, line: Json, line_type: LineType) -> None:
        if line["uuid"] in self:  # another copy, or a line that was repeated by an older version
            index = self._node_by_uuid[line["uuid"]]
            node = self.nodes[index]
            self.nodes[index] = replace(node, files=node.files | 1 << span.file)
            return
        if line_type == "queued" and get_str(line, "attachment", "source_uuid") in self:
            line_type = "other"  # the prompt has a line of its own
        index = self._add_node(line, line_type, span.file)
        previous, at = self.updated_at, line_types.timestamp(line)
        self._note_facts(line, at if line_type != "other" else None)
        if line_type == "queued" or line.get("type") == "user":
            self._responses.begin_turn()
        for message in self._messages_of(line, line_type):
            is_own = line_type != "results" or message.id == line["uuid"]
            message.add(span, at, index if is_own else -1)
            if message.began_at is None:
                message.began_at = previous

    def add_queue_operation(self, span: Span, line: Json) -> None:
        if not self._queue.is_new(line, span.file):
            return
        if line.get("operation") == "enqueue" or self._queue.is_first_mention(line):
            prompt = self._queue.enqueue(line)
            if not is_injected(line, prompt.text) and prompt.id not in self.messages:
                self._message(prompt.id, "queued").add(span, line_types.timestamp(line))
                self._queued_texts[prompt.id] = prompt.text[:_TITLE_SAMPLE]
        for prompt in self._queue.apply(line):
            self.messages.pop(prompt.id, None)

    def add_cost_state(self, line: Json) -> None:
        """Note what Claude Code says when it ends: the cost so far, of earlier runs, too."""
        cost = get_float(line, "totalCostUSD")
        if cost is not None:
            is_guess = line.get("hasUnknownModelCost") is True
            self.agent_totals.append(AgentTotal(cost, self.last_charge_id, is_guess))

    def mark_undone(self) -> frozenset[int]:
        """Mark the messages of which every line is on an abandoned branch; return these lines."""
        gone = undone(self.nodes) if self.nodes.have_siblings else frozenset[int]()
        for message in self.messages.values():
            nodes = message.nodes if gone else ()
            message.undone = bool(nodes) and gone.issuperset(nodes)
        return gone

    @property
    def is_at_rest(self) -> bool:
        """Whether a prompt that follows has to do with no earlier line but its parent."""
        is_begun = self.nodes and self.first_prompt and self.created_at is not None
        return self._queue.is_empty and bool(is_begun)

    @property
    def is_command_open(self) -> bool:
        """Whether only a later line tells if the last command begins a turn."""
        return self._open_command is not None

    def calls_tool(self, tool_id: str) -> bool:
        return tool_id in self._by_tool_id

    def continue_from(self, uuid: str) -> None:
        """Let a line that was read before be the parent of those that follow."""
        if not self.nodes:
            self.nodes.append(Node(START, "other"))
        self._node_by_uuid.setdefault(uuid, 0)

    def _add_node(self, line: Json, line_type: LineType, file: int) -> int:
        index = len(self.nodes)
        node = Node(
            parent=self._parent(line, line_type, index),
            type=line_type,
            is_typed=line_type == "prompt" and line.get("promptSource") != "queued",
            is_compaction=line_types.is_compaction(line),
            files=1 << file,
        )
        self.nodes.append(node)
        # Only now, as a line that names itself has no such parent.
        self._node_by_uuid[line["uuid"]] = index
        if line_type == "queued" and (source_uuid := get_str(line, "attachment", "source_uuid")):
            self._node_by_uuid.setdefault(source_uuid, index)
        return index

    def _parent(self, line: Json, line_type: LineType, index: int) -> int:
        uuid = get_str(line, "parentUuid")
        if uuid is None:
            return START
        # The parent may be lost. What no person typed continues the line before it, not the start.
        return self._node_by_uuid.get(uuid, START if line_type == "prompt" else index - 1)

    def _note_facts(self, line: Json, at: int | None) -> None:
        """Keep what lines say about the session: all folders, and the last of the rest."""
        if folder := get_str(line, "cwd"):
            self.folders[folder] = None
        self.git_branch = get_str(line, "gitBranch") or self.git_branch
        self.version = get_str(line, "version") or self.version
        if at is not None:
            self.created_at = at if self.created_at is None else min(self.created_at, at)
            self.updated_at = at if self.updated_at is None else max(self.updated_at, at)

    def _messages_of(self, line: Json, line_type: LineType) -> Iterable[IndexedMessage]:
        """Return the messages that the line is a part of."""
        match line_type:
            case "other":
                return ()
            case "results":
                return self._callers(line)
            case "assistant":
                return (self._response(line),)
            case "prompt" | "command" | "queued":
                return (self._prompt(line, line_type),)
        if line_type == "injected" and not line.get("isMeta"):
            self._queue.match(text_of(line), by_order=False)
            self._open_command = None
        return (self._message(line["uuid"], line_type),)

    def _prompt(self, line: Json, line_type: LineType) -> IndexedMessage:
        message, text = self._message(line["uuid"], line_type), typed_text(line)
        may_differ = line_type != "queued" and line.get("promptSource") != "typed"
        self._unqueue(message, text, by_order=may_differ)
        self._open_command = (message, text[:_TITLE_SAMPLE]) if line_type == "command" else None
        if line_type != "command":
            self.first_prompt = self.first_prompt or text[:_TITLE_SAMPLE]
        return message

    def _unqueue(self, message: IndexedMessage, text: str, *, by_order: bool) -> None:
        """Have the message take the place of the queued prompt that it repeats."""
        if queued := self._queue.match(text, by_order=by_order):
            message.queued_id = queued.id
            self.messages.pop(queued.id, None)

    def _response(self, line: Json) -> IndexedMessage:
        self._begin_turn_of_command()
        response = self._responses.identify(line)
        message = self._message(response.message_id, "assistant")
        message.charge_id = self.last_charge_id = response.charge_id
        if (session_id := get_str(line, "requestSessionId")) != get_str(line, "sessionId"):
            message.made_in = session_id
        model = get_str(line, "message", "model") or message.model
        message.model = self.model = sys.intern(model) if model else model
        usage = ResponseUsage.of_line(line)
        message.usage = usage.merged(message.usage) if usage else message.usage
        for block in content_blocks(line):
            if isinstance(block.get("id"), str) and "name" in block:
                if self._by_tool_id.get(block["id"]) is not message:
                    message.tool_ids.append(block["id"])
                self._by_tool_id[block["id"]] = message
        return message

    def _begin_turn_of_command(self) -> None:
        if self._open_command is None:
            return
        command, text = self._open_command
        command.type = "prompt"
        for node in command.nodes:
            self.nodes[node] = replace(self.nodes[node], type="prompt", is_typed=True)
        self.first_prompt = self.first_prompt or text
        self._open_command = None

    def _callers(self, line: Json) -> Iterable[IndexedMessage]:
        """Return the messages whose tools answer here.

        Results without one, and texts beside them, are a message of their own.
        """
        callers: dict[str, IndexedMessage] = {}
        for block in content_blocks(line):
            tool_id = block.get("tool_use_id")
            caller = self._by_tool_id.get(tool_id) if isinstance(tool_id, str) else None
            if caller is None:
                caller = callers.get(line["uuid"]) or self._beside_results(line)
                caller.tool_ids.append(str(tool_id))
            callers[caller.id] = caller
        return callers.values()

    def _beside_results(self, line: Json) -> IndexedMessage:
        text = text_beside_results(line)
        if not text:
            return self._message(line["uuid"], "injected")
        message = self._message(line["uuid"], "prompt")
        self._unqueue(message, text, by_order=False)
        return message

    def _message(self, message_id: str, line_type: LineType) -> IndexedMessage:
        return self.messages.setdefault(message_id, IndexedMessage(message_id, line_type))
