"""The embedded store keeps contents of files if its user wants that; OpenSync never gets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from opensync_hooks.config import load
from opensync_hooks.config.credentials import new_key
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.server.server import Server
from tests.commandline import run
from tests.opensync import RealStore, logged_in
from tests.transcripts import TranscriptWriter, result, text

SECRET = "ghp_" + "a1B2" * 9
BODY = f"line of a file\ntoken = {SECRET}\n"
WRITE = {
    "type": "tool_use", "id": "t1", "name": "Write",
    "input": {"file_path": "/work/a.py", "content": BODY},
}  # fmt: skip


class Recorder:
    received = b""

    def __init__(self, _: RealStore) -> None:
        pass

    def on_request(self, _method: str, _path: str, body: bytes) -> None:
        self.received += body


@pytest.fixture(autouse=True)
def _session(home: Path) -> None:
    writer = TranscriptWriter(home / ".claude" / "projects" / "-work" / "s1.jsonl")
    writer.line("user", "write it")
    writer.respond("msg_1", WRITE)
    writer.line("user", result("t1", "File created successfully at: /work/a.py"))
    writer.respond("msg_2", text("done"))


@pytest.fixture
def keeps_contents() -> None:
    run("config", "set", "store.file_contents", "true")


def stored_text(path: Path) -> str:
    with Store(path) as store:
        return str(store.session("s1"))


def test_by_default_the_store_keeps_no_contents() -> None:
    run("sync", "--all")
    assert "contents of /work/a.py stay here" in stored_text(load().folders.store)
    assert "File contents:     left out" in run("status").stdout


@pytest.mark.usefixtures("keeps_contents")
def test_store_keeps_contents_with_their_secrets_masked_and_gives_them_up_again() -> None:
    run("sync", "--all")
    content = stored_text(load().folders.store)
    assert "line of a file" in content
    assert "[redacted:github-token]" in content
    assert SECRET not in content
    assert "File contents:     kept in the embedded store" in run("status").stdout
    assert run("verify").returncode == 0
    run("config", "unset", "store.file_contents")
    run("sync", "--all")
    assert "line of a file" not in stored_text(load().folders.store)
    assert run("verify").returncode == 0


@pytest.mark.usefixtures("keeps_contents")
def test_opensync_gets_no_contents_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor when the sessions were in the store before the login."""
    run("sync", "--all")
    with logged_in(Recorder, tmp_path, monkeypatch) as recorder:
        run("sync", "--all")
        assert "File contents:     left out" in run("status").stdout
    assert b"stay here" in recorder.received
    assert b"line of a file" not in recorder.received


@pytest.mark.usefixtures("keeps_contents")
def test_push_takes_no_contents_along(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sessions are those of the store, of which the agent may have nothing any more."""
    run("sync", "--all")
    (home / ".claude" / "projects" / "-work" / "s1.jsonl").unlink()
    with logged_in(Recorder, tmp_path, monkeypatch) as recorder:
        assert run("push").returncode == 0
    assert b"stay here" in recorder.received
    assert b"line of a file" not in recorder.received


@pytest.mark.usefixtures("keeps_contents")
def test_served_store_gets_no_contents_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What speaks OpenSync's protocol counts as OpenSync: it may be another machine."""
    key = new_key()
    with Store(tmp_path / "served.db") as store, Server(store, key) as server:
        monkeypatch.setenv("OPENSYNC_URL", server.start().url)
        monkeypatch.setenv("OPENSYNC_API_KEY", key)
        run("sync", "--all")
    content = stored_text(tmp_path / "served.db")
    assert "stay here" in content
    assert "line of a file" not in content


def test_misspelled_setting_of_the_store_is_refused() -> None:
    path = load().folders.settings
    path.parent.mkdir(parents=True)
    path.write_text("[store]\nfile_content = false\n")
    path.chmod(0o600)
    ran = run("sync", "--all")
    assert ran.returncode == 4
    assert "[store] has no setting `file_content`" in ran.stderr
