"""Settings files of every shape come back to the byte: 300 a kind, or as many as are asked for.

OPENSYNC_TEST_EXAMPLES=20000 is the long form.
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
)  # disks may take their time
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Every file is settled on the disk when it is written: thousands of times, that takes minutes."""
BOM = b"\xef\xbb\xbf"
OLD = "npm-sync-plugin"
SITE = "site-packages/opensync_hooks/hooks"


def command(agent: Registration, version: str) -> str:
    return f"/env-{version}/bin/python -I -S /env-{version}/lib/{SITE}/{agent.script}"


class Home:
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
        wanted = command(self.agent, version)
        return file_change.apply_all(lambda: self.agent.plan(self.env.get, wanted))

    def uninstall(self) -> None:
        file_change.apply_all(lambda: self.agent.plan_removal(self.env.get))

    def meddle(self) -> None:
        theirs = json.loads((self.content or b"").removeprefix(BOM)) | {"note": "theirs"}
        self.path.write_text(json.dumps(theirs, indent=3))

    def tree(self) -> dict[str, tuple[int, bytes | str]]:
        """Every file and link of the user's, with its mode."""
        found: dict[str, tuple[int, bytes | str]] = {}
        for path in sorted(self.path.parents[1].rglob("*")):
            if "ours" not in path.parts and not path.is_dir():
                is_link = path.is_symlink()
                held: bytes | str = str(path.readlink()) if is_link else path.read_bytes()
                found[str(path)] = (0 if is_link else stat.S_IMODE(path.stat().st_mode), held)
        return found

    def without_ours(self) -> Any:
        """What is in the file besides our handlers and what only they kept from being empty."""
        text = (self.content or b"").removeprefix(BOM).decode()
        value = json.loads(text if text.strip() else getattr(self.agent, "empty_text", "{}"))
        value.pop("version", None)  # Cursor's: mended where no hook of others would be woken
        hooks = value.pop("hooks", {})
        left = {event: list(map(self._stripped, entries)) for event, entries in hooks.items()}
        kept = {
            event: [one for one in entries if one is not None] for event, entries in left.items()
        }
        return value, {event: entries for event, entries in kept.items() if entries}

    def _stripped(self, entry: Any) -> Any:
        if isinstance(entry, dict) and isinstance(entry.get("hooks"), list):
            handlers = [one for one in entry["hooks"] if not self._is_ours(one)]
            return {**entry, "hooks": handlers} if handlers else None
        return None if self._is_ours(entry) else entry

    def _is_ours(self, one: Any) -> bool:
        return isinstance(one, dict) and is_ours(one.get("command"), self.agent.script)


@contextmanager
def home(agent: Registration, content: bytes | None, kind: str) -> Iterator[Home]:
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        yield Home(Path(folder), agent, content, kind)


@st.composite
def cursor_files(draw: st.DrawFn) -> bytes | None:
    if draw(st.integers(0, 9)) == 0:
        return None
    hooks = draw(CURSOR_HOOKS)
    if draw(st.booleans()):
        hooks["stop"] = [{"command": command(CursorRegistration(), "0")}, {"command": "./mine.sh"}]
    head = {"version": draw(st.sampled_from([1, 1, 1, 2, 0, "1"]))}
    odd = draw(st.booleans())
    value = {"hooks": hooks, **head, "$schema": "y"} if odd else {**head, "hooks": hooks}
    text = json.dumps(value, **draw(STYLES)).replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return draw(st.sampled_from([b"", b"", b"", BOM])) + text.encode()


KINDS = st.sampled_from(["plain", "plain", "linked file", "linked folder"])
OLDER = st.booleans()
MEDDLED = st.sampled_from(["", "", "between", "after"])
"""When another program writes the file anew: between our two versions, or after them."""


def holds(agent: HooksFile, content: bytes | None, kind: str, *, older: bool, meddled: str) -> None:
    with home(agent, content, kind) as there:
        before, ours_before = there.tree(), b"opensync_hooks" in (content or b"")
        rest = without = None
        try:
            if older:
                there.install("1")
                if meddled == "between":
                    there.meddle()
            rest = there.without_ours()
            there.install()
        except OpenSyncError:
            assert there.tree() == before
            return
        once = there.tree()
        assert there.install() == []
        assert there.tree() == once
        accepted(agent, there)
        assert there.without_ours() == rest
        if meddled == "after":
            there.meddle()
            without = there.without_ours()
        there.uninstall()
        assert agent.state(there.env.get).events == ()
        if meddled == "after" or (meddled and older) or ours_before:
            assert there.without_ours() == (without or rest)
        else:
            assert there.tree() == before
            assert not list(backup.folder(there.env.get).iterdir())


def accepted(agent: HooksFile, there: Home) -> None:
    content = there.content or b""
    state = agent.state(there.env.get)
    assert (state.missing, state.events) == ((), agent.events)
    if isinstance(agent, CursorRegistration):
        assert refusal_reason(content) == ""
    else:
        json.loads(content.removeprefix(BOM))


@many
@given(claude_files(), KINDS, OLDER, MEDDLED)
def test_claude_codes_settings_come_back_to_the_byte(
    content: bytes | None, kind: str, older: bool, meddled: str
) -> None:
    holds(ClaudeCodeRegistration(), content, kind, older=older, meddled=meddled)


@many
@given(cursor_files(), KINDS, OLDER, MEDDLED)
def test_cursors_hooks_come_back_to_the_byte(
    content: bytes | None, kind: str, older: bool, meddled: str
) -> None:
    holds(CursorRegistration(), content, kind, older=older, meddled=meddled)


NAMES = st.sampled_from(["a.js", "b.ts", "opensync.js", "opensync-hooks.ts", "c.txt"])


@many
@given(st.dictionaries(NAMES, st.binary(max_size=40)), st.binary(max_size=60), KINDS, OLDER)
def test_opencodes_folder_comes_back_to_the_byte(
    plugins: dict[str, bytes], config: bytes, kind: str, older: bool
) -> None:
    """Our plugin is a file of its own, so all that others put there is not even opened."""
    with home(OpenCodeRegistration(), None, kind) as there:
        for name, content in plugins.items():
            (there.path.parent / name).write_bytes(content)
        (there.path.parents[1] / "opencode.jsonc").write_bytes(config)
        before = there.tree()
        if older:
            there.install("1")
        there.install()
        once = there.tree()
        assert there.install() == []
        assert there.tree() == once
        assert set(once) - set(before) == {str(there.path)} or kind == "linked folder"
        there.uninstall()
        assert there.tree() == before


# OpenCode's own settings, of which the change over takes one entry: with comments wherever one may
# stand, trailing commas, and every kind of line end.

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
    others = {key: one for key, one in draw(OBJECTS).items() if key != "plugin"}
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
    """What is left of a text but for blanks and commas, which an entry takes with it."""
    return re.sub(
        r"[\s,]", "", re.sub(rf'\["{OLD}", {{"a": \[1, 2\]}}\]|"{OLD}(@1.2.3)?"', "", text)
    )


@many
@given(opencode_files(), st.sampled_from(["", "\ufeff"]))
def test_one_entry_of_opencodes_settings_goes_and_nothing_else(text: str, mark: str) -> None:
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        path = Path(folder, "opencode.jsonc")
        path.write_bytes((mark + text).encode("utf-8", "surrogatepass"))
        before = jsonc_edit.parse(text)
        planned = plugin_list.without(path, OLD)
        if not any(is_old(entry) for entry in before["plugin"]):
            assert planned is None
            return
        assert planned
        planned.apply()
        after = path.read_bytes().decode("utf-8").removeprefix("\ufeff")
        left = [entry for entry in before["plugin"] if not is_old(entry)]
        assert jsonc_edit.parse(after) == before | {"plugin": left}
        assert bare(after) == bare(text)
        assert plugin_list.without(path, OLD) is None
