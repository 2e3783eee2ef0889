"""A session of Cursor's editor that is read on from a checkpoint arrives as one read whole.

Its bubbles and its headers change in random ways, and hooks report turns late or twice. Two
destinations get the session after each step: one by resumed runs, the other one by whole ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given as for_all

from opensync_hooks.agents.cursor import bubbles
from opensync_hooks.agents.cursor.conversation import Step
from opensync_hooks.agents.cursor.paths import CursorPaths
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import merged
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.model import HookFacts, Json, TurnUsage, Usage
from tests.cursor_home import Draft, Editor
from tests.delivery.two_sides import (
    PlainStore,
    Side,
    Steps,
    change_settings,
    compare,
    delete_there,
    divide_into_small_parts,
    few_histories,
    histories,
    play_history,
    send_again,
    two_sides,
)

SESSION = "s1"


@dataclass
class Growth:
    """A session of the editor that changes in any way that bubbles, headers and notes can."""

    editor: Editor
    sides: tuple[Side, Side]
    notes: dict[str, HookFacts]
    draft: Draft = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        self.draft = self.editor.draft(SESSION)

    def act(self, action: str, number: int) -> None:
        getattr(self, f"do_{action}")(number)
        self.draft.save()

    def compare(self) -> None:
        compare(self.sides, SESSION)

    def report(self, turn: int) -> None:
        usage = Usage(input_tokens=100 + turn, output_tokens=self.count)
        facts = HookFacts((TurnUsage(f"request-{turn}", None, usage),))
        self.notes[SESSION] = merged(self.notes[SESSION], facts)

    def bubble_id(self, number: int) -> str:
        """Return the id of a listed bubble; low numbers are of the newest ones."""
        headers = self.draft.headers
        return str(headers[-1 - number % len(headers)]["bubbleId"]) if headers else ""

    def do_turn(self, number: int) -> None:
        self.count += 1
        model = {"modelInfo": {"modelName": f"model-{number % 3}"}} if number % 2 else {}
        words = "again" if number % 5 == 0 else f"prompt {self.count}"
        self.draft.add_prompt(words, requestId=f"request-{self.count}", **model)
        for _ in range(number % 3):
            self.draft.add_tool_call("read_file_v2", result="{}", rawArgs='{"path": "a"}')
        self.draft.add_answer(f"answer {self.count}")
        if number % 4:
            self.report(self.count)

    do_sync = do_turn

    def do_secret(self, number: int) -> None:
        self.count += 1
        self.draft.add_prompt(f"password: Tr0ub4dorXy{number % 4}")
        self.draft.add_answer(f"it is Tr0ub4dorXy{number % 3}")

    def do_go_on(self, _number: int) -> None:
        self.draft.add_thought("so be it")
        self.draft.add_answer(f"more {self.count}")

    def do_unanswered(self, number: int) -> None:
        self.count += 1
        self.draft.add_prompt(f"prompt {self.count}", requestId=f"request-{number}")

    def do_late_report(self, number: int) -> None:
        self.report(max(1, self.count - number))

    def do_foreign_report(self, number: int) -> None:
        self.report(1_000 + number)

    def do_edit(self, number: int) -> None:
        if name := self.bubble_id(number):
            self.change(name, text=f"edited {self.count}")

    def change(self, name: str, **fields: str) -> None:
        query = "SELECT value FROM cursorDiskKV WHERE key = ?"
        row = self.editor.db.execute(query, (self.draft.key(name),)).fetchone()
        if row and row[0] and not str(row[0]).startswith("{broken"):
            self.draft.update_bubble(name, **fields)

    def do_lose_row(self, number: int) -> None:
        key = self.draft.key(self.bubble_id(number))
        self.editor.db.execute("DELETE FROM cursorDiskKV WHERE key = ?", (key,))

    def do_damage(self, number: int) -> None:
        key = self.draft.key(self.bubble_id(number))
        update = "UPDATE cursorDiskKV SET value = '{broken' WHERE key = ?"
        self.editor.db.execute(update, (key,))

    def do_rewind(self, number: int) -> None:
        self.draft.rewind(min(1 + number % 4, len(self.draft.headers)))

    def do_reorder(self, number: int) -> None:
        if headers := self.draft.headers:
            headers.insert(number % len(headers), headers.pop())

    def do_change_header(self, number: int) -> None:
        if headers := self.draft.headers:
            headers[number % len(headers)]["grouping"] = {"isRenderable": bool(number % 2)}

    def do_rename(self, number: int) -> None:
        self.draft.save(name=f"name {number}")

    def do_model(self, number: int) -> None:
        self.draft.save(modelConfig={"modelName": f"chosen-{number % 3}"})

    def do_costs(self, number: int) -> None:
        self.draft.save(usageData={"a": {"costInCents": number}} if number % 2 else {})

    def do_generating(self, number: int) -> None:
        self.draft.save(status="generating" if number % 3 == 0 else "completed")

    def do_strange(self, number: int) -> None:
        if name := self.bubble_id(number):
            self.change(name, **{f"field{number}": "unknown"})

    def do_settings(self, number: int) -> None:
        change_settings(self.sides, number)

    def do_send_again(self, number: int) -> None:
        send_again(self.sides, SESSION, number)

    def do_delete_there(self, number: int) -> None:
        delete_there(self.sides, SESSION, number)


RARE = ("costs", "damage", "delete_there", "foreign_report", "generating", "model", "reorder")
STEPS = histories(Growth, rare=RARE)


def grow(stack: ExitStack, folder: Path, store: Callable[..., Store]) -> Growth:
    editor = Editor(folder)
    stack.callback(editor.close)
    notes = {SESSION: HookFacts()}
    source = CursorSource(
        CursorPaths.from_environ({}, str(folder)), lambda name: notes.get(name, HookFacts())
    )
    return Growth(editor, stack.enter_context(two_sides(folder, source, store)), notes)


def play(steps: Steps, store: Callable[..., Store]) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        growth = grow(stack, folder, store)
        growth.act("turn", 1)
        play_history(growth, steps)


@few_histories
@for_all(STEPS)
def test_store_gets_the_same_from_resumed_and_whole_runs(steps: Steps) -> None:
    play(steps, Store)


@few_histories
@for_all(STEPS)
def test_sessions_in_parts_arrive_the_same_from_resumed_and_whole_runs(
    monkeypatch: pytest.MonkeyPatch, steps: Steps
) -> None:
    divide_into_small_parts(monkeypatch)
    play(steps, PlainStore)


# ---- what a turn reads ---------------------------------------------------------------------------


@dataclass
class LongSession:
    """A session of forty turns that both sides have; the first has a secret, which returns."""

    growth: Growth
    decoded: list[str] = field(default_factory=list)

    def turn(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Deliver a turn by a resumed run; return the ids of the bubbles that were built."""
        to_step = bubbles.to_step

        def noting(bubble: Json, bubble_id: str, header: Json, tool: Json) -> Step:
            self.decoded.append(bubble_id)
            return to_step(bubble, bubble_id, header, tool)

        self.growth.act("turn", 2)
        with monkeypatch.context() as patch:
            patch.setattr(bubbles, "to_step", noting)
            self.growth.sides[0].sync(SESSION)
        self.growth.sides[1].sync(SESSION)
        return self.decoded


@pytest.fixture
def long_session(tmp_path: Path) -> Iterator[LongSession]:
    with ExitStack() as stack:
        growth = grow(stack, tmp_path, Store)
        growth.act("secret", 1)
        for number in range(40):
            growth.act("turn", number)
        growth.compare()
        yield LongSession(growth)


def test_turn_builds_no_old_bubbles_but_those_with_secrets(
    long_session: LongSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [str(header["bubbleId"]) for header in long_session.growth.draft.headers]
    built = set(long_session.turn(monkeypatch))
    assert built.intersection(names) <= {*names[:3], *names[-4:]}
    assert built - set(names), "the new turn"
    long_session.growth.compare()


@pytest.mark.parametrize("action", ["edit", "lose_row", "change_header", "late_report", "model"])
def test_change_of_an_old_turn_has_all_of_them_read_again(
    long_session: LongSession, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    names = [str(header["bubbleId"]) for header in long_session.growth.draft.headers]
    long_session.growth.act(action, 30)
    built = long_session.turn(monkeypatch)
    assert len(set(names) - set(built)) <= 1
    long_session.growth.compare()


def test_secret_of_the_first_turn_is_masked_in_the_last(long_session: LongSession) -> None:
    growth = long_session.growth
    growth.draft.add_prompt("and what is Tr0ub4dorXy1 for?")
    growth.draft.save()
    growth.compare()
    stored = growth.sides[0].store.session(SESSION)
    assert stored
    assert "Tr0ub4dor" not in str(stored)
