"""Windows: commands that each of its shells runs, files that are in use, processes that outlive us.

The platform's facts are substituted; .github/PLATFORMS.md says what was run on which system.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

import pytest

from opensync_hooks.errors import OpenSyncError
from opensync_hooks.system import windows
from opensync_hooks.system.files import atomic_write, process_lock, remove_tree
from opensync_hooks.system.local_paths import ignores_case, local_path

SHORT_NAMES = {"Ada Lovelace": "ADALOV~1", "O'Brien & Sons": "O'BRIE~1", "Zoë Ω": "ZO~1"}


@pytest.fixture(autouse=True)
def windows_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "IS_WINDOWS", True)
    monkeypatch.setattr(windows, "_RETRY_DELAYS_S", (0.001,) * 3)
    monkeypatch.setattr(windows, "_short_name", lambda path: SHORT_NAMES.get(path.name, path.name))


@pytest.mark.parametrize(
    ("path", "bare"),
    [
        ("C:/Users/ada/x/python.exe", "C:/Users/ada/x/python.exe"),
        ("C:/Users/Jürgen/x/python.exe", "C:/Users/Jürgen/x/python.exe"),
        ("C:/Users/Ada Lovelace/x y/python.exe", "C:/Users/ADALOV~1/x y/python.exe"),
        ("C:/Users/Zoë Ω/long_enough/python.exe", "C:/Users/ZO~1/long_enough/python.exe"),
        ("C:\\Users\\Ada Lovelace\\python.exe", "C:\\Users\\ADALOV~1\\python.exe"),
    ],
)
def test_only_folders_that_need_quotes_get_their_short_name(path: str, bare: str) -> None:
    assert windows.bare_path(path) == bare


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("C:/x/python.exe", "-I"), "C:/x/python.exe -I"),
        (("C:/A B/python.exe", "-I"), "& 'C:/A B/python.exe' -I"),
        (("C:/O'Brien/python.exe", "C:/a b"), "& \"C:/O'Brien/python.exe\" 'C:/a b'"),
    ],
)
def test_powershell_calls_a_quoted_program(words: tuple[str, ...], command: str) -> None:
    assert windows.powershell_command(words) == command
    assert windows.command_line(words) == command


def test_file_is_replaced_once_the_scanner_lets_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = iter((True, True, False))
    replace = Path.replace

    def replace_unless_scanned(path: Path, target: Path) -> Path:
        if next(refusals):
            raise PermissionError(13, "in use by another process", str(target))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", replace_unless_scanned)
    atomic_write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert next(refusals, None) is None


def test_file_that_stays_in_use_is_an_error_after_a_bounded_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def refuse(path: Path, _target: Path) -> Path:
        attempts.append(path)
        raise PermissionError(13, "in use by another process")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        atomic_write(tmp_path / "ours" / "file", b"new")
    assert len(attempts) == 4
    assert list((tmp_path / "ours").iterdir()) == []


def test_elsewhere_a_refusal_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "IS_WINDOWS", False)
    attempts = []

    def refuse() -> None:
        attempts.append(1)
        raise PermissionError

    with pytest.raises(PermissionError):
        windows.retrying(refuse)
    assert attempts == [1]


@pytest.mark.parametrize("allows_breakaway", [True, False])
def test_process_starts_also_where_the_job_lets_none_leave(
    monkeypatch: pytest.MonkeyPatch, allows_breakaway: bool
) -> None:
    started: list[int] = []

    def spawn(_command: Sequence[str], flags: int, _environ: object) -> None:
        if flags & 0x01000000 and not allows_breakaway:
            raise PermissionError(13, "Access is denied")
        started.append(flags)

    monkeypatch.setattr(windows, "_spawn", spawn)
    windows.start_detached(["python"])
    (flags,) = started
    assert flags & 0x08000000, "no console window"
    assert bool(flags & 0x01000000) is allows_breakaway


def test_process_that_may_not_start_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def spawn(_command: Sequence[str], _flags: int, _environ: object) -> None:
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(windows, "_spawn", spawn)
    with pytest.raises(PermissionError):
        windows.start_detached(["python"])


def test_folder_that_is_in_use_is_removed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "env"
    (folder / "Scripts").mkdir(parents=True)
    (folder / "Scripts" / "python.exe").write_text("running")
    removers: list[Sequence[str]] = []
    monkeypatch.setattr(windows, "_spawn", lambda command, *_: removers.append(command))
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    assert not remove_tree(folder)
    subprocess.run(removers[0], check=True, timeout=60)
    assert not folder.exists()
    assert removers[0][0] != sys.executable or sys.prefix == sys.base_prefix


def test_one_of_two_processes_gets_the_lock_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    refusal = OpenSyncError("taken")
    with (
        process_lock(folder, refusal),
        pytest.raises(OpenSyncError, match="taken"),
        process_lock(folder, refusal),
    ):
        pass
    with process_lock(folder, refusal):
        pass
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("text", ["/c:/work/api", "/C:/work/api", "/c/work/api", "c:/work/api"])
def test_path_with_a_drive_is_the_same_in_every_spelling(text: str) -> None:
    expected = PureWindowsPath("C:\\work\\api")
    assert PureWindowsPath(str(local_path(text))) == expected
    assert ignores_case(local_path(text))
