from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from opensync_hooks import setup
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.registry import AGENTS
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.setup import (
    command_link,
    environment,
    initial_sync,
    installation,
    options,
    sample,
    uninstall,
)
from opensync_hooks.setup.installation import Installation

ROOT = Path(__file__).parents[2]
INSTALL = ROOT / "install.py"
TRANSCRIPT = ROOT / "opensync_hooks" / "setup" / "sample" / "session.jsonl"


@pytest.fixture
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", INSTALL)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    """What install.py sees: an own home with Claude Code in it, and XDG's default folders."""
    (home / ".claude").mkdir()
    return {"HOME": str(home), "PATH": os.environ["PATH"]}


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A made environment, as far as links and hooks can tell."""
    monkeypatch.setattr(installation, "check", lambda *_: None)
    place = home / ".local/share/opensync-hooks/env"
    target = place.with_name("env-0123456789ab")
    for name in ("bin/python", "bin/opensync-hooks", "lib/opensync_hooks/hooks/claude_code.py"):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).touch()
    place.symlink_to(target.name)
    return Installation(place / "bin/python", place / "lib/opensync_hooks")


def no_sync(_agent: str | None, _limit: int | None) -> int:
    raise AssertionError("no session should be synced")


def run_setup(
    here: Installation, env: dict[str, str], *argv: str, sync: initial_sync.Sync = no_sync
) -> int:
    wish = options.read(argv)
    if wish.uninstall:
        return setup._guarded(lambda: uninstall.uninstall(wish, env))
    return setup._guarded(lambda: setup.install_at(here, wish, sync, env))


def tree(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = f"{path.stat().st_mode:o}"
    return found


def put_session(home: Path, name: str = sample.SESSION) -> None:
    folder = home / ".claude" / "projects" / "-demo"
    folder.mkdir(parents=True, exist_ok=True)
    text = TRANSCRIPT.read_text().replace(sample.SESSION, name)
    (folder / f"{name}.jsonl").write_text(text)


# install.py itself


@pytest.mark.parametrize("version", [(3, 4), (3, 7), (3, 11)])
def test_install_py_is_read_by_old_pythons(version: tuple[int, int]) -> None:
    ast.parse(INSTALL.read_text(), feature_version=version)


def test_install_py_holds_nothing_that_python_2_cannot_read() -> None:
    tree = ast.parse(INSTALL.read_text())
    arguments = [node.args for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert INSTALL.read_text().isascii()
    assert not any(one.kwonlyargs or one.posonlyargs for one in arguments)
    assert not any(isinstance(node, ast.Nonlocal | ast.Starred) for node in ast.walk(tree))
    assert "from __future__ import print_function" in INSTALL.read_text()


def test_an_old_python_names_the_one_it_needs(
    install: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 18, "final", 0))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.main([]) == 1
    said, hint = capsys.readouterr().err.splitlines()
    assert said == (
        "opensync-hooks needs Python 3.11 or newer; "
        f"this is Python 3.8.18 ({sys.executable}). Nothing was changed."
    )
    for way in ("python.org/downloads", "uv python install 3.12", "package manager"):
        assert way in hint


def answering(code: int, called: list[Sequence[str]]) -> Callable[[Sequence[str]], int]:
    def call(command: Sequence[str]) -> int:
        called.append(command)
        return code

    return call


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_newer_python_on_path_takes_over(
    install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    first.mkdir()
    second.mkdir()
    program(first / "python3.14", "echo 'pyenv: python3.14: command not found' >&2; exit 127")
    program(first / "python3.13", "echo")  # one that is too old, whatever its name
    program(second / "python3.12", f'exec {sys.executable} "$@"')
    (first / "python3.12").mkdir()
    found = install.newer_python(f"{first}:{second}")
    assert found == sys.executable

    called: list[Sequence[str]] = []
    monkeypatch.setattr(sys, "version_info", (3, 8, 18, "final", 0))
    monkeypatch.setenv("PATH", f"{first}:{second}")
    monkeypatch.setattr(subprocess, "call", answering(7, called))
    assert install.main(["--dry-run"]) == 7
    assert called == [[sys.executable, str(INSTALL), "--dry-run"]]


# the whole way, but for pip


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As git makes it: no compiled files."""
    root = tmp_path / "clone"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("opensync_hooks", "hooks"):
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    for name in ("install.py", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    return root


def dry_run(clone: Path, home: Path, *argv: str) -> str:
    environ = {"HOME": str(home), "PATH": "/nowhere"}
    command = [sys.executable, str(clone / "install.py"), "--dry-run", *argv]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout


def test_dry_run_changes_nothing_and_shows_everything(home: Path, clone: Path) -> None:
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").write_text('{\n  "model": "opus"\n}\n')
    put_session(home)
    before = tree(home), tree(clone)
    said = dry_run(clone, home)
    assert (tree(home), tree(clone)) == before
    data = home / ".local/share/opensync-hooks"
    assert "~/.local/share/opensync-hooks/env would be made" in said
    assert "~/.local/bin/opensync-hooks would be linked to ~/.local/share/opensync-" in said
    assert f"--- {home}/.claude/settings.json" in said
    assert f'+            "command": "{data}/env/bin/python -I -S {data}/env/lib/python3.' in said
    assert "1 of 1 would be synced" in said
    assert said.endswith("Dry run: nothing was changed.\n")


@pytest.mark.parametrize("argv", [["--dry-run"], ["--dry-run", "--take-over"], ["--uninstall"]])
def test_python_without_any_package_is_enough(home: Path, clone: Path, argv: list[str]) -> None:
    """A machine has no tomli-w before there is an environment, and maybe none after it is gone."""
    put_session(home)
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(clone / "install.py"), *argv],
        env={"HOME": str(home), "PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ("1 of 1 would be synced" in done.stdout) == ("--dry-run" in argv)


def test_dry_run_in_an_empty_home(home: Path, clone: Path) -> None:
    said = dry_run(clone, home)
    assert "Claude Code   not found" in said
    assert "bundled sample would be played" in said
    assert tree(home) == {}


def test_a_settings_file_that_cannot_be_changed_stops_before_anything_is_made(
    env: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".claude" / "settings.json").write_text("{ // mine\n}")
    before = tree(home)
    assert setup.from_clone(str(ROOT), [], env) == 1
    assert tree(home) == before
    said = capsys.readouterr().err
    assert "settings.json: not valid JSON (line 1" in said
    assert "\nhint: " in said
    assert said.endswith("; --agents opencode,cursor leaves Claude Code out\n")


def test_the_rest_of_the_way_runs_in_the_private_environment(
    env: dict[str, str], here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = here.python.parent.parent
    calls: list[Any] = []
    monkeypatch.setattr(environment, "current", lambda *_: None)
    monkeypatch.setattr(environment, "make", lambda *_: place)
    monkeypatch.setattr(environment, "sweep", lambda keep, _: calls.append(keep))

    def run(command: list[str], _: dict[str, str]) -> int:
        calls.append(command)
        return len(calls) - 1

    monkeypatch.setattr(setup, "_run", run)
    command = [str(here.python), "-I", "-m", "opensync_hooks", "install", "--all"]
    assert setup.from_clone(str(ROOT), ["--all"], env) == 0
    assert calls == [command, place]
    assert setup.from_clone(str(ROOT), ["--all"], env) == 2
    assert calls == [command, place, command]  # old environments stay until all is well


def test_ctrl_c_is_answered_by_the_part_that_works_alone(
    env: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    """It goes to every process of the terminal; the child must not be killed half a second on."""
    child = (
        "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(0.6); exit(7)"
    )
    assert setup._run([sys.executable, "-c", child], env) == 7
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("argv", [["--nonsense"], ["--all", "--no-backfill"], ["x"]])
def test_usage_errors_exit_with_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        setup.from_clone(str(ROOT), argv)
    assert caught.value.code == 2


# the part that runs in the private environment


def test_hooks_and_command_are_put_in_place(
    here: Installation, env: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_setup(here, env, "--no-backfill") == 0
    assert command_link.path(env) == home / ".local/bin/opensync-hooks"
    assert command_link.path(env).resolve() == here.program.resolve()
    state = AGENTS[0].registration.state(env.get)
    assert state.works
    said = capsys.readouterr().out
    assert "~/.local/bin is not on your PATH" in said
    assert f"{home}/.local/bin/opensync-hooks login" in said


def test_installed_twice_is_installed_once(
    here: Installation, env: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env["PATH"] += f":{home}/.local/bin"
    run_setup(here, env, "--no-backfill")
    before = tree(home)
    run_setup(here, env, "--no-backfill")
    assert tree(home) == before
    said = capsys.readouterr().out
    assert "Claude Code   up to date in ~/.claude/settings.json\n" in said
    assert "not on your PATH" not in said


def test_uninstall_leaves_the_home_as_it_was_but_for_what_is_the_users(
    here: Installation, env: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".claude" / "settings.json").write_text('{ "model": "opus" }')
    settings = tree(home / ".claude")
    run_setup(here, env, "--no-backfill")
    data, state = home / ".local/share/opensync-hooks", home / ".local/state/opensync-hooks"
    (data / "store.db").touch()
    (state / "spool").mkdir()
    capsys.readouterr()
    assert setup.from_clone(str(ROOT), ["--uninstall"], env) == 0
    assert tree(home / ".claude") == settings
    assert list(tree(home / ".local/bin")) == []
    assert list(tree(data)) == ["store.db"]
    assert list(tree(state)) == ["spool"]
    said = capsys.readouterr().out
    assert f"  rm -r {data} {state}\n" in said
    assert setup.from_clone(str(ROOT), ["--uninstall"], env) == 0
    assert "no hook registered" in capsys.readouterr().out


def test_uninstall_of_all_there_is_leaves_no_folder(
    here: Installation, env: dict[str, str], home: Path
) -> None:
    run_setup(here, env, "--no-backfill")
    run_setup(here, env, "--uninstall")
    assert not any(name.endswith("opensync-hooks") for name in tree(home))
    assert list(tree(home / ".claude")) == []


def test_uninstall_can_be_tried_dry(
    here: Installation, env: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_setup(here, env, "--no-backfill")
    before = tree(home)
    assert setup.from_clone(str(ROOT), ["--uninstall", "--dry-run"], env) == 0
    assert tree(home) == before
    said = capsys.readouterr().out
    assert "would be removed" in said
    assert f"--- {home}/.claude/settings.json" in said


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_another_programs_command_of_the_same_name_stays(
    here: Installation,
    env: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    place = command_link.path(env)
    place.parent.mkdir(parents=True)
    if kind == "file":
        place.write_text("theirs")
    elif kind == "link":
        place.symlink_to("/opt/pipx/venvs/opensync-hooks/bin/opensync-hooks")
    else:
        place.mkdir()
    before = tree(place.parent)
    run_setup(here, env, "--no-backfill")
    assert tree(place.parent) == before
    said = capsys.readouterr().out
    assert "~/.local/bin/opensync-hooks is another program's, and stays" in said
    assert f"  {here.program} status" in said
    run_setup(here, env, "--uninstall")
    assert tree(place.parent) == before


def test_without_an_agent_nothing_is_registered_and_it_says_so(
    here: Installation, env: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".claude").rmdir()
    assert run_setup(here, env, "--no-backfill") == 0
    said = capsys.readouterr().out
    assert "Claude Code   not found; once it is there, run this again" in said
    assert "No agent was found, so nothing is kept yet." in said
    assert not (home / ".claude").exists()


def test_a_missing_script_is_never_registered(
    here: Installation, env: dict[str, str], home: Path
) -> None:
    (here.package / "hooks" / "claude_code.py").unlink()
    assert run_setup(here, env, "--no-backfill") == 1
    assert list(tree(home / ".claude")) == []


# the first sessions


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((), [(None, 20)]),
        (("--all",), [(None, None)]),
        (("--agents", "claude-code"), [("claude-code", 20)]),
    ],
    ids=["newest", "all", "one agent"],
)
def test_sessions_that_are_there_are_synced(
    here: Installation,
    env: dict[str, str],
    argv: tuple[str, ...],
    expected: list[tuple[str | None, int | None]],
) -> None:
    put_session(Path(env["HOME"]))
    calls: list[tuple[str | None, int | None]] = []

    def sync(agent: str | None, limit: int | None) -> int:
        calls.append((agent, limit))
        return 0

    assert run_setup(here, env, *argv, sync=sync) == 0
    assert calls == expected


def test_hooks_are_registered_also_where_the_sessions_cannot_be_sent_now(
    here: Installation, env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    put_session(Path(env["HOME"]))
    assert run_setup(here, env, sync=lambda *_: 6) == 0
    assert AGENTS[0].registration.state(env.get).works
    assert "not all could be synced: `opensync-hooks sync` goes on" in capsys.readouterr().out


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A Python that finds the package in the clone, as the private one finds it installed."""
    path = tmp_path / "python3"
    start = (
        "import sys; sys.path.insert(0, sys.argv[1]); from opensync_hooks.cli import main as cli; "
    )
    start += "raise SystemExit(cli.main(sys.argv[2:]))"
    program(path, f"shift 3; exec {sys.executable} -c '{start}' {ROOT} \"$@\"")
    return path


HOOK = hook_command(Path(sys.executable), ROOT / "hooks" / "claude_code.py")


def test_without_a_session_the_sample_goes_the_whole_way_and_nothing_stays(
    python: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    before = tree(home)
    said = sample.play(python, HOOK, dict(os.environ))
    assert said.startswith("4 messages went through hook, worker and store in ")
    assert tree(home) == before
    assert tree(temporary) == {}


def test_the_sample_never_reaches_the_users_own_opensync(tmp_path: Path) -> None:
    login = {"OPENSYNC_URL": "https://u.convex.site", "OPENSYNC_API_KEY": "k", "PATH": "/bin"}
    apart = sample._apart(tmp_path, login | {"OPENSYNC_HOOKS_HOME": "/real", "XDG_DATA_HOME": "/x"})
    assert apart.pop("XDG_DATA_HOME")
    assert apart == {
        "PATH": "/bin",
        "OPENSYNC_HOOKS_HOME": str(tmp_path / "home"),
        "CLAUDE_CONFIG_DIR": str(tmp_path / "claude"),
    }


def test_a_sample_that_does_not_arrive_is_a_failure_with_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "python3"
    monkeypatch.setattr(sample, "PATIENCE", 0.5)
    program(path, """echo '{"sessions": 0, "waiting": 1, "last_error": "disk full"}'""")
    with pytest.raises(OpenSyncError, match="did not arrive within 0 s: disk full"):
        sample.play(path, "true", dict(os.environ))
    program(path, "echo Traceback >&2; echo ImportError: filelock >&2; exit 1")
    with pytest.raises(OpenSyncError, match="ImportError: filelock"):
        sample.play(path, "true", dict(os.environ))
    program(path, """case $* in *status*) echo '{"waiting": 1}';; *) echo broken >&2;; esac""")
    with pytest.raises(OpenSyncError, match="broken"):
        sample.play(path, "true", dict(os.environ))


def test_the_sample_reads_as_one_turn_with_two_tools(home: Path) -> None:
    put_session(home)
    source = ClaudeCodeSource.from_environ({}, str(home))
    (located,) = source.sessions()
    (session,) = source.read(located)
    messages = list(session.messages)
    assert session.title == "Greeting printed twice"
    assert [message.role for message in messages] == ["user", "assistant", "assistant", "assistant"]
    tools = [type(part).__name__ for message in messages for part in message.parts]
    assert tools.count("ToolCall") == tools.count("ToolResult") == 2
    assert sum(charge.usage.cache_read_tokens for charge in session.charges) == 8710
    assert {message.model for message in messages[1:]} == {"claude-sonnet-4-20250514"}
    assert session.id == sample.SESSION
