"""`serve --demo` shows the bundled session, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

from tests.commandline import ROOT
from tests.setup.homes import snapshot
from tests.transcripts import TranscriptWriter


def test_demo_shows_the_sample_alone_and_leaves_no_trace(home: Path, tmp_path: Path) -> None:
    projects = home / ".claude" / "projects" / "-own"
    projects.mkdir(parents=True)
    TranscriptWriter(projects / "own.jsonl").line("user", "of the user")
    before, temporary = snapshot(home), tmp_path / "temporary"
    temporary.mkdir()
    environ = {"HOME": str(home), "PATH": "/nowhere", "TMPDIR": str(temporary)}
    command = [sys.executable, "-m", "opensync_hooks", "serve", "--demo", "--port", "0"]
    server = subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert server.stdout
    lines = [server.stdout.readline() for _ in range(2)]
    assert "a sample session" in lines[0]
    link = lines[1].split()[-1]
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    page = browser.open(link, timeout=30).read().decode()
    assert "Greeting printed twice" in page
    assert "of the user" not in page
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=60)
    assert server.returncode == 130
    assert snapshot(home) == before
    assert list(temporary.iterdir()) == []
