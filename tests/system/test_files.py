"""A file of ours has its old or its new content, and only the user can read it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensync_hooks.system.files import atomic_write, ensure_private_folder

ROOT = Path(__file__).parents[2]
LENGTH = 200_000


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_second_write_replaces_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    atomic_write(path, b"first and longer")
    atomic_write(path, b"second", durable=False)
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o377], indirect=True, ids=oct)
@pytest.mark.usefixtures("umask")
def test_only_the_user_can_read_a_file_under_any_umask(tmp_path: Path) -> None:
    atomic_write(tmp_path / "file", b"x")
    assert mode(tmp_path / "file") == 0o600


def test_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o644)
    atomic_write(path, b"x")
    assert mode(path) == 0o600


@pytest.mark.parametrize("umask", [0, 0o022], indirect=True, ids=oct)
@pytest.mark.usefixtures("umask")
def test_only_the_user_can_enter_a_new_folder_and_its_new_parents(tmp_path: Path) -> None:
    ensure_private_folder(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / name) for name in ("a", "a/b", "a/b/c")] == [0o700] * 3


def test_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert ensure_private_folder(tmp_path) == tmp_path
    assert mode(tmp_path) == 0o755


def test_file_in_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        ensure_private_folder(tmp_path / "file")
    with pytest.raises(FileExistsError):
        atomic_write(tmp_path / "file" / "inside", b"x")


def test_failed_write_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own" / "file"
    atomic_write(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_folder_in_place_of_the_file_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "own" / "file"
    path.mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        atomic_write(path, b"x")
    assert list(path.parent.iterdir()) == [path]


_WRITE_FOREVER = f"""
import sys
from pathlib import Path
from opensync_hooks.system.files import atomic_write
atomic_write(Path(sys.argv[1]), b"a" * {LENGTH})
print("ready", flush=True)
while True:
    for byte in (b"b", b"a"):
        atomic_write(Path(sys.argv[1]), byte * {LENGTH}, durable=False)
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_kill_during_a_write_leaves_the_old_content_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "file"
    half_written = 0
    for _ in range(8):
        command = [sys.executable, "-c", _WRITE_FOREVER, str(path)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == b"ready\n"
            seen = {path.read_bytes() for _ in range(20)}
            writer.kill()
        seen.add(path.read_bytes())
        half_written += sum(content not in (b"a" * LENGTH, b"b" * LENGTH) for content in seen)
    assert half_written == 0
