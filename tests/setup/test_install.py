"""`install` puts hooks and command in place, completely or not at all, and syncs sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from opensync_hooks.agents.registry import AGENTS
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.setup import command_link, from_clone, options, uninstall
from opensync_hooks.setup import install as install_module
from opensync_hooks.setup.install import Sync
from opensync_hooks.setup.installation import Installation
from tests.setup.homes import put_session, snapshot

ROOT = Path(__file__).parents[2]


def no_sync(_agent: str | None, _limit: int | None) -> int:
    raise AssertionError("no session should be synced")


def install(here: Installation, env: dict[str, str], *argv: str, sync: Sync = no_sync) -> int:
    return install_module.install(here, options.parse(argv), sync, env)


def test_hooks_and_command_are_put_in_place(
    here: Installation, env: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert install(here, env, "--no-backfill") == 0
    assert command_link.path(env) == home / ".local/bin/opensync-hooks"
    assert command_link.path(env).resolve() == here.program.resolve()
    assert AGENTS[0].registration.state(env.get).works
    output = capsys.readouterr().out
    assert 'export PATH="$HOME/.local/bin:$PATH"' in output
    assert f"{home}/.local/bin/opensync-hooks login" in output


def test_installing_twice_is_installing_once(
    here: Installation, env: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    env["PATH"] += f":{home}/.local/bin"
    install(here, env, "--no-backfill")
    before = snapshot(home)
    install(here, env, "--no-backfill")
    assert snapshot(home) == before
    output = capsys.readouterr().out
    assert "Claude Code   up to date in ~/.claude/settings.json\n" in output
    assert "not on your PATH" not in output


def test_uninstall_restores_the_home_except_for_the_users_data(
    here: Installation, env: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".claude" / "settings.json").write_text('{ "model": "opus" }')
    settings = snapshot(home / ".claude")
    install(here, env, "--no-backfill")
    data, state = home / ".local/share/opensync-hooks", home / ".local/state/opensync-hooks"
    (data / "store.db").touch()
    (state / "spool").mkdir()
    capsys.readouterr()
    assert from_clone.main(str(ROOT), ["--uninstall"], env) == 0
    assert snapshot(home / ".claude") == settings
    assert list(snapshot(home / ".local/bin")) == []
    assert list(snapshot(data)) == ["store.db"]
    assert list(snapshot(state)) == ["spool"]
    assert f"  rm -r {data} {state}\n" in capsys.readouterr().out
    assert from_clone.main(str(ROOT), ["--uninstall"], env) == 0
    assert "no hook registered" in capsys.readouterr().out


def test_uninstall_without_user_data_leaves_no_folder(
    here: Installation, env: dict[str, str], home: Path
) -> None:
    install(here, env, "--no-backfill")
    uninstall.uninstall(options.parse(["--uninstall"]), env)
    assert not any(name.endswith("opensync-hooks") for name in snapshot(home))
    assert list(snapshot(home / ".claude")) == []


def test_uninstall_has_a_dry_run(
    here: Installation, env: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(here, env, "--no-backfill")
    before = snapshot(home)
    assert from_clone.main(str(ROOT), ["--uninstall", "--dry-run"], env) == 0
    assert snapshot(home) == before
    output = capsys.readouterr().out
    assert "would be removed" in output
    assert f"--- {home}/.claude/settings.json" in output


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_another_programs_command_of_the_same_name_stays(
    here: Installation, env: dict[str, str], capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    path = command_link.path(env)
    path.parent.mkdir(parents=True)
    if kind == "file":
        path.write_text("theirs")
    elif kind == "link":
        path.symlink_to("/opt/pipx/venvs/opensync-hooks/bin/opensync-hooks")
    else:
        path.mkdir()
    before = snapshot(path.parent)
    install(here, env, "--no-backfill")
    assert snapshot(path.parent) == before
    output = capsys.readouterr().out
    assert "~/.local/bin/opensync-hooks is another program's and stays" in output
    assert f"  {here.program} status" in output
    uninstall.uninstall(options.parse(["--uninstall"]), env)
    assert snapshot(path.parent) == before


def test_without_an_agent_nothing_is_registered(
    here: Installation, env: dict[str, str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".claude").rmdir()
    assert install(here, env, "--no-backfill") == 0
    output = capsys.readouterr().out
    assert "Claude Code   not found; once it is installed, run this again" in output
    assert "No agent was found, so nothing is kept yet." in output
    assert not (home / ".claude").exists()


def test_missing_script_is_never_registered(
    here: Installation, env: dict[str, str], home: Path
) -> None:
    (here.package / "hooks" / "claude_code.py").unlink()
    with pytest.raises(OpenSyncError, match="No hook was registered"):
        install(here, env, "--no-backfill")
    assert list(snapshot(home / ".claude")) == []


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ((), [(None, 20)]),
        (("--all",), [(None, None)]),
        (("--agents", "claude-code"), [("claude-code", 20)]),
    ],
    ids=["newest", "all", "one agent"],
)
def test_existing_sessions_are_synced(
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

    assert install(here, env, *argv, sync=sync) == 0
    assert calls == expected


def test_hooks_are_registered_even_if_the_sessions_cannot_be_sent_now(
    here: Installation, env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    put_session(Path(env["HOME"]))
    assert install(here, env, sync=lambda *_: 6) == 0
    assert AGENTS[0].registration.state(env.get).works
    assert "not all could be synced: `opensync-hooks sync` continues" in capsys.readouterr().out
