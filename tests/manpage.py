"""Writes the manual page from the parser: python -m tests.manpage."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from opensync_hooks import __version__
from opensync_hooks.cli import main

PAGE = Path(main.__file__).with_name("opensync-hooks.1")
EXIT_CODES = {
    0: "done",
    1: "something failed",
    2: "wrong usage",
    3: "a bug in opensync-hooks",
    4: "not configured",
    5: "the key was refused",
    6: "queued for later",
    130: "interrupted",
}


def page() -> str:
    """Return the page in the man macros, with every command, its options and an example."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield f'.TH OPENSYNC\\-HOOKS 1 "" "opensync\\-hooks {__version__}" "User Commands"'
    yield ".SH NAME"
    yield "opensync\\-hooks \\- keeps every session of your coding agents"
    yield ".SH SYNOPSIS"
    yield ".B opensync\\-hooks\n.I COMMAND\n[options]"
    yield ".SH DESCRIPTION"
    yield _escape(main.build_parser(()).description or "")
    yield "Without a login they are kept in a database on this machine."
    yield ".SH COMMANDS"
    for name in main.COMMANDS:
        yield from _command(name)
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield f".TP\n.B {code}\n{meaning}"
    yield ".SH ENVIRONMENT"
    yield ".TP\n.B OPENSYNC_HOOKS_HOME\none folder for settings, sessions and queue"
    yield ".TP\n.B NO_COLOR\nno colours"


def _command(name: str) -> Iterator[str]:
    command, parser = main.load_command(name), main.subparser(name)
    actions = [action for action in parser._actions if action.help is not argparse.SUPPRESS]
    operands = (f" [{_value(action)}]" for action in actions if not action.option_strings)
    yield f".SS {_escape(name)}"
    yield _escape(command.help)
    yield f".PP\n.B {_escape(f'opensync-hooks {name} [options]')}{_escape(''.join(operands))}"
    for action in actions:
        if action.dest != "help":
            names = ", ".join(action.option_strings)
            text = (action.help or "").replace("%%", "%") or "\\&"
            yield f".TP\n.B {_escape(f'{names} {_value(action)}'.strip())}\n{_escape(text)}"
    yield f".PP\nExample: {_escape(command.example)}"


def _value(action: argparse.Action) -> str:
    """Return the name of the value that the argument takes; empty for a mere switch."""
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    return "|".join(map(str, action.choices or (action.dest.upper(),)))


def _escape(text: str) -> str:
    """Escape what troff would take for a command."""
    text = re.sub(r"\\(?!&)", r"\\e", text).replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
