"""What was taken out of other programs' registrations, and each file as it was before that.

Stays after an uninstallation, for it is the only way back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from opensync_hooks.agents.settings_files.backup import digest
from opensync_hooks.agents.settings_files.file_change import FileChange, SideFile, read
from opensync_hooks.hook import paths


@dataclass(frozen=True, slots=True)
class Retired:
    """One file out of which a program's registration was taken."""

    package: str
    path: str
    backup: str
    """The whole file of before."""


def folder(env: paths.Lookup) -> Path:
    return Path(paths.state(env)) / "retired"


def everything(env: paths.Lookup) -> list[Retired]:
    """Nothing for a record that cannot be read."""
    try:
        listed: Any = json.loads(read(_record(env)) or b"[]")
        return [Retired(one["package"], one["path"], one["backup"]) for one in listed]
    except (ValueError, TypeError, KeyError):
        return []


def noted(
    env: paths.Lookup, package: str, plan: Callable[[], FileChange | None]
) -> Callable[[], FileChange | None]:
    """The same plan; carried out, it keeps the file of before and lists it."""

    def planned() -> FileChange | None:
        change = plan()
        if change is None or change.before is None:
            return None
        name = f"{change.path.name}.{digest(change.before)[:16]}"
        one = Retired(package, str(change.path), str(folder(env) / name))
        listed = [asdict(each) for each in dict.fromkeys((*everything(env), one))]
        record = SideFile(_record(env), json.dumps(listed, indent=2).encode())
        return replace(change, side_files=(SideFile(Path(one.backup), change.before), record))

    return planned


def _record(env: paths.Lookup) -> Path:
    return folder(env) / "record.json"
