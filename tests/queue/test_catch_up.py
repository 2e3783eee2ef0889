"""A session that no hook told of is delivered with the next hook of any session."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents import registry
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.config import settings
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.queue import backoff, catch_up, drain, worker
from opensync_hooks.queue.catch_up import MAX_SESSIONS, CatchUp
from tests.claude_user import ClaudeUser
from tests.commandline import run
from tests.cursor_home import Editor
from tests.opencode_home import OpenCodeHome
from tests.queue.harness import OnlineUser
from tests.transcripts import TranscriptWriter, text

HOUR = 3_600
OPENCODE_SESSION = "ses_0a1b"


def age(path: Path, seconds: float = 600) -> None:
    at = time.time() - seconds
    os.utime(path, (at, at))


def backdate_notes(user: ClaudeUser, seconds: float = HOUR, names: str = "%") -> None:
    """Have hooks fire, and searches happen, earlier than they did."""
    with Ledger(user.folders.ledger) as ledger, ledger.transaction() as execute:
        execute("UPDATE note SET at = at - ? WHERE name LIKE ?", round(seconds * 1000), names)


@pytest.fixture
def hooked(user: ClaudeUser) -> ClaudeUser:
    """A user whose hook fired for the session s0 an hour ago."""
    age(user.session("s0").path, 3 * HOUR)
    fire(user)
    backdate_notes(user)
    return user


def fire(user: ClaudeUser, name: str = "s0") -> None:
    """Have a hook fire, and its worker do its work."""
    user.event(name)
    worker.main()


def kill(user: ClaudeUser, name: str, seconds: float = 600) -> TranscriptWriter:
    """Write a session whose agent was killed so many seconds ago: no hook fired."""
    writer = user.session(name)
    writer.line("user", "fix the pump")
    writer.respond("msg_last", {"type": "tool_use", "id": "t1", "name": "Bash", "input": {}})
    age(writer.path, seconds)
    return writer


# ---- what is caught up ---------------------------------------------------------------------------


def test_killed_session_arrives_with_the_next_hook_of_another_session(hooked: ClaudeUser) -> None:
    kill(hooked, "killed")
    fire(hooked)
    assert hooked.stored() == {"s0", "killed"}
    assert hooked.spool.waiting() == 0


def test_last_turn_of_a_known_session_arrives_without_its_hook(hooked: ClaudeUser) -> None:
    hooked.session("s1")
    fire(hooked, "s1")
    backdate_notes(hooked, names="last search%")
    writer = TranscriptWriter(hooked.home / ".claude/projects/-work/s1.jsonl", first=10)
    writer.turn(7)
    age(writer.path)
    fire(hooked)
    assert run("verify", "s1").returncode == 0


def test_late_subagent_arrives(hooked: ClaudeUser) -> None:
    writer = TranscriptWriter(
        hooked.home / ".claude/projects/-work/s0/subagents/agent-a1.jsonl", first=10
    )
    writer.line("user", "look around", isSidechain=True, agentId="a1")
    writer.respond("msg_sub", text("nothing there"), isSidechain=True, agentId="a1")
    age(writer.path)
    hooked.session("s1")
    fire(hooked, "s1")
    assert any("a1" in name for name in hooked.stored())


def opencode_user(home: Path) -> str:
    OpenCodeHome(home).put("1.18.33")
    return "opencode"


def cursor_user(home: Path) -> str:
    editor = Editor(home)
    draft = editor.draft("killed")
    draft.add_turn(1)
    draft.save()
    editor.close()
    return "cursor"


@pytest.mark.parametrize("create", [opencode_user, cursor_user], ids=["opencode", "cursor"])
def test_killed_sessions_of_the_other_agents_arrive(
    hooked: ClaudeUser, create: Callable[[Path], str]
) -> None:
    agent = create(hooked.home)
    fire_other(hooked, agent)
    assert hooked.stored() == {"s0"}, "an older session is no matter of catch-up"
    backdate_notes(hooked, 10 * 365 * 86_400)
    fire_other(hooked, agent)
    source = registry.source(agent)
    assert source
    assert {located.session_id for located in source.sessions()} <= hooked.stored()


def fire_other(user: ClaudeUser, agent: str) -> None:
    """Have a hook of another agent fire, for a session that left nothing on the disk."""
    field = "conversation_id" if agent == "cursor" else "session_id"
    ids = {field: "ses_gone", "hook_event_name": "sessionEnd"}
    path = user.spool.folder / f"{time.time_ns()}-1.{agent}.event"
    path.write_bytes(b"\n" + json.dumps(ids).encode())
    worker.main()


# ---- what is not ---------------------------------------------------------------------------------


def in_use(user: ClaudeUser) -> None:
    kill(user, "other", seconds=20)


def older_than_the_hooks(user: ClaudeUser) -> None:
    kill(user, "other", seconds=2 * HOUR)


def excluded_before(user: ClaudeUser) -> None:
    kill(user, "other")
    Exclusions.for_user().record("claude-code", "other", "matches a glob")


def private(user: ClaudeUser) -> None:
    kill(user, "other")
    Exclusions.for_user().keep_private("claude-code", "other")


def in_excluded_folder(user: ClaudeUser) -> None:
    kill(user, "other")
    settings.change(os.environ, "exclude", ["/work"])


def switched_off(user: ClaudeUser) -> None:
    kill(user, "other")
    settings.change(os.environ, "catch_up", ["false"])


def of_an_agent_without_hooks(user: ClaudeUser) -> None:
    OpenCodeHome(user.home).put("1.18.33")
    backdate_notes(user, 10 * 365 * 86_400)
    kill(user, "s0")


@pytest.mark.parametrize(
    "prepare",
    [
        in_use,
        older_than_the_hooks,
        excluded_before,
        private,
        in_excluded_folder,
        switched_off,
        of_an_agent_without_hooks,
    ],
    ids=lambda function: function.__name__,
)
def test_session_that_nobody_asked_for_stays_here(
    hooked: ClaudeUser, prepare: Callable[[ClaudeUser], None]
) -> None:
    prepare(hooked)
    fire(hooked)
    assert hooked.stored() == {"s0"}
    assert hooked.spool.waiting() == 0


def test_new_login_is_no_reason_to_send_old_sessions(online: OnlineUser) -> None:
    """Sessions from before the first hook of an account are the business of `sync`."""
    kill(online, "old")
    fire(online)
    online.session("s0")
    fire(online)
    assert online.texts("s0")
    assert not online.texts("old")


def test_finished_session_is_not_read_again(
    hooked: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(hooked, "killed")
    age(hooked.session("s1").path)
    reads = []
    resume = ClaudeCodeSource.resume

    def recording(source: ClaudeCodeSource, located: Any, *arguments: Any, **more: Any) -> Any:
        reads.append(located.session_id)
        return resume(source, located, *arguments, **more)

    monkeypatch.setattr(ClaudeCodeSource, "resume", recording)
    fire(hooked, "s1")
    backdate_notes(hooked, names="last search%")
    fire(hooked)
    assert reads == ["s1", "killed", "s0"]


def test_agent_without_hooks_is_looked_at_rarely(
    hooked: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = count_looks(monkeypatch)
    for _ in range(3):
        backdate_notes(hooked, 120, names="last search%")
        fire(hooked)
    others = {agent.name for agent in registry.AGENTS} - {"claude-code"}
    assert looks == dict.fromkeys(others, 1)
    backdate_notes(hooked)
    fire(hooked)
    assert looks == dict.fromkeys(others, 2)


def test_agent_is_looked_at_if_one_of_its_sessions_was_missed(
    hooked: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    fire_other(hooked, opencode_user(hooked.home))
    backdate_notes(hooked)
    fire(hooked)
    looks = count_looks(monkeypatch)
    backdate_notes(hooked, 120, names="last search%")
    fire(hooked)
    assert "opencode" not in looks
    backdate_notes(hooked, 10 * 365 * 86_400)
    fire(hooked)
    assert looks["opencode"] == 1
    assert hooked.stored() == {"s0"}, "its hooks are not registered any more"


def count_looks(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each agent's settings are searched for our hooks."""
    counts: Counter[str] = Counter()
    is_registered = catch_up._is_registered

    def counted(agent: registry.Agent) -> bool:
        counts[agent.name] += 1
        return is_registered(agent)

    monkeypatch.setattr(catch_up, "_is_registered", counted)
    return counts


# ---- bounds --------------------------------------------------------------------------------------


def test_newest_sessions_come_first_and_the_others_with_later_searches(hooked: ClaudeUser) -> None:
    for number in range(MAX_SESSIONS + 2):
        kill(hooked, f"k{number:02}", seconds=600 + number)
    fire(hooked)
    assert len(hooked.stored()) == 1 + MAX_SESSIONS
    assert {"k00", "k19"} < hooked.stored()
    backdate_notes(hooked, 70, "last search%")
    fire(hooked)
    assert len(hooked.stored()) == 1 + MAX_SESSIONS + 2


def test_workers_search_at_most_once_a_minute(
    hooked: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches = []
    search = CatchUp.search

    def recording(self: CatchUp, fired: Any) -> bool:
        searches.append(fired)
        return search(self, fired)

    monkeypatch.setattr(CatchUp, "search", recording)
    for _ in range(3):
        fire(hooked)
    assert len(searches) == 1


def test_session_of_a_hook_goes_before_all_that_wait_to_be_caught_up(
    hooked: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("k1", "k2", "k3"):
        kill(hooked, name)
    hooked.session("s1")
    order = []
    sync = Syncer.sync

    def recording(self: Syncer, source: Any, located: Any, **more: Any) -> SyncOutcome:
        order.append(located.session_id)
        if len(order) == 2:
            hooked.event("s1")
        return sync(self, source, located, **more)

    monkeypatch.setattr(Syncer, "sync", recording)
    monkeypatch.setattr(drain, "_LOOK_SECONDS", 0.0)
    fire(hooked)
    first = order[1]
    assert order[:3] == ["s0", first, "s1"]
    assert sorted(order[3:]) == ["k1", "k2", "k3"], "the interrupted one is delivered, too"
    assert hooked.stored() == {"s0", "s1", "k1", "k2", "k3"}
    with Ledger(hooked.folders.ledger) as ledger:
        assert ledger.note("last error") is None


# ---- failures ------------------------------------------------------------------------------------


def make_unreadable(user: ClaudeUser, name: str) -> None:
    """Have the session's file be a pipe, which no reader opens."""
    writer = kill(user, name)
    writer.path.unlink()
    os.mkfifo(writer.path)
    age(writer.path)


def test_unreadable_session_stops_no_other_and_is_not_tried_for_ever(hooked: ClaudeUser) -> None:
    make_unreadable(hooked, "pipe")
    kill(hooked, "killed", seconds=700)
    start = time.monotonic()
    fire(hooked)
    assert time.monotonic() - start < backoff.WAITS[0] / 1000, "no worker stays for it"
    assert hooked.stored() == {"s0", "killed"}
    for _ in range(backoff.MAX_RETRIES + 5):
        backdate_notes(hooked, names="last search%")
        for job in hooked.spool.jobs():
            hooked.spool.update(replace(job, attempts=replace(job.attempts, not_before=0)))
        fire(hooked)
    assert hooked.spool.jobs() == []
    (quarantined,) = hooked.spool.quarantined()
    assert quarantined.trigger.session_id == "pipe"
    status = run("status").stdout
    assert "pipe" in status.partition("Quarantined:")[2]
    assert "1 not whole yet: pipe (claude-code)" in status


def test_session_whose_reading_ends_workers_is_quarantined_soon(
    hooked: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(hooked, "killed")

    class WorkerKilledError(BaseException):
        pass

    def die(self: Syncer, source: Any, located: Any, **more: Any) -> SyncOutcome:
        if located.session_id == "killed":
            raise WorkerKilledError
        return sync(self, source, located, **more)

    sync = Syncer.sync
    monkeypatch.setattr(Syncer, "sync", die)
    for _ in range(backoff.MAX_CATCH_UP_CRASHES):
        with pytest.raises(WorkerKilledError):
            fire(hooked)
    fire(hooked)
    (quarantined,) = hooked.spool.quarantined()
    assert quarantined.trigger.session_id == "killed"


def test_session_that_was_dropped_from_the_queue_is_not_queued_again(hooked: ClaudeUser) -> None:
    make_unreadable(hooked, "pipe")
    fire(hooked)
    assert run("queue", "drop", "pipe", "--yes").returncode == 0
    backdate_notes(hooked, names="last search%")
    fire(hooked)
    assert hooked.spool.waiting() == 0


def test_agent_whose_files_cannot_be_listed_stops_no_other(
    hooked: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = hooked.home
    cursor_user(editor)
    fire_other(hooked, "cursor")
    backdate_notes(hooked, 10 * 365 * 86_400)

    def fail(_: ClaudeCodeSource) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(ClaudeCodeSource, "sessions", fail)
    hooked.event("s0")
    fire_other(hooked, "cursor")
    assert "killed" in hooked.stored()


# ---- what the user sees --------------------------------------------------------------------------


def test_status_says_what_was_delivered_without_a_hook(hooked: ClaudeUser) -> None:
    kill(hooked, "killed")
    fire(hooked)
    ran = run("status")
    assert "Catch-up:          1 session delivered without a hook, the last one" in ran.stdout
    catch_up = json.loads(run("status", "--json").stdout)["catch_up"]
    assert (catch_up["delivered"], catch_up["failed"]) == (1, [])


def test_session_that_turned_out_to_be_complete_is_not_counted(hooked: ClaudeUser) -> None:
    """The agent writes some bookkeeping after its last hook."""
    writer = TranscriptWriter(hooked.home / ".claude/projects/-work/s0.jsonl", first=9)
    writer.write(b'{"type": "last-prompt", "sessionId": "s0"}\n')
    age(writer.path)
    hooked.session("s1")
    fire(hooked, "s1")
    assert json.loads(run("status", "--json").stdout)["catch_up"]["delivered"] == 0


def test_setting_that_is_off_is_shown() -> None:
    run("config", "set", "catch_up", "false")
    assert "catch_up" in run("config", "show").stdout
    assert "Catch-up:          off (catch_up = false)" in run("status").stdout
