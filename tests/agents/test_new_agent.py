"""A new agent is a folder, an entry script and an entry in the registry; nothing else names it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DESCRIPTION = """
from opensync_hooks.agents.description import Description

DESCRIPTION = Description("emacs", "Emacs", ("EMACS_SESSIONS",), oldest_version=(29,))
"""
SOURCE = """
from pathlib import Path

from opensync_hooks.agents.emacs import DESCRIPTION
from opensync_hooks.agents.source import Located
from opensync_hooks.model import HookEvent, Message, Session, Text, Trigger


class EmacsSource:
    agent = DESCRIPTION.name

    def __init__(self, environ, home, hook_facts):
        self.folder = Path(environ.get("EMACS_SESSIONS") or home + "/emacs")

    def parse_event(self, payload):
        return HookEvent(Trigger(self.agent, payload["session_id"]))

    def find(self, id_or_path):
        path = self.folder / f"{id_or_path}.txt"
        return Located(path.stem, path, 1_700_000_000_000, "1") if path.is_file() else None

    def locate(self, trigger):
        return self.find(trigger.session_id)

    def sessions(self):
        return [self.find(path.stem) for path in self.folder.glob("*.txt")]

    def is_settled(self, trigger):
        return True

    def read(self, located):
        message = Message("m1", "user", (Text(located.path.read_text()),), 1_700_000_000_000)
        yield Session(located.session_id, self.agent, (message,), created_at=message.created_at)


open_source = EmacsSource
"""
REGISTRATION = """
from pathlib import Path

from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.emacs import DESCRIPTION
from opensync_hooks.hook import paths


class EmacsRegistration(ClaudeCodeRegistration):
    name = DESCRIPTION.name
    label = DESCRIPTION.label
    script = "emacs.py"

    def settings_path(self, env):
        return Path(paths.home(env)) / ".emacs.d" / "hooks.json"


REGISTRATION = EmacsRegistration()
"""
CENSUS = """
from opensync_hooks.agents.census import Census, Counts


def take_census(session_id, path, environ, home, hook_facts):
    yield Census(session_id, Counts(utterances=1), recognized=1)
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone of this package that knows Emacs, too."""
    root = tmp_path / "clone"
    for name in ("opensync_hooks", "hooks"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    package = root / "opensync_hooks" / "agents" / "emacs"
    package.mkdir()
    (package / "__init__.py").write_text(DESCRIPTION)
    (package / "source.py").write_text(SOURCE)
    (package / "registration.py").write_text(REGISTRATION)
    (package / "census.py").write_text(CENSUS)
    script = (root / "hooks" / "cursor.py").read_text()
    before, _, after = script.partition("VARIABLES = (\n")
    variables = 'VARIABLES = ("EMACS_SESSIONS",)\n' + after.partition("\n)\n")[2]
    (root / "hooks" / "emacs.py").write_text(before + variables.replace('"cursor"', '"emacs"'))
    registry = root / "opensync_hooks" / "agents" / "registry.py"
    text = registry.read_text()
    text = text.replace("agents import claude_code", "agents import emacs, claude_code")
    registry.write_text(text.replace("PACKAGES = (", "PACKAGES = (emacs, "))
    return root


def command(clone: Path, *arguments: str) -> str:
    process = subprocess.run(
        [sys.executable, "-m", "opensync_hooks", *arguments],
        env={**os.environ, "PYTHONPATH": str(clone)},
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def status(clone: Path) -> dict[str, Any]:
    agents = json.loads(command(clone, "status", "--json"))["agents"]
    (emacs,) = [agent for agent in agents if agent["agent"] == "emacs"]
    return dict(emacs)


def test_new_agent_is_registered_synced_and_shown(
    clone: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = home / "elsewhere"
    sessions.mkdir()
    for name in ("s1", "s2"):
        (sessions / f"{name}.txt").write_text(f"hello from {name}")

    assert "Emacs" in command(clone, "install", "--agents", "emacs", "--dry-run")

    subprocess.run(
        [sys.executable, "-I", "-S", str(clone / "hooks" / "emacs.py")],
        input=b'{"session_id": "s1"}',
        env={**os.environ, "EMACS_SESSIONS": str(sessions)},
        check=True,
    )
    while status(clone)["waiting"]:
        time.sleep(0.2)
    assert (status(clone)["label"], status(clone)["synced"]) == ("Emacs", 1)

    monkeypatch.setenv("EMACS_SESSIONS", str(sessions))
    command(clone, "sync", "--agent", "emacs")
    assert status(clone)["synced"] == 2
    assert "Emacs hooks" in command(clone, "doctor")
