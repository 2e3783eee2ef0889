"""The key goes to its own address and nowhere else, whatever fails on the way.

Real hooks, workers and commands with a key in config.toml, against servers that do all that a
server can do wrong. Then everything is searched that anybody could look at.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks import config
from opensync_hooks.config.credentials import forget_login, save_login
from opensync_hooks.destinations.opensync import client as client_module
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.errors import CertificateError, OpenSyncError, UnreachableError
from tests.opensync import real_opensync
from tests.transcripts import Pen

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

ROOT = Path(__file__).parents[3]
HOOK = [sys.executable, "-I", "-S", str(ROOT / "hooks" / "claude_code.py")]
KEY = "osk_" + "Canary7-that_flies_nowhere-at-all"[:32].ljust(32, "x")
TRACES = (KEY.encode(), base64.b64encode(KEY.encode())[:40], KEY[4:20].encode())
HANG_S = 3.0
BODY = {"sessions": [{"externalId": "s", "title": "the user's own words"}]}

Respond = Callable[[bytes], bytes | None]
"""A request's bytes → what is answered; None breaks the connection."""


class Listener(threading.Thread):
    """A port that answers every request in one way, and keeps what came."""

    def __init__(self, respond: Respond) -> None:
        super().__init__(daemon=True)
        self.respond = respond
        self.came: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self) -> None:
        with suppress(OSError):
            while True:
                one, _ = self.socket.accept()
                threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one: socket.socket) -> None:
        with one, suppress(OSError):
            request = _request(one)
            self.came.append(request)
            answer = self.respond(request)
            if answer is not None:
                one.sendall(answer)

    def close(self) -> None:
        self.socket.close()


_TLS = b"\x16"


def _request(one: socket.socket) -> bytes:
    one.settimeout(5)
    got = b""
    while b"\r\n\r\n" not in got and got[:1] != _TLS and (piece := one.recv(65536)):
        got += piece
    head, _, body = got.partition(b"\r\n\r\n")
    length = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    wanted = int(length[0].split(b":")[1]) if length else 0
    while len(body) < wanted and (piece := one.recv(65536)):
        body += piece
        got += piece
    return got


def _says(status: str, body: bytes, *headers: str) -> Respond:
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return lambda _request: head.encode() + b"\r\nConnection: close\r\n\r\n" + body


def _echo(status: str) -> Respond:
    """What a server says that repeats, in its error, what it was sent."""

    def respond(request: bytes) -> bytes | None:
        said = request.partition(b"Bearer")[1:]
        line = b"".join(said).partition(b"\r\n")[0].decode("utf-8", "replace")
        body = json.dumps({"error": line}).encode()
        return _says(status, body)(request)

    return respond


def _hang(_request: bytes) -> None:
    time.sleep(HANG_S)


FAULTS: dict[str, Respond] = {
    "refuses the key and repeats it": _echo("401 Unauthorized"),
    "fails and repeats the key": _echo("500 Internal Server Error"),
    "rejects and repeats the key": _echo("400 Bad Request"),
    "is busy and repeats the key": _echo("503 Service Unavailable"),
    "answers half": lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    "breaks off": lambda _: None,
    "answers what is no JSON": _says("200 OK", b"<html>" + b"x" * 99),
    "answers too deep a JSON": _says("200 OK", b"[" * 100_000),
    "answers no HTTP": lambda _: b"\x15\x03\x01\x00\x02\x02\x16",
    "hangs": _hang,
}


MET = (
    "refuses the key and repeats it",
    "fails and repeats the key",
    "answers half",
    "hangs",
)
"""By a hook's own worker; the others by a client alone, which takes less time."""


@pytest.fixture
def listen() -> Iterator[Callable[[Respond], Listener]]:
    with ExitStack() as stack:

        def start(respond: Respond) -> Listener:
            listener = Listener(respond)
            stack.callback(listener.close)
            listener.start()
            return listener

        yield start


class User:
    """One home, with a login and a session to deliver."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.environ = {
            "HOME": str(folder / "home"),
            "OPENSYNC_HOOKS_HOME": str(folder / "ours"),
            "PATH": os.environ["PATH"],
        }
        self.said = b""
        (folder / "home").mkdir(parents=True)
        save_login(self.environ, url, KEY)
        self.pen = Pen(folder / "home" / ".claude" / "projects" / "-work" / "s1.jsonl")
        self.pen.turn(1)

    def fire(self) -> None:
        payload = {"session_id": "s1", "transcript_path": str(self.pen.path)}
        body = json.dumps({**payload, "hook_event_name": "SessionEnd"}).encode()
        self._run(HOOK, body)

    def command(self, *arguments: str) -> int:
        return self._run([sys.executable, "-m", "opensync_hooks", *arguments], b"")

    def _run(self, command: list[str], given: bytes) -> int:
        done = subprocess.run(
            command, cwd=ROOT, env=self.environ, input=given, capture_output=True, check=False,
            timeout=60,
        )  # fmt: skip
        self.said += done.stdout + done.stderr
        return done.returncode

    def processes(self) -> Iterator[Path]:
        """Those that have this home in their environment."""
        mark = self.environ["OPENSYNC_HOOKS_HOME"].encode()
        for path in _processes():
            with suppress(OSError):
                if mark in (path / "environ").read_bytes() and path.name != str(os.getpid()):
                    yield path

    def end(self) -> None:
        for path in self.processes():
            with suppress(ProcessLookupError):
                os.kill(int(path.name), 9)


def _processes() -> list[Path]:
    return [Path("/proc") / name for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def has_key(content: bytes) -> bool:
    return any(trace in content for trace in TRACES)


def found_in(folder: Path) -> list[str]:
    """The files that hold the key, but for the one that it belongs in."""
    others = (path for path in sorted(folder.rglob("*")) if path.name != "config.toml")
    return [str(path) for path in others if path.is_file() and has_key(path.read_bytes())]


def found_in_processes() -> list[str]:
    """Of all processes on this machine that may be looked at."""
    found = []
    for process in _processes():
        for path in (process / "cmdline", process / "environ"):
            with suppress(OSError):
                found += [str(path)] * has_key(path.read_bytes())
    return found


@contextmanager
def users(folder: Path, urls: dict[str, str]) -> Iterator[list[User]]:
    made = [User(folder / name.replace(" ", "-"), url) for name, url in urls.items()]
    try:
        yield made
    finally:
        for user in made:
            user.end()


@pytest.mark.timeout(180)
def test_key_is_nowhere_when_hook_worker_and_commands_meet_every_fault(
    tmp_path: Path, listen: Callable[[Respond], Listener]
) -> None:
    listeners = {name: listen(FAULTS[name]) for name in MET}
    stranger = listen(_says("200 OK", b"{}"))
    elsewhere = f"Location: http://127.0.0.1:{stranger.port}/sync/session"
    redirects = listen(_says("307 Temporary Redirect", b"", elsewhere))
    plain = listen(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n")
    urls = {name: f"http://127.0.0.1:{one.port}" for name, one in listeners.items()}
    urls |= {
        "redirects": f"http://127.0.0.1:{redirects.port}",
        "has no TLS": f"https://127.0.0.1:{plain.port}",
        "is not there": "http://127.0.0.1:1",
    }
    with users(tmp_path, urls) as made:
        for user in made:
            user.fire()
        end = time.monotonic() + 30
        silent = [one for one in (*listeners.values(), redirects) if not one.came]
        while silent and time.monotonic() < end:
            assert found_in_processes() == []
            time.sleep(0.1)
            silent = [one for one in silent if not one.came]
        assert not silent, "every server has been asked by a worker"
        made[0].command("sync")
        for command in ("status --json", "config show", "doctor", "queue list"):
            made[0].command(*command.split())
        assert found_in_processes() == []
    assert all(has_key(b"".join(one.came)) for one in listeners.values()), "the search finds keys"
    assert stranger.came == [], "the redirect was followed"
    assert [user.folder.name for user in made if has_key(user.said)] == []
    assert b"127.0.0.1" in b"".join(user.said for user in made)
    assert found_in(tmp_path) == []


def test_key_of_the_environment_is_not_kept_by_a_hook(
    tmp_path: Path, listen: Callable[[Respond], Listener]
) -> None:
    """It is the user's own there; neither event nor job may carry it on."""
    listener = listen(_hang)
    with users(tmp_path, {"u": f"http://127.0.0.1:{listener.port}"}) as (user,):
        forget_login(user.environ)
        user.environ |= {
            "OPENSYNC_API_KEY": KEY,
            "OPENSYNC_URL": f"http://127.0.0.1:{listener.port}",
        }
        user.fire()
        end = time.monotonic() + 20
        while not listener.came and time.monotonic() < end:
            time.sleep(0.05)
        assert listener.came
        command_lines = [(path / "cmdline").read_bytes() for path in user.processes()]
        assert command_lines
        assert not any(map(has_key, command_lines))
        assert found_in(tmp_path) == []


def test_worker_that_crashes_leaves_no_memory_behind(
    tmp_path: Path, listen: Callable[[Respond], Listener]
) -> None:
    listener = listen(_hang)
    with users(tmp_path, {"u": f"http://127.0.0.1:{listener.port}"}) as (user,):
        user.fire()
        end = time.monotonic() + 20
        while not listener.came and time.monotonic() < end:
            time.sleep(0.05)
        (worker,) = user.processes()
        limits = (worker / "limits").read_text().splitlines()
        (core,) = [line.split() for line in limits if line.startswith("Max core file size")]
        assert core[4:6] == ["1", "1"], "1: no core file, and none for a program that collects them"
        os.kill(int(worker.name), 6)
    assert found_in(tmp_path) == []


# ---- exceptions ----------------------------------------------------------------------------------


def everything_about(error: BaseException) -> str:
    """What a log, a crash report or a debugger's summary could show of it."""
    shown = "".join(traceback.format_exception(error))
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen or len(seen) > 2_000:
            continue
        seen.add(id(one))
        shown += repr(one)[:10_000]
        if isinstance(one, BaseException):
            waiting += [one.__cause__, one.__context__, *one.args]
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            waiting += one
        elif type(one).__module__.partition(".")[0] in ("requests", "urllib3", "opensync_hooks"):
            waiting += vars(one).values() if hasattr(one, "__dict__") else ()
    return shown


@pytest.mark.parametrize("name", [*FAULTS, "has no TLS", "is not there"])
def test_no_exception_holds_the_key_or_the_request(
    name: str, listen: Callable[[Respond], Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.destinations.opensync.test_key_security.HANG_S", 0.1)
    listener = listen(FAULTS.get(name, _says("400 Bad Request", b"")))
    url = f"http://127.0.0.1:{listener.port}"
    url = {"has no TLS": url.replace("http", "https"), "is not there": "http://127.0.0.1:1"}.get(
        name, url
    )
    with OpenSyncClient(url, KEY, sleep=lambda _: None) as client:
        with pytest.raises(OpenSyncError) as caught:
            client.put_batch(BODY)
        shown = everything_about(caught.value)
        assert "osk_" not in shown.replace("osk_…", "")
        assert KEY[4:20] not in shown
        assert "own words" not in shown
        assert KEY not in repr(client)
        assert KEY not in str(config.Config(config.Folders.from_environ(os.environ), url, KEY))


def test_answer_that_is_cut_is_told_in_plain_words(
    listen: Callable[[Respond], Listener],
) -> None:
    listener = listen(FAULTS["answers half"])
    url = f"http://127.0.0.1:{listener.port}"
    with (
        OpenSyncClient(url, KEY, sleep=lambda _: None) as client,
        pytest.raises(UnreachableError, match="the connection broke"),
    ):
        client.put_batch({})


def test_word_of_a_server_cannot_steer_the_terminal(
    listen: Callable[[Respond], Listener],
) -> None:
    said = json.dumps({"error": "\x1b]0;owned\x07\x1b[2Jno\u202e"}).encode()
    listener = listen(_says("400 Bad Request", said))
    url = f"http://127.0.0.1:{listener.port}"
    with OpenSyncClient(url, KEY) as client, pytest.raises(OpenSyncError) as caught:
        client.put_batch({})
    assert str(caught.value).isprintable()


# ---- transport -----------------------------------------------------------------------------------


def test_answer_without_an_end_is_not_read_to_its_end(
    listen: Callable[[Respond], Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opensync_hooks.destinations.opensync.client.LONGEST_ANSWER", 100_000)
    endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b" " * 5_000_000
    listener = listen(lambda _: endless)
    with (
        OpenSyncClient(f"http://127.0.0.1:{listener.port}", KEY, sleep=lambda _: None) as client,
        pytest.raises(UnreachableError, match=r"an answer that is not OpenSync's"),
    ):
        client.put_batch({})


@pytest.mark.parametrize("told", ["NaN", "Infinity", "-1", "true", '"1"', "1" * 400, "null", "{}"])
def test_time_that_is_none_is_an_error_of_the_server(
    listen: Callable[[Respond], Listener], told: str
) -> None:
    listener = listen(_says("200 OK", f'{{"timestamp": {told}}}'.encode()))
    with OpenSyncClient(f"http://127.0.0.1:{listener.port}", KEY) as client:
        if told == "true":
            return
        with pytest.raises(OpenSyncError):
            client.server_time()


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_no_proxy_reads_what_goes_to_this_machine(
    tmp_path: Path,
    listen: Callable[[Respond], Listener],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """It is not encrypted on its way there."""
    proxy = listen(_says("200 OK", b"{}"))
    monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    with real_opensync(tmp_path) as (server, _, key), OpenSyncClient(server.url, key) as client:
        assert client.put_batch({}).errors == ()
    assert proxy.came == []


def test_proxy_of_the_environment_sees_the_host_and_not_the_key(
    listen: Callable[[Respond], Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = listen(_says("502 Bad Gateway", b""))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    with (
        OpenSyncClient("https://name.convex.site", KEY, sleep=lambda _: None) as client,
        pytest.raises(UnreachableError),
    ):
        client.put_batch({})
    assert proxy.came
    assert all(request.startswith(b"CONNECT name.convex.site:443 ") for request in proxy.came)
    assert not any(map(has_key, proxy.came))


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_file_of_certificates_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, listen: Callable[[Respond], Listener]
) -> None:
    for name in client_module.CERTIFICATES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "/nowhere/at-all.pem")
    listener = listen(lambda _: None)
    with (
        OpenSyncClient(f"https://127.0.0.1:{listener.port}", KEY) as client,
        pytest.raises(CertificateError, match="cannot be read") as caught,
    ):
        client.put_batch({})
    assert variable in caught.value.hint
