"""A session goes where the environment of its hook says, with the privacy settings of that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Literal

import pytest

from opensync_hooks.config import Folders
from opensync_hooks.config.settings import SETTINGS
from opensync_hooks.hook import paths
from opensync_hooks.model import Trigger
from opensync_hooks.queue import environments, worker
from opensync_hooks.queue.job import Job
from opensync_hooks.queue.spool import Spool
from tests.claude_user import ClaudeUser
from tests.commandline import KEY, NOBODY_LISTENS, ROOT, run, run_script
from tests.opensync import Fault, real_opensync, shared_opensync
from tests.queue.harness import OnlineUser
from tests.queue.test_catch_up import age, backdate_notes, fire, kill

State = Literal["away", "slow", "up"]
AWAY_SECONDS = 1.5
QUICK_WORKER = """
from opensync_hooks.queue import backoff, cooldown, worker
backoff.WAITS = cooldown.WAITS = (300, 300)
worker.LINGER_SECONDS = 3.0
worker.main(seconds=60)
"""
"""A worker that retries after a third of a second, and waits longer for another hook."""
THOUGHT = "a private thought"


class Environment:
    """The variables of one project, the server that they name, and how that server is doing."""

    def __init__(self, folder: Path, state: State, **more: str) -> None:
        folder.mkdir()
        self.state, self.began = state, time.monotonic()
        self.requests: list[bytes] = []
        self.resources = ExitStack()
        server, self.store, key = self.resources.enter_context(
            real_opensync(folder, on_request=self.on_request)
        )
        self.variables = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key, **more}

    def on_request(self, _method: str, _path: str, body: bytes) -> Fault | None:
        self.requests.append(body)
        if self.state == "slow":
            time.sleep(0.1)
        is_away = self.state == "away" and time.monotonic() - self.began < AWAY_SECONDS
        return Fault() if is_away else None

    def start_worker(self) -> subprocess.Popen[bytes]:
        environ = {**os.environ, **self.variables}
        process = subprocess.Popen([sys.executable, "-c", QUICK_WORKER], cwd=ROOT, env=environ)
        while not Spool(Folders.from_environ(environ).spool).has_worker():
            time.sleep(0.05)
        return process

    def finish_turn(self, session_id: str) -> None:
        payload = {"session_id": session_id, "hook_event_name": "SessionEnd", "reason": "other"}
        assert run_script(stdin=json.dumps(payload), **self.variables).returncode == 0

    def sessions(self) -> set[str]:
        return set(self.store.session_ids())


@pytest.mark.parametrize("states", [*product(("away", "slow", "up"), repeat=2)], ids="-".join)
def test_each_session_arrives_only_at_the_server_of_its_own_environment(
    user: ClaudeUser, tmp_path: Path, states: tuple[State, State]
) -> None:
    work = Environment(tmp_path / "work", states[0])
    private = Environment(tmp_path / "private", states[1], OPENSYNC_HOOKS_THINKING="1")
    with work.resources, private.resources:
        workers = [environment.start_worker() for environment in (work, private)]
        order = (("s1", work), ("s2", private), ("s3", private), ("s4", work))
        for name, environment in order:
            writer = user.session(name)
            writer.respond(f"msg_{name}_t", {"type": "thinking", "thinking": f"{THOUGHT} {name}"})
            environment.finish_turn(name)
        for process in workers:
            assert process.wait(timeout=120) == 0
        assert (work.sessions(), private.sessions()) == ({"s1", "s4"}, {"s2", "s3"})
        requests = {work: b"".join(work.requests), private: b"".join(private.requests)}
        assert THOUGHT.encode() not in requests[work]
        assert all(f"{THOUGHT} {name}".encode() in requests[private] for name in ("s2", "s3"))
        assert list(user.folders.state.glob("spool*/*.job")) == []


def test_bulk_sync_leaves_sessions_to_the_environment_of_their_hooks(
    user: ClaudeUser, tmp_path: Path
) -> None:
    for name in ("s1", "s2"):
        user.session(name)
    with ExitStack() as stack:
        private, work = (Environment(tmp_path / name, "up") for name in ("private", "work"))
        for environment in (private, work):
            stack.enter_context(environment.resources)
        process = work.start_worker()
        work.finish_turn("s1")
        assert process.wait() == 0
        for arguments in (("sync",), ("sync", "--dry-run"), ("sync", "--force")):
            ran = run(*arguments, **private.variables)
            assert ran.returncode == 0
        assert (private.sessions(), work.sessions()) == ({"s2"}, {"s1"})
        assert "1 session left to the environment" in run("sync", **private.variables).stdout
        assert "1 session synced" in run("sync", **work.variables).stdout
        assert run("sync", "s1", **private.variables).returncode == 0
        assert private.sessions() == {"s1", "s2"}


def test_digest_of_an_environment_is_stable_and_reveals_no_key() -> None:
    """Another digest under another version of Python would leave jobs behind."""
    environ = {"OPENSYNC_URL": "https://x.example", "OPENSYNC_API_KEY": "osk_" + "a" * 32}
    assert paths.environment(environ.get) == "-5c30f1a0e23543fb"
    assert paths.environment(dict[str, str]().get) == ""


def test_every_setting_that_decides_what_leaves_belongs_to_the_environment() -> None:
    variables = {setting.variable for setting in SETTINGS if setting.kind in (bool, str)}
    when_alone = {"OPENSYNC_HOOKS_CATCH_UP", "OPENSYNC_HOOKS_LIVE"}
    assert variables - when_alone == set(paths.OVERRIDES) - {paths.DESTINATION}


# ---- an environment that never runs again --------------------------------------------------------


def test_jobs_of_another_environment_are_named_with_the_next_step(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.session("s1")
    monkeypatch.setenv("OPENSYNC_URL", NOBODY_LISTENS)
    monkeypatch.setenv("OPENSYNC_API_KEY", KEY)
    user.event("s1")
    worker.main(seconds=5)
    assert user.spool.waiting() == 1
    folder = user.spool.folder
    monkeypatch.delenv("OPENSYNC_URL")
    monkeypatch.delenv("OPENSYNC_API_KEY")
    ran = run("status")
    assert "Waiting:           nothing" in ran.stdout
    line = next(line for line in ran.stdout.splitlines() if "another environment" in line)
    assert f"1 job for {NOBODY_LISTENS}" in line
    assert "opensync-hooks sync" in line
    (elsewhere,) = json.loads(run("status", "--json").stdout)["elsewhere"]
    assert (elsewhere["folder"], elsewhere["waiting"]) == (str(folder), 1)
    assert f"{folder}: 1 job waiting for {NOBODY_LISTENS}" in run("doctor").stdout
    assert not any(KEY.encode() in path.read_bytes() for path in folder.rglob("*.*"))


@pytest.mark.parametrize(("number", "is_adopted"), [(1, True), (2, False)], ids=["same", "other"])
def test_renewed_key_takes_over_what_waits_and_another_users_key_does_not(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, is_adopted: bool
) -> None:
    user = ClaudeUser(home)
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0.05)
    with shared_opensync(tmp_path) as (server, keys):
        monkeypatch.setenv("OPENSYNC_URL", server.url)

        def deliver(key: str, name: str) -> None:
            monkeypatch.setenv("OPENSYNC_API_KEY", key)
            user.session(name)
            user.event(name)
            worker.main()

        deliver(keys[0][0], "s1")
        user.session("waits")
        user.spool.put(Job(Trigger("claude-code", "waits"), {}, 1))
        deliver(keys[number][0], "s2")
        deliver(keys[number][0], "s3")
        stores = [set(store.session_ids()) for _, store in keys]
        assert ("waits" in stores[number]) is is_adopted
        assert ("s2" in stores[0]) is is_adopted


@pytest.mark.parametrize("setting", ["THINKING", "REDACT", "FILE_CONTENTS"])
def test_other_privacy_settings_are_another_environment(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    user.session("s1")
    user.session("s2")
    user.event("s1")
    monkeypatch.setenv(f"OPENSYNC_HOOKS_{setting}", "1")
    user.event("s2")
    worker.main()
    assert user.stored() == {"s2"}
    monkeypatch.delenv(f"OPENSYNC_HOOKS_{setting}")
    worker.main()
    assert user.stored() == {"s1", "s2"}


# ---- the one queue of earlier versions -----------------------------------------------------------


def test_queue_of_an_earlier_version_is_drained_by_the_first_worker(online: OnlineUser) -> None:
    earlier = online.folders.state / "spool"
    (earlier / "parked").mkdir(parents=True)
    names = ("event", "job", "parked", "later event", "later job")
    for name in names:
        online.session(name.replace(" ", "-"))
    payload = b'{"session_id": "%s", "hook_event_name": "SessionEnd"}'
    (earlier / "1-1.claude-code.event").write_bytes(b"\n" + payload % b"event")
    (earlier / "2-1.claude-code.event").write_bytes(b"\0\n" + payload % b"later-event")
    for name, folder in (("job", earlier), ("parked", earlier / "parked"), ("later-job", earlier)):
        job = Job(Trigger("claude-code", name), {}, 1)
        content = json.loads(job.to_bytes())
        if name != "later-job":
            del content["format"]
        (folder / job.name).write_text(json.dumps(content))
    online.session("s1")
    online.event("s1")
    worker.main()
    assert set(online.store.session_ids()) == {"s1", "event", "job"}
    assert [job.trigger.session_id for job in online.spool.quarantined()] == ["parked"]
    (other,) = environments.others(online.folders, ())
    assert other.waiting == 2


# ---- catch-up ------------------------------------------------------------------------------------


@pytest.fixture
def killed(user: ClaudeUser, monkeypatch: pytest.MonkeyPatch) -> ClaudeUser:
    """A user of two environments; in the one with thinking, the session s1 was then killed."""
    age(user.session("s0").path, 7_200)
    writer = user.session("s1")
    age(writer.path, 7_200)
    user.event("s0")
    worker.main()
    monkeypatch.setenv("OPENSYNC_HOOKS_THINKING", "1")
    user.event("s1")
    worker.main()
    monkeypatch.delenv("OPENSYNC_HOOKS_THINKING")
    backdate_notes(user)
    writer.turn(2)
    age(writer.path)
    return user


def test_killed_session_is_delivered_by_its_own_environment(
    killed: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    fire(killed)
    assert not is_synced("s1")
    backdate_notes(killed)
    monkeypatch.setenv("OPENSYNC_HOOKS_THINKING", "1")
    fire(killed, "s-unknown")
    assert is_synced("s1")


def test_session_that_may_belong_to_either_environment_is_left_to_sync(killed: ClaudeUser) -> None:
    kill(killed, "killed")
    fire(killed)
    assert killed.stored() == {"s0", "s1"}
    run("sync")
    assert killed.stored() == {"s0", "s1", "killed"}


def is_synced(name: str) -> bool:
    return run("verify", name).returncode == 0
