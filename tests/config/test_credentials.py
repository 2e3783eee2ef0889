"""Logins and keys are saved in a private file, and nothing else in it changes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks import config
from opensync_hooks.config import Folders
from opensync_hooks.config.credentials import forget_login, mask_key, save_login, server_key
from opensync_hooks.errors import NotConfiguredError
from tests.config.documents import KEY, OTHER, URL, login, write

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("key", "shown"),
    [(KEY, "osk_…2345"), ("osk_short", "…"), ("", "…"), ("x" * 15, "…")],
)
def test_masked_key_can_be_recognized_and_not_used(key: str, shown: str) -> None:
    assert mask_key(key) == shown


@pytest.mark.parametrize(
    "change",
    [
        lambda: save_login(os.environ, URL, KEY),
        lambda: forget_login(os.environ),
        lambda: server_key(os.environ),
    ],
    ids=["login", "logout", "server key"],
)
def test_file_that_cannot_be_read_is_never_written(path: Path, change: Callable[[], Any]) -> None:
    write(path, "mine = [")
    with pytest.raises(NotConfiguredError):
        change()
    assert path.read_text() == "mine = ["


def test_login_keeps_the_rest_of_the_file(path: Path) -> None:
    write(path, '[privacy]\nthinking = true\n[mine]\nnumbers = [1, 2]\ntext = "ü"\n')
    save_login(os.environ, URL, KEY)
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    assert document == {
        "url": URL,
        "api_key": KEY,
        "privacy": {"thinking": True},
        "mine": {"numbers": [1, 2], "text": "ü"},
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    save_login(os.environ, "https://y.convex.site", OTHER)
    loaded = config.load()
    assert (loaded.url, loaded.api_key) == ("https://y.convex.site", OTHER)


def test_login_creates_a_private_file_in_a_private_folder() -> None:
    before = os.umask(0)
    try:
        save_login(os.environ, URL, KEY)
    finally:
        os.umask(before)
    path = Folders.from_environ(os.environ).settings
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_logout_removes_the_login_and_nothing_else(path: Path) -> None:
    write(path, login() + f'[server]\nkey = "{OTHER}"\n[mine]\na = 1\n')
    assert forget_login(os.environ) is True
    loaded = config.load()
    assert (loaded.url, loaded.api_key, loaded.server_key) == (None, None, OTHER)
    assert tomllib.loads(path.read_text())["mine"] == {"a": 1}
    assert KEY not in path.read_text()
    assert forget_login(os.environ) is False


def test_logout_leaves_no_empty_file(path: Path) -> None:
    write(path, login())
    assert forget_login(os.environ) is True
    assert not path.exists()
    assert config.load().url is None


def test_login_repairs_an_empty_file(path: Path) -> None:
    write(path, "")
    save_login(os.environ, URL, KEY)
    assert config.load().url == URL


def test_logout_without_a_login_leaves_the_file_as_it_is(path: Path) -> None:
    assert forget_login(os.environ) is False
    assert not path.exists()
    write(path, "# a comment of mine\n[mine]\na = 1\n")
    assert forget_login(os.environ) is False
    assert path.read_text() == "# a comment of mine\n[mine]\na = 1\n"


def test_server_key_is_created_once(path: Path) -> None:
    first = server_key(os.environ)
    assert first.startswith("osk_")
    assert len(first) == 36
    assert server_key(os.environ) == first
    save_login(os.environ, URL, KEY)
    assert server_key(os.environ) == first == config.load().server_key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_concurrent_processes_get_the_same_server_key() -> None:
    script = (
        "import os, sys; from opensync_hooks.config.credentials import server_key\n"
        "print('ready', flush=True); sys.stdin.readline(); print(server_key(os.environ))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(5)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    keys = {process.communicate()[0].strip() for process in processes}
    assert keys == {config.load().server_key}
