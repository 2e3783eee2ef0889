"""Play a bundled session through the real hook, worker and store, in a temporary folder.

`sample_session.json` says which agent the session is of, and what that agent tells its hook.
"""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opensync_hooks.agents import registry
from opensync_hooks.agents.settings_files.hook_command import split_command
from opensync_hooks.errors import OpenSyncError
from opensync_hooks.setup.installation import Installation
from opensync_hooks.system import windows

TRANSCRIPT = Path(__file__).with_suffix(".jsonl")
SAMPLE: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_bytes())
TIMEOUT = 20.0
_POLL_SECONDS = 0.2


def play(here: Installation, environ: Mapping[str, str]) -> str:
    """Return a sentence about what arrived. Raises OpenSyncError with the reason if nothing did."""
    agent = next(agent for agent in registry.AGENTS if agent.name == SAMPLE["agent"])
    with isolated_home(environ) as (isolated, path):
        payload = json.dumps(SAMPLE["payload"] | {"transcript_path": str(path)}) + "\n"
        start = time.monotonic()
        command = here.hook(agent)
        hook = split_command(command) if windows.IS_WINDOWS else ["/bin/sh", "-c", command]
        subprocess.run(hook, input=payload, text=True, env=isolated, check=False)
        status = _status(here.python, isolated)
        while not _has_arrived(status) and time.monotonic() < start + TIMEOUT:
            time.sleep(_POLL_SECONDS)
            status = _status(here.python, isolated)
        seconds = time.monotonic() - start
        if not _has_arrived(status):
            reason = status.get("last_error") or _worker_error(here.python, isolated)
            raise OpenSyncError(
                f"The bundled sample session did not arrive within {TIMEOUT:.0f} s: {reason}",
                "the hooks are registered, but find the cause before you rely on them",
            )
    return f"{status['messages']} messages went through hook, worker and store in {seconds:.1f} s"


@contextmanager
def isolated_home(environ: Mapping[str, str]) -> Iterator[tuple[dict[str, str], Path]]:
    """Yield an environment whose folders are in a temporary one, and the sample's path in it."""
    with _temporary_folder() as folder:
        path = folder / SAMPLE["path"]
        path.parent.mkdir(parents=True)
        shutil.copy(TRANSCRIPT, path)
        yield _isolate(folder, environ), path


def _has_arrived(status: Mapping[str, Any]) -> bool:
    return bool(status.get("sessions")) and not status.get("waiting")


def _status(python: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the output of `status --json`; if there is none, its error as `last_error`."""
    command = [str(python), "-I", "-m", "opensync_hooks", "status", "--json"]
    process = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    try:
        return dict(json.loads(process.stdout))
    except ValueError:
        return {"last_error": (process.stderr.strip().splitlines() or [""])[-1]}


def _worker_error(python: Path, environ: Mapping[str, str]) -> str:
    """Run a worker where its output is seen: one that cannot record its error prints it."""
    command = [str(python), "-I", "-m", "opensync_hooks.queue.worker"]
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, env=environ, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        return "the worker does not end"
    return (process.stderr.strip() or "no error was recorded").splitlines()[-1]


def _isolate(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without our settings: the sample must never reach a real server."""
    isolated = {name: value for name, value in environ.items() if not name.startswith("OPENSYNC_")}
    isolated["OPENSYNC_HOOKS_HOME"] = str(folder / "home")
    return isolated | {name: str(folder / path) for name, path in SAMPLE["variables"].items()}


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="opensync-hooks-sample-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():  # the worker wrote a file meanwhile; it ends within a second
            time.sleep(2)
            shutil.rmtree(folder, ignore_errors=True)
