"""Only one run at a time delivers a session."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from opensync_hooks.delivery.limits import Limits
from opensync_hooks.delivery.session_lock import session_lock
from opensync_hooks.errors import BusyError
from tests.delivery.harness import Harness


def test_second_run_on_a_session_waits_and_then_gives_up(opensync: Harness) -> None:
    opensync.transcript().turn(1)
    located, limits = opensync.locate(), Limits(lock_timeout=0.05)
    lock = session_lock(opensync.syncer.config.folders.locks, "claude-code", "s1", 1)
    with lock, pytest.raises(BusyError) as caught:
        opensync.syncer.sync(opensync.source, located, limits=limits)
    assert str(caught.value) == "s1: another run has been syncing the session for 0 s."
    assert caught.value.hint == "The next hook delivers it, or `opensync-hooks sync`."
    assert opensync.request_counts == {}
    assert opensync.syncer.sync(opensync.source, located, limits=limits).sent == 2


def test_lock_of_another_agents_session_is_another_lock(opensync: Harness) -> None:
    opensync.transcript().turn(1)
    with session_lock(opensync.syncer.config.folders.locks, "cursor", "s1", 1):
        assert opensync.sync().sent == 2


def test_locks_are_private_to_their_user_and_leave_no_file(opensync: Harness) -> None:
    folder = opensync.syncer.config.folders.locks
    with session_lock(folder, "claude-code", "s1", 1):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    opensync.transcript().turn(1)
    opensync.sync()
    assert [path.name for path in folder.iterdir()] == ["files.lock"]


_COUNT = """
import sys
from pathlib import Path
from opensync_hooks.delivery.session_lock import session_lock
folder = Path(sys.argv[1])
for _ in range(100):
    with session_lock(folder, "claude-code", "s1", 300):
        number = int((folder / "number").read_text())
        (folder / "number").write_text(str(number + 1))
"""


def test_deleting_lock_files_lets_no_two_runs_in(tmp_path: Path) -> None:
    (tmp_path / "number").write_text("0")
    tmp_path.chmod(0o700)
    command = [sys.executable, "-c", _COUNT, str(tmp_path)]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert (tmp_path / "number").read_text() == "400"
