"""A prompt arrives while its turn runs: real hooks, workers and a server that counts requests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from opensync_hooks.agents.settings_files.hook_command import guarded, hook_command
from tests.cursor_home import Editor
from tests.e2e.test_cursor_hooks import CursorWorld
from tests.e2e.test_hooks import ClaudeWorld
from tests.e2e.world import turns
from tests.opensync import logged_in
from tests.transcripts import text

BEGIN = "UserPromptSubmit"


@pytest.fixture
def world(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClaudeWorld]:
    with logged_in(partial(ClaudeWorld, tmp_path, home), tmp_path, monkeypatch) as world:
        yield world
        world.end_workers()


def test_prompt_is_there_before_the_answer(world: ClaudeWorld) -> None:
    writer = world.writer()
    writer.line("user", "prompt 1")
    world.fire(world.payload(writer, BEGIN, prompt="prompt 1"))
    world.settle()
    assert world.texts() == ["prompt 1"]
    writer.respond("m1", text("answer 1"))
    world.fire(world.payload(writer, last_assistant_message="answer 1"))
    world.settle()
    assert world.texts() == turns(1)
    assert set(world.sent.values()) == {1}


def test_turn_that_ends_soon_costs_no_request_more(world: ClaudeWorld) -> None:
    requests = []
    for session_id, events in (("with", (BEGIN, "Stop")), ("without", ("Stop",))):
        writer = world.writer(session_id)
        before = world.asked
        for number in (1, 2):
            writer.turn(number)
            for event in events:
                more = {"last_assistant_message": f"answer {number}"} if event == "Stop" else {}
                world.fire(world.payload(writer, event, **more))
            world.settle()
        assert world.texts(session_id) == turns(1, 2)
        requests.append(world.asked - before)
    assert requests[0] == requests[1]


def test_answer_in_the_making_is_completed_at_the_end(world: ClaudeWorld) -> None:
    writer = world.writer()
    writer.turn(1)
    writer.line("user", "prompt 2")
    writer.respond("m2", text("half"))
    world.fire(world.payload(writer, BEGIN, prompt="prompt 2"))
    world.settle()
    assert world.texts() == [*turns(1), "prompt 2", "half"]
    writer.respond("m2", text("whole"))
    world.fire(world.payload(writer, last_assistant_message="whole"))
    world.settle()
    assert world.texts() == [*turns(1), "prompt 2", "half\n\nwhole"]


def test_setting_leaves_the_prompt_to_the_end_of_its_turn(world: ClaudeWorld) -> None:
    assert world.command("config", "set", "live", "false").returncode == 0
    writer = world.writer()
    writer.line("user", "prompt 1")
    world.fire(world.payload(writer, BEGIN, prompt="prompt 1"))
    world.settle()
    assert world.asked == 0
    writer.respond("m1", text("answer 1"))
    world.fire(world.payload(writer, last_assistant_message="answer 1"))
    world.settle()
    assert world.texts() == turns(1)


def test_prompt_of_a_private_session_stays_and_is_in_no_file(
    world: ClaudeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = world.writer()
    writer.line("user", "the heron flies at noon")
    monkeypatch.setenv("OPENSYNC_HOOKS_PRIVATE", "1")
    world.fire(world.payload(writer, BEGIN, prompt="the heron flies at noon"))
    world.settle()
    monkeypatch.delenv("OPENSYNC_HOOKS_PRIVATE")
    writer.respond("m1", text("answer"))
    world.fire(world.payload(writer, last_assistant_message="answer"))
    world.settle()
    assert world.texts() == []
    contents = [path.read_bytes() for path in world.ours.rglob("*") if path.is_file()]
    assert not any(b"heron" in content for content in contents)


def test_no_prompt_waits_for_a_hook_that_was_made_to_wait(world: ClaudeWorld) -> None:
    writer = world.writer()
    writer.line("user", "prompt 1")
    world.fire(world.payload(writer, BEGIN, prompt="prompt 1"), "--wait")
    assert world.asked == 0
    writer.respond("m1", text("answer 1"))
    world.fire(world.payload(writer, last_assistant_message="answer 1"), "--wait")
    assert world.texts() == turns(1)


def test_prompt_of_cursor_is_there_while_it_works(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with logged_in(partial(CursorWorld, tmp_path, home), tmp_path, monkeypatch) as world:
        editor = Editor(home)
        draft = editor.draft()
        draft.add_prompt("prompt 1")
        draft.save()
        world.fire(world.event(event="beforeSubmitPrompt", prompt="prompt 1"))
        world.settle()
        assert world.texts() == ["prompt 1"]
        draft.add_answer("answer 1")
        draft.save()
        world.fire(world.event())
        world.settle()
        assert world.texts() == turns(1)
        editor.close()
        world.end_workers()


def test_script_that_is_gone_neither_withholds_a_prompt_nor_says_anything(tmp_path: Path) -> None:
    """Agents take the exit code 2 for an objection, and Python exits so without its script."""
    script = tmp_path / "opensync hooks" / "hooks" / "claude_code.py"
    command = hook_command(Path(sys.executable), script)
    shell = ["/bin/sh", "-c"]
    assert subprocess.run([*shell, command], capture_output=True, check=False).returncode == 2
    silent = subprocess.run([*shell, guarded(command)], capture_output=True, check=False)
    assert (silent.returncode, silent.stdout, silent.stderr) == (1, b"", b"")
    script.parent.mkdir(parents=True)
    script.write_text("import sys; print(sys.stdin.read())")
    document = f"{guarded(command)} <<'CURSOR_HOOK_EOF'\n{{}}\nCURSOR_HOOK_EOF"
    assert subprocess.check_output([*shell, document]) == b"{}\n\n"
