"""An entry of OpenCode's as messages of ours: none, one, or a prompt and what was put beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from opensync_hooks.agents.json_access import Value
from opensync_hooks.agents.opencode import parts
from opensync_hooks.agents.opencode.layouts import Entry
from opensync_hooks.agents.opencode.values import number, text
from opensync_hooks.model import Charge, Message, Role, Text

_SHELL = "The following tool was executed by the user"


class Reader:
    """Reads the entries of one session in their order, and counts what it could not."""

    def __init__(self, skipped: Counter[str]) -> None:
        self._skipped = skipped
        self._commands: set[str] = set()
        """The prompts that stand for a command which the user ran in a shell."""

    def messages(self, entry: Entry, paid: Charge | None, *, undone: bool) -> Iterator[Message]:
        role = entry.info.get("role")
        if role == "assistant":
            made = self._answer(entry, paid)
        elif role in ("user", "system"):
            made = self._prompt(entry)
        else:
            made = iter(())
            self._skipped[f"message of type {str(role)[:40]}"] += 1
        for message in made:
            yield replace(message, undone=undone)

    def _prompt(self, entry: Entry) -> Iterator[Message]:
        beside = tuple(parts.injected(entry.parts))
        own = tuple(parts.asked(entry.parts, self._skipped))
        if any(isinstance(part, Text) and part.text == _SHELL for part in beside):
            self._commands.add(entry.id)
        created_at = number(entry.info, "time", "created")
        if own:
            role: Role = "system" if entry.info.get("role") == "system" else "user"
            yield Message(entry.id, role, own, created_at)
        if beside:
            name = f"{entry.id}:injected" if own else entry.id
            yield Message(name, "system", beside, created_at)

    def _answer(self, entry: Entry, paid: Charge | None) -> Iterator[Message]:
        info = entry.info
        said = tuple(parts.answered(entry.parts, self._skipped))
        by_user = bool(info.get("by_user")) or text(info, "parentID") in self._commands
        is_injected = by_user or info.get("summary") is True
        role: Role = "system" if is_injected or not said else "assistant"
        error = parts.complaint(info.get("error"))
        if error:
            said = (*said, Text(f"[{error}]"))
        if said:
            yield Message(
                id=entry.id,
                role=role,
                parts=said,
                created_at=number(info, "time", "created"),
                model=text(info, "modelID"),
                charge=paid,
                duration_ms=_duration(info),
            )


def _duration(info: Value) -> int | None:
    created_at, completed_at = number(info, "time", "created"), number(info, "time", "completed")
    if created_at is None or completed_at is None:
        return None
    return max(0, completed_at - created_at)
