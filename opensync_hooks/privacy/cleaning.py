"""What may leave or be kept: the one place that decides it, between the sources and the wire."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from opensync_hooks.config import Config
from opensync_hooks.model import (
    Attachment,
    Message,
    Part,
    Reasoning,
    Session,
    Text,
    ToolCall,
    ToolResult,
)
from opensync_hooks.privacy import contents
from opensync_hooks.privacy.redaction.redactor import Redactor

_DEEPEST = 12
_CUT_WORD = re.compile(r"(?<!\S)(?=[^\s\d]{0,200}\d)((?>\S{6,})) ")
"""A word with a digit in it, which may go on behind the blank."""


def clean_message(message: Message, config: Config, masked: Counter[str] | None = None) -> Message:
    """The message without what the user's settings keep at home; perhaps without any part.

    `masked` is told of each secret that was taken out, by its kind.
    """
    parts: Iterable[Part] = message.parts
    if not config.thinking:
        parts = (part for part in parts if not isinstance(part, Reasoning))
    if not config.file_contents:
        parts = contents.withheld(parts)
    if not config.redact:
        return replace(message, parts=tuple(parts))
    redactor = _redactor(config, masked)
    return replace(
        message,
        parts=tuple(_redacted(part, redactor) for part in parts),
        model=_maybe(message.model, redactor),
    )


def clean_session(session: Session, config: Config, masked: Counter[str] | None = None) -> Session:
    """The same for what is told of a session besides its messages; ids stay as they are."""
    if not config.redact:
        return session
    redactor = _redactor(config, masked)
    return replace(
        session,
        title=_title(session.title, redactor),
        project_path=_maybe(session.project_path, redactor),
        model=_maybe(session.model, redactor),
        git_branch=_maybe(session.git_branch, redactor),
        agent_version=_maybe(session.agent_version, redactor),
        end_reason=_maybe(session.end_reason, redactor),
    )


def _redactor(config: Config, masked: Counter[str] | None) -> Redactor:
    counts = Counter[str]() if masked is None else masked
    return Redactor(config.patterns, partial(_is_allowed, config), counts)


def _is_allowed(config: Config, found: str) -> bool:
    return any(one.fullmatch(found) for one in config.allow)


def _maybe(text: str | None, redactor: Redactor) -> str | None:
    return redactor.text(text) if text else text


def _title(text: str | None, redactor: Redactor) -> str | None:
    """A title is a text in one line: where a secret went over two, a blank stands in it now."""
    if not text:
        return text
    lines = _CUT_WORD.sub(r"\1\n", text)
    found = redactor.text(lines)
    return redactor.text(text if found == lines else found.replace("\n", " "))


def _redacted(part: Part, redactor: Redactor) -> Part:
    of = redactor.text
    match part:
        case Text(text):
            return Text(of(text))
        case Reasoning(text):
            return Reasoning(of(text))
        case ToolCall():
            arguments = _value(part.arguments, redactor)
            return replace(part, name=of(part.name), arguments=arguments, title=of(part.title))
        case ToolResult():
            return replace(part, name=of(part.name), output=of(part.output))
        case Attachment():
            return replace(part, media_type=of(part.media_type), name=of(part.name))


def _value(value: Any, redactor: Redactor, name: str = "", depth: int = 0) -> Any:
    """A JSON value with every text in it redacted; keys stay, but for those that are secrets."""
    if isinstance(value, str):
        return redactor.value(name, value)
    if isinstance(value, dict | list) and depth >= _DEEPEST:
        return _as_text(value, redactor)
    if isinstance(value, dict):
        return {
            redactor.text(key): _value(item, redactor, key, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_value(item, redactor, name, depth + 1) for item in value]
    return value


def _as_text(value: Any, redactor: Redactor) -> str:
    """What lies so deep travels as a text anyway."""
    try:
        return redactor.text(json.dumps(value, ensure_ascii=False))
    except (RecursionError, ValueError):
        return "[too deep or too long a value to be kept]"
