"""Two users of one deployment: what one account has confirmed says nothing of another one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.server.server import Server
from tests.commandline import KEY, NOBODY_LISTENS, run
from tests.opensync import RealStore, shared_opensync
from tests.transcripts import TranscriptWriter


class Deployment:
    """A server that two users share; the first one has two keys."""

    def __init__(self, server: Server, users: list[tuple[str, RealStore]]) -> None:
        self.url = server.url
        (self.key, self.store), (self.renewed, _), (self.other_key, self.other_store) = users

    def login(self, key: str) -> None:
        ran = run("login", "--url", self.url, "--api-key-stdin", stdin=key)
        assert (ran.returncode, ran.stderr) == (0, "")


@pytest.fixture
def deployment(tmp_path: Path, projects: Path) -> Iterator[Deployment]:
    for name in ("s1", "s2"):
        TranscriptWriter(projects / f"{name}.jsonl").turn(1)
    with shared_opensync(tmp_path) as (server, users):
        yield Deployment(server, users)


def counts(store: RealStore) -> tuple[int, int]:
    stats = store.stats()
    return stats["sessionCount"], stats["messageCount"]


def status() -> tuple[int, int, int]:
    """Return synced sessions, synced messages, and sessions that are not synced."""
    document: Any = json.loads(run("status", "--json").stdout)
    unsynced = sum(agent["unsynced"] for agent in document["agents"])
    return document["sessions"], document["messages"], unsynced


def test_each_account_gets_every_session_once(deployment: Deployment) -> None:
    deployment.login(deployment.key)
    assert run("sync").returncode == 0
    assert (counts(deployment.store), status()) == ((2, 4), (2, 4, 0))
    deployment.login(deployment.other_key)
    assert status() == (0, 0, 2)
    assert "2 sessions synced" in run("sync").stdout
    assert counts(deployment.store) == counts(deployment.other_store) == (2, 4)
    assert status() == (2, 4, 0)
    deployment.login(deployment.key)
    assert status() == (2, 4, 0)
    assert "2 up to date" in run("sync").stdout
    assert counts(deployment.store) == counts(deployment.other_store) == (2, 4)


def test_renewed_key_keeps_what_its_account_has_confirmed(deployment: Deployment) -> None:
    deployment.login(deployment.key)
    assert run("sync").returncode == 0
    deployment.login(deployment.renewed)
    assert status() == (2, 4, 0)
    assert "0 sessions synced" in run("sync").stdout


def test_login_of_the_environment_has_an_account_of_its_own(deployment: Deployment) -> None:
    deployment.login(deployment.key)
    assert run("sync").returncode == 0
    environ = {"OPENSYNC_URL": deployment.url, "OPENSYNC_API_KEY": deployment.other_key}
    assert "2 sessions synced" in run("sync", **environ).stdout
    assert "0 sessions synced" in run("sync").stdout
    environ["OPENSYNC_API_KEY"] = deployment.renewed
    assert "0 sessions synced" in run("sync", **environ).stdout


def test_account_that_received_nothing_is_not_mixed_up_with_the_next_one(
    deployment: Deployment,
) -> None:
    deployment.login(deployment.other_key)
    deployment.login(deployment.key)
    assert run("sync").returncode == 0
    deployment.login(deployment.other_key)
    assert status() == (0, 0, 2)
    assert run("sync").returncode == 0
    assert counts(deployment.other_store) == (2, 4)


def test_ledger_of_an_earlier_version_belongs_to_the_account_that_has_its_sessions(
    deployment: Deployment, ours: Path
) -> None:
    deployment.login(deployment.key)
    assert run("sync").returncode == 0
    with Ledger(ours / "ledger.db") as ledger, ledger.transaction() as execute:
        execute("DELETE FROM account")  # which earlier versions did not have
    assert status() == (2, 4, 0)
    assert "0 sessions synced" in run("sync").stdout
    with Ledger(ours / "ledger.db") as ledger, ledger.transaction() as execute:
        execute("DELETE FROM account")
    deployment.login(deployment.other_key)
    assert status() == (0, 0, 2)
    assert "2 sessions synced" in run("sync").stdout


def test_one_deleted_session_does_not_make_a_renewed_key_another_account(
    deployment: Deployment,
) -> None:
    deployment.login(deployment.key)
    assert run("sync").returncode == 0
    deployment.store.delete_session("s2")
    deployment.login(deployment.renewed)
    assert status() == (2, 4, 0)


def test_account_is_identified_at_the_first_contact_and_the_key_is_never_written(
    deployment: Deployment, ours: Path
) -> None:
    environ = {"OPENSYNC_URL": NOBODY_LISTENS, "OPENSYNC_API_KEY": KEY}
    assert run("sync", **environ).returncode == 6
    for key in (deployment.key, deployment.other_key, deployment.renewed):
        environ = {"OPENSYNC_URL": deployment.url, "OPENSYNC_API_KEY": key}
        assert run("sync", **environ).returncode == 0
    files = [path for path in ours.rglob("*") if path.is_file()]
    assert any(path.name == "ledger.db" for path in files)
    for path in files:
        for key in (KEY, deployment.key, deployment.other_key, deployment.renewed):
            assert key.encode() not in path.read_bytes()
