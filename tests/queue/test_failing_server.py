"""While the server fails, only the destination cools down, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import time
from unittest.mock import Mock

import pytest

from opensync_hooks import config
from opensync_hooks.config.credentials import save_login
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.queue import backoff, cooldown, drain, worker
from opensync_hooks.queue.backoff import DAY, HOUR, MINUTE
from opensync_hooks.queue.cooldown import CooldownRecord
from opensync_hooks.queue.drain import Drain
from opensync_hooks.queue.spool import Spool
from opensync_hooks.server.routes import Response
from opensync_hooks.system import clock
from tests.commandline import run
from tests.opensync import Fault
from tests.queue.harness import (
    REFUSED,
    SERVER_ERROR,
    TURN,
    OnlineUser,
    fails_on,
    no_fault,
    no_response,
)

# ---- cooldown ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tries", "pauses"), [(3, 0), (4, 3)], ids=["short", "long"])
def test_backlog_of_a_long_outage_is_sent_at_a_pace(
    online: OnlineUser, monkeypatch: pytest.MonkeyPatch, tries: int, pauses: int
) -> None:
    """The machines of a company return together, and one at full speed is a wave of its own."""
    slept: list[float] = []
    monkeypatch.setattr(drain, "MAX_PACED", 3)
    monkeypatch.setattr(drain, "time", Mock(wraps=time, sleep=slept.append))
    online.session("s1", turns=2)
    online.event("s1")
    online.fault = no_response
    worker.main(seconds=1)
    with Ledger(online.folders.ledger) as ledger, ledger.transaction() as execute:
        execute("UPDATE rest SET tries = ?, until = 1", tries)
    online.fault = no_fault
    worker.main()
    assert online.texts("s1") == [*TURN, "prompt 2", "answer 2"]
    assert len(slept) == pauses
    assert all(0.25 <= pause <= 0.75 for pause in slept)


def test_last_turn_of_the_day_arrives_without_another_hook(
    online: OnlineUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cooldown, "WAITS", (400, 60_000))
    online.session("s1")
    online.event("s1")
    failures = iter([Fault()] * 3)
    online.fault = lambda _: next(failures, None)
    worker.main()
    assert online.texts("s1") == TURN
    assert online.spool.waiting() == 0
    assert online.cooldown() is None


def test_worker_does_not_wait_for_a_retry_after_its_own_end(online: OnlineUser) -> None:
    online.session("s1")
    online.event("s1")
    online.fault = no_response
    start = time.monotonic()
    worker.main(seconds=30)
    assert time.monotonic() - start < 20
    assert online.spool.waiting() == 1
    assert online.cooldown()


def test_hooks_during_a_cooldown_send_nothing_and_leave_no_text(online: OnlineUser) -> None:
    for name in ("s1", "s2"):
        online.session(name)
    online.event("s1")
    online.fault = no_response
    worker.main(seconds=30)
    for _ in range(3):
        online.event("s1", "s2")
        worker.main(seconds=30)
    assert len(online.requests) == 3
    assert not online.spool.has_events()
    assert online.spool.waiting() == 2


def test_unreachable_server_is_asked_for_one_of_many_jobs(online: OnlineUser) -> None:
    names = [f"s{number}" for number in range(20)]
    for name in names:
        online.session(name)
    online.event(*names)
    online.fault = no_response
    worker.main(seconds=30)
    assert len(online.requests) == 3
    assert {job.attempts.count for job in online.spool.jobs()} == {0}


def test_refused_key_is_tried_once_until_it_changes(
    online: OnlineUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    online.session("s1")
    valid_key = os.environ["OPENSYNC_API_KEY"]
    monkeypatch.setenv("OPENSYNC_API_KEY", "osk_" + "x" * 32)
    for _ in range(3):
        online.event("s1")
        worker.main()
    assert len(online.requests) == 1
    active = online.cooldown()
    assert active
    assert active.cause == "key refused"
    assert active.until
    assert active.until - active.since > 15 * HOUR
    monkeypatch.setenv("OPENSYNC_API_KEY", valid_key)
    assert online.cooldown() is None
    online.event("s1")
    worker.main()
    assert online.texts("s1") == TURN


SIGN_IN = b"<!DOCTYPE html><title>Sign in to the network</title>"


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 511])
def test_hooks_deliver_as_soon_as_no_login_page_is_in_between(
    online: OnlineUser, status: int
) -> None:
    online.session("s1")
    online.event("s1")
    online.fault = lambda _: Fault(Response(status, SIGN_IN, {"Location": "http://127.0.0.1:1/"}))
    worker.main(seconds=30)
    active = online.cooldown()
    assert active
    assert active.until
    assert (active.cause, active.until - active.since < 2 * MINUTE) == ("unreachable", True)
    online.fault = no_fault
    online.backdate_cooldown(ended=True)
    online.event("s1")
    worker.main()
    assert online.texts("s1") == TURN


def test_session_that_a_filter_refuses_lets_all_others_pass(online: OnlineUser) -> None:
    """A company's proxy answers one message with a page, whoever sends it and however often."""
    online.session("bad")
    online.session("s1")
    online.event("bad", "s1")
    online.fault = fails_on(b"msg_bad_1", Fault(Response(403, SIGN_IN)))
    worker.main(seconds=30)
    assert online.cooldown(), "it may as well be the network's login page"
    online.backdate_cooldown(ended=True)
    online.event("s1")
    worker.main(seconds=30)
    assert online.texts("s1") == TURN
    assert online.cooldown() is None
    online.session("s2")
    online.event("s2")
    worker.main(seconds=30)
    assert online.texts("s2") == TURN
    assert online.job().attempts.not_before > clock.now()
    line = next(line for line in run("status").stdout.splitlines() if "Waiting apart" in line)
    assert "bad: " in line
    online.fault = no_fault
    online.change_attempts(not_before=0)
    worker.main(seconds=30)
    assert online.texts("bad") == TURN


def test_key_that_a_fault_of_the_server_refused_delivers_the_next_day(online: OnlineUser) -> None:
    online.session("s1")
    online.event("s1")
    online.fault = lambda _: REFUSED
    worker.main()
    online.fault = no_fault
    with Ledger(online.folders.ledger) as ledger, ledger.transaction() as execute:
        execute("UPDATE rest SET since = since - ?, until = until - ?", DAY, DAY)
    online.event("s1")
    worker.main()
    assert online.texts("s1") == TURN


def test_each_failure_in_a_row_makes_the_cooldown_longer(online: OnlineUser) -> None:
    online.session("s1")
    online.fault = no_response
    waits = []
    for _ in range(3):
        online.event("s1")
        worker.main(seconds=30)
        active = online.cooldown()
        assert active
        assert active.until
        waits.append(active.until - clock.now())
        online.backdate_cooldown(ended=True)
    assert waits[0] < 2 * MINUTE < waits[1] < waits[2]


def test_command_that_fails_makes_hooks_wait_no_longer(online: OnlineUser) -> None:
    online.session("s1")
    online.event("s1")
    online.fault = no_response
    worker.main(seconds=30)
    before = online.cooldown()
    for arguments in (("sync", "s1"), ("sync",), ("queue", "retry", "--all")):
        assert run(*arguments).returncode == 6
    after = online.cooldown()
    assert before
    assert after
    assert (after.tries, after.since) == (before.tries, before.since)


def test_key_is_in_no_file_of_the_state_folder(online: OnlineUser) -> None:
    online.session("s1")
    online.event("s1")
    online.fault = lambda _: REFUSED
    worker.main()
    files = [path for path in online.folders.state.rglob("*") if path.is_file()]
    key = os.environ["OPENSYNC_API_KEY"].encode()
    assert not any(key in path.read_bytes() for path in files)


def test_success_ends_the_cooldown_and_its_count(online: OnlineUser) -> None:
    online.session("s1")
    online.event("s1")
    online.fault = no_response
    worker.main(seconds=30)
    online.fault = no_fault
    worker.main(at_once=True)
    assert online.texts("s1") == TURN
    with Ledger(online.folders.ledger) as ledger:
        assert CooldownRecord.from_config(ledger, config.load()).last() is None


def test_worker_in_a_cooldown_notices_a_new_login(
    online: OnlineUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, key = os.environ["OPENSYNC_URL"], os.environ["OPENSYNC_API_KEY"]
    save_login(os.environ, "http://127.0.0.1:1", key)
    monkeypatch.delenv("OPENSYNC_URL")
    monkeypatch.delenv("OPENSYNC_API_KEY")
    wait = Spool.wait

    def log_in(spool: Spool, mtime: int, seconds: float) -> None:
        save_login(os.environ, url, key)
        wait(spool, mtime, min(seconds, 0.1))

    monkeypatch.setattr(Spool, "wait", log_in)
    online.session("s1")
    online.event("s1")
    start = time.monotonic()
    worker.main()
    assert time.monotonic() - start < 30
    assert online.texts("s1") == TURN


def test_full_disk_starts_no_cooldown(online: OnlineUser, monkeypatch: pytest.MonkeyPatch) -> None:
    online.session("s1")
    online.event("s1")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr("opensync_hooks.privacy.exclusion.Exclusions.record", fail)
        worker.main(seconds=30)
    assert online.cooldown() is None
    assert "No space left" in (online.job().error or "")
    assert list(online.spool.quarantined()) == []
    worker.main(at_once=True)
    assert online.texts("s1") == TURN


# ---- the server fails without a reason -----------------------------------------------------------


def test_message_that_the_server_fails_on_waits_while_the_rest_arrives(online: OnlineUser) -> None:
    online.session("s1", turns=3)
    online.session("s2")
    online.event("s1", "s2")
    online.fault = fails_on(b"answer 2")
    worker.main(seconds=30)
    assert online.texts("s1") == [*TURN, "prompt 2", "prompt 3", "answer 3"]
    assert online.texts("s2") == TURN
    assert online.cooldown() is None
    assert (online.job().attempts.count, online.job().failure) == (1, "unclear")
    assert "server error 500" in (online.job().error or "")
    online.fault = no_fault
    worker.main(at_once=True)
    assert online.texts("s1") == [*TURN, "prompt 2", "answer 2", "prompt 3", "answer 3"]


def test_message_that_the_server_fails_on_for_a_day_is_quarantined(online: OnlineUser) -> None:
    online.session("s1", turns=2)
    online.event("s1")
    online.fault = fails_on(b"answer 2")
    worker.main(seconds=30)
    for count in range(2, 8):
        worker.main(at_once=True)
        assert online.job().attempts.count == count
    first_failure = online.job().attempts.unclear_since
    assert first_failure
    online.change_attempts(unclear_since=first_failure - DAY)
    worker.main(at_once=True)
    assert online.spool.waiting() == 0
    (item,) = online.queue_items()
    assert (item.state, item.session_id, item.message) == ("quarantined", "s1", "msg_s1_2")
    assert "server error 500" in (item.reason or "")
    online.event("s1")
    online.requests.clear()
    worker.main()
    assert online.requests == [], "what is quarantined is not tried again"


def test_server_that_fails_on_every_session_cools_down(online: OnlineUser) -> None:
    for name in ("s1", "s2", "s3"):
        online.session(name)
    online.event("s1", "s2", "s3")
    online.fault = lambda _: SERVER_ERROR
    worker.main(seconds=30)
    assert online.cooldown()
    assert online.spool.waiting() == 3
    assert len(online.requests) == 12, "two sessions, each three times read and three times sent"


def test_session_that_the_server_fails_on_does_not_block_the_others(online: OnlineUser) -> None:
    for name in ("s1", "s2", "s3"):
        online.session(name)
    online.event("s1", "s2", "s3")
    online.fault = fails_on(b'"externalId": "s1"')
    worker.main(seconds=30)
    assert online.texts("s2") == online.texts("s3") == TURN
    assert online.job().trigger.session_id == "s1"
    assert online.cooldown() is None


def test_sessions_are_to_blame_if_one_between_them_arrives(online: OnlineUser) -> None:
    for name in ("s1", "s2", "s3"):
        online.session(name)
        online.event(name)
    fails_on_s1, fails_on_s3 = fails_on(b'"externalId": "s1"'), fails_on(b'"externalId": "s3"')
    online.fault = lambda body: fails_on_s1(body) or fails_on_s3(body)
    worker.main(seconds=30)
    assert online.cooldown() is None
    assert online.texts("s2") == TURN
    assert [job.attempts.count for job in online.spool.jobs()] == [1, 1]


# ---- sessions that take long, and crashes --------------------------------------------------------


def test_session_that_takes_too_long_makes_room_and_goes_on_later(
    online: OnlineUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "JOB_SECONDS", 0.3)
    online.session("long", turns=10)
    online.session("short")
    online.event("long", "short")
    order: list[str] = []

    def respond_slowly(body: bytes) -> None:
        order.append(json.loads(body).get("sessionExternalId", "") if body else "")
        time.sleep(0.05)

    online.fault = respond_slowly
    worker.main(seconds=60)
    assert len(online.texts("long")) == 20
    assert online.spool.waiting() == 0
    last_of_long = len(order) - 1 - order[::-1].index("long")
    assert order.index("short") < last_of_long
    assert order.count("long") == 20, "each message once"


def test_job_that_crashes_every_worker_comes_last_and_is_quarantined(online: OnlineUser) -> None:
    online.session("deadly")
    online.put_job("deadly")
    online.change_attempts(started_at=1, crashes=backoff.MAX_CRASHES)
    online.session("s2")
    online.event("s2")
    worker.main()
    assert online.texts("s2") == TURN
    assert online.texts("deadly") == []
    (item,) = online.queue_items()
    assert "ended in the middle" in (item.reason or "")
    assert re.search(r"Last error: +Each of the last \d+ workers ended", run("status").stdout)


def test_crash_in_a_job_is_counted(online: OnlineUser, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Killed

    online.session("s1")
    online.event("s1")
    with monkeypatch.context() as patch:
        patch.setattr(Drain, "_sync", crash)
        with pytest.raises(Killed):
            worker.main()
    assert (online.job().attempts.crashes, online.job().attempts.not_before) == (1, 0)
    worker.main()
    assert online.texts("s1") == TURN


# ---- the agent deletes a session that waits ------------------------------------------------------


def test_deleted_session_is_delivered_from_its_backup(online: OnlineUser) -> None:
    writer = online.session("s1", turns=2)
    online.event("s1")
    online.fault = no_response
    worker.main(seconds=30)
    assert online.backups() == [], "an hour has not passed yet"
    online.backdate_cooldown()
    online.event("s1")
    worker.main(seconds=30)
    assert len(online.backups()) == 1
    writer.path.unlink()
    online.fault = no_fault
    worker.main(at_once=True)
    assert online.texts("s1") == [*TURN, "prompt 2", "answer 2"]
    assert online.queue_items() == []
    assert online.backups() == [], "deleted after the delivery"


def test_session_that_fails_by_itself_is_backed_up_at_once(online: OnlineUser) -> None:
    writer = online.session("s1", turns=2)
    online.event("s1")
    online.fault = fails_on(b"answer 2")
    worker.main(seconds=30)
    writer.path.unlink()
    online.fault = no_fault
    worker.main(at_once=True)
    assert online.texts("s1") == [*TURN, "prompt 2", "answer 2"]
    assert online.queue_items() == []


def test_backup_does_not_send_again_what_has_arrived(online: OnlineUser) -> None:
    """File contents stay here, and the backup holds only the note in their place."""
    writer = online.session("s1")
    content = {"file_path": "/work/a.py", "content": "a line of code\n" * 9}
    write = {"type": "tool_use", "id": "t1", "name": "Write", "input": content}
    writer.respond("msg_write", write)
    writer.turn(2)
    online.event("s1")
    online.fault = fails_on(b"answer 2")
    worker.main(seconds=30)
    writer.path.unlink()
    online.fault = no_fault
    online.requests.clear()
    worker.main(at_once=True)
    assert online.texts("s1")[-1] == "answer 2"
    assert len([body for body in online.requests if b"answer 2" in body]) == 1
    assert not [body for body in online.requests if b"a.py" in body]


def test_agent_that_leaves_no_session_leaves_no_job(online: OnlineUser) -> None:
    online.event("s1")
    worker.main(seconds=30)
    assert online.queue_items() == []


def test_session_that_was_deleted_before_its_delivery_is_reported(online: OnlineUser) -> None:
    writer = online.session("s1")
    online.event("s1")
    online.fault = no_response
    worker.main(seconds=30)
    writer.path.unlink()
    online.fault = no_fault
    worker.main(at_once=True)
    (item,) = online.queue_items()
    assert (item.state, item.session_id) == ("quarantined", "s1")
    assert "deleted it before it could be delivered" in (item.reason or "")


# ---- the log and the ledger ----------------------------------------------------------------------


def test_unusable_ledger_ends_the_worker_and_no_text_stays(online: OnlineUser) -> None:
    online.session("s1")
    online.event("s1")
    online.folders.ledger.mkdir(parents=True)
    assert worker.main() == 1
    assert not online.spool.has_events()
    online.folders.ledger.rmdir()
    assert worker.main() == 0
    assert online.texts("s1") == TURN


def test_log_has_no_text_of_the_session(online: OnlineUser) -> None:
    online.session("s1")
    online.event("s1")
    online.fault = no_response
    worker.main(seconds=30)
    online.fault = no_fault
    worker.main(at_once=True)
    log = (online.folders.state / "hooks.log").read_text()
    assert " cooldown why=unreachable failures=1" in log
    assert " synced agent=claude-code session=s1 sent=2" in log
    assert "prompt" not in log
