"""What an API call used, from the `usage` of its response, by every field that changes its price.

https://platform.claude.com/docs/en/api/messages describes the fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from opensync_hooks.agents.claude_code.vocabulary import USAGE_FIELDS
from opensync_hooks.agents.json_access import get, get_count, get_dict, get_dicts, get_str
from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Charge, Json, Usage

_STANDARD = ("standard", "default", "auto", "global", "not_available")
"""Words for what is billed at the standard price; `not_available`: of a model without regions."""
_NOT_IN_TOTALS = ("advisor_message", "compaction")
"""Requests within a call that its own counts leave out."""
_FALLBACK = "fallback_message"
"""The request that served the response after a model had declined; only this one is billed."""
_BILLED_WITHIN = {
    "cache_creation": ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
    "server_tool_use": ("web_search_requests", "web_fetch_requests"),
}
"""Counts that have a price, or that are free."""


@dataclass(frozen=True, slots=True)
class ResponseUsage:
    """The usage of one response, whose lines repeat it, the first ones with smaller counts."""

    usage: Usage
    terms: tuple[str, ...]
    steps: tuple[Usage, ...]
    others: tuple[tuple[str, str | None, Usage], ...]
    """Kind, model and usage of the requests that are billed beside the response."""
    served_by: str | None = None
    """The model that answered in place of the one that the response names."""

    @classmethod
    def of_line(cls, line: Json) -> ResponseUsage | None:
        counts = get(line, "message", "usage")
        if not isinstance(counts, dict):
            return None
        iterations = get_dicts(counts, "iterations")
        total = _usage(counts)
        others = tuple(
            (kind, get_str(request, "model"), _usage(request))
            for request in iterations
            if (kind := get_str(request, "type") or "") in _NOT_IN_TOTALS
        )
        words = (get_str(counts, name) for name in ("speed", "service_tier", "inference_geo"))
        terms = tuple(word for word in words if word and word not in _STANDARD)
        terms += tuple(_without_price(counts, iterations, total))
        for request in iterations:
            if request.get("type") == _FALLBACK and (model := get_str(request, "model")):
                return cls(total, terms, (_usage(request),), others, model)
        return cls(total, terms, _steps(iterations, total), others)

    def charges(
        self, charge_id: str, model: str | None, at: int | None, made_in: str | None
    ) -> Iterator[Charge]:
        """Yield the charge of the response, then those of the requests beside it.

        `model`: the one that the response names.
        """

        def charge(
            charge_id: str,
            model: str | None,
            usage: Usage,
            terms: tuple[str, ...],
            steps: tuple[Usage, ...] = (),
        ) -> Charge:
            return Charge(charge_id, model, usage, at=at, terms=terms, made_in=made_in, steps=steps)

        yield charge(charge_id, self.served_by or model, self.usage, self.terms, self.steps)
        terms = tuple(term for term in self.terms if term != "fast")  # which is the response's own
        for number, (kind, own_model, usage) in enumerate(self.others, 1):
            yield charge(f"{charge_id}:{kind}:{number}", own_model or model, usage, terms)

    def merged(self, earlier: ResponseUsage | None) -> ResponseUsage:
        """Return the largest of each count: early lines of a stream have early counts."""
        return replace(self, usage=self.usage.largest(earlier.usage)) if earlier else self


def _usage(counts: Json) -> Usage:
    creation = counts.get("cache_creation")
    hourly = get_count(creation, "ephemeral_1h_input_tokens")
    short = get_count(creation, "ephemeral_5m_input_tokens")
    written = max(get_count(counts, "cache_creation_input_tokens"), hourly + short)
    return Usage(
        input_tokens=get_count(counts, "input_tokens"),
        output_tokens=get_count(counts, "output_tokens"),
        cache_read_tokens=get_count(counts, "cache_read_input_tokens"),
        cache_write_5m_tokens=written - hourly,
        cache_write_1h_tokens=hourly,
        reasoning_tokens=get_count(counts, "output_tokens_details", "thinking_tokens"),
        web_searches=get_count(counts, "server_tool_use", "web_search_requests"),
    )


def _without_price(counts: Json, iterations: Iterable[Json], total: Usage) -> Iterator[str]:
    """Yield the name of each count, and the kind of each request, whose price is not known."""
    for name, priced in _BILLED_WITHIN.items():
        within = get_dict(counts, name)
        yield from (key for key in within if key not in priced and get_count(within, key))
    yield from (name for name in counts if name not in USAGE_FIELDS and get_count(counts, name))
    by_kind: dict[str, Usage] = {}
    for request in iterations:
        kind = get_str(request, "type") or "untyped iteration"
        if kind not in (*_NOT_IN_TOTALS, _FALLBACK):
            by_kind[kind] = by_kind.get(kind, Usage()) + _usage(request)
    if by_kind.keys() <= {"message"}:
        return
    own = by_kind.pop("message", Usage())
    tokens = total.prompt_tokens + total.completion_tokens
    if sum(u.prompt_tokens + u.completion_tokens for u in (own, *by_kind.values())) > tokens:
        yield from by_kind


def _steps(iterations: Iterable[Json], total: Usage) -> tuple[Usage, ...]:
    """Return the requests that the total is the sum of; none where the sum is another one.

    Requests without `cache_creation` share its hourly writes, the first ones as much as they wrote.
    """
    requests = [request for request in iterations if request.get("type") == "message"]
    if len(requests) < 2:
        return ()
    steps: list[Usage] = []
    hourly = total.cache_write_1h_tokens
    for request in requests:
        step = _usage(request)
        moved = min(hourly - step.cache_write_1h_tokens, step.cache_write_5m_tokens)
        if "cache_creation" not in request:
            step = replace(
                step,
                cache_write_5m_tokens=step.cache_write_5m_tokens - moved,
                cache_write_1h_tokens=moved,
            )
        hourly -= step.cache_write_1h_tokens
        steps.append(step)
    counted = replace(sum(steps, Usage()), reasoning_tokens=0, web_searches=0)
    is_total = counted == replace(total, reasoning_tokens=0, web_searches=0)
    return tuple(steps) if is_total else ()
