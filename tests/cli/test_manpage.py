"""The manual page is what the parser says today."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from opensync_hooks import errors
from opensync_hooks.cli import main
from tests import manpage


def test_page_is_up_to_date() -> None:
    assert manpage.PAGE.read_text(encoding="utf-8") == manpage.page(), "python -m tests.manpage"


def test_page_has_every_exit_code() -> None:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {code for kind in classes if isinstance(code := getattr(kind, "exit_code", 0), int)}
    assert codes <= manpage.EXIT_CODES.keys()


@pytest.mark.skipif(not shutil.which("man"), reason="needs man")
def test_page_is_valid_and_shows_every_command_with_its_example() -> None:
    shown = subprocess.run(
        ["man", "--warnings", "-l", str(manpage.PAGE)],
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "200", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stderr == ""
    for name in main.COMMANDS:
        assert f"\n   {name}\n" in shown.stdout
        assert f"Example: {main.load_command(name).example}\n" in shown.stdout
