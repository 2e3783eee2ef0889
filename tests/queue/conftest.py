"""The users whose queues are tested."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from opensync_hooks.queue import worker
from tests.claude_user import ClaudeUser
from tests.opensync import logged_in
from tests.queue.harness import OnlineUser


@pytest.fixture
def user(home: Path, monkeypatch: pytest.MonkeyPatch) -> ClaudeUser:
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0.05)
    return ClaudeUser(home)


@pytest.fixture
def online(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OnlineUser]:
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0.05)
    monkeypatch.setattr("opensync_hooks.destinations.opensync.transport.FIRST_RETRY_WAIT_S", 0.01)
    with logged_in(partial(OnlineUser, home), tmp_path, monkeypatch) as user:
        yield user
