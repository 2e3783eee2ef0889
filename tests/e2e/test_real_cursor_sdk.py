"""Our hooks.json in the loader and the executor of Cursor's own SDK."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.cursor.registration import EVENTS, CursorRegistration, refusal_reason
from opensync_hooks.agents.settings_files import file_change
from opensync_hooks.agents.settings_files.hook_command import hook_command
from tests.cursor_home import (
    ENDED,
    Editor,
    text,
    transcript,
    transcript_line,
    use,
    user_line,
)
from tests.e2e.cursor_sdk import CursorSdk, needs_cursor_sdk
from tests.e2e.world import ROOT, World, turns
from tests.opensync import logged_in

pytestmark = needs_cursor_sdk
TOKENS = {
    "input_tokens": 1_000,
    "output_tokens": 20,
    "cache_read_tokens": 600,
    "cache_write_tokens": 100,
}
OTHER: dict[str, Any] = {"command": "cat > stop.json"}


@pytest.fixture(scope="session")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> CursorSdk:
    return CursorSdk.copied_to(tmp_path_factory.mktemp("cursor-sdk") / "program")


@pytest.fixture
def world(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with logged_in(partial(World, tmp_path, home), tmp_path, monkeypatch) as world:
        yield world
        world.end_workers()


def install(home: Path, **hooks: Any) -> None:
    """Register our hooks beside those that are there."""
    path = home / ".cursor" / "hooks.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"version": 1, "hooks": hooks}))
    command = hook_command(Path(sys.executable), ROOT / "hooks" / "cursor.py")
    file_change.apply_all(partial(CursorRegistration().plan, os.environ.get, command))


def turn(number: int, **more: Any) -> dict[str, Any]:
    ids = {"conversation_id": "s1", "generation_id": f"request-{number}", "model": "composer-2.5"}
    return {**ids, "status": "completed", "loop_count": 0, **more}


def ended() -> tuple[str, dict[str, Any]]:
    ids = {"conversation_id": "s1", "generation_id": "s1", "model": "default"}
    return "sessionEnd", {**ids, "reason": "completed", "final_status": "completed"}


def test_hooks_load_fire_and_bring_the_tokens_of_each_turn(
    sdk: CursorSdk, world: World, home: Path, tmp_path: Path
) -> None:
    install(home, stop=[OTHER])
    editor = Editor(home)
    draft = editor.draft()
    for number in (1, 2):
        draft.add_turn(number)
    draft.save()
    # Another hook made the agent go on six times: Cursor skips a hook at the fifth by default.
    steps = [("stop", turn(1, **TOKENS)), ("stop", turn(2, **TOKENS, loop_count=6)), ended()]
    loaded = sdk.run(tmp_path, steps)
    assert loaded["errors"] == []
    assert set(loaded["hooks"]) == {"stop", "sessionEnd", "beforeSubmitPrompt"}
    assert not any(loaded["answers"]), "a hook's answer could make the agent go on"
    world.settle(60)
    editor.close()
    assert world.texts() == turns(1, 2)
    stored = world.store.session("s1")
    assert stored
    assert stored["session"]["promptTokens"] == 2_000
    assert stored["session"]["completionTokens"] == 40
    seen = json.loads((home / ".cursor" / "stop.json").read_text())
    assert (seen["generation_id"], seen["cursor_version"]) == ("request-1", "3.18.25")


def test_far_end_of_a_remote_window_brings_whole_answers(
    sdk: CursorSdk, world: World, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / ".cursor-server").mkdir()
    monkeypatch.setenv("CURSOR_CODE_REMOTE", "true")
    install(home)
    lines = [
        user_line("how deep is it?"),
        transcript_line("assistant", text("Looking.\n\nA thought."), use("Shell", command="ls")),
        transcript_line("assistant", text("Two metres.\n\nFour at the end.")),
        ENDED,
    ]
    transcript(home, lines, "s1/s1.jsonl")
    answer = "Looking.Two metres.\n\nFour at the end."
    loaded = sdk.run(
        tmp_path, [("afterAgentResponse", turn(1, text=answer)), ("stop", turn(1, **TOKENS))]
    )
    assert "afterAgentResponse" in loaded["hooks"]
    world.settle(60)
    _, sent = world.texts()
    assert sent == "Looking.\n\nTwo metres.\n\nFour at the end."


FILES = {
    "sound": b'{"version": 1, "hooks": {"stop": [{"command": "true"}]}}',
    "no version": b'{"hooks": {}}',
    "unknown event": b'{"version": 1, "hooks": {"Stop": []}}',
    "no command": b'{"version": 1, "hooks": {"stop": [{}]}}',
    "two slashes": b'{"version": 1, "hooks": {"stop": [{"command": "cat //a"}]}}',
    "trailing comma": b'{"version": 1, "hooks": {},}',
    "timeout": b'{"version": 1, "hooks": {"stop": [{"command": "true", "timeout": 0}]}}',
    "comment": b'{"version": 1, // of mine\n"hooks": {"stop": [{"command": "true"}]}}',
    "loop limit": b'{"version": 1, "hooks": {"stop": [{"command": "true", "loop_limit": 0.5}]}}',
    "prompt": b'{"version": 1, "hooks": {"stop": [{"type": "prompt", "prompt": " "}]}}',
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_our_rules_of_a_hooks_file_are_those_of_the_loader(
    sdk: CursorSdk, home: Path, tmp_path: Path, content: bytes
) -> None:
    (home / ".cursor").mkdir()
    (home / ".cursor" / "hooks.json").write_bytes(content)
    loaded = sdk.run(tmp_path, [])
    is_refused = bool(loaded["errors"]) or loaded["hooks"] is None
    assert is_refused == bool(refusal_reason(content)), loaded["errors"]


def test_loader_knows_every_event_that_we_know(sdk: CursorSdk, home: Path, tmp_path: Path) -> None:
    (home / ".cursor").mkdir()
    value = {"version": 1, "hooks": {event: [{"command": "true"}] for event in EVENTS}}
    (home / ".cursor" / "hooks.json").write_text(json.dumps(value))
    loaded = sdk.run(tmp_path, [])
    assert (loaded["errors"], set(loaded["hooks"])) == ([], set(EVENTS))
