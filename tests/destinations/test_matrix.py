"""Two homes, two accounts, an older plugin and deletions, in every order and with every agent.

Nothing is doubled, nothing is lost, and totals are those of the union.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import permutations, product
from pathlib import Path
from typing import Literal

import pytest

from opensync_hooks.agents.cursor.source import open_source as open_cursor
from opensync_hooks.ledger.sync_state import SyncState
from tests.agents.opencode.test_copies import schema
from tests.cursor_home import BEGAN, Draft, Editor
from tests.destinations.test_contact import add_turns
from tests.machines import Cloud, Machine, shared_cloud, turns
from tests.opencode_home import OpenCodeHome

Deletion = Literal["never", "after the first home", "after both"]
PROMPT_TOKENS, COMPLETION_TOKENS = 1, 5
"""Of one turn."""
_BEFORE_ALL_TURNS = 1_700_000_000_000


class Home(ABC):
    """The home of one agent, in which the same turn is the same as in every other home."""

    session_id = "s1"

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.machine = Machine(folder, cloud)
        folder.mkdir(exist_ok=True)

    @abstractmethod
    def add(self, *numbers: int) -> None:
        """Write turns of these numbers."""

    def sync(self, *, force: bool = False) -> SyncState:
        state = self.machine.sync(self.session_id, force=force).state
        self.machine.cloud.clock.sleep(60)
        return state

    def close(self) -> None:
        return


class ClaudeCodeHome(Home):
    def add(self, *numbers: int) -> None:
        add_turns(self.machine, *numbers)


class OpenCodeMatrixHome(Home):
    session_id = "ses_1"

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        super().__init__(folder, cloud)
        self.opencode = OpenCodeHome(folder)
        self.machine.source = self.opencode.source()
        with self.opencode.writing() as db:
            db.executescript(schema())
            db.execute(
                "INSERT INTO session"
                " (id, project_id, slug, directory, title, version, time_created, time_updated)"
                " VALUES ('ses_1', 'p', 's', '/work', 'Greenhouse', '1.18.33', 1, 1)"
            )

    def add(self, *numbers: int) -> None:
        with self.opencode.writing() as db:
            for number in numbers:
                at = BEGAN + 10_000 * number
                prompt = {"role": "user", "time": {"created": at}}
                self.opencode.say(db, "ses_1", f"msg_{2 * number:03}", prompt, f"prompt {number}")
                answer = {
                    "role": "assistant",
                    "time": {"created": at + 1_000, "completed": at + 2_000},
                    "modelID": "claude-opus-4-5",
                    "providerID": "anthropic",
                    "finish": "stop",
                    "cost": 0.01,
                    "tokens": {
                        "input": PROMPT_TOKENS,
                        "output": COMPLETION_TOKENS,
                        "reasoning": 0,
                        "cache": {"read": 0, "write": 0},
                    },
                }
                name = f"msg_{2 * number + 1:03}"
                self.opencode.say(db, "ses_1", name, answer, f"answer {number}")


class CursorMatrixHome(Home):
    def __init__(self, folder: Path, cloud: Cloud) -> None:
        super().__init__(folder, cloud)
        self.editor = Editor(folder)
        self.draft: Draft = self.editor.draft(modelConfig={"modelName": "claude-4.5-opus"})
        self.machine.source = open_cursor({}, str(folder))

    def add(self, *numbers: int) -> None:
        for number in numbers:
            self.draft.at = BEGAN + 10_000 * number
            self.draft.add_prompt(f"prompt {number}", bubbleId=f"s1-p{number}")
            counts = {"inputTokens": PROMPT_TOKENS, "outputTokens": COMPLETION_TOKENS}
            answer = f"answer {number}"
            self.draft.add_answer(answer, bubbleId=f"s1-a{number}", tokenCount=counts)
        self.draft.save()

    def close(self) -> None:
        self.editor.close()


KINDS: dict[str, type[Home]] = {
    "claude-code": ClaudeCodeHome,
    "opencode": OpenCodeMatrixHome,
    "cursor": CursorMatrixHome,
}
every_agent = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
Open = Callable[..., Home]


@pytest.fixture
def homes(tmp_path: Path, cloud: Cloud) -> Iterator[Open]:
    """A function that sets up a home of an agent, with some turns."""
    opened: list[Home] = []

    def open_home(kind: type[Home], name: str, *numbers: int) -> Home:
        opened.append(kind(tmp_path / name, cloud))
        opened[-1].add(*numbers)
        return opened[-1]

    yield open_home
    for home in opened:
        home.close()


def expect(cloud: Cloud, session_id: str, *numbers: int) -> None:
    """Fail unless each of these turns is there once, and is in the totals once."""
    assert Counter(cloud.texts(session_id)) == Counter(turns(*numbers))
    row = cloud.session(session_id)
    totals = row["promptTokens"], row["completionTokens"]
    assert totals == (PROMPT_TOKENS * len(numbers), COMPLETION_TOKENS * len(numbers))


def sent_by_plugin(cloud: Cloud, session_id: str, source: str, *numbers: int) -> None:
    """Store turns under ids of another program."""
    counts = {
        "promptTokens": PROMPT_TOKENS * len(numbers),
        "completionTokens": COMPLETION_TOKENS * len(numbers),
    }
    head = {"externalId": session_id, "title": "Greenhouse", "source": source}
    cloud.store.put_session(head | counts, {})
    for number, role in product(numbers, ("user", "assistant")):
        text = f"{'prompt' if role == 'user' else 'answer'} {number}"
        body = {
            "sessionExternalId": session_id,
            "externalId": f"plugin-{number}-{role}",
            "role": role,
            "createdAt": _BEFORE_ALL_TURNS + number,
            "textContent": text,
            "parts": [{"type": "text", "content": text}],
        }
        cloud.store.put_message(body, {}, replaces=False)
    cloud.clock.sleep(60)


@every_agent
@pytest.mark.parametrize("order", [*permutations(("laptop", "desktop"))], ids=" ".join)
@pytest.mark.parametrize("deletion", ["never", "after the first home", "after both"])
@pytest.mark.parametrize("has_plugin", [False, True], ids=["alone", "after the plugin"])
def test_two_homes_of_one_session(
    cloud: Cloud,
    homes: Open,
    kind: type[Home],
    order: tuple[str, ...],
    deletion: Deletion,
    *,
    has_plugin: bool,
) -> None:
    numbers = {"laptop": (1, 2, 3), "desktop": (1, 2, 4)}
    first, second = (homes(kind, name, *numbers[name]) for name in order)
    session_id = kind.session_id
    if has_plugin:
        sent_by_plugin(cloud, session_id, first.machine.source.agent, 1, 2)
    first.sync()
    if deletion == "after the first home":
        cloud.store.delete_session(session_id)
        first.add(5)
        assert first.sync() is SyncState.DELETED
        assert cloud.store.session(session_id) is None
    second.sync()
    if deletion == "after both":
        cloud.store.delete_session(session_id)
        for home, number in ((first, 5), (second, 6)):
            home.add(number)
            assert home.sync() is SyncState.DELETED
            assert cloud.store.session(session_id) is None
        first.sync(force=True)
        second.sync(force=True)
    if deletion == "never":
        first.add(5)
        first.sync()
    if deletion != "after both":
        second.add(6)
        second.sync()
    if deletion == "after the first home":  # which the second home has brought back
        first.sync(force=True)
    expect(cloud, session_id, 1, 2, 3, 4, 5, 6)
    before = cloud.store.session(session_id)
    for home in (first, second):
        home.sync()
    assert cloud.store.session(session_id) == before


@every_agent
@pytest.mark.parametrize("order", [*permutations(("own", "other"))], ids=" ".join)
def test_two_accounts_of_one_home(
    tmp_path: Path, cloud: Cloud, homes: Open, kind: type[Home], order: tuple[str, ...]
) -> None:
    (tmp_path / "other").mkdir()
    with shared_cloud(tmp_path / "other") as other:
        accounts = {"own": cloud, "other": other}
        home = homes(kind, "laptop", 1, 2)
        for name in order:
            home.machine.cloud = accounts[name]
            home.sync()
        home.add(3)
        for name in order[::-1]:
            home.machine.cloud = accounts[name]
            home.sync()
        for account in accounts.values():
            expect(account, kind.session_id, 1, 2, 3)
