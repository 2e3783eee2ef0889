"""Between hook and worker no wish is lost, no text is kept, and no file stands in the way."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opensync_hooks.model import Trigger
from opensync_hooks.queue.backoff import Attempts
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool

ROOT = Path(__file__).parents[2]
AGENT = "claude-code"
BEGAN = 1_700_000_000_000
SECRET = "the launch code is 0000"


def shown(value: str | bytes) -> str:
    """A test's name without a backslash, which pytest would not find again by it."""
    return ascii(value[:24]).replace("\\", "/")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "ours" / "spool"


@pytest.fixture
def spool(folder: Path) -> Spool:
    return Spool(folder)


def job(session_id: str = "s1", at: int = BEGAN, **fields: Any) -> Job:
    return Job(Trigger(AGENT, session_id, **fields), {}, at)


def payload(session_id: str = "s1", **fields: Any) -> bytes:
    value = {
        "session_id": session_id,
        "transcript_path": f"/home/me/.claude/projects/-x/{session_id}.jsonl",
        "hook_event_name": "Stop",
        "last_assistant_message": SECRET,
        **fields,
    }
    return json.dumps(value).encode()


def leave(folder: Path, content: bytes, at: int = BEGAN, environ: str = "", pid: int = 1) -> Path:
    """An event as a hook leaves it."""
    path = folder / f"{at}000000-{pid}.{AGENT}.event"
    path.write_bytes(environ.encode() + b"\n" + content)
    return path


def events(folder: Path) -> list[Path]:
    return list(folder.glob("*.event"))


def session_ids(spool: Spool) -> list[str]:
    return [queued.trigger.session_id for queued in spool.jobs()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---- from event to job ---------------------------------------------------------------------------


def test_event_becomes_one_job_that_points_at_the_session(spool: Spool, folder: Path) -> None:
    leave(folder, payload(), environ="CLAUDE_CONFIG_DIR=/c\0OTHER=a=b")
    spool.ingest()
    (found,) = spool.jobs()
    assert found.trigger.session_id == "s1"
    assert found.trigger.path == "/home/me/.claude/projects/-x/s1.jsonl"
    assert found.trigger.awaits
    assert found.environ == {"CLAUDE_CONFIG_DIR": "/c", "OTHER": "a=b"}
    assert (found.received_at, found.attempts, found.error) == (BEGAN, Attempts(), None)
    assert events(folder) == []


def test_what_a_hook_really_leaves_becomes_a_job(folder: Path) -> None:
    spool = Spool(folder)
    with FileLock(spool.lock, mode=0o600):  # so that the hook starts no worker
        hook = [sys.executable, "-I", "-S", str(ROOT / "hooks" / "claude_code.py")]
        subprocess.run(hook, input=payload(), check=True, timeout=10, capture_output=True)
    (event,) = events(folder)
    assert mode(event) == 0o600
    spool.ingest()
    assert session_ids(spool) == ["s1"]


def test_nothing_of_what_was_said_stays_in_the_queue(spool: Spool, folder: Path) -> None:
    leave(folder, payload(prompt=SECRET, tool_input={"content": SECRET}))
    leave(folder, b'{"session_id":"torn","prompt":"' + SECRET.encode(), pid=2)
    leave(folder, SECRET.encode(), pid=3)
    (folder / "nameless.event").write_text(SECRET)
    spool.ingest()
    (one, other) = spool.jobs()
    spool.update(replace(one, error="offline", attempts=Attempts(1)))
    spool.quarantine(other, "refused")
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"launch" not in kept
    assert b"s1" in kept


def test_later_event_decides_but_path_and_end_that_were_seen_stay(
    spool: Spool, folder: Path
) -> None:
    leave(folder, payload(hook_event_name="SessionEnd", reason="clear"), BEGAN)
    leave(folder, payload(transcript_path=None), BEGAN + 5, pid=2)
    spool.ingest()
    (found,) = spool.jobs()
    assert found.trigger.event == "Stop"
    assert found.trigger.awaits
    assert found.trigger.end_reason == "clear"
    assert found.trigger.path == "/home/me/.claude/projects/-x/s1.jsonl"
    assert found.received_at == BEGAN + 5


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "the older one comes later"])
def test_the_later_wish_is_told_by_its_time_not_by_its_arrival(spool: Spool, turned: bool) -> None:
    older = job(at=BEGAN, awaits="old", path="/old", end_reason="clear")
    newer = job(at=BEGAN + 1, awaits="new", event="Stop")
    for one in (newer, older) if turned else (older, newer):
        spool.put(one)
    (found,) = spool.jobs()
    assert found == replace(newer, trigger=replace(newer.trigger, path="/old", end_reason="clear"))


def test_new_wish_is_tried_at_once_and_begins_its_tries_anew(spool: Spool) -> None:
    spool.put(job())
    tries = Attempts(1, not_before=BEGAN + 60_000)
    spool.update(replace(spool.jobs()[0], error="unreadable", attempts=tries))
    assert (spool.jobs()[0].attempts, spool.jobs()[0].error) == (tries, "unreadable")
    spool.put(job(at=BEGAN + 1))
    assert (spool.jobs()[0].attempts, spool.jobs()[0].error) == (Attempts(), None)


def test_what_the_server_fails_on_stays_counted_whatever_hooks_come(spool: Spool) -> None:
    spool.put(job())
    spool.update(
        replace(
            spool.jobs()[0],
            error="answers 500",
            attempts=Attempts(7, not_before=BEGAN + 60_000, unclear_since=BEGAN),
        )
    )
    spool.put(job(at=BEGAN + 1))
    assert spool.jobs()[0].attempts == Attempts(7, unclear_since=BEGAN)


def test_event_that_is_merged_twice_changes_nothing_of_its_tries(spool: Spool) -> None:
    spool.put(job())
    spool.update(replace(spool.jobs()[0], error="unreadable", attempts=Attempts(3)))
    spool.put(job())
    assert (spool.jobs()[0].attempts, spool.jobs()[0].error) == (Attempts(3), "unreadable")


def test_job_that_a_command_dropped_does_not_come_back(spool: Spool) -> None:
    spool.put(job())
    at_work = spool.jobs()[0]
    spool.drop(at_work.name)
    spool.update(replace(at_work, error="offline", attempts=Attempts(1)))
    assert spool.jobs() == []


def test_job_that_a_worker_has_taken_up_comes_after_the_others(spool: Spool) -> None:
    for number, begun in enumerate((9, 5, 0, 0)):
        one = job(f"s{number}", BEGAN + number)
        spool.put(one)
        spool.update(replace(one, error=None, attempts=Attempts(started_at=begun)))
    assert session_ids(spool) == ["s2", "s3", "s1", "s0"]


def test_parked_job_that_is_retried_begins_anew(spool: Spool) -> None:
    spool.put(job())
    spool.quarantine(spool.jobs()[0], "refused")
    spool.retry(next(spool.quarantined()))
    assert [one.attempts for one in spool.jobs()] == [Attempts()]
    assert list(spool.quarantined()) == []


def test_wait_ends_when_something_comes(spool: Spool, folder: Path) -> None:
    moment = spool.mtime()
    began = time.monotonic()
    spool.wait(moment, 0.3)
    assert time.monotonic() - began >= 0.3
    leave(folder, payload())
    began = time.monotonic()
    spool.wait(moment, 60)
    assert time.monotonic() - began < 30


def test_worker_killed_between_job_and_event_does_the_same_again(
    spool: Spool, folder: Path, tmp_path: Path
) -> None:
    event = leave(folder, payload())
    shutil.copy(event, tmp_path / "copy")
    spool.ingest()
    first = spool.jobs()
    shutil.copy(tmp_path / "copy", event)
    spool.ingest()
    assert spool.jobs() == first
    assert events(folder) == []


def test_jobs_come_oldest_wish_first(spool: Spool) -> None:
    for session_id, at in (("c", 3), ("a", 1), ("b", 2)):
        spool.put(job(session_id, BEGAN + at))
    assert session_ids(spool) == ["a", "b", "c"]


def test_clock_that_is_ahead_makes_no_wish_of_the_future(spool: Spool, folder: Path) -> None:
    leave(folder, payload(), at=9_999_999_999_999)
    spool.ingest()
    assert spool.jobs()[0].received_at < 9_999_999_999_999


def test_events_and_jobs_are_counted_as_waiting(spool: Spool, folder: Path) -> None:
    assert (spool.waiting(), spool.has_events()) == (0, False)
    leave(folder, payload())
    spool.put(job("s2"))
    (folder / "worker.lock").touch()
    assert (spool.waiting(), spool.has_events()) == (2, True)


# ---- what became of a job ------------------------------------------------------------------------


def test_done_job_is_gone(spool: Spool) -> None:
    spool.put(job())
    assert spool.holds(job())
    spool.done(spool.jobs()[0])
    assert not spool.holds(job())
    assert (spool.jobs(), spool.waiting()) == ([], 0)
    spool.done(job())


@pytest.mark.parametrize(
    "end",
    [
        Spool.done,
        lambda spool, one: spool.quarantine(one, "x"),
        lambda spool, one: spool.update(replace(one, error="x", attempts=Attempts(1))),
    ],
    ids=["done", "park", "keep"],
)
def test_wish_that_came_while_the_job_was_at_work_survives_its_end(
    spool: Spool, end: Callable[[Spool, Job], None]
) -> None:
    """`--wait` and `sync` put jobs while a worker may be on the same session."""
    spool.put(job())
    at_work = spool.jobs()[0]
    spool.put(job(at=BEGAN + 7, awaits="what was said since"))
    end(spool, at_work)
    (left,) = spool.jobs()
    assert (left.received_at, left.trigger.awaits) == (BEGAN + 7, "what was said since")
    assert left.attempts == Attempts()


def test_parked_job_is_set_apart_with_its_reason(spool: Spool) -> None:
    spool.put(job())
    spool.quarantine(spool.jobs()[0], "refused")
    assert (spool.jobs(), spool.waiting()) == ([], 0)
    (parked,) = spool.quarantined()
    assert (parked.trigger.session_id, parked.error) == ("s1", "refused")


def test_session_that_succeeds_later_is_no_longer_parked(spool: Spool) -> None:
    spool.put(job())
    spool.quarantine(spool.jobs()[0], "refused")
    spool.put(job(at=BEGAN + 1))
    assert list(spool.quarantined())
    spool.done(spool.jobs()[0])
    assert list(spool.quarantined()) == []


# ---- names and modes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "session_id",
    ["../../../etc/passwd", "/etc/passwd", "a/b", "..", "", "x" * 10_000, "\ud83d", "nul\0", "ü"],
    ids=shown,
)
def test_session_id_never_becomes_a_path(spool: Spool, folder: Path, session_id: str) -> None:
    spool.put(job(session_id))
    (path,) = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert path.parent == folder
    assert path.name.startswith(f"{AGENT}-")
    assert len(path.name) < 60
    assert not session_id or session_id not in path.name
    assert spool.jobs() == [job(session_id)]
    spool.done(job(session_id))
    assert not path.exists()


def test_two_sessions_and_two_agents_have_jobs_of_their_own(spool: Spool) -> None:
    spool.put(job("s1"))
    spool.put(job("s2"))
    spool.put(Job(Trigger("cursor", "s1"), {}, BEGAN))
    assert len(spool.jobs()) == 3


def test_queue_is_the_users_alone_though_the_umask_hides_nothing(folder: Path) -> None:
    before = os.umask(0)
    try:
        spool = Spool(folder)
        spool.put(job("s1"))
        spool.put(job("s2"))
        spool.quarantine(job("s2"), "refused")
    finally:
        os.umask(before)
    found = {path: mode(path) for path in (folder, *folder.rglob("*"))}
    assert {value for path, value in found.items() if path.is_file()} == {0o600}
    assert {value for path, value in found.items() if path.is_dir()} == {0o700}
    assert mode(folder.parent) == 0o700


# ---- what is torn, strange or not ours -----------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        payload()[:-1],
        payload()[: payload().index(b"last_assistant")],
        b'{"session_id": "s1", "prompt": "cut in the mid',
        b'{"session_id":"s1","x":"\xff\xfe',
        b"\xef\xbb\xbf" + payload(),
        b'garbage before {"session_id":"s1"} and behind',
        b'{"session_id":"s1","deep":' + b"[" * 100_000,
    ],
    ids=["brace", "middle", "in a text", "broken UTF-8", "BOM", "garbage around", "too deep"],
)
def test_torn_event_still_names_its_session(spool: Spool, folder: Path, content: bytes) -> None:
    leave(folder, content)
    spool.ingest()
    assert session_ids(spool) == ["s1"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0" * 5000, b"\xff" * 100, b"null", b"[]", b'"s1"', b"{}", b"[" * 100_000,
        b'{"session_id": 7}', b'{"session_id": "../x"}', b'{"session_id": null', b"not json",
        b'{"session_id":"s1","transcript_path":"C:\\q"',
    ],
    ids=shown,
)  # fmt: skip
def test_event_without_a_session_is_dropped_and_the_others_go_on(
    spool: Spool, folder: Path, content: bytes
) -> None:
    leave(folder, content, BEGAN)
    leave(folder, payload("after"), BEGAN + 1)
    spool.ingest()
    assert "after" in session_ids(spool)
    assert not spool.has_events()


@pytest.mark.parametrize(
    "name",
    [
        "nameless.event", ".event", "1-2.claude-code.more.event", "abc-1.claude-code.event",
        "-.claude-code.event", "²-1.claude-code.event", f"{'9' * 200}-1.claude-code.event",
        "1..event", "1-2.event", "\udcff.claude-code.event", "-1-1.claude-code.event",
    ],
    ids=shown,
)  # fmt: skip
def test_event_with_a_strange_name_does_not_stop_the_others(
    spool: Spool, folder: Path, name: str
) -> None:
    (folder / name).write_bytes(b"\n" + payload("strange"))
    leave(folder, payload("after"))
    spool.ingest()
    found = {one.trigger.session_id for one in spool.jobs()}
    assert "after" in found
    assert not spool.has_events()
    if name.endswith(f".{AGENT}.event") and name.count(".") == 2:
        assert "strange" in found


@pytest.mark.parametrize("plant", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_event_that_is_no_file_is_left_alone(
    spool: Spool, folder: Path, plant: Callable[[Path], None]
) -> None:
    plant(folder / f"1-1.{AGENT}.event")
    leave(folder, payload("after"))
    spool.ingest()
    assert session_ids(spool) == ["after"]
    assert not spool.has_events()


def test_event_that_may_not_be_read_is_kept_for_who_may(
    spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook that ran as root leaves it to root's worker, and this one does not wait for it."""
    locked = leave(folder, payload("locked"), BEGAN)
    leave(folder, payload("after"), BEGAN + 1)
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, kind: path != locked and real(path, kind))
    spool.ingest()
    assert session_ids(spool) == ["after"]
    assert not spool.has_events()
    assert locked.exists()
    assert spool.waiting() == 2


_GOOD = json.loads(
    '{"trigger": {"agent": "claude-code", "session_id": "s1", "event": "", "path": null,'
    ' "awaits": null, "end_reason": null}, "environ": {}, "received_at": 1, "error": null,'
    ' "tries": {"count": 0, "not_before": 0, "since": null, "begun": 0, "deaths": 0}}'
)


def _changed(name: str, value: Any) -> bytes:
    return json.dumps({**_GOOD, name: value}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0" * 300, b"{", b"null", b"[]", b'"x"', b"7", b"[" * 100_000, b"\xff\xfe",
        json.dumps(_GOOD).encode()[:-9],
        _changed("trigger", None),
        _changed("trigger", "s1"),
        _changed("trigger", {"agent": "claude-code"}),
        _changed("trigger", {**_GOOD["trigger"], "session_id": None}),
        _changed("trigger", {**_GOOD["trigger"], "path": 7}),
        _changed("environ", None),
        _changed("environ", {"CLAUDE_CONFIG_DIR": 7}),
        _changed("received_at", "yesterday"),
        _changed("tries", None),
        _changed("tries", {"count": "many"}),
        _changed("tries", {"since": "yesterday"}),
    ],
    ids=shown,
)  # fmt: skip
def test_damaged_job_stops_nobody_stays_visible_and_gives_way_to_the_next_wish(
    spool: Spool, folder: Path, content: bytes
) -> None:
    damaged = folder / job("s1").name
    damaged.write_bytes(content)
    spool.put(job("s2", BEGAN + 1))
    leave(folder, payload("s3"), BEGAN + 2)
    spool.ingest()
    assert session_ids(spool) == ["s2", "s3"]
    assert spool.waiting() == 3
    spool.put(job("s1", BEGAN + 3))
    assert session_ids(spool) == ["s2", "s3", "s1"]
    (folder / "parked").mkdir()
    shutil.move(damaged, folder / "parked" / damaged.name)
    assert len(list(spool.quarantined())) == 1


def test_job_of_an_older_or_a_newer_version_is_still_a_job(spool: Spool, folder: Path) -> None:
    older = {name: value for name, value in _GOOD.items() if name != "tries"}
    for value in ({**older, "attempts": 3}, {**_GOOD, "more": 1, "tries": {"more": 1}}):
        (folder / job("s1").name).write_text(json.dumps(value))
        assert session_ids(spool) == ["s1"]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.binary(max_size=200), st.binary(max_size=200), st.from_regex(r"[a-z_]{1,20}", fullmatch=True)
)
def test_no_bytes_whatever_stop_the_queue(
    folder: Path, event: bytes, damaged: bytes, end_reason: str
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    spool = Spool(folder)
    leave(folder, event)
    (folder / f"{AGENT}-x.job").write_bytes(damaged)
    leave(folder, payload("after", hook_event_name="SessionEnd", reason=end_reason), pid=2)
    spool.ingest()
    found = {one.trigger.session_id: one.trigger.end_reason for one in spool.jobs()}
    assert found["after"] == end_reason
    assert not spool.has_events()


def test_full_disk_keeps_the_event_for_the_next_worker(
    spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = leave(folder, payload())

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("opensync_hooks.queue.spool.atomic_write", full)
        with pytest.raises(OSError, match="No space left"):
            spool.ingest()
    assert event.exists()
    spool.ingest()
    assert len(spool.jobs()) == 1


# ---- any order -----------------------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """Hooks, `sync` and one worker, each taking its next step at any time."""

    sessions = st.sampled_from(["s1", "s2", "s3"])

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name) / "spool"
        self.spool = Spool(self.folder)
        self.now = BEGAN
        self.open: dict[str, set[int]] = {}
        self.at_work: Job | None = None

    def teardown(self) -> None:
        self.temporary.cleanup()

    def _request(self, session_id: str, late: int = 0) -> int:
        self.now += 10
        self.open.setdefault(session_id, set()).add(self.now - late)
        return self.now - late

    @rule(session_id=sessions, late=st.sampled_from([0, 0, 5, 25]))
    def hook(self, session_id: str, late: int) -> None:
        """A hook reads the clock before it writes: another may overtake it."""
        leave(self.folder, payload(session_id), self._request(session_id, late), pid=self.now)

    @rule(session_id=sessions)
    def put(self, session_id: str) -> None:
        self.spool.put(job(session_id, self._request(session_id)))

    @rule()
    def ingest(self) -> None:
        self.spool.ingest()

    @precondition(lambda self: self.at_work is None)
    @rule()
    def take(self) -> None:
        self.at_work = next(iter(self.spool.jobs()), None)

    def _end(self, *, is_served: bool) -> Job:
        assert self.at_work
        ended, self.at_work = self.at_work, None
        session_id = ended.trigger.session_id
        waiting = {
            int(path.name.partition("-")[0]) // 1_000_000
            for path in events(self.folder)
            if json.loads(path.read_bytes())["session_id"] == session_id
        }
        if is_served:
            requests = self.open[session_id]
            requests -= {at for at in requests if at <= ended.received_at and at not in waiting}
        return ended

    @precondition(lambda self: self.at_work is not None)
    @rule()
    def done(self) -> None:
        self.spool.done(self._end(is_served=True))

    @precondition(lambda self: self.at_work is not None)
    @rule()
    def quarantine(self) -> None:
        self.spool.quarantine(self._end(is_served=True), "refused")

    @precondition(lambda self: self.at_work is not None)
    @rule()
    def fails(self) -> None:
        self.spool.update(
            replace(self._end(is_served=False), error="offline", attempts=Attempts(1))
        )

    @precondition(lambda self: self.at_work is not None)
    @rule()
    def die(self) -> None:
        self._end(is_served=False)

    @invariant()
    def every_open_request_is_in_an_event_or_a_job(self) -> None:
        copy = Path(self.temporary.name) / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder, copy)
        later = Spool(copy)
        later.ingest()
        received = {queued.trigger.session_id: queued.received_at for queued in later.jobs()}
        for session_id, requests in self.open.items():
            assert not requests or received.get(session_id, 0) >= max(requests)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.skipif(os.name != "posix", reason="hooks probe with a shared lock there only")
def test_hooks_that_probe_the_lock_keep_no_worker_away(spool: Spool) -> None:
    """A loaded machine may leave many of them standing with the lock in their hands."""
    import fcntl  # noqa: PLC0415

    spool.lock.touch()
    with spool.lock.open("r+") as probe:
        fcntl.flock(probe, fcntl.LOCK_SH)
        release = threading.Timer(0.4, fcntl.flock, (probe, fcntl.LOCK_UN))
        release.start()
        with spool.single_worker() as is_alone:
            assert is_alone
        release.join()
    with spool.single_worker() as first, Spool(spool.lock.parent).single_worker() as second:
        assert (first, second) == (True, False)


def test_lock_of_the_one_worker_is_the_users_alone_and_keeps_others_out(spool: Spool) -> None:
    with spool.single_worker() as first, spool.single_worker() as second:
        assert (first, second) == (True, False)
        assert mode(spool.lock) == 0o600
    with spool.single_worker() as again:
        assert again


def test_events_and_jobs_are_counted_for_the_agent_that_they_are_of(
    spool: Spool, folder: Path
) -> None:
    leave(folder, payload())
    spool.put(job("s2"))
    spool.put(replace(job("s3"), trigger=replace(job("s3").trigger, agent="cursor")))
    assert spool.waiting_by_agent() == {"claude-code": 2, "cursor": 1}


def test_job_that_says_to_be_another_sessions_is_damaged_and_keeps_no_worker_busy(
    spool: Spool, folder: Path
) -> None:
    spool.put(job("s1"))
    path = folder / job("s1").name
    path.write_bytes(path.read_bytes().replace(b"claude-code", b"claude-cofe"))
    assert spool.jobs() == []
    assert spool.damaged() == [path.name]
    spool.put(job("s1"))
    assert session_ids(spool) == ["s1"]
    assert spool.damaged() == []
