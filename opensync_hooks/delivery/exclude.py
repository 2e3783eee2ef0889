"""Why a session is not delivered: the rules on its folders, and what it has to do with others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from opensync_hooks.agents.source import Source
from opensync_hooks.errors import SourceError
from opensync_hooks.model import Session
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.privacy.private_sessions import COPY_REASON


def exclude(
    session: Session, source: Source, exclusions: Exclusions, *, is_delivered: bool
) -> str | None:
    """Return why the session is not delivered, and whether it was before; None if it may be.

    Reads a private session once, to keep digests by which its forks are recognized.
    """
    reason = exclusions.reason(session)
    if reason is None and not is_delivered:  # else the private one is a fork of this one
        _learn_forks(source, exclusions)
        reason = COPY_REASON if exclusions.is_private_fork(session) else None
    if reason is None or not is_delivered or reason.endswith(_SENT_BEFORE):
        return reason
    return reason + _SENT_BEFORE


_SENT_BEFORE = "; what was sent before that is still at the destination"


def with_folders(sessions: Iterable[Session]) -> Iterator[Session]:
    """Yield the sessions; a subagent without a folder worked in those of the first session."""
    folders: tuple[str, ...] = ()
    for session in sessions:
        if session.project_path or session.folders:
            folders = folders or tuple(filter(None, (session.project_path, *session.folders)))
            yield session
        else:
            yield replace(session, folders=folders)


def _learn_forks(source: Source, exclusions: Exclusions) -> None:
    for session_id in exclusions.unread_private_ids(source.agent):
        located = source.find(session_id)
        if located is None:
            continue
        try:
            private = next(source.read(located), None)
        except SourceError:
            continue  # its forks may be recognized later
        if private and private.id == session_id:
            exclusions.learn_forks(private)
