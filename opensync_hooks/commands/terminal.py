"""What commands say: lines that no title can break, errors with the next step."""

from __future__ import annotations

import sys

from opensync_hooks.errors import OpenSyncError


def say(line: str) -> None:
    """A title is anybody's text: it must neither break the line nor steer the terminal."""
    print("".join(letter if letter.isprintable() else "\ufffd" for letter in line))


def complain(error: OpenSyncError) -> int:
    """Say what is wrong and what helps; the exit code for it."""
    print(error, file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)
    return error.exit_code


def count(number: int, what: str) -> str:
    """`1 session`, `2 sessions`."""
    return f"{number} {what}{'' if number == 1 else 's'}"
