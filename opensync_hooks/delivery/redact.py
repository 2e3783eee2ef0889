"""Cleans a session of what the user's settings keep at home."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from opensync_hooks.config import Config
from opensync_hooks.model import Message, Session
from opensync_hooks.privacy.cleaning import clean_message, clean_session


def redact(session: Session, config: Config) -> Session:
    """Return the session cleaned; each message counts its own redacted, and may have no part."""

    def clean(message: Message) -> Message:
        redacted = Counter[str]()
        return replace(clean_message(message, config, redacted), redacted=redacted)

    return clean_session(session, config).map_messages(clean)
