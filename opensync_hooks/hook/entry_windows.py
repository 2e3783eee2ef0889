"""One hook call on Windows, which has neither `poll` for pipes nor `posix_spawn`."""

import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from opensync_hooks.hook import entry, paths
from opensync_hooks.system import windows


def serve(agent: str, root: str, variables: tuple[str, ...], answer: bytes) -> None:
    """Serve a hook and exit with 0. If a worker runs already, the new one ends at once."""
    with suppress(OSError):
        payload = read_payload()
        if payload:
            _write_event(Path(paths.spool(os.environ.get)), agent, variables, payload)
            code = entry.worker_code(os.environ.get)
            windows.start_detached([sys.executable, "-I", "-c", code, root])
    write_answer(answer)
    os._exit(0)


def read_payload() -> bytes:
    payload = entry.payload_argument() or _read_stdin()
    return entry.without_texts(payload, os.environ.get(entry.PRIVATE)) if payload else payload


def _read_stdin() -> bytes:
    """Read for MAX_WAIT_MS at most. A thread that is still waiting then ends with the process."""
    chunks: list[bytes] = []

    def read() -> None:
        while chunk := os.read(0, 1 << 18):
            chunks.append(chunk)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(entry.MAX_WAIT_MS / 1000)
    return b"".join(chunks)


def _write_event(spool: Path, agent: str, variables: tuple[str, ...], payload: bytes) -> None:
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    environ = ((name, os.environ.get(name)) for name in variables)
    head = "".join(f"{name}={value}\0" for name, value in environ if value) or "\0"
    path = spool / f"{time.time_ns()}-{os.getpid()}.{agent}"
    with path.open("wb") as file:
        file.write(os.fsencode(head) + b"\n" + payload)
        # If a private event were lost, `sync` would deliver the session.
        if payload.startswith(entry.PRIVATE_PREFIX):
            file.flush()
            os.fsync(file.fileno())
    windows.retrying(lambda: path.replace(f"{path}.event"))


def write_answer(answer: bytes) -> None:
    with suppress(OSError):  # nobody reads it
        os.write(1, answer)
