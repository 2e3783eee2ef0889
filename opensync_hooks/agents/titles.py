"""Titles of sessions: one line each, and a subagent's says whose it is."""

from __future__ import annotations

_LONGEST = 100


def one_line(text: str | None) -> str | None:
    """The text in one line, cut where it is long; None where it says nothing."""
    words = " ".join((text or "").split())
    if len(words) > _LONGEST:
        words = words[: _LONGEST - 1].rstrip() + "…"
    return words or None


def of_subagent(title: str | None, parent: str) -> str:
    """OpenSync has no field for a parent, so the title names it."""
    return f"{title or 'Subagent'} (subagent of {parent})"
