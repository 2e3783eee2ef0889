"""Turns a stored message into messages of ours: none, one, or a prompt and what came with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from opensync_hooks.agents.json_access import get_int, get_str
from opensync_hooks.agents.opencode import parts, unknown
from opensync_hooks.agents.opencode.layouts import UNREADABLE_MESSAGE, StoredMessage
from opensync_hooks.model import Charge, Message, Role, Skipped, Text

_SHELL_NOTE = "The following tool was executed by the user"


def injected_id(message_id: str) -> str:
    """Return the id of what OpenCode added to a prompt."""
    return f"{message_id}:injected"


class MessageConverter:
    """Converts the messages of one session in their order, and counts what it skips."""

    def __init__(self, skipped: Counter[Skipped]) -> None:
        self._skipped = skipped
        self._shell_prompts: set[str] = set()
        """Ids of the prompts that stand for a shell command of the user's."""

    def learn(self, stored: StoredMessage) -> None:
        """Learn what later messages have to know of one that an earlier read converted."""
        if Text(_SHELL_NOTE) in parts.injected_parts(stored.parts):
            self._shell_prompts.add(stored.id)

    def convert(
        self, stored: StoredMessage, charge: Charge | None, *, undone: bool
    ) -> Iterator[Message]:
        if stored.info is None:
            self._skipped[UNREADABLE_MESSAGE] += 1
            return iter(())
        self._skipped.update(unknown.in_message(stored.info, stored.parts))
        role = stored.info.get("role")
        if role == "assistant":
            messages = self._response(stored, charge)
        elif role in ("user", "system"):
            messages = self._prompt(stored)
        else:
            messages = iter(())
            self._skipped[Skipped("unreadable", f"message of type {str(role)[:40]}")] += 1
        spare = stored.is_torn  # what was delivered of it may be all of it
        return (replace(message, undone=undone, spare=spare) for message in messages)

    def _prompt(self, message: StoredMessage) -> Iterator[Message]:
        injected = tuple(parts.injected_parts(message.parts))
        if not message.parts:
            self._skipped[Skipped("unreadable", "prompt without its text")] += 1
        typed = tuple(parts.prompt_parts(message.parts, self._skipped))
        self.learn(message)
        created_at = get_int(message.info, "time", "created")
        if typed:
            role: Role = "system" if get_str(message.info, "role") == "system" else "user"
            yield Message(message.id, role, typed, created_at)
        if injected:
            message_id = injected_id(message.id) if typed else message.id
            yield Message(message_id, "system", injected, created_at)

    def _response(self, message: StoredMessage, charge: Charge | None) -> Iterator[Message]:
        info = message.info or {}
        content = tuple(parts.response_parts(message.parts, self._skipped))
        by_user = bool(info.get("by_user")) or get_str(info, "parentID") in self._shell_prompts
        is_by_model = bool(content) and not by_user and info.get("summary") is not True
        error = parts.error_text(info.get("error"))
        if error:
            content = (*content, Text(f"[{error}]"))
        created_at = get_int(info, "time", "created")
        completed_at = get_int(info, "time", "completed")
        duration = None
        if created_at is not None and completed_at is not None:
            duration = max(0, completed_at - created_at)
        if content:
            yield Message(
                id=message.id,
                role="assistant" if is_by_model else "system",
                parts=content,
                created_at=created_at,
                model=get_str(info, "modelID"),
                charge=charge,
                duration_ms=duration,
            )
