"""A session of the editor: its document and its bubbles, versions 1 to 18, as one conversation.

    version 1      `conversation`: the bubbles themselves      tools in `bubbleDataMap`
    version 2      `conversationMap` and headers               the same
    from 3 on      headers that name rows `bubbleId:…`         tools in the bubble

Only the headers have an order: keys are random, times repeat, and rows move.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from operator import itemgetter

from opensync_hooks.agents.cursor import bubbles, projects, state_db, timestamps
from opensync_hooks.agents.cursor.composer_steps import (
    ORDER_LOST,
    BubbleRef,
    ComposerSteps,
    RequestIds,
)
from opensync_hooks.agents.cursor.conversation import (
    RICHEST_ORIGIN,
    Conversation,
    model_name,
)
from opensync_hooks.agents.cursor.state_db import ComposerRows
from opensync_hooks.agents.json_access import (
    as_dict,
    get_dict,
    get_dicts,
    get_float,
    get_list,
    get_str,
)
from opensync_hooks.model import Json, Skipped

_TOOLS_CAPABILITY = 15


def to_conversation(session_id: str, rows: ComposerRows) -> Conversation:
    """Return the session as the window shows it. Bubbles that no header names were undone."""
    document, header = as_dict(rows.composer), as_dict(rows.header)
    embedded = _embedded_bubbles(document)
    rows = replace(rows, bubbles=_by_header(document, rows.bubbles))
    skipped = rows.unknown
    refs = tuple(_listed_refs(document, embedded, rows.bubbles, skipped))
    steps = ComposerSteps(refs, rows.bubbles, embedded, _embedded_tools(document), skipped)
    return Conversation(
        session_id=session_id,
        origin=RICHEST_ORIGIN,
        steps=replace(steps, refs=tuple(_with_undone(steps))),
        name=get_str(document, "name") or get_str(header, "name"),
        project_path=projects.window_path(document) or projects.window_path(header),
        folders=projects.repositories(document) or projects.repositories(header),
        git_branch=projects.git_branch(document),
        model=model_name(get_str(document, "modelConfig", "modelName")),
        created_at=timestamps.parse(document.get("createdAt")),
        updated_at=state_db.changed_at(document) or None,
        parent_id=state_db.parent_id(document) or state_db.parent_id(header),
        children=state_db.child_ids(document),
        is_settled=_is_settled(document, steps),
        request_ids=RequestIds(steps),
        costs=_costs(document),
        skipped=skipped,
    )


def _embedded_bubbles(document: Json) -> dict[str, Json]:
    bubble_map = get_dict(document, "conversationMap")
    embedded = {bubble_id: as_dict(bubble) for bubble_id, bubble in bubble_map.items()}
    for index, bubble in enumerate(map(as_dict, get_list(document, "conversation"))):
        if bubble:
            embedded[get_str(bubble, "bubbleId") or f"#{index}"] = bubble
    return embedded


def _by_header(document: Json, rows: Mapping[str, bytes | None]) -> Mapping[str, bytes | None]:
    """Return the rows under the ids that the headers use, which some rows have inside only."""
    headers = get_dicts(document, "fullConversationHeadersOnly")
    ids = {get_str(header, "bubbleId") for header in headers}
    if not ids - rows.keys():
        return rows
    own_ids = ((key, get_str(as_dict(row), "bubbleId")) for key, row in rows.items())
    names = {key: own_id for key, own_id in own_ids if key not in ids and own_id in ids}
    return {names.get(key) or key: row for key, row in rows.items()}


def _embedded_tools(document: Json) -> Json:
    for capability in get_dicts(document, "capabilities"):
        if capability.get("type") == _TOOLS_CAPABILITY:
            return as_dict(get_dict(capability, "data").get("bubbleDataMap"))
    return {}


def _listed_refs(
    document: Json,
    embedded: Mapping[str, Json],
    rows: Mapping[str, bytes | None],
    skipped: Counter[Skipped],
) -> Iterator[BubbleRef]:
    """Yield the bubbles in the order of the headers, each once."""
    headers = get_list(document, "fullConversationHeadersOnly")
    if not headers and get_list(document, "conversation"):
        headers = [{"bubbleId": bubble_id} for bubble_id in embedded]
    if not headers and rows:  # a crash of the editor loses the list, but not the bubbles
        skipped[ORDER_LOST] += 1
        headers = [{"bubbleId": bubble_id} for _, bubble_id in _by_time(rows, rows)]
    seen: set[str] = set()
    for listed in headers:
        header = {"bubbleId": listed} if isinstance(listed, str) else as_dict(listed)
        bubble_id = get_str(header, "bubbleId")
        if bubble_id is None:
            skipped[Skipped("unreadable", "header without a bubble")] += 1
        elif bubble_id not in seen:
            seen.add(bubble_id)
            is_missing = not rows.get(bubble_id) and bubble_id not in embedded
            skipped[Skipped("unreadable", "bubble missing")] += is_missing
            yield BubbleRef(bubble_id, header)


def _by_time(rows: Mapping[str, bytes | None], bubble_ids: Iterable[str]) -> list[tuple[int, str]]:
    """Return these bubbles in the order of their times, as far as they have a row.

    One without a time, as prompts of 2025 are, has that of the next that was written.
    """
    decoded = [(as_dict(rows[bubble_id]), bubble_id) for bubble_id in bubble_ids]
    times: list[tuple[int, str]] = []
    later = 0
    for bubble, name in reversed(decoded):
        if bubble:
            later = bubbles.created_at(bubble, {}) or later
            times.append((later, name))
    times.reverse()
    return sorted(times, key=itemgetter(0))


def _with_undone(steps: ComposerSteps) -> Iterator[BubbleRef]:
    """Insert, between the turns, the bubbles of turns that were undone, by their times."""
    listed = {ref.bubble_id for ref in steps.refs}
    undone = _by_time(steps.rows, (name for name in steps.rows if name not in listed))
    for ref in steps.refs:
        if undone and steps.is_prompt(ref):
            created_at = bubbles.created_at(steps.bubble(ref), ref.header)
            while undone and created_at is not None and undone[0][0] < created_at:
                yield BubbleRef(undone.pop(0)[1], {}, undone=True)
        yield ref
    yield from (BubbleRef(bubble_id, {}, undone=True) for _, bubble_id in undone)


def _is_settled(document: Json, steps: ComposerSteps) -> bool:
    """Return whether the last turn is complete; what earlier turns lack is lost for good."""
    status = document.get("status")
    if status == "generating" or get_list(document, "generatingBubbleIds"):
        return False
    answer: list[BubbleRef] = []
    for ref in reversed(steps.refs):
        if steps.is_prompt(ref):
            break
        answer.append(ref)
    if not answer and steps.refs and status != "aborted":
        return False  # the prompt has no answer yet
    return all(map(steps.is_complete, answer))


def _costs(document: Json) -> dict[str, float]:
    """Return USD by model, as versions of 2025 state it."""
    cents = {
        model: get_float(as_dict(usage), "costInCents")
        for model, usage in get_dict(document, "usageData").items()
    }
    return {model: amount / 100 for model, amount in cents.items() if amount}
