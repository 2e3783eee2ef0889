"""The ledger's page on what could not be kept whole: how many of what, session by session."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Json

CUT = "texts cut short"
LEFT_OUT = "parts left out"
COPY = "copies dropped"
_CUT_HERE = re.compile(r"\n\[cut here: \d+ more bytes\]\Z")
_PARTS_LEFT_OUT = re.compile(r"\[(\d+) more parts left out\]")


def of_body(body: Json) -> Counter[str]:
    """What `wire` has cut from a message, by the marks that it leaves."""
    found = Counter[str]()
    parts = body.get("parts") or [{"content": ""}]
    for part in parts:
        content = part["content"]
        values = content.values() if isinstance(content, dict) else (content,)
        texts = (one for one in values if isinstance(one, str))
        found[CUT] += sum(bool(_CUT_HERE.search(text[-60:])) for text in texts)
    last = parts[-1]["content"]
    if isinstance(last, str) and (counted := _PARTS_LEFT_OUT.fullmatch(last)):
        found[LEFT_OUT] += int(counted[1])
    return +found


def note(
    ledger: Ledger, destination: str, agent: str, session_id: str, counts: Mapping[str, int]
) -> None:
    """What is known of a session from now on: what was half written and is whole now, no more."""
    of = "WHERE destination = ? AND agent = ? AND session = ? AND kind <> ?"
    key = (destination, agent, session_id)
    kept = {_shown(kind): count for kind, count in counts.items() if count}
    if dict(ledger.rows(f"SELECT kind, count FROM loss {of}", *key, COPY)) == kept:  # noqa: S608
        return
    with ledger.at_once() as run:
        run(f"DELETE FROM loss {of}", *key, COPY)  # noqa: S608
        for kind, count in kept.items():
            run("INSERT OR REPLACE INTO loss VALUES (?, ?, ?, ?, ?)", *key, kind, count)


def note_copy(ledger: Ledger, destination: str, agent: str, session_id: str) -> None:
    """The session's copy was dropped, and perhaps there is no other."""
    row = "INSERT OR REPLACE INTO loss VALUES (?, ?, ?, ?, 1)"
    with ledger.at_once() as run:
        run(row, destination, agent, session_id, COPY)


def _shown(kind: str) -> str:
    """Some sources name what they skipped after what the agent calls it."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in kind)[:60]


def total(ledger: Ledger, destination: str) -> dict[str, int]:
    """By kind, over all sessions."""
    query = "SELECT kind, sum(count) FROM loss WHERE destination = ? GROUP BY kind ORDER BY kind"
    return {str(kind): int(count) for kind, count in ledger.rows(query, destination)}
