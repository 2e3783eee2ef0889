"""Our hooks are added to and removed from Cursor's hooks.json so that Cursor accepts the file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opensync_hooks.agents.cursor.registration import EVENTS, CursorRegistration, refusal_reason
from opensync_hooks.agents.settings_files import backup
from opensync_hooks.agents.settings_files.hook_command import guarded, hook_command, is_ours
from opensync_hooks.errors import OpenSyncError
from tests.agents.settings_files.test_json_edit import STYLES
from tests.hooks_home import BOM, ENVIRONMENT, PACKAGE, HooksHome

CURSOR = CursorRegistration()
COMMAND = f"{ENVIRONMENT}/bin/python -I -S {PACKAGE}/hooks/cursor.py"
STALE = "/gone/python3.11 -I -S /gone/site-packages/opensync_hooks/hooks/cursor.py"

AT_STOP = {"command": guarded(COMMAND), "timeout": 10, "loop_limit": None}
AT_OTHERS = {"command": guarded(COMMAND), "timeout": 10}
OURS = {"stop": [AT_STOP], "sessionEnd": [AT_OTHERS], "beforeSubmitPrompt": [AT_OTHERS]}
OTHER = {"command": "./other.sh", "matcher": "x", "note": "mine"}


class Home(HooksHome):
    agent = CURSOR
    settings_file = ".cursor/hooks.json"
    command = COMMAND

    def hooks(self) -> Any:
        return self.value()["hooks"]


def test_far_end_of_remote_windows_also_hears_answers(tmp_path: Path) -> None:
    """Its transcripts are the only copy, and hold thoughts and answers in one text."""
    home = Home(tmp_path)
    home.install()
    assert home.hooks() == OURS
    (tmp_path / ".cursor-server").mkdir()
    assert CURSOR.state(home.env.get).missing == ("afterAgentResponse",)
    home.install()
    assert home.hooks() == {**OURS, "afterAgentResponse": [AT_OTHERS]}
    (tmp_path / ".cursor-server").rmdir()
    home.install()
    assert home.hooks() == OURS


def dumped(hooks: object, version: object = 1, **style: Any) -> bytes:
    return json.dumps({"version": version, "hooks": hooks}, **style).encode()


def loads(content: bytes) -> bool:
    """Return whether Cursor accepts the file: its loader's rules, written a second time."""
    if content.startswith(BOM):
        return False
    text = re.sub(r"//.*$", "", re.sub(r"/\*[\s\S]*?\*/", "", content.decode()), flags=re.MULTILINE)
    if not text.strip():
        return True
    try:
        value = json.loads(text)
        version = value["version"]
        hooks = [hook for entries in value["hooks"].values() for hook in entries]
        has_commands = all(hook["command"] + hook.get("type", "command") for hook in hooks)
        has_timeouts = all(hook.get("timeout", 1) > 0 for hook in hooks)
        has_types = all(hook.get("type", "command") in ("command", "prompt") for hook in hooks)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    is_sound = has_commands and has_timeouts and has_types
    return type(version) is int and version > 0 and set(value["hooks"]) <= EVENTS and is_sound


STYLED = {
    "missing": None,
    "empty file": b"",
    "empty object": b"{}",
    "empty object over lines": b"{\n}\n",
    "version alone": b'{"version": 1}',
    "no hooks yet": dumped({}, indent=2) + b"\n",
    "foreign hooks": dumped({"stop": [OTHER], "beforeShellExecution": [OTHER]}, indent=2),
    "foreign keys": b'{"$schema": "x", "version": 1, "hooks": {"preToolUse": []}, "id": [1.50]}\n',
    "four blanks": dumped({"sessionEnd": [OTHER]}, indent=4),
    "tabs and CRLF": dumped({"stop": [OTHER]}, indent="\t").replace(b"\n", b"\r\n"),
    "tight": json.dumps({"version": 2, "hooks": {"stop": [OTHER]}}, separators=(",", ":")).encode(),
}


@pytest.fixture(params=list(STYLED.values()), ids=list(STYLED))
def styled(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    return Home(tmp_path / "h", request.param)


def test_install_registers_every_event_and_cursor_takes_the_file(styled: Home) -> None:
    before = json.loads(styled.content or b"{}").get("hooks", {})
    styled.install()
    assert CURSOR.state(styled.env.get).events == ("stop", "sessionEnd")
    assert loads(styled.content or b"")
    for event, entries in (before | OURS).items():
        assert styled.hooks()[event] == [*before.get(event, []), *OURS.get(event, [])], entries


def test_install_twice_is_install_once(styled: Home) -> None:
    styled.install()
    once = styled.content
    assert styled.install() is None
    assert styled.content == once


def test_uninstall_restores_the_same_bytes(styled: Home) -> None:
    before = styled.content
    styled.install(STALE)
    styled.install()
    assert styled.content != before
    styled.uninstall()
    assert styled.content == before
    assert not list(backup.folder(styled.env.get).iterdir())


def test_uninstall_keeps_later_changes_of_others(styled: Home) -> None:
    styled.install()
    theirs = json.loads(styled.content or b"")
    theirs["hooks"].setdefault("sessionEnd", []).append(OTHER)
    styled.path.write_bytes(json.dumps(theirs, indent=2).encode())
    styled.uninstall()
    assert COMMAND.encode() not in (styled.content or b"")
    assert styled.hooks()["sessionEnd"][-1] == OTHER
    assert loads(styled.content or b"")


def test_file_without_remaining_hooks_is_still_valid(tmp_path: Path) -> None:
    home = Home(tmp_path / "h", dumped(OURS, indent=2))
    home.uninstall()
    assert home.hooks() == {}
    assert loads(home.content or b"")


def test_new_file_is_created_complete_and_removed_again(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    home.install()
    assert home.content == dumped(OURS, indent=2) + b"\n"
    home.uninstall()
    assert not home.path.exists()


REFUSED = {
    "no version": (b'{"hooks": {"stop": [%s]}}', '"version"'),
    "version of text": (b'{"version": "1", "hooks": {"stop": [%s]}}', '"version"'),
    "version of nought": (b'{"version": 0, "hooks": {"stop": [%s]}}', '"version"'),
    "version of true": (b'{"version": true, "hooks": {"stop": [%s]}}', '"version"'),
    "event of another agent": (b'{"version": 1, "hooks": {"Stop": [%s]}}', '"Stop"'),
    "event of tomorrow": (b'{"version": 1, "hooks": {"stop": [%s], "new": []}}', '"new"'),
    "group as of Claude Code": (
        b'{"version": 1, "hooks": {"stop": [%s, {"hooks": []}]}}',
        "command",
    ),
    "bare text": (b'{"version": 1, "hooks": {"stop": [%s, "x"]}}', "not an object"),
    "timeout of text": (
        b'{"version": 1, "hooks": {"stop": [%s, {"command": "x", "timeout": "5"}]}}',
        "timeout",
    ),
    "empty type": (
        b'{"version": 1, "hooks": {"stop": [%s, {"command": "x", "type": ""}]}}',
        "type",
    ),
    "address in a command": (
        b'{"version": 1, "hooks": {"stop": [%s, {"command": "curl http://x"}]}}',
        "comments",
    ),
    "byte order mark": (BOM + b'{"version": 1, "hooks": {"stop": [%s]}}', "byte order mark"),
}


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_file_that_cursor_refuses_is_not_repaired(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    """Repairing the file would start foreign hooks, and ours would not run in it."""
    content = content.replace(b"%s", json.dumps(OTHER).encode())
    assert not loads(content)
    home = Home(tmp_path / "h", content)
    with pytest.raises(
        OpenSyncError, match=r"runs none of the hooks .* Nothing was changed"
    ) as caught:
        home.install()
    assert reason in str(caught.value)
    assert caught.value.hint
    assert home.content == content
    assert reason in str(CURSOR.state(home.env.get).blocker)
    assert home.uninstall() is None


@pytest.mark.parametrize("version", [None, "1", 0, -1, 1.5, True])
def test_missing_version_is_added_to_a_file_of_ours_alone(tmp_path: Path, version: object) -> None:
    home = Home(tmp_path / "h", dumped({"stop": [{"command": STALE}]}, version))
    home.install()
    assert json.loads(home.content or b"") == {"version": 1, "hooks": OURS}


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b'{"version": 1,}',
        b"[]",
        b'{"version": 1, "hooks": {} // mine\n}',
        b'{"hooks": []}',
        b"\xff",
    ],
)
def test_unreadable_file_is_left_alone(tmp_path: Path, content: bytes) -> None:
    home = Home(tmp_path / "h", content)
    with pytest.raises(OpenSyncError, match="Nothing was changed") as caught:
        home.install()
    assert str(caught.value).startswith(f"{home.path}: ")
    assert home.content == content
    assert not CURSOR.state(home.env.get).works


@pytest.mark.parametrize("folder", ["/a//b", "/a/*b*/c"])
def test_command_that_the_loader_would_cut_is_never_written(tmp_path: Path, folder: str) -> None:
    home = Home(tmp_path / "h")
    with pytest.raises(OpenSyncError, match="would refuse it"):
        home.install(f"{folder}/python -I -S {PACKAGE}/hooks/cursor.py")
    assert home.content is None


def test_foreign_command_that_the_loader_cuts_is_ignored(tmp_path: Path) -> None:
    foreign = {"command": "ls /work/*.py /work/*/x"}
    home = Home(tmp_path / "h", dumped({"stop": [foreign]}))
    home.install()
    assert home.hooks()["stop"] == [foreign, AT_STOP]


STALE_HOOKS: dict[str, dict[str, list[object]]] = {
    "stale": {"stop": [{"command": STALE}], "sessionEnd": [{"command": STALE}]},
    "without loop_limit": {"stop": [{"command": COMMAND, "timeout": 10}]},
    "with a loop_limit": {"stop": [AT_STOP | {"loop_limit": 5}]},
    "with a matcher": {"stop": [AT_STOP | {"matcher": "x"}]},
    "without a timeout": {"stop": [{"command": COMMAND, "loop_limit": None}]},
    "of another type": {"stop": [AT_STOP | {"type": "prompt"}]},
    "doubled": {"stop": [AT_STOP, OTHER, {"command": STALE}]},
    "on an event of an older version": {"sessionStart": [{"command": STALE}]},
}


@pytest.mark.parametrize("hooks", STALE_HOOKS.values(), ids=STALE_HOOKS.keys())
def test_each_event_ends_with_one_current_hook_of_ours(
    tmp_path: Path, hooks: dict[str, list[object]]
) -> None:
    home = Home(tmp_path / "h", dumped(hooks, indent=2))
    home.install()
    assert sorted(home.hooks()) == sorted(OURS)
    for event, entries in home.hooks().items():
        ours = [hook for hook in entries if is_ours(hook["command"], CURSOR.script)]
        assert ours == OURS[event]
    assert json.dumps(home.hooks()).count("./other.sh") == json.dumps(hooks).count("./other.sh")
    assert home.install() is None


def test_timeout_and_extra_keys_of_the_user_are_kept(tmp_path: Path) -> None:
    mine = {
        "stop": [AT_STOP | {"timeout": 60, "id": "x"}],
        "sessionEnd": [AT_OTHERS | {"type": "command"}],
        "beforeSubmitPrompt": [AT_OTHERS],
    }
    home = Home(tmp_path / "h", dumped(mine))
    assert home.install() is None


def test_claude_codes_hook_does_not_count_as_cursors(tmp_path: Path) -> None:
    theirs = {"command": COMMAND.replace("cursor.py", "claude_code.py")}
    home = Home(tmp_path / "h", dumped({"stop": [theirs]}))
    home.install()
    home.uninstall()
    assert home.content == dumped({"stop": [theirs]})


def test_command_receives_its_input_as_cursor_calls_it(tmp_path: Path) -> None:
    """Cursor passes the payload in a here-document, so the command must be a single one."""
    script = tmp_path / "it's a $HOME & ünïcödé" / "hook.py"
    script.parent.mkdir()
    script.write_text("import sys; print(sys.stdin.read())")
    command = hook_command(Path(sys.executable), script)
    line = f"{command} <<'CURSOR_HOOK_EOF'\n{{}}\nCURSOR_HOOK_EOF"
    assert subprocess.check_output(["/bin/sh", "-c", line]) == b"{}\n\n"
    assert refusal_reason(dumped({"stop": [{"command": command}]})) == ""


def test_cursor_is_present_if_its_folder_exists(tmp_path: Path) -> None:
    assert not CURSOR.is_installed({"HOME": str(tmp_path)}.get)
    assert CURSOR.is_installed(Home(tmp_path / "h").env.get)


KEYS = st.sampled_from(["command", "timeout", "matcher", "loop_limit", "type", "note"])
ENTRIES = st.dictionaries(KEYS, st.sampled_from(["x", "/a b", 5, 0, None, "command"]), max_size=3)
HOOKS = st.dictionaries(
    st.sampled_from(["stop", "sessionEnd", "beforeSubmitPrompt", "preToolUse", "Stop", "extra"]),
    st.lists(ENTRIES.map(lambda entry: {"command": "x"} | entry), max_size=3),
    max_size=4,
)


@settings(deadline=None, max_examples=300)
@given(hooks=HOOKS, version=st.sampled_from([1, 1, 1, 2, 0, "1"]), style=STYLES, more=st.booleans())
def test_any_file_is_restored_to_the_byte_or_never_touched(
    tmp_path_factory: pytest.TempPathFactory,
    hooks: dict[str, object],
    version: object,
    style: dict[str, Any],
    more: bool,
) -> None:
    value = {"version": version, "hooks": hooks} | ({"$schema": "y"} if more else {})
    content = json.dumps(value, **style).encode()
    home = Home(tmp_path_factory.mktemp("any") / "h", content)
    try:
        home.install()
    except OpenSyncError:
        assert refusal_reason(content)
        assert home.content == content
        return
    assert refusal_reason(home.content or b"") == ""
    assert home.install() is None
    home.uninstall()
    assert home.content == content
