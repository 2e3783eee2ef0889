"""Privacy settings apply exactly, or are refused by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from opensync_hooks import config
from opensync_hooks.config import Config
from opensync_hooks.errors import NotConfiguredError


@pytest.fixture
def settings() -> Path:
    path = config.Folders.from_environ(os.environ).settings
    path.parent.mkdir(parents=True)
    return path


def load(path: Path, text: str, environ: Mapping[str, str] | None = None) -> Config:
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    return config.load({**os.environ, **(environ or {})})


def test_by_default_everything_that_can_stay_stays(settings: Path) -> None:
    loaded = load(settings, "\n")
    assert (loaded.thinking, loaded.redact, loaded.file_contents) == (False, True, False)
    assert loaded.undone
    assert (loaded.patterns, loaded.allow, loaded.exclude) == ((), (), ())


def test_every_setting_can_be_set(settings: Path) -> None:
    loaded = load(
        settings,
        """
        [privacy]
        thinking = true
        redact = false
        file_contents = true
        undone = false
        exclude = ["~/clients/*"]
        allow = ["a+b", "/c+d/"]
        [privacy.patterns]
        employee = 'EMP-\\d{6}'
        """,
    )
    assert (loaded.thinking, loaded.redact, loaded.file_contents) == (True, False, True)
    assert loaded.undone is False
    assert loaded.exclude == ("~/clients/*",)
    assert [name for name, _ in loaded.patterns] == ["employee"]
    assert loaded.patterns[0][1].fullmatch("EMP-123456")
    literal, regex = loaded.allow
    assert literal.fullmatch("a+b")
    assert not literal.fullmatch("aab")
    assert regex.fullmatch("cccd")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("REDACT", "0", (False, False, False)), ("REDACT", "off", (False, False, False)),
        ("REDACT", "maybe", (False, True, False)), ("REDACT", "", (False, True, False)),
        ("FILE_CONTENTS", "1", (False, True, True)), ("FILE_CONTENTS", "?", (False, True, False)),
        ("THINKING", "yes", (True, True, False)), ("THINKING", "nonsense", (False, True, False)),
    ],
)  # fmt: skip
def test_environment_wins_and_an_unclear_value_opens_nothing(
    settings: Path, name: str, value: str, expected: tuple[bool, bool, bool]
) -> None:
    loaded = load(settings, "\n", {f"OPENSYNC_HOOKS_{name}": value})
    assert (loaded.thinking, loaded.redact, loaded.file_contents) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[privacy]\nredact = 1", ["`redact`", "neither true nor false"]),
        ("[privacy]\nfile_contents = 'no'", ["`file_contents`", "neither true nor false"]),
        ("[privacy]\nexclude = '~/x'", ["`exclude`", "not a list of strings"]),
        ("[privacy]\nallow = ['']", ["`allow`", "not a list of strings"]),
        ("[privacy]\nallow = ['/(/']", ["`allow`", "not a regular expression"]),
        ("[privacy]\npatterns = 'x'", ["`patterns`", "not a table"]),
        ("[privacy.patterns]\nmine = '('", ["`mine`", "not a regular expression"]),
        ("[privacy.patterns]\nmine = 'x*'", ["`mine`", "empty"]),
        ("[privacy.patterns]\nmine = 7", ["`mine`", "not a string"]),
        ("[privacy.patterns]\n'no name' = 'x'", ["name of a pattern"]),
    ],
)
def test_unusable_setting_is_named_with_its_file_and_a_fix(
    settings: Path, text: str, names: list[str]
) -> None:
    with pytest.raises(NotConfiguredError) as caught:
        load(settings, text)
    for name in (str(settings), *names):
        assert name in str(caught.value)
    assert caught.value.hint
    assert "no name" not in str(caught.value)


@pytest.mark.parametrize("version", [(3, 11, 2), (3, 11, 5), (3, 13, 0)])
def test_pattern_that_this_python_compiles_wrongly_is_refused(
    settings: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int]
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    text = "[privacy.patterns]\nplain = '\\++[*+]'\nstaff = 'EMP-[0-9]++'"
    if version >= (3, 11, 5):
        assert len(load(settings, text).patterns) == 2
        return
    with pytest.raises(NotConfiguredError, match="`staff` uses a possessive quantifier") as caught:
        load(settings, text)
    assert "(?>a+)" in caught.value.hint
