"""Which Python and package the hooks point to, and what is refused as a place for them."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.registry import AGENTS
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.setup import environment, installation
from opensync_hooks.setup.installation import Installation

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as pip makes it: the package in it, and what it needs."""
    folder = tmp_path_factory.mktemp("v") / "environment"
    make = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(make, check=True)
    (packages,) = folder.glob("lib/python3.*/site-packages")
    (packages / "needed.pth").write_text("\n".join(site.getsitepackages()))
    package, ignored = packages / "opensync_hooks", shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "opensync_hooks", package, ignore=ignored)
    shutil.copytree(ROOT / "hooks", package / "hooks", ignore=ignored)
    return folder


class Shell:
    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.python = folder / "bin" / "python"
        self.environ = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
        (home / ".claude").mkdir(exist_ok=True, parents=True)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, "-I", "-m", "opensync_hooks", *arguments],
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
def shell(home: Path, made: Path) -> Shell:
    return Shell(home, made)


def test_installed_package_is_itself_the_environment_and_nothing_is_built(shell: Shell) -> None:
    done = shell.run("install")
    assert done.returncode == 0, done.stderr
    assert "4 messages went through hook, worker and store" in done.stdout
    assert f'"{shell.python.parent}/python' in shell.settings.read_text()
    assert not (shell.home / ".local" / "share").exists()
    assert not (shell.home / ".local" / "bin").exists()
    once = shell.settings.read_bytes()
    assert "up to date in ~/.claude/settings.json" in shell.run("install").stdout
    assert shell.settings.read_bytes() == once


def test_uninstall_leaves_the_package_and_says_how_it_goes(shell: Shell) -> None:
    shell.run("install", "--no-backfill")
    done = shell.run("uninstall")
    assert done.returncode == 0, done.stderr
    assert not shell.settings.exists()
    assert shell.python.exists()
    assert "-m pip uninstall opensync-hooks" in done.stdout


def test_purge_knows_every_file_that_was_made(shell: Shell, recorded: int, tmp_path: Path) -> None:
    """In a folder that the user named, only what is known by name may go."""
    named = tmp_path / "named"
    shell.environ["OPENSYNC_HOOKS_HOME"] = str(named)
    done = shell.run("install")
    assert f"{recorded} sessions synced" in done.stdout, done.stderr
    hook = shell.python.parent.parent.glob("lib/*/site-packages/opensync_hooks/hooks/cursor.py")
    shell.run("doctor")
    payload = b'{"conversation_id": "x", "hook_event_name": "stop", "input_tokens": 1}'
    subprocess.run(
        [shell.python, "-I", "-S", next(hook)], input=payload, env=shell.environ, check=True
    )
    shell.run("sync")
    assert {"store.db", "ledger.db", "spool"} <= {path.name for path in named.iterdir()}
    done = shell.run("uninstall", "--purge", "--yes")
    assert done.returncode == 0, done.stderr
    assert not named.exists()


@pytest.mark.parametrize(
    ("receipt", "said"),
    [
        ("pipx_metadata.json", "pipx uninstall opensync-hooks"),
        ("uv-receipt.toml", "uv tool uninstall opensync-hooks"),
    ],
)
def test_who_installed_it_takes_it_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receipt: str, said: str
) -> None:
    (tmp_path / receipt).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert installation.removal() == ""  # a clone
    monkeypatch.setattr(installation, "__file__", str(tmp_path / "site-packages" / "x.py"))
    assert installation.removal() == said


@pytest.mark.parametrize(
    "prefix", ["/home/u/.cache/uv/archive-v0/x", "/Users/u/Library/Caches/uv/x", "/x/pipx/.cache/1"]
)
def test_passing_environment_is_refused(monkeypatch: pytest.MonkeyPatch, prefix: str) -> None:
    monkeypatch.setattr(sys, "prefix", prefix)
    with pytest.raises(OpenSyncError, match="a passing one") as caught:
        installation.check(Installation(Path(sys.executable), ROOT), {"HOME": "/nowhere"})
    assert "uv tool install" in caught.value.hint


def test_package_that_hooks_would_not_find_is_refused(shell: Shell, tmp_path: Path) -> None:
    """A user installation, say: hooks run without those packages."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    path = os.pathsep.join([str(ROOT), *site.getsitepackages()])
    done = subprocess.run(
        [bare / "bin" / "python", "-m", "opensync_hooks", "install"],
        env=shell.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "hooks run without your user packages" in done.stderr
    assert not shell.settings.exists()


def test_private_environment_is_named_by_the_path_that_stays(
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
    found = installation.running(env)
    assert found == Installation(environment.python(link), link / "lib" / "opensync_hooks")
    assert installation.is_private(env)


def test_environment_of_install_py_goes_once_no_hook_points_to_it(shell: Shell) -> None:
    data = shell.home / ".local/share/opensync-hooks"
    old = data / "env-0123456789ab"
    (old / "bin").mkdir(parents=True)
    (data / "env").symlink_to(old.name)
    (data / "store.db").touch()
    command = shell.home / ".local/bin/opensync-hooks"
    command.parent.mkdir(parents=True)
    command.symlink_to(data / "env/bin/opensync-hooks")
    hook = Installation(data / "env/bin/python", data / "env/lib/opensync_hooks").hook(AGENTS[0])
    planned = ClaudeCodeRegistration().plan(shell.environ.get, hook)
    assert planned
    planned.apply()
    done = shell.run("install", "--agents", "opencode", "--no-backfill")
    assert old.exists(), "Claude Code's hooks still need it"
    done = shell.run("install", "--no-backfill")
    assert "is no longer needed and gone" in done.stdout
    assert not old.exists()
    assert not command.is_symlink()
    assert (data / "store.db").exists()
    assert str(data) not in shell.settings.read_text()


@pytest.mark.parametrize("program", ["claude", "cursor-agent", "opencode"])
def test_agent_that_can_be_called_but_was_never_started_is_there(
    home: Path, tmp_path: Path, program: str
) -> None:
    env = {"HOME": str(home), "PATH": str(tmp_path)}
    assert not any(agent.registration.is_installed(env.get) for agent in AGENTS)
    (tmp_path / program).write_text("#!/bin/sh\necho 1.0.0\n")
    (tmp_path / program).chmod(0o755)
    assert [agent.name for agent in AGENTS if agent.registration.is_installed(env.get)] == [
        {"claude": "claude-code", "cursor-agent": "cursor"}.get(program, program)
    ]


def test_agent_that_is_named_is_registered_before_it_is_there(shell: Shell) -> None:
    done = shell.run("install", "--agents", "cursor", "--no-backfill")
    assert done.returncode == 0, done.stderr
    assert not shell.settings.exists()
    hooks = shell.home / ".cursor" / "hooks.json"
    assert hooks.stat().st_mode & 0o777 == 0o600
    shell.run("uninstall")
    assert not hooks.parent.exists(), "the folder came with the file"
