"""What other machines, older plugins and the user did there: nothing is doubled, lost or undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import permutations

import pytest

from opensync_hooks.delivery import contact, split
from opensync_hooks.delivery.limits import Limits
from opensync_hooks.destinations.opensync.transport import MAX_ATTEMPTS
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.ledger.summary import deleted_sessions
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.server.routes import Response
from tests.machines import Cloud, Machine, turns
from tests.opensync import Fault

TURN = (1, 5)
"""Prompt and completion tokens of one turn."""


def totals(cloud: Cloud, *sessions: str) -> tuple[float, float]:
    rows = [cloud.session(name) for name in sessions or ("s1",)]
    return (
        sum(row["promptTokens"] for row in rows),
        sum(row["completionTokens"] for row in rows),
    )


def of_turns(number: int) -> tuple[int, int]:
    return TURN[0] * number, TURN[1] * number


def cost_of_turns(number: int) -> float:
    return number * (1 * 5 + 5 * 25) / 1e6


def machine_with(cloud: Cloud, name: str, *numbers: int, session_id: str = "s1") -> Machine:
    """Return a machine with a session of these turns; the same turn is the same everywhere."""
    machine = cloud.machine(name)
    add_turns(machine, *numbers, session_id=session_id)
    return machine


def add_turns(machine: Machine, *numbers: int, session_id: str = "s1") -> None:
    for number in numbers:
        writer = machine.writer(session_id, first=2 * number - 2)
        writer.last = f"s1-u{2 * number - 2}" if number > 1 else None
        # Copies in other sessions keep the ids of the first one.
        writer.line("user", f"prompt {number}", uuid=f"s1-u{2 * number - 1}")
        writer.last = f"s1-u{2 * number - 1}"
        usage = {"input_tokens": 1, "output_tokens": 5}
        response = {"id": f"msg_{number}", "model": "claude-opus-4-5", "usage": usage}
        content = [{"type": "text", "text": f"answer {number}"}]
        writer.line("assistant", content, message=response, uuid=f"s1-u{2 * number}")


# ---- what the user deleted -----------------------------------------------------------------------


def test_session_that_was_deleted_there_is_not_sent_by_the_next_turn(cloud: Cloud) -> None:
    machine = machine_with(cloud, "laptop", 1)
    machine.sync()
    cloud.store.delete_session("s1")
    for number in (2, 3):
        add_turns(machine, number)
        outcome = machine.sync()
        assert (outcome.state, outcome.sent) == (SyncState.DELETED, 0)
        assert cloud.store.session("s1") is None
    with machine.syncer() as syncer:
        named = deleted_sessions(syncer.ledger, syncer.account())
    assert [(agent, name) for agent, name, _ in named] == [("claude-code", "s1")]
    assert machine.sync(force=True).sent == 6
    assert (cloud.texts(), totals(cloud)) == (turns(1, 2, 3), of_turns(3))
    add_turns(machine, 4)
    assert machine.sync().sent == 2
    assert (cloud.texts(), totals(cloud)) == (turns(1, 2, 3, 4), of_turns(4))


def test_deletion_is_found_by_name_though_nothing_is_to_be_sent(cloud: Cloud) -> None:
    machine = machine_with(cloud, "laptop", 1)
    machine.sync()
    cloud.store.delete_session("s1")
    assert machine.sync().unchanged == 2, "a bulk sync does not ask for each session"
    assert machine.sync(limits=Limits(asks_always=True)).state is SyncState.DELETED


def test_force_brings_back_a_session_whose_deletion_was_not_noticed(cloud: Cloud) -> None:
    machine = machine_with(cloud, "laptop", 1, 2)
    machine.sync()
    cloud.store.delete_session("s1")
    assert machine.sync(force=True).sent == 4
    assert (cloud.texts(), totals(cloud)) == (turns(1, 2), of_turns(2))


def test_forgotten_session_is_not_named_and_not_sent(cloud: Cloud) -> None:
    machine = machine_with(cloud, "laptop", 1)
    machine.sync()
    cloud.store.delete_session("s1")
    with machine.syncer() as syncer:
        record = SessionRecord(syncer.ledger, syncer.account(), "claude-code", "s1")
        record.set_removed(SyncState.FORGOTTEN)
        assert deleted_sessions(syncer.ledger, syncer.account()) == []
    add_turns(machine, 2)
    assert machine.sync().state is SyncState.FORGOTTEN
    assert cloud.store.session("s1") is None


def test_deleted_part_of_a_long_session_stays_deleted(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split, "MAX_MESSAGES", 4)
    machine = machine_with(cloud, "laptop", 1, 2, 3, 4, 5)
    machine.sync()
    assert cloud.texts("s1#3") == turns(5)
    cloud.store.delete_session("s1#3")
    add_turns(machine, 6)
    machine.sync()
    assert [cloud.texts(name) for name in ("s1", "s1#2")] == [turns(1, 2), turns(3, 4)]
    assert cloud.store.session("s1#3") is None
    with machine.syncer() as syncer:
        named = deleted_sessions(syncer.ledger, syncer.account())
    assert [name for _, name, _ in named] == ["s1#3"]
    machine.sync(force=True)
    assert cloud.texts("s1#3") == turns(5, 6)


def test_session_that_another_machine_brought_back_goes_on(cloud: Cloud) -> None:
    laptop, desktop = machine_with(cloud, "laptop", 1), machine_with(cloud, "desktop", 1)
    laptop.sync()
    desktop.sync()
    cloud.store.delete_session("s1")
    desktop.sync(force=True)
    add_turns(laptop, 2)
    assert laptop.sync().sent == 2
    assert (cloud.texts(), totals(cloud)) == (turns(1, 2), of_turns(2))


def test_verify_names_a_deleted_session_and_does_not_bring_it_back(cloud: Cloud) -> None:
    machine = machine_with(cloud, "laptop", 1)
    machine.sync()
    cloud.store.delete_session("s1")
    verdict = machine.verify(repairs=True)
    (difference,) = verdict.differences
    assert difference.kind == "missing session"
    assert "`sync --force`" in difference.description
    assert cloud.store.session("s1") is None


def test_server_that_can_only_be_written_to_still_gets_every_turn(cloud: Cloud) -> None:
    fault = Fault(Response(500, b'{"error": "Server Error"}'))
    cloud.fault = lambda path, _: fault if path.startswith("/api/") else None
    machine = machine_with(cloud, "laptop", 1)
    machine.sync()
    add_turns(machine, 2)
    machine.sync()
    assert (cloud.texts(), totals(cloud)) == (turns(1, 2), of_turns(2))


# ---- several machines ----------------------------------------------------------------------------


def next_turn(machine: Machine) -> None:
    add_turns(machine, 9)
    machine.sync()


Step = Callable[[Machine], object]
SYNCS: dict[str, Step] = {
    "sync": lambda machine: machine.sync(),
    "force": lambda machine: machine.sync(force=True),
    "repair": lambda machine: machine.verify(repairs=True),
    "next turn": next_turn,
}


@pytest.mark.parametrize("step", SYNCS)
def test_older_copy_lowers_nothing(cloud: Cloud, step: str) -> None:
    machine_with(cloud, "laptop", 1, 2, 3, 4, 5).sync()
    cloud.clock.sleep(60)
    stale = machine_with(cloud, "desktop", 1, 2)
    SYNCS[step](stale)
    expected = (1, 2, 3, 4, 5, 9) if step == "next turn" else (1, 2, 3, 4, 5)
    assert sorted(cloud.texts()) == sorted(turns(*expected))
    assert totals(cloud) == of_turns(len(expected))
    assert cloud.session()["cost"] == pytest.approx(cost_of_turns(len(expected)))


@pytest.mark.parametrize("order", [*permutations(("laptop", "desktop", "tower"))])
def test_session_continued_apart_is_the_union(cloud: Cloud, order: tuple[str, ...]) -> None:
    numbers = {"laptop": (1, 2, 3), "desktop": (1, 2, 4, 5), "tower": (1, 6)}
    machines = {name: machine_with(cloud, name, *numbers[name]) for name in numbers}
    for name in order:
        machines[name].sync()
        cloud.clock.sleep(60)
    for name in order:  # and each goes on
        later = {"laptop": 7, "desktop": 8, "tower": 9}[name]
        add_turns(machines[name], later)
        machines[name].sync()
        cloud.clock.sleep(60)
    assert Counter(cloud.texts()) == Counter(turns(*range(1, 10)))
    assert totals(cloud) == of_turns(9)
    assert cloud.session()["cost"] == pytest.approx(cost_of_turns(9))
    for machine in machines.values():
        kinds = {difference.kind for difference in machine.verify().differences}
        assert kinds <= {"surplus message"}, "which only says that others have sent more"


@pytest.mark.parametrize("order", [*permutations(("original", "fork"))])
def test_fork_on_another_machine_is_billed_once(cloud: Cloud, order: tuple[str, ...]) -> None:
    machines = {
        "original": machine_with(cloud, "laptop", 1, 2, 3, 4, 5),
        "fork": machine_with(cloud, "desktop", 1, 2, 6, session_id="fork"),
    }
    for name in order:
        machines[name].sync("s1" if name == "original" else "fork")
        cloud.clock.sleep(60)
    assert totals(cloud, "s1", "fork") == of_turns(6)
    assert (len(cloud.texts("s1")), len(cloud.texts("fork"))) == (10, 6)
    for name in order:
        session_id = "s1" if name == "original" else "fork"
        assert machines[name].verify(session_id).is_equal


def test_older_sessions_are_looked_up_though_the_list_is_too_short(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine_with(cloud, "laptop", 1, 2, 3).sync()
    monkeypatch.setattr(contact, "NEWEST", 2)
    for number in range(3):
        other = cloud.machine(f"other {number}")
        other.writer(f"other-{number}").turn(1)
        other.sync(f"other-{number}")
        assert cloud.session(f"other-{number}")["title"] == "prompt 1"
        cloud.clock.sleep(60)
    machine_with(cloud, "desktop", 1, 2).sync()
    assert (cloud.texts(), totals(cloud)) == (turns(1, 2, 3), of_turns(3))


@pytest.mark.parametrize("has_list", [True, False], ids=["list", "account too large for a list"])
def test_many_new_sessions_are_looked_up_in_one_list(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, *, has_list: bool
) -> None:
    monkeypatch.setattr(contact, "NEWEST", 2)
    monkeypatch.setattr("opensync_hooks.destinations.opensync.client._FEW_LOOKUPS", 1)
    machine_with(cloud, "laptop", 1, 2, 3).sync()
    for number in range(4):
        cloud.store.put_session({"externalId": f"elsewhere-{number}", "title": "x"}, {})
    cloud.clock.sleep(60)
    requests = Counter[str]()
    too_large = Response(500, b'{"error": "Error: Read too much data in a single function"}')

    def count(path: str, _body: bytes) -> Fault | None:
        requests[path.partition("?")[0]] += 1
        is_list = path.startswith("/sync/sessions/list")
        return Fault(too_large) if is_list and not has_list else None

    cloud.fault = count
    desktop = machine_with(cloud, "desktop", 1, 2, 7)
    for number in range(5):
        desktop.writer(f"new-{number}").turn(1)
    with desktop.syncer() as syncer:
        for name in (*(f"new-{number}" for number in range(5)), "s1"):
            located = desktop.source.find(name)
            assert located
            assert syncer.sync(desktop.source, located).state is SyncState.SYNCED
    assert requests["/sync/sessions/list"] == (1 if has_list else MAX_ATTEMPTS)
    # The first is looked up alone, and so is the one that is there.
    assert requests["/api/sessions/get"] == (2 if has_list else 6)
    assert Counter(cloud.texts()) == Counter(turns(1, 2, 3, 7))
    assert totals(cloud) == of_turns(4)


def test_ledger_that_was_lost_costs_a_read_and_no_message(cloud: Cloud) -> None:
    machine = machine_with(cloud, "laptop", 1, 2)
    machine.sync()
    (machine.folder / "ledger.db").unlink()
    add_turns(machine, 3)
    assert machine.sync().sent == 2
    assert (cloud.texts(), totals(cloud)) == (turns(1, 2, 3), of_turns(3))


def test_answer_that_was_still_growing_when_the_ledger_was_lost_is_completed(cloud: Cloud) -> None:
    machine = cloud.machine()
    writer = machine.writer(began=int(cloud.clock.now) - 100)
    writer.line("user", "prompt 1")
    writer.respond("m1", {"type": "text", "text": "half"})
    machine.sync()
    (machine.folder / "ledger.db").unlink()
    writer.respond("m1", {"type": "text", "text": "whole"})
    cloud.clock.sleep(60)
    assert machine.sync().sent == 1
    assert cloud.texts() == ["prompt 1", "half\n\nwhole"]


# ---- an older plugin -----------------------------------------------------------------------------


def sent_by_plugin(cloud: Cloud, *numbers: int) -> None:
    """Store turns as the npm plugin does: ids of its own, no tools, totals without caches."""
    created_at = 1_767_225_600_000
    head = {"externalId": "s1", "title": "Greenhouse", "source": "claude-code"}
    cloud.store.put_session({**head, "promptTokens": 1, "createdAt": created_at + 1000}, {})
    for number in numbers:
        for offset, (role, text) in enumerate((("user", "prompt"), ("assistant", "answer")), -1):
            time = created_at + 1000 * (2 * number + offset)
            body = {
                "sessionExternalId": "s1",
                "externalId": f"s1-{role}-{time}",
                "role": role,
                "createdAt": time,
                "textContent": f"{text} {number}",
                "parts": [{"type": "text", "content": f"{text} {number}"}],
            }
            cloud.store.put_message(body, {}, replaces=False)
    cloud.clock.sleep(60)


def test_what_the_npm_plugin_sent_is_left_as_it_is(cloud: Cloud) -> None:
    sent_by_plugin(cloud, 1, 2)
    before = cloud.store.session("s1")
    machine = machine_with(cloud, "laptop", 1, 2)
    assert machine.sync().sent == 0
    assert cloud.store.session("s1") == before
    add_turns(machine, 3)
    assert machine.sync().sent == 2
    assert (cloud.texts(), totals(cloud)) == (turns(1, 2, 3), of_turns(3))
    assert cloud.session()["title"] == "Greenhouse"


def test_force_completes_what_the_npm_plugin_sent_in_its_place(cloud: Cloud) -> None:
    sent_by_plugin(cloud, 1, 2)
    machine = cloud.machine()
    add_turns(machine, 1)
    writer = machine.writer(first=2)
    writer.last = "s1-u2"
    writer.line("user", "prompt 2")
    writer.respond("m2", {"type": "text", "text": "answer 2"})
    writer.respond("m2", {"type": "tool_use", "id": "t1", "name": "Bash", "input": {}})
    machine.sync()
    machine.sync(force=True)
    stored = cloud.store.session("s1")
    assert stored
    assert Counter(cloud.texts()) == Counter(turns(1, 2))
    assert stored["messages"][-1]["parts"][-1]["type"] == "tool-call"
    assert totals(cloud) == of_turns(2)
    assert machine.verify().is_equal


def test_message_that_the_npm_plugin_left_out_is_sent_by_force_only(cloud: Cloud) -> None:
    sent_by_plugin(cloud, 1, 3)
    machine = machine_with(cloud, "laptop", 1, 2, 3)
    machine.sync()
    assert sorted(cloud.texts()) == sorted(turns(1, 3))
    machine.sync(force=True)
    assert sorted(cloud.texts()) == sorted(turns(1, 2, 3))
