"""The first pass over a transcript: which lines make which message, without holding their content.

A transcript may be hundreds of megabytes; what is kept here is a few hundred bytes a line, so that
the second pass can read one message at a time from where its lines lie.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from opensync_hooks.agents.claude_code import line_types
from opensync_hooks.agents.claude_code.branches import START, Node, undone
from opensync_hooks.agents.claude_code.line_types import Kind
from opensync_hooks.agents.claude_code.lines import Span
from opensync_hooks.agents.json_access import string
from opensync_hooks.model import Usage

_TITLE_SAMPLE = 400


@dataclass(slots=True)
class Unit:
    """The lines of one message: its own blocks, and the results of the tools it called."""

    id: str
    kind: Kind
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


@dataclass(slots=True)
class Thread:
    """One conversation within a file: the main one, or a subagent's where they share a file."""

    units: list[Unit] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    first_prompt: str = ""
    cwd: str | None = None
    git_branch: str | None = None
    version: str | None = None
    model: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    _by_id: dict[str, Unit] = field(default_factory=dict)
    _by_tool: dict[str, Unit] = field(default_factory=dict)
    _node_of: dict[str, int] = field(default_factory=dict)

    def add(self, span: Span, line: dict[str, Any], kind: Kind) -> None:
        uuid = line["uuid"]
        if uuid in self._node_of:  # older versions wrote a line again when a session was resumed
            return
        node = len(self.nodes)
        self.nodes.append(Node(self._parent(line), kind))
        self._node_of[uuid] = node
        previous, at = self.updated_at, line_types.timestamp(line)
        self._note(line, at if kind != "other" else None)
        for unit in self._units_of(line, kind):
            self._extend(unit, span, at)
            if kind != "results":
                unit.nodes.append(node)
            if unit.began_at is None:
                unit.began_at = previous
        if kind == "prompt" and not self.first_prompt:
            self.first_prompt = line_types.text_of(line)[:_TITLE_SAMPLE]

    def _parent(self, line: dict[str, Any]) -> int:
        if line.get("parentUuid") is None and line.get("logicalParentUuid") is None:
            return START
        uuid = string(line, "parentUuid") or string(line, "logicalParentUuid")
        # A line whose parent could not be read goes on from the line before, not from the start.
        return self._node_of.get(uuid or "", len(self.nodes) - 1)

    def _note(self, line: dict[str, Any], at: int | None) -> None:
        """What the session takes from its lines: the first folder, of all else the last."""
        self.cwd = self.cwd or string(line, "cwd")
        self.git_branch = string(line, "gitBranch") or self.git_branch
        self.version = string(line, "version") or self.version
        if at is not None:
            self.created_at = at if self.created_at is None else min(self.created_at, at)
            self.updated_at = at if self.updated_at is None else max(self.updated_at, at)

    def _units_of(self, line: dict[str, Any], kind: Kind) -> Iterable[Unit]:
        if kind == "other":
            return ()
        if kind == "results":
            return self._owners(line)
        if kind == "assistant":
            return (self._assistant(line),)
        return (self._unit(line["uuid"], kind),)

    def _assistant(self, line: dict[str, Any]) -> Unit:
        message = line_types.message(line)
        unit = self._unit(string(message, "id") or line["uuid"], "assistant")
        unit.model = self.model = string(message, "model") or unit.model
        unit.usage = _largest(unit.usage, line_types.usage(line))
        for block in line_types.content_blocks(line):
            if isinstance(block.get("id"), str) and "name" in block:
                self._by_tool[block["id"]] = unit
                unit.tool_ids.add(block["id"])
        return unit

    def _owners(self, line: dict[str, Any]) -> Iterable[Unit]:
        """The messages whose tools answered here; also the line itself where it says more."""
        owners: dict[str, Unit] = {}
        for block in line_types.content_blocks(line):
            call_id = block.get("tool_use_id")
            owner = self._by_tool.get(call_id) if isinstance(call_id, str) else None
            if owner is None:
                owner = self._unit(line["uuid"], "injected")
                owner.tool_ids.add(str(call_id))
            owners[owner.id] = owner
        return owners.values()

    def _unit(self, unit_id: str, kind: Kind) -> Unit:
        unit = self._by_id.get(unit_id)
        if unit is None:
            unit = self._by_id[unit_id] = Unit(unit_id, kind)
            self.units.append(unit)
        return unit

    @staticmethod
    def _extend(unit: Unit, span: Span, at: int | None) -> None:
        unit.spans.append(span)
        if at is not None:
            unit.created_at = at if unit.created_at is None else unit.created_at
            unit.ended_at = at if unit.ended_at is None else max(unit.ended_at, at)

    def mark_undone(self) -> None:
        gone = undone(self.nodes)
        for unit in self.units:
            unit.undone = bool(unit.nodes) and all(node in gone for node in unit.nodes)


@dataclass(slots=True)
class Index:
    """All threads of one file, and what its bookkeeping lines say of the session."""

    main: Thread = field(default_factory=Thread)
    sidechains: dict[str, Thread] = field(default_factory=dict)
    custom_title: str | None = None
    ai_title: str | None = None
    relocated: str | None = None
    session_id: str | None = None
    """As the first line has it; in a subagent's file, the id of the session that it belongs to."""
    _sidechain_of: dict[str, str] = field(default_factory=dict)

    def add(self, span: Span, line: dict[str, Any], *, own_sidechain: bool) -> None:
        """`own_sidechain`: the file is a subagent's own, so its sidechain is its main thread."""
        kind = line_types.kind(line)
        self.session_id = self.session_id or string(line, "sessionId")
        if kind is None:
            self._bookkeeping(line)
        elif line.get("isSidechain") and not own_sidechain:
            self._sidechain(line).add(span, line, kind)
        else:
            self.main.add(span, line, kind)

    def _bookkeeping(self, line: dict[str, Any]) -> None:
        of = line.get("type")
        if of == "custom-title":
            self.custom_title = string(line, "customTitle") or self.custom_title
        elif of == "ai-title":
            self.ai_title = string(line, "aiTitle") or self.ai_title
        elif of == "relocated":
            self.relocated = string(line, "relocatedCwd") or self.relocated

    def _sidechain(self, line: dict[str, Any]) -> Thread:
        """Until 2.0 subagents wrote into the file of the session that had started them."""
        api_id = string(line_types.message(line), "id")
        known = (self._sidechain_of.get(one or "") for one in (api_id, string(line, "parentUuid")))
        root = string(line, "agentId") or next(filter(None, known), line["uuid"])
        self._sidechain_of.update((one, root) for one in (api_id, line["uuid"]) if one)
        return self.sidechains.setdefault(root, Thread())


def _largest(one: Usage | None, other: Usage | None) -> Usage | None:
    """Early lines of a stream hold early counts: of each count the largest is final."""
    if one is None or other is None:
        return one or other
    fields = Usage.__slots__
    return Usage(*(max(getattr(one, name), getattr(other, name)) for name in fields))
