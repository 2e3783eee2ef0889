"""What has to survive a power cut is synced to the disk before anything relies on it.

These tests look at what is synced, and at what becomes of the files that a cut leaves.
`python -m tests.faults --only power` simulates the cuts.
"""

from __future__ import annotations

import os
import sys
from itertools import dropwhile
from pathlib import Path

import pytest

from opensync_hooks import config
from opensync_hooks.agents import registry
from opensync_hooks.agents.opencode.source import OpenCodeSource
from opensync_hooks.cli import main
from opensync_hooks.errors import SourceError
from opensync_hooks.hook import entry
from opensync_hooks.model import Trigger
from opensync_hooks.queue import recovery, worker
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.files import atomic_write, ensure_private_folder
from tests.claude_user import ClaudeUser
from tests.faults import syscalls

ROOT = Path(__file__).parent.parent
AGENT = "claude-code"

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the path of everything that is synced, by its name at that time."""
    paths: list[str] = []
    fsync = os.fsync

    def fsync_and_record(fd: int) -> None:
        paths.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", fsync_and_record)
    return paths


@pytest.fixture
def user(home: Path, monkeypatch: pytest.MonkeyPatch) -> ClaudeUser:
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0.0)
    return ClaudeUser(home)


def write_torn_job(spool: Spool, session_id: str) -> Path:
    """Write what a power cut can leave of a job: a name without content."""
    path = spool.folder / Job(Trigger(AGENT, session_id), {}, 1).name
    path.touch(mode=0o600)
    return path


@linux
def test_new_folder_is_synced_with_the_files_in_it(tmp_path: Path, synced: list[str]) -> None:
    atomic_write(tmp_path / "a" / "b" / "file", b"x")
    assert synced[:2] == [str(tmp_path), str(tmp_path / "a")]
    assert synced[-1] == str(tmp_path / "a" / "b")
    synced.clear()
    ensure_private_folder(tmp_path / "c")
    assert synced == [str(tmp_path)]
    ensure_private_folder(tmp_path / "c")
    assert synced == [str(tmp_path)], "the folder existed"


@linux
def test_quarantined_job_is_synced_before_it_leaves_the_queue(
    user: ClaudeUser, synced: list[str]
) -> None:
    job = Job(Trigger(AGENT, "s1"), {}, 1)
    user.spool.put(job)
    synced.clear()
    user.spool.quarantine(job, "refused")
    assert synced[-1] == str(user.spool.quarantine_folder)


@linux
def test_backup_is_synced(user: ClaudeUser, synced: list[str]) -> None:
    user.session("s1")
    source = registry.source(AGENT)
    assert source
    (located,) = source.sessions()
    kept = SessionBackups.from_config(config.load())
    ensure_private_folder(kept.folder)
    synced.clear()
    assert kept.save(source, located, config.load())
    file, folder = synced
    assert (Path(file).parent, Path(folder)) == (kept.folder, kept.folder)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.skipif(not syscalls.can_trace(), reason="needs ptrace")
@pytest.mark.usefixtures("user")
def test_hook_syncs_only_the_event_of_a_private_session(
    monkeypatch: pytest.MonkeyPatch, *, private: bool
) -> None:
    if private:
        monkeypatch.setenv(entry.PRIVATE, "1")
    monkeypatch.setattr(entry, "_start_worker", lambda _root: None)
    monkeypatch.setattr(sys, "argv", ["claude_code.py"])
    payload = b'{"session_id":"s1","hook_event_name":"Stop"}'
    trace = syscalls.traced(
        lambda: entry.run(AGENT, str(ROOT), ()), lambda _number, _name: None, stdin=payload
    )
    steps = [step for step in trace.steps if step in ("write", "fsync", "rename")]
    kinds = [*dropwhile("fsync".__eq__, steps)]  # of the folders, which the first event creates
    assert kinds == (["write", "fsync", "rename", "fsync"] if private else ["write", "rename"])


def test_worker_of_any_hook_repairs_a_torn_job(user: ClaudeUser) -> None:
    user.session("s1")
    user.session("s2")
    write_torn_job(user.spool, "s1")
    user.event("s2")
    worker.main()
    assert user.stored() == {"s1", "s2"}
    assert not user.spool.waiting()


def test_sync_repairs_a_torn_job(user: ClaudeUser) -> None:
    user.session("s1")
    write_torn_job(user.spool, "s1")
    assert main.main(["sync"]) == 0
    assert user.stored() == {"s1"}
    assert not user.spool.waiting()


def test_torn_job_of_a_session_that_no_agent_has_is_listed(
    user: ClaudeUser, capsys: pytest.CaptureFixture[str]
) -> None:
    user.session("s2")
    path = write_torn_job(user.spool, "s1")
    recovery.recover(user.spool)
    assert (user.spool.jobs(), user.spool.damaged()) == ([], [path.name])
    main.main(["queue", "list"])
    assert path.name in capsys.readouterr().out


@pytest.mark.parametrize(
    "error",
    [SourceError("its database is locked"), PermissionError(13, "Permission denied")],
    ids=["locked", "forbidden"],
)
def test_unreadable_agent_does_not_stop_the_repair_of_another_ones_job(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: OpenCodeSource) -> list[object]:
        raise error

    monkeypatch.setattr(OpenCodeSource, "sessions", fail)
    path = user.session("s1").path
    write_torn_job(user.spool, "s1")
    recovery.recover(user.spool)
    (job,) = user.spool.jobs()
    assert (job.trigger.session_id, job.trigger.path) == ("s1", str(path))
