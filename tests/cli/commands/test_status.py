"""`status` says where the user stands, in words and for machines."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageState, SessionRecord
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock, formatting
from tests.commandline import FIRST, run
from tests.opensync import real_opensync


def test_status_of_a_new_user_names_the_store_and_the_next_steps(ours: Path) -> None:
    ran = run("status")
    assert (ran.returncode, ran.stderr) == (0, "")
    destination, *others = ran.stdout.splitlines()
    assert destination == f"Destination:       embedded store ({ours}/store.db)"
    assert others[:6] == [
        "Connected:         yes",
        "Convex URL:        none; `opensync-hooks login` sends to your OpenSync instead",
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
        ledger.set_note("last error", "the server was away")
        record = SessionRecord(ledger, "embedded store", "claude-code", "s")
        record.set_message("m", "h", MessageState.QUARANTINED, "too large")
    said = run("status", OPENSYNC_HOOKS_THINKING="1").stdout
    assert "Sessions synced:   1 (8 messages)" in said
    assert "Waiting:           1 job\n" in said
    assert "Thinking:          sent" in said
    assert "Set aside:         s message m: too large" in said
    assert re.search(
        r"Last error:        the server was away \((just now|\d+ seconds? ago)\)", said
    )
    hooks = next(one for one in said.splitlines() if one.startswith("Claude Code hooks:"))
    assert re.fullmatch(
        r"Claude Code hooks: not registered: run opensync-hooks install; 1 synced, the last one .*;"
        r" 1 waiting; 8 of 9 sessions not synced yet: opensync-hooks sync --agent claude-code",
        hooks,
    )
    assert spool.waiting() == 1


@pytest.mark.usefixtures("recorded")
def test_status_for_machines_is_one_json_object() -> None:
    run("sync", FIRST)
    found = json.loads(run("status", "--json").stdout)
    agents = {agent["agent"]: agent for agent in found.pop("agents")}
    assert agents["claude-code"] == {
        "agent": "claude-code", "label": "Claude Code", "found": True, "registered": False,
        "problem": None, "outdated": None, "on_disk": 9, "synced": 1, "unsynced": 8, "waiting": 0,
        "last_sync": found["last_sync"],
    }  # fmt: skip
    assert isinstance(found.pop("last_sync"), int)
    assert found == {
        "destination": "embedded store", "key": None, "reachable": True, "authorised": True,
        "sessions": 1, "messages": 8, "waiting": 0, "parked": 0, "last_error": None,
        "last_error_at": None, "unpriced": [], "thinking": False,
        "redact": True, "file_contents": False, "excluded": 0,
        "set_aside": [], "rest": None, "lost": {},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ms", "said"),
    [(0, "just now"), (1_500, "1 second ago"), (59_000, "59 seconds ago"), (60_000, "1 minute ago"),
     (7_200_000, "2 hours ago"), (86_400_000, "1 day ago"), (-5_000, "just now")],
)  # fmt: skip
def test_times_are_told_in_words(monkeypatch: pytest.MonkeyPatch, ms: int, said: str) -> None:
    monkeypatch.setattr(clock, "now", lambda: 10**12)
    assert formatting.ago(10**12 - ms) == said
    assert formatting.ago(None) == "never"


@pytest.mark.parametrize(
    ("weight", "said"),
    [(0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1536, "1.5 KB"), (3 << 29, "1.5 GB")],
)
def test_sizes_are_told_in_words(weight: int, said: str) -> None:
    assert formatting.size(weight) == said


@pytest.mark.usefixtures("recorded")
def test_status_with_a_login_says_it_in_opensyncs_own_words(tmp_path: Path) -> None:
    with real_opensync(tmp_path) as (server, _, key):
        given = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key}
        run("sync", FIRST, **given)
        said = run("status", **given).stdout
    for line in (
        f"Connected:         yes, key osk_…{key[-4:]}",
        f"Convex URL:        {server.url}",
        "Sessions synced:   1 (8 messages)",
    ):
        assert line in said.splitlines()
    assert re.search(r"^Last sync:         (just now|\d+ seconds? ago)$", said, re.MULTILINE)
    assert key not in said


def test_status_says_so_when_the_hook_is_of_another_version(tmp_path: Path) -> None:
    old = tmp_path / "opensync_hooks"
    (old / "hooks").mkdir(parents=True)
    (old / "__init__.py").write_text('__version__ = "0.0.1"\n')
    (old / "hooks" / "claude_code.py").touch()
    agent = ClaudeCodeRegistration()
    command = hook_command(Path(sys.executable), old / "hooks" / agent.script)
    agent.settings_path(os.environ.get).parent.mkdir()
    change = agent.plan(os.environ.get, command)
    assert change
    agent.settings_path(os.environ.get).write_bytes(change.after or b"")
    assert (
        "Claude Code hooks: registered by version 0.0.1: run opensync-hooks install"
        in run("status").stdout
    )


def test_title_of_what_was_set_aside_does_not_steer_the_terminal(ours: Path) -> None:
    with Ledger(ours / "ledger.db") as ledger:
        record = SessionRecord(ledger, "embedded store", "claude-code", "\x1b[31ms")
        record.set_message("m", "h", MessageState.QUARANTINED, "\x07 refused")
    said = run("status").stdout
    assert "refused" in said
    assert "\x1b" not in said
    assert "\x07" not in said
