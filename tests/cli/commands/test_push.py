"""`push` sends what only the embedded store has: once, under the ids of a sync, masked as now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.model import Json
from opensync_hooks.server.routes import Response
from tests.commandline import WITH_SUBAGENTS, run
from tests.delivery.harness import SECRET
from tests.opensync import Fault, RealStore, real_opensync
from tests.transcripts import TranscriptWriter, call, result, text


class Login:
    """A server that `login` leads to, and its faults."""

    def __init__(self) -> None:
        self.url = self.key = ""
        self.store: RealStore
        self.fault: Fault | None = None
        self.sent: list[str] = []

    def on_request(self, _method: str, path: str, body: bytes) -> Fault | None:
        if path == "/sync/message" and body:
            self.sent.append(json.loads(body)["externalId"].partition(":")[2])
        return self.fault

    def login(self) -> str:
        ran = run("login", "--url", self.url, "--api-key-stdin", stdin=self.key)
        assert (ran.returncode, ran.stderr) == (0, "")
        return ran.stdout


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Login]:
    login = Login()
    with real_opensync(tmp_path, on_request=login.on_request) as (running, store, key):
        login.url, login.key, login.store = running.url, key, store
        yield login


def write(projects: Path, name: str) -> TranscriptWriter:
    """Write two turns, the second one with a tool."""
    writer = TranscriptWriter(projects / f"{name}.jsonl")
    writer.turn(1)
    writer.line("user", "prompt 2")
    writer.respond(f"{name}-m2", text("answer 2"))
    writer.respond(f"{name}-m2", call(f"{name}-t1"))
    writer.line("user", result(f"{name}-t1", "done"))
    writer.respond(f"{name}-m3", text("answer 3"))
    return writer


def rows(store: Store, session_id: str) -> tuple[Json, list[Json]]:
    """Return what both destinations have to agree on, with ids as the agent has them."""
    stored = store.session(session_id)
    assert stored
    changing = ("id", "updatedAt", "extra")
    session = {name: value for name, value in stored["session"].items() if name not in changing}
    messages = [
        {name: value for name, value in row.items() if name not in changing}
        | {"externalId": row["externalId"].partition(":")[2]}
        for row in stored["messages"]
    ]
    return session, messages


def status() -> Any:
    return json.loads(run("status", "--json").stdout)


def test_sessions_that_their_agent_deleted_arrive_once_as_they_are_stored(
    projects: Path, ours: Path, server: Login
) -> None:
    writers = [write(projects, name) for name in ("s1", "s2", "s3")]
    assert run("sync").returncode == 0
    for writer in writers[:2]:
        writer.path.unlink()
    assert "3 sessions that the account does not have" in server.login()
    assert status()["only_in_store"] == 3
    ran = run("push")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.endswith("3 sessions sent to " + server.url + "; the store keeps them.\n")
    with Store(ours / "store.db") as store:
        for name in ("s1", "s2", "s3"):
            assert rows(server.store, name) == rows(store, name)
    assert status()["only_in_store"] == 0
    before = server.store.stats()
    server.sent.clear()
    assert run("sync").returncode == 0
    assert run("push").stdout.startswith("0 sessions sent")
    assert server.store.stats() == before
    assert (before["sessionCount"], before["messageCount"]) == (3, 15)
    assert server.sent == []


def test_push_continues_where_it_was_interrupted(projects: Path, ours: Path, server: Login) -> None:
    for name in ("s1", "s2"):
        write(projects, name).path.touch()
    assert run("sync").returncode == 0
    server.login()
    server.fault = Fault(Response(503, b"{}"))
    assert run("push").returncode == 6
    server.fault = None
    assert run("push").returncode == 0
    assert sorted(server.sent)[:2] == ["msg_s1_1", "msg_s2_1"]
    with Store(ours / "store.db") as store:
        assert rows(server.store, "s1") == rows(store, "s1")


def test_rules_of_today_hold_for_what_was_stored_before(
    projects: Path, ours: Path, server: Login
) -> None:
    ours.mkdir(exist_ok=True)
    settings = ours / "config.toml"
    settings.write_text("[privacy]\nredact = false\n")
    settings.chmod(0o600)
    writer = write(projects, "s1")
    writer.line("user", f"the key is {SECRET}")
    write(projects, "s2")
    assert run("sync").returncode == 0
    with Store(ours / "store.db") as store:
        assert SECRET in json.dumps(store.session("s1"))
    settings.write_text("")
    server.login()
    assert run("push").returncode == 0
    assert SECRET not in json.dumps(server.store.session("s1"))
    assert server.store.session("s2")


def test_excluded_session_is_not_pushed(projects: Path, ours: Path, server: Login) -> None:
    write(projects, "s1")
    assert run("sync").returncode == 0
    server.login()
    settings = ours / "config.toml"
    settings.write_text(settings.read_text() + '\n[privacy]\nexclude = ["/work"]\n')
    ran = run("push")
    assert "not sent: its project matches" in ran.stdout
    assert server.store.session("s1") is None


@pytest.mark.usefixtures("recorded")
def test_recorded_sessions_arrive_as_a_sync_would_send_them(ours: Path, server: Login) -> None:
    assert run("sync").returncode in (0, 1)
    server.login()
    assert run("push").returncode == 0
    with Store(ours / "store.db") as store:
        session_ids = store.session_ids()
        assert any(name.startswith(f"{WITH_SUBAGENTS}:agent") for name in session_ids)
        for name in session_ids:
            assert rows(server.store, name) == rows(store, name)


def test_push_needs_a_login_and_dry_run_sends_nothing(projects: Path, server: Login) -> None:
    write(projects, "s1")
    assert run("sync").returncode == 0
    assert run("push").returncode == 2
    server.login()
    ran = run("push", "--dry-run")
    assert ran.stdout == f"s1\n1 session to send to {server.url}.\n"
    assert server.sent == []
