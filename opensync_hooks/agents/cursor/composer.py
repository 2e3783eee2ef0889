"""A session of the editor: its document and its bubbles, versions 1 to 18, as one conversation.

    version 1       `conversation`: the bubbles themselves        tools in `bubbleDataMap`
    version 2       `conversationMap` and headers                 the same
    from 3 on       headers, which name rows `bubbleId:…`         tools in the bubble

The order of the headers is the only one there is: keys are random, times repeat, rows move.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from opensync_hooks.agents.cursor import bubbles, projects, state_db, timestamps, tools
from opensync_hooks.agents.cursor.conversation import (
    RICHEST_ORIGIN,
    Conversation,
    Step,
    known_model,
)
from opensync_hooks.agents.cursor.message_ids import Names
from opensync_hooks.agents.json_access import Value, items, part, record, string

_TOOLS_OF_OLD = 15


@dataclass(frozen=True, slots=True)
class Place:
    """One bubble's place in the conversation, and what the header says of it."""

    bubble_id: str
    header: Value
    undone: bool = False


@dataclass(frozen=True, slots=True)
class Steps:
    """The bubbles as steps, each decoded when its turn comes: a session may have 100 MB of them."""

    places: tuple[Place, ...] = field(repr=False)
    rows: Mapping[str, bytes | None] = field(repr=False)
    embedded: Mapping[str, Value] = field(repr=False)
    old_tools: Value = field(repr=False)

    def __iter__(self) -> Iterator[Step]:
        names = Names()
        model = None
        for place in self.places:
            step = self._step(place)
            if step is None:
                continue
            if step.role == "user":
                model = step.model or model
            elif step.role == "assistant":
                step = replace(step, model=step.model or model)
            yield step if place.undone else replace(step, alias=_alias(step, names))

    def _step(self, place: Place) -> Step | None:
        """None where neither a row nor a header tells whose turn it was."""
        value = self.bubble(place.bubble_id)
        if not value:
            known = place.header.get("type") in (1, 2)
            return Step(place.bubble_id, bubbles.role_of(place.header)) if known else None
        tool = self.tool(place.bubble_id, value)
        step = bubbles.step(value, place.bubble_id, place.header, tool)
        return replace(step, undone=place.undone)

    def bubble(self, bubble_id: str) -> Value:
        return record(self.rows.get(bubble_id)) or self.embedded.get(bubble_id, {})

    def tool(self, bubble_id: str, value: Value) -> Value:
        return part(value, "toolFormerData") or record(self.old_tools.get(bubble_id))


def _alias(step: Step, names: Names) -> str:
    """What a transcript would call it: one may have been all there was at the first sync."""
    return names.prompt(step.text) if step.role == "user" else names.within_turn()


def conversation(session_id: str, found: state_db.Rows) -> Conversation:
    """The session as the window shows it. What no header names is what the user went back on."""
    document, listed = record(found.composer), record(found.header)
    embedded = _embedded(document)
    skipped: Counter[str] = Counter()
    live = _live(document, embedded, found.bubbles, skipped)
    steps = Steps(tuple(live), found.bubbles, embedded, _old_tools(document))
    return Conversation(
        session_id=session_id,
        origin=RICHEST_ORIGIN,
        steps=replace(steps, places=tuple(_with_undone(steps))),
        name=string(document, "name") or string(listed, "name"),
        project_path=projects.of_document(document) or projects.of_document(listed),
        git_branch=projects.branch_of(document),
        model=known_model(string(part(document, "modelConfig"), "modelName")),
        created_at=timestamps.moment(document.get("createdAt")),
        updated_at=state_db.changed_at(document) or None,
        parent_id=state_db.parent_id(document) or state_db.parent_id(listed),
        children=state_db.child_ids(document),
        is_settled=_is_settled(document, steps),
        requests=frozenset(_requests(steps)),
        costs=dict(_costs(document)),
        skipped=+skipped,
    )


def _embedded(document: Value) -> dict[str, Value]:
    """The bubbles that versions 1 and 2 keep within the document."""
    found = {key: record(one) for key, one in part(document, "conversationMap").items()}
    for place, one in enumerate(items(document, "conversation")):
        value = record(one)
        if value:
            found[string(value, "bubbleId") or f"#{place}"] = value
    return found


def _old_tools(document: Value) -> Value:
    for capability in items(document, "capabilities"):
        if record(capability).get("type") == _TOOLS_OF_OLD:
            return record(part(record(capability), "data").get("bubbleDataMap"))
    return {}


def _live(
    document: Value,
    embedded: Mapping[str, Value],
    rows: Mapping[str, bytes | None],
    skipped: Counter[str],
) -> Iterator[Place]:
    """The bubbles in the order of the headers, each once."""
    headers = items(document, "fullConversationHeadersOnly")
    if not headers and items(document, "conversation"):
        headers = [{"bubbleId": one} for one in embedded]
    if not headers and rows:  # the editor lost the list, as it does in crashes, but not the bubbles
        skipped["order lost"] += 1
        headers = [{"bubbleId": one} for _, one in _by_time(rows)]
    seen: set[str] = set()
    for header in map(record, headers):
        bubble_id = string(header, "bubbleId")
        if bubble_id is None:
            skipped["header without a bubble"] += 1
        elif bubble_id not in seen:
            seen.add(bubble_id)
            skipped["bubble missing"] += not rows.get(bubble_id) and bubble_id not in embedded
            yield Place(bubble_id, header)


def _by_time(rows: Mapping[str, bytes | None]) -> list[tuple[int, str]]:
    values = ((record(raw), bubble_id) for bubble_id, raw in rows.items())
    return sorted((bubbles.created_at(value, {}) or 0, one) for value, one in values if value)


def _with_undone(steps: Steps) -> Iterator[Place]:
    """Between the turns, by their times, the bubbles of turns that were taken back."""
    known = {place.bubble_id for place in steps.places}
    gone = _by_time({one: raw for one, raw in steps.rows.items() if one not in known})
    for place in steps.places:
        if gone and _is_prompt(steps, place):
            at = bubbles.created_at(steps.bubble(place.bubble_id), place.header)
            while gone and at is not None and gone[0][0] < at:
                yield Place(gone.pop(0)[1], {}, undone=True)
        yield place
    yield from (Place(bubble_id, {}, undone=True) for _, bubble_id in gone)


def _requests(steps: Steps) -> Iterator[str]:
    for place in steps.places:
        if _is_prompt(steps, place):
            yield from filter(None, (string(steps.bubble(place.bubble_id), "requestId"),))


def _is_prompt(steps: Steps, place: Place) -> bool:
    return (place.header.get("type") or steps.bubble(place.bubble_id).get("type")) == 1


def _is_settled(document: Value, steps: Steps) -> bool:
    """Whether the last turn is written whole; what earlier ones lack is lost for good."""
    status = document.get("status")
    if status == "generating" or items(document, "generatingBubbleIds"):
        return False
    turn: list[Place] = []
    for place in reversed(steps.places):
        if _is_prompt(steps, place):
            break
        turn.append(place)
    if not turn and steps.places and status != "aborted":
        return False  # the prompt is there, and the answer is not
    return all(_is_whole(steps, place) for place in turn)


def _is_whole(steps: Steps, place: Place) -> bool:
    value = steps.bubble(place.bubble_id)
    return bool(value) and not tools.is_running(steps.tool(place.bubble_id, value))


def _costs(document: Value) -> Iterator[tuple[str, float]]:
    """USD by model, as versions of 2025 state it."""
    for model, stated in part(document, "usageData").items():
        cents = record(stated).get("costInCents")
        if isinstance(cents, int | float) and not isinstance(cents, bool) and cents > 0:
            yield model, cents / 100
