"""`login` tells one fault from another, and changes nothing unless the key is accepted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commandline import FIRST, KEY, run
from tests.opensync import real_opensync


@pytest.mark.parametrize(
    ("arguments", "said", "complaint"),
    [
        ((), "", "login: no URL given."),
        (("--url", "x"), KEY, "This is not a URL."),
        (("--url", KEY), "", "This is not a URL."),
        (("--url", "http://x.convex.site"), KEY, "the key would travel unencrypted"),
        (("--url", "https://x.convex.site"), KEY, "login: no key given."),
        (("--url", "https://x.convex.site", "--api-key-stdin"), "", "not an OpenSync key"),
        (("--url", "https://x.convex.site", "--api-key-stdin"), "sk-123\n", "not an OpenSync key"),
    ],
    ids=["no URL", "no real URL", "key for a URL", "http", "no key", "empty key", "other key"],
)
def test_login_that_cannot_be_says_what_is_missing(
    ours: Path, arguments: tuple[str, ...], said: str, complaint: str
) -> None:
    ran = run("login", *arguments, said=said)
    assert ran.returncode == 2
    assert complaint in ran.stderr
    assert "hint: " in ran.stderr
    assert KEY not in ran.stderr + ran.stdout
    assert not ours.exists()


def test_logout_without_a_login_is_no_failure(ours: Path) -> None:
    ran = run("logout")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "There was no login. Sessions go to the embedded store.\n"
    assert not (ours / "config.toml").exists()


@pytest.mark.usefixtures("recorded")
def test_login_sends_sessions_to_the_users_opensync_until_logout(
    tmp_path: Path, ours: Path
) -> None:
    asked: list[str] = []
    with real_opensync(tmp_path, on_request=lambda _, path, __: asked.append(path)) as (
        server,
        store,
        key,
    ):
        logged_in = run("login", "--url", f"{server.url}/", "--api-key-stdin", said=f"{key}\n")
        assert (logged_in.returncode, logged_in.stderr) == (0, "")
        assert f"sessions go to {server.url} from now on" in logged_in.stdout
        synced = run("sync", FIRST)
        assert synced.stdout.startswith(f"{FIRST}: 8 messages sent to {server.url}")
        assert [one["externalId"] for one in store.sessions(9)] == [FIRST]
        found = json.loads(run("status", "--json").stdout)
        asked.clear()
        assert run("sync", FIRST).returncode == 0
        assert asked == []
        assert run("logout").returncode == 0
    assert (found["destination"], found["reachable"], found["authorised"], found["sessions"]) == (
        server.url, True, True, 1,
    )  # fmt: skip
    assert key not in str(found) + logged_in.stdout + synced.stdout
    assert key not in (ours / "config.toml").read_text()
    assert json.loads(run("status", "--json").stdout)["destination"] == "embedded store"


@pytest.mark.usefixtures("recorded")
def test_refused_key_is_told_by_login_sync_and_status(tmp_path: Path, ours: Path) -> None:
    with real_opensync(tmp_path) as (server, _, __):
        logged_in = run("login", "--url", server.url, "--api-key-stdin", said=KEY)
        assert not (ours / "config.toml").exists()
        given = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": KEY}
        synced, told = run("sync", **given), run("status", **given)
    assert (logged_in.returncode, synced.returncode, told.returncode) == (5, 5, 0)
    assert "the key is refused" in logged_in.stderr
    assert "run `opensync-hooks login`" in synced.stderr.partition("hint: ")[2]
    assert "Connected:         no, the key is refused" in told.stdout
    assert KEY not in logged_in.stderr + synced.stderr + told.stdout
