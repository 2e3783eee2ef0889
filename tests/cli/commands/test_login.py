"""`login` tells errors apart, and changes nothing unless the key is accepted."""

from __future__ import annotations

import errno
import json
import pty
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from opensync_hooks.destinations.opensync import transport
from opensync_hooks.server.routes import Response
from tests.commandline import FIRST, KEY, NOBODY_LISTENS, ROOT, run, run_on_terminal
from tests.opensync import Fault, real_opensync


@pytest.mark.parametrize(
    ("arguments", "stdin", "error"),
    [
        ((), "", "login: no URL given."),
        (("--url", "x"), KEY, "This is not a URL."),
        (("--url", KEY), "", "This is not a URL."),
        (("--url", "http://x.convex.site"), KEY, "the key would travel unencrypted"),
        (("--url", "https://x.convex.site"), KEY, "login: no API key given."),
        (("--url", "https://x.convex.site", "--api-key-stdin"), "", "not an OpenSync API key"),
        (
            ("--url", "https://x.convex.site", "--api-key-stdin"),
            "sk-123\n",
            "not an OpenSync API key",
        ),
    ],
    ids=["no URL", "not a URL", "key as URL", "http", "no key", "empty key", "other key"],
)
def test_incomplete_login_is_a_usage_error(
    ours: Path, arguments: tuple[str, ...], stdin: str, error: str
) -> None:
    ran = run("login", *arguments, stdin=stdin)
    assert ran.returncode == 2
    assert error in ran.stderr
    assert "hint: " in ran.stderr
    assert KEY not in ran.stderr + ran.stdout
    assert not ours.exists()


def test_logout_without_a_login_succeeds(ours: Path) -> None:
    ran = run("logout")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("You were not logged in.\n")
    assert not (ours / "config.toml").exists()


# ---- login attempts ------------------------------------------------------------------------------


@pytest.fixture
def before(ours: Path) -> bytes:
    """A config.toml with an earlier login and a comment."""
    ours.mkdir()
    text = f"""# mine\nurl = "{NOBODY_LISTENS}"\napi_key = "{KEY}"\n[privacy]\nredact = true\n"""
    (ours / "config.toml").write_text(text)
    (ours / "config.toml").chmod(0o600)
    return text.encode()


@contextmanager
def attempt(kind: str, tmp_path: Path, patch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """Yield URL and key for an attempt that ends in `kind`."""
    responses: dict[str, Fault | None] = {
        "not OpenSync": Fault(Response(404, b"<html>Not Found</html>")),
        "a redirect": Fault(Response(302, b"", {"Location": "https://www.convex.dev/"})),
        "a proxy": Fault(Response(403, b"<html>Company policy</html>")),
        "another project": Fault(Response(404, b"No matching routes found")),
        "a web page": Fault(Response(200, b"<html>Welcome</html>")),
        "overloaded": Fault(Response(503, b"")),
    }

    def slow(*_: object) -> Fault | None:
        if kind in {"slow server", "slow answer"}:
            time.sleep(0.5)
        return responses.get(kind)

    if kind == "slow server":
        patch.setattr(transport, "SOCKET_TIMEOUTS_S", (5.0, 0.05))
    if kind == "slow answer":
        patch.setattr(transport, "REQUEST_DEADLINE_S", 0.05)
    with real_opensync(tmp_path, on_request=slow) as (server, _, key):
        unreachable = f"https://{HOST}"
        if kind == "wrong host":
            patch.setattr(socket, "getaddrinfo", failing(socket.gaierror(socket.EAI_NONAME, "")))
            yield unreachable, KEY
        elif kind == "no network":
            patch.setattr(socket, "getaddrinfo", failing(socket.gaierror(socket.EAI_AGAIN, "")))
            yield unreachable, KEY
        elif kind == "no route":
            error = OSError(errno.ENETUNREACH, "unreachable")
            patch.setattr(socket.socket, "connect", failing(error))
            yield server.url, KEY
        elif kind == "http host":
            yield f"http://{HOST}", KEY
        elif kind == "nobody listens":
            yield NOBODY_LISTENS, key
        else:
            yield server.url, KEY if kind == "wrong key" else key


def failing(error: Exception) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


HOST = "your-name.example"
NOT_OPENSYNC = "{url}: a server responds there, but it is not OpenSync."
ADDRESS = "The URL ends in .convex.site; for a self-hosted Convex it is that of HTTP actions."
UNREACHABLE = "{url}: cannot be reached "
LATER = "Try again later."
OUTCOMES = {
    "wrong key": (5, "{url}: unknown API key.", "Copy it from OpenSync's settings page."),
    "wrong host": (1, UNREACHABLE + "(unknown host name).", "Check how the URL is spelled."),
    "not OpenSync": (1, NOT_OPENSYNC, ADDRESS),
    "a redirect": (1, NOT_OPENSYNC, ADDRESS),
    "a proxy": (1, NOT_OPENSYNC, ADDRESS),
    "another project": (1, NOT_OPENSYNC, ADDRESS),
    "a web page": (1, NOT_OPENSYNC, ADDRESS),
    "no network": (
        6, UNREACHABLE + "(no network connection).", "Try again when you are online.",
    ),
    "no route": (6, UNREACHABLE + "(no route to host).", "Check the network."),
    "nobody listens": (
        6, UNREACHABLE + "(nothing is listening there).", "Check the URL and its port.",
    ),
    "http host": (2, "{url}: the key would travel unencrypted.", "Use its https address."),
    "slow server": (6, UNREACHABLE + "(no response).", LATER),
    "slow answer": (6, UNREACHABLE + "(the response takes too long).", LATER),
    "overloaded": (6, "{url}: temporary error 503.", LATER),
}  # fmt: skip


@pytest.mark.parametrize("kind", OUTCOMES)
def test_failed_login_is_explained_and_changes_nothing(
    tmp_path: Path, ours: Path, monkeypatch: pytest.MonkeyPatch, before: bytes, kind: str
) -> None:
    code, sentence, hint = OUTCOMES[kind]
    with attempt(kind, tmp_path, monkeypatch) as (url, key), monkeypatch.context() as quick:
        quick.setattr("opensync_hooks.destinations.opensync.transport.random.uniform", lambda *_: 0)
        ran = run("login", "--url", url, "--api-key-stdin", stdin=key)
    assert (ran.returncode, ran.stdout) == (code, "")
    first, second = ran.stderr.splitlines()
    assert first == sentence.format(url=url)
    assert second == f"hint: {hint}"
    assert key not in ran.stderr
    assert (ours / "config.toml").read_bytes() == before


def test_every_error_has_a_message_of_its_own() -> None:
    sentences = {sentence for _, sentence, _ in OUTCOMES.values()}
    assert len(sentences) == len(OUTCOMES) - 4, "a foreign site has five cases"


@pytest.mark.usefixtures("before")
def test_good_login_keeps_comments_and_other_settings(tmp_path: Path, ours: Path) -> None:
    with real_opensync(tmp_path) as (server, _, key):
        assert run("login", "--url", server.url, "--api-key-stdin", stdin=key).returncode == 0
        text = (ours / "config.toml").read_text()
        after = f"""# mine\nurl = "{server.url}"\napi_key = "{key}"\n[privacy]\nredact = true\n"""
        assert text == after
        assert (ours / "config.toml").stat().st_mode & 0o777 == 0o600
        again = run("login", OPENSYNC_URL=server.url, OPENSYNC_API_KEY=key)
    assert again.returncode == 0
    assert "OPENSYNC_URL is set in this shell" in again.stdout


def test_revoked_key_differs_from_an_unknown_one(tmp_path: Path, ours: Path) -> None:
    with real_opensync(tmp_path) as (server, _, key):
        run("login", "--url", server.url, "--api-key-stdin", stdin=key)
        kept = (ours / "config.toml").read_bytes()
        server.key = "osk_" + "N" * 32  # a new key was made in the settings page
        ran = run("login", "--url", server.url, "--api-key-stdin", stdin=key)
        other = run("login", "--url", server.url, "--api-key-stdin", stdin=KEY)
    assert (ran.returncode, other.returncode) == (5, 5)
    assert ran.stderr.splitlines() == [
        f"{server.url}: this API key is no longer valid.",
        "hint: A new key in OpenSync's settings replaces the old one: copy the new one.",
    ]
    assert "unknown API key." in other.stderr
    assert (ours / "config.toml").read_bytes() == kept


def test_untrusted_certificate_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    error = requests.exceptions.SSLError()
    error.__cause__ = ssl.SSLCertVerificationError()
    error.__cause__.verify_message, error.__cause__.verify_code = "self-signed certificate", 18
    monkeypatch.setattr(requests.Session, "send", failing(error))
    ran = run("login", "--url", f"https://{HOST}", "--api-key-stdin", stdin=KEY)
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [
        f"https://{HOST}: its certificate is not trusted (self-signed certificate).",
        "hint: Behind a company proxy, set REQUESTS_CA_BUNDLE to the file of its certificates.",
    ]


def test_logout_explains_what_stays(tmp_path: Path, ours: Path) -> None:
    with real_opensync(tmp_path) as (server, _, key):
        run("login", "--url", server.url, "--api-key-stdin", stdin=key)
    ran = run("logout", OPENSYNC_URL=server.url)
    assert ran.returncode == 0
    assert f"Sessions at {server.url} stay there, and the key remains valid." in ran.stdout
    assert f"the embedded store, {ours}/store.db." in ran.stdout
    assert "OPENSYNC_URL is set in this shell and still applies." in ran.stdout
    assert key not in ran.stdout
    assert not (ours / "config.toml").exists()


@pytest.mark.parametrize("first", [False, True], ids=["a later login", "the first login"])
def test_logout_removes_the_key_of_a_killed_login(
    before: bytes, ours: Path, *, first: bool
) -> None:
    if first:
        (ours / "config.toml").unlink()
    begun = """
import os, pathlib, sys
from opensync_hooks.config.credentials import save_login
pathlib.Path.replace = lambda *_: os.kill(os.getpid(), 9)
save_login(os.environ, sys.argv[1], sys.argv[2])
"""
    command = [sys.executable, "-c", begun, NOBODY_LISTENS, KEY[:-4] + "kill"]
    killed = subprocess.run(command, cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert first or (ours / "config.toml").read_bytes() == before
    assert any(b"kill" in path.read_bytes() for path in ours.iterdir() if path.is_file())
    assert run("logout").returncode == 0
    assert not any(b"osk_" in path.read_bytes() for path in ours.rglob("*") if path.is_file())


@pytest.mark.skipif(not hasattr(pty, "fork"), reason="no terminals here")
def test_typed_key_is_not_echoed(tmp_path: Path, ours: Path) -> None:
    """On a real terminal, which echoes what is typed."""
    with real_opensync(tmp_path) as (server, _, key):
        child = [sys.executable, "-m", "opensync_hooks", "login"]
        shown = run_on_terminal(child, f"{server.url}\n", f"{key}\n")
    assert f"Logged in: sessions now go to {server.url}" in shown
    assert "API key (osk_" in shown
    assert key not in shown
    assert key in (ours / "config.toml").read_text()


@pytest.mark.usefixtures("recorded")
def test_sessions_go_to_opensync_from_login_to_logout(tmp_path: Path, ours: Path) -> None:
    requests: list[str] = []
    with real_opensync(tmp_path, on_request=lambda _, path, __: requests.append(path)) as (
        server,
        store,
        key,
    ):
        logged_in = run("login", "--url", f"{server.url}/", "--api-key-stdin", stdin=f"{key}\n")
        assert (logged_in.returncode, logged_in.stderr) == (0, "")
        assert f"sessions now go to {server.url}" in logged_in.stdout
        synced = run("sync", FIRST)
        assert synced.stdout.startswith(f"{FIRST}: 8 messages sent to {server.url}")
        assert [session["externalId"] for session in store.sessions(9)] == [FIRST]
        status = json.loads(run("status", "--json").stdout)
        requests.clear()
        assert run("sync", FIRST).returncode == 0
        assert requests == ["/api/sessions?limit=3"], "whether it is still there"
        assert run("logout").returncode == 0
    fields = ("destination", "reachable", "authorised", "sessions")
    assert [status[field] for field in fields] == [server.url, True, True, 1]
    assert key not in str(status) + logged_in.stdout + synced.stdout
    assert not (ours / "config.toml").exists()
    assert json.loads(run("status", "--json").stdout)["destination"] == "embedded store"


@pytest.mark.usefixtures("recorded")
def test_refused_key_is_reported_by_login_sync_and_status(tmp_path: Path, ours: Path) -> None:
    with real_opensync(tmp_path) as (server, _, __):
        logged_in = run("login", "--url", server.url, "--api-key-stdin", stdin=KEY)
        assert not (ours / "config.toml").exists()
        environ = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": KEY}
        synced, status = run("sync", **environ), run("status", **environ)
    assert (logged_in.returncode, synced.returncode, status.returncode) == (5, 5, 0)
    assert "unknown API key" in logged_in.stderr
    assert "run `opensync-hooks login`" in synced.stderr.partition("hint: ")[2]
    assert "Connected:         no, the key is refused" in status.stdout
    assert KEY not in logged_in.stderr + synced.stderr + status.stdout
