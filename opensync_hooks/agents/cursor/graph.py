"""The model's own view of a session: content-addressed blobs below one root.

The root is a protobuf message, `agent.v1.ConversationStateStructure`. Its fields that matter here:
1 the ids of the messages in order, whose blobs are JSON; 4 tools that are still running; 9 the
folders of the session; 26 when it started.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from opensync_hooks.agents.cursor import prompts, timestamps, tools
from opensync_hooks.agents.cursor.conversation import Conversation, Step, answer_parts, text_parts
from opensync_hooks.agents.cursor.message_ids import MessageIds
from opensync_hooks.agents.json_access import as_dict, get_dicts, get_str
from opensync_hooks.model import Json, Part, Reasoning, ToolCall, ToolResult

ORIGIN = "graph"
_MESSAGES, _RUNNING, _FOLDERS, _STARTED = 1, 4, 9, 26
_BLOB_ID_LENGTH = 32

Blobs = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Graph:
    """The blobs of one session's messages, in order; None for a blob that is missing."""

    messages: tuple[bytes | None, ...] = field(repr=False)
    is_running: bool = False
    folders: tuple[str, ...] = ()
    started_at: int | None = None


def inline_root(state: str | None) -> bytes | None:
    """Decode the root in a session's document; None if it is empty."""
    if not state or not state.startswith("~") or len(state) < 2:
        return None
    try:
        return base64.b64decode(state[1:], validate=False)
    except (binascii.Error, ValueError):
        return None


def load(root: bytes, get_blobs: Callable[[Iterable[str]], Blobs]) -> Graph:
    """Load the messages below `root`. `get_blobs` leaves out the blobs that do not exist."""
    blob_ids: list[str] = []
    folders: list[str] = []
    started_at, is_running = None, False
    for number, value in protobuf_fields(root):
        if number == _STARTED and isinstance(value, int):
            started_at = timestamps.valid_ms(value)
        elif isinstance(value, int):
            continue
        elif number == _MESSAGES and len(value) == _BLOB_ID_LENGTH:
            blob_ids.append(value.hex())
        elif number == _FOLDERS:
            folders.append(value.decode("utf-8", "replace"))
        is_running = is_running or number == _RUNNING
    blobs = get_blobs(blob_ids)
    messages = tuple(blobs.get(blob_id) for blob_id in blob_ids)
    return Graph(messages, is_running, tuple(folders), started_at)


def protobuf_fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield the fields of a protobuf message, with their numbers, up to where it is damaged."""
    offset = 0
    while offset < len(message):
        key, offset = _varint(message, offset)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, offset = _varint(message, offset)
            yield number, value
            continue
        if wire_type == 2:
            size, offset = _varint(message, offset)
        else:
            size = {1: 8, 5: 4}.get(wire_type, len(message))
        if number == 0 or offset + size > len(message):
            return
        yield number, message[offset : offset + size]
        offset += size


def _varint(message: bytes, offset: int) -> tuple[int, int]:
    """Return a number and the offset behind it; an offset behind the end if it is damaged."""
    number = shift = 0
    while offset < len(message) and shift < 70:
        byte = message[offset]
        offset += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, offset
    return 0, len(message) + 1


@dataclass(frozen=True, slots=True)
class GraphSteps:
    """The messages of a graph as steps, decoded anew in each iteration."""

    graph: Graph

    def __iter__(self) -> Iterator[Step]:
        ids = MessageIds()
        results = dict(_results(map(as_dict, self.graph.messages)))
        for message in map(as_dict, self.graph.messages):
            if message.get("role") == "user":
                yield from _user_steps(message, ids)
            elif message.get("role") == "assistant":
                parts = tuple(_parts(message, results))
                yield Step(ids.within_turn(), "assistant", parts)
        for call_id, result in results.items():  # a compaction removed their calls
            yield Step(f"result:{call_id}", "assistant", (result,))


def to_conversation(session_id: str, graph: Graph) -> Conversation:
    """Return the session as its graph holds it: no tokens, and no times but those of prompts."""
    last = as_dict(graph.messages[-1]) if graph.messages else {}
    block_types = {block.get("type") for block in content_blocks(last)}
    is_answered = last.get("role") == "assistant" and "tool-call" not in block_types
    missing = graph.messages.count(None)
    return Conversation(
        session_id=session_id,
        origin=ORIGIN,
        steps=GraphSteps(graph),
        created_at=graph.started_at,
        is_settled=not graph.is_running and is_answered,
        request_ids=frozenset(filter(None, map(_request_id, map(as_dict, graph.messages)))),
        skipped={"blob missing": missing} if missing else {},
    )


def content_blocks(message: Json) -> list[Json]:
    """Return the blocks of a message; a bare string is one text block."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return get_dicts(message, "content")


def _user_steps(message: Json, ids: MessageIds) -> Iterator[Step]:
    """Yield prompts and notes; rules, files and other context for the model stay here."""
    for block in content_blocks(message):
        text = get_str(block, "text") if block.get("type") == "text" else None
        if not text:
            continue
        user_text = prompts.parse(text)
        parts = text_parts(user_text.text)
        if user_text.kind == "prompt" and parts:
            yield Step(
                id=ids.prompt(user_text.text),
                role="user",
                parts=parts,
                created_at=user_text.sent_at,
                request_id=_request_id(message),
            )
        elif user_text.kind == "note":
            yield Step(ids.within_turn(), "system", parts)


def _request_id(message: Json) -> str | None:
    return get_str(message, "providerOptions", "cursor", "requestId")


def _parts(message: Json, results: dict[str, ToolResult]) -> Iterator[Part]:
    for block in content_blocks(message):
        block_type, text = block.get("type"), get_str(block, "text")
        if block_type == "text":
            yield from answer_parts(text)
        elif block_type == "reasoning" and text and text.strip():
            yield Reasoning(text)
        elif block_type == "tool-call":
            name = get_str(block, "toolName") or "tool"
            call_id = get_str(block, "toolCallId") or name
            yield ToolCall(call_id, name, block.get("args") or {}, tools.category(name))
            if call_id in results:
                yield results.pop(call_id)


def _results(messages: Iterable[Json]) -> Iterator[tuple[str, ToolResult]]:
    for message in messages:
        for block in content_blocks(message) if message.get("role") == "tool" else ():
            call_id = get_str(block, "toolCallId")
            if block.get("type") == "tool-result" and call_id:
                name = get_str(block, "toolName") or ""
                output = tools.output_text(block.get("result", block.get("output")))
                yield call_id, ToolResult(call_id, name, output, block.get("isError") is True)
