"""Finds the lines of a transcript that the user went back on.

Each line names its parent. A rewind leaves the old branch in the file, and the next prompt hangs on
the parent of the prompt that it replaces. Other branches are no rewinds: a resumed session may
continue from a stale line, and two terminals may share one session. Unless the tree clearly shows a
rewind, the order of the file counts.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import get_args

from opensync_hooks.agents.claude_code.line_types import LineType
from opensync_hooks.dataclass import dataclass

START = -1
"""The parent of a first line. Prompts there replace nothing: a resumed session has several."""
_SPOKEN: frozenset[LineType] = frozenset(("prompt", "assistant", "results"))


@dataclass(frozen=True, slots=True)
class Node:
    """The place of one line in the tree."""

    parent: int
    """The index of the parent among the nodes, smaller than the node's own; or START."""
    type: LineType
    is_typed: bool = False
    """A person typed this prompt while the agent was waiting for one."""
    is_compaction: bool = False
    files: int = 1
    """The copies of the transcript that have this line, one bit each."""


_TYPES: tuple[LineType, ...] = get_args(LineType)
_TYPED, _COMPACTION, _TYPE = 32, 16, 15


@dataclass(slots=True)
class Nodes:
    """The nodes of a thread: nine bytes each, as a transcript may have a million lines."""

    _parents: array[int] = field(default_factory=lambda: array("q"))
    _types: bytearray = field(default_factory=bytearray)
    """The number of the type, and the flags."""
    _files: dict[int, int] = field(default_factory=dict)
    """Of the nodes that are not only in the first copy."""

    def __len__(self) -> int:
        return len(self._types)

    def __iter__(self) -> Iterator[Node]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, index: int) -> Node:
        bits = self._types[index]
        return Node(
            self._parents[index],
            _TYPES[bits & _TYPE],
            is_typed=bool(bits & _TYPED),
            is_compaction=bool(bits & _COMPACTION),
            files=self._files.get(index, 1),
        )

    def __setitem__(self, index: int, node: Node) -> None:
        flags = node.is_typed * _TYPED + node.is_compaction * _COMPACTION
        self._parents[index] = node.parent
        self._types[index] = _TYPES.index(node.type) + flags
        if node.files != 1:
            self._files[index] = node.files

    @property
    def have_siblings(self) -> bool:
        """Whether two prompts have the same parent: without them, nothing was undone."""
        parents = [
            parent
            for parent, bits in zip(self._parents, self._types, strict=True)
            if bits & _TYPED and parent != START
        ]
        return len(set(parents)) < len(parents)

    def append(self, node: Node) -> None:
        self._parents.append(START)
        self._types.append(0)
        self[len(self) - 1] = node


def undone(nodes: Nodes | Sequence[Node]) -> frozenset[int]:
    """Return the indexes of all lines on branches that a later prompt replaced."""
    replaced = _replaced_prompts(nodes)
    gone: set[int] = set()
    for index, node in enumerate(nodes):
        if index in replaced or node.parent in gone:
            gone.add(index)
    return frozenset(gone)


def _replaced_prompts(nodes: Nodes | Sequence[Node]) -> set[int]:
    """Return the prompts whose branch nobody continued after another prompt took their place."""
    last_spoken = _last_spoken(nodes)
    compacted_at = START
    replaced = set[int]()
    prompts_of: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        if node.is_compaction:
            compacted_at = index
        # No rewind leads behind a compaction: such a parent is stale.
        if node.is_typed and node.parent > compacted_at:
            siblings = prompts_of.setdefault(node.parent, [])
            replaced.update(
                prompt
                for prompt in siblings
                if last_spoken[prompt] < index and nodes[prompt].files & node.files
            )
            siblings[:] = (prompt for prompt in siblings if prompt not in replaced)
            siblings.append(index)
    return replaced


def _last_spoken(nodes: Nodes | Sequence[Node]) -> list[int]:
    """Return, for each line, the last one on its branch that a person, the model or a tool said."""
    last = [index if node.type in _SPOKEN else START for index, node in enumerate(nodes)]
    for index in range(len(nodes) - 1, -1, -1):
        parent = nodes[index].parent
        if parent != START:
            last[parent] = max(last[parent], last[index])
    return last
