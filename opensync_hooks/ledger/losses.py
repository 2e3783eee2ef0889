"""What could not be delivered whole, counted by kind. The kinds are shown to the user."""

from __future__ import annotations

from opensync_hooks.ledger.ledger import Ledger

CUT_TEXTS = "texts cut short"
OMITTED_PARTS = "parts left out"
DROPPED_COPIES = "copies dropped"


def total(ledger: Ledger, destination: str) -> dict[str, int]:
    """Return the counts of all sessions together, by kind."""
    query = "SELECT kind, sum(count) FROM loss WHERE destination = ? GROUP BY kind ORDER BY kind"
    return {str(kind): int(count) for kind, count in ledger.rows(query, destination)}
