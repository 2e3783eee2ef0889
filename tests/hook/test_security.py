"""The hook itself, as a process, where somebody has prepared the ground: silent and harmless."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from opensync_hooks.agents import registry
from opensync_hooks.hook.entry import names_only
from opensync_hooks.queue.events import record_and_parse
from tests.fuzz.mutation import HOSTILE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners, modes and pipes of POSIX")

ROOT = Path(__file__).parents[2]
HOOKS = sorted((ROOT / "hooks").glob("*.py"))
PAYLOAD = json.dumps({"session_id": "no-such-session", "hook_event_name": "Stop"}).encode()
NOBODY = 65534


def fire(hook: Path, payload: bytes = PAYLOAD) -> None:
    """Ends within the second that a hook may take, and some more for a busy machine."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(hook)], input=payload, capture_output=True, check=False,
        timeout=30, umask=0,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout in (b"", b"{}\n")
    assert done.stderr == b""


def say(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "opensync_hooks", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
    return done.returncode, done.stderr.decode()


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return tmp_path / "ours"


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.stem)
def test_everything_that_a_hook_leaves_is_private_under_umask_0(hook: Path, ours: Path) -> None:
    fire(hook)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [ours, *ours.rglob("*")]}
    assert len(modes) > 2
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}


def _foreign(ours: Path) -> None:
    (ours / "spool").mkdir(parents=True)
    for folder in (ours, ours / "spool"):
        os.chown(folder, NOBODY, -1)
        folder.chmod(0o777)


def _file(ours: Path) -> None:
    ours.mkdir()
    (ours / "spool").write_text("mine")


def _pipe(ours: Path) -> None:
    ours.mkdir()
    os.mkfifo(ours / "spool")


def _link(ours: Path) -> None:
    ours.symlink_to("/proc/self")


@pytest.mark.parametrize("prepare", [_foreign, _file, _pipe, _link], ids=lambda one: one.__name__)
def test_place_that_is_not_ours_is_left_alone_and_named(
    ours: Path, prepare: Callable[[Path], None]
) -> None:
    if prepare is _foreign and os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    prepare(ours)
    before = [(path, path.lstat().st_mode) for path in sorted(ours.parent.rglob("ours/*"))]
    for hook in HOOKS:
        fire(hook)
    after = [(path, path.lstat().st_mode) for path in sorted(ours.parent.rglob("ours/*"))]
    if prepare is not _link:  # what lies in /proc changes by itself
        assert after == before
    code, said = say("sync")
    assert code in (1, 4, 6)
    assert "Traceback" not in said
    assert str(ours) in said
    if prepare is _foreign:
        assert (code, said.count("belongs to another user (uid 65534)")) == (4, 1)


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"session_id": "' + b"A" * 2_000_000 + b'"}',
        b"\x00" * 100_000,
        b"\xff\xfe{}",
        b'{"session_id": "' + b'\\"session_id": "' * 20_000,
        b'"session_id": "' * 20_000,
    ],
    ids=["deep list", "deep object", "long id", "zeros", "utf-16", "nested quotes", "open quotes"],
)
def test_payload_of_any_shape_is_dealt_with(payload: bytes) -> None:
    for agent in registry.NAMES:
        for given in (payload, names_only(payload)):
            registry.parse_event(agent, os.environ, given)


@pytest.mark.parametrize("value", [value for value in HOSTILE if not isinstance(value, float)])
def test_value_of_any_kind_in_any_field_is_dealt_with(value: object) -> None:
    fields = ("session_id", "conversation_id", "transcript_path", "hook_event_name", "reason")
    more = ("last_assistant_message", "workspace_roots", "generation_id", "cwd", "private", "model")
    for name in (*fields, *more, "cursor_version", "input_tokens"):
        payload = json.dumps({"session_id": "abc", "hook_event_name": "Stop", name: value}).encode()
        for agent in registry.NAMES:
            registry.parse_event(agent, os.environ, payload)


@pytest.mark.parametrize("rest", [b"", b', "cwd": "C:\\Us', b', "x": [', b"\n"])
def test_torn_payload_with_a_path_of_windows_keeps_its_session(rest: bytes) -> None:
    payload = b'{"transcript_path": "C:\\Users\\me", "session_id": "abc"' + rest
    found = registry.parse_event("claude-code", os.environ, payload)
    assert found
    assert (found.trigger.session_id, found.trigger.path) == ("abc", "C:\\Users\\me")


def test_private_session_stays_private_when_its_event_cannot_be_parsed() -> None:
    event = names_only(b'{"session_id": "a\\"b", "conversation_id": "c"}')
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(event)
    assert registry.parse_event("cursor", os.environ, event)
    assert record_and_parse("cursor", os.environ, event) is None
