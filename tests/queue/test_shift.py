"""The queue against a server that fails: it rests, nothing else does, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from opensync_hooks import config
from opensync_hooks.config.credentials import save_login
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.errors import ServerFailureError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Trigger
from opensync_hooks.queue import backoff, drain, worker
from opensync_hooks.queue.backoff import DAY, HOUR, MINUTE
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.cooldown import Cooldown, CooldownRecord
from opensync_hooks.queue.drain import log_result
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.report import QueueItem, QueueReport
from opensync_hooks.queue.spool import Spool
from opensync_hooks.server.routes import Response
from opensync_hooks.system import clock
from opensync_hooks.system.log import Log
from tests.claude_user import ClaudeUser
from tests.commandline import run
from tests.opensync import Fault, RealStore, logged_in

UNCLEAR = Fault(Response(500, b'{"error": "Server Error"}'))
REFUSED = Fault(Response(401, b'{"error": "Invalid API key"}'))


class Desk(ClaudeUser):
    """With a login, and a server that fails when it is told to."""

    def __init__(self, home: Path, store: RealStore) -> None:
        super().__init__(home)
        self.store = store
        self.asked = 0
        self.fault: Callable[[bytes], Fault | None] = lambda _: None

    def on_request(self, _method: str, path: str, body: bytes) -> Fault | None:
        self.asked += path != "/health"
        return self.fault(body) if path != "/health" else None

    def texts(self, name: str) -> list[str]:
        found = self.store.session(name)
        return [one.get("textContent", "") for one in found["messages"]] if found else []

    def job(self) -> Job:
        (only,) = self.spool.jobs()
        return only

    def later(self, **tries: int) -> None:
        """As if the only job had been through more."""
        self.spool.update(
            replace(
                self.job(), error=self.job().error, attempts=replace(self.job().attempts, **tries)
            )
        )

    def rest(self) -> Cooldown | None:
        with Ledger(self.folders.ledger) as ledger:
            return CooldownRecord.from_config(ledger, config.load()).active()

    def fail_for_long(self, *, rested: bool = False) -> None:
        """As if the rest that holds had begun two hours ago, or were over."""
        longer = -2 * HOUR if rested else HOUR // 2
        with Ledger(self.folders.ledger) as ledger, ledger.transaction() as change:
            change("UPDATE rest SET since = since - ?, until = until + ?", 2 * HOUR, longer)

    def queue(self) -> list[QueueItem]:
        loaded = config.load()
        with Ledger(self.folders.ledger) as ledger:
            here = SessionBackups.from_config(loaded)
            return QueueReport(self.spool, ledger, here, loaded.url or "").items()


@pytest.fixture
def desk(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0.05)
    monkeypatch.setattr("opensync_hooks.destinations.opensync.transport.FIRST_RETRY_WAIT_S", 0.01)
    with logged_in(partial(Desk, home), tmp_path, monkeypatch) as made:
        yield made


def down(_: bytes) -> Fault:
    return Fault()


# ---- the destination rests -----------------------------------------------------------------------


def test_last_turn_of_the_day_arrives_without_another_hook(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "WAITS", (400, 60_000))
    desk.session("s1")
    desk.event("s1")
    failures = iter([Fault()] * 3)
    desk.fault = lambda _: next(failures, None)
    worker.main()
    assert desk.texts("s1") == ["prompt 1", "answer 1"]
    assert desk.spool.waiting() == 0
    assert desk.rest() is None


def test_worker_does_not_wait_for_what_it_will_not_live_to_see(desk: Desk) -> None:
    desk.session("s1")
    desk.event("s1")
    desk.fault = down
    began = time.monotonic()
    worker.main(seconds=30)
    assert time.monotonic() - began < 20
    assert desk.spool.waiting() == 1
    assert desk.rest()


def test_hooks_within_the_rest_ask_nobody_and_leave_no_text(desk: Desk) -> None:
    for name in ("s1", "s2"):
        desk.session(name)
    desk.event("s1")
    desk.fault = down
    worker.main(seconds=30)
    asked = desk.asked
    for _ in range(3):
        desk.event("s1", "s2")
        worker.main(seconds=30)
    assert desk.asked == asked == 3
    assert not desk.spool.has_events()
    assert desk.spool.waiting() == 2


def test_one_failure_for_a_thousand_jobs(desk: Desk) -> None:
    """All of them would fail alike: the first is tried, the others keep their tries."""
    names = [f"s{number}" for number in range(20)]
    for name in names:
        desk.session(name)
    desk.event(*names)
    desk.fault = down
    worker.main(seconds=30)
    assert desk.asked == 3
    assert {job.attempts.count for job in desk.spool.jobs()} == {0}


def test_refused_key_is_asked_for_once_and_not_again_until_it_changes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.session("s1")
    good = os.environ["OPENSYNC_API_KEY"]
    monkeypatch.setenv("OPENSYNC_API_KEY", "osk_" + "x" * 32)
    for _ in range(3):
        desk.event("s1")
        worker.main()
    assert desk.asked == 1
    found = desk.rest()
    assert found
    assert (found.cause, found.until) == ("key refused", None)
    monkeypatch.setenv("OPENSYNC_API_KEY", good)
    assert desk.rest() is None
    desk.event("s1")
    worker.main()
    assert desk.texts("s1") == ["prompt 1", "answer 1"]


def test_each_failure_in_a_row_makes_the_wait_longer(desk: Desk) -> None:
    desk.session("s1")
    desk.fault = down
    waits = []
    for _ in range(3):
        desk.event("s1")
        worker.main(seconds=30)
        rest = desk.rest()
        assert rest
        assert rest.until
        waits.append(rest.until - clock.now())
        desk.fail_for_long(rested=True)
    assert waits[0] < 2 * MINUTE < waits[1] < 7 * MINUTE < waits[2]


def test_what_fails_by_hand_makes_no_hooks_wait_longer(desk: Desk) -> None:
    desk.session("s1")
    desk.event("s1")
    desk.fault = down
    worker.main(seconds=30)
    before = desk.rest()
    assert before
    for _ in range(3):
        assert run("sync", "s1").returncode == 6
    after = desk.rest()
    assert after
    assert (after.tries, after.since) == (before.tries, before.since)


def test_key_is_nowhere_in_what_is_noted_of_the_rest(desk: Desk) -> None:
    desk.session("s1")
    desk.event("s1")
    desk.fault = lambda _: REFUSED
    worker.main()
    kept = b"".join(one.read_bytes() for one in desk.folders.state.rglob("*") if one.is_file())
    assert os.environ["OPENSYNC_API_KEY"].encode() not in kept


def test_success_ends_the_rest_and_the_count(desk: Desk) -> None:
    desk.session("s1")
    desk.event("s1")
    desk.fault = down
    worker.main(seconds=30)
    desk.fault = lambda _: None
    worker.main(at_once=True)
    assert desk.texts("s1") == ["prompt 1", "answer 1"]
    with Ledger(desk.folders.ledger) as ledger:
        assert CooldownRecord.from_config(ledger, config.load()).last() is None


def test_full_disk_is_not_the_destinations_fault(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.session("s1")
    desk.event("s1")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "somewhere")

    with monkeypatch.context() as patch:
        patch.setattr("opensync_hooks.privacy.exclusion.Exclusions.remember", full)
        worker.main(seconds=30)
    assert desk.rest() is None
    assert "No space left" in (desk.job().error or "")
    assert list(desk.spool.quarantined()) == []
    worker.main(at_once=True)
    assert desk.texts("s1") == ["prompt 1", "answer 1"]


# ---- the server fails, and does not say why ------------------------------------------------------


def test_message_that_the_server_fails_on_waits_and_the_rest_goes_on(desk: Desk) -> None:
    desk.session("s1", turns=3)
    desk.session("s2")
    desk.event("s1", "s2")
    desk.fault = lambda body: UNCLEAR if b"answer 2" in body else None
    worker.main(seconds=30)
    assert desk.texts("s1") == ["prompt 1", "answer 1", "prompt 2", "prompt 3", "answer 3"]
    assert desk.texts("s2") == ["prompt 1", "answer 1"]
    assert desk.rest() is None
    assert desk.job().attempts.count == 1
    assert "server error 500" in (desk.job().error or "")
    desk.fault = lambda _: None
    worker.main(at_once=True)
    expected = [f"{of} {number}" for number in (1, 2, 3) for of in ("prompt", "answer")]
    assert desk.texts("s1") == expected


def test_message_that_the_server_fails_on_for_a_day_is_set_aside_by_name(desk: Desk) -> None:
    desk.session("s1", turns=2)
    desk.event("s1")
    desk.fault = lambda body: UNCLEAR if b"answer 2" in body else None
    worker.main(seconds=30)
    for count in range(2, 8):
        worker.main(at_once=True)
        assert desk.job().attempts.count == count
    first = desk.job().attempts.unclear_since
    assert first, "the day is counted from the first time"
    desk.later(unclear_since=first - DAY)
    worker.main(at_once=True)
    assert desk.spool.waiting() == 0
    (item,) = desk.queue()
    assert (item.state, item.session_id, item.message) == ("quarantined", "s1", "msg_s1_2")
    assert "server error 500" in (item.reason or "")
    desk.event("s1")
    asked = desk.asked
    worker.main()
    assert desk.asked == asked, "what is set aside is not tried again"


def test_server_that_fails_on_everything_rests_and_no_session_is_blamed(desk: Desk) -> None:
    for name in ("s1", "s2", "s3"):
        desk.session(name)
    desk.event("s1", "s2", "s3")
    desk.fault = lambda _: UNCLEAR
    worker.main(seconds=30)
    assert desk.rest()
    assert desk.spool.waiting() == 3
    assert desk.asked == 6, "two sessions, each three times"


def test_session_that_alone_is_failed_on_does_not_block_the_others(desk: Desk) -> None:
    for name in ("s1", "s2", "s3"):
        desk.session(name)
    desk.event("s1", "s2", "s3")
    desk.fault = lambda body: UNCLEAR if b'"externalId": "s1"' in body else None
    worker.main(seconds=30)
    assert desk.texts("s2") == desk.texts("s3") == ["prompt 1", "answer 1"]
    assert desk.job().trigger.session_id == "s1"
    assert desk.rest() is None


def test_sessions_that_are_failed_on_with_a_good_one_between_them_are_to_blame(desk: Desk) -> None:
    for name in ("s1", "s2", "s3"):
        desk.session(name)
        desk.event(name)

    def fails(body: bytes) -> Fault | None:
        return UNCLEAR if b'"externalId": "s1"' in body or b'"externalId": "s3"' in body else None

    desk.fault = fails
    worker.main(seconds=30)
    assert desk.rest() is None
    assert desk.texts("s2") == ["prompt 1", "answer 1"]
    assert [job.attempts.count for job in desk.spool.jobs()] == [1, 1]


# ---- deadlines -----------------------------------------------------------------------------------


def test_session_that_takes_too_long_makes_room_and_goes_on_where_it_was(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "JOB_SECONDS", 0.3)
    desk.session("long", turns=10)
    desk.session("short")
    desk.event("long", "short")
    order: list[str] = []

    def slow(body: bytes) -> None:
        order.append(json.loads(body).get("sessionExternalId", "") if body else "")
        time.sleep(0.05)

    desk.fault = slow
    worker.main(seconds=60)
    assert len(desk.texts("long")) == 20
    assert desk.spool.waiting() == 0
    assert order.index("short") < max(n for n, name in enumerate(order) if name == "long")
    assert len([name for name in order if name == "long"]) == 20, "each message once"


def test_job_that_kills_every_worker_comes_last_and_is_set_aside_in_the_end(desk: Desk) -> None:
    desk.session("deadly")
    desk.spool.put(Job(_trigger("deadly"), {}, 1))
    desk.later(started_at=1, crashes=backoff.MAX_CRASHES)
    desk.session("s2")
    desk.event("s2")
    worker.main()
    assert desk.texts("s2") == ["prompt 1", "answer 1"]
    assert desk.texts("deadly") == []
    (item,) = desk.queue()
    assert "ended in the middle" in (item.reason or "")
    assert re.search(r"Last error: +Each of the last \d+ workers ended", run("status").stdout)


def test_worker_that_died_in_a_job_is_remembered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    desk.session("s1")
    desk.event("s1")
    with monkeypatch.context() as patch:
        patch.setattr(drain.Drain, "_sync", die)
        with pytest.raises(Killed):
            worker.main()
    assert (desk.job().attempts.crashes, desk.job().attempts.not_before) == (1, 0)
    worker.main()
    assert desk.texts("s1") == ["prompt 1", "answer 1"]


# ---- the agent deletes what waits ----------------------------------------------------------------


def test_session_that_its_agent_deleted_is_delivered_from_its_copy(desk: Desk) -> None:
    writer = desk.session("s1", turns=2)
    desk.event("s1")
    desk.fault = down
    worker.main(seconds=30)
    assert not list(desk.folders.state.glob("keepsakes/*")), "an hour is not over yet"
    desk.fail_for_long()
    desk.event("s1")
    worker.main(seconds=30)
    assert len(list(desk.folders.state.glob("keepsakes/*"))) == 1
    writer.path.unlink()
    desk.fault = lambda _: None
    worker.main(at_once=True)
    assert desk.texts("s1") == ["prompt 1", "answer 1", "prompt 2", "answer 2"]
    assert desk.queue() == []
    assert not list(desk.folders.state.glob("keepsakes/*")), "gone once it was delivered"


def test_what_had_arrived_before_is_not_sent_again_from_the_copy(desk: Desk) -> None:
    """The contents of files stay here, and the copy holds only the note that says so."""
    writer = desk.session("s1")
    content = {"file_path": "/work/a.py", "content": "a line of code\n" * 9}
    write = {"type": "tool_use", "id": "t1", "name": "Write", "input": content}
    writer.respond("msg_write", write)
    writer.turn(2)
    desk.event("s1")
    desk.fault = lambda body: UNCLEAR if b"answer 2" in body else None
    worker.main(seconds=30)
    writer.path.unlink()
    asked: list[bytes] = []
    desk.fault = asked.append
    worker.main(at_once=True)
    assert desk.texts("s1")[-1] == "answer 2"
    assert len([body for body in asked if b"answer 2" in body]) == 1
    assert not [body for body in asked if b"a.py" in body]


def test_agent_that_was_opened_and_closed_leaves_nothing_behind(desk: Desk) -> None:
    desk.event("s1")
    worker.main(seconds=30)
    assert desk.queue() == []


def test_session_that_is_gone_before_it_could_be_delivered_is_named(desk: Desk) -> None:
    writer = desk.session("s1")
    desk.event("s1")
    desk.fault = down
    worker.main(seconds=30)
    writer.path.unlink()
    desk.fault = lambda _: None
    worker.main(at_once=True)
    (item,) = desk.queue()
    assert (item.state, item.session_id) == ("quarantined", "s1")
    assert "deleted it before it could be delivered" in (item.reason or "")


# ---- what is ours is damaged ---------------------------------------------------------------------


def test_ledger_that_cannot_be_opened_ends_the_worker_and_no_text_stays(desk: Desk) -> None:
    desk.session("s1")
    desk.event("s1")
    desk.folders.ledger.mkdir(parents=True)
    assert worker.main() == 1
    assert not desk.spool.has_events()
    desk.folders.ledger.rmdir()
    assert worker.main() == 0
    assert desk.texts("s1") == ["prompt 1", "answer 1"]


def test_what_happened_is_told_without_a_word_of_the_session(desk: Desk) -> None:
    desk.session("s1")
    desk.event("s1")
    desk.fault = down
    worker.main(seconds=30)
    desk.fault = lambda _: None
    worker.main(at_once=True)
    told = (desk.folders.state / "hooks.log").read_text()
    assert " cooldown why=unreachable failures=1" in told
    assert " synced agent=claude-code session=s1 sent=2" in told
    assert "prompt" not in told


def test_one_line_of_the_log_says_all_that_became_of_a_session(tmp_path: Path) -> None:
    log = Log(tmp_path)
    job = Job(_trigger("s1"), {}, 1, attempts=backoff.Attempts(2))
    log_result(log, job, ServerFailureError("The server answers 500."))
    outcome = SyncOutcome("s1", sent=3, unchanged=4, quarantined=5, unclear=6, is_partial=True)
    more = replace(outcome, redacted={"key": 4, "token": 3}, losses={"bad lines": 8})
    log_result(log, job, more)
    failed, synced = (line.split(maxsplit=2)[2] for line in log.path.read_text().splitlines())
    whose = "agent=claude-code session=s1"
    assert failed == f"failed {whose} why=ServerFailureError attempt=3"
    assert set(synced.split()) == {
        "synced", *whose.split(), "sent=3", "unchanged=4", "quarantined=5", "unclear=6",
        "redacted=7", "partial=True", "bad-lines=8",
    }  # fmt: skip


def _trigger(name: str) -> Trigger:
    return Trigger("claude-code", name)


def test_worker_that_waits_takes_the_new_login_as_soon_as_it_is_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, key = os.environ["OPENSYNC_URL"], os.environ["OPENSYNC_API_KEY"]
    save_login(os.environ, "http://127.0.0.1:1", key)
    monkeypatch.delenv("OPENSYNC_URL")
    monkeypatch.delenv("OPENSYNC_API_KEY")
    wait = Spool.wait

    def log_in(spool: Spool, since: int, seconds: float) -> None:
        save_login(os.environ, url, key)
        wait(spool, since, min(seconds, 0.1))

    monkeypatch.setattr(Spool, "wait", log_in)
    desk.session("s1")
    desk.event("s1")
    began = time.monotonic()
    worker.main()
    assert time.monotonic() - began < 30
    assert desk.texts("s1") == ["prompt 1", "answer 1"]


def test_session_that_fails_by_itself_is_copied_at_once(desk: Desk) -> None:
    writer = desk.session("s1", turns=2)
    desk.event("s1")
    desk.fault = lambda body: UNCLEAR if b"answer 2" in body else None
    worker.main(seconds=30)
    writer.path.unlink()
    desk.fault = lambda _: None
    worker.main(at_once=True)
    assert desk.texts("s1") == ["prompt 1", "answer 1", "prompt 2", "answer 2"]
    assert desk.queue() == []
