"""config.toml in the test's home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opensync_hooks.config import Folders


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of config.toml, in a private folder that exists."""
    path = Folders.from_environ(os.environ).settings
    assert tmp_path in path.parents
    path.parent.mkdir(mode=0o700, parents=True)
    return path
