"""What killed hooks and workers left half done: nothing of it is lost, nothing lies about."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from opensync_hooks.queue import recovery
from opensync_hooks.queue.spool import Spool

TORN = "1767225600000000000-4711.claude-code"
SCRAP = f".claude-code-{'0' * 32}.job.abcd_123"
SCRAPS = (
    SCRAP,
    f"parked/{SCRAP}",
    f"../notes/.cursor-{'0' * 32}.json.abcd_123",
    f"../excluded/.opencode-{'0' * 32}.txt.abcd_123",
)
PAYLOAD = json.dumps({"session_id": "s1", "hook_event_name": "Stop", "text": "private"}).encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Spool(tmp_path / "spool")
    return tmp_path / "spool"


def leave(folder: Path, name: str, content: bytes, age: float) -> Path:
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)
    return path


@pytest.mark.parametrize("cut", [0, 20])
def test_event_of_a_killed_hook_is_worked_on_and_its_text_is_gone(folder: Path, cut: int) -> None:
    leave(folder, TORN, b"\n" + PAYLOAD[: len(PAYLOAD) - cut], age=90)
    recovery.recover(Spool(folder))
    spool = Spool(folder)
    spool.ingest()
    assert [job.trigger.session_id for job in spool.jobs()] == ["s1"]
    assert not any(b"private" in path.read_bytes() for path in folder.iterdir())


def test_hook_that_is_still_writing_is_left_in_peace(folder: Path) -> None:
    path = leave(folder, TORN, b"\n", age=1)
    recovery.recover(Spool(folder))
    assert path.exists()


def test_clock_that_was_set_back_keeps_nothing_for_ever(folder: Path) -> None:
    leave(folder, TORN, b"\n" + PAYLOAD, age=-10 * 365 * 86_400)
    recovery.recover(Spool(folder))
    assert Spool(folder).has_events()


@pytest.mark.parametrize("name", SCRAPS)
@pytest.mark.parametrize(("age", "stays"), [(10, True), (7_200, False)])
def test_scrap_of_a_killed_worker_goes_after_an_hour(
    folder: Path, name: str, age: int, stays: bool
) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    path = leave(folder, name, b'{"half', age)
    recovery.recover(Spool(folder))
    assert path.exists() is stays


@pytest.mark.parametrize(
    "name", ["notes.txt", "worker.lock", f"claude-code-{'0' * 32}.job", ".hidden", "1-2.x.event"]
)
def test_nothing_else_is_touched(folder: Path, name: str) -> None:
    path = leave(folder, name, b"x", age=10**6)
    recovery.recover(Spool(folder))
    assert path.read_bytes() == b"x"
