"""Homes for the tests of the setup: sessions put into them, and their content for comparison."""

from __future__ import annotations

import hashlib
from pathlib import Path

from opensync_hooks.setup import sample_session
from opensync_hooks.setup.sample_session import SAMPLE


def snapshot(folder: Path) -> dict[str, str]:
    """Return all files with their digests, links with their targets, folders with their modes."""
    contents = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            contents[name] = f"-> {path.readlink()}"
        elif path.is_file():
            contents[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            contents[name] = f"{path.stat().st_mode:o}"
    return contents


def put_session(home: Path, session_id: str = SAMPLE["session"]) -> None:
    """Write the sample session as one of the user's own."""
    folder = home / ".claude" / "projects" / "-demo"
    folder.mkdir(parents=True, exist_ok=True)
    text = sample_session.TRANSCRIPT.read_text().replace(SAMPLE["session"], session_id)
    (folder / f"{session_id}.jsonl").write_text(text)


def write_program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
