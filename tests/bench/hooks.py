"""What an agent waits for at a hook, and what a whole Stop costs beside the npm plugin's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from filelock import FileLock

from opensync_hooks.config import Folders
from opensync_hooks.queue.spool import Spool
from tests.bench import processes
from tests.bench.home import BenchHome, SessionWriter, bench_home, stop_event
from tests.bench.processes import BARE, ROOT
from tests.bench.table import Row, ratio

PEER = "OPENSYNC_BENCH_PEER"
"""Names the `cli.js` of the npm plugin `claude-code-sync`, unless npm has it globally."""
_HOOK = (sys.executable, "-I", "-S", str(ROOT / "hooks" / "claude_code.py"))


def measure(*, quick: bool) -> Iterator[Row]:
    repetitions = 15 if quick else 40
    with bench_home() as home:
        spool = Spool(Folders.from_environ(home.environ).spool)
        lock = FileLock(spool.lock)
        with lock:  # a hook starts no worker
            for size in (4_096, 200_000):
                payload = stop_event("s1", home.path / "s1.jsonl")[:-1]
                payload += b', "last_assistant_message": "%s"}' % (b"x" * size)
                hook = partial(processes.cpu, _HOOK, home.environ, payload)
                bare = partial(processes.cpu, BARE, home.environ)
                ours, base = processes.medians(repetitions, hook, bare)
                yield ratio(f"hook, {size // 1000} KB", ours, base, "bare interpreter, CPU")
    if sys.platform == "linux":  # which tells what detached processes cost
        yield from _whole_stop(5 if quick else 11)


def _whole_stop(repetitions: int) -> Iterator[Row]:
    with bench_home(has_server=True) as home:
        writer = SessionWriter(home.transcript("s1"))
        writer.turn()
        payload = stop_event("s1", home.transcript("s1")).decode()

        def deliver(command: tuple[str, ...]) -> float:
            writer.turn()
            cost = processes.run("with_detached", payload, *command, environ=home.environ)
            return cost.children_cpu_s

        deliver(_HOOK)  # the first contact with the server reads more
        peer = _peer(home)
        calls = [partial(deliver, command) for command in (_HOOK, peer) if command]
        ours, *others = processes.medians(repetitions, *calls)
        bare = processes.cpu(BARE, home.environ)
        yield ratio("whole Stop, hook and worker", ours, bare, "bare interpreter, CPU")
        for other in others:
            yield ratio("whole Stop, hook and worker", ours, other, "claude-code-sync, CPU")


def _peer(home: BenchHome) -> tuple[str, ...]:
    """Return the command of the npm plugin's hook, logged in; nothing where it is not installed."""
    node, npm = shutil.which("node"), shutil.which("npm")
    program = Path(os.environ.get(PEER, ""))
    if PEER not in os.environ and npm:
        root = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=True)
        program = Path(root.stdout.strip(), "claude-code-sync", "dist", "cli.js")
    if not node or not program.is_file():
        return ()
    path = home.path / ".config" / "claude-code-sync" / "config.json"
    path.parent.mkdir(parents=True)
    login = {"convexUrl": home.environ["OPENSYNC_URL"], "apiKey": home.environ["OPENSYNC_API_KEY"]}
    path.write_text(json.dumps({**login, "autoSync": True}))
    return node, str(program), "hook", "Stop"
