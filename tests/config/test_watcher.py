"""config.toml is read once as long as nobody changes it, and again after any change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from opensync_hooks import config
from opensync_hooks.config import Config, Folders
from opensync_hooks.config.watcher import ConfigWatcher
from opensync_hooks.errors import NotConfiguredError

DAY = 86_400


class Reads:
    """Counts how often the settings are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._load = config.load
        monkeypatch.setattr(config, "load", self)

    def __call__(self, environ: Mapping[str, str]) -> Config:
        self.count += 1
        return self._load(environ)


@pytest.fixture
def path() -> Path:
    path = Folders.from_environ(os.environ).settings
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write(path: Path, text: str, age: float = DAY) -> None:
    path.write_text(text)
    path.chmod(0o600)
    at = path.stat().st_mtime - age
    os.utime(path, (at, at))


def test_unchanged_file_is_read_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, "estimate_tokens = true\n")
    reads, watcher = Reads(monkeypatch), ConfigWatcher()
    first = watcher.load()
    assert first.estimate_tokens
    assert watcher.load() is first
    assert reads.count == 1


def test_missing_file_is_read_once_until_it_appears(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, watcher = Reads(monkeypatch), ConfigWatcher()
    assert watcher.load() is watcher.load()
    assert reads.count == 1
    write(path, "estimate_tokens = true\n")
    assert watcher.load().estimate_tokens
    path.unlink()
    assert not watcher.load().estimate_tokens


@pytest.mark.parametrize("in_place", [True, False], ids=["in place", "replaced"])
def test_change_within_one_tick_of_the_clock_is_noticed(path: Path, *, in_place: bool) -> None:
    """The file keeps its size and, on a coarse file system, its time."""
    write(path, "estimate_tokens = true\n", age=0)
    at = path.stat().st_mtime_ns
    watcher = ConfigWatcher()
    assert watcher.load().estimate_tokens
    if not in_place:
        path.rename(path.with_name("before"))
    write(path, "#stimate_tokens = true\n", age=0)
    os.utime(path, ns=(at, at))
    assert not watcher.load().estimate_tokens


def test_same_settings_are_the_same_object_although_the_file_was_written(path: Path) -> None:
    write(path, "estimate_tokens = true\n")
    watcher = ConfigWatcher()
    first = watcher.load()
    write(path, "# a comment\nestimate_tokens = true\n")
    assert watcher.load() is first


def test_unusable_file_is_an_error_until_it_is_corrected(path: Path) -> None:
    watcher = ConfigWatcher()
    watcher.load()
    write(path, "url = [")
    for _ in range(2):
        with pytest.raises(NotConfiguredError):
            watcher.load()
    write(path, "estimate_tokens = true\n")
    assert watcher.load().estimate_tokens
