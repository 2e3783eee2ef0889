"""Titles of sessions: one line each; a subagent's names its parent."""

_MAX_LENGTH = 100


def one_line(text: str | None) -> str | None:
    """Return the text in one line of at most 100 characters; None if there is none."""
    line = " ".join((text or "").split())
    if len(line) > _MAX_LENGTH:
        line = line[: _MAX_LENGTH - 1].rstrip() + "…"
    return line or None


def of_subagent(title: str | None, parent: str) -> str:
    """Return the title with the parent's id, for which OpenSync has no field."""
    return f"{title or 'Subagent'} (subagent of {parent})"
