"""`status` shows destination, sessions, queue and hooks, as text and as JSON."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.destinations.store.search_query import parse_query
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import MessageState, SessionRecord
from opensync_hooks.pricing.table import bundled_table
from opensync_hooks.queue.spool import Spool
from opensync_hooks.server.overview import overview
from tests.commandline import DATA, FIRST, run
from tests.opencode_home import OpenCodeHome
from tests.opensync import real_opensync
from tests.page_reader import Page
from tests.transcripts import TranscriptWriter


def quarantine(ours: Path, session_id: str, reason: str) -> None:
    with Ledger(ours / "ledger.db") as ledger:
        record = SessionRecord(ledger, "embedded store", "claude-code", session_id)
        record.set_message("m", "h", MessageState.QUARANTINED, reason)


def test_status_of_a_new_user_shows_the_store_and_the_next_steps(ours: Path) -> None:
    ran = run("status")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[:7] == [
        f"Destination:       embedded store ({ours}/store.db)",
        "Connected:         yes",
        "Convex URL:        none; `opensync-hooks login` sends to your OpenSync instead",
        "Sessions synced:   0 (0 messages)",
        "Last sync:         never",
        "Waiting:           nothing",
        "Thinking:          left out",
    ]
    assert "Claude Code hooks: agent not installed" in lines


def test_status_counts_what_arrived_and_what_is_waiting(ours: Path, recorded: int) -> None:
    run("sync", FIRST)
    spool = Spool(ours / "spool")
    (ours / "spool" / "1-1.claude-code.event").write_bytes(b"\n{}")
    quarantine(ours, "s", "too large")
    with Ledger(ours / "ledger.db") as ledger:
        ledger.set_note("last error", "the server was away")
    run("config", "set", "thinking", "true")
    text = run("status").stdout
    assert "Sessions synced:   1 (8 messages)" in text
    assert "Waiting:           1 job\n" in text
    assert "Thinking:          included" in text
    assert "Quarantined:       s message m: too large" in text
    assert re.search(
        r"Last error:        the server was away \((just now|\d+ seconds? ago)\)", text
    )
    assert re.search(
        r"^Claude Code hooks: not registered: run opensync-hooks install; 1 synced, the last one .*"
        rf"; 1 waiting; {recorded - 1} of {recorded} sessions not synced yet:"
        r" opensync-hooks sync --agent claude-code$",
        text,
        re.MULTILINE,
    )
    assert spool.waiting() == 1


@pytest.mark.usefixtures("recorded")
def test_json_counts_excluded_sessions_by_their_reason() -> None:
    run("config", "set", "exclude", "*")
    run("sync", FIRST)
    status = json.loads(run("status", "--json").stdout)
    assert status["excluded"] == sum(status["excluded_reasons"].values()) == 1


def test_json_has_every_field(recorded: int) -> None:
    run("sync", FIRST)
    status = json.loads(run("status", "--json").stdout)
    agents = {agent["agent"]: agent for agent in status.pop("agents")}
    assert agents["claude-code"] == {
        "agent": "claude-code", "label": "Claude Code", "found": True, "registered": False,
        "problem": None, "outdated": None, "on_disk": recorded, "synced": 1,
        "unsynced": recorded - 1, "waiting": 0,
        "masked_otherwise": 0,
        "last_sync": status["last_sync"],
    }  # fmt: skip
    assert isinstance(status.pop("last_sync"), int)
    assert status.pop("store_bytes") > 50_000
    assert status == {
        "destination": "embedded store", "key": None, "reachable": True, "authorised": True,
        "sessions": 1, "subagents": 0, "messages": 8, "waiting": 0, "parked": 0, "last_error": None,
        "last_error_at": None, "unpriced": [], "stated_free": {}, "thinking": False,
        "deleted": [], "only_in_store": 0,
        "redact": True, "file_contents": False, "keeps_file_contents": False,
        "excluded": 0, "excluded_reasons": {},
        "set_aside": [], "rest": None, "lost": {}, "unknown": {}, "own_prices": [],
        "prices_from": bundled_table().taken_on.isoformat(),
        "not_understood": [], "incomplete": [],
            "catch_up": {"enabled": True, "delivered": 0, "last": None, "failed": []},
        "destinations": [],
            "elsewhere": [], "apart": [],
    }  # fmt: skip


def test_status_names_what_was_not_understood_and_what_is_incomplete(projects: Path) -> None:
    for number in range(5):
        path = projects / f"later-{number}.jsonl"
        TranscriptWriter(path).write(b'{"speaker": "human"}\n')
    damaged = TranscriptWriter(projects / "d.jsonl")
    damaged.turn(1)
    damaged.write(b"not JSON\n" * 2)
    new = TranscriptWriter(projects / "new.jsonl")
    new.turn(1)
    new.write(b'{"type": "banner"}\n')
    run("sync")
    lines = run("status").stdout.splitlines()
    assert [line for line in lines if line.startswith(("Not understood", "Inc", "Unk"))] == [
        *(
            f"Not understood:    later-{number} (claude-code): none of its content could be read"
            for number in range(3)
        ),
        "Not understood:    2 more: opensync-hooks status --json",
        "Incomplete:        5 line without a type, 2 unreadable line, in 6 sessions such as d",
        "Unknown:           line of type banner (1)",
    ]
    assert "Sessions synced:   1 (4 messages)" in lines
    status = json.loads(run("status", "--json").stdout)
    assert status["incomplete"] == [{"agent": "claude-code", "session": "d"}]
    assert [row["session"][:6] for row in status["not_understood"]] == ["later-"] * 5
    assert status["unknown"] == {"line of type banner": 1}
    losses = {"line without a type": 5, "unreadable line": 2}
    assert status["lost"] == status["unknown"] | losses
    agents = {agent["agent"]: agent for agent in status["agents"]}
    assert (agents["claude-code"]["synced"], agents["claude-code"]["unsynced"]) == (1, 0)


@pytest.mark.usefixtures("recorded")
def test_json_lists_what_is_quarantined(ours: Path) -> None:
    quarantine(ours, "s", "too large")
    status = json.loads(run("status", "--json").stdout)
    assert status["parked"] == 1
    (item,) = status["set_aside"]
    assert (item["session_id"], item["message"], item["reason"]) == ("s", "m", "too large")


@pytest.mark.usefixtures("recorded")
def test_status_with_a_login_uses_the_terms_of_opensync(tmp_path: Path) -> None:
    with real_opensync(tmp_path) as (server, _, key):
        login = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key}
        run("sync", FIRST, **login)
        text = run("status", **login).stdout
    for line in (
        f"Connected:         yes, key osk_…{key[-4:]}",
        f"Convex URL:        {server.url}",
        "Sessions synced:   1 (8 messages)",
    ):
        assert line in text.splitlines()
    assert re.search(r"^Last sync:         (just now|\d+ seconds? ago)$", text, re.MULTILINE)
    assert key not in text


def test_hook_of_another_version_is_shown(tmp_path: Path) -> None:
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


def test_quarantined_session_cannot_steer_the_terminal(ours: Path) -> None:
    quarantine(ours, "\x1b[31ms", "\x07 refused")
    text = run("status").stdout
    assert "refused" in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_model_that_the_agent_states_as_free_is_shown_at_list_price(ours: Path) -> None:
    with Ledger(ours / "ledger.db") as ledger:
        record = SessionRecord(ledger, "embedded store", "opencode", "s")
        record.confirm_session("hash", None, None, (), {"claude-sonnet-4-5": 0.0042})
    assert "claude-sonnet-4-5 ($0.0042 at list price)" in run("status").stdout
    status = json.loads(run("status", "--json").stdout)
    assert status["stated_free"] == {"claude-sonnet-4-5": 0.0042}
    assert status["unpriced"] == []


def test_status_sync_verify_and_the_page_count_the_same(home: Path, ours: Path) -> None:
    shutil.copytree(DATA / "02-subagents", home / ".claude" / "projects" / "-subagents")
    shutil.copytree(DATA / "05-fork", home / ".claude" / "projects" / "-fork")
    OpenCodeHome(home).put("1.18.33")
    *lines, synced = run("sync", "-v").stdout.splitlines()
    status = json.loads(run("status", "--json").stdout)
    verified = json.loads(run("verify", "--all", "--json").stdout)
    sessions, subagents, messages = (status[name] for name in ("sessions", "subagents", "messages"))
    assert synced.startswith(f"{sessions} sessions synced")
    assert sum(agent["synced"] for agent in status["agents"]) == sessions
    assert len(verified["sessions"]) == sessions
    sent = [re.search(r"(\d+) messages? sent", line) for line in lines]
    assert sum(int(match[1]) for match in sent if match) == messages
    started = [re.search(r"(\d+) subagents?\b", line) for line in lines]
    assert sum(int(match[1]) for match in started if match) == subagents > 3
    assert f"{sessions} ({messages} messages, {subagents} subagents)" in run("status").stdout
    with Store(ours / "store.db") as store:
        page = Page(overview(store, {"period": "all"}).body.decode())
        listed = store.session_list(parse_query(""), 0, 1_000)
        rows = store.sessions(1_000)
    assert f"Sessions{sessions}Subagents{subagents}Messages{messages}Calls" in page.text
    assert len(listed) == sessions
    assert sum(session["subagentCount"] for session in listed) == subagents
    assert sum(session["messageCount"] for session in rows) == messages
