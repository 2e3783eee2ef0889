"""Our hooks are added to Claude Code's settings.json and removed again, to the byte."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.registry import AGENTS
from opensync_hooks.agents.settings_files import backup, file_change
from opensync_hooks.agents.settings_files.hook_command import guarded, hook_command, is_ours
from opensync_hooks.errors import OpenSyncError
from tests.agents.settings_files.test_json_edit import OBJECTS, STYLES
from tests.hooks_home import BOM, ENVIRONMENT, PACKAGE, HooksHome

CLAUDE = ClaudeCodeRegistration()
EVERY_EVENT = ("Stop", "SessionEnd", "UserPromptSubmit")
COMMAND = f"{ENVIRONMENT}/bin/python -I -S {PACKAGE}/hooks/claude_code.py"
STALE = "/gone/python3.11 -I -S /gone/site-packages/opensync_hooks/hooks/claude_code.py"
FOREIGN = "/opt/other/bin/python -I -S /opt/other/hooks/claude_code.py"


def handler(command: str = guarded(COMMAND), **more: object) -> dict[str, object]:
    return {"type": "command", "command": command, "timeout": 30} | more


def group(*handlers: dict[str, object], **more: object) -> dict[str, object]:
    return {**more, "hooks": list(handlers)}


def on_all(*groups: dict[str, object]) -> dict[str, object]:
    return {event: list(groups) for event in EVERY_EVENT}


class Home(HooksHome):
    agent = CLAUDE
    settings_file = ".claude/settings.json"
    command = COMMAND


def dumped(value: object, **style: Any) -> bytes:
    return json.dumps(value, **style).encode()


FULL = {"model": "opus", "hooks": on_all(group(handler())), "env": {"A": "1"}}

STYLED = {
    "missing": None,
    "empty file": b"",
    "empty object": b"{}",
    "empty object over lines": b"{\n}\n",
    "two spaces": dumped({"model": "opus", "permissions": {"allow": ["Read"]}}, indent=2) + b"\n",
    "four spaces, no last newline": dumped({"model": "opus", "hooks": {}}, indent=4),
    "tabs": dumped({"a": [1, 2], "hooks": {"Stop": []}}, indent="\t") + b"\n",
    "one line": b'{"model": "opus", "hooks": {"Stop": [ ]}}',
    "tight": b'{"model":"opus"}\n\n',
    "CRLF": b'{\r\n  "model": "opus"\r\n}\r\n',
    "byte order mark": BOM + b'{\n  "model": "opus"\n}\n',
    "inline list among lines": b'{\n  "allow": ["a", "b"],\n  "n": 1.50, "s": "\\ud800"\n}\n',
    "foreign hooks": dumped({"hooks": on_all(group(handler("x"), matcher="*"))}, indent=2),
    "other event": dumped({"hooks": {"PreToolUse": [group(handler("x"))]}, "z": 1}, indent=2),
    "unknown entries": b'{"hooks": {"Stop": ["?", {"hooks": 1}, null], "New": {"a": 1}}}',
}


@pytest.fixture(params=list(STYLED.values()), ids=list(STYLED))
def styled(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    return Home(tmp_path / "h", request.param)


def test_install_registers_every_event(styled: Home) -> None:
    styled.install()
    assert CLAUDE.state(styled.env.get).events == ("Stop", "SessionEnd")
    assert CLAUDE.state(styled.env.get).late == ()
    for event in EVERY_EVENT:
        assert styled.value()["hooks"][event][-1] == group(handler())


def test_install_only_adds_lines(styled: Home) -> None:
    """Every line stays, in its order; only commas and brackets may move."""
    before = (styled.content or b"").decode().split("\n")
    theirs = styled.value() if styled.content else {}
    styled.install()
    assert {**styled.value(), "hooks": {}} == {**theirs, "hooks": {}}
    for event, groups in theirs.get("hooks", {}).items():
        kept = styled.value()["hooks"][event]
        assert (kept[:-1] if event in on_all() else kept) == groups
    after = iter((styled.content or b"").decode().split("\n"))
    if len(before) > 2:
        for line in before:
            assert any(line.rstrip("\r,]}[{ ") in other for other in after), line


def test_second_install_changes_nothing(styled: Home) -> None:
    styled.install()
    installed = styled.content
    assert styled.install() is None
    assert styled.content == installed


def test_uninstall_restores_the_same_bytes(styled: Home) -> None:
    before = styled.content
    styled.install()
    assert styled.content != before
    styled.uninstall()
    assert styled.content == before
    assert not list(backup.folder(styled.env.get).iterdir())


def test_uninstall_after_an_upgrade_restores_the_same_bytes(styled: Home) -> None:
    before = styled.content
    styled.install(STALE)
    styled.install(COMMAND)
    assert STALE.encode() not in (styled.content or b"")
    styled.uninstall()
    assert styled.content == before


def test_uninstall_keeps_later_changes_of_others(styled: Home) -> None:
    styled.install()
    theirs = styled.value() | {"model": "sonnet"}
    styled.path.write_bytes(dumped(theirs, indent=2))
    styled.uninstall()
    left = styled.value()
    assert left["model"] == "sonnet"
    assert COMMAND not in json.dumps(left)
    assert {key: left[key] for key in left if key != "hooks"} == {
        key: theirs[key] for key in theirs if key != "hooks"
    }


def test_install_follows_the_files_style(tmp_path: Path) -> None:
    home = Home(tmp_path / "h", BOM + b'{\r\n\t"model": "opus"\r\n}')
    home.install()
    text = json.dumps({"model": "opus", "hooks": on_all(group(handler()))}, indent="\t")
    assert home.content == BOM + text.replace("\n", "\r\n").encode()


def test_a_new_file_is_private_and_ends_with_a_newline(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    home.install()
    assert home.content == dumped({"hooks": on_all(group(handler()))}, indent=2) + b"\n"
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o600
    home.uninstall()
    assert not home.path.exists()


REFUSED = {
    "comment": (b'{\n  "model": "opus" // mine\n}', "line 2"),
    "trailing comma": (b'{"model": "opus",\n}', "not valid JSON"),
    "cut short": (b'{"model": "op', "line 1"),
    "not UTF-8": (b'{"model": "\xff"}', "UTF-8"),
    "key twice": (b'{"hooks": {}, "hooks": {"Stop": []}}', 'duplicate key "hooks"'),
    "NaN": (b'{"a": NaN}', "NaN"),
    "list": (b"[]", "not an object"),
    "hooks a list": (b'{"hooks": []}', '"hooks" is not an object'),
    "hooks null": (b'{"hooks": null}', '"hooks" is not an object'),
    "event an object": (b'{"hooks": {"Stop": {"hooks": []}}}', '"Stop" in "hooks" is not a list'),
    "nested too deeply": (b'{"a": ' + b"[" * 99999, "nested too deeply"),
}


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_file_that_cannot_be_changed_safely_stays_as_it_is(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    home = Home(tmp_path / "h", content)
    with pytest.raises(OpenSyncError) as caught:
        home.install()
    message = str(caught.value)
    assert message.startswith(f"{home.path}: ")
    assert reason in message
    assert message.endswith("Nothing was changed.")
    assert caught.value.hint
    assert home.content == content
    assert home.uninstall() is None  # no hook of ours is in it
    state = CLAUDE.state(home.env.get)
    assert not state.works
    assert f"{state.blocker or ''}" in ("", message.removesuffix(". Nothing was changed."))


def test_uninstall_leaves_a_broken_file_with_our_hook_as_it_is(tmp_path: Path) -> None:
    home = Home(tmp_path / "h", b'{"hooks": ' + COMMAND.encode())
    with pytest.raises(OpenSyncError, match="Nothing was changed"):
        home.uninstall()


OUTDATED = {
    "stale": on_all(group(handler(STALE))),
    "stale beside foreign": on_all(group(handler("x"), handler(STALE), handler(FOREIGN))),
    "without a timeout": on_all(group({"type": "command", "command": COMMAND})),
    "of another type": on_all(group(handler(type="prompt"))),
    "doubled in a group": on_all(group(handler(STALE), handler())),
    "doubled in groups": on_all(group(handler(STALE)), group(handler("x")), group(handler())),
    "on an event of an older version": on_all() | {"SessionStart": [group(handler(STALE))]},
    "on one event only": {"Stop": [group(handler())]},
}


@pytest.mark.parametrize("hooks", OUTDATED.values(), ids=OUTDATED.keys())
def test_install_leaves_one_current_hook_per_event(
    tmp_path: Path, hooks: dict[str, object]
) -> None:
    home = Home(tmp_path / "h", dumped({"hooks": hooks, "z": 1}, indent=2))
    home.install()
    installed = home.value()["hooks"]
    assert sorted(installed) == sorted(EVERY_EVENT)
    for groups in installed.values():
        handlers = [entry for group in groups for entry in group["hooks"]]
        ours = [entry for entry in handlers if is_ours(entry["command"], CLAUDE.script)]
        assert ours == [handler()]
    for foreign in ("x", FOREIGN):
        quoted = f'"{foreign}"'
        assert json.dumps(installed).count(quoted) == json.dumps(hooks).count(quoted)
    assert home.install() is None


def test_users_own_timeout_and_matcher_are_kept(tmp_path: Path) -> None:
    mine = on_all(group(handler(timeout=60, statusMessage="syncing"), matcher="*"))
    home = Home(tmp_path / "h", dumped({"hooks": mine}))
    assert home.install() is None


def test_waiting_hook_stays_a_waiting_hook(tmp_path: Path) -> None:
    """The user appends --wait where the machine ends with the agent, as in a container."""
    mine = on_all(group(handler(f"{STALE} --wait", timeout=60)))
    home = Home(tmp_path / "h", dumped({"hooks": mine, "z": 1}))
    home.install()
    waiting = on_all(group(handler(f"{guarded(COMMAND)} --wait", timeout=60)))
    assert home.value() == {"hooks": waiting, "z": 1}
    assert home.install() is None
    home.uninstall()
    assert home.value() == {"z": 1}


def test_uninstall_removes_our_hook_from_a_shared_group(tmp_path: Path) -> None:
    hooks = on_all(group(handler("x"), handler(), matcher="m")) | {"Old": [group(handler(STALE))]}
    home = Home(tmp_path / "h", dumped({"hooks": hooks, "z": 1}, indent=2))
    home.uninstall()
    left = {"hooks": on_all(group(handler("x"), matcher="m")), "z": 1}
    assert home.content == dumped(left, indent=2)


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        (COMMAND, True),
        (STALE, True),
        (f"'/with blank/python3' -I -S '/with blank{PACKAGE}/hooks/claude_code.py'", True),
        (f"python3 {PACKAGE}/hooks/claude_code.py", True),
        ("/usr/bin/python3 -I -S /home/u/src/opensync-hooks/hooks/claude_code.py", True),
        ("C:/e/python.exe -I -S C:/e/site-packages/opensync_hooks/hooks/claude_code.py", True),
        (FOREIGN, False),
        ("/usr/bin/python3 -I -S hooks/claude_code.py", False),
        (f"/usr/bin/node -I -S {PACKAGE}/hooks/claude_code.py", False),
        (f"{COMMAND} --wait", True),
        (f"{COMMAND} --other", False),
        (f"python3 /opt/wrap.py {PACKAGE}/hooks/claude_code.py", False),
        (f"cat {PACKAGE}/hooks/claude_code.py", False),
        (f"{COMMAND}; rm x", False),
        ("python -I -S /x/opensync_hooks/hooks/cursor.py", False),
        ("python -I -S /x/opensync_hooks/tools/claude_code.py", False),
        ("claude-code-sync hook Stop", False),
        ("echo 'open quote", False),
        ("", False),
        (None, False),
        (["python"], False),
    ],
)
def test_our_hook_is_recognised_by_its_command(command: object, ours: bool) -> None:
    assert is_ours(command, "claude_code.py") is ours


def test_existing_clone_of_any_name_is_ours(tmp_path: Path) -> None:
    command = hook_command(Path("/usr/bin/python3"), tmp_path / "x" / "hooks" / "claude_code.py")
    assert not is_ours(command, "claude_code.py")
    (tmp_path / "x" / "opensync_hooks").mkdir(parents=True)
    (tmp_path / "x" / "opensync_hooks" / "__init__.py").touch()
    assert is_ours(command, "claude_code.py")


def test_command_runs_the_script_through_a_shell(tmp_path: Path) -> None:
    script = tmp_path / "it's a $HOME `x` & ünïcödé" / "hook.py"
    script.parent.mkdir()
    script.write_text("print('reached')")
    output = subprocess.check_output(["/bin/sh", "-c", hook_command(Path(sys.executable), script)])
    assert output == b"reached\n"


def test_linked_settings_stay_a_link(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    target = tmp_path / "dotfiles" / "claude.json"
    target.parent.mkdir()
    target.write_bytes(b"{}")
    target.chmod(0o644)
    home.path.symlink_to("../../dotfiles/claude.json")
    home.install()
    assert home.path.is_symlink()
    assert COMMAND in target.read_text()
    assert stat.S_IMODE(target.stat().st_mode) == 0o644
    assert list(target.parent.iterdir()) == [target]
    home.uninstall()
    assert home.path.is_symlink()
    assert target.read_bytes() == b"{}"


def test_file_that_cannot_be_replaced_is_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "h", b"{}")
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if target == home.path:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(target))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OpenSyncError, match=r"settings.json: cannot be written \(Read-only"):
        home.install()
    assert home.content == b"{}"
    assert list(home.path.parent.iterdir()) == [home.path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_an_error_with_its_name(tmp_path: Path) -> None:
    home = Home(tmp_path / "h", b"{}")
    home.path.parent.chmod(0o500)
    with pytest.raises(OpenSyncError, match=r"settings.json: cannot be written \(Permission"):
        home.install()
    home.path.parent.chmod(0o700)
    assert home.content == b"{}"


def test_change_by_others_between_plan_and_apply_is_kept(tmp_path: Path) -> None:
    home = Home(tmp_path / "h", b"{}")
    planned = CLAUDE.plan(home.env.get, COMMAND)
    assert planned
    home.path.write_bytes(b'{"model": "opus"}')
    with pytest.raises(file_change.StaleError, match="Nothing was changed"):
        planned.apply()
    assert home.content == b'{"model": "opus"}'


def test_stale_change_is_planned_again(tmp_path: Path) -> None:
    home = Home(tmp_path / "h", b"{}")
    plans = 0

    def plan() -> file_change.FileChange | None:
        nonlocal plans
        plans += 1
        planned = CLAUDE.plan(home.env.get, COMMAND)
        if plans == 1:
            home.path.write_bytes(b'{"model": "opus"}')
        return planned

    file_change.apply_all(plan)
    assert home.value()["model"] == "opus"
    home.uninstall()
    assert home.content == b'{"model": "opus"}'


def test_file_that_keeps_changing_is_an_error(tmp_path: Path) -> None:
    home = Home(tmp_path / "h", b"{}")
    count = 0

    def plan() -> file_change.FileChange | None:
        nonlocal count
        planned = CLAUDE.plan(home.env.get, COMMAND)
        count += 1
        home.path.write_bytes(b'{"n": %d}' % count)
        return planned

    with pytest.raises(file_change.StaleError):
        file_change.apply_all(plan)
    assert home.content == b'{"n": 3}'


def test_backup_is_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "h", b'{"env": {"TOKEN": "secret"}}')
    home.install()
    copy, record = sorted(backup.folder(home.env.get).iterdir())
    assert copy.read_bytes() == b'{"env": {"TOKEN": "secret"}}'
    assert copy.name.endswith(hashlib.sha256(copy.read_bytes()).hexdigest()[:16])
    assert json.loads(record.read_text())["path"] == str(home.path)
    for path in (copy, record):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b"not json", b'{"written": 1}'])
def test_uninstall_without_a_usable_backup_edits_our_hook_out(
    tmp_path: Path, damage: bytes
) -> None:
    home = Home(tmp_path / "h", b'{"model": "opus"}')
    home.install()
    for path in backup.folder(home.env.get).iterdir():
        path.write_bytes(damage)
    home.uninstall()
    assert home.content == b'{"model": "opus"}'


def test_diff_names_the_file_and_shows_only_the_changes(tmp_path: Path) -> None:
    home = Home(tmp_path / "h", b'{\n  "model": "opus"\n}\n')
    planned = CLAUDE.plan(home.env.get, COMMAND)
    assert planned
    lines = planned.diff().splitlines()
    assert lines[:2] == [f"--- {home.path}", f"+++ {home.path}"]
    assert [line for line in lines[2:] if line.startswith("-")] == ['-  "model": "opus"']
    assert home.content == b'{\n  "model": "opus"\n}\n'


def test_claude_config_dir_moves_the_settings(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "CLAUDE_CONFIG_DIR": str(tmp_path / "elsewhere")}
    assert CLAUDE.settings_path(env.get) == tmp_path / "elsewhere" / "settings.json"
    assert not CLAUDE.is_installed(env.get)
    (tmp_path / "elsewhere").mkdir()
    assert CLAUDE.is_installed(env.get)


def test_state_names_what_keeps_the_hook_from_running(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    assert CLAUDE.state(home.env.get).missing == ("Stop", "SessionEnd")
    home.install()
    assert "Python is gone" in str(CLAUDE.state(home.env.get).blocker)

    script = tmp_path / "opensync_hooks" / "hooks" / "claude_code.py"
    home.install(hook_command(Path(sys.executable), script))
    assert str(CLAUDE.state(home.env.get).blocker) == f"{script}: the hook's script is gone"

    script.parent.mkdir(parents=True)
    script.touch()
    assert CLAUDE.state(home.env.get).works

    home.path.write_bytes(dumped(home.value() | {"disableAllHooks": True}))
    assert "disableAllHooks" in str(CLAUDE.state(home.env.get).blocker)


def test_every_agent_has_a_hook_script() -> None:
    hooks = Path(__file__).parents[3] / "hooks"
    assert all((hooks / agent.registration.script).is_file() for agent in AGENTS)


# Settings files of every shape that Claude Code takes.

COMMANDS = st.sampled_from(["x", FOREIGN, "echo 'a b'", STALE, COMMAND]) | st.text()
HANDLERS = st.fixed_dictionaries(
    {"type": st.just("command"), "command": COMMANDS},
    optional={"timeout": st.integers(1, 60), "async": st.booleans()},
)
GROUPS = st.fixed_dictionaries(
    {"hooks": st.lists(HANDLERS, max_size=3)}, optional={"matcher": st.text()}
)
ODD = st.sampled_from([None, 1, "?", {}, {"hooks": None}, {"hooks": ["?"]}])
EVENTS = st.sampled_from([*EVERY_EVENT, "PreToolUse", "SessionStart"])
HOOKS = st.dictionaries(EVENTS, st.lists(GROUPS | ODD, max_size=3), max_size=4)


@st.composite
def files(draw: st.DrawFn) -> bytes | None:
    if draw(st.integers(0, 9)) == 0:
        return None
    value = {key: member for key, member in draw(OBJECTS).items() if key != "hooks"}
    if draw(st.booleans()):
        value["hooks"] = draw(HOOKS)
    value |= {f"{key}'": member for key, member in draw(OBJECTS).items()}
    text = json.dumps(value, **draw(STYLES)).replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    text += draw(st.sampled_from(["", "\n"]))
    return draw(st.sampled_from([b"", BOM])) + text.encode()


def is_our_handler(entry: object) -> bool:
    return isinstance(entry, dict) and is_ours(entry.get("command"), CLAUDE.script)


def without_ours(content: bytes | None) -> Any:
    """Return the settings without our handlers and empty containers."""
    value = json.loads((content or b"{}").removeprefix(BOM))
    hooks = value.pop("hooks", {})
    for event, groups in hooks.items():
        for group in groups:
            if isinstance(group, dict) and isinstance(group.get("hooks"), list):
                group["hooks"] = [entry for entry in group["hooks"] if not is_our_handler(entry)]
        hooks[event] = [
            group for group in groups if not isinstance(group, dict) or group.get("hooks") != []
        ]
    return list(value.items()), {event: groups for event, groups in hooks.items() if groups}


@settings(deadline=None)  # disks may take their time
@given(files())
def test_any_settings_survive_an_uninstall_without_a_backup(content: bytes | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "h", content)
        home.install()
        backup.forget_all(home.env.get)
        home.uninstall()
        assert CLAUDE.state(home.env.get).events == ()
        assert without_ours(home.content) == without_ours(content)
