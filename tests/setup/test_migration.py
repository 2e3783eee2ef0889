"""Migrating from OpenSync's npm plugins: with consent only, and without a gap or a double."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks import config
from opensync_hooks.agents.opencode import plugin_list
from opensync_hooks.agents.registry import AGENTS
from opensync_hooks.agents.settings_files.file_change import apply_all
from opensync_hooks.config.credentials import save_login
from opensync_hooks.setup import (
    install,
    installation,
    migration,
    npm_plugins,
    options,
    uninstall,
)
from opensync_hooks.setup.installation import Installation
from tests.opensync import real_opensync

CLAUDE_EVENTS = ("SessionStart", "SessionEnd", "UserPromptSubmit", "PostToolUse", "Stop")
CURSOR_EVENTS = (
    "beforeSubmitPrompt",
    "beforeShellExecution",
    "beforeMCPExecution",
    "afterFileEdit",
    "afterAgentResponse",
    "stop",
)
OPENCODE = """{
  // my settings
  "$schema": "https://opencode.ai/config.json",
  "plugin": [
    "mine", // stays
    "opencode-sync-plugin",
  ],
  "theme": "tan" /* stays too */
}
"""


def no_sync(_agent: str | None, _limit: int | None) -> int:
    raise AssertionError("no session should be synced")


class Machine:
    """A home with all three npm plugins, set up as their instructions say."""

    def __init__(self, home: Path, url: str, key: str) -> None:
        self.home = home
        self.env = {"HOME": str(home), "PATH": "/nowhere"}
        self.claude = home / ".claude" / "settings.json"
        self.cursor = home / ".cursor" / "hooks.json"
        self.opencode = home / ".config" / "opencode" / "opencode.json"
        self.write(self.claude, json.dumps({"model": "opus", "hooks": claude_hooks()}, indent=2))
        self.write(self.cursor, json.dumps({"version": 1, "hooks": cursor_hooks()}, indent=2))
        self.write(self.opencode, OPENCODE)
        self.log_in(".config/claude-code-sync/config.json", url, key)

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def log_in(self, name: str, url: str, key: str) -> Path:
        path = self.home / name
        self.write(path, json.dumps({"convexUrl": url, "apiKey": key, "autoSync": True}))
        return path

    def install(self, *argv: str) -> int:
        return self.install_and_sync("--no-backfill", *argv)

    def install_and_sync(self, *argv: str) -> int:
        here = Installation(self.home / "env/bin/python", Path(options.__file__).parents[1])
        return install.install(here, options.parse(argv), no_sync, self.env)

    def uninstall(self, *argv: str) -> int:
        return uninstall.uninstall(options.parse(["--uninstall", *argv]), self.env)

    def snapshot(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (self.claude, self.cursor, self.opencode)}

    def registered(self) -> list[str]:
        return [agent.name for agent in AGENTS if agent.registration.state(self.env.get).events]

    def old_hooks(self) -> list[str]:
        names = ("claude-code-sync", "cursor-sync", "opencode-sync-plugin")
        text = b"".join(self.snapshot().values()).decode()
        return [name for name in names if name in text]


def claude_hooks() -> dict[str, Any]:
    def entry(event: str) -> dict[str, Any]:
        return {"hooks": [{"type": "command", "command": f"claude-code-sync hook {event}"}]}

    hooks = {event: [entry(event)] for event in CLAUDE_EVENTS}
    hooks["Stop"][0]["hooks"].append({"type": "command", "command": "say done"})
    return hooks


def cursor_hooks() -> dict[str, Any]:
    hooks = {event: [{"command": f"cursor-sync hook {event}"}] for event in CURSOR_EVENTS}
    hooks["stop"].append({"command": "./mine.sh"})
    return hooks


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, str]]:
    with real_opensync(tmp_path) as (running, _, key):
        yield running.url, key


@pytest.fixture
def machine(home: Path, server: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(installation, "check", lambda *_: None)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return Machine(home, *server)


def test_take_over_uses_the_login_and_removes_all_three(
    machine: Machine, server: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = machine.snapshot()
    assert machine.install("--take-over") == 0
    assert machine.old_hooks() == []
    loaded = config.load(machine.env)
    assert (loaded.url, loaded.api_key) == server
    assert machine.registered() == ["claude-code", "opencode", "cursor"]
    hooks = json.loads(machine.claude.read_text())["hooks"]
    assert sorted(hooks) == ["SessionEnd", "Stop", "UserPromptSubmit"]
    assert hooks["Stop"][0] == {"hooks": [{"type": "command", "command": "say done"}]}
    assert json.loads(machine.cursor.read_text())["hooks"]["stop"][0] == {"command": "./mine.sh"}
    assert machine.opencode.read_text() == OPENCODE.replace('    "opencode-sync-plugin",\n', "")
    entries = npm_plugins.load_backups(machine.env.get)
    backups = {Path(entry.path): Path(entry.backup) for entry in entries}
    assert {path: backup.read_bytes() for path, backup in backups.items()} == before
    assert all(backup.stat().st_mode & 0o777 == 0o600 for backup in backups.values())
    output = capsys.readouterr().out
    assert "npm uninstall -g claude-code-sync" in output
    assert "keep their rows in OpenSync" in output
    assert server[1] not in output


def test_second_run_finds_nothing_left(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.install("--take-over")
    before = machine.snapshot()
    capsys.readouterr()
    assert machine.install() == 0
    assert "Found" not in capsys.readouterr().out
    assert machine.install("--take-over") == 0
    assert "Found         none of OpenSync's npm plugins" in capsys.readouterr().out
    assert machine.snapshot() == before


@pytest.mark.parametrize("argv", [(), ("--keep-old",)], ids=["no terminal", "asked to keep"])
def test_without_consent_nothing_of_theirs_changes(
    machine: Machine, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...]
) -> None:
    assert machine.install(*argv) == 0
    assert machine.old_hooks() == ["claude-code-sync", "cursor-sync", "opencode-sync-plugin"]
    assert config.load(machine.env).url is None
    output = capsys.readouterr().out
    assert "Found         claude-code-sync, registered in ~/.claude/settings.json" in output
    assert ("--take-over" in output) == (not argv)


@pytest.mark.parametrize(
    ("answer", "changes"), [("y", True), ("yes", True), ("", False), ("n", False)]
)
def test_on_a_terminal_only_a_yes_is_consent(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, answer: str, *, changes: bool
) -> None:
    questions: list[str] = []

    def ask(question: str) -> str:
        questions.append(question)
        return answer

    monkeypatch.setattr(migration, "can_ask", lambda: True)
    monkeypatch.setattr("builtins.input", ask)
    assert machine.install() == 0
    assert (machine.old_hooks() == []) == changes
    assert (config.load(machine.env).url is not None) == changes
    assert questions == ["Use this login, and take these hooks out? Files are backed up. [y/N] "]


def test_dry_run_shows_the_changes_and_makes_none(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    before = machine.snapshot()
    assert machine.install("--dry-run", "--take-over") == 0
    assert machine.snapshot() == before
    output = capsys.readouterr().out
    assert '-    "opencode-sync-plugin",' in output
    assert "claude-code-sync hook SessionStart" in output


@pytest.mark.parametrize("trouble", ["wrong key", "no server", "http", "no url"])
def test_login_that_does_not_work_leaves_the_old_plugins_active(
    machine: Machine, server: tuple[str, str], capsys: pytest.CaptureFixture[str], trouble: str
) -> None:
    url, key = server
    login = {
        "wrong key": (url, "osk_wrong"),
        "no server": ("http://127.0.0.1:9", key),
        "http": ("http://elsewhere.example", key),
        "no url": ("convex", key),
    }[trouble]
    path = machine.log_in(".config/claude-code-sync/config.json", *login)
    assert machine.install("--take-over") == 0
    assert len(machine.old_hooks()) == 3
    assert config.load(machine.env).url is None
    output, errors = capsys.readouterr()
    assert f"~/{path.relative_to(machine.home)}: " in errors
    assert "the old plugins stay active" in output
    assert login[1] not in output + errors


def test_first_login_that_works_is_taken(machine: Machine, server: tuple[str, str]) -> None:
    machine.log_in(".config/claude-code-sync/config.json", server[0], "osk_revoked")
    machine.log_in(".cursor-sync/config.json", *server)
    machine.install("--take-over")
    assert config.load(machine.env).api_key == server[1]
    assert machine.old_hooks() == []


def test_login_in_the_environment_wins_as_it_does_for_that_plugin(
    machine: Machine, server: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    machine.log_in(".config/claude-code-sync/config.json", server[0], "osk_older")
    machine.env |= {"CLAUDE_SYNC_CONVEX_URL": server[0], "CLAUDE_SYNC_API_KEY": server[1]}
    machine.install("--take-over")
    assert config.load(machine.env).api_key == server[1]
    assert "as CLAUDE_SYNC_CONVEX_URL had it" in capsys.readouterr().out


@pytest.mark.parametrize("argv", [(), ("--take-over",)])
def test_unreadable_settings_of_ours_keep_no_hook_from_being_registered(
    machine: Machine, argv: tuple[str, ...]
) -> None:
    settings = config.Folders.from_environ(machine.env).settings
    machine.write(settings, "url = ")
    settings.chmod(0o600)
    assert machine.install(*argv) == 0
    assert machine.registered() == ["claude-code", "opencode", "cursor"]
    assert len(machine.old_hooks()) == 3
    assert settings.read_text() == "url = "


def test_existing_login_stays(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    save_login(machine.env, "https://mine.example", "osk_mine")
    machine.install("--take-over")
    assert config.load(machine.env).api_key == "osk_mine"
    assert machine.old_hooks() == []
    assert "stays as it is: https://mine.example" in capsys.readouterr().out


def test_plugin_without_a_login_is_removed(machine: Machine) -> None:
    machine.write(machine.home / ".config/claude-code-sync/config.json", "{}")
    machine.install("--take-over")
    assert machine.old_hooks() == []
    assert config.load(machine.env).url is None


def test_only_the_selected_agents_are_migrated(machine: Machine) -> None:
    machine.install("--take-over", "--agents", "claude-code")
    assert machine.old_hooks() == ["cursor-sync", "opencode-sync-plugin"]


def test_sessions_that_the_old_plugins_sent_are_not_sent_beside_them(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They would be in the same rows, with every message twice."""
    syncs: list[object] = []
    monkeypatch.setattr(install, "initial_sync", lambda *_: syncs.append(1))
    machine.install_and_sync("--take-over")
    assert syncs == []
    output = capsys.readouterr().out
    assert "those of Claude Code, OpenCode, Cursor were sent by the old plugin" in output
    assert "to send those of" not in output


def test_agent_without_an_old_plugin_gets_a_hint_how_to_sync_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.install("--take-over", "--agents", "cursor")
    save_login(machine.env, "https://mine.example", "osk_mine")
    capsys.readouterr()
    monkeypatch.setattr(install, "initial_sync", lambda *_: None)
    machine.install_and_sync("--take-over")
    output = capsys.readouterr().out
    assert "those of Claude Code, OpenCode were sent by the old plugin" in output
    assert "to send those of Cursor: " in output
    assert output.count("sync --agent cursor\n") == 1


def test_uninstall_names_the_files_before_the_migration(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.install("--take-over")
    capsys.readouterr()
    assert machine.uninstall() == 0
    output = capsys.readouterr().out
    for entry in npm_plugins.load_backups(machine.env.get):
        assert f"{entry.package} was taken out of ~/" in output
        assert Path(entry.backup).is_file()
    assert machine.old_hooks() == []


def test_second_run_continues_after_a_kill_between_two_plugins(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = apply_all
    count = 0

    def killed(plan: Any) -> Any:
        nonlocal count
        count += 1
        if count > 1:
            raise KeyboardInterrupt
        return real(plan)

    monkeypatch.setattr(migration, "apply_all", killed)
    with pytest.raises(KeyboardInterrupt):
        machine.install("--take-over")
    assert len(machine.old_hooks()) == 2
    monkeypatch.setattr(migration, "apply_all", real)
    assert machine.install("--take-over") == 0
    assert machine.old_hooks() == []


def test_unparsable_settings_stay_and_are_reported(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.opencode.write_text('{"plugin": ["opencode-sync-plugin"')
    before = machine.opencode.read_bytes()
    assert machine.install("--take-over") == 0
    assert machine.opencode.read_bytes() == before
    assert "take opencode-sync-plugin out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "package"),
    [
        ("claude-code-sync hook Stop", "claude-code-sync"),
        ("npx claude-code-sync hook SessionEnd", "claude-code-sync"),
        ("/usr/local/bin/claude-code-sync hook PostToolUse", "claude-code-sync"),
        ("node /usr/lib/node_modules/claude-code-sync/dist/cli.js hook Stop", "claude-code-sync"),
        ("cursor-sync hook stop", "cursor-opensync-plugin"),
        ("cursor-sync hook-stop", "cursor-opensync-plugin"),
        ("cursor-sync afterFileEdit", "cursor-opensync-plugin"),
        ("claude-code-sync hook-session-start", None),  # another program of that name
        ("claude-code-sync push", None),
        ("claude-code-sync hook Stop --mine", None),
        ("cursor-sync start", None),
        ("cursor-sync", None),
        ("echo claude-code-sync hook Stop x", None),
        ("'open quote", None),
        (None, None),
    ],
)
def test_hooks_of_the_plugins_are_recognized_by_their_command(
    command: object, package: str | None
) -> None:
    owners = [plugin.package for plugin in npm_plugins.NPM_PLUGINS if plugin.owns(command)]
    assert owners == ([package] if package else [])


@pytest.mark.parametrize(
    "entry",
    [
        '"opencode-sync-plugin"',
        '"opencode-sync-plugin@0.3.6"',
        '["opencode-sync-plugin", {"a": 1}]',
        '"file:///usr/lib/node_modules/opencode-sync-plugin/dist/index.js"',
    ],
)
def test_every_way_to_name_the_opencode_plugin_is_found(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "opencode.jsonc"
    path.write_text(f'{{"plugin": ["opencode-syncthing-plugin", {entry}, "b"]}}')
    change = plugin_list.plan_without(path, "opencode-sync-plugin")
    assert change
    assert change.after == b'{"plugin": ["opencode-syncthing-plugin", "b"]}'


def test_folders_that_variables_move_are_searched_as_well(machine: Machine, tmp_path: Path) -> None:
    machine.env["CLAUDE_CONFIG_DIR"] = str(tmp_path / "claude")
    machine.write(tmp_path / "claude" / "settings.json", machine.claude.read_text())
    (plugin,) = npm_plugins.find(machine.env, AGENTS[:1])
    assert [change.path for change in plugin.changes()] == [
        tmp_path / "claude" / "settings.json",
        machine.claude,
    ]


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"convexUrl": 1, "apiKey": "osk_a"}', "\ufeff{}"]
)
def test_login_file_of_any_content_is_harmless(machine: Machine, content: str) -> None:
    machine.write(machine.home / ".config/claude-code-sync/config.json", content)
    (plugin,) = npm_plugins.find(machine.env, AGENTS[:1])
    assert plugin.login is None


def test_login_shows_no_key(machine: Machine, server: tuple[str, str]) -> None:
    (plugin,) = npm_plugins.find(machine.env, AGENTS[:1])
    assert plugin.login
    assert server[1] not in repr(plugin)
