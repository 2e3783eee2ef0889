"""What a scripted model says: a word of the user's, and the replies of the turn that it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the model; with a `status`, an error in its place."""

    blocks: Sequence[Block] = ()
    cached: int = 0
    output: int = 7
    pause: float = 0.0
    """Seconds of silence in the middle of the stream."""
    status: int = 200
    usage: Block = field(default_factory=dict)
    """Fields that replace or complete the usual `usage`."""


Script = dict[str, Sequence[Reply]]


def says(text: str) -> Block:
    return {"type": "text", "text": text}


def thinks(text: str) -> Block:
    return {"type": "thinking", "thinking": text, "signature": "c2lnbmVk"}


def uses(tool: str, **arguments: Any) -> Block:
    return {"type": "tool_use", "name": tool, "input": arguments}
