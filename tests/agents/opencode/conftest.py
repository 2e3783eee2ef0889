"""A home with OpenCode in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.opencode_home import OpenCodeHome


@pytest.fixture
def there(home: Path) -> OpenCodeHome:
    return OpenCodeHome(home)


@pytest.fixture
def recorded(there: OpenCodeHome) -> OpenCodeHome:
    """The recording of 1.18.33, which has most in it."""
    return there.put("1.18.33")
