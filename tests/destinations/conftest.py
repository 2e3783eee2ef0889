"""An OpenSync for several machines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machines import Cloud, shared_cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with shared_cloud(tmp_path) as cloud:
        yield cloud
