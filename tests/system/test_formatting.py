from __future__ import annotations

import pytest

from opensync_hooks.system import clock, formatting


@pytest.mark.parametrize(
    ("age_ms", "text"),
    [(0, "just now"), (1_500, "1 second ago"), (59_000, "59 seconds ago"), (60_000, "1 minute ago"),
     (7_200_000, "2 hours ago"), (86_400_000, "1 day ago"), (-5_000, "just now")],
)  # fmt: skip
def test_age_has_the_largest_unit_that_fits(
    monkeypatch: pytest.MonkeyPatch, age_ms: int, text: str
) -> None:
    monkeypatch.setattr(clock, "now", lambda: 10**12)
    assert formatting.ago(10**12 - age_ms) == text
    assert formatting.ago(None) == "never"


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [(0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes"), (1536, "1.5 KB"), (3 << 29, "1.5 GB")],
)
def test_size_has_the_largest_unit_that_fits(bytes_: int, text: str) -> None:
    assert formatting.size(bytes_) == text


@pytest.mark.parametrize(
    ("dollars", "text"),
    [(0, "$0.00"), (0.0013, "$0.0013"), (0.000_041_9, "$0.000042"), (1e-7, "$0.00000010"),
     (0.01, "$0.01"), (0.0149, "$0.01"), (0.5, "$0.50"), (1234.567, "$1,234.57"),
     (0.1 + 0.2 - 0.3, "$0.00")],
)  # fmt: skip
def test_money_below_a_cent_shows_its_first_digits(dollars: float, text: str) -> None:
    assert formatting.money(dollars) == text
