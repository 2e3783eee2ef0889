"""What `sync` prints of one session: a line, or a row for JSON."""

from __future__ import annotations

from enum import Enum, auto

from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.system.formatting import count


class Output(Enum):
    """How much `sync` prints."""

    QUIET = auto()
    """Errors only."""
    BRIEF = auto()
    """What needs attention, and the totals."""
    VERBOSE = auto()
    """Every session, and the totals."""
    JSON = auto()


def is_plain(outcome: SyncOutcome) -> bool:
    """Whether all of the session was delivered, so that a count says enough."""
    trouble = (outcome.quarantined, outcome.unclear, outcome.removed, outcome.excluded)
    is_complete = all(key.kind == "left out" for key in outcome.skipped)
    return outcome.state is SyncState.SYNCED and is_complete and not any(trouble)


def describe(outcome: SyncOutcome, destination: str) -> str:
    if outcome.removed:
        return f"{outcome.session_id}: {outcome.withheld}"
    if outcome.excluded:
        return f"{outcome.session_id}: excluded: {outcome.excluded}"
    skipped = ", ".join(
        f"{number} {key.name}" for key, number in outcome.skipped.items() if key.kind != "left out"
    )
    if outcome.state is SyncState.NOT_UNDERSTOOD:
        return f"{outcome.session_id}: nothing understood ({skipped})"
    subagents, masked = outcome.sessions - 1, sum(outcome.redacted.values())
    facts = [
        f"{count(outcome.sent, 'message')} sent to {destination}",
        f"{outcome.unchanged} unchanged",
    ]
    if subagents > 0:
        facts.append(count(subagents, "subagent"))
    if masked:
        facts.append(f"{count(masked, 'secret')} masked")
    if outcome.quarantined:
        facts.append(f"{outcome.quarantined} quarantined ({outcome.reason})")
    if outcome.unclear:
        facts.append(f"{outcome.unclear} waiting ({outcome.reason})")
    if skipped:
        is_incomplete = outcome.state is SyncState.INCOMPLETE
        facts.append(f"{'incomplete' if is_incomplete else 'skipped'} ({skipped})")
    return f"{outcome.session_id}: {', '.join(facts)}  {outcome.title or ''}".rstrip()


def as_json(result: SyncOutcome | OpenSyncError) -> dict[str, object]:
    if isinstance(result, OpenSyncError):
        return {"state": "failed", "error": str(result), "hint": result.hint}
    state: str = result.state
    if result.quarantined or result.unclear:
        state = "failed"
    elif result.state is SyncState.WAITING:
        state = "synced" if result.sessions else "empty"
    return {
        "session": result.session_id,
        "state": state,
        "sent": result.sent,
        "unchanged": result.unchanged,
        "set_aside": result.quarantined,
        "waiting": result.unclear,
        "sessions": result.sessions,
        "masked": dict(result.redacted),
        "skipped": {skipped.name: number for skipped, number in result.skipped.items()},
        "partial": result.is_partial,
        "reason": result.withheld or result.reason,
    }
