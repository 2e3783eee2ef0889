"""Which Python and package the hooks run, and which ones are refused; with real environments."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import site
import subprocess
import sys
from pathlib import Path

import pytest

from opensync_hooks.agents import registry
from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.registry import AGENTS
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.setup import environment, installation
from opensync_hooks.setup.installation import Installation
from tests.e2e.world import workers

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as pip creates it: the package in it, and what it depends on."""
    folder = tmp_path_factory.mktemp("v") / "environment"
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True)
    (packages,) = folder.glob("lib/python3.*/site-packages")
    (packages / "needed.pth").write_text("\n".join(site.getsitepackages()))
    package, ignored = packages / "opensync_hooks", shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "opensync_hooks", package, ignore=ignored)
    shutil.copytree(ROOT / "hooks", package / "hooks", ignore=ignored)
    return folder


class Shell:
    """Runs the command of that environment as a user with Claude Code does."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.python = folder / "bin" / "python"
        self.environ = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
        (home / ".claude").mkdir(exist_ok=True, parents=True)

    def command(self, *arguments: str) -> list[str]:
        return [str(self.python), "-I", "-m", "opensync_hooks", *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def settings(self) -> Path:
        return self.home / ".claude" / "settings.json"


@pytest.fixture
def shell(home: Path, environment_folder: Path) -> Shell:
    return Shell(home, environment_folder)


def test_installed_package_is_the_environment_and_nothing_is_built(shell: Shell) -> None:
    process = shell.run("install")
    assert process.returncode == 0, process.stderr
    assert "4 messages went through hook, worker and store" in process.stdout
    assert f" ] && {shell.python.parent}/python" in shell.settings.read_text()
    assert not (shell.home / ".local" / "share").exists()
    assert not (shell.home / ".local" / "bin").exists()
    settings = shell.settings.read_bytes()
    assert "up to date in ~/.claude/settings.json" in shell.run("install").stdout
    assert shell.settings.read_bytes() == settings


def test_uninstall_leaves_the_package_and_says_how_to_remove_it(shell: Shell) -> None:
    shell.run("install", "--no-backfill")
    process = shell.run("uninstall")
    assert process.returncode == 0, process.stderr
    assert not shell.settings.exists()
    assert shell.python.exists()
    assert "-m pip uninstall opensync-hooks" in process.stdout


def test_purge_knows_every_file_that_was_written(
    shell: Shell, recorded: int, tmp_path: Path
) -> None:
    """In a folder that the user named, only files with names of ours may be deleted."""
    named = tmp_path / "named"
    shell.environ["OPENSYNC_HOOKS_HOME"] = str(named)
    process = shell.run("install")
    assert f"{recorded} sessions synced" in process.stdout, process.stderr
    hook = shell.python.parent.parent.glob("lib/*/site-packages/opensync_hooks/hooks/cursor.py")
    shell.run("doctor")
    payload = b'{"conversation_id": "x", "hook_event_name": "stop", "input_tokens": 1}'
    subprocess.run(
        [shell.python, "-I", "-S", next(hook)], input=payload, env=shell.environ, check=True
    )
    shell.run("sync")
    for pid in workers(named):  # one would wait for the turn that the hook announced
        os.kill(pid, signal.SIGKILL)
    assert {"store.db", "ledger.db", "spool"} <= {path.name for path in named.iterdir()}
    process = shell.run("uninstall", "--purge", "--yes")
    assert process.returncode == 0, process.stderr
    assert not named.exists()


@pytest.mark.parametrize(
    ("receipt", "command"),
    [
        ("pipx_metadata.json", "pipx uninstall opensync-hooks"),
        ("uv-receipt.toml", "uv tool uninstall opensync-hooks"),
    ],
)
def test_uninstall_command_is_the_installers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receipt: str, command: str
) -> None:
    (tmp_path / receipt).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert installation.uninstall_command() == ""  # a clone
    monkeypatch.setattr(installation, "__file__", str(tmp_path / "site-packages" / "x.py"))
    assert installation.uninstall_command() == command


@pytest.mark.parametrize(
    "prefix",
    [
        "/home/u/.cache/uv/archive-v0/x",
        "/mnt/uv/archive-v0/x",
        "/mnt/uv/environments-v2/x",
        "/Users/u/Library/Caches/uv/x",
        "/x/pipx/.cache/1",
    ],
)
def test_temporary_environment_is_refused(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    monkeypatch.setattr(sys, "prefix", prefix)
    with pytest.raises(OpenSyncError, match="temporary environment") as caught:
        installation.check(Installation(Path(sys.executable), ROOT), {"HOME": "/nowhere"})
    assert "uv tool install" in caught.value.hint


def test_package_that_hooks_would_not_find_is_refused(shell: Shell, tmp_path: Path) -> None:
    """Hooks run without user packages, for example."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    path = os.pathsep.join([str(ROOT), *site.getsitepackages()])
    process = subprocess.run(
        [bare / "bin" / "python", "-m", "opensync_hooks", "install"],
        env=shell.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert "hooks run without your user packages" in process.stderr
    assert not shell.settings.exists()


def test_private_environment_has_the_path_that_stays_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"HOME": str(tmp_path)}
    link = environment.link(env)
    target = link.with_name("env-0123456789ab")
    package = target / "lib" / "opensync_hooks"
    package.mkdir(parents=True)
    link.symlink_to(target.name)
    monkeypatch.setattr(sys, "prefix", str(target))
    monkeypatch.setattr(installation, "__file__", str(package / "setup" / "installation.py"))
    assert installation.running(env) == Installation(
        environment.python(link), link / "lib" / "opensync_hooks"
    )
    assert installation.is_private(env)


def test_environment_of_install_py_is_removed_once_no_hook_runs_in_it(shell: Shell) -> None:
    data = shell.home / ".local/share/opensync-hooks"
    old = data / "env-0123456789ab"
    (old / "bin").mkdir(parents=True)
    (data / "env").symlink_to(old.name)
    (data / "store.db").touch()
    command = shell.home / ".local/bin/opensync-hooks"
    command.parent.mkdir(parents=True)
    command.symlink_to(data / "env/bin/opensync-hooks")
    hook = Installation(data / "env/bin/python", data / "env/lib/opensync_hooks").hook(AGENTS[0])
    change = ClaudeCodeRegistration().plan(shell.environ.get, hook)
    assert change
    change.apply()
    process = shell.run("install", "--agents", "opencode", "--no-backfill")
    assert old.exists(), "Claude Code's hooks still need it"
    process = shell.run("install", "--no-backfill")
    assert "is no longer needed" in process.stdout
    assert not old.exists()
    assert not command.is_symlink()
    assert (data / "store.db").exists()
    assert str(data) not in shell.settings.read_text()


@pytest.mark.parametrize("program", ["claude", "cursor-agent", "opencode"])
def test_agent_that_was_never_started_counts_as_installed(
    home: Path, tmp_path: Path, program: str
) -> None:
    env = {"HOME": str(home), "PATH": str(tmp_path)}
    assert not any(agent.registration.is_installed(env.get) for agent in AGENTS)
    (tmp_path / program).write_text("#!/bin/sh\necho 1.0.0\n")
    (tmp_path / program).chmod(0o755)
    assert [agent.name for agent in AGENTS if agent.registration.is_installed(env.get)] == [
        {"claude": "claude-code", "cursor-agent": "cursor"}.get(program, program)
    ]


def test_selected_agent_is_registered_before_it_is_installed(shell: Shell) -> None:
    process = shell.run("install", "--agents", "cursor", "--no-backfill")
    assert process.returncode == 0, process.stderr
    assert not shell.settings.exists()
    hooks = shell.home / ".cursor" / "hooks.json"
    assert hooks.stat().st_mode & 0o777 == 0o600
    shell.run("uninstall")
    assert not hooks.parent.exists(), "the folder was created with the file"


@pytest.mark.parametrize("stream", ["stdout", "both"])
@pytest.mark.parametrize("lines", [0, 1, 3])
def test_reader_that_closes_the_pipe_does_not_stop_the_installation(
    shell: Shell, recorded: int, lines: int, stream: str
) -> None:
    """`opensync-hooks install | head -1` registers every agent and syncs every session."""
    with subprocess.Popen(
        shell.command("install", "--agents", ",".join(registry.NAMES), "--all"),
        env=shell.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if stream == "both" else subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read() if process.stderr else ""
    assert (process.returncode, errors) == (0, "")
    for agent in AGENTS:
        assert agent.registration.state(shell.environ.get).works, agent.name
    status = json.loads(shell.run("status", "--json").stdout)
    assert status["sessions"] >= recorded


def test_reader_that_closes_the_pipe_does_not_stop_uninstalling(shell: Shell) -> None:
    shell.run("install", "--agents", ",".join(registry.NAMES), "--no-backfill")
    script = f"{shlex.join(shell.command('uninstall'))} | exec true"
    subprocess.run(["sh", "-c", script], env=shell.environ, check=True)
    assert not any(agent.registration.state(shell.environ.get).events for agent in AGENTS)
