"""The real Claude Code and OpenCode after `opensync-hooks install`: they take what it wrote.

Needs the programs themselves: OPENSYNC_TEST_CLAUDE and OPENSYNC_TEST_OPENCODE name them.
"""

from __future__ import annotations

import json
import site
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from opensync_hooks.destinations.store.store import Store
from tests.e2e.completions_api import scripted_completions
from tests.e2e.model_api import scripted_model
from tests.e2e.script import Reply, Script, says
from tests.e2e.terminal import CLAUDE, Terminal, needs_claude
from tests.e2e.test_real_opencode import OPENCODE, Developer

ROOT = Path(__file__).parents[2]
SESSION = "00000001-0000-4000-8000-000000000000"
SCRIPT: Script = {"greet": [Reply([says("Good day.")])]}
OLD = {"type": "command", "command": "claude-code-sync hook Stop"}

pytestmark = pytest.mark.timeout(150)


class Package:
    """An environment with this package in it, as `pip install --editable` makes one."""

    def __init__(self, folder: Path) -> None:
        make = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
        subprocess.run(make, check=True)
        (packages,) = folder.glob("lib/python3.*/site-packages")
        (packages / "these.pth").write_text("\n".join([str(ROOT), *site.getsitepackages()]))
        self.python = folder / "bin" / "python"

    def run(self, environ: Mapping[str, str], *arguments: str) -> str:
        done = subprocess.run(
            [self.python, "-I", "-m", "opensync_hooks", *arguments],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path / "environment")


def sessions(ours: Path) -> list[str]:
    with Store(ours / "store.db") as store:
        return [session["externalId"] for session in store.sessions(limit=10)]


@needs_claude
def test_claude_code_that_was_never_started_fires_our_hooks(
    package: Package, home: Path, tmp_path: Path
) -> None:
    with scripted_model(SCRIPT) as model:
        terminal = Terminal(home, tmp_path / "ours", model)
        terminal.environ["PATH"] += f":{Path(CLAUDE).parent}"
        output = package.run(terminal.environ, "install", "--no-backfill")
        assert "Claude Code   registered in ~/.claude/settings.json" in output
        assert terminal.run("play:greet", "--session-id", SESSION) == "Good day."
        terminal.settle()
        assert sessions(terminal.ours) == [SESSION]
        package.run(terminal.environ, "uninstall")
        assert not (home / ".claude" / "settings.json").exists()


@needs_claude
def test_claude_code_fires_our_hooks_beside_the_users_and_no_longer_the_old_ones(
    package: Package, home: Path, tmp_path: Path
) -> None:
    mine = {"type": "command", "command": "touch ~/mine"}
    before = json.dumps({"hooks": {"Stop": [{"hooks": [OLD, mine]}]}}).encode()
    settings = home / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_bytes(before)
    with scripted_model(SCRIPT) as model:
        terminal = Terminal(home, tmp_path / "ours", model)
        output = package.run(terminal.environ, "install", "--no-backfill", "--take-over")
        assert "Removed       claude-code-sync" in output
        assert OLD["command"] not in settings.read_text()
        assert terminal.run("play:greet", "--session-id", SESSION) == "Good day."
        terminal.settle()
        assert sessions(terminal.ours) == [SESSION]
        assert (home / "mine").exists()
        package.run(terminal.environ, "uninstall")
        assert settings.read_bytes() == before.replace(json.dumps(OLD).encode() + b", ", b"")


@pytest.mark.skipif(not OPENCODE, reason="OPENSYNC_TEST_OPENCODE does not name an OpenCode")
def test_opencode_loads_our_plugin_and_its_settings_without_the_old_entry(
    package: Package, home: Path, tmp_path: Path
) -> None:
    with scripted_completions(SCRIPT) as model:
        user = Developer(home, tmp_path / "ours", model)
        user.environ["PATH"] = f"{Path(OPENCODE).parent}:{user.environ['PATH']}"
        settings = user.config / "opencode.json"
        left = "// mine\n" + settings.read_text().replace("{", '{"plugin": [ /* none */ ],', 1)
        settings.write_text(left.replace("[ /*", '[ "opencode-sync-plugin@0.3.6", /*'))
        output = package.run(user.environ, "install", "--no-backfill", "--take-over")
        assert "Removed       opencode-sync-plugin" in output
        assert settings.read_text() == left
        assert "Good day." in user.run("please greet")
        user.settle()
        assert len(sessions(user.ours)) == 1
        package.run(user.environ, "uninstall")
        assert not (user.config / "plugin").exists()
        assert settings.read_text() == left
