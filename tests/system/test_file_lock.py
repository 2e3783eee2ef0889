"""A lock of a file keeps other processes out, and says so in time."""

from pathlib import Path

from opensync_hooks.system.file_lock import file_lock, is_acquired
from tests.commandline import run_python

TRY = """
import sys
from pathlib import Path
from opensync_hooks.system.file_lock import file_lock, is_acquired
print(is_acquired(file_lock(Path(sys.argv[1])), 0.01))
"""


def test_lock_belongs_to_one_process_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "jobs.lock"
    lock = file_lock(path)
    assert is_acquired(lock)
    assert run_python("-c", TRY, str(path)).stdout == "False\n"
    lock.release()
    assert run_python("-c", TRY, str(path)).stdout == "True\n"
