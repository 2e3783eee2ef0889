"""The bubbles of a session as steps, each decoded when it is reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from itertools import islice

from opensync_hooks.agents.cursor import bubbles, tools, unknown
from opensync_hooks.agents.cursor.conversation import Step
from opensync_hooks.agents.cursor.message_ids import MessageIds
from opensync_hooks.agents.json_access import (
    as_dict,
    decode_damaged,
    decode_dict,
    get_dict,
    get_str,
)
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Json, Skipped

ORDER_LOST = Skipped("left out", "order lost")
_DAMAGED = Skipped("unreadable", "damaged bubble")


@dataclass(frozen=True, slots=True)
class BubbleRef:
    """One bubble's position in the conversation, and what its header says."""

    bubble_id: str
    header: Json
    undone: bool = False


@dataclass(slots=True)
class StepPosition:
    """What the steps before a place add up to."""

    ids: MessageIds = field(default_factory=MessageIds)
    model: str | None = None


@dataclass(frozen=True, slots=True)
class ComposerSteps:
    """The bubbles as steps, each decoded only when it is reached: a session may have 100 MB."""

    refs: tuple[BubbleRef, ...] = field(repr=False)
    rows: Mapping[str, bytes | None] = field(repr=False)
    embedded: Mapping[str, Json] = field(repr=False)
    """The bubbles that versions 1 and 2 keep inside the document."""
    tools: Json = field(repr=False)
    """The tool calls that versions 1 and 2 keep inside the document."""
    skipped: Counter[Skipped] = field(default_factory=Counter, repr=False)
    """Complete once the steps were walked."""
    _counted: dict[str, tuple[Skipped, ...]] = field(default_factory=dict, repr=False)
    """What was skipped in each bubble that has been reached."""

    @property
    def has_rows_in_order(self) -> bool:
        """Whether each bubble is a row of its own, and headers say their order."""
        return not (self.embedded or self.tools or self.skipped[ORDER_LOST])

    def __iter__(self) -> Iterator[Step]:
        return self.walk(StepPosition())

    def walk(
        self, position: StepPosition, start: int = 0, stop: int | None = None
    ) -> Iterator[Step]:
        """Yield the steps of some bubbles, and move the position along."""
        for ref in islice(self.refs, start, stop):
            step = self._step(ref)
            if step is None:
                continue
            if step.role == "user":
                position.model = step.model or position.model
            elif step.role == "assistant":
                step = replace(step, model=step.model or position.model)
            if not step.undone:
                # The id in a transcript, which may have been all there was at the first sync.
                is_prompt = step.role == "user"
                ids = position.ids
                alias = ids.prompt(step.text) if is_prompt else ids.within_turn()
                step = replace(step, alias=alias)
            yield step

    def with_own_counts(self) -> ComposerSteps:
        return replace(self, skipped=Counter(self.skipped), _counted=dict(self._counted))

    def skipped_in(self, refs: Iterable[BubbleRef]) -> Counter[Skipped]:
        """Return what was skipped in bubbles that have been reached."""
        return Counter(each for ref in refs for each in self._counted.get(ref.bubble_id, ()))

    def replace_counts(self, refs: Iterable[BubbleRef], counts: Counter[Skipped]) -> None:
        """Count for these bubbles what an earlier read has counted, whether they are reached."""
        refs = tuple(refs)
        self.skipped.subtract(self.skipped_in(refs))
        self._counted.update((ref.bubble_id, ()) for ref in refs)
        self.skipped.update(counts)

    def _step(self, ref: BubbleRef) -> Step | None:
        """Return the step; None if neither a row nor a header says whose turn it was."""
        row = self.rows.get(ref.bubble_id)
        decoded = decode_dict(row) if row else None
        damaged = (_DAMAGED,) if row and decoded is None else ()
        bubble = decoded or self._without_row(ref)
        if bubble:
            step = bubbles.to_step(bubble, ref.bubble_id, ref.header, self._tool(ref, bubble))
            self._count(ref, (*damaged, *unknown.in_bubble(bubble, step.parts)))
            return replace(step, undone=ref.undone)
        self._count(ref, damaged)
        has_type = ref.header.get("type") in (1, 2)
        return Step(ref.bubble_id, bubbles.role(ref.header)) if has_type else None

    def _count(self, ref: BubbleRef, skipped: Iterable[Skipped]) -> None:
        """Count what was skipped in a bubble, once however often the steps are walked."""
        if ref.bubble_id not in self._counted:
            self._counted[ref.bubble_id] = tuple(skipped)
            self.skipped.update(self._counted[ref.bubble_id])

    def bubble(self, ref: BubbleRef) -> Json:
        return as_dict(self.rows.get(ref.bubble_id)) or self._without_row(ref)

    def _without_row(self, ref: BubbleRef) -> Json:
        """Return the bubble in the document, else what can be read of a damaged row."""
        row, embedded = self.rows.get(ref.bubble_id), self.embedded.get(ref.bubble_id)
        return embedded or (decode_damaged(row, "text") if row else {})

    def _tool(self, ref: BubbleRef, bubble: Json) -> Json:
        return get_dict(bubble, "toolFormerData") or as_dict(self.tools.get(ref.bubble_id))

    def is_prompt(self, ref: BubbleRef) -> bool:
        return (ref.header.get("type") or self.bubble(ref).get("type")) == 1

    def is_complete(self, ref: BubbleRef) -> bool:
        bubble = self.bubble(ref)
        return bool(bubble) and not tools.is_running(self._tool(ref, bubble))


@dataclass(frozen=True, slots=True)
class RequestIds:
    """The ids of the requests that prompts began, the newest first, each decoded when reached."""

    steps: ComposerSteps

    def __iter__(self) -> Iterator[str]:
        for ref in reversed(self.steps.refs):
            if self.steps.is_prompt(ref):
                request_id = get_str(self.steps.bubble(ref), "requestId")
                if request_id:
                    yield request_id
