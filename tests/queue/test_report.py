"""`queue` lists what is waiting or quarantined with the reason, tries it again, or drops it."""

from __future__ import annotations

import json
import math
import re
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from opensync_hooks.agents import registry
from opensync_hooks.config import load
from opensync_hooks.errors import KeyRefusedError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Trigger
from opensync_hooks.queue import backups
from opensync_hooks.queue.backoff import HOUR, Attempts
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.cooldown import Cooldown, CooldownRecord
from opensync_hooks.queue.job import Job
from opensync_hooks.system import clock
from opensync_hooks.system.log import Log
from tests.commandline import run
from tests.queue.harness import TOO_LARGE, TURN, OnlineUser, fails_on, no_fault
from tests.transcripts import TranscriptWriter

# ---- list ----------------------------------------------------------------------------------------


def test_empty_queue(online: OnlineUser) -> None:
    assert run("queue", "list").stdout == "Nothing is waiting or quarantined.\n"
    assert run("queue").stdout == "Nothing is waiting or quarantined.\n"
    assert online.listed() == []
    assert run("queue", "drop", "--all", "--yes").returncode == 0
    assert run("queue", "retry", "--all").returncode == 0


def test_each_job_is_listed_with_its_state(online: OnlineUser) -> None:
    attempts = Attempts(2, not_before=5)
    waiting = replace(online.put_job("s1"), error="It cannot be read.", attempts=attempts)
    online.spool.update(waiting)
    online.spool.quarantine(online.put_job("s2"), "It is refused.")
    (online.folders.spool / "claude-code-x.job").write_bytes(b"{")
    first, damaged, second = run("queue", "list").stdout.splitlines()
    assert first.startswith("claude-code s1: waiting, tried 2 times, queued ")
    assert first.endswith(". It cannot be read.")
    assert damaged == "claude-code-x.job: damaged"
    assert second.startswith("claude-code s2: quarantined, queued ")
    assert second.endswith(". It is refused.")
    items = {item["session_id"]: item for item in online.listed()}
    assert items["s1"] == {
        "state": "waiting", "agent": "claude-code", "session_id": "s1", "message": None,
        "reason": "It cannot be read.", "since": waiting.received_at, "tries": 2, "not_before": 5,
        "job": waiting.name,
    }  # fmt: skip
    assert (items["s2"]["state"], items["s2"]["reason"]) == ("quarantined", "It is refused.")
    assert (items[""]["state"], items[""]["agent"]) == ("damaged", "")
    assert items[""]["job"] == "claude-code-x.job"


def test_event_that_no_worker_has_seen_is_listed_and_can_be_dropped(online: OnlineUser) -> None:
    payload = b'\n{"session_id": "s1", "hook_event_name": "Stop"}'
    (online.spool.folder / f"{time.time_ns()}-1.claude-code.event").write_bytes(payload)
    (item,) = online.listed()
    assert (item["state"], item["session_id"]) == ("waiting", "s1")
    assert run("queue", "drop", "s1", "--yes").returncode == 0
    assert online.spool.waiting() == 0


def test_list_begins_with_the_cooldown_and_the_next_step(online: OnlineUser) -> None:
    start = datetime.now().astimezone()
    with Ledger(online.folders.ledger) as ledger:
        CooldownRecord.from_config(ledger, load()).start(KeyRefusedError("The key is refused."))
    line = run("queue", "list").stdout.splitlines()[0]
    match = re.fullmatch(
        r"Cooldown: key refused since (\d+-\d+-\d+ \d+:\d+)\. The key is refused\."
        r" Run: opensync-hooks login",
        line,
    )
    assert match
    assert abs(datetime.fromisoformat(match[1]).astimezone() - start) < timedelta(minutes=2)
    rest = json.loads(run("queue", "list", "--json").stdout)["rest"]
    assert rest.keys() == {"cause", "reason", "since", "until", "tries"}, "no hash of the key"
    assert "Cooldown:" in run("status").stdout


@pytest.mark.parametrize("reason", ["It is down.", "Is it down?", "It is down!", "It is down"])
def test_cooldown_is_described_in_sentences_even_if_the_clock_was_years_off(reason: str) -> None:
    cooldown = Cooldown("unreachable", reason, 10**17, None, 1, "login")
    sentence = reason if reason.endswith((".", "?", "!")) else "It is down."
    assert cooldown.describe() == (
        f"unreachable since an unknown time. {sentence}"
        " Nothing is lost; `opensync-hooks sync` tries it now."
    )


def test_hostile_id_sends_no_control_characters_to_the_terminal(online: OnlineUser) -> None:
    online.spool.quarantine(online.put_job("\x1b[2Jx"), "bad\nbad")
    for stdout in (run("queue", "list").stdout, run("status").stdout):
        assert "\x1b" not in stdout
        assert "bad\nbad" not in stdout


# ---- retry ---------------------------------------------------------------------------------------


def test_refused_message_is_listed_until_a_retry_sends_it(online: OnlineUser) -> None:
    online.session("s1")
    online.fault = fails_on(b"answer 1", TOO_LARGE)
    assert run("sync", "s1").returncode == 1
    (item,) = online.listed()
    assert (item["session_id"], item["message"], item["state"]) == ("s1", "msg_s1_1", "quarantined")
    assert "too large" in item["reason"]
    status = run("status").stdout
    assert "Quarantined:" in status
    assert "s1 message msg_s1_1: " in status
    assert json.loads(run("status", "--json").stdout)["set_aside"][0]["message"] == "msg_s1_1"
    assert run("queue", "retry", "s1").returncode == 1
    assert len(online.listed()) == 1
    online.fault = no_fault
    online.requests.clear()
    ran = run("queue", "retry", "s1")
    assert (ran.returncode, online.texts("s1")) == (0, TURN)
    sent = [body for body in online.requests if b"textContent" in body]
    assert [b"answer 1" in body for body in sent] == [True], "what has arrived is not sent again"
    assert "1 tried, 0 failed." in ran.stdout
    assert online.listed() == []


def test_retry_of_one_session_leaves_the_others_their_time(online: OnlineUser) -> None:
    in_an_hour = Attempts(9, not_before=clock.now() + HOUR)
    for name in ("s1", "s2"):
        online.session(name)
        online.spool.update(replace(online.put_job(name), error="x", attempts=in_an_hour))
    assert run("queue", "retry", "s1").returncode == 0
    assert (online.texts("s1"), online.texts("s2")) == (TURN, [])
    assert run("queue", "retry", "--all").returncode == 0
    assert online.texts("s2") == TURN
    assert online.listed() == []


def test_retry_of_one_session_delivers_what_hooks_request_meanwhile(online: OnlineUser) -> None:
    """They find the lock taken, and start no worker."""
    online.session("s1")
    online.session("s2")
    online.spool.quarantine(online.put_job("s1"), "It was refused.")
    online.event("s2")
    ran = run("queue", "retry", "s1")
    assert (ran.returncode, "1 tried, 0 failed." in ran.stdout) == (0, True)
    assert online.texts("s1") == online.texts("s2") == TURN
    assert online.spool.waiting() == 0


def test_retry_delivers_a_quarantined_session(online: OnlineUser) -> None:
    online.session("s1")
    online.spool.quarantine(online.put_job("s1"), "It was refused.")
    assert run("queue", "retry", "s1").returncode == 0
    assert online.texts("s1") == TURN
    assert online.listed() == []


def test_retry_ignores_a_cooldown_and_ends_it(online: OnlineUser) -> None:
    online.session("s1")
    online.put_job("s1")
    with Ledger(online.folders.ledger) as ledger:
        CooldownRecord.from_config(ledger, load()).start(KeyRefusedError("The key is refused."))
    assert run("queue", "retry", "--all").returncode == 0
    assert online.texts("s1") == TURN
    assert online.cooldown() is None


def test_retry_that_fails_starts_a_cooldown(
    online: OnlineUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    online.session("s1")
    monkeypatch.setenv("OPENSYNC_API_KEY", "osk_" + "x" * 32)
    online.put_job("s1")
    assert run("queue", "retry", "--all").returncode == 5
    assert online.cooldown()
    assert [item["session_id"] for item in online.listed()] == ["s1"]


def test_retry_leaves_the_work_to_a_running_worker(online: OnlineUser) -> None:
    online.session("s1")
    online.put_job("s1")
    with online.spool.single_worker():
        ran = run("queue", "retry", "s1")
    assert (ran.returncode, "A worker is already running" in ran.stderr) == (0, True)
    assert online.texts("s1") == []


# ---- drop ----------------------------------------------------------------------------------------


def test_drop_forgets_jobs_messages_and_damaged_files_but_no_session(online: OnlineUser) -> None:
    writer = online.session("s1")
    online.fault = fails_on(b"answer 1", TOO_LARGE)
    run("sync", "s1")
    online.put_job("s2")
    online.spool.quarantine(online.put_job("s3"), "It was refused.")
    (online.folders.spool / "claude-code-x.job").write_bytes(b"{")
    assert len(online.listed()) == 4
    ran = run("queue", "drop", "--all")
    assert (ran.returncode, "no terminal to ask on" in ran.stderr) == (2, True)
    assert len(online.listed()) == 4
    assert run("queue", "drop", "--all", "--yes").returncode == 0
    assert online.listed() == []
    assert writer.path.exists()
    online.fault = no_fault
    run("sync", "s1")
    assert online.texts("s1") == ["prompt 1"], "a dropped message is not sent again"


def test_drop_deletes_the_backup_of_that_session_only(online: OnlineUser) -> None:
    for name in ("s1", "s2"):
        online.session(name)
        online.put_job(name)
    with Ledger(online.folders.ledger) as ledger:
        backups.back_up_queue(online.spool, ledger, load(), Log(online.folders.state), math.inf)
    kept = SessionBackups.from_config(load())
    assert kept.find("claude-code", "s1")
    assert run("queue", "drop", "s1", "--yes").returncode == 0
    assert kept.find("claude-code", "s1") is None
    assert kept.find("claude-code", "s2")


@pytest.mark.parametrize("action", ["retry", "drop"])
def test_unknown_session_and_missing_session_are_errors(online: OnlineUser, action: str) -> None:
    assert online.listed() == []
    ran = run("queue", action, "nope")
    assert (ran.returncode, ran.stderr.splitlines()[0]) == (2, "nope: not in the queue.")
    assert run("queue", action).returncode == 2


# ---- sync ----------------------------------------------------------------------------------------


def test_sync_tries_waiting_jobs_at_once_and_where_their_hooks_found_them(
    online: OnlineUser, tmp_path: Path
) -> None:
    TranscriptWriter(tmp_path / "other" / "projects" / "-work" / "s1.jsonl").turn(1)
    environ = {"CLAUDE_CONFIG_DIR": str(tmp_path / "other")}
    job = Job(Trigger("claude-code", "s1"), environ, 1_790_000_000_000)
    online.spool.put(job)
    in_an_hour = Attempts(1, not_before=clock.now() + HOUR)
    online.spool.update(replace(job, error="It was away.", attempts=in_an_hour))
    assert run("sync").returncode == 0
    assert online.texts("s1") == TURN
    assert online.listed() == []


def test_sync_of_a_quarantined_session_releases_it_and_deletes_its_backup(
    online: OnlineUser,
) -> None:
    online.session("s1")
    online.spool.quarantine(online.put_job("s1"), "It was refused.")
    match = registry.find("s1")
    assert match
    kept = SessionBackups.from_config(load())
    assert kept.save(*match, load())
    assert run("sync", "s1").returncode == 0
    assert online.listed() == []
    assert kept.find("claude-code", "s1") is None


def test_session_that_the_server_fails_on_does_not_stop_a_sync(online: OnlineUser) -> None:
    for name in ("s1", "s2", "s3"):
        online.session(name)
    online.fault = fails_on(b'"externalId": "s2"')
    assert run("sync").returncode == 1
    assert online.texts("s1") == online.texts("s3") == TURN
    assert online.texts("s2") == []
    online.fault = fails_on(b"external")
    assert run("sync", "--force").returncode == 6, "no session is to blame if it fails on all"
