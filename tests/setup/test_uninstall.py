"""Uninstalling removes what was installed, and deletes the user's data only on request."""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.registry import AGENTS
from opensync_hooks.agents.settings_files import file_change
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.agents.settings_files.registration import Registration
from opensync_hooks.errors import OpenSyncError, UsageError
from opensync_hooks.model import Trigger
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.setup import install as install_module
from opensync_hooks.setup import options, uninstall, user_data
from opensync_hooks.setup.installation import Installation
from opensync_hooks.system import clock
from tests.commandline import ROOT

DATA, STATE = ".local/share/opensync-hooks", ".local/state/opensync-hooks"
CONFIG = ".config/opensync-hooks"
STORED_FILES = {
    f"{CONFIG}/config.toml": "settings and key",
    f"{DATA}/store.db": "sessions in the embedded store",
    f"{DATA}/store.db-wal": "sessions in the embedded store",
    f"{STATE}/ledger.db": "what was confirmed",
    f"{STATE}/spool/1.claude-code.event": None,
    f"{STATE}/retired/record.json": None,
}


class User:
    """A user with all three agents registered, and stored sessions."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {"HOME": str(home), "PATH": "/nowhere"}
        for agent in AGENTS:
            script = home / DATA / "env/lib/opensync_hooks/hooks" / agent.registration.script
            command = hook_command(home / DATA / "env/bin/python", script)
            change = agent.registration.plan(self.env.get, command)
            assert change
            change.apply()
        for name in STORED_FILES:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).touch()

    def uninstall(self, *argv: str) -> int:
        return uninstall.uninstall(options.parse(["--uninstall", *argv]), self.env)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()}

    def registered(self) -> list[str]:
        return [agent.name for agent in AGENTS if agent.registration.state(self.env.get).events]


@pytest.fixture
def user(home: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return User(home)


def test_only_the_selected_agents_are_unregistered(user: User) -> None:
    before = user.files()
    assert user.uninstall("--agents", "cursor,opencode,kilo") == 0
    assert user.registered() == ["claude-code"]
    assert before - user.files() >= {".cursor/hooks.json"}
    assert STORED_FILES.keys() <= user.files()


def test_purge_without_a_terminal_and_without_yes_changes_nothing(user: User) -> None:
    before = user.files()
    with pytest.raises(UsageError, match="no terminal to ask on") as caught:
        user.uninstall("--purge")
    assert "--yes" in caught.value.hint
    assert user.files() == before


def test_purge_with_yes_leaves_nothing_of_ours(user: User) -> None:
    assert user.uninstall("--purge", "--yes") == 0
    assert user.files() == set()
    assert not any((user.home / name).exists() for name in (DATA, STATE, CONFIG))


@pytest.mark.parametrize(
    ("answer", "gone"), [("y", True), ("YES", True), ("", False), ("no", False)]
)
def test_on_a_terminal_purge_shows_what_it_deletes_and_asks(
    user: User,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    *,
    gone: bool,
) -> None:
    monkeypatch.setattr(uninstall, "can_ask", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert user.uninstall("--purge") == (0 if gone else 1)
    assert (user.files() == set()) == gone
    assert (user.registered() == []) == gone
    output = capsys.readouterr().out
    for name, content in STORED_FILES.items():
        assert content is None or f"~/{name}: {content}\n" in output


def test_purge_names_what_it_could_not_delete(
    user: User, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    with pytest.raises(OpenSyncError, match=f"{CONFIG}: could not be deleted completely") as caught:
        user.uninstall("--purge", "--yes")
    assert f"rm -r {user.home / CONFIG} " in caught.value.hint
    assert "Deleted" not in capsys.readouterr().out


def test_purge_has_a_dry_run(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    before = user.files()
    assert user.uninstall("--purge", "--dry-run") == 0
    assert user.files() == before
    assert "Dry run: nothing was changed." in capsys.readouterr().out


def test_purge_cannot_be_limited_to_some_agents(user: User) -> None:
    with pytest.raises(UsageError, match="cannot go with --agents"):
        user.uninstall("--purge", "--yes", "--agents", "cursor")
    assert len(user.registered()) == len(AGENTS)


def test_in_a_folder_that_the_user_named_only_our_files_are_deleted(
    user: User, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    user.env["OPENSYNC_HOOKS_HOME"] = str(shared)
    for name in ("config.toml", ".config.toml.a1b2c3d4", "store.db", "thesis.odt"):
        (shared / name).touch()
    assert user.uninstall("--purge", "--yes") == 0
    assert [path.name for path in shared.iterdir()] == ["thesis.odt"]


def test_purge_waits_for_the_worker_and_deletes_nothing_if_it_does_not_end(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_data, "TIMEOUT", 0.2)
    lock = user.home / STATE / "spool" / "worker.lock"
    with lock.open("wb") as worker:
        fcntl.flock(worker, fcntl.LOCK_EX)
        with pytest.raises(OpenSyncError, match="Nothing of it was deleted"):
            user.uninstall("--purge", "--yes")
        assert (user.home / DATA / "store.db").exists()
    assert user.uninstall("--purge", "--yes") == 0
    assert user.files() == set()


def test_purge_ends_a_worker_that_only_waits(user: User) -> None:
    """It may be waiting for a turn that an agent has announced, or for a server to return."""
    (user.home / CONFIG / "config.toml").unlink()
    spool = Spool(user.home / STATE / "spool")
    spool.put(Job(Trigger("cursor", "s1", awaits="turn"), {}, clock.now(), failure="awaited"))
    wait = "from opensync_hooks.queue import worker; worker.LINGER_SECONDS = 60; worker.main()"
    process = subprocess.Popen([sys.executable, "-c", wait], cwd=ROOT, env=user.env)
    while not spool.has_worker():
        time.sleep(0.05)
    assert user.uninstall("--purge", "--yes") == 0
    assert process.wait(60) == 0
    assert user.files() == set()


def test_unparsable_file_stays_and_so_does_the_environment_of_its_hooks(
    user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = user.home / ".claude" / "settings.json"
    broken = settings.read_bytes() + b"}"
    settings.write_bytes(broken)
    environment = user.home / DATA / "env-0123456789ab"
    environment.mkdir()
    assert user.uninstall() == 1
    assert settings.read_bytes() == broken
    assert user.registered() == []
    assert environment.exists()
    errors = capsys.readouterr().err
    assert "settings.json: not valid JSON" in errors
    assert "their environment stays" in errors
    settings.write_bytes(broken[:-1])
    assert user.uninstall() == 0
    assert not environment.exists()
    assert not settings.exists()


@pytest.mark.parametrize("argv", [["--purge"], ["--yes"], ["--agents", "vim"], ["--agents", ""]])
def test_meaningless_options_are_a_usage_error(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        options.parse(argv)
    assert caught.value.code == 2


class _KilledError(BaseException):
    """As sudden as a signal: no error handler catches it."""


def kill_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the process die instead of the given call that would change the disk."""
    calls_left = [step]

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            calls_left[0] -= 1
            if calls_left[0] < 0:
                raise _KilledError
            return real(*arguments, **options)

        return call

    for module, name in ((os, "replace"), (os, "unlink"), (os, "fsync"), (os, "rename")):
        monkeypatch.setattr(module, name, deadly(getattr(module, name)))
    for name in ("replace", "unlink", "rmdir"):
        monkeypatch.setattr(Path, name, deadly(getattr(Path, name)))


@pytest.mark.parametrize(
    "agent", [agent.registration for agent in AGENTS], ids=lambda agent: agent.name
)
@pytest.mark.parametrize("older", [False, True], ids=["first time", "update"])
@pytest.mark.parametrize("again", [False, True], ids=["not repeated", "repeated"])
def test_uninstall_restores_the_file_after_a_kill_at_any_step(
    tmp_path: Path, agent: Registration, *, older: bool, again: bool
) -> None:
    died = True
    step = 0
    while died:
        home = tmp_path / str(step)
        env = {"HOME": str(home), "PATH": "/nowhere", "OPENSYNC_HOOKS_HOME": str(home / "o")}
        path = agent.settings_path(env.get)
        path.parent.mkdir(parents=True)
        before = None if path.suffix == ".js" else b'{"version":1,  "hooks": {}}'
        if before:
            path.write_bytes(before)
        if older:
            file_change.apply_all(partial(agent.plan, env.get, command("1", agent)))
        died = dies(partial(agent.plan, env.get, command("2", agent)), step)
        if again:
            file_change.apply_all(partial(agent.plan, env.get, command("2", agent)))
            assert agent.state(env.get).missing == ()
        dies(partial(agent.plan_removal, env.get), step)
        file_change.apply_all(partial(agent.plan_removal, env.get))
        assert (path.read_bytes() if path.exists() else None) == before
        step += 1
    assert step > 3


def dies(plan: Callable[[], file_change.FileChange | None], step: int) -> bool:
    with pytest.MonkeyPatch.context() as patch:
        kill_at(step, patch)
        try:
            file_change.apply_all(plan)
        except _KilledError:
            return True
    return False


def command(version: str, agent: Registration) -> str:
    script = Path(f"/env-{version}/opensync_hooks/hooks", agent.script)
    return hook_command(Path(f"/env-{version}/bin/python"), script)


@pytest.mark.parametrize("is_linked_at", ["install", "uninstall"])
def test_home_may_be_spelled_through_a_link(
    here: Installation, env: dict[str, str], home: Path, is_linked_at: str
) -> None:
    """A settings file with comments on its lines is restored, and the command removed."""
    settings = home / ".claude" / "settings.json"
    settings.write_text('{ "model":   "opus" }')
    link = home.parent / "link"
    link.symlink_to(home)
    linked = env | {"HOME": str(link)}
    at_install, at_uninstall = (linked, env) if is_linked_at == "install" else (env, linked)
    arguments = options.parse(["--no-backfill"])
    program = Path(at_install["HOME"], here.program.relative_to(home))
    install_module.install(
        Installation(program.with_name("python"), here.package), arguments, lambda *_: 0, at_install
    )
    assert "claude_code.py" in settings.read_text()
    uninstall.uninstall(options.parse(["--uninstall"]), at_uninstall)
    assert settings.read_text() == '{ "model":   "opus" }'
    assert list((home / ".local/bin").iterdir()) == []
    assert not (home / DATA).exists()
