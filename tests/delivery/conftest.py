"""Both destinations, each with a syncer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.delivery.harness import Harness, opensync_harness, store_harness


@pytest.fixture
def opensync(tmp_path: Path) -> Iterator[Harness]:
    """OpenSync, over HTTP."""
    with opensync_harness(tmp_path) as harness:
        yield harness


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Harness]:
    """The embedded store."""
    with store_harness(tmp_path / "embedded") as harness:
        yield harness
