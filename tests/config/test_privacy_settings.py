"""What config.toml and the environment say about privacy is taken exactly, or refused by name."""

from __future__ import annotations

import os
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


def test_without_a_word_everything_that_can_stay_stays(settings: Path) -> None:
    found = load(settings, "\n")
    assert (found.thinking, found.redact, found.file_contents) == (False, True, False)
    assert (found.patterns, found.allow, found.exclude) == ((), (), ())


def test_all_of_it_can_be_set(settings: Path) -> None:
    found = load(
        settings,
        """
        [privacy]
        thinking = true
        redact = false
        file_contents = true
        exclude = ["~/clients/*"]
        allow = ["a+b", "/c+d/"]
        [privacy.patterns]
        employee = 'EMP-\\d{6}'
        """,
    )
    assert (found.thinking, found.redact, found.file_contents) == (True, False, True)
    assert found.exclude == ("~/clients/*",)
    assert [name for name, _ in found.patterns] == ["employee"]
    assert found.patterns[0][1].fullmatch("EMP-123456")
    literal, regex = found.allow
    assert literal.fullmatch("a+b")
    assert not literal.fullmatch("aab")
    assert regex.fullmatch("cccd")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("REDACT", "0", (False, False, False)), ("REDACT", "off", (False, False, False)),
        ("REDACT", "maybe", (False, True, False)), ("REDACT", "", (False, True, False)),
        ("FILE_CONTENTS", "1", (False, True, True)), ("FILE_CONTENTS", "?", (False, True, False)),
        ("THINKING", "yes", (True, True, False)), ("THINKING", "nonsense", (False, True, False)),
    ],
)  # fmt: skip
def test_environment_wins_and_nonsense_in_it_opens_nothing(
    settings: Path, name: str, value: str, said: tuple[bool, bool, bool]
) -> None:
    found = load(settings, "\n", {f"OPENSYNC_HOOKS_{name}": value})
    assert (found.thinking, found.redact, found.file_contents) == said


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
def test_setting_that_cannot_be_used_is_named_with_its_file_and_a_cure(
    settings: Path, text: str, names: list[str]
) -> None:
    with pytest.raises(NotConfiguredError) as caught:
        load(settings, text)
    for name in (str(settings), *names):
        assert name in str(caught.value)
    assert caught.value.hint
    assert "no name" not in str(caught.value)
