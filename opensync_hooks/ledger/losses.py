"""What did not arrive, counted by name. The names are shown to the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import WHERE_MESSAGES, SessionRecord
from opensync_hooks.model import Skipped

CUT_TEXTS = "texts cut short"
DEEP_VALUES = "values nested too deeply"
OMITTED_PARTS = "parts left out"
DROPPED_COPIES = "copies dropped"
WITHHELD_DOUBTFUL = "texts kept at home that may be thoughts"
WITHHELD_UNDONE = "undone messages kept at home"
_MAX_NAME_LENGTH = 60


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


def set_losses(record: SessionRecord, counts: Mapping[str, int]) -> None:
    """Replace what was cut from the session's texts, by kind; dropped copies stay."""
    where = f"{WHERE_MESSAGES} AND kind <> ?"
    values = (*record.key, DROPPED_COPIES)
    present = {kind: count for kind, count in counts.items() if count}
    rows = record.ledger.rows(f"SELECT kind, count FROM loss {where}", *values)  # noqa: S608
    if dict(rows) == present:
        return
    with record.ledger.transaction() as execute:
        execute(f"DELETE FROM loss {where}", *values)  # noqa: S608
        for kind, count in present.items():
            execute("INSERT INTO loss VALUES (?, ?, ?, ?, ?)", *record.key, kind, count)


def set_skipped(
    record: SessionRecord, counts: Mapping[Skipped, int], agent_version: str | None
) -> None:
    """Replace what the source skipped; `agent_version`: the version that wrote the session."""
    totals = Counter[Skipped]()
    for skipped, count in counts.items():
        totals[skipped._replace(name=_printable(skipped.name))] += count
    rows = {(*skipped, count, agent_version) for skipped, count in totals.items() if count}
    columns = "kind, name, count, agent_version"
    query = f"SELECT {columns} FROM skipped {WHERE_MESSAGES}"  # noqa: S608
    if rows == set(record.ledger.rows(query, *record.key)):
        return
    with record.ledger.transaction() as execute:
        execute(f"DELETE FROM skipped {WHERE_MESSAGES}", *record.key)  # noqa: S608
        for row in rows:
            execute("INSERT INTO skipped VALUES (?, ?, ?, ?, ?, ?, ?)", *record.key, *row)


def note_dropped_copy(record: SessionRecord) -> None:
    """Remember that the session's backup was dropped, perhaps the only copy of it."""
    row = (*record.key, DROPPED_COPIES, 1)
    with record.ledger.transaction() as execute:
        execute("INSERT OR REPLACE INTO loss VALUES (?, ?, ?, ?, ?)", *row)


def _printable(name: str) -> str:
    """Some sources name what they skip by the agent's term, which may hold control characters."""
    return "".join(char if char.isprintable() else "\ufffd" for char in name)[:_MAX_NAME_LENGTH]
