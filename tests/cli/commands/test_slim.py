"""`slim` shortens the search texts of old sessions until OpenSync can list the account again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensync_hooks.delivery import search_text
from opensync_hooks.server.routes import Response
from tests.commandline import run
from tests.opensync import ROW_BYTES, Fault, RealStore, real_opensync
from tests.transcripts import TranscriptWriter, text


class Account:
    """An account with six sessions of long answers, more than the server can list."""

    def __init__(self, store: RealStore) -> None:
        self.store = store
        self.fault: Fault | None = None

    def on_request(self, _method: str, path: str, _body: bytes) -> Fault | None:
        return self.fault if path == "/sync/batch" else None

    def lengths(self) -> list[int]:
        return [len(self.store.search_text[f"s{number}"]) for number in range(6)]

    def doctor(self) -> str:
        findings = json.loads(run("doctor", "--json").stdout)["checks"]
        return next(str(check["state"]) for check in findings if check["check"] == "dashboard")


@pytest.fixture
def account(tmp_path: Path, projects: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for number in range(6):
        writer = TranscriptWriter(projects / f"s{number}.jsonl")
        writer.line("user", f"find the kettle {number}")
        writer.respond(f"s{number}-m1", text("long answer " * 1000))
        writer.line("user", "and polish it " + "now " * 200)
        writer.respond(f"s{number}-m2", text("done"))
    accounts: list[Account] = []

    def on_request(method: str, path: str, body: bytes) -> Fault | None:
        return accounts[0].on_request(method, path, body)

    with real_opensync(tmp_path, on_request=on_request) as (server, store, key):
        accounts.append(Account(store))
        monkeypatch.setenv("OPENSYNC_URL", server.url)
        monkeypatch.setenv("OPENSYNC_API_KEY", key)
        assert run("sync", "--jobs", "1").returncode == 0
        store.max_read_bytes = 3 * (ROW_BYTES + 10_000)
        yield accounts[0]


def test_account_that_cannot_be_listed_can_be_listed_again(account: Account) -> None:
    assert account.doctor() == "failed"
    assert run("slim", "--keep", "2", "--dry-run").stdout == "4 sessions to slim, 2 kept.\n"
    assert "4 sessions slimmed" in run("slim", "--keep", "2").stdout
    assert account.doctor() == "ok"
    assert sum(length > 9_000 for length in account.lengths()) == 2
    for number in range(6):
        shortened = account.store.search_text[f"s{number}"]
        assert len(shortened) <= search_text.MAX_BYTES or len(shortened) > 9_000
        assert f"find the kettle {number}" in shortened
        assert "and polish it" in shortened or len(shortened) > 9_000
        stored = account.store.session(f"s{number}")
        assert stored
        assert stored["session"]["title"] == f"find the kettle {number}"
    assert run("slim", "--keep", "2").stdout.startswith("0 sessions to slim")
    assert "0 sessions synced" in run("sync").stdout


def test_force_sends_the_full_text_again(account: Account) -> None:
    run("slim", "--keep", "0")
    assert max(account.lengths()) <= search_text.MAX_BYTES
    assert run("sync", "--force", "s3").returncode == 0
    assert [length > 9_000 for length in account.lengths()] == [False] * 3 + [True] + [False] * 2


def test_run_that_ends_between_its_requests_is_finished_by_the_next_one(account: Account) -> None:
    account.fault = Fault(Response(503, b"{}"))
    assert run("slim", "--keep", "0").returncode == 6
    account.fault = None
    assert run("slim", "--keep", "0").returncode == 0
    titles = {session["title"] for session in account.store.sessions()}
    assert titles == {f"find the kettle {number}" for number in range(6)}


def test_session_that_was_deleted_there_is_not_made_anew(account: Account) -> None:
    account.store.delete_session("s1")
    assert "5 sessions slimmed" in run("slim", "--keep", "0").stdout
    assert account.store.session("s1") is None


@pytest.mark.parametrize("sessions", [1, 1_600, 5_000, 20_000])
def test_texts_of_any_number_of_sessions_fit_together(sessions: int) -> None:
    max_bytes = search_text.bytes_per_session(sessions)
    assert (ROW_BYTES + max_bytes) * sessions <= 12 << 20
    assert max_bytes == search_text.MAX_BYTES or sessions >= 5_000
