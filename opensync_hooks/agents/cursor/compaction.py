"""Restores what a compaction removed from a session's graph, as far as the transcript has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from opensync_hooks.agents.cursor.conversation import Conversation, Step


def restore(conversation: Conversation, transcript: Conversation) -> Conversation:
    """Return the graph's conversation with the turns that only its transcript still has."""
    steps = tuple(_merged(conversation.steps, transcript.steps))
    return replace(conversation, steps=steps).with_missing_from(transcript)


def _merged(graph_steps: Iterable[Step], transcript_steps: Iterable[Step]) -> Iterator[Step]:
    """Yield the transcript's turns up to the first that both have, then the graph's.

    A graph without its beginning numbers repeated prompts anew, so turns are matched from the end.
    What only the transcript has is spare: the destination may hold the richer turn from before.
    """
    graph_turns, transcript_turns = turns_of(graph_steps), turns_of(transcript_steps)
    start = len(transcript_turns)
    prompts: dict[int, Step] = {}
    for index in range(len(graph_turns) - 1, -1, -1):
        words = _prompt_words(graph_turns[index])
        candidates = range(start - 1, -1, -1) if words else ()
        match = next((i for i in candidates if _prompt_words(transcript_turns[i]) == words), None)
        if match is not None:
            start, prompts[index] = match, transcript_turns[match][0]
    for turn in transcript_turns[:start] if prompts else ():
        yield from (replace(step, spare=True) for step in turn)
    for index, turn in enumerate(graph_turns):
        yield from _renamed(turn, prompts.get(index))


def turns_of(steps: Iterable[Step]) -> list[list[Step]]:
    """Group the steps: each prompt with what follows it."""
    turns: list[list[Step]] = []
    for step in steps:
        if step.role == "user" or not turns:
            turns.append([])
        turns[-1].append(step)
    return turns


def _prompt_words(turn: list[Step]) -> str:
    return " ".join(turn[0].text.split()) if turn[0].role == "user" else ""


def _renamed(turn: list[Step], prompt: Step | None) -> Iterator[Step]:
    """Yield the turn under the id, and at the time, that its prompt has in the transcript."""
    for step in turn:
        turn_id, _, number = step.id.partition("/")
        is_prompt = not number
        created_at = step.created_at or (prompt.created_at if prompt and is_prompt else None)
        step_id = "/".join(filter(None, (prompt.id, number))) if prompt and turn_id else step.id
        yield replace(step, id=step_id, created_at=created_at)
