"""The key goes to its own URL and nowhere else, whatever fails on the way.

Real hooks, workers and commands with a key in config.toml meet servers with every fault. Then every
place is searched where somebody could find the key.
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
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.errors import OpenSyncError, UnreachableError
from tests.opensync import real_opensync
from tests.transcripts import TranscriptWriter

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

ROOT = Path(__file__).parents[3]
HOOK = [sys.executable, "-I", "-S", str(ROOT / "hooks" / "claude_code.py")]
KEY = "osk_" + f"Canary{os.getpid()}-that_flies_nowhere-at"[:32].ljust(32, "x")
"""Another one in each test process, because they search one another's processes too."""
TRACES = (KEY.encode(), base64.b64encode(KEY.encode())[:40], KEY[4:20].encode())
HANG_S = 3.0
BODY = {"sessions": [{"externalId": "s", "title": "the user's own prompt"}]}

Respond = Callable[[bytes], bytes | None]
"""Maps a request to the response; None breaks the connection."""


class Listener(threading.Thread):
    """A port that answers every request in one way, and records the requests."""

    def __init__(self, respond: Respond) -> None:
        super().__init__(daemon=True)
        self.respond = respond
        self.requests: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            request = _request(connection)
            self.requests.append(request)
            response = self.respond(request)
            if response is not None:
                connection.sendall(response)

    def close(self) -> None:
        self.socket.close()


_TLS = b"\x16"


def _request(connection: socket.socket) -> bytes:
    connection.settimeout(5)
    request = b""
    while b"\r\n\r\n" not in request and request[:1] != _TLS:
        piece = connection.recv(65536)
        if not piece:
            break
        request += piece
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    missing = (int(lines[0].split(b":")[1]) if lines else 0) - len(body)
    while missing > 0 and (piece := connection.recv(65536)):
        missing -= len(piece)
        request += piece
    return request


def _fixed(status: str, body: bytes, *headers: str) -> Respond:
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return lambda _request: head.encode() + b"\r\nConnection: close\r\n\r\n" + body


def _echo(status: str) -> Respond:
    """Repeat in the error what was sent as the key."""

    def respond(request: bytes) -> bytes | None:
        from_key = b"".join(request.partition(b"Bearer")[1:])
        line = from_key.partition(b"\r\n")[0].decode("utf-8", "replace")
        body = json.dumps({"error": line}).encode()
        return _fixed(status, body)(request)

    return respond


def _hang(_request: bytes) -> None:
    time.sleep(HANG_S)


FAULTS: dict[str, Respond] = {
    "refuses the key and echoes it": _echo("401 Unauthorized"),
    "fails and echoes the key": _echo("500 Internal Server Error"),
    "rejects and echoes the key": _echo("400 Bad Request"),
    "is busy and echoes the key": _echo("503 Service Unavailable"),
    "sends half a response": lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    "breaks the connection": lambda _: None,
    "sends no JSON": _fixed("200 OK", b"<html>" + b"x" * 99),
    "sends deeply nested JSON": _fixed("200 OK", b"[" * 100_000),
    "sends no HTTP": lambda _: b"\x15\x03\x01\x00\x02\x02\x16",
    "hangs": _hang,
}


WORKER_FAULTS = (
    "refuses the key and echoes it",
    "fails and echoes the key",
    "sends half a response",
    "hangs",
)
"""Met by a hook's own worker; the others by a client alone, which takes less time."""


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
        self.output = b""
        (folder / "home").mkdir(parents=True)
        save_login(self.environ, url, KEY)
        self.writer = TranscriptWriter(
            folder / "home" / ".claude" / "projects" / "-work" / "s1.jsonl"
        )
        self.writer.turn(1)

    def fire(self) -> None:
        payload = {"session_id": "s1", "transcript_path": str(self.writer.path)}
        body = json.dumps({**payload, "hook_event_name": "SessionEnd"}).encode()
        self._run(HOOK, body)

    def command(self, *arguments: str) -> int:
        return self._run([sys.executable, "-m", "opensync_hooks", *arguments], b"")

    def _run(self, command: list[str], stdin: bytes) -> int:
        process = subprocess.run(
            command, cwd=ROOT, env=self.environ, input=stdin, capture_output=True, check=False,
            timeout=60,
        )  # fmt: skip
        self.output += process.stdout + process.stderr
        return process.returncode

    def processes(self) -> Iterator[Path]:
        """Yield the processes that have this home in their environment."""
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


def files_with_key(folder: Path) -> list[str]:
    """Return the files that hold the key, except config.toml, where it belongs."""
    others = (path for path in sorted(folder.rglob("*")) if path.name != "config.toml")
    return [str(path) for path in others if path.is_file() and has_key(path.read_bytes())]


def processes_with_key() -> list[str]:
    """Search all processes of this machine that may be read."""
    paths = []
    for process in _processes():
        for path in (process / "cmdline", process / "environ"):
            with suppress(OSError):
                paths += [str(path)] * has_key(path.read_bytes())
    return paths


@contextmanager
def users(folder: Path, urls: dict[str, str]) -> Iterator[list[User]]:
    all_users = [User(folder / name.replace(" ", "-"), url) for name, url in urls.items()]
    try:
        yield all_users
    finally:
        for user in all_users:
            user.end()


@pytest.mark.timeout(180)
def test_hook_worker_and_commands_leak_no_key_whatever_the_server_does(
    tmp_path: Path, listen: Callable[[Respond], Listener]
) -> None:
    listeners = {name: listen(FAULTS[name]) for name in WORKER_FAULTS}
    stranger = listen(_fixed("200 OK", b"{}"))
    elsewhere = f"Location: http://127.0.0.1:{stranger.port}/sync/session"
    redirects = listen(_fixed("307 Temporary Redirect", b"", elsewhere))
    plain = listen(lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n")
    urls = {name: f"http://127.0.0.1:{server.port}" for name, server in listeners.items()}
    urls |= {
        "redirects": f"http://127.0.0.1:{redirects.port}",
        "has no TLS": f"https://127.0.0.1:{plain.port}",
        "is not there": "http://127.0.0.1:1",
    }
    with users(tmp_path, urls) as all_users:
        for user in all_users:
            user.fire()
        end = time.monotonic() + 30
        idle = [server for server in (*listeners.values(), redirects) if not server.requests]
        while idle and time.monotonic() < end:
            assert processes_with_key() == []
            time.sleep(0.1)
            idle = [server for server in idle if not server.requests]
        assert not idle, "a worker has called every server"
        all_users[0].command("sync")
        for command in ("status --json", "config show", "doctor", "queue list"):
            all_users[0].command(*command.split())
        assert processes_with_key() == []
    assert all(has_key(b"".join(server.requests)) for server in listeners.values()), "search works"
    assert stranger.requests == [], "the redirect was followed"
    assert [user.folder.name for user in all_users if has_key(user.output)] == []
    assert b"127.0.0.1" in b"".join(user.output for user in all_users)
    assert files_with_key(tmp_path) == []


def test_hook_does_not_store_the_key_of_its_environment(
    tmp_path: Path, listen: Callable[[Respond], Listener]
) -> None:
    """Neither the event nor the job may contain it."""
    listener = listen(_hang)
    with users(tmp_path, {"u": f"http://127.0.0.1:{listener.port}"}) as (user,):
        forget_login(user.environ)
        user.environ |= {
            "OPENSYNC_API_KEY": KEY,
            "OPENSYNC_URL": f"http://127.0.0.1:{listener.port}",
        }
        user.fire()
        end = time.monotonic() + 20
        while not listener.requests and time.monotonic() < end:
            time.sleep(0.05)
        assert listener.requests
        command_lines = [(path / "cmdline").read_bytes() for path in user.processes()]
        assert command_lines
        assert not any(map(has_key, command_lines))
        assert files_with_key(tmp_path) == []


def test_crashed_worker_leaves_no_core_dump(
    tmp_path: Path, listen: Callable[[Respond], Listener]
) -> None:
    listener = listen(_hang)
    with users(tmp_path, {"u": f"http://127.0.0.1:{listener.port}"}) as (user,):
        user.fire()
        end = time.monotonic() + 20
        while not listener.requests and time.monotonic() < end:
            time.sleep(0.05)
        (worker,) = user.processes()
        limits = (worker / "limits").read_text().splitlines()
        (core,) = [line.split() for line in limits if line.startswith("Max core file size")]
        assert core[4:6] == ["1", "1"], "1: no core file, and none for a crash collector"
        os.kill(int(worker.name), 6)
    assert files_with_key(tmp_path) == []


# ---- exceptions ----------------------------------------------------------------------------------


def everything_about(error: BaseException) -> str:
    """Return all that a log, a crash report or a debugger could show of an error."""
    text = "".join(traceback.format_exception(error))
    queue: list[Any] = [error]
    visited: set[int] = set()
    while queue:
        value = queue.pop()
        if id(value) in visited or len(visited) > 2_000:
            continue
        visited.add(id(value))
        text += repr(value)[:10_000]
        if isinstance(value, BaseException):
            queue += [value.__cause__, value.__context__, *value.args]
        if isinstance(value, dict):
            queue += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            queue += value
        elif type(value).__module__.partition(".")[0] in ("requests", "urllib3", "opensync_hooks"):
            queue += vars(value).values() if hasattr(value, "__dict__") else ()
    return text


@pytest.mark.parametrize("name", [*FAULTS, "has no TLS", "is not there"])
def test_no_exception_holds_the_key_or_the_request(
    name: str, listen: Callable[[Respond], Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.destinations.opensync.test_key_security.HANG_S", 0.1)
    listener = listen(FAULTS.get(name, _fixed("400 Bad Request", b"")))
    url = f"http://127.0.0.1:{listener.port}"
    url = {"has no TLS": url.replace("http", "https"), "is not there": "http://127.0.0.1:1"}.get(
        name, url
    )
    with OpenSyncClient(url, KEY, sleep=lambda _: None) as client:
        with pytest.raises(OpenSyncError) as caught:
            client.put_batch(BODY)
        text = everything_about(caught.value)
        assert "osk_" not in text.replace("osk_…", "")
        assert KEY[4:20] not in text
        assert "own prompt" not in text
        assert KEY not in repr(client)
        assert KEY not in str(config.Config(config.Folders.from_environ(os.environ), url, KEY))


def test_half_a_response_is_a_broken_connection(
    listen: Callable[[Respond], Listener],
) -> None:
    listener = listen(FAULTS["sends half a response"])
    url = f"http://127.0.0.1:{listener.port}"
    with (
        OpenSyncClient(url, KEY, sleep=lambda _: None) as client,
        pytest.raises(UnreachableError, match="the connection broke off"),
    ):
        client.put_batch({})


def test_servers_text_cannot_steer_the_terminal(
    listen: Callable[[Respond], Listener],
) -> None:
    body = json.dumps({"error": "\x1b]0;owned\x07\x1b[2Jno\u202e"}).encode()
    listener = listen(_fixed("400 Bad Request", body))
    url = f"http://127.0.0.1:{listener.port}"
    with OpenSyncClient(url, KEY) as client, pytest.raises(OpenSyncError) as caught:
        client.put_batch({})
    assert str(caught.value).isprintable()


# ---- transport -----------------------------------------------------------------------------------


def test_endless_response_is_not_read_to_its_end(
    listen: Callable[[Respond], Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "opensync_hooks.destinations.opensync.transport.MAX_RESPONSE_BYTES", 100_000
    )
    endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b" " * 5_000_000
    listener = listen(lambda _: endless)
    with (
        OpenSyncClient(f"http://127.0.0.1:{listener.port}", KEY, sleep=lambda _: None) as client,
        pytest.raises(UnreachableError, match="the response is not from OpenSync"),
    ):
        client.put_batch({})


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1", '"1"', "1" * 400, "null", "{}"])
def test_invalid_timestamp_is_an_error(listen: Callable[[Respond], Listener], value: str) -> None:
    listener = listen(_fixed("200 OK", f'{{"timestamp": {value}}}'.encode()))
    with (
        OpenSyncClient(f"http://127.0.0.1:{listener.port}", KEY) as client,
        pytest.raises(OpenSyncError),
    ):
        client.server_time()


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_no_proxy_sees_requests_to_this_machine(
    tmp_path: Path,
    listen: Callable[[Respond], Listener],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    """They are not encrypted."""
    proxy = listen(_fixed("200 OK", b"{}"))
    monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    with real_opensync(tmp_path) as (server, _, key), OpenSyncClient(server.url, key) as client:
        assert client.put_batch({}).errors == ()
    assert proxy.requests == []


def test_proxy_sees_the_host_and_not_the_key(
    listen: Callable[[Respond], Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = listen(_fixed("502 Bad Gateway", b""))
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
    with (
        OpenSyncClient("https://name.convex.site", KEY, sleep=lambda _: None) as client,
        pytest.raises(UnreachableError),
    ):
        client.put_batch({})
    assert proxy.requests
    assert all(request.startswith(b"CONNECT name.convex.site:443 ") for request in proxy.requests)
    assert not any(map(has_key, proxy.requests))
