"""Only one run at a time delivers a session."""

from __future__ import annotations

import pytest

from opensync_hooks.delivery.send import Limits
from opensync_hooks.delivery.session_lock import session_lock
from opensync_hooks.errors import BusyError
from tests.delivery.harness import Harness


def test_second_run_on_a_session_waits_and_then_gives_up(opensync: Harness) -> None:
    opensync.transcript().turn(1)
    located, limits = opensync.locate(), Limits(lock_timeout=0.05)
    lock = session_lock(opensync.syncer.config.folders.locks, "claude-code", "s1", 1)
    with lock, pytest.raises(BusyError) as caught:
        opensync.syncer.sync(opensync.source, located, limits=limits)
    assert str(caught.value) == "s1: another run has been syncing the session for 0 s."
    assert caught.value.hint == "The next hook delivers it, or `opensync-hooks sync`."
    assert opensync.request_counts == {}
    assert opensync.syncer.sync(opensync.source, located, limits=limits).sent == 2


def test_lock_of_another_agents_session_is_another_lock(opensync: Harness) -> None:
    opensync.transcript().turn(1)
    with session_lock(opensync.syncer.config.folders.locks, "cursor", "s1", 1):
        assert opensync.sync().sent == 2


def test_locks_are_private_to_their_user(opensync: Harness) -> None:
    opensync.transcript().turn(1)
    opensync.sync()
    folder = opensync.syncer.config.folders.locks
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
