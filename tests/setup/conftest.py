"""An environment as far as links and hooks can tell, and the user's home around it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opensync_hooks.setup import installation
from opensync_hooks.setup.installation import Installation


@pytest.fixture
def env(home: Path) -> dict[str, str]:
    """The environment of install.py: a home with Claude Code in it, and XDG's default folders."""
    (home / ".claude").mkdir()
    return {"HOME": str(home), "PATH": os.environ["PATH"]}


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A private environment with empty files in it."""
    monkeypatch.setattr(installation, "check", lambda *_: None)
    link = home / ".local/share/opensync-hooks/env"
    folder = link.with_name("env-0123456789ab")
    for name in ("bin/python", "bin/opensync-hooks", "lib/opensync_hooks/hooks/claude_code.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    link.symlink_to(folder.name)
    return Installation(link / "bin/python", link / "lib/opensync_hooks")
