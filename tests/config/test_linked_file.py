"""config.toml may be a link of its user's, as dotfile managers make them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opensync_hooks.config import Folders, load
from opensync_hooks.config.credentials import forget_login, save_login
from opensync_hooks.config.settings import change
from opensync_hooks.errors import NotConfiguredError

KEY = "osk_" + "k" * 32


@pytest.fixture
def target(home: Path) -> Path:
    """The file in the user's dotfiles, to which a chain of links leads."""
    path = load().folders.settings
    target = home / "dotfiles" / "opensync.toml"
    target.parent.mkdir()
    target.write_text("# mine\n[privacy]\nthinking = true\n")
    target.chmod(0o600)
    path.parent.mkdir(parents=True)
    (home / "between").symlink_to(target)
    path.symlink_to(home / "between")
    return target


def test_linked_file_is_read_and_changed_in_its_place(target: Path) -> None:
    assert load().thinking
    change(os.environ, "thinking", ["false"])
    save_login(os.environ, "https://x.example", KEY)
    assert load().folders.settings.is_symlink()
    assert target.read_text().startswith("# mine\n")
    assert load().thinking is False
    assert load().api_key == KEY
    assert target.stat().st_mode & 0o777 == 0o600
    assert forget_login(os.environ)
    assert KEY not in target.read_text()
    assert sorted(path.name for path in target.parent.iterdir()) == ["opensync.toml"]


def test_link_to_nothing_is_refused(target: Path) -> None:
    """What it would create may be any file."""
    target.unlink()
    with pytest.raises(NotConfiguredError):
        change(os.environ, "thinking", ["true"])
    assert not target.exists()


def test_linked_file_that_others_can_read_is_refused(target: Path) -> None:
    target.chmod(0o644)
    with pytest.raises(NotConfiguredError, match="other users can read it"):
        load()


def test_link_of_another_user_is_not_followed(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert target.exists()
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(NotConfiguredError, match="link"):
        load()


def test_circle_of_links_is_named(target: Path, home: Path) -> None:
    (home / "between").unlink()
    (home / "between").symlink_to(Folders.from_environ(os.environ).settings)
    assert target.exists()
    with pytest.raises(NotConfiguredError):
        load()
