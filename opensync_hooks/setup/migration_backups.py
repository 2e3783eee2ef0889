"""Record each file that a program's hooks were taken out of, and keep the file as it was.

Uninstalling keeps them: they are the only way back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from opensync_hooks.agents.settings_files.backup import digest
from opensync_hooks.agents.settings_files.file_change import FileChange, SideFile, read
from opensync_hooks.hook import paths

Plan = Callable[[], FileChange | None]


@dataclass(frozen=True, slots=True)
class MigrationBackup:
    """One file that a package was taken out of. The field names are those in record.json."""

    package: str
    path: str
    backup: str
    """The path of the complete previous file."""


def folder(env: paths.Lookup) -> Path:
    return Path(paths.state(env)) / "retired"


def load_all(env: paths.Lookup) -> list[MigrationBackup]:
    """Return the recorded backups; an unreadable record has none."""
    try:
        entries = json.loads(read(_record(env)) or b"[]")
        return [MigrationBackup(row["package"], row["path"], row["backup"]) for row in entries]
    except (ValueError, TypeError, KeyError):
        return []


def backed_up(env: paths.Lookup, package: str, plan: Plan) -> Plan:
    """Return a plan that also keeps the previous file and records it."""

    def plan_with_backup() -> FileChange | None:
        change = plan()
        if change is None or change.before is None:
            return None
        name = f"{change.path.name}.{digest(change.before)[:16]}"
        backup = MigrationBackup(package, str(change.path), str(folder(env) / name))
        entries = [asdict(entry) for entry in dict.fromkeys((*load_all(env), backup))]
        record = SideFile(_record(env), json.dumps(entries, indent=2).encode())
        return replace(change, side_files=(SideFile(Path(backup.backup), change.before), record))

    return plan_with_backup


def _record(env: paths.Lookup) -> Path:
    return folder(env) / "record.json"
