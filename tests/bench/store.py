"""Cost of the embedded store as it grows: `python -m tests.bench.store [SESSIONS] [FILE]`.

Writes made-up sessions of 50 messages, then measures searches and lists in CPU time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from opensync_hooks.destinations.store.search_query import parse_query
from opensync_hooks.destinations.store.store import Store
from tests.bench.made_up_sessions import session, vocabulary

_STEPS = 20
_REPETITIONS = 40


def fill(store: Store, count: int) -> list[float]:
    """Return the ms of CPU time per message of each twentieth of the sessions."""
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
        costs.append(spent / messages * 1000)
        print(f"{(step + 1) * count // _STEPS} sessions: {costs[-1]:.3f} ms a message", flush=True)
    return costs


def percentile_95(call: Callable[[int], object]) -> float:
    """Return the ms of CPU time that 19 of 20 calls do not exceed."""
    costs = []
    for number in range(_REPETITIONS):
        started = time.process_time()
        call(number)
        costs.append((time.process_time() - started) * 1000)
    return sorted(costs)[int(_REPETITIONS * 0.95) - 1]


def measure(store: Store) -> dict[str, float]:
    words, _ = vocabulary()
    queries: dict[str, Callable[[int], str]] = {
        "common word": lambda n: words[n % 10],
        "rare word": lambda n: words[40_000 + n],
        "no match": lambda n: f"xyzzyplugh{n}",
        "phrase": lambda n: f'"{words[n % 10]} {words[20 + n]}"',
        "two words": lambda n: f"{words[n % 10]} {words[3_000 + n]}",
        "tool and project": lambda n: f"tool:Bash project:project-{n} {words[n]}",
        "prefix": lambda n: f"{words[200 + n]}*",
    }

    def cost(query: Callable[[int], str]) -> float:
        return percentile_95(lambda number: store.search(parse_query(query(number)), 0, 51))

    costs = {name: cost(query) for name, query in queries.items()}
    costs["list"] = percentile_95(lambda _: store.search(parse_query(""), 0, 51))
    costs["last list"] = percentile_95(lambda n: store.search(parse_query(""), n * 400, 51))
    return costs


def main(count: int, path: Path) -> None:
    with Store(path) as store:
        if not store.session_ids():
            costs = fill(store, count)
            print(f"last twentieth / first: {costs[-1] / costs[0]:.2f}")
        for name, cost in measure(store).items():
            print(f"{name}: {cost:.1f} ms (95 %)")
        with store._file.reading() as db:
            pages = "SELECT sum(length(block)) FROM message_search_data"
            print(f"index: {db.execute(pages).fetchone()[0] / 1e6:.0f} MB")
    print(f"file: {path.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sessions = int(arguments[0]) if arguments else 1_000
    with tempfile.TemporaryDirectory() as folder:
        main(sessions, Path(arguments[1]) if len(arguments) > 1 else Path(folder) / "store.db")
