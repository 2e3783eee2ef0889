"""The command on Windows is a copy of the environment's program, which may be running."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from opensync_hooks.hook import paths
from opensync_hooks.setup import command_link, environment, options
from opensync_hooks.setup import install as install_module
from opensync_hooks.setup.installation import Installation
from opensync_hooks.system import windows

ROOT = Path(__file__).parents[2]


@pytest.fixture
def program(here: Installation, env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program that pip makes: it has the path of its Python in it."""
    monkeypatch.setattr(windows, "IS_WINDOWS", True)
    program = here.program
    assert program.name == "opensync-hooks.exe"
    program.write_bytes(b"MZ...#!" + os.fsencode(Path(paths.data(env.get), "env", "python.exe")))
    return program


def test_command_is_a_copy_that_an_update_replaces(program: Path, env: dict[str, str]) -> None:
    command_link.create(program, env)
    command = command_link.path(env)
    assert command.name == "opensync-hooks.exe"
    assert command.read_bytes() == program.read_bytes()
    assert command_link.leads_to(program, env)
    program.write_bytes(program.read_bytes() + b"newer")
    assert not command_link.leads_to(program, env)
    command_link.create(program, env)
    assert command_link.leads_to(program, env)
    command_link.remove(env)
    assert list(command.parent.iterdir()) == []


def test_another_programs_command_stays(program: Path, env: dict[str, str]) -> None:
    command = command_link.path(env)
    command.parent.mkdir(parents=True)
    command.write_bytes(b"MZ...#!C:\\pipx\\python.exe")
    assert not command_link.is_free(env)
    command_link.remove(env)
    assert command.exists()
    assert not command_link.leads_to(program, env)


def test_running_command_is_renamed_at_once_and_removed_later(
    program: Path, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command_link.create(program, env)
    removers: list[Sequence[str]] = []
    unlink = Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path.exists() and "opensync-hooks.exe" in path.name:
            raise PermissionError(13, "Access is denied", str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    monkeypatch.setattr(windows, "_spawn", lambda command, *_: removers.append(command))
    command_link.remove(env)
    assert not command_link.path(env).exists()
    subprocess.run(removers[0], check=True, timeout=60)
    assert list(command_link.path(env).parent.iterdir()) == []


def test_environment_of_the_running_python_is_removed_later(
    here: Installation, env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.link(env).unlink()  # which few users of Windows can make
    folder = here.python.parents[1].with_name("env-0123456789ab")
    removers: list[Sequence[str]] = []
    monkeypatch.setattr(windows, "IS_WINDOWS", True)
    monkeypatch.setattr(windows, "_spawn", lambda command, *_: removers.append(command))
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    environment.remove(env)
    assert folder.exists()
    subprocess.run(removers[0], check=True, timeout=60)
    assert not folder.exists()


def test_command_that_cannot_be_made_does_not_end_the_installation(
    here: Installation,
    env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1314, "A required privilege is not held by the client")

    monkeypatch.setattr(command_link, "create", refuse)
    arguments = options.parse(["--agents", "claude-code", "--no-backfill"])
    assert install_module.install(here, arguments, lambda *_: 0, env) == 0
    output = capsys.readouterr().out
    assert "could not be made: A required privilege is not held by the client" in output
    assert "Claude Code   registered" in output
    assert f"  {here.program} status" in output


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_path_with_letters_that_the_console_lacks_is_printed(home: Path, encoding: str) -> None:
    folder = home.parent / "Łukasz Ω"
    folder.mkdir()
    ran = subprocess.run(
        [sys.executable, ROOT / "install.py", "--dry-run", "--agents", "claude-code"],
        env={**os.environ, "CLAUDE_CONFIG_DIR": str(folder), "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert b"\\u0141ukasz \\u03a9" in ran.stdout
