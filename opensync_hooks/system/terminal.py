"""Output to a terminal: text that cannot steer it, colours, errors with their next step."""

from __future__ import annotations

import os
import sys

from opensync_hooks.errors import OpenSyncError

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


def print_line(text: str, prefix: str = "") -> None:
    """Print one line on stdout, without control characters in `text`.

    Titles and paths may hold anything: they must neither break the line nor steer the terminal.
    `prefix` is our own, and may hold colours.
    """
    print(prefix + _printable(text))


def print_error(error: OpenSyncError) -> int:
    """Print the error and its hint on stderr; returns its exit code."""
    print(_printable(str(error)), file=sys.stderr)
    if error.hint:
        print(f"hint: {_printable(error.hint)}", file=sys.stderr)
    return error.exit_code


def coloured(text: str, colour: str) -> str:
    """Return the text in an ANSI colour (`31` is red), or as it is where colours are not wanted."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return text if plain or not sys.stdout.isatty() else f"\x1b[{colour}m{text}\x1b[0m"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
