"""The shape of a command: a name, a help text, arguments, and a function that runs it."""

import argparse
from collections.abc import Callable
from typing import NamedTuple


class Command(NamedTuple):
    """One command of `opensync-hooks`."""

    name: str
    help: str
    run: Callable[[argparse.Namespace], int]
    """Returns the exit code; raises OpenSyncError, which the caller prints."""
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], None] = lambda _: None
