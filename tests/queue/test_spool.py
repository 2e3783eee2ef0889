"""Between hooks and worker no request is lost, no text is kept, and no file blocks the others."""

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

import hypothesis
import pytest
from filelock import FileLock
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from opensync_hooks.model import Trigger
from opensync_hooks.queue import spool as spool_module
from opensync_hooks.queue.backoff import Attempts
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool

ROOT = Path(__file__).parents[2]
AGENT = "claude-code"
START = 1_700_000_000_000
SECRET = "the launch code is 0000"
EVERY_HEALTH_CHECK = list(hypothesis.HealthCheck)


def readable(value: str | bytes) -> str:
    """Return a test id without backslashes, by which pytest would not find the test again."""
    return ascii(value[:24]).replace("\\", "/")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "ours" / "spool")


def make_job(session_id: str = "s1", at: int = START, **fields: Any) -> Job:
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


def write_event(
    spool: Spool, content: bytes, at: int = START, environ: str = "", pid: int = 1
) -> Path:
    """Write an event as a hook does."""
    path = spool.folder / f"{at}000000-{pid}.{AGENT}.event"
    path.write_bytes(environ.encode() + b"\n" + content)
    return path


def events(spool: Spool) -> list[Path]:
    return list(spool.folder.glob("*.event"))


def session_ids(spool: Spool) -> list[str]:
    return [job.trigger.session_id for job in spool.jobs()]


def only_job(spool: Spool) -> Job:
    (job,) = spool.jobs()
    return job


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---- from event to job ---------------------------------------------------------------------------


def test_event_becomes_one_job_that_points_at_the_session(spool: Spool) -> None:
    write_event(spool, payload(), environ="CLAUDE_CONFIG_DIR=/c\0OTHER=a=b")
    spool.ingest()
    job = only_job(spool)
    assert job.trigger.session_id == "s1"
    assert job.trigger.path == "/home/me/.claude/projects/-x/s1.jsonl"
    assert job.trigger.awaits
    assert job.environ == {"CLAUDE_CONFIG_DIR": "/c", "OTHER": "a=b"}
    assert (job.received_at, job.attempts, job.error) == (START, Attempts(), None)
    assert events(spool) == []


def test_event_of_a_real_hook_becomes_a_job() -> None:
    spool = Spool(Path(os.environ["OPENSYNC_HOOKS_HOME"]) / "spool")
    with FileLock(spool.lock, mode=0o600):  # so that the hook starts no worker
        hook = [sys.executable, "-I", "-S", str(ROOT / "hooks" / "claude_code.py")]
        subprocess.run(hook, input=payload(), check=True, timeout=10, capture_output=True)
    (event,) = events(spool)
    assert mode(event) == 0o600
    spool.ingest()
    assert session_ids(spool) == ["s1"]


def test_no_text_of_a_session_stays_in_the_spool(spool: Spool) -> None:
    write_event(spool, payload(prompt=SECRET, tool_input={"content": SECRET}))
    write_event(spool, b'{"session_id":"torn","prompt":"' + SECRET.encode(), pid=2)
    write_event(spool, SECRET.encode(), pid=3)
    (spool.folder / "nameless.event").write_text(SECRET)
    spool.ingest()
    first, second = spool.jobs()
    spool.update(replace(first, error="offline", attempts=Attempts(1)))
    spool.quarantine(second, "refused")
    files = [path for path in spool.folder.rglob("*") if path.is_file()]
    content = b"".join(path.read_bytes() for path in files)
    assert b"launch" not in content
    assert b"s1" in content


def test_events_of_one_session_become_one_job(spool: Spool) -> None:
    write_event(spool, payload(hook_event_name="SessionEnd", reason="clear"), START)
    write_event(spool, payload(transcript_path=None), START + 5, pid=2)
    spool.ingest()
    job = only_job(spool)
    assert (job.trigger.event, job.trigger.end_reason) == ("Stop", "clear")
    assert job.trigger.awaits
    assert job.trigger.path == "/home/me/.claude/projects/-x/s1.jsonl"
    assert job.received_at == START + 5


def test_peeking_and_recording_leave_the_events_to_the_worker(spool: Spool) -> None:
    path = write_event(spool, payload())
    private = write_event(spool, payload("s2", private=True), START + 1)
    assert {path: job.trigger.session_id for path, job in spool.peek().items()} == {path: "s1"}
    excluded = Path(os.environ["OPENSYNC_HOOKS_HOME"]) / "excluded"
    assert not excluded.exists()
    spool.record_events()
    assert len(list(excluded.glob("*.txt"))) == 1
    assert sorted(events(spool)) == [path, private]
    assert spool.jobs() == []


def test_kill_between_job_and_event_ingests_the_event_again(spool: Spool, tmp_path: Path) -> None:
    event = write_event(spool, payload())
    shutil.copy(event, tmp_path / "copy")
    spool.ingest()
    before = spool.jobs()
    shutil.copy(tmp_path / "copy", event)
    spool.ingest()
    assert spool.jobs() == before
    assert events(spool) == []


def test_full_disk_keeps_the_event_for_the_next_worker(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = write_event(spool, payload())

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "atomic_write", fail)
        with pytest.raises(OSError, match="No space left"):
            spool.ingest()
    assert event.exists()
    spool.ingest()
    assert len(spool.jobs()) == 1


def test_clock_that_is_ahead_makes_no_request_of_the_future(spool: Spool) -> None:
    write_event(spool, payload(), at=9_999_999_999_999)
    spool.ingest()
    assert only_job(spool).received_at < 9_999_999_999_999


def test_events_and_jobs_are_counted(spool: Spool) -> None:
    assert (spool.waiting(), spool.has_events()) == (0, False)
    write_event(spool, payload())
    spool.put(make_job("s2"))
    spool.put(Job(Trigger("cursor", "s3"), {}, START))
    spool.lock.touch()
    assert (spool.waiting(), spool.has_events()) == (3, True)
    assert spool.waiting_by_agent() == {"claude-code": 2, "cursor": 1}


# ---- jobs ----------------------------------------------------------------------------------------


def test_jobs_come_in_the_order_of_their_requests(spool: Spool) -> None:
    for session_id, at in (("c", 3), ("a", 1), ("b", 2)):
        spool.put(make_job(session_id, START + at))
    assert session_ids(spool) == ["a", "b", "c"]


def test_job_that_a_worker_has_started_on_comes_after_the_others(spool: Spool) -> None:
    for number, started_at in enumerate((9, 5, 0, 0)):
        job = make_job(f"s{number}", START + number)
        spool.put(job)
        spool.update(replace(job, attempts=Attempts(started_at=started_at)))
    assert session_ids(spool) == ["s2", "s3", "s1", "s0"]


def test_new_request_resets_the_attempts(spool: Spool) -> None:
    spool.put(make_job())
    attempts = Attempts(1, not_before=START + 60_000)
    failed = replace(only_job(spool), error="unreadable", failure="source", attempts=attempts)
    spool.update(failed)
    assert only_job(spool) == failed
    spool.put(make_job(at=START + 1))
    assert only_job(spool) == make_job(at=START + 1)


def test_failures_of_the_server_stay_counted_whatever_hooks_come(spool: Spool) -> None:
    spool.put(make_job())
    attempts = Attempts(7, not_before=START + 60_000, unclear_since=START)
    spool.update(replace(only_job(spool), error="answers 500", attempts=attempts))
    spool.put(make_job(at=START + 1))
    assert only_job(spool).attempts == Attempts(7, unclear_since=START)


def test_event_that_is_merged_twice_does_not_reset_the_attempts(spool: Spool) -> None:
    spool.put(make_job())
    failed = replace(only_job(spool), error="unreadable", attempts=Attempts(3))
    spool.update(failed)
    spool.put(make_job())
    assert only_job(spool) == failed


def test_finished_job_is_removed(spool: Spool) -> None:
    spool.put(make_job())
    assert spool.current(make_job()) == make_job()
    spool.done(only_job(spool))
    assert spool.current(make_job()) is None
    assert (spool.jobs(), spool.waiting()) == ([], 0)
    spool.done(make_job())


def test_job_that_a_command_drops_does_not_come_back(spool: Spool) -> None:
    spool.put(make_job())
    in_progress = only_job(spool)
    spool.drop(in_progress.name)
    spool.update(replace(in_progress, error="offline", attempts=Attempts(1)))
    assert spool.jobs() == []


def _fail(spool: Spool, job: Job) -> None:
    spool.update(replace(job, error="offline", attempts=Attempts(1)))


@pytest.mark.parametrize(
    "end",
    [Spool.done, lambda spool, job: spool.quarantine(job, "x"), _fail],
    ids=["done", "quarantined", "failed"],
)
def test_request_that_comes_while_the_job_is_in_progress_survives_its_end(
    spool: Spool, end: Callable[[Spool, Job], None]
) -> None:
    """`--wait` and `sync` put jobs while a worker may be busy with the same session."""
    spool.put(make_job())
    in_progress = only_job(spool)
    spool.put(make_job(at=START + 7, awaits="a new message"))
    end(spool, in_progress)
    job = only_job(spool)
    assert (job.received_at, job.trigger.awaits) == (START + 7, "a new message")
    assert job.attempts == Attempts()


# ---- quarantine ----------------------------------------------------------------------------------


def test_quarantined_job_is_kept_apart_with_its_reason(spool: Spool) -> None:
    spool.put(make_job())
    spool.quarantine(only_job(spool), "refused")
    assert (spool.jobs(), spool.waiting()) == ([], 0)
    (job,) = spool.quarantined()
    assert (job.trigger.session_id, job.error) == ("s1", "refused")


def test_retry_starts_over_with_a_quarantined_job(spool: Spool) -> None:
    spool.put(make_job())
    spool.quarantine(replace(only_job(spool), failure="unclear"), "refused")
    spool.retry(next(spool.quarantined()))
    assert only_job(spool) == make_job()
    assert list(spool.quarantined()) == []


def test_delivery_releases_a_session_from_quarantine(spool: Spool) -> None:
    for number in range(2):
        spool.put(make_job())
        spool.quarantine(only_job(spool), "refused")
        spool.put(make_job(at=START + 1 + number))
        assert list(spool.quarantined())
        if number:
            assert spool.release(AGENT, "s1")
            assert not spool.release(AGENT, "s1")
        spool.done(only_job(spool))
        assert list(spool.quarantined()) == []


# ---- names and modes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "session_id",
    ["../../../etc/passwd", "/etc/passwd", "a/b", "..", "", "x" * 10_000, "\ud83d", "nul\0", "ü"],
    ids=readable,
)
def test_session_id_never_becomes_a_path(spool: Spool, session_id: str) -> None:
    spool.put(make_job(session_id))
    (path,) = spool.folder.rglob("*.job")
    assert path.parent == spool.folder
    assert path.name.startswith(f"{AGENT}-")
    assert len(path.name) < 60
    assert not session_id or session_id not in path.name
    assert spool.jobs() == [make_job(session_id)]
    spool.done(make_job(session_id))
    assert not path.exists()


def test_each_session_of_each_agent_has_a_job_of_its_own(spool: Spool) -> None:
    spool.put(make_job("s1"))
    spool.put(make_job("s2"))
    spool.put(Job(Trigger("cursor", "s1"), {}, START))
    assert len(spool.jobs()) == 3


def test_only_the_user_may_read_the_queue_even_under_umask_0(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        spool = Spool(tmp_path / "ours" / "spool")
        spool.put(make_job("s1"))
        spool.put(make_job("s2"))
        spool.quarantine(make_job("s2"), "refused")
    finally:
        os.umask(before)
    for path in (spool.folder.parent, spool.folder, *spool.folder.rglob("*")):
        assert mode(path) == (0o600 if path.is_file() else 0o700), path


# ---- torn, strange and foreign files -------------------------------------------------------------


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
def test_torn_event_names_its_session(spool: Spool, content: bytes) -> None:
    write_event(spool, content)
    spool.ingest()
    assert session_ids(spool) == ["s1"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0" * 5000, b"\xff" * 100, b"null", b"[]", b'"s1"', b"{}", b"[" * 100_000,
        b'{"session_id": 7}', b'{"session_id": "../x"}', b'{"session_id": null', b"not json",
        b'{"session_id":"s1","transcript_path":"C:\\q"',
    ],
    ids=readable,
)  # fmt: skip
def test_event_without_a_session_is_deleted_and_the_others_go_on(
    spool: Spool, content: bytes
) -> None:
    write_event(spool, content, START)
    write_event(spool, payload("after"), START + 1)
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
    ids=readable,
)  # fmt: skip
def test_event_with_a_strange_name_does_not_stop_the_others(spool: Spool, name: str) -> None:
    (spool.folder / name).write_bytes(b"\n" + payload("strange"))
    write_event(spool, payload("after"))
    spool.ingest()
    ids = session_ids(spool)
    assert "after" in ids
    assert not spool.has_events()
    if name.endswith(f".{AGENT}.event") and name.count(".") == 2:
        assert "strange" in ids


@pytest.mark.parametrize("create", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_event_that_is_not_a_file_is_left_alone(
    spool: Spool, create: Callable[[Path], None]
) -> None:
    create(spool.folder / f"1-1.{AGENT}.event")
    write_event(spool, payload("after"))
    spool.ingest()
    assert session_ids(spool) == ["after"]
    assert not spool.has_events()


def test_event_of_another_user_is_left_to_that_users_worker(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook that ran as root leaves one. This user's worker does not wait for it."""
    unreadable = write_event(spool, payload("root's"), START)
    write_event(spool, payload("after"), START + 1)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, way: path != unreadable and access(path, way))
    spool.ingest()
    assert session_ids(spool) == ["after"]
    assert not spool.has_events()
    assert unreadable.exists()
    assert spool.waiting() == 2


@pytest.mark.parametrize("content", [b"", b"{", b"\0" * 300], ids=readable)
def test_damaged_job_stops_no_other_and_is_replaced_by_the_next_request(
    spool: Spool, content: bytes
) -> None:
    path = spool.folder / make_job("s1").name
    path.write_bytes(content)
    spool.put(make_job("s2", START + 1))
    write_event(spool, payload("s3"), START + 2)
    spool.ingest()
    assert session_ids(spool) == ["s2", "s3"]
    assert (spool.waiting(), spool.damaged()) == (3, [path.name])
    spool.put(make_job("s1", START + 3))
    assert session_ids(spool) == ["s2", "s3", "s1"]
    assert spool.damaged() == []


def test_job_under_the_name_of_another_is_damaged(spool: Spool) -> None:
    """A worker could never remove it, and would deliver it again and again."""
    spool.put(make_job("s1"))
    path = spool.folder / make_job("s1").name
    path.write_bytes(path.read_bytes().replace(b"claude-code", b"claude-cofe"))
    assert (spool.jobs(), spool.damaged()) == ([], [path.name])
    spool.put(make_job("s1"))
    assert (session_ids(spool), spool.damaged()) == (["s1"], [])


@hypothesis.settings(max_examples=150, deadline=None, suppress_health_check=EVERY_HEALTH_CHECK)
@hypothesis.given(
    event=st.binary(max_size=200),
    job=st.binary(max_size=200),
    end_reason=st.from_regex(r"[a-z_]{1,20}", fullmatch=True),
)
def test_no_bytes_stop_the_queue(tmp_path: Path, event: bytes, job: bytes, end_reason: str) -> None:
    shutil.rmtree(tmp_path / "spool", ignore_errors=True)
    spool = Spool(tmp_path / "spool")
    write_event(spool, event)
    (spool.folder / f"{AGENT}-x.job").write_bytes(job)
    write_event(spool, payload("after", hook_event_name="SessionEnd", reason=end_reason), pid=2)
    spool.ingest()
    reasons = {queued.trigger.session_id: queued.trigger.end_reason for queued in spool.jobs()}
    assert reasons["after"] == end_reason
    assert not spool.has_events()


# ---- waiting and locking -------------------------------------------------------------------------


def test_wait_ends_when_an_event_comes(spool: Spool) -> None:
    mtime = spool.mtime()
    start = time.monotonic()
    spool.wait(mtime, 0.3)
    assert time.monotonic() - start >= 0.3
    write_event(spool, payload())
    start = time.monotonic()
    spool.wait(mtime, 60)
    assert time.monotonic() - start < 30


def test_notify_ends_a_wait(spool: Spool) -> None:
    mtime = spool.mtime()
    time.sleep(0.05)
    spool.notify()
    assert spool.mtime() != mtime


def test_one_worker_at_a_time_has_the_lock(spool: Spool) -> None:
    with spool.single_worker() as first, Spool(spool.folder).single_worker() as second:
        assert (first, second) == (True, False)
        assert mode(spool.lock) == 0o600
    with spool.single_worker() as third:
        assert third


@pytest.mark.skipif(os.name != "posix", reason="hooks share the lock on POSIX only")
def test_hooks_that_probe_the_lock_keep_no_worker_away(spool: Spool) -> None:
    """On a busy machine several of them may be suspended while they share it."""
    import fcntl  # noqa: PLC0415

    spool.lock.touch()
    with spool.lock.open("r+") as probe:
        fcntl.flock(probe, fcntl.LOCK_SH)
        release = threading.Timer(0.4, fcntl.flock, (probe, fcntl.LOCK_UN))
        release.start()
        with spool.single_worker() as is_single_worker:
            assert is_single_worker
        release.join()


# ---- any order -----------------------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """Hooks, `sync` and one worker, each taking its next step at any time."""

    sessions = st.sampled_from(["s1", "s2", "s3"])

    def __init__(self) -> None:
        super().__init__()
        self.temporary = tempfile.TemporaryDirectory()
        self.spool = Spool(Path(self.temporary.name) / "spool")
        self.now = START
        self.open_requests: dict[str, set[int]] = {}
        self.in_progress: Job | None = None

    def teardown(self) -> None:
        self.temporary.cleanup()

    def _request(self, session_id: str, late: int = 0) -> int:
        self.now += 10
        self.open_requests.setdefault(session_id, set()).add(self.now - late)
        return self.now - late

    @rule(session_id=sessions, late=st.sampled_from([0, 0, 5, 25]))
    def hook(self, session_id: str, late: int) -> None:
        """A hook reads the clock before it writes: another may overtake it."""
        at = self._request(session_id, late)
        write_event(self.spool, payload(session_id), at, pid=self.now)

    @rule(session_id=sessions)
    def put(self, session_id: str) -> None:
        self.spool.put(make_job(session_id, self._request(session_id)))

    @rule()
    def ingest(self) -> None:
        self.spool.ingest()

    @precondition(lambda self: self.in_progress is None)
    @rule()
    def take(self) -> None:
        self.in_progress = next(iter(self.spool.jobs()), None)

    def _end(self, *, is_served: bool) -> Job:
        assert self.in_progress
        job, self.in_progress = self.in_progress, None
        session_id = job.trigger.session_id
        waiting = {
            int(path.name.partition("-")[0]) // 1_000_000
            for path in events(self.spool)
            if json.loads(path.read_bytes())["session_id"] == session_id
        }
        if is_served:
            requests = self.open_requests[session_id]
            requests -= {at for at in requests if at <= job.received_at and at not in waiting}
        return job

    @precondition(lambda self: self.in_progress is not None)
    @rule()
    def done(self) -> None:
        self.spool.done(self._end(is_served=True))

    @precondition(lambda self: self.in_progress is not None)
    @rule()
    def quarantine(self) -> None:
        self.spool.quarantine(self._end(is_served=True), "refused")

    @precondition(lambda self: self.in_progress is not None)
    @rule()
    def fail(self) -> None:
        _fail(self.spool, self._end(is_served=False))

    @precondition(lambda self: self.in_progress is not None)
    @rule()
    def crash(self) -> None:
        self._end(is_served=False)

    @invariant()
    def every_open_request_is_in_an_event_or_a_job(self) -> None:
        copy = Path(self.temporary.name) / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.spool.folder, copy)
        later = Spool(copy)
        later.ingest()
        received = {job.trigger.session_id: job.received_at for job in later.jobs()}
        for session_id, requests in self.open_requests.items():
            assert not requests or received.get(session_id, 0) >= max(requests)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = hypothesis.settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=EVERY_HEALTH_CHECK,
)
