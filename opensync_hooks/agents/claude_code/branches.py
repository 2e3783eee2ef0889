"""Finds the lines of a transcript that the user went back on.

Each line names its parent. A rewind leaves the old branch in the file, and the next prompt hangs on
an earlier line. Parallel tool calls make branches, too; but there the conversation continues with a
result or with another block of the same response, never with a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from opensync_hooks.agents.claude_code.line_types import LineType

START = -1
"""The parent of the first line, and of a prompt for which the user went back to the beginning."""


class Node(NamedTuple):
    parent: int
    """The index of the parent among the nodes, smaller than the node's own; or START."""
    type: LineType


def undone(nodes: Sequence[Node]) -> frozenset[int]:
    """Return the indexes of all lines on branches that a later prompt abandoned."""
    if not nodes:
        return frozenset()
    path = _path_to_last(nodes)
    branch_of = _branches(nodes, set(path))
    last_of_branch = {first: node for node, first in branch_of.items()}
    resumed_at = _prompts_by_branch_point(nodes, path)
    abandoned = {
        first
        for first, last in last_of_branch.items()
        # A branch that continues after that prompt is a second terminal's on the same session.
        if last < resumed_at.get(nodes[first].parent, 0)
    }
    return frozenset(node for node, first in branch_of.items() if first in abandoned)


def _path_to_last(nodes: Sequence[Node]) -> list[int]:
    """Return the current branch: the ancestors of the file's last line, and that line."""
    path = []
    node = len(nodes) - 1
    while node != START:
        path.append(node)
        node = nodes[node].parent
    return path[::-1]


def _branches(nodes: Sequence[Node], on_path: set[int]) -> dict[int, int]:
    """Map every line off the path to the first line of its branch."""
    first_of: dict[int, int] = {}
    for index, node in enumerate(nodes):
        if index not in on_path:
            first_of[index] = first_of.get(node.parent, index)
    return first_of


def _prompts_by_branch_point(nodes: Sequence[Node], path: list[int]) -> dict[int, int]:
    """Map each line of the path that a prompt follows to the next line of the path."""
    # A second first line that is not a prompt is a compaction, and what precedes it still counts.
    resumed_at = {START: path[0]} if nodes[path[0]].type == "prompt" else {}
    next_type: LineType | None = None
    for node, successor in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
        if nodes[successor].type != "other":
            next_type = nodes[successor].type
        if next_type in ("prompt", "injected", "notice"):
            resumed_at[node] = successor
    return resumed_at
