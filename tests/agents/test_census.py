"""A census is independent of the reader that it judges, and counts what it does not recognize."""

from __future__ import annotations

import pytest

from opensync_hooks.agents import registry
from opensync_hooks.agents.census import UNITS, Census, Counts, Tally
from tests.test_architecture import FORKS, GRAPH, modules_in, third_party_imports

SHARED = {"model", "errors", "dataclass"}
SHARED |= {
    f"agents.{name}"
    for name in ("census", "description", "safe_open", "sqlite_snapshot", "vocabulary")
}
"""Values, errors, how a file is opened and a list of names is written: nothing that knows them."""
CENSUSES = [name for name in modules_in("agents") if ".census" in name.removeprefix("agents.")]
READERS = [name for name in modules_in("agents") if name not in {*CENSUSES, "agents.registry"}]


def test_every_agent_has_a_census() -> None:
    folders = {agent.registration.script.removesuffix(".py") for agent in registry.AGENTS}
    assert {name.split(".")[1] for name in CENSUSES} == folders


@pytest.mark.parametrize("name", CENSUSES)
def test_census_shares_nothing_with_a_reader(name: str) -> None:
    own_folder = name.rpartition(".")[0]
    names_alone = f"{own_folder}.vocabulary"  # what an agent writes, not what becomes of it
    # A fork is counted by the rules for its origin, under its own name.
    origins = {f"agents.{origin}" for module, origin in FORKS if module == name}
    own = {module for module in CENSUSES if module.startswith((f"{own_folder}.", *origins))}
    assert GRAPH[name] <= SHARED | own | {names_alone} | ({own_folder} if origins else set())
    assert not third_party_imports(name)


@pytest.mark.parametrize("name", READERS)
def test_reader_shares_nothing_with_a_census(name: str) -> None:
    assert GRAPH[name].isdisjoint({*CENSUSES, "agents.census"})


def test_counts_are_added_and_subtracted_unit_by_unit() -> None:
    many, few = Counts(6, 5, 4, 3, 200, 10), Counts(1, 1, 1, 1, 50, 5)
    assert many + few == Counts(7, 6, 5, 4, 250, 15)
    assert many - few == Counts(5, 4, 3, 2, 150, 5)
    assert len(UNITS) == 6


def test_tally_keeps_what_must_and_what_may_arrive_apart() -> None:
    tally = Tally(agent_version="2.1")
    tally.add("utterances", 2)
    tally.add("utterances", is_sure=False)
    tally.unknown.update({"a type\nwith \x1b": 1, "never": 0, "long" * 40: 2})
    census = tally.census("s1", subagents=3)
    assert (census.counts, census.optional) == (Counts(utterances=2), Counts(utterances=1))
    assert census.unknown == {"a type?with ?": 1, ("long" * 40)[:60]: 2}
    assert (census.subagents, census.agent_version) == (3, "2.1")


@pytest.mark.parametrize(
    ("census", "is_understood"),
    [
        (Census("s"), False),
        (Census("s", recognized=4), True),
        (Census("s", recognized=4, unknown={"moonbeam": 1}), False),
        (Census("s", recognized=4, unreadable=1), False),
        (Census("s", Counts(utterances=1), unknown={"moonbeam": 1}, unreadable=2), True),
        (Census("s", optional=Counts(responses=1), recognized=1, unreadable=1), True),
    ],
)
def test_session_is_understood_if_it_has_content_or_is_known_to_have_none(
    census: Census, *, is_understood: bool
) -> None:
    assert census.is_understood == is_understood
