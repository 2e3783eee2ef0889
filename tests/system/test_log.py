"""The log has names and numbers, and never content."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from opensync_hooks.system import log
from opensync_hooks.system.log import Log

ROOT = Path(__file__).parents[2]


def test_line_has_time_process_event_and_the_fields_that_are_set(tmp_path: Path) -> None:
    Log(tmp_path).write("synced", agent="claude-code", session="0a-b", sent=3, parked=0, why=None)
    (line,) = (tmp_path / "hooks.log").read_text().splitlines()
    at, pid, *rest = line.split(" ")
    assert at.endswith("Z")
    assert int(pid) == os.getpid()
    assert rest == ["synced", "agent=claude-code", "session=0a-b", "sent=3"]


@pytest.mark.parametrize(
    "text", ["two words", "line\nbreak", "\x1b[31m", "ü", "x" * 121, "a=b", "\ud83d"], ids=ascii
)
def test_value_that_may_be_content_is_masked(tmp_path: Path, text: str) -> None:
    Log(tmp_path).write("synced", session=text, **{text: 7})
    written = (tmp_path / "hooks.log").read_text()
    assert written.count("\n") == 1
    assert written.endswith(f"session=({len(text)} characters) ({len(text)} characters)=7\n")


def test_only_the_user_can_read_the_log_under_any_umask(tmp_path: Path) -> None:
    os.umask(0)
    Log(tmp_path).write("synced")
    assert stat.S_IMODE((tmp_path / "hooks.log").stat().st_mode) == 0o600


def test_rotation_keeps_three_files_of_limited_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MAX_BYTES", 1_000)
    log_files = Log(tmp_path)
    for number in range(200):
        log_files.write("synced", number=number + 1)
        log_files.rotate()
    files = sorted(tmp_path.glob("*.log"))
    assert [path.name for path in files] == ["hooks.1.log", "hooks.2.log", "hooks.log"]
    assert all(path.stat().st_size < 1_100 for path in files)
    kept = [(tmp_path / name).read_text() for name in ("hooks.2.log", "hooks.1.log", "hooks.log")]
    numbers = [int(line.rpartition("=")[2]) for line in "".join(kept).splitlines()]
    assert numbers == list(range(numbers[0], 201))


def test_lines_of_concurrent_processes_do_not_mix(tmp_path: Path) -> None:
    write = (
        "import sys; from pathlib import Path; from opensync_hooks.system.log import Log\n"
        "for n in range(300): Log(Path(sys.argv[1])).write('synced', session='x' * 100, n=n + 1)"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", write, str(tmp_path)], cwd=ROOT) for _ in range(3)
    ]
    assert [process.wait(300) for process in processes] == [0, 0, 0]
    lines = (tmp_path / "hooks.log").read_text().splitlines()
    assert len(lines) == 900
    assert all(line.count("session=" + "x" * 100) == 1 and " n=" in line for line in lines)


def test_log_that_cannot_be_written_raises_nothing(tmp_path: Path) -> None:
    missing = Log(tmp_path / "missing")
    missing.write("synced")
    missing.rotate()
    (tmp_path / "hooks.log").mkdir()
    Log(tmp_path).write("synced")


def test_planted_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")
    (tmp_path / "hooks.log").symlink_to(target)
    Log(tmp_path).write("synced")
    assert target.read_text() == "untouched"
