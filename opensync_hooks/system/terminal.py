"""What commands say: lines that no title can break, errors with the next step."""

from __future__ import annotations

import os
import sys

from opensync_hooks.errors import OpenSyncError

INTERRUPTED = 130


def say(line: str, lead: str = "") -> None:
    """A title is anybody's text: it must neither break the line nor steer the terminal.

    `lead` is our own, and goes before it as it is.
    """
    print(lead + _harmless(line))


def _harmless(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def has_colours() -> bool:
    """Only on a terminal that knows them, and never where the user wants none."""
    dull = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return not dull and sys.stdout.isatty()


def painted(text: str, colour: str) -> str:
    """The text in one of ANSI's colours, such as `31` for red, where there are colours."""
    return f"\x1b[{colour}m{text}\x1b[0m" if has_colours() else text


def complain(error: OpenSyncError) -> int:
    """Say what is wrong and what helps; the exit code for it. A path is anybody's text as well."""
    print(_harmless(str(error)), file=sys.stderr)
    if error.hint:
        print(f"hint: {_harmless(error.hint)}", file=sys.stderr)
    return error.exit_code
