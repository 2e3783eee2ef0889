"""One user's Cursor, and what our hooks have noted of its sessions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opensync_hooks.agents.cursor.paths import CursorPaths
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import HookNotes
from tests.cursor_home import Editor


@pytest.fixture
def notes(tmp_path: Path) -> HookNotes:
    return HookNotes(tmp_path / "ours" / "notes", "cursor")


@pytest.fixture
def source(home: Path, notes: HookNotes) -> CursorSource:
    return CursorSource(CursorPaths.from_environ({}, str(home)), notes.facts)


@pytest.fixture
def editor(home: Path) -> Iterator[Editor]:
    opened = Editor(home)
    yield opened
    opened.close()
