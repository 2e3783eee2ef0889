"""What the setup says on the terminal, and the one kind of question that it asks."""

from __future__ import annotations

import os
import sys

_WIDTH = 13


def say(text: str = "") -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # so that it stands before what a child prints


def row(name: str, text: str) -> None:
    say(f"{name:<{_WIDTH}} {text}")


def complain(message: str, hint: str = "") -> None:
    sys.stdout.flush()
    sys.stderr.write(message + "\n" + (f"hint: {hint}\n" if hint else ""))


def is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def agrees(question: str) -> bool:
    """Only a plain yes is one. Never ask where nobody sits: see `is_terminal`."""
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def short(path: object) -> str:
    """The path as people write it, for reading only."""
    text, home = str(path), os.path.expanduser("~")  # noqa: PTH111 - of texts, not of files
    return "~" + text.removeprefix(home) if text.startswith(home + os.sep) else text
