"""A user's home for a benchmark, with a Claude Code session of any size, and a server beside it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench import processes
from tests.bench.made_up_sessions import vocabulary
from tests.bench.processes import ROOT, Cost
from tests.transcripts import TranscriptWriter, call, result, text

_BEGAN = 1_767_225_600
"""In seconds since 1970. Each session begins an hour later: forks begin at the same moment."""
_SERVER = """
import sys
from pathlib import Path
from tests.opensync import real_opensync
with real_opensync(Path(sys.argv[1])) as (server, _, key):
    print(server.url, key, flush=True)
    sys.stdin.read()
"""


@dataclass(slots=True)
class BenchHome:
    path: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environ = {
            **{name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ},
            "HOME": str(self.path),
            "OPENSYNC_HOOKS_HOME": str(self.path / "ours"),
            "CLAUDE_CONFIG_DIR": str(self.path / ".claude"),
            "PYTHONPATH": str(ROOT),
        }

    def transcript(self, name: str) -> Path:
        return self.path / ".claude" / "projects" / "-work" / f"{name}.jsonl"

    def deliver(self, session_id: str, agent: str = "claude-code") -> Cost:
        return processes.run("deliver", agent, session_id, environ=self.environ)


@contextmanager
def bench_home(*, has_server: bool = False) -> Iterator[BenchHome]:
    """Yield a home whose sessions go to the embedded store, or to a server in another process."""
    with tempfile.TemporaryDirectory(prefix="opensync-bench-") as folder:
        home = BenchHome(Path(folder))
        if not has_server:
            yield home
            return
        command = [sys.executable, "-c", _SERVER, folder]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as server:
            assert server.stdin
            assert server.stdout
            url, key = server.stdout.readline().split()
            home.environ |= {"OPENSYNC_URL": url, "OPENSYNC_API_KEY": key}
            yield home
            server.stdin.close()


class SessionWriter:
    """Writes turns of about 6 KB: a prompt, an answer with a call, its result, the last answer."""

    def __init__(self, path: Path, *, seed: int = 1) -> None:
        self._writer = TranscriptWriter(path, began=_BEGAN + 3_600 * seed)
        self._chance = random.Random(seed)  # noqa: S311 - the same in every run
        self.turns = 0

    def write(self, megabytes: float) -> None:
        """Add turns until the transcript has this size."""
        while self._writer.path.stat().st_size < megabytes * 1e6:
            self.turn()

    def turn(self) -> None:
        number, writer = self.turns, self._writer
        self.turns += 1
        writer.line("user", self._words(40))
        first, last = f"msg_{number}a", f"msg_{number}b"
        writer.respond(first, text(self._words(60)))
        command = {**call(f"call_{number}"), "input": {"command": self._words(12)}}
        writer.respond(first, command)
        writer.line("user", result(f"call_{number}", self._words(400)))
        writer.respond(last, text(self._words(150)))

    def _words(self, count: int) -> str:
        words, weights = vocabulary()
        return " ".join(self._chance.choices(words, cum_weights=weights, k=count))


def stop_event(session_id: str, transcript: Path) -> bytes:
    """Return the payload of a hook at the end of a turn."""
    fields = {"session_id": session_id, "transcript_path": str(transcript), "cwd": "/work"}
    return json.dumps({**fields, "hook_event_name": "Stop"}).encode()
