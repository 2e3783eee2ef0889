"""A user in front of an agent, with real processes: what a hook brings, and what it costs."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from opensync_hooks.hook.entry import WORKER
from tests.opensync import Fault, RealStore

ROOT = Path(__file__).parents[2]
BARE = [sys.executable, "-I", "-S", "-c", "pass"]
TORN = b'{"session_id": "torn"'
"""Where a pipe stays open, a hook waits for the rest of this as long as it waits for anything."""


class World:
    """A user with an agent, our hook for it, and an OpenSync that can be switched off."""

    hook: ClassVar[list[str]]
    answer: ClassVar[bytes]
    """What the hook has to print."""

    def __init__(self, tmp_path: Path, home: Path, store: RealStore) -> None:
        self.home = home
        self.ours = tmp_path / "ours"
        self.store = store
        self.sent: Counter[str] = Counter()
        self.down = False
        self.asked = 0

    def on_request(self, _method: str, path: str, body: bytes) -> Fault | None:
        self.asked += 1
        if self.down:
            return Fault()
        if path == "/sync/message":
            self.sent[json.loads(body)["externalId"].partition(":")[2]] += 1
        return None

    def fire(self, payload: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [*self.hook, *arguments], input=payload, capture_output=True, timeout=60, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, self.answer, b"")
        return done

    def fire_unclosed(self, payload: bytes) -> float:
        """As `fire`, by an agent that never closes the pipe; the seconds that it was held up."""
        began = time.monotonic()
        hook = subprocess.Popen(self.hook, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert hook.stdin
        assert hook.stdout
        hook.stdin.write(payload)
        hook.stdin.flush()
        assert hook.stdout.read() == self.answer
        assert hook.wait(30) == 0
        took = time.monotonic() - began
        hook.stdin.close()
        hook.stdout.close()
        return took

    def queue(self) -> list[str]:
        paths = self.ours.glob("spool*/*")
        return [path.name for path in paths if path.suffix in (".event", ".job")]

    def settle(self, seconds: float = 120) -> None:
        """Until nothing is queued and no worker runs any more."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.queue() and not self.is_working():
                return
            time.sleep(0.05)
        raise AssertionError(f"still queued: {self.queue()}, working: {self.is_working()}")

    def is_working(self) -> bool:
        return bool(workers(self.ours))

    def is_resting(self) -> bool:
        """Whether a worker has found that the server is down."""
        log = self.ours / "hooks.log"
        return log.exists() and " cooldown " in log.read_text()

    def rest(self) -> None:
        """Until all events are jobs, and no worker runs any more but one that waits."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            events = any(name.endswith(".event") for name in self.queue())
            if not self.is_working() or (self.is_resting() and not events):
                return
            time.sleep(0.05)

    def await_rest(self) -> None:
        end = time.monotonic() + 20
        while not self.is_resting() and time.monotonic() < end:
            time.sleep(0.05)
        assert self.is_resting()

    def end_workers(self) -> None:
        for pid in workers(self.ours):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "opensync_hooks", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)

    def worker(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-I", "-c", WORKER, str(ROOT)])

    def texts(self, session_id: str = "s1") -> list[str]:
        document = self.store.session(session_id)
        return (
            [message.get("textContent", "") for message in document["messages"]] if document else []
        )


def workers(ours: Path) -> list[int]:
    """The worker processes of this test, told by the folder in their environment."""
    variable = f"OPENSYNC_HOOKS_HOME={ours}".encode()
    pids = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            environ = (process / "environ").read_bytes()
        except OSError:
            continue
        if b"worker.main" in command and variable in environ.split(b"\0"):
            pids.append(int(process.name))
    return pids


def hook(script: str) -> list[str]:
    """The command that our installer registers."""
    return [sys.executable, "-I", "-S", str(ROOT / "hooks" / script)]


def turns(*numbers: int) -> list[str]:
    """What is said in the turns with these numbers."""
    return [f"{role} {number}" for number in numbers for role in ("prompt", "answer")]


def median_ms(command: list[str], payload: bytes) -> float:
    times = []
    for _ in range(15):
        began = time.perf_counter()
        subprocess.run(command, input=payload, capture_output=True, check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000
