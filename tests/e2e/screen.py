"""A full-screen program in a terminal of its own, and the person at its keyboard."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.|\s")


class Screen:
    def __init__(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.drawn = ""
        """Everything that was drawn since the last key, without spaces: programs skip over them."""
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(command[0], [*command], dict(environ))  # noqa: S606
        os.set_blocking(self.terminal, False)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 140, 0, 0))

    def pause(self, seconds: float) -> None:
        """Read what the program draws for this long, or it would block."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read()

    def wait(self, text: str, seconds: float = 120) -> None:
        """Read until the text is drawn."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read()
            if _CONTROL.sub("", text) in self.drawn:
                return
        raise AssertionError(f"{text!r} was not drawn:\n{self.drawn[-2000:]}")

    def _read(self) -> None:
        with suppress(BlockingIOError, OSError):
            self.drawn += _CONTROL.sub(
                "", os.read(self.terminal, 1 << 16).decode("utf-8", "ignore")
            )
        time.sleep(0.02)

    def press(self, keys: str) -> None:
        self.drawn = ""
        os.write(self.terminal, keys.encode())

    def type(self, text: str) -> None:
        """Type the text and send it; the pause keeps programs from taking it for a paste."""
        self.press(text)
        self.pause(0.7)
        self.press("\r")

    def end(self, seconds: float = 60) -> None:
        """Wait until the program has exited."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.pause(0.1)
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                os.close(self.terminal)
                return
        raise AssertionError(f"the program did not exit:\n{self.drawn[-2000:]}")
