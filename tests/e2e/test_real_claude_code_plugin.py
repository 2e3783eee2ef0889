"""Our plugin, installed by the real Claude Code from a marketplace: this repository.

Needs the program itself: OPENSYNC_TEST_CLAUDE names it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensync_hooks.cli.doctor import hooks
from tests.e2e.model_api import scripted_model
from tests.e2e.script import Reply, Script, says, uses
from tests.e2e.terminal import CLAUDE, ROOT, Terminal, needs_claude
from tests.recount import recount

SCRIPT: Script = {
    "greet": [Reply([says("Good day.")])],
    "work": [Reply([uses("Bash", command="echo one")]), Reply([says("Done.")])],
}
SESSION = "00000001-0000-4000-8000-000000000000"
NAME = "opensync-hooks@opensync-hooks"

pytestmark = [needs_claude, pytest.mark.timeout(400)]


@pytest.fixture
def terminal(home: Path, tmp_path: Path) -> Iterator[Terminal]:
    with scripted_model(SCRIPT) as model:
        terminal = Terminal(home, tmp_path / "ours", model)
        make_environment(terminal.ours / "env")
        yield terminal


def make_environment(folder: Path) -> None:
    """Make what an installation leaves, with the packages of the tests instead of downloads."""
    command = [sys.executable, "-I", "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True)
    (packages,) = folder.glob("lib/python3.*/site-packages")
    lines = [str(ROOT), sysconfig.get_path("purelib")]
    (packages / "tests.pth").write_text("\n".join(lines) + "\n")


def plugin(terminal: Terminal, *arguments: str) -> str:
    process = subprocess.run(
        [CLAUDE, "plugin", *arguments],
        cwd=terminal.project,
        env=terminal.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def install(terminal: Terminal) -> None:
    plugin(terminal, "marketplace", "add", str(ROOT))
    plugin(terminal, "install", NAME)


def test_claude_code_finds_nothing_wrong_with_plugin_and_marketplace(terminal: Terminal) -> None:
    assert "passed" in plugin(terminal, "validate", str(ROOT), "--strict")
    manifest = ROOT / ".claude-plugin" / "plugin.json"
    assert "passed" in plugin(terminal, "validate", str(manifest), "--strict")


def test_session_arrives_by_the_plugin_and_nothing_fires_once_it_is_removed(
    terminal: Terminal,
) -> None:
    install(terminal)
    terminal.run("play:greet", "--session-id", SESSION)
    terminal.settle()
    counts = recount(*terminal.transcripts(SESSION))
    assert terminal.stored(SESSION) == counts
    assert (counts["prompts"], counts["responses"]) == (1, 1)
    plugin(terminal, "uninstall", NAME)
    plugin(terminal, "marketplace", "remove", "opensync-hooks")
    settings = json.loads((terminal.home / ".claude" / "settings.json").read_text())
    assert not settings.get("enabledPlugins")
    assert not list((terminal.home / ".claude" / "plugins").glob("data/*"))
    terminal.run("play:greet", "--resume", SESSION)
    assert not list(terminal.ours.glob("spool/*.event"))
    assert terminal.stored(SESSION) == counts


def test_beside_hooks_in_the_settings_nothing_is_doubled_and_doctor_warns(
    terminal: Terminal,
) -> None:
    terminal.register()
    install(terminal)
    terminal.run("play:work", "--session-id", SESSION)
    terminal.run("play:greet", "--resume", SESSION)
    terminal.settle()
    counts = recount(*terminal.transcripts(SESSION))
    assert terminal.stored(SESSION) == counts
    assert (counts["prompts"], counts["tool calls"]) == (2, 1)
    (double,) = hooks.doubled(terminal.environ)
    assert (double.check, double.state) == ("Claude Code double", "warning")
    assert NAME in double.cure
