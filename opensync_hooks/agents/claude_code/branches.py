"""Which lines of a transcript the user went back on.

Lines hang on their parents. A rewind leaves the old branch in the file and hangs the next prompt on
an earlier line. Parallel tool calls branch as well, without any rewind: there a result or another
block of the same message goes on, never a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from opensync_hooks.agents.claude_code.line_types import Kind

START = -1
"""The parent of the first line, and of a prompt for which the user went back to the beginning."""


class Node(NamedTuple):
    parent: int
    """Index of the parent among the nodes, smaller than the node's own; START without one."""
    kind: Kind


def undone(nodes: Sequence[Node]) -> frozenset[int]:
    """The indexes of all lines on branches that a later prompt left behind."""
    if not nodes:
        return frozenset()
    path = _path_to_last(nodes)
    on_path = set(path)
    branch_of = _branches(nodes, on_path)
    last_of = {top: node for node, top in branch_of.items()}
    taken_at = _prompts_by_branch_point(nodes, path)
    left = {
        top
        for top, last in last_of.items()
        # A branch that goes on after that prompt belongs to a second terminal on the same session.
        if last < taken_at.get(nodes[top].parent, 0)
    }
    return frozenset(node for node, top in branch_of.items() if top in left)


def _path_to_last(nodes: Sequence[Node]) -> list[int]:
    """From the first line to the last one of the file: the branch that the user is on."""
    path = []
    node = len(nodes) - 1
    while node != START:
        path.append(node)
        node = nodes[node].parent
    return path[::-1]


def _branches(nodes: Sequence[Node], on_path: set[int]) -> dict[int, int]:
    """Every line off the path, with the first line of its branch."""
    tops: dict[int, int] = {}
    for index, node in enumerate(nodes):
        if index not in on_path:
            tops[index] = tops.get(node.parent, index)
    return tops


def _prompts_by_branch_point(nodes: Sequence[Node], path: list[int]) -> dict[int, int]:
    """For each line of the path after which the user spoke: the line where the path went on."""
    # A second beginning that is no prompt is a compaction: what came before it still holds.
    spoke = {START: path[0]} if nodes[path[0]].kind == "prompt" else {}
    said_next: Kind | None = None
    for here, following in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
        if nodes[following].kind != "other":
            said_next = nodes[following].kind
        if said_next in ("prompt", "injected", "notice"):
            spoke[here] = following
    return spoke
