"""The bundled price table is the one that the generator writes."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

pytest.importorskip("genai_prices", reason="only needed to generate the table")

from tests.prices import generate


def test_generating_again_gives_the_same_file(tmp_path: Path) -> None:
    table = json.loads(generate.TABLE.read_text())
    assert version("genai-prices") == table["version"], "pyproject.toml pins another version"
    path = tmp_path / "again.json"
    assert generate.main(["--date", table["date"], "--output", str(path)]) == 0
    assert path.read_text() == generate.TABLE.read_text()
