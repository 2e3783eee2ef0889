"""Where a transcript can be read on the next time, without the lines that were read before.

The place is in front of the last prompt: results, late blocks and queued prompts belong to the turn
behind it, which is read again. The state consists of numbers, ids and the places of the few lines
that say the rest, such as the title and the folders; none of it is text of the conversation.

Whatever could make a difference leads back to a whole read: another file, or one whose last bytes
before the place differ; one that has doubled since it was last read from its beginning; a later
line that names an earlier one as more than its parent.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import field
from functools import partial
from hashlib import blake2b
from itertools import chain, islice
from typing import Any, BinaryIO

from opensync_hooks.agents import digests
from opensync_hooks.agents.claude_code import line_types, names
from opensync_hooks.agents.claude_code.index import TranscriptIndex
from opensync_hooks.agents.claude_code.lines import Span, read_span
from opensync_hooks.agents.claude_code.messages import charges, duration
from opensync_hooks.agents.claude_code.thread import IndexedMessage, Thread
from opensync_hooks.agents.json_access import get_str
from opensync_hooks.agents.source import NotResumableError, SavedCheckpoint
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import AgentTotal, Checkpoint, Json, Skipped

_BLOCK_BYTES = 1 << 16
_MAX_MASKED = 200
"""Messages with secrets that are masked again each time, so that the secrets are known."""
_BOOKKEEPING = ("custom-title", "ai-title", "relocated")


@dataclass(frozen=True, slots=True)
class ResumedRead:
    """A transcript that is read from a checkpoint on. Raises NotResumableError."""

    saved: SavedCheckpoint
    _old_parents: set[str] = field(default_factory=set)
    """Lines before the checkpoint, other than the last one, that later ones hang on."""

    def begin(self, file: BinaryIO, end: int) -> tuple[TranscriptIndex, Counter[Skipped], int]:
        """Return what is known from the lines before, and the offset of those to be read."""
        state = self.saved.state
        status = os.fstat(file.fileno())
        is_same_file = state["file"] == [status.st_dev, status.st_ino]
        if not is_same_file or not state["offset"] <= end <= 2 * state["whole_size"]:
            raise NotResumableError
        block = _block_before(file, state["offset"])
        if blake2b(block, digest_size=16).hexdigest() != state["block"]:
            raise NotResumableError
        index = TranscriptIndex(session_id=state["session_id"])
        for span in sorted(self.facts().values(), key=lambda span: span.offset):
            line = read_span(file, span)
            if line is None:
                raise NotResumableError
            index.add(span, line, is_subagent_file=True)
        learnt = index.main
        index.main = Thread(
            first_prompt=learnt.first_prompt,
            folders=learnt.folders,
            git_branch=learnt.git_branch,
            version=learnt.version,
            model=learnt.model,
            created_at=state["created_at"],
            updated_at=state["updated_at"],
            last_charge_id=state["last_charge_id"],
            agent_totals=[AgentTotal(*total) for total in state["agent_totals"]],
        )
        index.main.continue_from(state["parent"])
        skipped = Counter({Skipped(*key): count for *key, count in state["skipped"]})
        return index, skipped, state["offset"]

    def facts(self) -> dict[str, Span]:
        return {name: Span(*position) for name, position in self.saved.state["facts"].items()}

    def check(self, line: Json, index: TranscriptIndex, *, is_subagent_file: bool) -> None:
        """Refuse a line that concerns one before the checkpoint."""
        thread = index.main
        is_sidechain = line.get("isSidechain") and not is_subagent_file
        if is_sidechain or line.get("type") in ("summary", "cost-state"):
            raise NotResumableError
        calls = (name for name in names.answered_calls(line) if not thread.calls_tool(name))
        mentioned = {*names.mentioned(line), *calls}
        parent = get_str(line, "parentUuid") or ""
        is_old = parent in self._old_parents or parent not in thread
        parents = {parent} if parent and is_old else set[str]()
        known_names = self.saved.known_names(map(digests.of_name, mentioned | parents))
        if not known_names:
            return
        # A line may hang on any old one, unless it is a prompt that could replace another one, or
        # the old one may be on a branch that was abandoned.
        may_rewind = line_types.line_type(line) in ("prompt", "command")
        if (
            may_rewind
            or self.saved.state["has_undone"]
            or known_names != {*map(digests.of_name, parents)}
        ):
            raise NotResumableError
        self._old_parents.update(parents)
        thread.continue_from(parent)

    def masked_before(self) -> tuple[IndexedMessage, ...]:
        messages = []
        for id_, type_, tool_ids, spans in self.saved.state["masked"]:
            messages.append(IndexedMessage(id_, type_, tool_ids=tool_ids))
            for span in spans:
                messages[-1].add(Span(*span), None)
        return tuple(messages)


@dataclass(frozen=True, slots=True)
class _Position:
    """A transcript as it was in front of one of its lines."""

    offset: int
    new_names: int
    """How many names have been introduced since the position before."""
    nodes: int
    messages: int
    facts: Mapping[str, Span]
    state: Json


@dataclass(slots=True)
class CheckpointRecorder:
    """Watches how an index grows: every line is given to `move_to`, then to `add`."""

    index: TranscriptIndex
    skipped: Counter[Skipped]
    resumed: ResumedRead | None = None
    _facts: dict[str, Span] = field(default_factory=dict)
    """The lines from which all that is known of the session can be learnt again."""
    _position: _Position | None = None
    _queued: _Position | None = None
    """In front of the operations on the queue that programs write before each prompt."""
    _names: array[int] = field(default_factory=lambda: array("q"))
    """Of the lines in front of the position."""
    _later_names: list[int] = field(default_factory=list)
    _last_uuid: str = ""
    _command: Span | None = None

    def __post_init__(self) -> None:
        self._facts |= self.resumed.facts() if self.resumed else {}

    @property
    def _earlier(self) -> Json:
        return self.resumed.saved.state if self.resumed else {}

    def move_to(self, span: Span, line: Json) -> int:
        """Move the place up to a line, if it can be there; return where the place is."""
        if line.get("type") == "queue-operation":
            self._queued = self._at_rest(span.offset) or self._queued
        elif line.get("type") == "user" and line_types.line_type(line) == "prompt":
            self._move_to(self._at_rest(span.offset) or self._queued)
        return self._position.offset if self._position else 0

    def add(self, span: Span, line: Json, *, is_subagent_file: bool) -> None:
        index, thread = self.index, self.index.main
        before, nodes = _facts(index), len(thread.nodes)
        index.add(span, line, is_subagent_file=is_subagent_file)
        for name, value in _facts(index).items():
            if before[name] != value:
                is_one_of_many = name in ("folders", "worktrees")
                self._facts[f"{name} {len(self._facts)}" if is_one_of_many else name] = span
                if name == "first_prompt" and self._command:  # a command, since its answer came
                    self._facts["command"] = self._command
        if line.get("type") in _BOOKKEEPING:
            self._facts[line["type"]] = span
        if len(thread.nodes) > nodes:
            self._last_uuid = line["uuid"]
            self._command = span if thread.is_command_open else self._command
        self._later_names += map(digests.of_name, names.introduced(line))

    def _at_rest(self, offset: int) -> _Position | None:
        """Return the position in front of a line if it has to do with nothing before it."""
        index, thread = self.index, self.index.main
        if index.sidechains or index.has_summaries or not thread.is_at_rest:
            return None
        state = {
            "parent": self._last_uuid or self._earlier.get("parent"),
            "session_id": index.session_id,
            "created_at": thread.created_at,
            "updated_at": thread.updated_at,
            "last_charge_id": thread.last_charge_id,
            "agent_totals": [[t.cost, t.charge_id, t.is_guess] for t in thread.agent_totals],
            "skipped": [[*skipped, count] for skipped, count in self.skipped.items()],
        }
        names, nodes, messages = len(self._later_names), len(thread.nodes), len(thread.messages)
        return _Position(offset, names, nodes, messages, dict(self._facts), state)

    def _move_to(self, position: _Position | None) -> None:
        """Take the position, unless the turn before has gone on since a prompt was queued there."""
        if position and position.nodes == len(self.index.main.nodes):
            self._names.extend(self._later_names[: position.new_names])
            del self._later_names[: position.new_names]
            self._position, self._queued = position, None

    def finish(
        self, file: BinaryIO, end: int, size: int, *, is_subagent_file: bool
    ) -> Checkpoint | None:
        """Mark what was undone, and return the last place; a subagent's transcript has its end.

        `end`: of the lines that were added; `size`: of the file then.
        """
        thread = self.index.main
        gone = thread.mark_undone()
        if end < size or (is_subagent_file and not thread.is_command_open):
            self._move_to(self._at_rest(end))
        position = self._position
        if position is None or self.index.sidechains or position.nodes - 1 in gone:
            return None
        block = _block_before(file, position.offset)
        if not block.endswith(b"\n"):
            return None
        status = os.fstat(file.fileno())
        before = [*islice(thread.messages.values(), position.messages)]
        later = [*islice(thread.messages.values(), position.messages, None)]
        made_in = next((message.made_in for message in before[::-1] if message.made_in), None)
        state = {
            **position.state,
            "file": [status.st_dev, status.st_ino],
            "offset": position.offset,
            "block": blake2b(block, digest_size=16).hexdigest(),
            "whole_size": self._earlier.get("whole_size", size),
            "has_undone": self._earlier.get("has_undone", False)
            or any(node < position.nodes for node in gone),
            "duration_ms": self._earlier.get("duration_ms", 0)
            + sum(duration(message) or 0 for message in before),
            "forked_from": made_in or self._earlier.get("forked_from"),
            "facts": {name: [span.offset, span.length] for name, span in position.facts.items()},
        }
        return Checkpoint(
            state=partial(self._with_masked, state, before),
            names=self._names,
            later_messages=frozenset(message.id for message in later),
            later_charges=frozenset(
                charge.id for charge in chain.from_iterable(map(charges, later))
            ),
        )

    def _with_masked(
        self, state: Json, before: Iterable[IndexedMessage], masked: Collection[str]
    ) -> Json | None:
        messages = [_to_json(message) for message in before if message.id in masked]
        messages = [*self._earlier.get("masked", ()), *messages]
        return {**state, "masked": messages} if len(messages) <= _MAX_MASKED else None


def _facts(index: TranscriptIndex) -> dict[str, object]:
    thread = index.main
    return {
        "folders": len(thread.folders),
        "git_branch": thread.git_branch,
        "version": thread.version,
        "model": thread.model,
        "first_prompt": bool(thread.first_prompt),
        "worktrees": dict(index.worktrees),
    }


def _block_before(file: BinaryIO, offset: int) -> bytes:
    start = max(0, offset - _BLOCK_BYTES)
    file.seek(start)
    return file.read(offset - start)


def _to_json(message: IndexedMessage) -> list[Any]:
    spans = [[span.offset, span.length] for span in message.spans]
    return [message.id, message.type, sorted({*message.tool_ids}), spans]
