"""Two destinations of the same sessions: one gets resumed runs, the other one whole runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from opensync_hooks.agents.source import Source
from opensync_hooks.config import Config, load
from opensync_hooks.delivery import split
from opensync_hooks.delivery.limits import Limits
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord

TABLES = ("message", "charge", "loss", "skipped", "agent_total", "stated_free")


class PlainStore(Store):
    """A store that is to OpenSync's hooks what a server is: no extra fields, sessions in parts."""

    keeps_extra = False
    is_on_own_disk = False
    messages_per_transaction = 1


@dataclass
class Side:
    """A destination with its ledger."""

    ledger: Ledger
    store: Store
    source: Source
    config: Config
    resumes: bool

    def sync(self, session_id: str) -> SyncOutcome | None:
        located = self.source.find(session_id)
        if located is None:
            return None
        syncer = Syncer(self.config, self.store, self.ledger)
        return syncer.sync(self.source, located, limits=Limits(resumes=self.resumes))

    def record(self, session_id: str) -> SessionRecord:
        return SessionRecord(self.ledger, self.store.name, self.source.agent, session_id)

    def contents(self) -> dict[str, Any]:
        """Return everything that this side knows and has, but for ids and times of its own."""
        rows = {name: self.ledger.rows(f"SELECT * FROM {name}") for name in TABLES}  # noqa: S608
        sessions = self.ledger.rows(
            "SELECT id, head, title, fingerprint, unpriced, totals, others, removed, outcome,"
            " parent FROM session ORDER BY id"
        )
        stored = {}
        for name in self.store.session_ids():
            session = self.store.session(name)
            assert session
            session["session"].pop("id")
            for message in session["messages"]:
                message.pop("id", None)
                message["externalId"] = message["externalId"].partition(":")[2]
            stored[name] = session
        return {**rows, "sessions": sessions, "stored": stored}


@contextmanager
def two_sides(
    folder: Path, source: Source, store: Callable[..., Store]
) -> Iterator[tuple[Side, Side]]:
    with ExitStack() as stack:
        sides = []
        for name in ("resumed", "whole"):
            ledger = stack.enter_context(Ledger(folder / name / "ledger.db"))
            opened = stack.enter_context(
                store(folder / name / "store.db", now=lambda: 1_790_000_000_000)
            )
            sides.append(Side(ledger, opened, source, load(), name == "resumed"))
        yield sides[0], sides[1]


def compare(sides: tuple[Side, Side], session_id: str) -> None:
    """Deliver the session to both sides, and compare all that they know and have afterwards."""
    outcomes = [side.sync(session_id) for side in sides]
    from_checkpoints, from_beginnings = (side.contents() for side in sides)
    assert from_checkpoints == from_beginnings
    first, second = (
        (outcome.state, outcome.sent, outcome.losses, outcome.withheld) if outcome else None
        for outcome in outcomes
    )
    assert first == second  # whole runs do not count subagents that have not changed


def change_settings(sides: tuple[Side, Side], number: int) -> None:
    changes: list[dict[str, Any]] = [
        {"undone": number % 8 < 4},
        {"file_contents": number % 8 < 4},
        {"redact": number % 8 < 4},
        {"patterns": (("mine", re.compile("answer")),) if number % 8 < 4 else ()},
    ]
    for side in sides:
        side.config = replace(side.config, **changes[number % 4])


def send_again(sides: tuple[Side, Side], session_id: str, number: int) -> None:
    """Have one message sent again, as `verify --repair` does."""
    for side in sides:
        names = sorted(side.record(session_id).message_hashes())
        if names:
            side.record(session_id).mark_pending([names[number % len(names)]])


def delete_there(sides: tuple[Side, Side], session_id: str, number: int) -> None:
    for side in sides:
        side.store.delete_session(session_id)
        if number % 4:
            side.record(session_id).forget()


class GrowingSession(Protocol):
    """A session that changes by what its methods with the prefix `do_` do."""

    def act(self, action: str, number: int) -> None: ...

    def compare(self) -> None: ...


Steps = list[tuple[str, int]]


def histories(growth: type[GrowingSession], rare: Collection[str]) -> st.SearchStrategy[Steps]:
    """Return random lists of a growth's actions; most are turns, and the rare ones are few."""
    actions = tuple(name.removeprefix("do_") for name in vars(growth) if name.startswith("do_"))
    common = ["turn", "sync"] * 12 + [name for name in actions if name not in rare] * 2
    step = st.tuples(st.sampled_from(common) | st.sampled_from(actions), st.integers(0, 12))
    return st.lists(step, min_size=4, max_size=30)


def play_history(growth: GrowingSession, steps: Steps) -> None:
    """Take the steps, and compare both sides after some of them and at the end."""
    for action, number in steps:
        growth.act(action, number)
        if action == "sync" or number == 0:
            growth.compare()
    growth.compare()


few_histories = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def divide_into_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "MAX_MESSAGES", 9)
    monkeypatch.setattr(split, "MAX_BYTES", 6_000)
