"""Remove from sessions and messages whatever the user's settings keep on this machine.

Everything that leaves passes here, and nothing passes before the self-test of the redaction has.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
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
from opensync_hooks.privacy import contents, excerpt, self_test, thoughts
from opensync_hooks.privacy.omitted import TOO_DEEP, Omitted
from opensync_hooks.privacy.redaction.memory import SecretMemory
from opensync_hooks.privacy.redaction.redactor import Redactor, secret_field

_MAX_DEPTH = 12
_LABELS = ("name", "key", "variable", "element", "selector", "label", "field", "option", "question")
_VALUES = ("text", "data", "default", "content", "body", "answer", "plaintext")
"""Beside names that end with `value`, such as `stringValue`."""
_COLLECTIONS = ("secrets", "credentials", "passwords", "tokens")
_WORD_BEFORE_SPACE = re.compile(
    r"(?<!\S)(?=[^\s\d]{0,200}\d|[^\sA-Z]{0,200}[a-z][A-Z])((?>\S{6,})) "
)
"""A word with a digit or a capital in it, which may continue behind the space."""
_JOINED_STRINGS = re.compile(r"([\"'] ?\+?) (?=\\*[\"'])")
"""Strings that source code joined over a line's end."""


def clean_message(
    message: Message,
    config: Config,
    redactions: Counter[str] | None = None,
    memory: SecretMemory | None = None,
) -> Message:
    """Return what may leave of a message; it may have no parts left.

    Adds the masked secrets to `redactions`, by kind, which the message bears then. What `memory`
    holds is masked too, and what is masked is added to it. Raises RedactionError.
    """
    parts: Iterable[Part] = message.parts
    if not config.thinking:
        parts = (
            Text(thoughts.DOUBTFUL) if isinstance(part, Reasoning) else part
            for part in parts
            if not isinstance(part, Reasoning) or part.is_doubtful
        )
        parts = thoughts.withhold(parts, message.role)
    if not config.file_contents:
        parts = contents.withhold(parts, message.role)
    redacted = message.redacted if redactions is None else redactions
    if not config.redact:
        return replace(message, parts=tuple(parts), redacted=redacted)
    redactor = _make_redactor(config, redactions, memory)
    return replace(
        message,
        parts=tuple(_redact_parts(parts, redactor)),
        model=_redact_optional(message.model, redactor),
        redacted=redacted,
    )


def mask_json(value: Any, config: Config) -> Any:
    """Return a JSON value as today's rules mask it. Raises RedactionError."""
    return _redact_json(value, _make_redactor(config)) if config.redact else value


def clean_session(session: Session, config: Config) -> Session:
    """Return the session with its own texts redacted; ids and messages stay as they are.

    Raises RedactionError.
    """
    if not config.thinking:
        session = replace(session, title=thoughts.strip_title(session.title))
    if not config.redact:
        return session
    redactor = _make_redactor(config)
    return replace(
        session,
        title=_redact_title(session.title, redactor),
        project_path=_redact_optional(session.project_path, redactor),
        model=_redact_optional(session.model, redactor),
        git_branch=_redact_optional(session.git_branch, redactor),
        agent_version=_redact_optional(session.agent_version, redactor),
        end_reason=_redact_optional(session.end_reason, redactor),
    )


def _make_redactor(
    config: Config, redactions: Counter[str] | None = None, memory: SecretMemory | None = None
) -> Redactor:
    self_test.check()

    def is_allowed(match: str) -> bool:
        return any(pattern.fullmatch(match) for pattern in config.allow)

    counts = Counter[str]() if redactions is None else redactions
    return Redactor(config.patterns, is_allowed, counts, memory)


def _redact_optional(text: str | None, redactor: Redactor) -> str | None:
    return redactor.redact(text) if text else text


def _redact_title(title: str | None, redactor: Redactor) -> str | None:
    """Redact a title, in which line breaks have become spaces: a secret may contain one."""
    if not title:
        return title
    lines = _JOINED_STRINGS.sub(r"\1\n", _WORD_BEFORE_SPACE.sub(r"\1\n", title))
    masked = redactor.redact(lines)
    return redactor.redact(title if masked == lines else masked.replace("\n", " "))


def _redact_parts(parts: Iterable[Part], redactor: Redactor) -> Iterator[Part]:
    """Redact parts one after the other; what a command printed is redacted by the command too."""
    commands: dict[str, str] = {}
    for part in parts:
        if isinstance(part, ToolCall) and isinstance(part.arguments, dict):
            command = part.arguments.get("command")
            commands[part.id] = command if isinstance(command, str) else ""
        if isinstance(part, ToolResult) and isinstance(part.output, Omitted):
            yield replace(part, name=redactor.redact(part.name))
        elif isinstance(part, ToolResult) and commands.get(part.call_id):
            output = _mask(part.output, redactor, commands[part.call_id])
            yield replace(part, name=redactor.redact(part.name), output=output)
        else:
            yield _redact_part(part, redactor)


def _mask(text: str, redactor: Redactor, command: str = "", name: str = "") -> str:
    """Return a text redacted, or the part of it that can be sent.

    `command`: the one that printed it. `name`: that of the field that holds it. A pattern of the
    user's may match any length, so it gets the whole text.
    """

    def redact(text: str, redactor: Redactor = redactor) -> str:
        if command:
            return redactor.redact_output(command, text)
        return redactor.redact_field(name, text) if name else redactor.redact(text)

    if redactor.patterns or len(text) <= excerpt.MAX_TEXT_BYTES:
        return redact(text)
    return excerpt.mask(text, redact, partial(redact, redactor=replace(redactor, counts=Counter())))


def _redact_part(part: Part, redactor: Redactor) -> Part:
    redact = redactor.redact
    match part:
        case Text(text):
            return Text(_mask(text, redactor))
        case Reasoning(text):
            return replace(part, text=_mask(text, redactor))
        case ToolCall(name=name, title=title):
            arguments = _redact_json(part.arguments, redactor)
            return replace(part, name=redact(name), arguments=arguments, title=redact(title))
        case ToolResult(name=name, output=output):
            return replace(part, name=redact(name), output=_mask(output, redactor))
        case Attachment(media_type=media_type, name=name):
            return replace(part, media_type=redact(media_type), name=redact(name))


def _redact_json(value: Any, redactor: Redactor, name: str = "", depth: int = 0) -> Any:
    """Redact every text in a JSON value, also its keys; `name` is the key of the value."""
    if isinstance(value, str):
        return value if isinstance(value, Omitted) else _mask(value, redactor, name=name)
    if isinstance(value, dict | list) and depth >= _MAX_DEPTH:
        try:
            return redactor.redact(json.dumps(value, ensure_ascii=False))
        except (RecursionError, ValueError):
            return TOO_DEEP
    if isinstance(value, dict):
        value = _redact_command(value, redactor)
        label = next((text for text in map(value.get, _LABELS) if isinstance(text, str)), name)
        return {
            redactor.redact(key): _redact_json(
                member, redactor, _name_of(key, label, name), depth + 1
            )
            for key, member in value.items()
        }
    if isinstance(value, list):
        before = [name, *(text if isinstance(text, str) else name for text in value)]
        if all(map(_is_text, value)):
            value = redactor.redact_arguments(value)
        return [
            _redact_json(element, redactor, _name_in_list(name, previous), depth + 1)
            for element, previous in zip(value, before, strict=False)
        ]
    if isinstance(value, int) and not isinstance(value, bool) and secret_field(name):
        member = f'"{name}": {value}'
        masked = redactor.redact(member)
        return value if masked == member else masked.removeprefix(f'"{name}": ')
    return value


def _redact_command(members: dict[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Redact the arguments of a program that is named beside their list."""
    match members:
        case {"command": str(program), "args": [str(), *_] as words} if all(map(_is_text, words)):
            return {**members, "args": redactor.redact_arguments([program, *words])[1:]}
    return members


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Omitted)


def _name_in_list(name: str, previous: str) -> str:
    """Return what names an element: the list's name, or what is before it, as in `--token X`."""
    is_name = len(previous) < 200 and "[redacted:" not in previous and secret_field(previous)
    return previous if is_name else name or previous


def _name_of(key: str, label: str, parent: str) -> str:
    """Return what names a member: its key; for a plain `value`, what is beside or above it."""
    if key.lower() in _VALUES or key.lower().endswith("value"):
        return label
    if key.lower() == "key":
        return f"{parent}_{key}"
    return parent if parent.lower() in _COLLECTIONS else key
