"""What hooks have reported about sessions and no file of the agent repeats, a small file for each.

Cursor reports a turn's tokens once, when the turn ends. They are written down before the event is
deleted, because the job that the event becomes is gone as soon as the session has been delivered.
"""

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Self

from opensync_hooks.agents.json_access import get_str, get_strs
from opensync_hooks.dataclass import dataclass
from opensync_hooks.hook import paths
from opensync_hooks.model import HookFacts, Json, TurnUsage, Usage
from opensync_hooks.system.file_lock import file_lock
from opensync_hooks.system.files import (
    atomic_write,
    ensure_private_folder,
    read_file,
    session_file_stem,
)

_COUNTS = tuple(field.name for field in fields(Usage))


@dataclass(frozen=True, slots=True)
class HookNotes:
    """The notes on one agent's sessions. Several processes may write them at once."""

    folder: Path
    agent: str

    @classmethod
    def of_user(cls, agent: str) -> Self:
        return cls(Path(paths.state(os.environ.get)) / "notes", agent)

    def facts(self, session_id: str) -> HookFacts:
        """Return everything hooks reported about the session; nothing from a damaged note."""
        try:
            value = json.loads(read_file(self._path(session_id)))
            turns = tuple(_turn_usage(turn) for turn in value["turns"])
            version, roots = get_str(value, "agent_version"), tuple(get_strs(value, "roots"))
            answers = tuple(get_strs(value, "answers"))
            return HookFacts(turns, get_str(value, "cwd"), version, roots, answers)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return HookFacts()

    def add(self, session_id: str, facts: HookFacts) -> None:
        """Add facts, durably. Adding the same ones again changes nothing. Raises OSError."""
        existing = self.facts(session_id)
        if merged(existing, facts) == existing:
            return
        with file_lock(ensure_private_folder(self.folder) / "notes.lock"):
            existing = self.facts(session_id)
            all_facts = merged(existing, facts)
            if all_facts != existing:
                atomic_write(self._path(session_id), json.dumps(asdict(all_facts)).encode())

    def _path(self, session_id: str) -> Path:
        return self.folder / (session_file_stem(self.agent, session_id) + ".json")


def merged(existing: HookFacts, new: HookFacts) -> HookFacts:
    """Return both; a turn that was reported twice, as two registrations do, counts once."""
    turns: dict[str, TurnUsage] = {}
    for turn in (*existing.turns, *new.turns):
        other = turns.get(turn.id, turn)
        counts = (max(getattr(turn.usage, name), getattr(other.usage, name)) for name in _COUNTS)
        turns[turn.id] = TurnUsage(turn.id, turn.model or other.model, Usage(*counts))
    return HookFacts(
        turns=tuple(turns.values()),
        cwd=new.cwd or existing.cwd,
        agent_version=new.agent_version or existing.agent_version,
        roots=tuple(dict.fromkeys((*new.roots, *existing.roots))),
        answers=tuple(dict.fromkeys((*existing.answers, *new.answers))),
    )


def _turn_usage(turn: Json) -> TurnUsage:
    """Decode a turn. Raises for a damaged one, so that its note counts as missing."""
    counts = {name: int(turn["usage"].get(name, 0)) for name in _COUNTS}
    model = turn["model"]
    return TurnUsage(str(turn["id"]), None if model is None else str(model), Usage(**counts))
