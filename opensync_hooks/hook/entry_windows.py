"""The same as `entry` does, on Windows: there is no poll on pipes and no posix_spawn there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from opensync_hooks.hook import paths
from opensync_hooks.hook.entry import (
    IS_PRIVATE,
    LONGEST_WAIT_MS,
    PRIVATE,
    WORKER,
    given,
    is_private,
    names_only,
)

_DETACHED = 0x00000008 | 0x00000200 | 0x01000000  # no console, own group, out of the job object


def hook(agent: str, root: str, variables: tuple[str, ...], answer: bytes) -> int:
    """Never raises, never waits longer than a second; a second worker finds the first and ends."""
    with suppress(OSError):
        payload = take()
        if payload:
            _leave(Path(paths.spool(os.environ.get)), agent, variables, payload)
            _start_worker(root)
    say(answer)
    os._exit(0)


def say(answer: bytes) -> None:
    with suppress(OSError):  # nobody listens, and that is no reason to fail
        os.write(1, answer)


def take() -> bytes:
    payload = given() or _drain()
    private = is_private(os.environ.get(PRIVATE))
    return names_only(payload) if payload and private else payload


def _drain() -> bytes:
    """What comes on stdin within a second; a reader that is still stuck then dies with us."""
    chunks: list[bytes] = []

    def read() -> None:
        while chunk := os.read(0, 1 << 18):
            chunks.append(chunk)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(LONGEST_WAIT_MS / 1000)
    return b"".join(chunks)


def _leave(spool: Path, agent: str, variables: tuple[str, ...], payload: bytes) -> None:
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    environ = ((name, os.environ.get(name)) for name in variables)
    head = "\0".join(f"{name}={value}" for name, value in environ if value)
    path = spool / f"{time.time_ns()}-{os.getpid()}.{agent}"
    with path.open("wb") as file:
        file.write(os.fsencode(head) + b"\n" + payload)
        if payload.startswith(IS_PRIVATE):  # forgotten in a power cut, `sync` would deliver it
            file.flush()
            os.fsync(file.fileno())
    path.replace(f"{path}.event")


def _start_worker(root: str) -> None:
    arguments = [sys.executable, "-I", "-c", WORKER, root]
    flags = _DETACHED if sys.platform == "win32" else 0
    null = subprocess.DEVNULL
    subprocess.Popen(  # the worker outlives us
        arguments, stdin=null, stdout=null, stderr=null, close_fds=True, creationflags=flags
    )
