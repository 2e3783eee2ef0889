"""The benchmarks run, whatever they find."""

from __future__ import annotations

import subprocess
import sys

from tests.bench.processes import ROOT
from tests.bench.table import Row, ratio


def test_table_has_a_row_for_each_measurement() -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--only", "starts", "redaction"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = [line for line in printed.splitlines() if line]
    assert [line for line in lines if not line.startswith(" ")] == ["starts", "redaction"]
    assert sum(" x bare " in line for line in lines) == 5


def test_ratio_shows_the_figures_that_it_is_made_of() -> None:
    assert ratio("hook", 0.012, 0.01, "bare") == Row("hook", 1.2, "x bare", "12 / 10 ms")
    assert ratio("read", 6.0, 0.0, "none", "MB") == Row("read", 0.0, "x none", "6 / 0 MB")
