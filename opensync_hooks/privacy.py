"""What may leave: the one place that decides it, between the sources and the wire."""

from __future__ import annotations

from dataclasses import replace

from opensync_hooks.config import Config
from opensync_hooks.model import Message, Reasoning


def permitted(message: Message, config: Config) -> Message:
    """The message without what the user's settings keep at home; perhaps without any part."""
    if config.thinking:
        return message
    parts = tuple(part for part in message.parts if not isinstance(part, Reasoning))
    return replace(message, parts=parts)
