"""A home with an agent's hooks file in it, for the tests of install and uninstall."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from opensync_hooks.agents.settings_files import file_change
from opensync_hooks.agents.settings_files.hooks_json import HooksFile

BOM = b"\xef\xbb\xbf"
ENVIRONMENT = "/home/u/.local/share/opensync-hooks/env"
PACKAGE = f"{ENVIRONMENT}/lib/python3.11/site-packages/opensync_hooks"


class HooksHome:
    """The home of a user of one agent; the test file of each agent has a subclass."""

    agent: ClassVar[HooksFile]
    settings_file: ClassVar[str]
    command: ClassVar[str]
    """The command that is registered by default."""

    def __init__(self, folder: Path, content: bytes | None = None) -> None:
        self.folder = folder
        self.path = folder / self.settings_file
        self.path.parent.mkdir(parents=True)
        if content is not None:
            self.path.write_bytes(content)
        self.env: Mapping[str, str] = {
            "HOME": str(folder),
            "OPENSYNC_HOOKS_HOME": str(folder / "o"),
        }

    @property
    def content(self) -> bytes | None:
        return self.path.read_bytes() if self.path.exists() else None

    def value(self) -> Any:
        return json.loads((self.content or b"").removeprefix(BOM))

    def install(self, command: str = "") -> file_change.FileChange | None:
        plan = partial(self.agent.plan, self.env.get, command or self.command)
        return next(iter(file_change.apply_all(plan)), None)

    def uninstall(self) -> file_change.FileChange | None:
        changes = file_change.apply_all(partial(self.agent.plan_removal, self.env.get))
        return next(iter(changes), None)
