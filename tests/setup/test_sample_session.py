"""The bundled session takes the real path and leaves nothing behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code.source import open_source as open_claude_code_source
from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.dataclass import dataclass
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.setup import sample_session
from opensync_hooks.setup.installation import Installation
from opensync_hooks.setup.sample_session import SAMPLE
from tests.setup.homes import put_session, snapshot, write_program

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class FakeInstallation(Installation):
    command: str = "true"

    def hook(self, agent: Agent) -> str:
        assert agent.name == SAMPLE["agent"]
        return self.command


def test_sample_takes_the_real_path_and_nothing_stays(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python, temporary = tmp_path / "python3", tmp_path / "temporary"
    temporary.mkdir()
    start = "import sys; sys.path.insert(0, sys.argv[1]); from opensync_hooks.cli.main import main;"
    start += " raise SystemExit(main(sys.argv[2:]))"
    write_program(python, f"shift 3; exec {sys.executable} -c '{start}' {ROOT} \"$@\"")
    hook = hook_command(Path(sys.executable), ROOT / "hooks" / "claude_code.py")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    before = snapshot(home)
    result = sample_session.play(FakeInstallation(python, ROOT, hook), dict(os.environ))
    assert result.startswith("4 messages went through hook, worker and store in ")
    assert snapshot(home) == before
    assert snapshot(temporary) == {}


def test_sample_never_reaches_the_users_opensync(tmp_path: Path) -> None:
    login = {"OPENSYNC_URL": "https://u.convex.site", "OPENSYNC_API_KEY": "k", "PATH": "/bin"}
    folders = {"OPENSYNC_HOOKS_HOME": "/real", "XDG_DATA_HOME": "/x"}
    assert sample_session._isolate(tmp_path, login | folders) == {
        "PATH": "/bin",
        "XDG_DATA_HOME": "/x",
        "OPENSYNC_HOOKS_HOME": str(tmp_path / "home"),
        "CLAUDE_CONFIG_DIR": str(tmp_path / "agent"),
    }


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("""echo '{"sessions": 0, "waiting": 1, "last_error": "disk full"}'""", "disk full"),
        ("echo Traceback >&2; echo ImportError: filelock >&2; exit 1", "ImportError: filelock"),
        ("""case $* in *status*) echo '{"waiting": 1}';; *) echo broken >&2;; esac""", "broken"),
    ],
    ids=["recorded error", "no status", "worker's error"],
)
def test_sample_that_does_not_arrive_is_a_failure_with_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr(sample_session, "TIMEOUT", 0.5)
    write_program(tmp_path / "python3", script)
    here = FakeInstallation(tmp_path / "python3", ROOT)
    with pytest.raises(OpenSyncError, match=f"did not arrive within 0 s: .*{reason}"):
        sample_session.play(here, dict(os.environ))


def test_sample_is_one_turn_with_two_tools(home: Path) -> None:
    put_session(home)
    source = open_claude_code_source({}, str(home))
    (located,) = source.sessions()
    (session,) = source.read(located)
    messages = list(session.messages)
    assert session.id == SAMPLE["session"] == SAMPLE["payload"]["session_id"]
    assert session.title == "Greeting printed twice"
    assert [message.role for message in messages] == ["user", "assistant", "assistant", "assistant"]
    parts = [type(part).__name__ for message in messages for part in message.parts]
    assert parts.count("ToolCall") == parts.count("ToolResult") == 2
    assert sum(charge.usage.cache_read_tokens for charge in session.charges) == 8710
    assert {message.model for message in messages[1:]} == {"claude-sonnet-4-20250514"}
