"""Projects with a destination of their own: their sessions go there, and to no other."""

from __future__ import annotations

import json
import os
import stat
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.config import Folders, load
from opensync_hooks.config.destinations import environ_of
from opensync_hooks.errors import NotConfiguredError
from opensync_hooks.model import Trigger
from opensync_hooks.queue import environments, worker
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system import clock
from tests.claude_user import ClaudeUser
from tests.commandline import run, run_script
from tests.e2e.world import workers
from tests.opensync import RealStore, shared_opensync
from tests.transcripts import TranscriptWriter, text

WORK = {"cwd": "/work/api"}
HOME = {"cwd": "/home/u/garden"}


@dataclass
class Employee:
    """Uses Claude Code for two accounts at the same URL, of which `work` has /work to itself."""

    user: ClaudeUser
    url: str
    private: RealStore
    work: RealStore
    keys: tuple[str, str]

    def configure(self, **tables: object) -> None:
        own = {"url": self.url, "projects": ["/work/*"], "api_key": self.keys[1]}
        lines = [f'url = "{self.url}"', f'api_key = "{self.keys[0]}"']
        for name, table in ({"work": own} | tables).items():
            lines.append(f"[destinations.{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in dict(table).items()]  # type: ignore[call-overload]
        path = self.user.folders.settings
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))
        path.chmod(0o600)

    def session(self, name: str, project: dict[str, Any], turns: int = 1) -> TranscriptWriter:
        folder = self.user.home / ".claude" / "projects" / project["cwd"].replace("/", "-")
        writer = TranscriptWriter(folder / f"{name}.jsonl")
        self.add(writer, project, *range(1, turns + 1))
        return writer

    def add(self, writer: TranscriptWriter, project: dict[str, Any], *numbers: int) -> None:
        for number in numbers:
            writer.line("user", f"prompt {number}", **project)
            writer.respond(f"{writer.session_id}-m{number}", text(f"answer {number}"), **project)

    def finish_turn(self, name: str) -> None:
        payload = {"session_id": name, "hook_event_name": "SessionEnd", "reason": "other"}
        assert run_script(stdin=json.dumps(payload)).returncode == 0

    def settle(self) -> None:
        """Wait until no worker runs and no queue holds anything."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            state = self.user.folders.state
            waiting = [path.suffix in (".event", ".job") for path in state.glob("spool*/*")]
            if not any(waiting) and not workers(state):
                return
            time.sleep(0.05)
        raise AssertionError("something still waits")

    def places(self) -> dict[str, list[str]]:
        """Return where each session is, and as often as it is there."""
        accounts: dict[str, list[str]] = {}
        for account, store in (("private", self.private), ("work", self.work)):
            for session_id in store.session_ids():
                accounts.setdefault(session_id, []).append(account)
        return accounts

    def texts(self, store: RealStore, name: str) -> list[str]:
        stored = store.session(name)
        return [message["textContent"] for message in stored["messages"]] if stored else []


@pytest.fixture
def employee(
    user: ClaudeUser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Employee]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "server").mkdir()
    with shared_opensync(tmp_path / "server") as (server, users):
        (key, private), _, (other_key, work) = users
        employee = Employee(user, server.url, private, work, (key, other_key))
        employee.configure()
        yield employee


def test_hooks_deliver_each_session_to_the_account_of_its_project(employee: Employee) -> None:
    writers = [employee.session(f"w{number}", WORK) for number in (1, 2)]
    employee.session("h1", HOME)
    for name in ("w1", "h1", "w2"):
        employee.finish_turn(name)
    employee.settle()
    expected = {"w1": ["work"], "w2": ["work"], "h1": ["private"]}
    assert employee.places() == expected
    employee.add(writers[0], WORK, 2)
    employee.finish_turn("w1")
    employee.settle()
    assert employee.texts(employee.work, "w1") == ["prompt 1", "answer 1", "prompt 2", "answer 2"]
    assert employee.places() == expected


def test_sync_delivers_to_all_destinations_and_does_nothing_the_second_time(
    employee: Employee,
) -> None:
    for number in range(3):
        employee.session(f"w{number}", WORK)
        employee.session(f"h{number}", HOME)
    first = run("sync")
    assert first.returncode == 0, first.stderr
    assert "3 sessions synced" in first.stdout
    assert "3 for other destinations" in first.stdout
    places = employee.places()
    kinds = Counter(f"{name[0]} {account}" for name, (account,) in places.items())
    assert kinds == {"w work": 3, "h private": 3}
    again = run("sync")
    assert "0 sessions synced" in again.stdout
    assert "6 up to date" in again.stdout
    verified = run("verify", "--destination", "work")
    assert verified.returncode == 0, verified.stdout
    assert "3 of 6 sessions verified" in verified.stdout or "3 excluded" in verified.stdout
    assert employee.places() == places


def test_exclusion_goes_first(employee: Employee) -> None:
    settings = employee.user.folders.settings
    settings.write_text(settings.read_text() + '\n[privacy]\nexclude = ["/work/*"]\n')
    employee.session("w1", WORK)
    employee.finish_turn("w1")
    employee.settle()
    assert run("sync", "--all").returncode == 0
    assert employee.places() == {}


@pytest.mark.parametrize("order", [(HOME, WORK), (WORK, HOME)], ids=["into work", "out of work"])
def test_session_of_two_projects_goes_to_the_destination_of_one(
    employee: Employee, order: tuple[dict[str, str], dict[str, str]]
) -> None:
    """A rule on a project holds for every folder that a session worked in."""
    writer = employee.session("s1", order[0])
    employee.add(writer, order[1], 2)
    assert run("sync").returncode == 0
    assert employee.places() == {"s1": ["work"]}


def test_session_that_another_destination_has_goes_to_no_second_one(employee: Employee) -> None:
    writer = employee.session("s1", HOME)
    assert run("sync").returncode == 0
    employee.add(writer, WORK, 2)
    employee.finish_turn("s1")
    employee.settle()
    assert employee.places() == {"s1": ["private"]}
    assert employee.texts(employee.private, "s1") == ["prompt 1", "answer 1"]
    assert f"it was delivered to {employee.url} before" in run("status").stdout
    ran = run("sync", "--destination", "work", "--force", "s1")
    assert ran.returncode == 0, ran.stderr
    assert employee.places() == {"s1": ["private", "work"]}


def test_session_with_projects_of_two_destinations_stays_here(employee: Employee) -> None:
    other = {"url": employee.url, "projects": ["/oss/*"], "api_key": employee.keys[0]}
    employee.configure(oss=other)
    writer = employee.session("s1", WORK)
    employee.add(writer, {"cwd": "/oss/tool"}, 2)
    employee.finish_turn("s1")
    employee.settle()
    assert employee.places() == {}
    assert "belong to two destinations in config.toml, `work` and `oss`" in run("status").stdout


def test_worker_that_is_killed_between_two_queues_neither_loses_nor_doubles(
    employee: Employee, monkeypatch: pytest.MonkeyPatch
) -> None:
    employee.session("w1", WORK)
    job = Job(Trigger("claude-code", "w1", "Stop"), {}, clock.now())
    employee.user.spool.put(job)
    Spool(environments.spool_of("work")).put(job)  # as it is after the kill
    worker.main(seconds=20)
    monkeypatch.setenv("OPENSYNC_HOOKS_DESTINATION", "work")
    worker.main(seconds=20)
    monkeypatch.delenv("OPENSYNC_HOOKS_DESTINATION")
    employee.settle()
    assert employee.places() == {"w1": ["work"]}
    assert employee.texts(employee.work, "w1") == ["prompt 1", "answer 1"]


def test_job_of_a_project_that_was_moved_to_another_destination_goes_back(
    employee: Employee, monkeypatch: pytest.MonkeyPatch
) -> None:
    employee.session("w1", WORK)
    work = environ_of(os.environ, "work")
    Spool(Folders.from_environ(work).spool).put(Job(Trigger("claude-code", "w1"), {}, clock.now()))
    table = {"url": employee.url, "projects": ["/elsewhere/*"], "api_key": employee.keys[1]}
    employee.configure(work=table)
    monkeypatch.setenv("OPENSYNC_HOOKS_DESTINATION", "work")
    worker.main(seconds=20)
    monkeypatch.delenv("OPENSYNC_HOOKS_DESTINATION")
    employee.settle()
    assert employee.places() == {"w1": ["private"]}


def test_login_has_a_key_of_its_own_and_jobs_wait_for_it(employee: Employee) -> None:
    employee.configure(work={"url": employee.url, "projects": ["/work/*"]})
    employee.session("w1", WORK)
    assert "no API key is set for the destination `work`" in run("sync").stderr
    assert employee.places() == {}
    status = run("status").stdout
    assert "login --destination work" in status
    assert "1 job waiting" in status
    arguments = ("login", "--destination", "work", "--api-key-stdin")
    ran = run(*arguments, stdin=employee.keys[1])
    assert ran.returncode == 0, ran.stderr
    settings = employee.user.folders.settings
    assert stat.S_IMODE(settings.stat().st_mode) == 0o600
    assert load().api_key == employee.keys[0]
    assert load(environ_of(os.environ, "work")).api_key == employee.keys[1]
    assert run("sync").returncode == 0
    assert employee.places() == {"w1": ["work"]}
    for words in (("status",), ("status", "--json"), ("config", "show"), ("doctor",)):
        output = run(*words).stdout
        assert not any(key in output for key in employee.keys), words
    assert "1 session synced (2 messages)" in run("status").stdout
    assert run("logout", "--destination", "work").returncode == 0
    assert employee.keys[1] not in settings.read_text()
    assert load().api_key == employee.keys[0]


MISTAKES = {
    "the project `/a/*` is in two destinations": {
        "one": {"url": "https://x.convex.site", "projects": ["/a/*"]},
        "two": {"url": "https://y.convex.site", "projects": ["/b", "/a/*"]},
    },
    "[destinations.one] has no list of projects": {"one": {"url": "https://x.convex.site"}},
    "[destinations.two] has no list of projects": {
        "two": {"url": "https://x.convex.site", "projects": []}
    },
    "[destinations.one] has no URL": {"one": {"projects": ["/a"]}},
    "setting that is unknown": {
        "one": {"url": "https://x.convex.site", "project": ["/a"], "projects": ["/a"]}
    },
    "cannot be used on a command line": {"A b": {"url": "https://x", "projects": ["/a"]}},
}


@pytest.mark.parametrize(("sentence", "tables"), MISTAKES.items(), ids=list(MISTAKES))
def test_mistake_stops_delivery_with_a_sentence(
    employee: Employee, sentence: str, tables: dict[str, object]
) -> None:
    quoted = {name if name.isalnum() else f'"{name}"': table for name, table in tables.items()}
    employee.configure(**quoted)
    with pytest.raises(NotConfiguredError) as error:
        load()
    assert sentence in str(error.value)
    assert error.value.hint


def test_unknown_name_is_refused(employee: Employee) -> None:
    del employee
    ran = run("sync", "--destination", "wrok")
    assert ran.returncode == 4
    assert "wrok: no destination in config.toml has this name" in ran.stderr


def test_environment_with_a_url_has_no_other_destination(employee: Employee) -> None:
    employee.session("w1", WORK)
    ran = run("sync", OPENSYNC_URL=employee.url, OPENSYNC_API_KEY=employee.keys[0])
    assert ran.returncode == 0, ran.stderr
    assert employee.places() == {"w1": ["private"]}
