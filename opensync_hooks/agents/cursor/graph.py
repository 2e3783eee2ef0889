"""The model's own view of a session: content-addressed blobs below one root.

The root is a protobuf message, `agent.v1.ConversationStateStructure`. Its fields that matter here:

    1         the ids of the messages in order, whose blobs are JSON
    4         tools that are still running
    8         the ids of the turns, see `turns`
    9         the folders of the session
    11, 13    one archive for each compaction: 1 ids of messages, 2 the summary, 4 its message's id
    19        the branch
    26        when the session started

A compaction replaces the first messages by their summary. The archives hold what it replaced.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import field, replace

from opensync_hooks.agents.cursor import prompts, protobuf, timestamps, tools, turns, unknown
from opensync_hooks.agents.cursor.conversation import Conversation, Step, answer_parts, text_parts
from opensync_hooks.agents.cursor.message_ids import MessageIds
from opensync_hooks.agents.cursor.turns import BLOB_ID_LENGTH, GetBlobs, Turn, TurnCursor
from opensync_hooks.agents.json_access import as_dict, content_blocks, get, get_str
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json, Part, Reasoning, Skipped, ToolCall, ToolResult

ORIGIN = "graph"
_MESSAGES, _RUNNING, _TURNS, _FOLDERS, _BRANCH, _STARTED = 1, 4, 8, 9, 19, 26
_ARCHIVES = (11, 13)
_SUMMARY_TEXT, _SUMMARY_ID = 2, 4


@dataclass(frozen=True, slots=True)
class Graph:
    """The blobs of one session's messages, in order; None for a blob that is missing."""

    messages: tuple[bytes | None, ...] = field(repr=False)
    turns: tuple[Turn, ...] = field(default=(), repr=False)
    branch: str | None = None
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


def load(root: bytes, get_blobs: GetBlobs) -> Graph:
    """Load everything below `root`."""
    values: dict[int, list[bytes | int]] = {}
    for number, value in protobuf.fields(root):
        values.setdefault(number, []).append(value)
    texts = {number: [value for value in listed if isinstance(value, bytes)]
             for number, listed in values.items()}  # fmt: skip
    started = [value for value in values.get(_STARTED, ()) if isinstance(value, int)]
    archives = [archive for number in _ARCHIVES for archive in texts.get(number, ())]
    return Graph(
        messages=tuple(_messages(texts.get(_MESSAGES, []), archives, get_blobs)),
        turns=turns.load(texts.get(_TURNS, ()), get_blobs),
        branch=next((name.decode("utf-8", "replace") for name in texts.get(_BRANCH, ())), None),
        is_running=_RUNNING in values,
        folders=tuple(uri.decode("utf-8", "replace") for uri in texts.get(_FOLDERS, ())),
        started_at=timestamps.valid_ms(next(iter(started), None)),
    )


def _messages(
    ids: list[bytes], archives: Iterable[bytes], get_blobs: GetBlobs
) -> Iterator[bytes | None]:
    """Yield the archived messages, each archive's summary after them, and then the root's own."""
    archived: list[bytes | None] = []
    for reference in archives:
        is_id = len(reference) == BLOB_ID_LENGTH
        archive = get_blobs([reference.hex()]).get(reference.hex(), b"") if is_id else reference
        message_ids = [value for number, value in protobuf.fields(archive) if number == _MESSAGES]
        loaded = _load(filter(_is_blob_id, message_ids), get_blobs)
        summary = _load([protobuf.first(archive, _SUMMARY_ID)], get_blobs)[0]
        archived = [*_joined(archived, loaded), summary or _summary(archive)]
    yield from _joined(archived, _load(filter(_is_blob_id, ids), get_blobs))


def _is_blob_id(value: bytes | int) -> bool:
    return isinstance(value, bytes) and len(value) == BLOB_ID_LENGTH


def _load(ids: Iterable[bytes | int], get_blobs: GetBlobs) -> list[bytes | None]:
    names = [blob_id.hex() for blob_id in ids if isinstance(blob_id, bytes)]
    blobs = get_blobs(names)
    return [blobs.get(name) for name in names]


def _summary(archive: bytes) -> bytes:
    """Return a message like the one that Cursor makes of a summary."""
    text = protobuf.first(archive, _SUMMARY_TEXT).decode("utf-8", "replace")
    content = f"{prompts.SUMMARY}: {text}" if text.strip() else ""
    return json.dumps({"role": "user", "content": content}).encode()


def _joined(earlier: list[bytes | None], later: list[bytes | None]) -> list[bytes | None]:
    """Return both lists, without what the later one repeats around a compaction.

    That is its summary, messages that were archived and kept as well, and the prompt on which the
    agent was working.
    """
    if not earlier:
        return later
    new = [message for message in later if not _is_context(message)]
    while new and new[0] in earlier and _is_summary(as_dict(new[0])):
        del new[0]
    before = earlier[:-1] if _is_summary(as_dict(earlier[-1])) else earlier
    sizes = range(min(len(before), len(new)), 0, -1)
    overlap = next((size for size in sizes if before[-size:] == new[:size]), 0)
    if not overlap and new and before and not _is_answered(before[-1]):
        user_messages = [message for message in before if as_dict(message).get("role") == "user"]
        overlap = int(new[0] in user_messages[-1:])
    return [*earlier, *new[overlap:]]


def _is_context(message: bytes | None) -> bool:
    value = as_dict(message)
    texts = [get_str(block, "text") or "" for block in content_blocks(value)]
    is_context = bool(texts) and all(prompts.parse(text).kind == "context" for text in texts)
    return value.get("role") == "system" or (value.get("role") == "user" and is_context)


def _is_summary(message: Json) -> bool:
    texts = (get_str(block, "text") or "" for block in content_blocks(message))
    is_marked = get(message, "providerOptions", "cursor", "isSummary") is True
    return is_marked or any(text.startswith(prompts.SUMMARY) for text in texts)


def _is_answered(message: bytes | None) -> bool:
    """Whether this is the last message of a turn."""
    value = as_dict(message)
    has_calls = any(block.get("type") == "tool-call" for block in content_blocks(value))
    return value.get("role") == "assistant" and not has_calls


@dataclass(frozen=True, slots=True)
class GraphSteps:
    """The messages of a graph as steps, decoded anew in each iteration."""

    graph: Graph

    def __iter__(self) -> Iterator[Step]:
        ids = MessageIds()
        results = dict(_results(map(as_dict, self.graph.messages)))
        cursor = TurnCursor(deque(self.graph.turns))
        summaries: list[Json] = []
        for message in map(as_dict, self.graph.messages):
            is_user = message.get("role") == "user"
            if is_user and _is_summary(message):
                summaries.append(message)
                continue
            words = _prompt_words(message) if is_user else ""
            for removed in cursor.advance(words, _request_id(message)) if words else ():
                yield from _restored(removed, ids, results)
            yield from _notes(summaries, ids)
            if is_user:
                yield from _user_steps(message, ids, cursor.turn)
            elif message.get("role") == "assistant":
                yield _answer(message, ids, results, cursor.turn)
        for removed in cursor.rest():
            yield from _restored(removed, ids, results)
        yield from _notes(summaries, ids)
        for call_id, result in results.items():  # a compaction removed their calls
            yield Step(f"result:{call_id}", "assistant", (result,))


def _restored(turn: Turn, ids: MessageIds, results: dict[str, ToolResult]) -> Iterator[Step]:
    for step in turn.restored(ids):
        yield replace(step, parts=tuple(_with_results(step.parts, results)))


def _notes(summaries: list[Json], ids: MessageIds) -> Iterator[Step]:
    """Yield the summaries of compactions, and empty the list."""
    while summaries:
        texts = (get_str(block, "text") for block in content_blocks(summaries.pop(0)))
        parts = tuple(part for text in texts for part in text_parts(text))
        yield Step(ids.within_turn(), "system", parts)


def _prompt_words(message: Json) -> str:
    texts = (get_str(block, "text") or "" for block in content_blocks(message))
    user_texts = map(prompts.parse, texts)
    return next((words.text for words in user_texts if words.kind == "prompt"), "")


def _answer(
    message: Json, ids: MessageIds, results: dict[str, ToolResult], turn: Turn | None
) -> Step:
    blocks = content_blocks(message)
    keys = (get_str(block, "toolCallId") or get_str(block, "text") or "" for block in blocks)
    started_at, ended_at = turn.times(keys) if turn else (None, None)
    parts = tuple(_with_results(_parts(blocks), results))
    return Step(ids.within_turn(), "assistant", parts, started_at, ended_at)


def to_conversation(session_id: str, graph: Graph) -> Conversation:
    """Return the session as its graph holds it: no tokens, and no times but those of prompts."""
    is_answered = _is_answered(next(reversed(graph.messages), None))
    skipped = Counter({Skipped("unreadable", "blob missing"): graph.messages.count(None)})
    for message in map(as_dict, graph.messages):
        skipped.update(unknown.in_message(message))
    return Conversation(
        session_id=session_id,
        origin=ORIGIN,
        steps=GraphSteps(graph),
        git_branch=graph.branch,
        created_at=graph.started_at,
        is_settled=not graph.is_running and is_answered,
        request_ids=frozenset(filter(None, map(_request_id, map(as_dict, graph.messages)))),
        skipped=skipped,
    )


def _user_steps(message: Json, ids: MessageIds, turn: Turn | None) -> Iterator[Step]:
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
                created_at=(turn.sent_at if turn else None) or user_text.sent_at,
                request_id=_request_id(message),
            )
        elif user_text.kind == "note":
            yield Step(ids.within_turn(), "system", parts)


def _request_id(message: Json) -> str | None:
    return get_str(message, "providerOptions", "cursor", "requestId")


def _parts(blocks: Iterable[Json]) -> Iterator[Part]:
    for block in blocks:
        block_type, text = block.get("type"), get_str(block, "text")
        if block_type == "text":
            yield from answer_parts(text)
        elif block_type == "reasoning" and text and text.strip():
            yield Reasoning(text)
        elif block_type == "tool-call":
            name = get_str(block, "toolName") or "tool"
            call_id = get_str(block, "toolCallId") or name
            yield ToolCall(call_id, name, block.get("args") or {}, tools.category(name))


def _with_results(parts: Iterable[Part], results: dict[str, ToolResult]) -> Iterator[Part]:
    for part in parts:
        yield part
        if isinstance(part, ToolCall) and part.id in results:
            yield results.pop(part.id)


def _results(messages: Iterable[Json]) -> Iterator[tuple[str, ToolResult]]:
    for message in messages:
        for block in content_blocks(message) if message.get("role") == "tool" else ():
            call_id = get_str(block, "toolCallId")
            if block.get("type") == "tool-result" and call_id:
                name = get_str(block, "toolName") or ""
                output = tools.output_text(block.get("result", block.get("output")))
                yield call_id, ToolResult(call_id, name, output, block.get("isError") is True)
