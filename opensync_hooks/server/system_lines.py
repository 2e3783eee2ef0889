"""What agents put into a conversation, in the words of its reader.

Agents write such texts for the model: an element for each thing, such as
`<bash-input>ls</bash-input>`. Its name is the label here, unless a better one is known.
"""

import re
from typing import NamedTuple

_ELEMENT = re.compile(r"\s*<([a-z][a-z0-9_-]{1,60})>(.*?)</\1>\s*", re.DOTALL)
_LABELS = {
    "bash-input": "Shell command",
    "bash-stdout": "Shell output",
    "bash-stderr": "Shell errors",
    "command-name": "Command",
    "command-args": "With",
    "local-command-caveat": "Note to the model",
    "local-command-stdout": "Output",
    "local-command-stderr": "Errors",
    "system-reminder": "Reminder to the model",
    "task-notification": "Background task",
    "user-prompt-submit-hook": "From a hook",
}
_REPEATING = frozenset(("command-message",))
"""Elements that usually say again what the one before them says."""
_BRACKETS = re.compile(r"\[([^\[\]\n]+)\]")
_MAX_ELEMENTS = 50


class SystemLine(NamedTuple):
    """A label, empty for a plain text, and a text."""

    label: str
    text: str


def system_lines(text: str) -> list[SystemLine]:
    """Return a text's elements without the empty ones; any other text as a line by itself."""
    lines: list[SystemLine] = []
    position, empty = 0, ""
    while match := _ELEMENT.match(text, position) if len(lines) < _MAX_ELEMENTS else None:
        name, content = match.groups()
        label = _LABELS.get(name, name.replace("-", " ").replace("_", " ").capitalize())
        is_repeated = name in _REPEATING and lines and content.strip() in lines[-1].text
        if content.strip() and not is_repeated:
            lines.append(SystemLine(label, content.strip("\n")))
        empty = label
        position = match.end()
    rest = text[position:].strip()
    if rest:
        bracketed = _BRACKETS.fullmatch(rest)
        lines.append(SystemLine("", bracketed[1] if bracketed else rest))
    return lines or [SystemLine(empty, "(nothing)")]
