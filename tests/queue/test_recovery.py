"""What killed hooks and workers left in the spool is used or deleted."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from opensync_hooks.queue import recovery
from opensync_hooks.queue.spool import Spool

TORN_EVENT = "1767225600000000000-4711.claude-code"
UNFINISHED_JOB = f".claude-code-{'0' * 32}.job.abcd_123"
UNFINISHED_FILES = (
    UNFINISHED_JOB,
    f"parked/{UNFINISHED_JOB}",
    ".environment.json.abcd_123",
    f"../notes/.cursor-{'0' * 32}.json.abcd_123",
    f"../excluded/.opencode-{'0' * 32}.txt.abcd_123",
)
PAYLOAD = json.dumps({"session_id": "s1", "hook_event_name": "Stop", "text": "private"}).encode()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def write(spool: Spool, name: str, content: bytes, age: float) -> Path:
    path = spool.folder / name
    path.write_bytes(content)
    at = time.time() - age
    os.utime(path, (at, at))
    return path


@pytest.mark.parametrize("missing_bytes", [0, 20])
def test_event_of_a_killed_hook_is_ingested(spool: Spool, missing_bytes: int) -> None:
    write(spool, TORN_EVENT, b"\n" + PAYLOAD[: len(PAYLOAD) - missing_bytes], age=90)
    recovery.recover(spool)
    spool.ingest()
    assert [job.trigger.session_id for job in spool.jobs()] == ["s1"]
    assert not any(b"private" in path.read_bytes() for path in spool.folder.iterdir())


def test_event_of_a_running_hook_is_left_alone(spool: Spool) -> None:
    path = write(spool, TORN_EVENT, b"\n", age=1)
    recovery.recover(spool)
    assert path.exists()


def test_event_from_the_future_is_recovered_too(spool: Spool) -> None:
    """The clock was set back since."""
    write(spool, TORN_EVENT, b"\n" + PAYLOAD, age=-10 * 365 * 86_400)
    recovery.recover(spool)
    assert spool.has_events()


@pytest.mark.parametrize("name", UNFINISHED_FILES)
@pytest.mark.parametrize(("age", "is_kept"), [(10, True), (7_200, False)])
def test_unfinished_file_is_deleted_after_an_hour(
    spool: Spool, name: str, age: int, *, is_kept: bool
) -> None:
    (spool.folder / name).parent.mkdir(exist_ok=True)
    path = write(spool, name, b'{"half', age)
    recovery.recover(spool)
    assert path.exists() is is_kept


@pytest.mark.parametrize(
    "name", ["notes.txt", "worker.lock", f"claude-code-{'0' * 32}.job", ".hidden", "1-2.x.event"]
)
def test_other_files_are_left_alone(spool: Spool, name: str) -> None:
    path = write(spool, name, b"x", age=10**6)
    recovery.recover(spool)
    assert path.read_bytes() == b"x"
