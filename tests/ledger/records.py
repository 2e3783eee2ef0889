"""Records of sessions in a ledger."""

from __future__ import annotations

from pathlib import Path

from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageRecord, MessageState, SessionRecord

HERE, THERE = "embedded store", "https://x.convex.site"
AGENT = "claude-code"


def record_of(ledger: Ledger, session_id: str = "s1", destination: str = HERE) -> SessionRecord:
    return SessionRecord(ledger, destination, AGENT, session_id)


def confirmed(content_hash: str) -> MessageRecord:
    return MessageRecord(content_hash, MessageState.CONFIRMED)


def fill(path: Path, messages: int = 500) -> None:
    """Write a ledger with a session of confirmed messages."""
    with Ledger(path) as ledger:
        record = record_of(ledger)
        record.set_remote_id("r1")
        for number in range(messages):
            record.set_message(f"m{number}", "h" * 64, MessageState.CONFIRMED)


def is_usable(path: Path) -> bool:
    with Ledger(path) as ledger:
        record = record_of(ledger, "fresh")
        record.set_remote_id("r9")
        record.set_message("m1", "h1", MessageState.CONFIRMED)
        return record.message("m1") == confirmed("h1")
