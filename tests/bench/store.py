"""What the embedded store costs as it grows: writing sessions, searching and listing them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from opensync_hooks.destinations.store.search_query import parse_query
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.server.pages import PAGES
from tests.bench.made_up_sessions import session, vocabulary
from tests.bench.table import Row, ratio

_STEPS = 20
_REPETITIONS = 40


def measure(*, quick: bool) -> Iterator[Row]:
    count = 100 if quick else 1_000
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder, "store.db")) as store:
        costs = _fill(store, count)
        name = f"message stored, last of {count:,} sessions"
        yield ratio(name, costs[-1], costs[0], "the first")
        listing = _percentile_95(lambda _: store.search(parse_query(""), 0, 51))
        for query, cost in _searches(store):
            yield ratio(f"search for {query}", cost, listing, "listing the newest 50")
        (newest,) = store.newest(1)
        fields = {"": {}, "session": {"id": newest["id"]}, "overview": {"period": "all"}}
        for path, query_fields in fields.items():
            render = PAGES[path]
            cost = _percentile_95(lambda _: render(store, query_fields))  # noqa: B023
            yield ratio(f"page {path or 'of sessions'}", cost, listing, "listing the newest 50")


def _fill(store: Store, count: int) -> list[float]:
    """Return the seconds of CPU per message of each twentieth of the sessions."""
    costs = []
    for step in range(_STEPS):
        spent, messages = 0.0, 0
        for number in range(step * count // _STEPS, (step + 1) * count // _STEPS):
            made_up = session(number)
            started = time.process_time()
            with store.transaction():
                store.put_session(made_up.body, made_up.extra)
                for body, extra in made_up.messages:
                    store.put_message(body, extra, replaces=False)
            spent += time.process_time() - started
            messages += len(made_up.messages)
        costs.append(spent / messages)
    return costs


def _percentile_95(call: Callable[[int], object]) -> float:
    """Return the seconds of CPU that 19 of 20 calls do not exceed."""
    costs = []
    for number in range(_REPETITIONS):
        started = time.process_time()
        call(number)
        costs.append(time.process_time() - started)
    return sorted(costs)[int(_REPETITIONS * 0.95) - 1]


def _searches(store: Store) -> Iterator[tuple[str, float]]:
    words, _ = vocabulary()
    queries: dict[str, Callable[[int], str]] = {
        "a common word": lambda n: words[n % 10],
        "a rare word": lambda n: words[40_000 + n],
        "what is not there": lambda n: f"xyzzyplugh{n}",
        "a phrase": lambda n: f'"{words[n % 10]} {words[20 + n]}"',
        "two words": lambda n: f"{words[n % 10]} {words[3_000 + n]}",
        "a tool in a project": lambda n: f"tool:Bash project:project-{n} {words[n]}",
        "a prefix": lambda n: f"{words[200 + n]}*",
    }

    def cost(query: Callable[[int], str]) -> float:
        return _percentile_95(lambda number: store.search(parse_query(query(number)), 0, 51))

    for name, query in queries.items():
        yield name, cost(query)
