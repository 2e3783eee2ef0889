"""Processes that import much and leave little garbage do not look for it all the time."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "code",
    [
        "from opensync_hooks.queue import worker; worker.main(seconds=0)",
        "from opensync_hooks.cli.main import main; main(['version'])",
    ],
    ids=["worker", "command"],
)
def test_garbage_is_looked_for_rarely(code: str) -> None:
    command = [sys.executable, "-c", f"import gc\n{code}\nprint(gc.get_threshold()[0])"]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(completed.stdout.split()[-1]) > 10_000
