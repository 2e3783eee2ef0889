"""A bundled session, played through the real hook, worker and store in a throw-away folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opensync_hooks.errors import OpenSyncError

SESSION = "5e55104e-0000-4000-8000-000000000001"
PATIENCE = 20.0
_PAUSE = 0.2


def play(python: Path, hook: str, environ: Mapping[str, str]) -> str:
    """What arrived, in words. Raises OpenSyncError if nothing did, with what stood in the way."""
    with _folder() as folder:
        began = time.monotonic()
        status = _play(folder, python, hook, _apart(folder, environ))
        took = time.monotonic() - began
        if not _arrived(status):
            reason = status.get("last_error") or _why(python, _apart(folder, environ))
            raise OpenSyncError(
                f"The bundled sample session did not arrive within {PATIENCE:.0f} s: {reason}",
                "the hooks are registered, but see what this is before you rely on them",
            )
    return f"{status['messages']} messages went through hook, worker and store in {took:.1f} s"


def _play(folder: Path, python: Path, hook: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Do what Claude Code does at the end of a session, and wait for what becomes of it."""
    transcript = folder / "claude" / "projects" / "-demo" / f"{SESSION}.jsonl"
    transcript.parent.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("session.jsonl"), transcript)
    payload = {
        "session_id": SESSION,
        "transcript_path": str(transcript),
        "cwd": "/demo",
        "hook_event_name": "SessionEnd",
        "reason": "prompt_input_exit",
    }
    text = json.dumps(payload) + "\n"
    subprocess.run(["/bin/sh", "-c", hook], input=text, text=True, env=environ, check=False)
    end = time.monotonic() + PATIENCE
    status = _status(python, environ)
    while not _arrived(status) and time.monotonic() < end:
        time.sleep(_PAUSE)
        status = _status(python, environ)
    return status


def _arrived(status: Mapping[str, Any]) -> bool:
    return bool(status.get("sessions")) and not status.get("waiting")


def _status(python: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    asked = [str(python), "-I", "-m", "opensync_hooks", "status", "--json"]
    said = subprocess.run(asked, capture_output=True, text=True, env=environ, check=False)
    try:
        status = json.loads(said.stdout)
    except ValueError:
        status = None
    return status if isinstance(status, dict) else {"last_error": said.stderr.strip()}


def _why(python: Path, environ: Mapping[str, str]) -> str:
    """What a worker says that cannot even note its error: a hook starts it without a terminal."""
    worker = [str(python), "-I", "-m", "opensync_hooks.queue.worker"]
    try:
        said = subprocess.run(
            worker, capture_output=True, text=True, env=environ, timeout=PATIENCE, check=False
        )
    except subprocess.TimeoutExpired:
        return "the worker does not end"
    return (said.stderr.strip() or "no error was noted").splitlines()[-1]


def _apart(folder: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without any setting of ours: the sample must never reach a real server."""
    mine = {name: value for name, value in environ.items() if not name.startswith("OPENSYNC_")}
    places = {"OPENSYNC_HOOKS_HOME": folder / "home", "CLAUDE_CONFIG_DIR": folder / "claude"}
    return mine | {name: str(place) for name, place in places.items()}


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="opensync-hooks-sample-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():  # the worker put a file in at the same moment; it ends a second later
            time.sleep(2)
            shutil.rmtree(folder, ignore_errors=True)
