"""What hooks said of sessions and no file of the agent repeats: one small file of ours a session.

A turn's tokens are told once, when it ends. They are kept before the event is dropped, because the
job that the event becomes is gone as soon as the session has been delivered.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from opensync_hooks.hook import paths
from opensync_hooks.model import HookFacts, TurnUsage, Usage
from opensync_hooks.system.files import (
    atomic_write,
    ensure_private_folder,
    read_file,
    session_file_stem,
)

_COUNTS = tuple(field.name for field in fields(Usage))


@dataclass(frozen=True, slots=True)
class HookNotes:
    """The notes on one agent's sessions. Safe for several processes."""

    folder: Path
    agent: str

    @classmethod
    def of_user(cls, agent: str) -> HookNotes:
        return cls(Path(paths.state(os.environ.get)) / "notes", agent)

    def facts(self, session_id: str) -> HookFacts:
        """Everything hooks reported about the session; empty if the note is missing or damaged."""
        try:
            value = json.loads(read_file(self._path(session_id)))
            return HookFacts(tuple(_turns(value)), *(_text(value, name) for name in _TEXTS))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return HookFacts()

    def add(self, session_id: str, hook_facts: HookFacts) -> None:
        """Durable when it returns. Adding the same again changes nothing. Raises OSError."""
        known = self.facts(session_id)
        if merged(known, hook_facts) == known:
            return
        from filelock import FileLock  # noqa: PLC0415 - the setup reads notes without any package

        with FileLock(ensure_private_folder(self.folder) / "notes.lock", mode=0o600):
            known = self.facts(session_id)
            both = merged(known, hook_facts)
            if both != known:
                atomic_write(self._path(session_id), json.dumps(asdict(both)).encode())

    def _path(self, session_id: str) -> Path:
        return self.folder / (session_file_stem(self.agent, session_id) + ".json")


_TEXTS = ("cwd", "agent_version")


def merged(known: HookFacts, fresh: HookFacts) -> HookFacts:
    """Both; of a turn that was told twice, as double registration does, each count once."""
    return HookFacts(
        turns=tuple(_once((*known.turns, *fresh.turns))),
        cwd=fresh.cwd or known.cwd,
        agent_version=fresh.agent_version or known.agent_version,
    )


def _once(turns: Iterable[TurnUsage]) -> Iterator[TurnUsage]:
    found: dict[str, TurnUsage] = {}
    for turn in turns:
        known = found.get(turn.id, turn)
        usage = Usage(*(max(getattr(one.usage, name) for one in (known, turn)) for name in _COUNTS))
        found[turn.id] = TurnUsage(turn.id, turn.model or known.model, usage)
    yield from found.values()


def _turns(value: dict[str, Any]) -> Iterator[TurnUsage]:
    for turn in value["turns"]:
        counts = {name: int(turn["usage"].get(name, 0)) for name in _COUNTS}
        model = turn["model"]
        yield TurnUsage(str(turn["id"]), None if model is None else str(model), Usage(**counts))


def _text(value: dict[str, Any], name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) else None
