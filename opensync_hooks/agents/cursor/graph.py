"""The model's own view of a session: content-addressed blobs, hung on one root.

The root is protobuf (`agent.v1.ConversationStateStructure`): 1 the blobs of the messages in order,
which are JSON; 4 tools that still run; 9 the folders it was started in; 26 when it started. The
rest is left alone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from opensync_hooks.agents.cursor import prompts, timestamps, tools
from opensync_hooks.agents.cursor.conversation import Conversation, Step, text_parts
from opensync_hooks.agents.cursor.message_ids import Names
from opensync_hooks.agents.json_access import Value, items, part, record, string
from opensync_hooks.model import Part, Reasoning, ToolCall, ToolResult

ORIGIN = "graph"
_MESSAGES, _RUNNING, _FOLDERS, _STARTED = 1, 4, 9, 26
_BLOB_ID = 32

Blobs = Mapping[str, bytes]
Field = tuple[int, bytes | int]


@dataclass(frozen=True, slots=True)
class Graph:
    """The blobs of one session's messages, in order; None for one that is missing."""

    messages: tuple[bytes | None, ...] = field(repr=False)
    is_running: bool = False
    folders: tuple[str, ...] = ()
    started_at: int | None = None


def inline_root(state: str | None) -> bytes | None:
    """The root as the editor keeps it in a session's document; None where it is empty."""
    if not state or not state.startswith("~") or len(state) < 2:
        return None
    try:
        return base64.b64decode(state[1:], validate=False)
    except (binascii.Error, ValueError):
        return None


def load(root: bytes, get: Callable[[Iterable[str]], Blobs]) -> Graph:
    """The messages that hang on `root`. `get` raises for trouble, and leaves out what is gone."""
    messages: list[str] = []
    folders: list[str] = []
    started_at, is_running = None, False
    for number, value in fields(root):
        if number == _STARTED and isinstance(value, int):
            started_at = timestamps.absolute(value)
        elif isinstance(value, int):
            continue
        elif number == _MESSAGES and len(value) == _BLOB_ID:
            messages.append(value.hex())
        elif number == _FOLDERS:
            folders.append(value.decode("utf-8", "replace"))
        is_running = is_running or number == _RUNNING
    found = get(messages)
    return Graph(
        tuple(found.get(name) for name in messages), is_running, tuple(folders), started_at
    )


def fields(message: bytes) -> Iterator[Field]:
    """The fields of a protobuf message, up to where it stops being one."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        else:
            size = {1: 8, 5: 4}.get(kind, len(message))
        if number == 0 or at + size > len(message):
            return
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        at += 1
        found |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return found, at
    return 0, len(message) + 1


@dataclass(frozen=True, slots=True)
class Steps:
    """The messages of a graph as steps, decoded anew on each walk."""

    graph: Graph

    def __iter__(self) -> Iterator[Step]:
        names = Names()
        results = dict(_results(self.graph))
        for raw in self.graph.messages:
            message = record(raw)
            if message.get("role") == "user":
                yield from _said(message, names)
            elif message.get("role") == "assistant":
                parts = tuple(_parts(message, results))
                yield Step(names.within_turn(), "assistant", parts)
        for call_id, result in results.items():  # whose calls a compaction took away
            yield Step(f"result:{call_id}", "assistant", (result,))


def conversation(session_id: str, graph: Graph) -> Conversation:
    """The session as far as its graph goes: no times but the prompts', no tokens."""
    return Conversation(
        session_id=session_id,
        origin=ORIGIN,
        steps=Steps(graph),
        created_at=graph.started_at,
        is_settled=not graph.is_running and _is_answered(graph),
        requests=frozenset(filter(None, map(_request, map(record, graph.messages)))),
        skipped={"blob missing": missing} if (missing := graph.messages.count(None)) else {},
    )


def _is_answered(graph: Graph) -> bool:
    """Whether the last word is the agent's, and no tool's."""
    last = record(graph.messages[-1]) if graph.messages else {}
    kinds = [block.get("type") for block in blocks(last)]
    return last.get("role") == "assistant" and "tool-call" not in kinds


def blocks(message: Value) -> list[Value]:
    """The blocks of a message; a bare string is one text."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in items(message, "content") if isinstance(block, dict)]


def _said(message: Value, names: Names) -> Iterator[Step]:
    """A prompt, or a note. Rules, files and what else Cursor gives the model stays."""
    texts = (string(block, "text") for block in blocks(message) if block.get("type") == "text")
    for said in (prompts.read(text) for text in texts if text):
        if said.kind == "prompt" and said.text.strip():
            name, request = names.prompt(said.text), _request(message)
            yield Step(name, "user", text_parts(said.text), said.at, request_id=request)
        elif said.kind == "note":
            yield Step(names.within_turn(), "system", text_parts(said.text))


def _request(message: Value) -> str | None:
    return string(part(message, "providerOptions", "cursor"), "requestId")


def _parts(message: Value, results: dict[str, ToolResult]) -> Iterator[Part]:
    for block in blocks(message):
        kind, text = block.get("type"), string(block, "text")
        if kind == "text":
            yield from text_parts(text)
        elif kind == "reasoning" and text and text.strip():
            yield Reasoning(text)
        elif kind == "tool-call":
            name = string(block, "toolName") or "tool"
            call_id = string(block, "toolCallId") or name
            yield ToolCall(call_id, name, block.get("args") or {}, tools.category(name))
            if call_id in results:
                yield results.pop(call_id)


def _results(graph: Graph) -> Iterator[tuple[str, ToolResult]]:
    for raw in graph.messages:
        message = record(raw)
        for block in blocks(message) if message.get("role") == "tool" else ():
            call_id = string(block, "toolCallId")
            if block.get("type") == "tool-result" and call_id:
                yield call_id, _result(block, call_id)


def _result(block: Value, call_id: str) -> ToolResult:
    found: Any = block.get("result", block.get("output"))
    failed = block.get("isError") is True
    return ToolResult(call_id, string(block, "toolName") or "", tools.output(found), failed)
