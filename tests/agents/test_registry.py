"""Which agent a hook's payload, an id or a path belongs to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents import registry
from opensync_hooks.hook import paths
from opensync_hooks.model import Trigger
from tests.cursor_home import ENDED, record, said_by_user, text, transcript

_AGENTS = registry.NAMES


class Asked(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, **values: str) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("agent", _AGENTS)
def test_whatever_decides_where_a_session_lies_is_handed_to_the_worker(
    monkeypatch: pytest.MonkeyPatch, home: Path, agent: str, platform: str
) -> None:
    """Or it would look for the session in its own places, and find none."""
    environ = Asked(HOME=str(home))
    monkeypatch.setattr("sys.platform", platform)
    source = registry.source(agent, environ)
    assert source
    assert list(source.sessions()) == []
    assert environ.names
    assert environ.names <= {"HOME", "USERPROFILE", *paths.KEPT[agent]}


def test_agent_that_nobody_knows_has_no_source_and_asks_for_nothing() -> None:
    assert registry.source("emacs") is None
    assert registry.trigger("emacs", {"HOME": "/nowhere"}, b'{"session_id": "s1"}') is None


@pytest.mark.parametrize("sign", ["cursor_version", "conversation_id"])
def test_claude_codes_hook_that_cursor_ran_speaks_of_cursors_session(home: Path, sign: str) -> None:
    payload = {"session_id": "s1", "hook_event_name": "stop", sign: "s1"}
    found = registry.trigger("claude-code", {"HOME": str(home)}, json.dumps(payload).encode())
    assert found
    assert (found.agent, found.session_id) == ("cursor", "s1")


def test_transcript_of_cursors_is_not_taken_for_one_of_claude_codes(home: Path) -> None:
    path = transcript(
        home, (said_by_user("go"), record("assistant", text("gone")), ENDED), "s1/s1.jsonl"
    )
    for wanted in (str(path), "s1"):
        found = registry.find(wanted)
        assert found
        assert found[0].agent == "cursor"
    assert registry.find("s1", "claude-code") is None


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".db", ".txt", ""])
@pytest.mark.parametrize("name", ["x" * 300, "x" * 5_000, "a\0b", "\udcff" * 300])
def test_what_can_be_no_path_is_no_session_and_no_error(home: Path, name: str, suffix: str) -> None:
    assert home.is_dir()
    assert registry.find(name + suffix) is None


def test_event_and_reason_are_queued_only_if_they_are_plain_words(home: Path) -> None:
    payload = {"session_id": "s1", "hook_event_name": "SessionEnd", "reason": "other"}
    for reason in ("other", "two words", "x" * 41, ""):
        event = {**payload, "reason": reason}
        found = registry.trigger("claude-code", {"HOME": str(home)}, json.dumps(event).encode())
        wanted = reason if reason == "other" else None
        assert found == Trigger("claude-code", "s1", "SessionEnd", end_reason=wanted)
    event = {**payload, "hook_event_name": "a secret\nof two lines"}
    found = registry.trigger("claude-code", {"HOME": str(home)}, json.dumps(event).encode())
    assert found == Trigger("claude-code", "s1")
