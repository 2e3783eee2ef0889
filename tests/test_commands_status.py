"""`status` says where the user stands, in words and for machines."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from opensync_hooks import status
from opensync_hooks.ledger import Ledger
from opensync_hooks.spool import Spool
from tests.commandline import FIRST, run


def test_status_of_a_new_user_names_the_store_and_the_next_steps(ours: Path) -> None:
    ran = run("status")
    assert (ran.returncode, ran.stderr) == (0, "")
    destination, *others = ran.stdout.splitlines()
    assert destination.startswith(f"Destination:       embedded store ({ours}/store.db)")
    assert "`opensync-hooks login` sends to your OpenSync" in destination
    assert others[:5] == [
        "Connected:         yes",
        "Sessions synced:   0 (0 messages)",
        "Last sync:         never",
        "Waiting:           nothing",
        "Thinking:          stays here",
    ]
    assert "Claude Code hooks: agent not found" in others


@pytest.mark.usefixtures("recorded")
def test_status_counts_what_arrived_and_what_waits(ours: Path) -> None:
    run("sync", FIRST)
    spool = Spool(ours / "spool")
    (ours / "spool" / "1-1.claude-code.event").write_bytes(b"\n{}")
    with Ledger(ours / "ledger.db") as ledger:
        ledger.note("last error", "the server was away")
        ledger.account("embedded store", "claude-code", "s").write("m", "h", "parked", "too large")
    said = run("status", OPENSYNC_HOOKS_THINKING="1").stdout
    assert "Sessions synced:   1 (8 messages)" in said
    assert "Waiting:           1 job\n" in said
    assert "Thinking:          sent" in said
    assert "Set aside:         1 that the destination refuses for good" in said
    assert re.search(
        r"Last error:        the server was away \((just now|\d+ seconds? ago)\)", said
    )
    assert "Claude Code hooks: not registered: run install.py" in said
    assert spool.waiting() == 1


@pytest.mark.usefixtures("recorded")
def test_status_for_machines_is_one_json_object() -> None:
    run("sync", FIRST)
    found = json.loads(run("status", "--json").stdout)
    agents = {agent["agent"]: agent for agent in found.pop("agents")}
    assert agents["claude-code"] == {
        "agent": "claude-code", "label": "Claude Code", "found": True, "registered": False,
        "problem": None, "on_disk": 9, "unsynced": 8,
    }  # fmt: skip
    assert isinstance(found.pop("last_sync"), int)
    assert found == {
        "destination": "embedded store", "key": None, "reachable": True, "authorised": True,
        "sessions": 1, "messages": 8, "waiting": 0, "parked": 0, "last_error": None,
        "last_error_at": None, "unpriced": [], "thinking": False,
        "redact": True, "file_contents": False, "excluded": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "just now"), (1_500, "1 second ago"), (59_000, "59 seconds ago"), (60_000, "1 minute ago"),
     (7_200_000, "2 hours ago"), (86_400_000, "1 day ago"), (-5_000, "just now")],
)  # fmt: skip
def test_times_are_told_in_words(monkeypatch: pytest.MonkeyPatch, ms: int, words: str) -> None:
    monkeypatch.setattr(status, "_now", lambda: 10**12)
    assert status.ago(10**12 - ms) == words
    assert status.ago(None) == "never"
