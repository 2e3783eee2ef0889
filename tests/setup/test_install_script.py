"""install.py starts on any Python, builds the environment, and lets it install itself."""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from opensync_hooks.hook import paths
from opensync_hooks.model import Trigger
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.setup import environment, from_clone
from opensync_hooks.setup.installation import Installation
from opensync_hooks.system import clock
from tests.setup.homes import put_session, snapshot, write_program

ROOT = Path(__file__).parents[2]
INSTALL = ROOT / "install.py"


@pytest.fixture
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", INSTALL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone as git creates it, without compiled files."""
    root = tmp_path / "clone"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("opensync_hooks", "hooks"):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    for name in ("install.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    return root


@pytest.mark.parametrize("version", [(3, 4), (3, 7), (3, 11)])
def test_old_pythons_can_parse_it(version: tuple[int, int]) -> None:
    ast.parse(INSTALL.read_text(), feature_version=version)


def test_python_2_can_parse_it() -> None:
    tree = ast.parse(INSTALL.read_text())
    signatures = [node.args for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert INSTALL.read_text().isascii()
    assert not any(signature.kwonlyargs or signature.posonlyargs for signature in signatures)
    assert not any(isinstance(node, ast.Nonlocal | ast.Starred) for node in ast.walk(tree))
    assert "from __future__ import print_function" in INSTALL.read_text()


def test_old_python_names_the_version_it_needs(
    install: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 18, "final", 0))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.main([]) == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert error == (
        "opensync-hooks needs Python 3.11 or newer; "
        f"this is Python 3.8.18 ({sys.executable}). Nothing was changed."
    )
    for way in ("python.org/downloads", "uv python install 3.12", "package manager"):
        assert way in hint


def test_newer_python_on_path_continues(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    write_program(first / "python3.14", "echo 'pyenv: python3.14: command not found' >&2; exit 127")
    write_program(first / "python3.13", "echo")  # too old, whatever its name
    write_program(second / "python3.12", f'exec {sys.executable} "$@"')
    (first / "python3.12").mkdir()
    assert install.find_newer_python(f"{first}:{second}") == sys.executable

    commands: list[list[str]] = []

    def call(command: list[str]) -> int:
        commands.append(command)
        return 7

    monkeypatch.setattr(sys, "version_info", (3, 8, 18, "final", 0))
    monkeypatch.setenv("PATH", f"{first}:{second}")
    monkeypatch.setattr(subprocess, "call", call)
    assert install.main(["--dry-run"]) == 7
    assert commands == [[sys.executable, str(INSTALL), "--dry-run"]]


def dry_run(clone: Path, home: Path) -> str:
    environ = {"HOME": str(home), "PATH": "/nowhere"}
    command = [sys.executable, str(clone / "install.py"), "--dry-run"]
    process = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert not process.stderr
    return process.stdout


def test_dry_run_changes_nothing_and_shows_everything(home: Path, clone: Path) -> None:
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").write_text('{\n\t"model": "opus"\n}\n')
    put_session(home)
    before = snapshot(home), snapshot(clone)
    output = dry_run(clone, home)
    assert (snapshot(home), snapshot(clone)) == before
    data = home / ".local/share/opensync-hooks"
    assert "~/.local/share/opensync-hooks/env would be built" in output
    assert "~/.local/bin/opensync-hooks would be linked to ~/.local/share/opensync-" in output
    assert f"--- {home}/.claude/settings.json" in output
    assert f" ] && {data}/env/bin/python -I -S {data}/env/lib/python3." in output
    assert "\ufffd" not in output
    assert "1 of 1 would be synced" in output
    assert output.endswith("Dry run: nothing was changed.\n")


def test_dry_run_works_in_an_empty_home(home: Path, clone: Path) -> None:
    output = dry_run(clone, home)
    assert "Claude Code   not found" in output
    assert "bundled sample would be played" in output
    assert snapshot(home) == {}


@pytest.mark.parametrize("option", ["--dry-run", "--uninstall"])
def test_reader_that_closes_the_pipe_causes_no_error(home: Path, clone: Path, option: str) -> None:
    command = [sys.executable, str(clone / "install.py"), option]
    environ = {"HOME": str(home), "PATH": "/nowhere"}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize("argv", [["--dry-run"], ["--dry-run", "--take-over"], ["--uninstall"]])
def test_python_without_any_package_is_enough(home: Path, clone: Path, argv: list[str]) -> None:
    """Before the environment exists there is no tomli-w, and after it is gone there may be none."""
    put_session(home)
    process = subprocess.run(
        [sys.executable, "-I", "-S", str(clone / "install.py"), *argv],
        env={"HOME": str(home), "PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert ("1 of 1 would be synced" in process.stdout) == ("--dry-run" in argv)


def test_settings_file_that_cannot_be_changed_stops_before_anything_is_built(
    env: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".claude" / "settings.json").write_text("{ // mine\n}")
    before = snapshot(home)
    assert from_clone.main(str(ROOT), [], env) == 1
    assert snapshot(home) == before
    error = capsys.readouterr().err
    assert "settings.json: not valid JSON (line 1" in error
    assert "\nhint: " in error
    assert error.endswith("; --agents kilo,opencode,cursor leaves Claude Code out\n")


def test_installation_continues_in_the_private_environment(
    env: dict[str, str], here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = here.python.parent.parent
    folder.with_name("env-ffffffffffff").mkdir()  # of an older version
    calls: list[Any] = []
    monkeypatch.setattr(environment, "current", lambda *_: None)
    monkeypatch.setattr(environment, "build", lambda *_: folder)
    monkeypatch.setattr(environment, "remove_others", lambda keep, _: calls.append(keep))

    def run(command: list[str], _: dict[str, str]) -> int:
        calls.append(command)
        return len(calls) - 1

    monkeypatch.setattr(from_clone, "_run", run)
    command = [str(here.python), "-I", "-m", "opensync_hooks", "install", "--all"]
    assert from_clone.main(str(ROOT), ["--all"], env) == 0
    assert calls == [command, folder]
    assert from_clone.main(str(ROOT), ["--all"], env) == 2
    assert calls == [command, folder, command], "old environments stay until the new one works"


def test_worker_of_the_older_version_leaves_and_its_queue_stays(
    env: dict[str, str], here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = here.python.parent.parent.with_name("env-ffffffffffff")
    older.mkdir()
    monkeypatch.setattr(environment, "current", lambda *_: here.python.parent.parent)
    monkeypatch.setattr(from_clone, "_run", lambda *_: 0)
    spool = Spool(Path(paths.state(env.get)) / "spool")
    spool.put(Job(Trigger("cursor", "s1", awaits="turn"), {}, clock.now(), failure="awaited"))
    wait = "from opensync_hooks.queue import worker; worker.LINGER_SECONDS = 60; worker.main()"
    worker = subprocess.Popen([sys.executable, "-c", wait], cwd=ROOT, env=env)
    while not spool.has_worker():
        assert worker.poll() is None
    assert from_clone.main(str(ROOT), [], env) == 0
    assert worker.wait(30) == 0
    assert not older.exists()
    assert [waiting.trigger.session_id for waiting in spool.jobs()] == ["s1"]
    assert not spool.is_asked_to_leave()


def test_ctrl_c_is_reported_by_the_child_alone(
    env: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    """It reaches every process of the terminal; the parent must not kill the child meanwhile."""
    child = (
        "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(0.6); exit(7)"
    )
    assert from_clone._run([sys.executable, "-c", child], env) == 7
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("argv", [["--nonsense"], ["--all", "--no-backfill"], ["x"]])
def test_usage_errors_exit_with_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        from_clone.main(str(ROOT), argv)
    assert caught.value.code == 2


@pytest.mark.parametrize("comes_by_a_pipe", [True, False])
def test_script_without_its_repository_says_so(tmp_path: Path, comes_by_a_pipe: bool) -> None:
    script = shutil.copy(INSTALL, tmp_path)
    ran = subprocess.run(
        [sys.executable, "-" if comes_by_a_pipe else script],
        cwd=tmp_path,
        input=INSTALL.read_bytes(),
        capture_output=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, b"")
    message, hint = ran.stderr.decode().splitlines()
    assert message.startswith("install.py needs the rest of its repository beside it.")
    assert hint.startswith("hint: clone the repository")


def test_launcher_of_windows_is_tried_last(tmp_path: Path, install: Any) -> None:
    install.SUFFIX = ".exe"
    write_program(tmp_path / "python.exe", "exit 9")  # what leads to the store if none is installed
    write_program(tmp_path / "py.exe", f'exec {sys.executable} "$@"')
    write_program(tmp_path / "python3", f'exec {sys.executable} "$@"')  # not a program there
    assert install.find_newer_python(str(tmp_path)) == sys.executable
    (tmp_path / "py.exe").unlink()
    assert install.find_newer_python(str(tmp_path)) is None
