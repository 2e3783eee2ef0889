"""A crew does every task once, in order; what stops one thread stops all, between two calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks import pricing
from opensync_hooks.cli.bulk.thread_pool import Crew
from opensync_hooks.config import Config, Folders
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import KeyRefusedError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Json


@contextmanager
def equipped(folder: Path) -> Iterator[Syncer]:
    config = Config(Folders(folder, folder, folder))
    with Ledger(folder / "ledger.db") as ledger, Store(folder / "store.db") as store:
        yield Syncer(config, store, ledger, pricing.bundled())


def crew(folder: Path, do: Any, size: int = 3) -> Crew[int, int]:
    return Crew(size, lambda: equipped(folder), do)


def put(syncer: Syncer, number: int) -> str:
    body: Json = {"externalId": f"s{number}", "title": "t"}
    return syncer.destination.put_session(body, {})


def test_every_task_is_done_once_and_each_thread_has_its_own_tools(tmp_path: Path) -> None:
    seen: set[int] = set()

    def do(syncer: Syncer, number: int) -> int:
        seen.add(id(syncer.ledger))
        put(syncer, number)
        time.sleep(0.01)
        return number

    assert sorted(crew(tmp_path, do).work(list(range(30)))) == list(range(30))
    assert len(seen) == 3
    with Store(tmp_path / "store.db") as store:
        assert len(store.session_ids()) == 30


def test_one_after_the_other_keeps_the_order(tmp_path: Path) -> None:
    assert list(crew(tmp_path, lambda _, number: number, size=1).work([3, 1, 2])) == [3, 1, 2]


def test_failure_stops_the_others_before_their_next_call(tmp_path: Path) -> None:
    failed = threading.Event()

    def do(syncer: Syncer, number: int) -> int:
        if number == 0:
            failed.set()
            raise KeyRefusedError("refused")
        assert failed.wait(10)
        for turn in range(1000):  # a long session: it would go on for seconds
            put(syncer, number * 1000 + turn)
            time.sleep(0.005)
        return number

    began = crew(tmp_path, do).work(list(range(50)))
    with pytest.raises(KeyRefusedError, match="refused"):
        list(began)
    with Store(tmp_path / "store.db") as store:
        assert len(store.session_ids()) < 2000
    assert not [one for one in threading.enumerate() if "_thread" in one.name]


def test_who_turns_away_ends_the_work(tmp_path: Path) -> None:
    """As a Ctrl-C does, which comes up where the results are taken."""
    done: list[int] = []

    def do(syncer: Syncer, number: int) -> int:
        put(syncer, number)
        done.append(number)
        time.sleep(0.01)
        return number

    results = crew(tmp_path, do).work(list(range(500)))
    next(results)
    results.close()  # type: ignore[attr-defined]
    count = len(done)
    assert count < 500
    time.sleep(0.1)
    assert len(done) == count


def test_crew_that_cannot_be_equipped_says_why(tmp_path: Path) -> None:
    (tmp_path / "store.db").symlink_to("/nowhere")
    with pytest.raises(Exception, match=r"store\.db"):
        list(crew(tmp_path, lambda _, number: number).work([1, 2, 3]))


def test_bug_in_one_task_is_told_whatever_its_kind(tmp_path: Path) -> None:
    """An IndexError too, which is also what a thread meets that finds no task left."""

    def do(_: Syncer, number: int) -> int:
        return [0, 1, 2][number]

    with pytest.raises(IndexError):
        list(crew(tmp_path, do).work(list(range(9))))
