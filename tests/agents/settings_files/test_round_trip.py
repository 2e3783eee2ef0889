"""Uninstall restores settings files of every shape byte for byte.

Each test draws 300 examples; OPENSYNC_TEST_EXAMPLES=20000 is the long run.
"""

from __future__ import annotations

import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.cursor.registration import CursorRegistration, refusal_reason
from opensync_hooks.agents.opencode import plugin_list
from opensync_hooks.agents.opencode.registration import OpenCodeRegistration
from opensync_hooks.agents.settings_files import backup, file_change, jsonc_edit
from opensync_hooks.agents.settings_files.hook_command import is_ours
from opensync_hooks.agents.settings_files.hooks_json import HooksFile
from opensync_hooks.agents.settings_files.registration import Registration
from opensync_hooks.errors import OpenSyncError
from tests.agents.claude_code.test_registration import files as claude_files
from tests.agents.cursor.test_registration import HOOKS as CURSOR_HOOKS
from tests.agents.settings_files.test_json_edit import OBJECTS, STYLES

EXAMPLES = int(os.environ.get("OPENSYNC_TEST_EXAMPLES", "300"))
many = settings(
    deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow]
)  # disks may be slow
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Every write is synced to the disk, which would take minutes for thousands of files."""
BOM = b"\xef\xbb\xbf"
OLD = "npm-sync-plugin"
SITE = "site-packages/opensync_hooks/hooks"


def command(agent: Registration, version: str) -> str:
    return f"/env-{version}/bin/python -I -S /env-{version}/lib/{SITE}/{agent.script}"


class SettingsHome:
    def __init__(self, folder: Path, agent: Registration, content: bytes | None, kind: str) -> None:
        self.agent = agent
        self.env = {"HOME": str(folder), "OPENSYNC_HOOKS_HOME": str(folder / "ours")}
        self.path = agent.settings_path(self.env.get)
        dotfiles = folder / "dotfiles"
        dotfiles.mkdir()
        if kind == "linked folder":
            self.path.parent.parent.mkdir(parents=True, exist_ok=True)
            self.path.parent.symlink_to(dotfiles)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "linked file" and content is not None:
            self.path.symlink_to(dotfiles / "theirs")
        if content is not None:
            self.path.write_bytes(content)
            self.path.chmod(0o640)

    @property
    def content(self) -> bytes | None:
        return self.path.read_bytes() if self.path.exists() else None

    def install(self, version: str = "2") -> list[file_change.FileChange]:
        hook = command(self.agent, version)
        return file_change.apply_all(lambda: self.agent.plan(self.env.get, hook))

    def uninstall(self) -> None:
        file_change.apply_all(lambda: self.agent.plan_removal(self.env.get))

    def write_as_another_program(self) -> None:
        theirs = json.loads((self.content or b"").removeprefix(BOM)) | {"note": "theirs"}
        self.path.write_text(json.dumps(theirs, indent=3))

    def tree(self) -> dict[str, tuple[int, bytes | str]]:
        """Return every file and link of the user, with its mode."""
        tree: dict[str, tuple[int, bytes | str]] = {}
        for path in sorted(self.path.parents[1].rglob("*")):
            if "ours" not in path.parts and not path.is_dir():
                is_link = path.is_symlink()
                content: bytes | str = str(path.readlink()) if is_link else path.read_bytes()
                mode = 0 if is_link else stat.S_IMODE(path.stat().st_mode)
                tree[str(path)] = (mode, content)
        return tree

    def without_ours(self) -> Any:
        """Return the settings without our handlers and the containers that had only them."""
        text = (self.content or b"").removeprefix(BOM).decode()
        value = json.loads(text if text.strip() else getattr(self.agent, "empty_text", "{}"))
        value.pop("version", None)  # we repair Cursor's where that starts no foreign hook
        hooks = value.pop("hooks", {})
        foreign = {event: list(self._foreign(entries)) for event, entries in hooks.items()}
        return value, {event: entries for event, entries in foreign.items() if entries}

    def _foreign(self, entries: list[Any]) -> Iterator[Any]:
        for entry in entries:
            if isinstance(entry, dict) and isinstance(entry.get("hooks"), list):
                handlers = [handler for handler in entry["hooks"] if not self._is_ours(handler)]
                yield from [{**entry, "hooks": handlers}] if handlers else []
            elif not self._is_ours(entry):
                yield entry

    def _is_ours(self, handler: Any) -> bool:
        return isinstance(handler, dict) and is_ours(handler.get("command"), self.agent.script)


@contextmanager
def settings_home(agent: Registration, content: bytes | None, kind: str) -> Iterator[SettingsHome]:
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        yield SettingsHome(Path(folder), agent, content, kind)


@st.composite
def cursor_files(draw: st.DrawFn) -> bytes | None:
    if draw(st.integers(0, 9)) == 0:
        return None
    hooks = draw(CURSOR_HOOKS)
    if draw(st.booleans()):
        hooks["stop"] = [{"command": command(CursorRegistration(), "0")}, {"command": "./mine.sh"}]
    head = {"version": draw(st.sampled_from([1, 1, 1, 2, 0, "1"]))}
    is_reordered = draw(st.booleans())
    schema = {"hooks": hooks, **head, "$schema": "y"}
    value = schema if is_reordered else {**head, "hooks": hooks}
    text = json.dumps(value, **draw(STYLES)).replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return draw(st.sampled_from([b"", b"", b"", BOM])) + text.encode()


KINDS = st.sampled_from(["plain", "plain", "linked file", "linked folder"])
OLDER = st.booleans()
REWRITTEN = st.sampled_from(["", "", "between", "after"])
"""When another program rewrites the file: between two versions of ours, or after them."""


def check_round_trip(
    agent: HooksFile, content: bytes | None, kind: str, *, older: bool, rewritten: str
) -> None:
    with settings_home(agent, content, kind) as home:
        before, ours_before = home.tree(), b"opensync_hooks" in (content or b"")
        rest = without = None
        try:
            if older:
                home.install("1")
                if rewritten == "between":
                    home.write_as_another_program()
            rest = home.without_ours()
            home.install()
        except OpenSyncError:
            assert home.tree() == before
            return
        once = home.tree()
        assert home.install() == []
        assert home.tree() == once
        check_accepted(agent, home)
        assert home.without_ours() == rest
        if rewritten == "after":
            home.write_as_another_program()
            without = home.without_ours()
        home.uninstall()
        assert agent.state(home.env.get).events == ()
        if rewritten == "after" or (rewritten and older) or ours_before:
            assert home.without_ours() == (without or rest)
        else:
            assert home.tree() == before
            assert not list(backup.folder(home.env.get).iterdir())


def check_accepted(agent: HooksFile, home: SettingsHome) -> None:
    content = home.content or b""
    state = agent.state(home.env.get)
    assert (state.missing, state.events) == ((), agent.events)
    if isinstance(agent, CursorRegistration):
        assert refusal_reason(content) == ""
    else:
        json.loads(content.removeprefix(BOM))


@many
@given(claude_files(), KINDS, OLDER, REWRITTEN)
def test_claude_codes_settings_are_restored_byte_for_byte(
    content: bytes | None, kind: str, older: bool, rewritten: str
) -> None:
    check_round_trip(ClaudeCodeRegistration(), content, kind, older=older, rewritten=rewritten)


@many
@given(cursor_files(), KINDS, OLDER, REWRITTEN)
def test_cursors_hooks_are_restored_byte_for_byte(
    content: bytes | None, kind: str, older: bool, rewritten: str
) -> None:
    check_round_trip(CursorRegistration(), content, kind, older=older, rewritten=rewritten)


NAMES = st.sampled_from(["a.js", "b.ts", "opensync.js", "opensync-hooks.ts", "c.txt"])


@many
@given(st.dictionaries(NAMES, st.binary(max_size=40)), st.binary(max_size=60), KINDS, OLDER)
def test_opencodes_folder_is_restored_byte_for_byte(
    plugins: dict[str, bytes], config: bytes, kind: str, older: bool
) -> None:
    """Our plugin is a file of its own, so files of others are not even opened."""
    with settings_home(OpenCodeRegistration(), None, kind) as home:
        for name, content in plugins.items():
            (home.path.parent / name).write_bytes(content)
        (home.path.parents[1] / "opencode.jsonc").write_bytes(config)
        before = home.tree()
        if older:
            home.install("1")
        home.install()
        once = home.tree()
        assert home.install() == []
        assert home.tree() == once
        added = {Path(name) for name in set(once) - set(before)} - {home.path}
        package = home.path.parents[1]  # a placeholder for what OpenCode would fetch at its start
        placeholder = {package / "package-lock.json"} | {
            package / "node_modules/@opencode-ai/plugin" / name
            for name in ("package.json", "index.js")
        }
        assert added in (set(), placeholder) or kind == "linked folder"
        home.uninstall()
        assert home.tree() == before


# OpenCode's own settings, from which a migration removes one entry: with comments in all places,
# trailing commas, and every kind of line end.

BLANKS = st.sampled_from(
    ["", "", " ", "\n", "\n    ", "\t", ' // why, [not] "x"\n', " /* a, b */ "]
)
ENTRIES = st.sampled_from(
    [f'"{OLD}"', f'"{OLD}@1.2.3"', f'["{OLD}", {{"a": [1, 2]}}]', '"mine"', '"./x//y.js"', '"a,b]"']
)


@st.composite
def opencode_files(draw: st.DrawFn) -> str:
    entries: list[str] = draw(st.lists(ENTRIES, max_size=5))
    inner = ",".join(draw(BLANKS) + entry + draw(BLANKS) for entry in entries)
    trailing: bool = draw(st.booleans())
    inner += "," + draw(BLANKS) if entries and trailing else ""
    others = {key: value for key, value in draw(OBJECTS).items() if key != "plugin"}
    rest = json.dumps(others, **draw(STYLES))[1:-1].strip()
    tail = ("," + draw(BLANKS) + rest if rest else "") + draw(
        st.sampled_from(["", ",", ", // z\n"])
    )
    text = f'{{{draw(BLANKS)}"plugin":{draw(BLANKS)}[{inner}]{tail}}}{draw(BLANKS)}'
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def is_old(entry: Any) -> bool:
    name = entry[0] if isinstance(entry, list) else entry
    return bool(name.split("@")[0] == OLD)


def bare(text: str) -> str:
    """Return a text without the entries, and without spaces and commas, which go with them."""
    return re.sub(
        r"[\s,]", "", re.sub(rf'\["{OLD}", {{"a": \[1, 2\]}}\]|"{OLD}(@1.2.3)?"', "", text)
    )


@many
@given(opencode_files(), st.sampled_from(["", "\ufeff"]))
def test_migration_removes_one_entry_of_opencodes_settings_and_nothing_else(
    text: str, mark: str
) -> None:
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        path = Path(folder, "opencode.jsonc")
        path.write_bytes((mark + text).encode("utf-8", "surrogatepass"))
        before = jsonc_edit.parse(text)
        planned = plugin_list.plan_without(path, OLD)
        if not any(is_old(entry) for entry in before["plugin"]):
            assert planned is None
            return
        assert planned
        planned.apply()
        after = path.read_bytes().decode("utf-8").removeprefix("\ufeff")
        left = [entry for entry in before["plugin"] if not is_old(entry)]
        assert jsonc_edit.parse(after) == before | {"plugin": left}
        assert bare(after) == bare(text)
        assert plugin_list.plan_without(path, OLD) is None
