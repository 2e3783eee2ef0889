"""The terminal: text that cannot steer it, colours, errors with their next step, questions."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import NoReturn, TextIO

from opensync_hooks.errors import OpenSyncError

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


def print_line(text: str, prefix: str = "") -> None:
    """Print one line on stdout, without control characters in `text`.

    Titles and paths may hold anything: they must neither break the line nor steer the terminal.
    `prefix` is our own, and may hold colours.
    """
    print(prefix + _printable(text))


def print_lines(text: str) -> None:
    """Print a text of several lines, such as a diff, with its tabs as spaces."""
    for line in text.split("\n"):
        print_line(line.expandtabs())


def print_row(name: str, text: str) -> None:
    """Print one line of a list, with `name` in a column of its own."""
    print_line(f"{name:<13} {text}")


def print_error(error: OpenSyncError) -> int:
    """Print the error and its hint on stderr; returns its exit code."""
    print(_printable(str(error)), file=sys.stderr)
    if error.hint:
        print(f"hint: {_printable(error.hint)}", file=sys.stderr)
    return error.exit_code


def end_process(code: int) -> NoReturn:
    """End with this exit code, without freeing each object: a tenth of a short command's CPU time.

    Files, databases and locks have to be closed by now.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads it; what can be told of it, was
            print(end="", file=stream, flush=True)
    os._exit(code)


def coloured(text: str, colour: str) -> str:
    """Return the text in an ANSI colour (`31` is red), or as it is where colours are not wanted."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return text if plain or not sys.stdout.isatty() else f"\x1b[{colour}m{text}\x1b[0m"


def survive_missing_characters() -> None:
    """Print a character that the terminal's encoding lacks as an escape instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def can_ask() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def confirm(question: str) -> bool:
    """Ask on the terminal; only a plain yes counts. See `can_ask`."""
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def short_path(path: object) -> str:
    """Return a path for display, with `~` for the user's home."""
    text, home = str(path), os.path.expanduser("~")  # noqa: PTH111 - for display, not for files
    return "~" + text.removeprefix(home) if text.startswith(home + os.sep) else text


@contextmanager
def surviving_closed_output() -> Iterator[None]:
    """Discard output whose reader has gone: `install.py | head` must not stop halfway."""
    with (
        redirect_stdout(_SurvivingStream(sys.stdout)),
        redirect_stderr(_SurvivingStream(sys.stderr)),
    ):
        yield


class _SurvivingStream(io.TextIOBase):
    """Writes at once, so that lines of child processes come in the right place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
        return len(text)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
