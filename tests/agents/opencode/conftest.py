"""A home with OpenCode's data in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.opencode_home import OpenCodeHome


@pytest.fixture
def opencode(home: Path) -> OpenCodeHome:
    return OpenCodeHome(home)


@pytest.fixture
def recorded(opencode: OpenCodeHome) -> OpenCodeHome:
    """OpenCode with the recording of 1.18.33, the most varied one."""
    return opencode.put("1.18.33")
