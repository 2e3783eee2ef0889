"""Separates the user's words from the context that Cursor wraps around them.

<timestamp>Tuesday, Jul 21, 2026, 1:11 PM (UTC+3)</timestamp>
<user_query>
the words
</user_query>
"""

from __future__ import annotations

import re
from typing import Literal

from opensync_hooks.agents.cursor import timestamps
from opensync_hooks.dataclass import dataclass

SUMMARY = "[Previous conversation summary]"
"""How a text begins that a compaction put in place of messages."""
_TIMESTAMP = re.compile(r"<timestamp>(.*?)</timestamp>\s*|<timestamp/>\s*", re.DOTALL)
_OPENING, _CLOSING = "<user_query>", "</user_query>"
_TAG = re.compile(r"\s*<([a-z][a-z0-9_-]*)[ >/]")
_NOTES = frozenset(
    (
        *("system_reminder", "system-reminder", "system_notification", "task_notification"),
        *("background_task", "conversation_summary", "summary"),
    )
)
"""Tags whose texts are sent. Everything else that Cursor adds is bulky, private or both."""

_CONTEXT = frozenset(("context", "rules", "rule", "skills", "tools", "memories", "environment"))
"""Cursor's tags without an underscore that may be followed by others."""
_OF_HTML = frozenset(
    (
        *("a", "article", "b", "body", "button", "code", "div", "em", "footer", "form", "h1", "h2"),
        *("h3", "head", "header", "html", "i", "iframe", "img", "input", "label", "li", "main"),
        *("nav", "ol", "p", "pre", "script", "section", "select", "span", "strong", "style", "svg"),
        *("table", "tbody", "td", "template", "textarea", "th", "thead", "tr", "ul", "video"),
    )
)


@dataclass(frozen=True, slots=True)
class UserText:
    """A text with the user's role, and who wrote it."""

    kind: Literal["prompt", "note", "context"]
    """`note`: Cursor reports an event to the agent. `context`: rules, tools, files, git status."""
    text: str
    sent_at: int | None = None


def parse(raw: str) -> UserText:
    """Return the user's words in `raw`, or what `raw` is instead."""
    start, end = raw.find(_OPENING), raw.rfind(_CLOSING)
    if start >= 0:
        words = raw[start + len(_OPENING) : end if end > start else None]
        # Cursor puts line ends around the words; the words keep their own.
        words = words.removeprefix("\r").removeprefix("\n").removesuffix("\n").removesuffix("\r")
        return UserText("prompt", words, _sent_at(raw[:start]))
    words = _TIMESTAMP.sub("", raw, count=1)
    tag = _TAG.match(words)
    if words.startswith(SUMMARY):
        return UserText("note", words.strip())
    if tag is None:
        return UserText("prompt", words.strip("\n"), _sent_at(raw))
    if tag[1] in _NOTES:
        return UserText("note", words.strip())
    if _is_context(tag[1], words):
        return UserText("context", words.strip())
    return UserText("prompt", words.strip("\n"), _sent_at(raw))


def _is_context(tag: str, words: str) -> bool:
    """Whether Cursor wrote this tag, rather than a user who asks about one."""
    is_wrapped = words.rstrip().endswith(f"</{tag}>") and tag not in _OF_HTML
    return "_" in tag or tag in _CONTEXT or is_wrapped


def _sent_at(text: str) -> int | None:
    match = _TIMESTAMP.search(text)
    return timestamps.parse_tag(match[1]) if match and match[1] else None
