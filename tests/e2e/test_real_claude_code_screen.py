"""The real Claude Code at its screen: what only happens where a person sits at the keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.model_api import scripted_model
from tests.e2e.screen import Screen
from tests.e2e.script import Reply, Script, says, uses
from tests.e2e.terminal import Terminal, needs_claude
from tests.recount import recount

SESSION = "00000001-0000-4000-8000-000000000000"
ESCAPE = "\x1b"
UP = "\x1b[A"
COMMAND = "---\ndescription: Look at the hull\n---\nPlease play:inspect with $ARGUMENTS\n"
SCRIPT: Script = {
    "greet": [Reply([says("Good day.")], cached=900)],
    "wait": [Reply([says("Running."), uses("Bash", command="sleep 4")]), Reply([says("Slept.")])],
    "inspect": [Reply([says("The hull is sound.")])],
    "plan": [Reply([uses("ExitPlanMode", plan="1. Greet.")]), Reply([says("As planned.")])],
    "branch": [
        Reply([uses("Agent", description="Fork", prompt="play:errand", subagent_type="fork")]),
        Reply([says("It has branched off.")]),
    ],
    "errand": [Reply([uses("Bash", command="echo errand")]), Reply([says("Ran the errand.")])],
}  # fmt: skip

pytestmark = [needs_claude, pytest.mark.timeout(400)]


@pytest.fixture
def terminal(home: Path, tmp_path: Path) -> Iterator[Terminal]:
    with scripted_model(SCRIPT) as model:
        terminal = Terminal(home, tmp_path / "ours", model)
        terminal.register()
        commands = terminal.project / ".claude" / "commands"
        commands.mkdir(parents=True)
        (commands / "check.md").write_text(COMMAND)
        yield terminal


def ask(screen: Screen, prompt: str, answer: str) -> None:
    screen.type(prompt)
    screen.wait(answer)
    screen.pause(1)


def leave(screen: Screen, terminal: Terminal) -> None:
    screen.type("/exit")
    screen.end()
    terminal.settle()


def check(terminal: Terminal, prompts: list[str]) -> None:
    """Compare what arrived with the files, and with what was typed."""
    assert terminal.stored(SESSION) == recount(*terminal.transcripts(SESSION))
    main = next(
        document
        for document in terminal.documents(SESSION)
        if document["session"]["externalId"] == SESSION
    )
    texts = [message["textContent"] for message in main["messages"] if message["role"] == "user"]
    assert texts == prompts


def test_prompts_typed_while_it_works_slash_commands_and_questions_aside(
    terminal: Terminal,
) -> None:
    screen = terminal.open("--session-id", SESSION)
    ask(screen, "play:greet first", "Good day.")
    screen.type("play:wait then")
    screen.wait("Running.")
    screen.pause(1)
    ask(screen, "play:greet in between", "Good day.")
    ask(screen, "/check the hull", "The hull is sound.")
    ask(screen, "/btw play:greet", "Good day.")  # has an answer of its own, kept in no file
    screen.press(ESCAPE)
    screen.pause(1)
    leave(screen, terminal)
    typed = ["play:greet first", "play:wait then", "play:greet in between", "/check the hull"]
    check(terminal, typed)


def test_rewind_compaction_and_clear(terminal: Terminal) -> None:
    screen = terminal.open("--session-id", SESSION)
    ask(screen, "play:greet one", "Good day.")
    ask(screen, "play:greet two", "Good day.")
    screen.press(ESCAPE)
    screen.pause(0.3)
    screen.press(ESCAPE)
    screen.wait("(current)")
    screen.press(UP)
    screen.pause(0.5)
    screen.press("\r")
    screen.wait("Restore conversation")
    screen.press("\r")
    screen.pause(1.5)
    ask(screen, " rather", "Good day.")  # the old prompt is in the input line again
    screen.type("/compact")
    screen.wait("Compacted")
    screen.pause(1)
    ask(screen, "play:greet three", "Good day.")
    screen.type("/clear")
    screen.pause(2)
    ask(screen, "play:greet in another session", "Good day.")
    leave(screen, terminal)
    typed = ["play:greet one", "[undone] play:greet two", "play:greet two rather"]
    check(terminal, [*typed, "play:greet three"])


def test_plan_and_a_subagent_that_inherits_the_conversation(terminal: Terminal) -> None:
    screen = terminal.open("--session-id", SESSION, "--permission-mode", "plan")
    ask(screen, "play:greet first", "Good day.")
    screen.type("play:plan it")
    terminal.await_line(SESSION, '"name":"ExitPlanMode"', screen.pause)
    screen.pause(3)  # until it has drawn its question
    screen.press("\r")
    screen.wait("As planned.")
    screen.pause(1)
    ask(screen, "play:branch off", "It has branched off.")
    screen.pause(4)
    leave(screen, terminal)
    check(terminal, ["play:greet first", "play:plan it", "play:branch off"])
