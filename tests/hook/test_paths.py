"""Our folders follow the conventions of each platform, and one variable moves all of them."""

from __future__ import annotations

import os
import pwd
import sys

import pytest

from opensync_hooks.hook import paths

ME = {"HOME": "/home/me"}
WINDOWS = {"USERPROFILE": "C:\\Users\\me", "LOCALAPPDATA": "C:\\Users\\me\\AppData\\Local"}
MAC = "/Users/me/Library/Application Support/opensync-hooks"


def folders(environ: dict[str, str]) -> tuple[str, ...]:
    env = environ.get
    return paths.config(env), paths.data(env), paths.state(env)


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
def test_folders_follow_the_conventions_of_the_platform(
    monkeypatch: pytest.MonkeyPatch, system: str, environ: dict[str, str], expected: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert folders(environ) == expected


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_one_variable_moves_all_folders(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    environ = {**ME, "XDG_CONFIG_HOME": "/c", "OPENSYNC_HOOKS_HOME": "/ours"}
    assert folders(environ) == ("/ours",) * 3
    assert paths.spool(environ.get) == "/ours/spool"


def test_process_without_home_uses_the_home_of_its_user() -> None:
    assert paths.home(dict[str, str]().get) == pwd.getpwuid(os.getuid()).pw_dir
    assert paths.home({"HOME": ""}.get) == pwd.getpwuid(os.getuid()).pw_dir


def test_home_on_windows_is_the_one_that_agents_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    environ = {**WINDOWS, "HOME": "H:\\"}
    assert paths.home(environ.get) == "C:\\Users\\me"
    assert paths.home({"HOME": "H:\\"}.get) == "H:\\"
