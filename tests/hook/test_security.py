"""Hook calls as processes in a hostile environment: they stay silent and harmless."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensync_hooks.agents import registry
from opensync_hooks.hook.entry import ids_only, without_prompt
from opensync_hooks.queue.events import record_and_parse
from tests.fuzz.mutation import HOSTILE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="owners, modes and pipes of POSIX")

ROOT = Path(__file__).parents[2]
HOOKS = sorted((ROOT / "hooks").glob("*.py"))
PAYLOAD = json.dumps({"session_id": "no-such-session", "hook_event_name": "Stop"}).encode()
NOBODY = 65534


def fire(hook: Path, payload: bytes = PAYLOAD) -> None:
    """Run a hook, and check that it is silent and succeeds."""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", str(hook)], input=payload, capture_output=True, check=False,
        timeout=30, umask=0,
    )  # fmt: skip
    assert ran.returncode == 0
    assert ran.stdout in (b"", b"{}\n")
    assert ran.stderr == b""


def run(*arguments: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "opensync_hooks", *arguments]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
    return ran.returncode, ran.stderr.decode()


@pytest.fixture
def our_folder(tmp_path: Path) -> Path:
    return tmp_path / "ours"


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.stem)
def test_all_files_of_a_hook_are_private_even_under_umask_0(hook: Path, our_folder: Path) -> None:
    fire(hook)
    paths = [our_folder, *our_folder.rglob("*")]
    assert len(paths) > 2
    for path in paths:
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if path.is_file() else 0o700), path


def _foreign(folder: Path) -> None:
    (folder / "spool").mkdir(parents=True)
    for path in (folder, folder / "spool"):
        os.chown(path, NOBODY, -1)
        path.chmod(0o777)


def _file(folder: Path) -> None:
    folder.mkdir()
    (folder / "spool").write_text("mine")


def _pipe(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / "spool")


def _link(folder: Path) -> None:
    folder.symlink_to("/proc/self")


def modes(our_folder: Path) -> list[tuple[Path, int]]:
    paths = sorted(our_folder.parent.rglob(f"{our_folder.name}/*"))
    return [(path, path.lstat().st_mode) for path in paths]


@pytest.mark.parametrize(
    "prepare", [_foreign, _file, _pipe, _link], ids=lambda prepare: prepare.__name__
)
def test_folder_that_is_not_ours_is_left_alone_and_reported(
    our_folder: Path, prepare: Callable[[Path], None]
) -> None:
    if prepare is _foreign and os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    prepare(our_folder)
    before = modes(our_folder)
    for hook in HOOKS:
        fire(hook)
    if prepare is not _link:  # /proc changes by itself
        assert modes(our_folder) == before
    code, stderr = run("sync")
    assert code in (1, 4, 6)
    assert "Traceback" not in stderr
    assert str(our_folder) in stderr
    if prepare is _foreign:
        assert (code, stderr.count("belongs to another user (uid 65534)")) == (4, 1)


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
def test_payload_of_any_shape_raises_nothing(payload: bytes) -> None:
    for agent in registry.NAMES:
        for content in (payload, ids_only(payload), without_prompt(payload)):
            registry.parse_event(agent, os.environ, content)


@pytest.mark.parametrize("value", [value for value in HOSTILE if not isinstance(value, float)])
def test_field_with_any_value_raises_nothing(value: object) -> None:
    fields = ("session_id", "conversation_id", "transcript_path", "hook_event_name", "reason")
    more = ("last_assistant_message", "workspace_roots", "generation_id", "cwd", "private", "model")
    for name in (*fields, *more, "cursor_version", "input_tokens"):
        payload = json.dumps({"session_id": "abc", "hook_event_name": "Stop", name: value}).encode()
        for agent in registry.NAMES:
            registry.parse_event(agent, os.environ, payload)


@pytest.mark.parametrize("rest", [b"", b', "cwd": "C:\\Us', b', "x": [', b"\n"])
def test_torn_payload_with_a_windows_path_names_its_session(rest: bytes) -> None:
    payload = b'{"transcript_path": "C:\\Users\\me", "session_id": "abc"' + rest
    event = registry.parse_event("claude-code", os.environ, payload)
    assert event
    assert (event.trigger.session_id, event.trigger.path) == ("abc", "C:\\Users\\me")


def test_private_session_stays_private_when_its_event_cannot_be_parsed() -> None:
    event = ids_only(b'{"session_id": "a\\"b", "conversation_id": "c"}')
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(event)
    assert registry.parse_event("cursor", os.environ, event)
    assert record_and_parse("cursor", os.environ, event) is None


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers()), st.sampled_from([None, 2]))
def test_prompt_never_touches_the_disk(
    prompt: str, others: dict[str, str | int], indent: int | None
) -> None:
    payload = {"type": "prompt", **others, "prompt": prompt, "session_id": "s1"}
    for is_ascii in (True, False):
        text = json.dumps(payload, indent=indent, ensure_ascii=is_ascii)
        event = without_prompt(text.encode("utf-8", "surrogatepass"))
        assert json.loads(event.decode("utf-8", "surrogatepass")) == {**payload, "prompt": ""}


@pytest.mark.parametrize("rest", ['"', '\\\\"', '"}', '", "session_id": "s1"}'])
def test_torn_prompt_is_left_out(rest: str) -> None:
    payload = b'{"session_id": "s1", "prompt": "my \\"token' + rest.encode()
    assert b"token" not in without_prompt(payload)
    assert b"token" not in without_prompt(payload[: -len(rest)])


def test_payload_without_a_prompt_is_kept_as_it_is() -> None:
    for payload in (b'{"session_id": "s1"}', b'{"prompt": 7}', b'{"prompt"', b'"prompt"' * 9, b""):
        assert without_prompt(payload) == payload
