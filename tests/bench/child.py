"""Runs one function in a process of its own: `python -m tests.bench.child REPORT FUNCTION ARGS...`.

Each imports what it needs itself, as the imports are a part of its cost.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36

# Benchmarks measure imports as well.
# ruff: noqa: PLC0415


def deliver(agent: str, session_id: str) -> None:
    """Work as the worker does after a hook of this session."""
    from opensync_hooks.config import Folders
    from opensync_hooks.model import Trigger
    from opensync_hooks.queue import worker
    from opensync_hooks.queue.job import Job
    from opensync_hooks.queue.spool import Spool
    from opensync_hooks.system import clock

    spool = Spool(Folders.from_environ(os.environ).spool)
    names = ("CLAUDE_CONFIG_DIR", "CURSOR_STATE_DB")
    environ = {name: os.environ[name] for name in names if name in os.environ}
    spool.put(Job(Trigger(agent, session_id, "SessionEnd"), environ, clock.now()))
    worker.main(seconds=3_600)


def command(*arguments: str) -> None:
    """Run a command of the command line."""
    from opensync_hooks.cli.main import main

    if main(list(arguments)) != 0:
        raise SystemExit(1)


def read(agent: str, session_id: str) -> None:
    """Read a session and its subagents, message by message."""
    from opensync_hooks.agents import registry

    source = registry.source(agent)
    located = source.find(session_id) if source else None
    if source is None or located is None:
        raise SystemExit(1)
    for session in source.read(located):
        for _ in session.messages:
            pass


def parse(path: str) -> None:
    """Decode every line of a transcript, as the least that a reader has to do."""
    with Path(path).open("rb") as file:
        for line in file:
            json.loads(line)


def redact(path: str) -> None:
    """Clean every line as the text of one message."""
    from opensync_hooks.config import Config, Folders
    from opensync_hooks.model import Message, Text
    from opensync_hooks.privacy.cleaning import clean_message

    config = Config(Folders.from_environ(os.environ))
    for line in Path(path).read_text().splitlines():
        clean_message(Message("m", "assistant", (Text(line),)), config)


def with_detached(payload: str, *command: str) -> None:
    """Run a hook, and wait for all that it leaves running."""
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    subprocess.run(command, input=payload.encode(), stdout=subprocess.DEVNULL, check=True)
    with suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def nothing() -> None:
    """Start and end: what every other call costs at least."""


def _cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def _peak_mib() -> float:
    """Return the peak memory; that of a process before `exec` is not its own."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        unit = 1024 if sys.platform == "darwin" else 1
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / unit


def _read_mb() -> float:
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("rchar")) / 1e6
    except (OSError, StopIteration):
        return 0.0


def main(report: str, function: str, *arguments: str) -> None:
    globals()[function](*arguments)
    own, children = map(_cpu, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cost = {
        "cpu_s": own + children,
        "children_cpu_s": children,
        "read_mb": _read_mb(),
        "peak_mib": _peak_mib(),
    }
    Path(report).write_text(json.dumps(cost))


if __name__ == "__main__":
    main(*sys.argv[1:])
