"""What a user's text holds besides the user's words: Cursor wraps context around each prompt.

<timestamp>Tuesday, Jul 21, 2026, 1:11 PM (UTC+3)</timestamp>
<user_query>
the words
</user_query>
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from opensync_hooks.agents.cursor import timestamps

Kind = Literal["prompt", "note", "context"]
"""`note`: Cursor tells the agent what happened. `context`: rules, tools, files, git status."""

_STAMP = re.compile(r"<timestamp>(.*?)</timestamp>\s*|<timestamp/>\s*", re.DOTALL)
_OPENING, _CLOSING = "<user_query>", "</user_query>"
_TAG = re.compile(r"\s*<([a-z][a-z0-9_-]*)[ >/]")
_NOTES = frozenset(
    (
        *("system_reminder", "system-reminder", "system_notification", "task_notification"),
        *("background_task", "conversation_summary", "summary"),
    )
)
"""The only ones that are sent: what else Cursor puts in is bulky, private, or both."""


@dataclass(frozen=True, slots=True)
class Said:
    kind: Kind
    text: str
    at: int | None = None


def read(raw: str) -> Said:
    """The words of the prompt in `raw`; or what `raw` is instead."""
    start, end = raw.find(_OPENING), raw.rfind(_CLOSING)
    if start >= 0:
        words = raw[start + len(_OPENING) : end if end > start else None]
        return Said("prompt", _framed(words), _stamped(raw[:start]))
    words = _STAMP.sub("", raw, count=1)
    tag = _TAG.match(words)
    if tag is None:
        return Said("prompt", words.strip("\n"), _stamped(raw))
    return Said("note" if tag[1] in _NOTES else "context", words.strip())


def _framed(words: str) -> str:
    """Without the line ends that Cursor puts around the words; their own stay."""
    return words.removeprefix("\r").removeprefix("\n").removesuffix("\n").removesuffix("\r")


def _stamped(text: str) -> int | None:
    found = _STAMP.search(text)
    return timestamps.tagged(found[1]) if found and found[1] else None
