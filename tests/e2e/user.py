"""Somebody who works with a real agent, in a project and a home of his own."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import ClassVar

from opensync_hooks.config import Folders

PATIENCE_S = 60  # with what is over in two seconds where nothing else runs


class User:
    """Of the program that the class of each test file names."""

    program: ClassVar[str]
    delivered_failures: ClassVar[tuple[str, ...]] = ()
    """Kinds of failures after which a queued job has delivered all there is."""

    def __init__(self, home: Path, ours: Path, environ: dict[str, str]) -> None:
        self.home = home
        self.ours = ours
        self.project = home / "project"
        self.project.mkdir()
        self.environ = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "OPENSYNC_HOOKS_HOME": str(ours),
            **environ,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.program, *arguments],
            cwd=self.project,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def settle(self) -> None:
        """Until a hook has run, and nothing is queued any more."""
        names: list[Path] = []
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            time.sleep(0.3)
            spool = Folders.from_environ(self.environ).spool
            names = list(spool.iterdir()) if spool.exists() else []
            if names and not any(map(self._is_undelivered, names)):
                return
        log = self.ours / "hooks.log"
        history = log.read_text() if log.exists() else "no worker came as far as the log"
        raise AssertionError(f"no hook was started, or something stays queued: {names}\n{history}")

    def _is_undelivered(self, path: Path) -> bool:
        if path.suffix != ".job":
            return path.suffix == ".event"
        try:
            return json.loads(path.read_bytes())["failure"] not in self.delivered_failures
        except FileNotFoundError:
            return False
