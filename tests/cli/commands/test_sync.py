"""`sync` delivers the selected sessions, prints what became of them, and changes nothing else."""

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
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.cli.commands.progress import Progress
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.model import Session
from tests.commandline import (
    DATA,
    FIRST,
    KEY,
    NOBODY_LISTENS,
    ROOT,
    WITH_SUBAGENTS,
    Completed,
    run,
    stored_ids,
    stored_rows,
    terminal,
    tree,
)
from tests.opensync import real_opensync
from tests.transcripts import TranscriptWriter

SECRET = "ghp_" + "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5"


def json_lines(ran: Completed) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_second_sync_sends_nothing(recorded: int, ours: Path) -> None:
    first = run("sync", "-v")
    assert (first.returncode, first.stderr) == (0, "")
    lines = first.stdout.splitlines()
    assert lines[-1] == f"{recorded} sessions synced to embedded store, 0 up to date."
    assert len(lines) == recorded + 1
    assert any(
        line.startswith(f"{FIRST}: 8 messages sent to embedded store, 0 unchanged  play:basic")
        for line in lines
    )
    assert any(line.startswith(WITH_SUBAGENTS) and "2 subagents" in line for line in lines)
    before = stored_rows(ours)
    second = run("sync")
    assert second.returncode == 0
    assert second.stdout == f"0 sessions synced to embedded store, {recorded} up to date.\n"
    assert stored_rows(ours) == before


def test_only_the_session_that_changed_is_synced_again(recorded: int, projects: Path) -> None:
    writer = TranscriptWriter(projects / "own.jsonl")
    writer.turn(1)
    run("sync")
    writer.turn(2)
    line, total = run("sync", "--verbose").stdout.splitlines()
    assert line == "own: 2 messages sent to embedded store, 2 unchanged  prompt 1"
    assert total == f"1 session synced to embedded store, {recorded} up to date."


def test_all_compares_again_and_force_sends_again(recorded: int, ours: Path) -> None:
    run("sync")
    run("config", "set", "undone", "false")
    run("sync", "--all")  # a fork that came before its original learns what it copied
    before = stored_rows(ours)
    run("config", "set", "undone", "true")
    compared = run("sync", "--all", "-v")
    assert compared.stdout.count(" 0 messages sent") == recorded
    assert stored_rows(ours) == before
    forced = run("sync", "--force", FIRST)
    assert forced.stdout.startswith(f"{FIRST}: 8 messages sent to embedded store, 0 unchanged")
    assert len(stored_rows(ours)) == len(before)


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("by_path", [False, True], ids=["id", "path"])
def test_named_session_is_the_only_one_that_is_synced(
    ours: Path, projects: Path, by_path: bool
) -> None:
    ran = run("sync", str(projects / f"{FIRST}.jsonl") if by_path else FIRST)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"{FIRST}: 8 messages sent to embedded store, 0 unchanged")
    assert len(ran.stdout.splitlines()) == 1
    assert stored_ids(ours) == {FIRST}


def test_transcript_outside_the_agents_folder_is_synced_by_path(tmp_path: Path, ours: Path) -> None:
    copy = shutil.copy(DATA / "01-print-tools-resume" / f"{FIRST}.jsonl", tmp_path / "copy.jsonl")
    assert run("sync", str(copy)).returncode == 0
    assert stored_ids(ours) == {"copy"}


def test_unknown_session_is_a_usage_error_that_explains_ids() -> None:
    ran = run("sync", "nope")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        "nope: no session has this id, and no transcript this path.\n"
        "hint: The id is the transcript's file name; `opensync-hooks sync` takes all sessions.\n"
    )


def test_limit_takes_the_newest(recorded: int, ours: Path, projects: Path) -> None:
    assert recorded > 2
    for age, path in enumerate(sorted(projects.glob("*.jsonl"))):
        for file in (path, *path.with_suffix("").rglob("*")):
            os.utime(file, (1_000_000 - age, 1_000_000 - age))
    assert run("sync", "--limit", "1").returncode == 0
    assert stored_ids(ours) == {FIRST}


@pytest.mark.parametrize("limit", ["-1", "x", "1.5", ""])
def test_invalid_limit_is_a_usage_error(limit: str) -> None:
    assert run("sync", "--limit", limit).returncode == 2


@pytest.mark.usefixtures("recorded")
def test_dry_run_shows_what_would_be_sent_and_changes_nothing(tmp_path: Path, ours: Path) -> None:
    before = tree(tmp_path)
    ran = run("sync", "--dry-run")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.search(rf"{FIRST}  8 messages, 18 parts, \d\.\d KB  play:basic", ran.stdout)
    assert f"{WITH_SUBAGENTS}:agent-" in ran.stdout
    assert tree(tmp_path) == before
    assert not ours.exists()


def test_sync_without_sessions_succeeds() -> None:
    ran = run("sync")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "0 sessions synced to embedded store, 0 up to date.\n"


def test_unreadable_session_fails_alone(recorded: int, projects: Path) -> None:
    (projects / "linked.jsonl").symlink_to("/etc/passwd")
    ran = run("sync")
    assert ran.returncode == 1
    assert "linked.jsonl" in ran.stderr
    assert f"{recorded} sessions synced to embedded store" in ran.stdout
    dry = run("sync", "--dry-run")
    assert dry.returncode == 1
    assert dry.stdout == f"Nothing to send to embedded store; {recorded} up to date.\n"
    assert "linked.jsonl" in dry.stderr


def test_session_without_a_message_is_read_once(projects: Path) -> None:
    TranscriptWriter(projects / "empty.jsonl")
    assert "0 sessions synced to embedded store, 0 up to date" in run("sync").stdout
    assert "0 sessions synced to embedded store, 1 up to date" in run("sync").stdout


def test_session_without_a_message_does_not_count_as_synced(projects: Path) -> None:
    TranscriptWriter(projects / "empty.jsonl")
    (row,) = json_lines(run("sync", "--json"))
    assert (row["state"], row["sessions"]) == ("empty", 0)
    agents = json.loads(run("status", "--json").stdout)["agents"]
    assert {agent["agent"]: agent["synced"] for agent in agents}["claude-code"] == 0


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["sync", "dry run"])
def test_title_neither_steers_the_terminal_nor_ends_the_run(
    projects: Path, encoding: str, options: tuple[str, ...]
) -> None:
    TranscriptWriter(projects / "a.jsonl").line("user", "\x1b[31mred\x07 \ud83d half 日本")
    TranscriptWriter(projects / "b.jsonl").line("user", "the other one")
    ran = run("sync", *(options or ("-v",)), PYTHONIOENCODING=encoding)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "\x1b" not in ran.stdout
    assert "half" in ran.stdout
    assert "the other one" in ran.stdout


@pytest.mark.usefixtures("recorded")
def test_thinking_is_stored_only_if_it_is_enabled(ours: Path) -> None:
    thought = "I should look around first."
    run("sync", FIRST)
    assert thought not in str(stored_rows(ours))
    run("sync", FIRST, OPENSYNC_HOOKS_THINKING="1")
    assert thought in str(stored_rows(ours))


# ---- dry run -------------------------------------------------------------------------------------


def test_dry_run_lists_only_what_would_be_sent(recorded: int, ours: Path, projects: Path) -> None:
    run("sync")
    assert run("sync", "--dry-run").stdout == (
        f"Nothing to send to embedded store; {recorded} up to date.\n"
    )
    writer = TranscriptWriter(projects / "own.jsonl")
    writer.turn(1)
    run("sync", "own")
    before = stored_rows(ours)
    writer.turn(2)
    writer.line("user", f"the key is {SECRET}, and again {SECRET}")
    line, total = run("sync", "--dry-run").stdout.splitlines()
    match = re.fullmatch(r"own  3 messages, 3 parts, (\d+) bytes, 2 redactions \((.*)\)  .*", line)
    assert match
    assert match[2] == "2 github-token"
    assert int(match[1]) > 100
    assert total.startswith("1 session to send to embedded store: 3 messages, 3 parts, ")
    assert total.endswith(f"{recorded} up to date.")
    assert stored_rows(ours) == before


def test_dry_run_plans_what_sync_then_sends(recorded: int) -> None:
    """Session by session, for a first delivery, for none, and with force."""
    for options in ((), ("--all",), ("--force",)):
        planned = json_lines(run("sync", *options, "--dry-run", "--json"))
        sent = sum(row["sent"] for row in json_lines(run("sync", *options, "--json")))
        assert sum(row["messages"] for row in planned) == sent
        assert (sent == 0) == (options == ("--all",))
    assert recorded


def test_dry_run_does_not_contact_the_destination(
    recorded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recorded
    monkeypatch.setenv("OPENSYNC_URL", NOBODY_LISTENS)
    monkeypatch.setenv("OPENSYNC_API_KEY", KEY)
    ran = run("sync", FIRST, "--dry-run")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"1 session to send to {NOBODY_LISTENS}" in ran.stdout


def test_dry_run_names_requests_time_and_function_calls(
    recorded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recorded
    monkeypatch.setenv("OPENSYNC_URL", NOBODY_LISTENS)
    monkeypatch.setenv("OPENSYNC_API_KEY", KEY)
    ran = run("sync", FIRST, "--dry-run")
    # Eight messages, two posts of the session, and the look at what is there.
    assert ran.stdout.splitlines()[-1] == (
        "That takes 11 requests and about 40 Convex function calls: about 1 minute with 1 at once,"
        " at 0.2 s each."
    )


def test_all_reads_unchanged_sessions_only_after_a_changed_setting(
    recorded: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("sync")
    reads: list[str] = []
    original = ClaudeCodeSource.resume

    def resume(
        self: ClaudeCodeSource, located: Located, *arguments: Any, **options: Any
    ) -> Iterator[Session]:
        reads.append(located.session_id)
        return original(self, located, *arguments, **options)

    monkeypatch.setattr(ClaudeCodeSource, "resume", resume)
    assert f"{recorded} up to date" in run("sync", "--all").stdout
    assert reads == []
    run("config", "set", "thinking", "true")
    run("sync", "--all")
    assert len(reads) == recorded
    run("sync", "--all")
    assert len(reads) == recorded


# ---- selection -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "expected"),
    [("7d", {"new"}), ("3w", {"new", "old"}), ("12h", set()), ("30m", set())],
)
def test_since_takes_sessions_that_changed_later(
    projects: Path, since: str, expected: set[str], ours: Path
) -> None:
    for name, days in (("new", 2), ("old", 20)):
        writer = TranscriptWriter(projects / f"{name}.jsonl")
        writer.turn(1)
        os.utime(writer.path, (time.time() - days * 86_400,) * 2)
    assert run("sync", "--since", since).returncode == 0
    assert (stored_ids(ours) if expected else set()) == expected
    day = datetime.fromtimestamp(time.time() - 5 * 86_400, UTC).date().isoformat()
    assert "1 session synced" in run("sync", "--force", "--since", day).stdout


@pytest.mark.parametrize("since", ["7", "d", "7y", "2026-13-01", "-1d", ""])
def test_invalid_since_is_a_usage_error(since: str) -> None:
    ran = run("sync", f"--since={since}")
    assert ran.returncode == 2
    assert "neither a span such as 7d nor a date" in ran.stderr


# ---- jobs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["0", "9", "x", "-1"])
def test_number_of_jobs_out_of_range_is_a_usage_error(jobs: str) -> None:
    ran = run("sync", f"--jobs={jobs}")
    assert ran.returncode == 2
    assert "from 1 to 8" in ran.stderr


@pytest.mark.parametrize("to", ["embedded", "OpenSync"])
def test_parallel_jobs_deliver_every_session_once(projects: Path, tmp_path: Path, to: str) -> None:
    for number in range(12):
        writer = TranscriptWriter(projects / f"s{number}.jsonl", began=1_767_225_600 + number)
        for turn in range(3):
            writer.turn(turn)
        os.utime(writer.path, (1_767_225_600 + number,) * 2)
    threads: list[int] = []
    with real_opensync(tmp_path, on_request=lambda *_: threads.append(sync_threads())) as (
        server,
        _,
        key,
    ):
        login = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key} if to == "OpenSync" else {}
        ran = run("sync", "--jobs", "4", **login)
        assert (ran.returncode, ran.stderr) == (0, "")
        destination = server.url if login else "embedded store"
        assert ran.stdout.endswith(f"12 sessions synced to {destination}, 0 up to date.\n")
        assert run("verify", "--all", **login).stdout == "12 of 12 sessions verified.\n"
        assert "0 sessions synced" in run("sync", "--jobs", "4", **login).stdout
    assert to == "embedded" or max(threads) > 1


def sync_threads() -> int:
    return sum(thread.name == "sync" for thread in threading.enumerate())


def test_refused_key_stops_all_jobs_and_is_printed_once(projects: Path, tmp_path: Path) -> None:
    for number in range(8):
        TranscriptWriter(projects / f"s{number}.jsonl").turn(1)
    with real_opensync(tmp_path) as (server, store, _):
        ran = run("sync", "--jobs", "3", OPENSYNC_URL=server.url, OPENSYNC_API_KEY=KEY)
        assert store.session_ids() == []
    assert ran.returncode == 5
    assert ran.stderr.count("the key is refused") == 1


# ---- Ctrl-C --------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_sync_continues_after_an_interruption(projects: Path, tmp_path: Path, jobs: str) -> None:
    """A real process and a real signal, somewhere in the middle; the second run completes it."""
    for number in range(6):
        writer = TranscriptWriter(projects / f"s{number}.jsonl")
        for turn in range(4):
            writer.turn(turn)
    reached = threading.Event()
    requests: list[str] = []

    def slowly(_: str, path: str, __: bytes) -> None:
        requests.append(path)
        if len(requests) > 15:
            reached.set()
            time.sleep(0.05)

    with real_opensync(tmp_path, on_request=slowly) as (server, store, key):
        login = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key}
        command = [sys.executable, "-m", "opensync_hooks", "sync", "--jobs", jobs]
        with subprocess.Popen(
            command,
            cwd=ROOT, env=os.environ | login, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        ) as syncing:  # fmt: skip
            assert reached.wait(300)
            syncing.send_signal(signal.SIGINT)
            _, error = syncing.communicate(timeout=300)
        assert syncing.returncode == 130
        assert re.search(r"Interrupted: \d sessions? done, \d left\.", error)
        assert "Run the same command again to continue." in error
        assert "Traceback" not in error
        assert 0 < store.stats()["messageCount"] < 48
        assert run("sync", **login).returncode == 0
        assert store.stats()["messageCount"] == 48
        assert run("verify", "--all", **login).stdout == "6 of 6 sessions verified.\n"


def test_sums_up_unless_asked_for_every_session(recorded: int, projects: Path) -> None:
    """A session that is not complete is named in any case."""
    (projects / "noise.jsonl").write_bytes(b"\x00\x01 noise\n")
    total = f"{recorded} sessions synced to embedded store, 0 up to date"
    line, last = run("sync").stdout.splitlines()
    assert line == "noise: nothing understood (1 unreadable line)"
    assert last == f"{total}, 1 not understood."
    ran = run("sync", "--force", "--quiet")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "")


# ---- output --------------------------------------------------------------------------------------


def test_progress_has_rate_and_time_left() -> None:
    progress = Progress(40)
    start = time.monotonic()
    for _ in range(10):
        progress.step()
    assert progress.text(start + 5.0) == "10 of 40 sessions, 2.0 a second, 15 seconds left"
    assert progress.text(start + 16.0) == "10 of 40 sessions, 0.0 a second", "none since"


def test_progress_counts_what_passes_at_once_only_while_it_does() -> None:
    progress = Progress(1000)
    start = time.monotonic()
    progress.step(900)
    assert progress.text(start + 1.0) == "900 of 1000 sessions", "too early for an estimate"
    for second in range(2, 13):
        progress.step()
        text = progress.text(start + second)
    assert text == "911 of 1000 sessions, 1.0 a second, 1 minute left"


@pytest.mark.usefixtures("recorded")
def test_progress_is_shown_only_on_a_terminal() -> None:
    with terminal() as (outer, inner):
        ran = subprocess.run(
            [sys.executable, "-m", "opensync_hooks", "sync"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=inner, timeout=300, check=False,
        )  # fmt: skip
        shown = os.read(outer, 1 << 16).decode()
    assert ran.returncode == 0
    assert re.search(r"1 of \d+ sessions", shown)
    assert shown.endswith("\r\x1b[K"), "and cleared at the end"


def test_json_has_one_line_per_session(recorded: int, projects: Path) -> None:
    (projects / "linked.jsonl").symlink_to("/etc/passwd")
    ran = run("sync", "--json")
    rows = json_lines(ran)
    assert ran.returncode == 1
    assert len(rows) == recorded + 1
    first = next(row for row in rows if row["session"] == FIRST)
    assert (first["agent"], first["state"], first["sent"]) == ("claude-code", "synced", 8)
    assert [row["state"] for row in rows].count("failed") == 1


def put_sessions_of_every_state(projects: Path) -> None:
    """Write one session that is whole, one that is damaged, two of an unknown form, and a shell."""
    TranscriptWriter(projects / "good.jsonl").turn(1)
    damaged = TranscriptWriter(projects / "damaged.jsonl")
    damaged.turn(1)
    damaged.write(b'{"type": "user", "uui\n')
    TranscriptWriter(projects / "later.jsonl").write(b'{"speaker": "human", "words": "hi"}\n' * 3)
    TranscriptWriter(projects / "noise.jsonl").write(b"\x00\x01\x02\n")
    TranscriptWriter(projects / "empty.jsonl")
    TranscriptWriter(projects / "closed.jsonl").write(b'{"type": "mode", "mode": "normal"}\n')


def test_session_that_is_not_whole_is_named_and_never_counts_as_synced(projects: Path) -> None:
    put_sessions_of_every_state(projects)
    first = run("sync")
    assert first.returncode == 1
    assert "later: nothing understood (3 line without a type)\n" in first.stdout
    assert "noise: nothing understood (1 unreadable line)\n" in first.stdout
    assert "0 unchanged, incomplete (1 unreadable line)  prompt 1\n" in first.stdout
    assert first.stdout.endswith(
        "1 session synced to embedded store, 0 up to date, 1 incomplete, 2 not understood.\n"
    )
    second = run("sync")
    assert (second.returncode, second.stderr) == (1, "")
    assert second.stdout == (
        "0 sessions synced to embedded store, 3 up to date, 1 incomplete, 2 not understood.\n"
    ), "nothing is read again, and nothing is forgotten"


def test_json_tells_the_state_of_each_session_and_what_was_skipped(projects: Path) -> None:
    put_sessions_of_every_state(projects)
    rows = {row["session"]: row for row in json_lines(run("sync", "--json"))}
    assert {session: (row["state"], row["skipped"]) for session, row in rows.items()} == {
        "good": ("synced", {}),
        "damaged": ("incomplete", {"unreadable line": 1}),
        "later": ("not understood", {"line without a type": 3}),
        "noise": ("not understood", {"unreadable line": 1}),
        "empty": ("empty", {}),
        "closed": ("empty", {}),
    }


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_bug_in_one_session_is_reported_and_the_others_are_synced(
    projects: Path, ours: Path, monkeypatch: pytest.MonkeyPatch, jobs: str
) -> None:
    """The bug is in the oldest session, which is the first: the newer ones must not starve."""
    for name in ("s1", "s2", "s3", "s4"):
        TranscriptWriter(projects / f"{name}.jsonl").turn(1)
    sync = Syncer.sync

    def broken(self: Syncer, source: Source, located: Located, **options: Any) -> SyncOutcome:
        if located.session_id == "s1":
            raise KeyError("the user's own words")
        return sync(self, source, located, **options)

    monkeypatch.setattr(Syncer, "sync", broken)
    ran = run("sync", "--jobs", jobs)
    assert ran.returncode == 1
    assert stored_ids(ours) == {"s2", "s3", "s4"}
    assert "A bug of opensync-hooks" in ran.stderr
    assert "words" not in ran.stderr + ran.stdout
