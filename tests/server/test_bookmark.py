"""A page on the disk that leads to the running server, for one user."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.request import url2pathname

import pytest

from opensync_hooks.errors import UsageError
from opensync_hooks.server.bookmark import Bookmark
from opensync_hooks.system import browser
from tests.commandline import ROOT


def link(path: Path) -> str:
    """Return where the page leads, which its refresh and its link agree on."""
    html = path.read_text()
    (refresh,) = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', html)
    assert f'href="{refresh}"' in html
    return str(refresh)


def test_bookmark_leads_to_the_link_and_later_says_how_to_start(tmp_path: Path) -> None:
    bookmark = Bookmark(tmp_path / "new" / "sessions.html")
    bookmark.point_to("http://127.0.0.1:1/?key=a")
    assert link(bookmark.path) == "http://127.0.0.1:1/?key=a"
    if os.name == "posix":
        assert stat.S_IMODE(bookmark.path.stat().st_mode) == 0o600
    Bookmark(bookmark.path).retire()
    assert "key=" not in bookmark.path.read_text()
    assert "opensync-hooks serve --bookmark" in bookmark.path.read_text()


@pytest.mark.parametrize("content", ["", "<!doctype html>mine", "# notes"])
def test_other_file_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sessions.html"
    path.write_text(content)
    with pytest.raises(UsageError, match="not a bookmark of ours"):
        Bookmark(path)
    assert path.read_text() == content


def test_file_that_has_taken_its_place_is_left_alone(tmp_path: Path) -> None:
    bookmark = Bookmark(tmp_path / "sessions.html")
    bookmark.point_to("http://127.0.0.1:1/?key=a")
    bookmark.path.write_text("# notes")
    with pytest.raises(UsageError, match="not a bookmark of ours"):
        bookmark.retire()
    assert bookmark.path.read_text() == "# notes"


@pytest.mark.skipif(os.name != "posix", reason="links need rights on Windows")
def test_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    target = Bookmark(tmp_path / "target.html")
    target.retire()
    (tmp_path / "link.html").symlink_to(target.path)
    with pytest.raises(UsageError, match="not a bookmark of ours"):
        Bookmark(tmp_path / "link.html")


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        Bookmark(tmp_path / "file" / "sessions.html").point_to("http://127.0.0.1/")


def test_no_browser_is_started_without_a_desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("webbrowser.open", lambda _: 1 // 0)
    assert not browser.open_in_browser("file:///x")


def new_browser() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor())


@contextmanager
def serving(*arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "opensync_hooks", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environ}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        watchdog = threading.Timer(300, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
            watchdog.cancel()


@pytest.mark.skipif(os.name != "posix", reason="the browser is a shell script")
def test_serve_opens_the_page_by_a_file_that_only_the_user_can_read(
    ours: Path, tmp_path: Path
) -> None:
    """Arguments of a program can be read by every user of the machine, so none has the key."""
    opened = tmp_path / "opened"
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\nprintf %s "$*" > {opened}.new && mv {opened}.new {opened}\n')
    program.chmod(0o755)
    with serving("--open", BROWSER=str(program)) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(3)]
        assert "To come back later, bookmark  file://" in lines[2]
        while not opened.exists():
            threading.Event().wait(0.05)
        arguments = opened.read_text()
        path = Path(url2pathname(arguments.removeprefix("file://")))
        assert path == ours / "sessions.html"
        assert "key=" not in arguments
        first = link(path)
        with new_browser().open(first, timeout=60) as page:
            assert b"No sessions yet." in page.read()
        assert "Opened." in process.stdout.readline()
        while link(path) == first:  # the next browser has a link of its own
            threading.Event().wait(0.05)
    assert "The server is not running" in path.read_text()


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is POSIX")
def test_bookmark_is_written_where_it_was_asked_for(ours: Path, tmp_path: Path) -> None:
    path = tmp_path / "my sessions.html"
    for _ in range(2):  # the second run finds its own
        with serving("--bookmark", str(path)) as process:
            assert process.stdout
            lines = [process.stdout.readline() for _ in range(3)]
            assert path.as_uri() in lines[2]
            with new_browser().open(link(path), timeout=60) as page:
                assert page.status == 200
    assert not (ours / "sessions.html").exists()


@pytest.mark.skipif(os.name != "posix", reason="SIGINT is POSIX")
@pytest.mark.usefixtures("ours")
def test_serve_says_when_the_bookmark_can_no_longer_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "sessions.html"
    with serving("--bookmark", str(path)) as process:
        assert process.stdout
        assert process.stderr
        login_url = link_after(process.stdout)
        path.write_text("# notes")
        with new_browser().open(login_url, timeout=60):
            line = process.stderr.readline()
    assert line.startswith(f"The bookmark {path} no longer opens your sessions: ")
    assert "not a bookmark of ours" in line
    assert path.read_text() == "# notes"


def link_after(stdout: IO[str]) -> str:
    lines = [stdout.readline() for _ in range(3)]
    return lines[1].split()[-1]
