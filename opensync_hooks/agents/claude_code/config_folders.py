"""The folders in which Claude Code keeps settings and sessions: `$CLAUDE_CONFIG_DIR` or one."""

from __future__ import annotations

from pathlib import Path


def config_folders(variable: str | None, home: str) -> tuple[Path, ...]:
    """Return the folders that the variable names.

    Claude Code takes it as one path. Users with several installations give tools that read all of
    them a list, separated by commas.
    """
    if not variable:
        return (Path(home, ".claude"),)
    names = [name.strip() for name in variable.split(",")]
    if len(names) == 1 or Path(variable).exists():
        return (Path(variable),)
    return tuple(Path(name) for name in dict.fromkeys(names) if name)
