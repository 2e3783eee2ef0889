"""What has to survive a power cut is on the disk before anything counts on it.

No test can cut the power: these look at what is synced, and at what is made of what a cut leaves.
`python -m tests.faults --only power` plays the cuts.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from opensync_hooks import config
from opensync_hooks.agents import registry
from opensync_hooks.cli import main
from opensync_hooks.config import Folders
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Trigger
from opensync_hooks.queue import recovery, worker
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.files import atomic_write, ensure_private_folder
from tests.faults import syscalls
from tests.transcripts import TranscriptWriter

ROOT = Path(__file__).parent.parent
AGENT = "claude-code"

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc says what was synced")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The path of everything that is synced, as it is called at that moment."""
    found: list[str] = []
    fsync = os.fsync

    def noting(fd: int) -> None:
        found.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", noting)
    return found


@pytest.fixture
def spool(monkeypatch: pytest.MonkeyPatch) -> Spool:
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0.0)
    return Spool(Folders.from_environ(os.environ).spool)


def session(home: Path, name: str) -> None:
    TranscriptWriter(home / ".claude" / "projects" / "-work" / f"{name}.jsonl").turn(1)


def torn_job(spool: Spool, name: str) -> Path:
    """What a power cut can leave of a job: its name."""
    job = Job(Trigger(AGENT, name), {}, 1)
    spool.put(job)
    path = Folders.from_environ(os.environ).spool / job.name
    path.write_bytes(b"")
    return path


def event(name: str) -> None:
    payload = json.dumps({"session_id": name, "hook_event_name": "SessionEnd", "reason": "other"})
    path = Folders.from_environ(os.environ).spool / f"{time.time_ns()}-1.{AGENT}.event"
    path.write_bytes(b"\n" + payload.encode())


def stored() -> set[str]:
    with Store(Folders.from_environ(os.environ).store) as store:
        return set(store.session_ids())


@linux
def test_new_folder_is_as_durable_as_what_is_written_in_it(
    tmp_path: Path, synced: list[str]
) -> None:
    atomic_write(tmp_path / "a" / "b" / "file", b"x")
    made = synced[:2], synced[-1]
    assert made == ([str(tmp_path), str(tmp_path / "a")], str(tmp_path / "a" / "b"))
    synced.clear()
    ensure_private_folder(tmp_path / "c")
    assert synced == [str(tmp_path)]
    ensure_private_folder(tmp_path / "c")
    assert synced == [str(tmp_path)], "it was there already"


@linux
def test_job_that_is_set_aside_is_on_the_disk_before_it_leaves_the_queue(
    spool: Spool, synced: list[str]
) -> None:
    job = Job(Trigger(AGENT, "s1"), {}, 1)
    spool.put(job)
    synced.clear()
    spool.quarantine(job, "refused")
    assert synced[-1] == str(Folders.from_environ(os.environ).spool / "parked")


@linux
def test_copy_that_may_be_the_last_one_is_on_the_disk(home: Path, synced: list[str]) -> None:
    session(home, "s1")
    source = registry.source(AGENT)
    assert source
    (located,) = source.sessions()
    kept = SessionBackups.from_config(config.load())
    ensure_private_folder(kept.folder)
    synced.clear()
    assert kept.save(source, located, config.load())
    copy, folder = synced
    assert (Path(copy).parent, Path(folder)) == (kept.folder, kept.folder)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.skipif(not syscalls.can_trace(), reason="needs ptrace")
@pytest.mark.usefixtures("spool")
def test_hook_waits_for_the_disk_only_for_what_keeps_a_session_private(
    monkeypatch: pytest.MonkeyPatch, *, private: bool
) -> None:
    from opensync_hooks.hook import entry  # noqa: PLC0415

    if private:
        monkeypatch.setenv(entry.PRIVATE, "1")
    monkeypatch.setattr(entry, "_start_worker", lambda _root: None)
    monkeypatch.setattr(sys, "argv", ["claude_code.py"])
    payload = b'{"session_id":"s1","hook_event_name":"Stop"}'
    trace = syscalls.traced(
        lambda: entry.run(AGENT, str(ROOT), ()), lambda _number, _name: None, stdin=payload
    )
    kinds = [step for step in trace.steps if step in ("write", "fsync", "rename")]
    assert kinds == (["write", "fsync", "rename", "fsync"] if private else ["write", "rename"])


def test_torn_job_is_made_anew_by_the_next_hook_whosesoever_it_is(home: Path, spool: Spool) -> None:
    session(home, "s1")
    session(home, "s2")
    torn_job(spool, "s1")
    event("s2")
    worker.main()
    assert stored() == {"s1", "s2"}
    assert not spool.waiting()


def test_torn_job_is_made_anew_by_sync(home: Path, spool: Spool) -> None:
    session(home, "s1")
    torn_job(spool, "s1")
    assert main.main(["sync"]) == 0
    assert stored() == {"s1"}
    assert not spool.waiting()


def test_torn_job_of_a_session_that_nobody_has_stays_and_is_named(
    home: Path, spool: Spool, capsys: pytest.CaptureFixture[str]
) -> None:
    session(home, "s2")
    path = torn_job(spool, "s1")
    recovery.recover(spool)
    assert spool.jobs() == []
    assert spool.damaged() == [path.name]
    main.main(["queue", "list"])
    assert path.name in capsys.readouterr().out


@pytest.mark.parametrize(
    "trouble",
    [SourceError("its database is locked"), PermissionError(13, "Permission denied")],
    ids=["locked", "not for us"],
)
def test_agent_that_cannot_be_read_keeps_no_other_ones_job_from_being_mended(
    home: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    from opensync_hooks.agents.opencode.source import OpenCodeSource  # noqa: PLC0415

    def broken(_self: OpenCodeSource) -> list[object]:
        raise trouble

    monkeypatch.setattr(OpenCodeSource, "sessions", broken)
    session(home, "s1")
    torn_job(spool, "s1")
    recovery.recover(spool)
    (mended,) = spool.jobs()
    assert mended.trigger.session_id == "s1"
    assert mended.trigger.path == str(home / ".claude" / "projects" / "-work" / "s1.jsonl")
