"""Our files lie where each system keeps such files, and together where the user says so."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable

import pytest

from opensync_hooks.hook import paths

ME = {"HOME": "/home/me"}
WINDOWS = {"USERPROFILE": "C:\\Users\\me", "LOCALAPPDATA": "C:\\Users\\me\\AppData\\Local"}
MAC = "/Users/me/Library/Application Support/opensync-hooks"


def where(environ: dict[str, str]) -> tuple[str, ...]:
    find: tuple[Callable[[paths.Lookup], str], ...] = (
        paths.config,
        paths.data,
        paths.state,
    )
    return tuple(one(environ.get) for one in find)


@pytest.mark.parametrize(
    ("system", "environ", "expected"),
    [
        (
            "linux",
            ME,
            (
                "/home/me/.config/opensync-hooks",
                "/home/me/.local/share/opensync-hooks",
                "/home/me/.local/state/opensync-hooks",
            ),
        ),
        (
            "linux",
            ME | {"XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d", "XDG_STATE_HOME": "/s"},
            ("/c/opensync-hooks", "/d/opensync-hooks", "/s/opensync-hooks"),
        ),
        (
            "linux",
            ME | {"XDG_CONFIG_HOME": "c", "XDG_DATA_HOME": "./d", "XDG_STATE_HOME": ""},
            (
                "/home/me/.config/opensync-hooks",
                "/home/me/.local/share/opensync-hooks",
                "/home/me/.local/state/opensync-hooks",
            ),
        ),
        ("darwin", {"HOME": "/Users/me", "XDG_CONFIG_HOME": "/c"}, (MAC,) * 3),
        ("win32", WINDOWS, ("C:\\Users\\me\\AppData\\Local/opensync-hooks",) * 3),
        (
            "win32",
            {"USERPROFILE": "C:\\Users\\me"},
            ("C:\\Users\\me/AppData/Local/opensync-hooks",) * 3,
        ),
    ],
    ids=[
        "linux",
        "linux with XDG",
        "relative XDG is ignored",
        "mac has no XDG",
        "windows",
        "windows without LOCALAPPDATA",
    ],
)
def test_files_lie_where_the_system_keeps_them(
    monkeypatch: pytest.MonkeyPatch, system: str, environ: dict[str, str], expected: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert where(environ) == expected


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_one_variable_moves_all_of_them(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    environ = {**ME, "XDG_CONFIG_HOME": "/c", "OPENSYNC_HOOKS_HOME": "/ours"}
    assert where(environ) == ("/ours",) * 3
    assert paths.spool(environ.get) == "/ours/spool"


def test_process_without_home_is_told_by_its_user() -> None:
    assert paths.home(dict[str, str]().get) == pwd.getpwuid(os.getuid()).pw_dir
    assert paths.home({"HOME": ""}.get) == pwd.getpwuid(os.getuid()).pw_dir
