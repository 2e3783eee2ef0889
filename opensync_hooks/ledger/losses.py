"""What did not arrive, counted by name. The names are shown to the user."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Skipped

CUT_TEXTS = "texts cut short"
OMITTED_PARTS = "parts left out"
DROPPED_COPIES = "copies dropped"
WITHHELD_UNDONE = "undone messages kept at home"


class SkippedContent(NamedTuple):
    """Something in one session that its source skipped."""

    agent: str
    session_id: str
    skipped: Skipped
    number: int
    agent_version: str | None


def skipped_content(ledger: Ledger, destination: str) -> list[SkippedContent]:
    """Return what the sources skipped in each session, apart from what nobody said."""
    query = (
        "SELECT agent, session, kind, name, count, agent_version FROM skipped"
        " WHERE destination = ? AND kind <> 'left out' ORDER BY name, agent, session"
    )
    return [
        SkippedContent(agent, session_id, Skipped(kind, name), number, agent_version)
        for agent, session_id, kind, name, number, agent_version in ledger.rows(query, destination)
    ]


def total(ledger: Ledger, destination: str) -> dict[str, int]:
    """Return the counts of all sessions together, by name: cuts, and what was skipped."""
    query = "SELECT kind, sum(count) FROM loss WHERE destination = ? GROUP BY kind"
    counts = Counter({str(kind): int(count) for kind, count in ledger.rows(query, destination)})
    for content in skipped_content(ledger, destination):
        counts[content.skipped.name] += content.number
    return dict(sorted(counts.items()))
