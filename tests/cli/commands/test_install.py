"""`install` registers the hooks and syncs the first sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from opensync_hooks.setup import installation
from tests.commandline import KEY, run, stored_ids


@pytest.fixture(autouse=True)
def lasting_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own Python need not have the package installed."""
    monkeypatch.setattr(installation, "check", lambda *_: None)


def test_install_syncs_the_sessions_of_the_agents_it_registers(recorded: int, ours: Path) -> None:
    ran = run("install", "--agents", "claude-code")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"{recorded} sessions synced to embedded store" in ran.stdout
    assert len(stored_ids(ours)) >= recorded


@pytest.mark.usefixtures("recorded")
def test_install_registers_hooks_even_if_the_sync_fails() -> None:
    ran = run("install", "--agents", "claude-code", OPENSYNC_URL="x", OPENSYNC_API_KEY=KEY)
    assert ran.returncode == 0
    assert "This is not a URL" in ran.stderr
    assert "not all could be synced: `opensync-hooks sync` continues" in ran.stdout
