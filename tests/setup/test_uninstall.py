"""Uninstalling: what goes, what stays, and what is deleted only when it was asked for."""

from __future__ import annotations

import fcntl
import io
import os
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
from opensync_hooks.setup import options, user_data
from opensync_hooks.setup import uninstall as removal

DATA, STATE = ".local/share/opensync-hooks", ".local/state/opensync-hooks"
CONFIG = ".config/opensync-hooks"
HELD = {
    f"{CONFIG}/config.toml": "settings and key",
    f"{DATA}/store.db": "sessions in the embedded store",
    f"{DATA}/store.db-wal": "sessions in the embedded store",
    f"{STATE}/ledger.db": "what was confirmed",
    f"{STATE}/spool/1.claude-code.event": None,
    f"{STATE}/retired/record.json": None,
}


class User:
    """Somebody with all three agents registered, and sessions kept."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {"HOME": str(home), "PATH": "/nowhere"}
        for agent in AGENTS:
            script = home / DATA / "env/lib/opensync_hooks/hooks" / agent.registration.script
            wanted = hook_command(home / DATA / "env/bin/python", script)
            planned = agent.registration.plan(self.env.get, wanted)
            assert planned
            planned.apply()
        for name in HELD:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).touch()

    def uninstall(self, *argv: str) -> int:
        return removal.uninstall(options.read(["--uninstall", *argv]), self.env)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()}

    def registered(self) -> list[str]:
        return [agent.name for agent in AGENTS if agent.registration.state(self.env.get).events]


@pytest.fixture
def user(home: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return User(home)


def test_only_the_agents_named_are_unregistered(user: User) -> None:
    before = user.files()
    assert user.uninstall("--agents", "cursor,opencode") == 0
    assert user.registered() == ["claude-code"]
    assert before - user.files() >= {".cursor/hooks.json"}
    assert HELD.keys() <= user.files()


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
def test_on_a_terminal_purge_asks_and_shows_what_goes(
    user: User,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    *,
    gone: bool,
) -> None:
    monkeypatch.setattr(removal, "is_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    assert user.uninstall("--purge") == (0 if gone else 1)
    assert (user.files() == set()) == gone
    assert (user.registered() == []) == gone
    said = capsys.readouterr().out
    for name, what in HELD.items():
        if what:
            assert f"~/{name}: {what}\n" in said


def test_purge_says_what_it_could_not_delete(
    user: User, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    with pytest.raises(OpenSyncError, match=f"{CONFIG}: could not be deleted") as caught:
        user.uninstall("--purge", "--yes")
    assert f"rm -r {user.home / CONFIG} " in caught.value.hint
    assert "Deleted" not in capsys.readouterr().out


def test_purge_can_be_tried_dry(user: User, capsys: pytest.CaptureFixture[str]) -> None:
    before = user.files()
    assert user.uninstall("--purge", "--dry-run") == 0
    assert user.files() == before
    assert "Dry run: nothing was changed." in capsys.readouterr().out


def test_purge_goes_with_all_agents_or_none(user: User) -> None:
    with pytest.raises(UsageError, match="cannot go with --agents"):
        user.uninstall("--purge", "--yes", "--agents", "cursor")
    assert len(user.registered()) == 3


def test_in_a_folder_that_the_user_named_only_what_is_ours_goes(user: User, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    user.env["OPENSYNC_HOOKS_HOME"] = str(shared)
    for name in ("config.toml", ".config.toml.a1b2c3d4", "store.db", "thesis.odt"):
        (shared / name).touch()
    assert user.uninstall("--purge", "--yes") == 0
    assert [path.name for path in shared.iterdir()] == ["thesis.odt"]


def test_purge_waits_for_the_worker_and_gives_up_without_harm(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_data, "PATIENCE", 0.2)
    lock = user.home / STATE / "spool" / "worker.lock"
    with lock.open("wb") as worker:
        fcntl.flock(worker, fcntl.LOCK_EX)
        with pytest.raises(OpenSyncError, match="still there"):
            user.uninstall("--purge", "--yes")
        assert (user.home / DATA / "store.db").exists()
    assert user.uninstall("--purge", "--yes") == 0
    assert user.files() == set()


def test_file_that_cannot_be_parsed_stays_and_so_does_what_its_hooks_run_in(
    user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = user.home / ".claude" / "settings.json"
    broken = settings.read_bytes() + b"}"
    settings.write_bytes(broken)
    made = user.home / DATA / "env-0123456789ab"
    made.mkdir()
    assert user.uninstall() == 1
    assert settings.read_bytes() == broken
    assert user.registered() == []
    assert made.exists()
    said = capsys.readouterr().err
    assert "settings.json: not valid JSON" in said
    assert "the environment that they run in stays" in said
    settings.write_bytes(broken[:-1])
    assert user.uninstall() == 0
    assert not made.exists()
    assert not settings.exists()


@pytest.mark.parametrize("argv", [["--purge"], ["--yes"], ["--agents", "vim"], ["--agents", ""]])
def test_what_makes_no_sense_is_a_usage_error(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        options.read(argv)
    assert caught.value.code == 2


class _KilledError(BaseException):
    """As sudden as a signal: nothing that handles errors catches it."""


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dies in the place of the given call that changes something on the disk."""
    left = [step]

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise _KilledError
            return real(*arguments, **more)

        return call

    for where, name in ((os, "replace"), (os, "unlink"), (os, "fsync"), (os, "rename")):
        monkeypatch.setattr(where, name, dying(getattr(where, name)))
    for name in ("replace", "unlink", "rmdir"):
        monkeypatch.setattr(Path, name, dying(getattr(Path, name)))


@pytest.mark.parametrize(
    "agent", [agent.registration for agent in AGENTS], ids=lambda agent: agent.name
)
@pytest.mark.parametrize("older", [False, True], ids=["first time", "upgrade"])
@pytest.mark.parametrize("again", [False, True], ids=["left so", "run again"])
def test_killed_at_any_step_uninstall_is_exact(
    tmp_path: Path, agent: Registration, *, older: bool, again: bool
) -> None:
    died = True
    step = 0
    while died:
        home = tmp_path / str(step)
        env = {"HOME": str(home), "PATH": "/nowhere", "OPENSYNC_HOOKS_HOME": str(home / "o")}
        path = agent.settings_path(env.get)
        path.parent.mkdir(parents=True)
        before = None if agent.name == "opencode" else b'{"version":1,  "hooks": {}}'
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
        killed_at(step, patch)
        try:
            file_change.apply_all(plan)
        except _KilledError:
            return True
    return False


def command(version: str, agent: Registration) -> str:
    script = Path(f"/env-{version}/opensync_hooks/hooks", agent.script)
    return hook_command(Path(f"/env-{version}/bin/python"), script)
