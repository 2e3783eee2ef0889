"""Every test has a home of its own, and no way to a foreign host."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# A busy machine may take any time over an example: a deadline would fail a test that is right.
settings.register_profile("opensync-hooks", deadline=None)
settings.load_profile("opensync-hooks")

# A shell starts background jobs with SIGINT ignored, and children inherit that: the tests of Ctrl-C
# would then wait for programs that never hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_CLAUDE = Path(__file__).parent / "data" / "claude"
_LOOPBACK = ("127.", "::1", "localhost")
_FORGOTTEN = ("OPENSYNC_", "CLAUDE", "OPENCODE", "CURSOR", "XDG_")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only home that code under test can find; child processes inherit it."""
    for name in list(os.environ):
        if name.startswith(_FORGOTTEN) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    own = tmp_path / "home"
    own.mkdir()
    monkeypatch.setenv("HOME", str(own))
    monkeypatch.setenv("OPENSYNC_HOOKS_HOME", str(tmp_path / "ours"))
    return own


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    """Commands that run inside a test set it for their whole process."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(_LOOPBACK):
            raise AssertionError(f"a test tried to reach {address[0]}")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def ours() -> Path:
    """The folder of everything that is ours."""
    return Path(os.environ["OPENSYNC_HOOKS_HOME"])


@pytest.fixture
def projects(home: Path) -> Path:
    """Where Claude Code keeps the sessions of one project."""
    return home / ".claude" / "projects" / "-x"


@pytest.fixture
def recorded(projects: Path) -> int:
    """The recorded sessions, where Claude Code keeps them; how many there are."""
    for folder in sorted(_CLAUDE.iterdir()):
        shutil.copytree(folder, projects, dirs_exist_ok=True)
    return len(list(projects.glob("*.jsonl")))
