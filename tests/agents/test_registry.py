"""The list of agents, and which of them a payload, an id or a path belongs to."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents import claude_code, cursor, registry
from opensync_hooks.agents.registry import Agent
from opensync_hooks.hook import entry
from opensync_hooks.model import HookEvent, Trigger
from tests.cursor_home import ENDED, text, transcript, transcript_line, user_line

ROOT = Path(__file__).parents[2]


class RecordingEnviron(dict[str, str]):
    """An environment that remembers which variables were read."""

    def __init__(self, **values: str) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


def parse(payload: dict[str, Any]) -> HookEvent | None:
    return registry.parse_event("claude-code", {"HOME": "/h"}, json.dumps(payload).encode())


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("agent", registry.AGENTS, ids=registry.NAMES)
def test_worker_gets_every_variable_that_says_where_a_session_is(
    monkeypatch: pytest.MonkeyPatch, home: Path, agent: Agent, platform: str
) -> None:
    """Or it would look for the session in its own folders, and find none."""
    environ = RecordingEnviron(HOME=str(home))
    monkeypatch.setattr("sys.platform", platform)
    source = registry.source(agent.name, environ)
    assert source
    assert list(source.sessions()) == []
    assert environ.names
    assert environ.names <= {"HOME", "USERPROFILE", *agent.description.variables}


def test_only_variables_that_are_set_are_handed_on() -> None:
    environ = {"OPENCODE_DB": "x", "CLAUDE_CONFIG_DIR": "y"}
    assert registry.session_variables("opencode", environ) == {"OPENCODE_DB": "x"}
    assert registry.session_variables("emacs", environ) == {}


@pytest.mark.parametrize("agent", registry.AGENTS, ids=registry.NAMES)
def test_entry_script_passes_on_what_the_description_says(
    monkeypatch: pytest.MonkeyPatch, agent: Agent
) -> None:
    """It has its own copy of these values, because an import would slow down every hook call."""
    calls: list[tuple[object, ...]] = []

    def run(name: str, root: str, variables: tuple[str, ...], answer: bytes = b"") -> int:
        calls.append((name, root, variables, answer))
        return 0

    monkeypatch.setattr(entry, "run", run)
    script = ROOT / "hooks" / agent.registration.script
    with pytest.raises(SystemExit):
        runpy.run_path(str(script), run_name="__main__")
    facts = agent.description
    assert calls == [(facts.name, str(ROOT), facts.variables, facts.hook_answer)]


def test_cursors_variables_come_along_when_it_runs_claude_codes_hooks() -> None:
    assert {*cursor.DESCRIPTION.variables} < {*claude_code.DESCRIPTION.variables}


def test_unknown_agent_has_no_source_and_parses_no_event() -> None:
    assert registry.source("emacs") is None
    assert registry.parse_event("emacs", {"HOME": "/h"}, b'{"session_id": "s1"}') is None


@pytest.mark.parametrize(
    ("wire_name", "label"),
    [
        ("claude-code", "Claude Code"),
        ("opencode", "OpenCode"),
        ("cursor", "Cursor"),
        ("cursor-sync", "Cursor"),
        ("codex-cli", "codex-cli"),
        ("", ""),
    ],
)
def test_label_is_the_name_that_users_know(wire_name: str, label: str) -> None:
    assert registry.label(wire_name) == label


@pytest.mark.parametrize("field", ["cursor_version", "conversation_id"])
def test_payload_of_cursor_in_claude_codes_hook_names_cursors_session(field: str) -> None:
    event = parse({"session_id": "s1", "hook_event_name": "stop", field: "s1"})
    assert event
    assert (event.trigger.agent, event.trigger.session_id) == ("cursor", "s1")


def test_transcript_of_cursor_is_not_taken_for_claude_codes(home: Path) -> None:
    path = transcript(
        home, (user_line("go"), transcript_line("assistant", text("gone")), ENDED), "s1/s1.jsonl"
    )
    for session in (str(path), "s1"):
        match = registry.find(session)
        assert match
        assert match[0].agent == "cursor"
    assert registry.find("s1", "claude-code") is None


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".db", ".txt", ""])
@pytest.mark.parametrize("name", ["x" * 300, "x" * 5_000, "a\0b", "\udcff" * 300])
def test_name_that_cannot_be_a_path_finds_nothing(home: Path, name: str, suffix: str) -> None:
    assert home.is_dir()
    assert registry.find(name + suffix) is None


@pytest.mark.parametrize("reason", ["other", "two words", "x" * 41, ""])
def test_end_reason_is_queued_only_if_it_is_a_plain_word(reason: str) -> None:
    event = parse({"session_id": "s1", "hook_event_name": "SessionEnd", "reason": reason})
    queued = reason if reason == "other" else None
    assert event == HookEvent(Trigger("claude-code", "s1", "SessionEnd", end_reason=queued))


def test_event_name_is_queued_only_if_it_is_a_plain_word() -> None:
    event = parse({"session_id": "s1", "hook_event_name": "a secret\nof two lines"})
    assert event == HookEvent(Trigger("claude-code", "s1"))


@pytest.mark.parametrize(("private", "is_private"), [(True, True), (False, False), ("no", False)])
def test_event_says_whether_the_session_is_private(private: object, *, is_private: bool) -> None:
    event = parse({"session_id": "s1", "private": private})
    assert event
    assert event.is_private is is_private
