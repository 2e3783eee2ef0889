"""The pool runs every task once, in order; what stops one thread stops all, between two calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from opensync_hooks.cli.bulk.thread_pool import run_parallel
from opensync_hooks.config import Config, Folders
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import KeyRefusedError
from opensync_hooks.ledger.ledger import Ledger


@contextmanager
def open_syncer(folder: Path) -> Iterator[Syncer]:
    config = Config(Folders(folder, folder, folder))
    with Ledger(folder / "ledger.db") as ledger, Store(folder / "store.db") as store:
        yield Syncer(config, store, ledger)


def run(
    folder: Path, tasks: list[int], work: Callable[[Syncer, int], int], jobs: int = 3
) -> Iterator[int]:
    return run_parallel(tasks, jobs, partial(open_syncer, folder), work)


def put_session(syncer: Syncer, number: int) -> None:
    syncer.destination.put_session({"externalId": f"s{number}", "title": "t"}, {})


def test_every_task_runs_once_and_each_thread_has_its_own_ledger(tmp_path: Path) -> None:
    ledgers: set[int] = set()
    all_threads_run = threading.Barrier(3)

    def work(syncer: Syncer, number: int) -> int:
        if number < 3:
            all_threads_run.wait(60)
        ledgers.add(id(syncer.ledger))
        put_session(syncer, number)
        return number

    assert sorted(run(tmp_path, list(range(30)), work)) == list(range(30))
    assert len(ledgers) == 3
    with Store(tmp_path / "store.db") as store:
        assert len(store.session_ids()) == 30


def test_tasks_start_in_order(tmp_path: Path) -> None:
    assert list(run(tmp_path, [3, 1, 2], lambda _, number: number, jobs=1)) == [3, 1, 2]


def test_failure_stops_the_others_before_their_next_call(tmp_path: Path) -> None:
    failed = threading.Event()

    def work(syncer: Syncer, number: int) -> int:
        if number == 0:
            failed.set()
            raise KeyRefusedError("refused")
        assert failed.wait(10)
        for turn in range(1000):  # a long session, which would go on for seconds
            put_session(syncer, number * 1000 + turn)
            time.sleep(0.005)
        return number

    with pytest.raises(KeyRefusedError, match="refused"):
        list(run(tmp_path, list(range(50)), work))
    with Store(tmp_path / "store.db") as store:
        assert len(store.session_ids()) < 2000
    assert not [thread for thread in threading.enumerate() if thread.name == "sync"]


def test_closing_the_results_as_ctrl_c_does_ends_the_work(tmp_path: Path) -> None:
    done: list[int] = []

    def work(syncer: Syncer, number: int) -> int:
        put_session(syncer, number)
        done.append(number)
        time.sleep(0.01)
        return number

    results = run(tmp_path, list(range(500)), work)
    next(results)
    results.close()  # type: ignore[attr-defined]
    count = len(done)
    assert count < 500
    time.sleep(0.1)
    assert len(done) == count


def test_error_of_opening_a_destination_is_raised(tmp_path: Path) -> None:
    (tmp_path / "store.db").symlink_to("/nowhere")
    with pytest.raises(Exception, match=r"store\.db"):
        list(run(tmp_path, [1, 2, 3], lambda _, number: number))


@pytest.mark.parametrize("error", [IndexError, SystemExit])
def test_error_of_a_task_is_raised_whatever_its_kind(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def work(_: Syncer, number: int) -> int:
        if number > 2:
            raise error
        return number

    with pytest.raises(error):
        list(run(tmp_path, list(range(9)), work))
