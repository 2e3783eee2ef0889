"""`sync` delivers what was asked for, says what came of it, and changes nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.source import Located, Source
from opensync_hooks.cli.commands.progress import Progress
from opensync_hooks.delivery.session_sync import Syncer, SyncOutcome
from tests.commandline import (
    DATA,
    FIRST,
    KEY,
    NOBODY_LISTENS,
    ROOT,
    WITH_SUBAGENTS,
    run,
    sessions_in,
    stored,
    terminal,
    tree,
)
from tests.opensync import real_opensync
from tests.transcripts import Pen

SECRET = "ghp_" + "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5"


def test_sync_delivers_every_session_and_the_second_one_sends_nothing(
    recorded: int, ours: Path
) -> None:
    first = run("sync")
    assert (first.returncode, first.stderr) == (0, "")
    lines = first.stdout.splitlines()
    assert lines[-1] == f"{recorded} sessions synced to embedded store, 0 were up to date."
    assert len(lines) == recorded + 1
    assert any(
        line.startswith(f"{FIRST}: 8 messages sent to embedded store, 0 unchanged  play:basic")
        for line in lines
    )
    assert any(line.startswith(WITH_SUBAGENTS) and "2 subagents" in line for line in lines)
    before = stored(ours)
    second = run("sync")
    assert second.returncode == 0
    assert second.stdout == f"0 sessions synced to embedded store, {recorded} were up to date.\n"
    assert stored(ours) == before


def test_only_the_session_that_changed_is_synced_again(recorded: int, projects: Path) -> None:
    pen = Pen(projects / "own.jsonl")
    pen.turn(1)
    run("sync")
    pen.turn(2)
    line, total = run("sync").stdout.splitlines()
    assert line == "own: 2 messages sent to embedded store, 2 unchanged  prompt 1"
    assert total == f"1 session synced to embedded store, {recorded} were up to date."


def test_all_looks_again_and_force_sends_again(recorded: int, ours: Path) -> None:
    run("sync")
    before = stored(ours)
    looked = run("sync", "--all")
    assert looked.stdout.count(" 0 messages sent") == recorded
    assert stored(ours) == before
    forced = run("sync", "--force", FIRST)
    assert forced.stdout.startswith(f"{FIRST}: 8 messages sent to embedded store, 0 unchanged")
    assert len(stored(ours)) == len(before)


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("by_path", [False, True], ids=["id", "path"])
def test_named_session_is_the_only_one_that_is_synced(
    ours: Path, projects: Path, by_path: bool
) -> None:
    ran = run("sync", str(projects / f"{FIRST}.jsonl") if by_path else FIRST)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"{FIRST}: 8 messages sent to embedded store, 0 unchanged")
    assert len(ran.stdout.splitlines()) == 1
    assert sessions_in(ours) == {FIRST}


def test_transcript_that_lies_elsewhere_is_synced_by_its_path(tmp_path: Path, ours: Path) -> None:
    copy = shutil.copy(DATA / "01-print-tools-resume" / f"{FIRST}.jsonl", tmp_path / "copy.jsonl")
    assert run("sync", str(copy)).returncode == 0
    assert sessions_in(ours) == {"copy"}


def test_unknown_session_is_a_usage_error_that_says_where_ids_come_from() -> None:
    ran = run("sync", "nope")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "nope: no session with this id, and no transcript at this path.\n"
        "hint: The id is the transcript's file name; `opensync-hooks sync` takes all new"
        " sessions.\n"
    )


def test_limit_takes_the_newest(recorded: int, ours: Path, projects: Path) -> None:
    assert recorded > 2
    for age, path in enumerate(sorted(projects.glob("*.jsonl"))):
        for one in (path, *path.with_suffix("").rglob("*")):
            os.utime(one, (1_000_000 - age, 1_000_000 - age))
    assert run("sync", "--limit", "1").returncode == 0
    assert sessions_in(ours) == {FIRST}


@pytest.mark.parametrize("limit", ["-1", "x", "1.5", ""])
def test_limit_that_is_no_count_is_a_usage_error(limit: str) -> None:
    assert run("sync", "--limit", limit).returncode == 2


@pytest.mark.usefixtures("recorded")
def test_dry_run_says_what_would_be_sent_and_changes_nothing(tmp_path: Path, ours: Path) -> None:
    before = tree(tmp_path)
    ran = run("sync", "--dry-run")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.search(rf"{FIRST}  8 messages, 18 parts, \d\.\d KB  play:basic", ran.stdout)
    assert f"{WITH_SUBAGENTS}:agent-" in ran.stdout
    assert tree(tmp_path) == before
    assert not ours.exists()


def test_nothing_to_sync_is_no_failure() -> None:
    ran = run("sync")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "0 sessions synced to embedded store, 0 were up to date.\n"


def test_unreadable_session_fails_alone(recorded: int, projects: Path) -> None:
    (projects / "linked.jsonl").symlink_to("/etc/passwd")
    ran = run("sync")
    assert ran.returncode == 1
    assert "linked.jsonl" in ran.stderr
    assert f"{recorded} sessions synced to embedded store" in ran.stdout
    dry = run("sync", "--dry-run")
    assert dry.returncode == 1
    assert dry.stdout == f"Nothing would leave for embedded store; {recorded} up to date.\n"
    assert "linked.jsonl" in dry.stderr


def test_session_without_a_message_is_looked_through_once(projects: Path) -> None:
    Pen(projects / "empty.jsonl")
    assert "0 sessions synced to embedded store, 0 were up to date" in run("sync").stdout
    assert "0 sessions synced to embedded store, 1 was up to date" in run("sync").stdout


def test_session_without_a_message_does_not_count_as_synced(projects: Path) -> None:
    Pen(projects / "empty.jsonl")
    (line,) = run("sync", "--json").stdout.splitlines()
    assert (json.loads(line)["state"], json.loads(line)["sessions"]) == ("empty", 0)
    agents = json.loads(run("status", "--json").stdout)["agents"]
    assert {agent["agent"]: agent["synced"] for agent in agents}["claude-code"] == 0


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["sync", "dry run"])
def test_title_neither_steers_the_terminal_nor_ends_the_run(
    projects: Path, encoding: str, options: tuple[str, ...]
) -> None:
    Pen(projects / "a.jsonl").line("user", "\x1b[31mred\x07 \ud83d half 日本")
    Pen(projects / "b.jsonl").line("user", "the other one")
    ran = run("sync", *options, PYTHONIOENCODING=encoding)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "\x1b" not in ran.stdout
    assert "half" in ran.stdout
    assert "the other one" in ran.stdout


@pytest.mark.usefixtures("recorded")
def test_thinking_stays_home_unless_it_is_asked_for(ours: Path) -> None:
    thought = "I should look around first."
    run("sync", FIRST)
    assert thought not in str(stored(ours))
    run("sync", FIRST, OPENSYNC_HOOKS_THINKING="1")
    assert thought in str(stored(ours))


# ---- what would leave ----------------------------------------------------------------------------


def test_rehearsal_lists_only_what_would_leave(recorded: int, ours: Path, projects: Path) -> None:
    run("sync")
    assert run("sync", "--dry-run").stdout == (
        f"Nothing would leave for embedded store; {recorded} up to date.\n"
    )
    pen = Pen(projects / "own.jsonl")
    pen.turn(1)
    run("sync", "own")
    before = stored(ours)
    pen.turn(2)
    pen.line("user", f"the key is {SECRET}, and again {SECRET}")
    line, total = run("sync", "--dry-run").stdout.splitlines()
    found = re.fullmatch(r"own  3 messages, 3 parts, (\d+) bytes, 2 redactions \((.*)\)  .*", line)
    assert found
    assert found[2] == "2 github-token"
    assert int(found[1]) > 100
    assert total.startswith("1 session would leave for embedded store: 3 messages, 3 parts, ")
    assert total.endswith(f"{recorded} up to date.")
    assert stored(ours) == before


def test_rehearsal_says_what_the_sync_then_does(recorded: int) -> None:
    """Session by session, for a first delivery, for none, and with force."""
    for options in ((), ("--all",), ("--force",)):
        told = [
            json.loads(one)
            for one in run("sync", *options, "--dry-run", "--json").stdout.splitlines()
        ]
        done = [json.loads(one) for one in run("sync", *options, "--json").stdout.splitlines()]
        sent = sum(one["sent"] for one in done)
        assert sum(one["messages"] for one in told) == sent
        assert (sent == 0) == (options == ("--all",))
    assert recorded


def test_rehearsal_of_one_session_does_not_open_the_destination(
    recorded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recorded
    monkeypatch.setenv("OPENSYNC_URL", NOBODY_LISTENS)
    monkeypatch.setenv("OPENSYNC_API_KEY", KEY)
    ran = run("sync", FIRST, "--dry-run")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"1 session would leave for {NOBODY_LISTENS}" in ran.stdout


# ---- which of them -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "wanted"),
    [("7d", {"new"}), ("3w", {"new", "old"}), ("12h", set()), ("30m", set())],
)
def test_since_takes_what_was_changed_then(
    projects: Path, since: str, wanted: set[str], ours: Path
) -> None:
    for name, days in (("new", 2), ("old", 20)):
        pen = Pen(projects / f"{name}.jsonl")
        pen.turn(1)
        os.utime(pen.path, (time.time() - days * 86_400,) * 2)
    assert run("sync", "--since", since).returncode == 0
    assert (sessions_in(ours) if wanted else set()) == wanted
    day = datetime.fromtimestamp(time.time() - 5 * 86_400, UTC).date().isoformat()
    assert "1 session synced" in run("sync", "--force", "--since", day).stdout


@pytest.mark.parametrize("since", ["7", "d", "7y", "2026-13-01", "-1d", ""])
def test_since_that_is_no_time_is_a_usage_error(since: str) -> None:
    ran = run("sync", f"--since={since}")
    assert ran.returncode == 2
    assert "neither a span such as 7d nor a date" in ran.stderr


# ---- several at once -----------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["0", "9", "x", "-1"])
def test_jobs_that_are_too_many_or_none_are_a_usage_error(jobs: str) -> None:
    ran = run("sync", f"--jobs={jobs}")
    assert ran.returncode == 2
    assert "from 1 to 8" in ran.stderr


@pytest.mark.parametrize("to", ["embedded", "OpenSync"])
def test_several_at_once_deliver_the_same_as_one_by_one(
    projects: Path, tmp_path: Path, to: str
) -> None:
    for number in range(12):
        pen = Pen(projects / f"s{number}.jsonl", began=1_767_225_600 + number)
        for turn in range(3):
            pen.turn(turn)
        os.utime(pen.path, (1_767_225_600 + number,) * 2)
    at_once: list[int] = []
    with real_opensync(tmp_path, on_request=lambda *_: at_once.append(threads())) as (
        server,
        _,
        key,
    ):
        given = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key} if to == "OpenSync" else {}
        ran = run("sync", "--jobs", "4", **given)
        assert (ran.returncode, ran.stderr) == (0, "")
        where = server.url if given else "embedded store"
        assert ran.stdout.endswith(f"12 sessions synced to {where}, 0 were up to date.\n")
        verified = run("verify", "--all", **given)
        assert verified.stdout.startswith("12 sessions equal")
        assert "0 sessions synced" in run("sync", "--jobs", "4", **given).stdout
    assert to == "embedded" or max(at_once) > 1


def threads() -> int:
    return sum(thread.name == "sync" for thread in threading.enumerate())


def test_failure_that_stops_one_stops_all_and_is_said_once(projects: Path, tmp_path: Path) -> None:
    for number in range(8):
        Pen(projects / f"s{number}.jsonl").turn(1)
    with real_opensync(tmp_path) as (server, store, _):
        ran = run("sync", "--jobs", "3", OPENSYNC_URL=server.url, OPENSYNC_API_KEY=KEY)
        assert store.session_ids() == []
    assert ran.returncode == 5
    assert ran.stderr.count("the key is refused") == 1


# ---- Ctrl-C --------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_interruption_leaves_all_consistent_and_says_how_to_go_on(
    projects: Path, tmp_path: Path, jobs: str
) -> None:
    """A real process and a real signal, somewhere in the middle; the second run completes it."""
    for number in range(6):
        pen = Pen(projects / f"s{number}.jsonl")
        for turn in range(4):
            pen.turn(turn)
    reached = threading.Event()
    seen: list[str] = []

    def slowly(_: str, path: str, __: bytes) -> None:
        seen.append(path)
        if len(seen) > 15:
            reached.set()
            time.sleep(0.05)

    with real_opensync(tmp_path, on_request=slowly) as (server, store, key):
        given = {**os.environ, "OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key}
        command = [sys.executable, "-m", "opensync_hooks", "sync", "--jobs", jobs]
        with subprocess.Popen(
            command, cwd=ROOT, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as syncing:
            assert reached.wait(45)
            syncing.send_signal(signal.SIGINT)
            _, complaint = syncing.communicate(timeout=45)
        assert syncing.returncode == 130
        assert re.search(
            r"Interrupted: \d through, \d sessions? left, nothing half done", complaint
        )
        assert "The same command goes on from here." in complaint
        assert "Traceback" not in complaint
        assert 0 < store.stats()["messageCount"] < 48
        environ = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key}
        assert run("sync", **environ).returncode == 0
        assert store.stats()["messageCount"] == 48
        assert run("verify", "--all", **environ).stdout.startswith("6 sessions equal")


# ---- what is said --------------------------------------------------------------------------------


def test_progress_tells_rate_and_rest() -> None:
    progress = Progress(40)
    for _ in range(10):
        progress.step()
    assert progress.text(5.0) == "10 of 40 sessions, 2.0 a second, 15 seconds left"
    assert progress.text(1200.0) == "10 of 40 sessions, 0.0 a second, 1 hour left"
    assert Progress(2).text(0.0) == "0 of 2 sessions, 0.0 a second"


@pytest.mark.usefixtures("recorded")
def test_progress_is_shown_on_a_terminal_alone() -> None:
    with terminal() as (outer, inner):
        ran = subprocess.run(
            [sys.executable, "-m", "opensync_hooks", "sync"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=inner, timeout=30, check=False,
        )  # fmt: skip
        shown = os.read(outer, 1 << 16).decode()
    assert ran.returncode == 0
    assert re.search(r"1 of \d+ sessions, \d+\.\d a second, \d+ seconds? left", shown)
    assert shown.endswith("\r\x1b[K"), "and cleared at the end"


def test_each_session_is_one_line_of_json_for_machines(recorded: int, projects: Path) -> None:
    (projects / "linked.jsonl").symlink_to("/etc/passwd")
    ran = run("sync", "--json")
    told = [json.loads(line) for line in ran.stdout.splitlines()]
    assert ran.returncode == 1
    assert len(told) == recorded + 1
    first = next(one for one in told if one["session"] == FIRST)
    assert (first["agent"], first["state"], first["sent"]) == ("claude-code", "synced", 8)
    assert [one["state"] for one in told].count("failed") == 1


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_bug_in_one_session_is_told_and_the_others_are_synced(
    projects: Path, ours: Path, monkeypatch: pytest.MonkeyPatch, jobs: str
) -> None:
    """The oldest goes first: what stopped at it would never come to the newer ones."""
    for name in ("s1", "s2", "s3", "s4"):
        Pen(projects / f"{name}.jsonl").turn(1)
    sync = Syncer.sync

    def stumble(self: Syncer, source: Source, located: Located, **more: Any) -> SyncOutcome:
        if located.session_id == "s1":
            raise KeyError("the user's own words")
        return sync(self, source, located, **more)

    monkeypatch.setattr(Syncer, "sync", stumble)
    ran = run("sync", "--jobs", jobs)
    assert ran.returncode == 1
    assert sessions_in(ours) == {"s2", "s3", "s4"}
    assert "A bug of opensync-hooks" in ran.stderr
    assert "words" not in ran.stderr + ran.stdout
