"""What waits and what was set aside is named with its reason, tried again, or dropped."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

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
from opensync_hooks.server.routes import Response
from opensync_hooks.system import clock
from opensync_hooks.system.log import Log
from tests.claude_user import ClaudeUser
from tests.commandline import run
from tests.opensync import Fault, RealStore, logged_in
from tests.transcripts import TranscriptWriter

TOO_LARGE = Fault(Response(500, b'{"error": "Error: Value is too large"}'))


class Desk(ClaudeUser):
    """With a login, and a server that fails on one message when it is told to."""

    def __init__(self, home: Path, store: RealStore) -> None:
        super().__init__(home)
        self.store = store
        self.fault: Fault | None = None
        self.failing = b"answer 1"
        self.asked: list[bytes] = []

    def on_request(self, _method: str, _path: str, body: bytes) -> Fault | None:
        self.asked.append(body)
        return self.fault if self.failing in body else None

    def job(self, name: str) -> Job:
        one = Job(Trigger("claude-code", name), {}, 1_790_000_000_000)
        self.spool.put(one)
        return one

    def texts(self, name: str) -> list[str]:
        found = self.store.session(name)
        return [one["textContent"] for one in found["messages"]] if found else []

    def listed(self) -> list[Any]:
        ran = run("queue", "list", "--json")
        assert ran.returncode == 0
        items: list[Any] = json.loads(ran.stdout)["items"]
        return items


@pytest.fixture
def desk(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr("opensync_hooks.destinations.opensync.transport.FIRST_RETRY_WAIT_S", 0.01)
    with logged_in(partial(Desk, home), tmp_path, monkeypatch) as made:
        yield made


def test_empty_queue_says_so(desk: Desk) -> None:
    assert run("queue", "list").stdout == "Nothing is waiting or quarantined.\n"
    assert desk.listed() == []
    assert run("queue", "drop", "--all", "--yes").returncode == 0
    assert run("queue", "retry", "--all").returncode == 0


def test_each_job_is_named_with_what_became_of_it(desk: Desk) -> None:
    one = desk.job("s1")
    desk.spool.update(replace(one, error="It cannot be read.", attempts=Attempts(2, not_before=5)))
    desk.spool.quarantine(desk.job("s2"), "It is refused.")
    (desk.folders.spool / "claude-code-x.job").write_bytes(b"{")
    ran = run("queue", "list")
    first, damaged, second = ran.stdout.splitlines()
    assert first.startswith("claude-code s1: waiting, tried 2 times, queued ")
    assert first.endswith(". It cannot be read.")
    assert damaged == "claude-code-x.job: damaged"
    assert second.startswith("claude-code s2: quarantined, queued ")
    assert second.endswith(". It is refused.")
    found = {item["session_id"]: item for item in desk.listed()}
    assert (found["s1"]["tries"], found["s1"]["not_before"], found["s1"]["state"]) == (
        2,
        5,
        "waiting",
    )
    assert found["s2"]["reason"] == "It is refused."
    (torn,) = [item for item in desk.listed() if item["state"] == "damaged"]
    assert (torn["job"], torn["agent"], torn["session_id"]) == ("claude-code-x.job", "", "")


def test_what_a_hook_left_and_no_worker_has_seen_is_named_too(desk: Desk) -> None:
    """Where workers do not start: `status` counts it, and so it can be looked at, and dropped."""
    payload = b'\n{"session_id": "s1", "hook_event_name": "Stop"}'
    (desk.folders.spool / f"{time.time_ns()}-1.claude-code.event").write_bytes(payload)
    (item,) = desk.listed()
    assert (item["state"], item["session_id"]) == ("waiting", "s1")
    assert run("queue", "drop", "s1", "--yes").returncode == 0
    assert desk.spool.waiting() == 0


def test_what_hooks_ask_for_while_one_session_is_tried_again_is_not_left_behind(
    desk: Desk,
) -> None:
    """They find the queue taken, and start no worker."""
    desk.session("s1")
    desk.session("s2")
    desk.spool.quarantine(desk.job("s1"), "It was refused.")
    desk.event("s2")
    assert run("queue", "retry", "s1").returncode == 0
    assert (desk.texts("s1"), desk.texts("s2")) == (["prompt 1", "answer 1"],) * 2
    assert desk.spool.waiting() == 0


def test_refused_message_is_named_in_status_and_queue_and_sent_when_it_may_be(desk: Desk) -> None:
    desk.session("s1")
    desk.fault = TOO_LARGE
    assert run("sync", "s1").returncode == 1
    (item,) = desk.listed()
    assert (item["session_id"], item["message"], item["state"]) == ("s1", "msg_s1_1", "quarantined")
    assert "too large" in item["reason"]
    assert "Quarantined:" in (said := run("status").stdout)
    assert "s1 message msg_s1_1: " in said
    assert json.loads(run("status", "--json").stdout)["set_aside"][0]["message"] == "msg_s1_1"
    assert run("queue", "retry", "s1").returncode == 1
    assert len(desk.listed()) == 1
    desk.fault = None
    desk.asked.clear()
    ran = run("queue", "retry", "s1")
    assert (ran.returncode, desk.texts("s1")) == (0, ["prompt 1", "answer 1"])
    texts = [body for body in desk.asked if b"textContent" in body]
    assert [b"answer 1" in text for text in texts] == [True], "what had arrived is not sent again"
    assert "1 tried, 0 failed." in ran.stdout
    assert desk.listed() == []


def test_retry_tries_the_one_that_is_named_whatever_it_waits_for(desk: Desk) -> None:
    in_an_hour = Attempts(9, not_before=clock.now() + HOUR)
    for name in ("s1", "s2"):
        desk.session(name)
        desk.spool.update(replace(desk.job(name), error="x", attempts=in_an_hour))
    assert run("queue", "retry", "s1").returncode == 0
    assert (desk.texts("s1"), desk.texts("s2")) == (["prompt 1", "answer 1"], [])
    assert run("queue", "retry", "--all").returncode == 0
    assert desk.texts("s2") == ["prompt 1", "answer 1"]
    assert desk.listed() == []


def test_retry_brings_back_what_was_set_aside(desk: Desk) -> None:
    desk.session("s1")
    desk.spool.quarantine(desk.job("s1"), "It was refused.")
    assert run("queue", "retry", "s1").returncode == 0
    assert desk.texts("s1") == ["prompt 1", "answer 1"]
    assert desk.listed() == []


def test_retry_asks_a_destination_that_rests_and_ends_the_rest(desk: Desk) -> None:
    desk.session("s1")
    desk.job("s1")
    with Ledger(desk.folders.ledger) as ledger:
        CooldownRecord.from_config(ledger, load()).start(KeyRefusedError("The key is refused."))
    said = run("queue", "list").stdout.splitlines()[0]
    assert said.startswith("Cooldown: key refused since 20")
    assert said.endswith("The key is refused. Run: opensync-hooks login")
    rest = json.loads(run("queue", "list", "--json").stdout)["rest"]
    assert rest["cause"] == "key refused"
    assert "login" not in rest, "what stands for the key is nobody's business"
    assert "Cooldown:" in run("status").stdout
    assert run("queue", "retry", "--all").returncode == 0
    assert desk.texts("s1") == ["prompt 1", "answer 1"]
    assert json.loads(run("queue", "list", "--json").stdout)["rest"] is None


def test_rest_is_told_with_the_time_at_which_it_began(desk: Desk) -> None:
    began = datetime.now().astimezone()
    with Ledger(desk.folders.ledger) as ledger:
        CooldownRecord.from_config(ledger, load()).start(KeyRefusedError("The key is refused."))
    told = re.search(r"since (\d+-\d+-\d+ \d+:\d+)\.", run("queue", "list").stdout)
    assert told
    assert abs(datetime.fromisoformat(told[1]).astimezone() - began) < timedelta(minutes=2)


@pytest.mark.parametrize("reason", ["It is down.", "Is it down?", "It is down!", "It is down"])
def test_rest_is_told_in_whole_sentences_even_by_a_clock_that_was_years_off(reason: str) -> None:
    rest = Cooldown("unreachable", reason, 10**17, None, 1, "login")
    whole = reason if reason.endswith((".", "?", "!")) else "It is down."
    assert rest.describe() == (
        f"unreachable since an unknown time. {whole}"
        " Nothing is lost; `opensync-hooks sync` tries it now."
    )


def test_sync_of_all_tries_what_waits_at_once_also_what_only_its_hook_knew_where_to_find(
    desk: Desk, tmp_path: Path
) -> None:
    TranscriptWriter(tmp_path / "other" / "projects" / "-work" / "s1.jsonl").turn(1)
    environ = {"CLAUDE_CONFIG_DIR": str(tmp_path / "other")}
    one = Job(Trigger("claude-code", "s1"), environ, 1_790_000_000_000)
    desk.spool.put(one)
    desk.spool.update(
        replace(
            one,
            error="It was away.",
            attempts=Attempts(1, not_before=int(time.time() + 3_600) * 1_000),
        )
    )
    assert run("sync").returncode == 0
    assert desk.texts("s1") == ["prompt 1", "answer 1"]
    assert desk.listed() == []


def test_retry_that_fails_leaves_the_rest_for_the_hooks(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.session("s1")
    desk.job("s1")
    monkeypatch.setenv("OPENSYNC_API_KEY", "osk_" + "x" * 32)
    assert run("queue", "retry", "--all").returncode == 5
    with Ledger(desk.folders.ledger) as ledger:
        assert CooldownRecord.from_config(ledger, load()).active()
    assert [item["session_id"] for item in desk.listed()] == ["s1"]


def test_retry_leaves_the_work_to_a_worker_that_is_at_it(desk: Desk) -> None:
    desk.session("s1")
    desk.job("s1")
    with desk.spool.single_worker():
        ran = run("queue", "retry", "s1")
    assert (ran.returncode, "A worker is already running" in ran.stderr) == (0, True)
    assert desk.texts("s1") == []


def test_drop_forgets_jobs_messages_and_damaged_files_and_nothing_of_the_agents(desk: Desk) -> None:
    desk.session("s1")
    desk.fault = TOO_LARGE
    run("sync", "s1")
    desk.job("s2")
    desk.spool.quarantine(desk.job("s3"), "It was refused.")
    (desk.folders.spool / "claude-code-x.job").write_bytes(b"{")
    assert len(desk.listed()) == 4
    refused = run("queue", "drop", "--all")
    assert (refused.returncode, "no terminal to ask on" in refused.stderr) == (2, True)
    assert len(desk.listed()) == 4
    assert run("queue", "drop", "--all", "--yes").returncode == 0
    assert desk.listed() == []
    assert (desk.home / ".claude" / "projects" / "-work" / "s1.jsonl").exists()
    desk.fault = None
    run("sync", "s1")
    assert desk.texts("s1") == ["prompt 1"], "what was dropped is not sent again as it is"


def test_copy_goes_with_the_job_that_is_dropped_and_no_other_does(desk: Desk) -> None:
    for name in ("s1", "s2"):
        desk.session(name)
        desk.job(name)
    with Ledger(desk.folders.ledger) as ledger:
        backups.back_up_queue(desk.spool, ledger, load(), Log(desk.folders.state), math.inf)
    kept = SessionBackups.from_config(load())
    assert kept.find("claude-code", "s1")
    assert run("queue", "drop", "s1", "--yes").returncode == 0
    assert kept.find("claude-code", "s1") is None
    assert kept.find("claude-code", "s2")


def test_session_that_arrives_by_hand_after_all_is_no_longer_set_aside(desk: Desk) -> None:
    desk.session("s1")
    desk.spool.quarantine(desk.job("s1"), "It was refused.")
    found = registry.find("s1")
    assert found
    kept = SessionBackups.from_config(load())
    assert kept.save(*found, load())
    assert run("sync", "s1").returncode == 0
    assert desk.listed() == []
    assert kept.find("claude-code", "s1") is None, "or it would be counted as lost when it is old"


def test_session_that_the_server_fails_on_does_not_stop_the_sync_of_all(desk: Desk) -> None:
    for name in ("s1", "s2", "s3"):
        desk.session(name)
    desk.fault = Fault(Response(500, b'{"error": "Server Error"}'))
    desk.failing = b'"externalId": "s2"'
    assert run("sync").returncode == 1
    assert desk.texts("s1") == desk.texts("s3") == ["prompt 1", "answer 1"]
    assert desk.texts("s2") == []
    desk.failing = b"external"
    assert run("sync", "--force").returncode == 6, "it fails on all: no session is to blame"


def test_unknown_session_and_no_session_are_named(desk: Desk) -> None:
    assert desk.listed() == []
    for what in ("retry", "drop"):
        ran = run("queue", what, "nope")
        assert (ran.returncode, ran.stderr.splitlines()[0]) == (2, "nope: not in the queue.")
        assert run("queue", what).returncode == 2
    assert run("queue").returncode == 2


def test_hostile_id_does_not_steer_the_terminal(desk: Desk) -> None:
    desk.spool.quarantine(desk.job("\x1b[2Jx"), "bad\nbad")
    for said in (run("queue", "list").stdout, run("status").stdout):
        assert "\x1b" not in said
        assert "bad\nbad" not in said
