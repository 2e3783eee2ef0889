"""What a command is: a name, what it is for, its arguments, and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass


def _none(_: argparse.ArgumentParser) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Command:
    """One command of `opensync-hooks`, as `cli` offers it."""

    name: str
    about: str
    run: Callable[[argparse.Namespace], int]
    """Returns the exit code; raises OpenSyncError for `cli` to say."""
    arguments: Callable[[argparse.ArgumentParser], None] = _none
    """Adds the command's own arguments to its parser."""
    example: str = ""
