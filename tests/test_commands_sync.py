"""`sync` delivers what was asked for, says what came of it, and changes nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.commandline import DATA, FIRST, WITH_SUBAGENTS, run, sessions_in, stored, tree
from tests.transcripts import Pen


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
    assert total == f"1 sessions synced to embedded store, {recorded} were up to date."


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
    assert f"{FIRST}  8 messages, 18 parts  play:basic" in ran.stdout
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
    assert dry.returncode == 0
    assert FIRST in dry.stdout
    assert "linked.jsonl" in dry.stdout


def test_session_without_a_message_is_looked_through_once(projects: Path) -> None:
    Pen(projects / "empty.jsonl")
    assert "1 sessions synced" in run("sync").stdout
    assert "0 sessions synced to embedded store, 1 were up to date" in run("sync").stdout


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
