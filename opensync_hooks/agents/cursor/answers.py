"""Tells answers from thoughts in a transcript, by the digests of the answers that hooks reported.

`afterAgentResponse` has the texts of a turn, one after the other and without thoughts. In the
transcript each response may have its thoughts behind its text, or in the place of one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import accumulate, pairwise

from opensync_hooks.agents.cursor import transcripts
from opensync_hooks.agents.cursor.compaction import turns_of
from opensync_hooks.agents.cursor.conversation import Conversation, Step, text_parts
from opensync_hooks.agents.cursor.transcript_parser import EMPTY_LINE
from opensync_hooks.model import Part, Reasoning, Text

_MAX_DIVISIONS = 100_000
"""A turn that can be divided into texts and thoughts in more ways stays doubtful."""


def digest(text: str) -> str:
    """Return the length and the hash of a text, without white space, which transcripts change."""
    plain = "".join(text.split())
    hashed = hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{len(plain)}.{hashed[:32]}"


def prove(conversation: Conversation, digests: Collection[str]) -> Conversation:
    """Return a transcript without doubts about the turns whose answers have these digests."""
    if conversation.origin != transcripts.ORIGIN or not digests:
        return conversation
    turns = turns_of(conversation.steps)
    steps = tuple(step for turn in turns for step in _proven(turn, digests))
    return replace(conversation, steps=steps)


def _proven(turn: list[Step], digests: Collection[str]) -> Iterator[Step]:
    texts = [part for step in turn for part in _texts(step)]
    if any(isinstance(part, Reasoning) for part in texts):
        ends = iter(_ends(texts, digests))
        yield from (replace(step, parts=tuple(_divided(step, ends))) for step in turn)
    else:
        yield from turn


def _texts(step: Step) -> Iterator[Text | Reasoning]:
    """Yield the texts of a response that are answer, and those that may be."""
    for part in step.parts if step.role == "assistant" else ():
        if isinstance(part, Text) or (isinstance(part, Reasoning) and part.is_doubtful):
            yield part


def _ends(texts: list[Text | Reasoning], digests: Collection[str]) -> tuple[int, ...]:
    """Return where the answer ends in each text; nothing if no division has one of the digests."""
    if digest("".join(part.text for part in texts)) in digests:
        return tuple(len(part.text) for part in texts)
    ways: dict[int, tuple[int, ...]] = {0: ()}
    for part in texts:
        lengths = _possible_ends(part)
        if len(ways) * len(lengths) > _MAX_DIVISIONS:
            return ()
        ways = {
            total + length: (*ends, end) for total, ends in ways.items() for end, length in lengths
        }
    known_lengths = {name.partition(".")[0] for name in digests}
    for total, ends in ways.items():
        if str(total) in known_lengths:
            pieces = (part.text[:end] for part, end in zip(texts, ends, strict=True))
            if digest("".join(pieces)) in digests:
                return ends
    return ()


def _possible_ends(part: Text | Reasoning) -> list[tuple[int, int]]:
    """Return the offsets up to which a text may be answer, with its length without white space."""
    size = len(part.text)
    starts = (match.start() for match in EMPTY_LINE.finditer(part.text))
    ends = (size,) if isinstance(part, Text) else (0, *starts, size)
    pieces = (part.text[start:end] for start, end in pairwise((0, *ends)))
    return [*zip(ends, accumulate(len("".join(piece.split())) for piece in pieces), strict=True)]


def _divided(step: Step, ends: Iterator[int]) -> Iterator[Part]:
    texts = [*_texts(step)]
    for part in step.parts:
        end = next(ends, None) if part in texts else None
        if isinstance(part, Reasoning) and end is not None:
            thought = part.text[end:].strip("\n")
            yield from text_parts(part.text[:end])
            yield from (Reasoning(thought),) if thought.strip() else ()
        else:
            yield part
