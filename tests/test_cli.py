"""The command says what it did, what went wrong and what to do, and its exit codes are kept."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks import __version__, cli, status
from opensync_hooks.ledger import Ledger
from opensync_hooks.spool import Spool
from opensync_hooks.store import Store
from tests.opensync import real_opensync
from tests.transcripts import Pen

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data" / "claude"
HOOK = ROOT / "hooks" / "claude_code.py"
FIRST = "00000001-0000-4000-8000-000000000001"
WITH_SUBAGENTS = "00000002-0000-4000-8000-000000000002"
KEY = "osk_ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
NOBODY_LISTENS = "http://127.0.0.1:1"

BUFFERED = {"PYTHONUNBUFFERED": ""}
"""Pipes are, unless the machine that tests says otherwise."""

Ran = subprocess.CompletedProcess[str]


def run(*arguments: str, said: str = "", **environ: str) -> Ran:
    return start("-m", "opensync_hooks", *arguments, said=said, **environ)


def by_hand(*arguments: str, said: str = "", **environ: str) -> Ran:
    return start(str(HOOK), *arguments, said=said, **environ)


def start(*command: str, said: str = "", python: str = sys.executable, **environ: str) -> Ran:
    return subprocess.run(
        [python, *command],
        cwd=ROOT, env={**os.environ, **BUFFERED, **environ}, input=said, capture_output=True,
        text=True, encoding="utf-8", timeout=30, check=False,
    )  # fmt: skip


@pytest.fixture
def ours() -> Path:
    return Path(os.environ["OPENSYNC_HOOKS_HOME"])


@pytest.fixture
def projects(home: Path) -> Path:
    return home / ".claude" / "projects" / "-x"


@pytest.fixture
def recorded(projects: Path) -> int:
    """The recorded sessions, where Claude Code keeps them; how many there are."""
    for folder in sorted(DATA.iterdir()):
        shutil.copytree(folder, projects, dirs_exist_ok=True)
    return len(list(projects.glob("*.jsonl")))


def stored(ours: Path) -> list[tuple[Any, ...]]:
    """Every row of the embedded store, with the time of its last change."""
    with closing(sqlite3.connect(ours / "store.db")) as db:
        sessions = db.execute("SELECT * FROM session ORDER BY id").fetchall()
        return sessions + db.execute("SELECT * FROM message ORDER BY id").fetchall()


def sessions_in(ours: Path) -> set[str]:
    with closing(sqlite3.connect(ours / "store.db")) as db:
        return {one for (one,) in db.execute("SELECT externalId FROM session")}


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


# ---- sync ----------------------------------------------------------------------------------------


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


# ---- status --------------------------------------------------------------------------------------


def test_status_of_a_new_user_names_the_store_and_the_next_steps(ours: Path) -> None:
    ran = run("status")
    assert (ran.returncode, ran.stderr) == (0, "")
    destination, *others = ran.stdout.splitlines()
    assert destination.startswith(f"Destination:       embedded store ({ours}/store.db)")
    assert "`opensync-hooks login` sends to your OpenSync" in destination
    assert others[:5] == [
        "Connected:         yes",
        "Sessions synced:   0 (0 messages)",
        "Last sync:         never",
        "Waiting:           nothing",
        "Thinking:          stays here",
    ]
    assert "Claude Code hooks: agent not found" in others


@pytest.mark.usefixtures("recorded")
def test_status_counts_what_arrived_and_what_waits(ours: Path) -> None:
    run("sync", FIRST)
    spool = Spool(ours / "spool")
    (ours / "spool" / "1-1.claude-code.event").write_bytes(b"\n{}")
    with Ledger(ours / "ledger.db") as ledger:
        ledger.note("last error", "the server was away")
        ledger.account("embedded store", "claude-code", "s").write("m", "h", "parked", "too large")
    said = run("status", OPENSYNC_HOOKS_THINKING="1").stdout
    assert "Sessions synced:   1 (8 messages)" in said
    assert "Waiting:           1 job\n" in said
    assert "Thinking:          sent" in said
    assert "Set aside:         1 that the destination refuses for good" in said
    assert "Last error:        the server was away (just now)" in said
    assert "Claude Code hooks: not registered: run install.py" in said
    assert spool.waiting() == 1


@pytest.mark.usefixtures("recorded")
def test_status_for_machines_is_one_json_object() -> None:
    run("sync", FIRST)
    found = json.loads(run("status", "--json").stdout)
    agents = {agent["agent"]: agent for agent in found.pop("agents")}
    assert agents["claude-code"] == {
        "agent": "claude-code", "label": "Claude Code", "found": True, "registered": False,
        "problem": None, "on_disk": 9, "unsynced": 8,
    }  # fmt: skip
    assert isinstance(found.pop("last_sync"), int)
    assert found == {
        "destination": "embedded store", "key": None, "reachable": True, "authorised": True,
        "sessions": 1, "messages": 8, "waiting": 0, "parked": 0, "last_error": None,
        "last_error_at": None, "unpriced": [], "thinking": False,
        "redact": True, "file_contents": False, "excluded": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("ms", "words"),
    [(0, "just now"), (1_500, "1 second ago"), (59_000, "59 seconds ago"), (60_000, "1 minute ago"),
     (7_200_000, "2 hours ago"), (86_400_000, "1 day ago"), (-5_000, "just now")],
)  # fmt: skip
def test_times_are_told_in_words(monkeypatch: pytest.MonkeyPatch, ms: int, words: str) -> None:
    monkeypatch.setattr(status, "_now", lambda: 10**12)
    assert status.ago(10**12 - ms) == words
    assert status.ago(None) == "never"


def test_version_is_told() -> None:
    ran = run("version")
    assert (ran.returncode, ran.stdout) == (0, f"opensync-hooks {__version__}\n")


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("sync", "--agent", "nobody")])
def test_unknown_command_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    ran = run(*arguments)
    assert ran.returncode == 2
    assert "usage: opensync-hooks" in ran.stderr


# ---- login and logout ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said", "complaint"),
    [
        ((), "", "login: no URL given."),
        (("--url", "x"), KEY, "This is not a URL."),
        (("--url", KEY), "", "This is not a URL."),
        (("--url", "http://x.convex.site"), KEY, "the key would travel unencrypted"),
        (("--url", "https://x.convex.site"), KEY, "login: no key given."),
        (("--url", "https://x.convex.site", "--api-key-stdin"), "", "not an OpenSync key"),
        (("--url", "https://x.convex.site", "--api-key-stdin"), "sk-123\n", "not an OpenSync key"),
    ],
    ids=["no URL", "no real URL", "key for a URL", "http", "no key", "empty key", "other key"],
)
def test_login_that_cannot_be_says_what_is_missing(
    ours: Path, arguments: tuple[str, ...], said: str, complaint: str
) -> None:
    ran = run("login", *arguments, said=said)
    assert ran.returncode == 2
    assert complaint in ran.stderr
    assert "hint: " in ran.stderr
    assert KEY not in ran.stderr + ran.stdout
    assert not ours.exists()


def test_logout_without_a_login_is_no_failure(ours: Path) -> None:
    ran = run("logout")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == "There was no login. Sessions go to the embedded store.\n"
    assert not (ours / "config.toml").exists()


@pytest.mark.usefixtures("recorded")
def test_login_sends_sessions_to_the_users_opensync_until_logout(
    tmp_path: Path, ours: Path
) -> None:
    asked: list[str] = []
    with real_opensync(tmp_path, on_request=lambda _, path, __: asked.append(path)) as (
        server,
        store,
        key,
    ):
        logged_in = run("login", "--url", f"{server.url}/", "--api-key-stdin", said=f"{key}\n")
        assert (logged_in.returncode, logged_in.stderr) == (0, "")
        assert f"sessions go to {server.url} from now on" in logged_in.stdout
        synced = run("sync", FIRST)
        assert synced.stdout.startswith(f"{FIRST}: 8 messages sent to {server.url}")
        assert [one["externalId"] for one in store.sessions(9)] == [FIRST]
        found = json.loads(run("status", "--json").stdout)
        asked.clear()
        assert run("sync", FIRST).returncode == 0
        assert asked == []
        assert run("logout").returncode == 0
    assert (found["destination"], found["reachable"], found["authorised"], found["sessions"]) == (
        server.url, True, True, 1,
    )  # fmt: skip
    assert key not in str(found) + logged_in.stdout + synced.stdout
    assert key not in (ours / "config.toml").read_text()
    assert json.loads(run("status", "--json").stdout)["destination"] == "embedded store"


@pytest.mark.usefixtures("recorded")
def test_refused_key_is_told_by_login_sync_and_status(tmp_path: Path, ours: Path) -> None:
    with real_opensync(tmp_path) as (server, _, __):
        logged_in = run("login", "--url", server.url, "--api-key-stdin", said=KEY)
        assert not (ours / "config.toml").exists()
        given = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": KEY}
        synced, told = run("sync", **given), run("status", **given)
    assert (logged_in.returncode, synced.returncode, told.returncode) == (5, 5, 0)
    assert "the key is refused" in logged_in.stderr
    assert "run `opensync-hooks login`" in synced.stderr.partition("hint: ")[2]
    assert "Connected:         no, the key is refused" in told.stdout
    assert KEY not in logged_in.stderr + synced.stderr + told.stdout


# ---- what cannot be ------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["status", "sync"])
@pytest.mark.parametrize(
    ("content", "complaint", "hint"),
    [
        ("url = [", "not valid TOML", "Correct it"),
        ('url = "x"\napi_key = "osk_x"', "This is not a URL", "It looks like"),
        ('url = "https://x.convex.site"', "no API key is known", "opensync-hooks login"),
        ("# open to all", "other users can read it", "chmod 600"),
    ],
    ids=["no TOML", "no URL", "no key", "open to others"],
)
def test_settings_that_cannot_be_used_end_every_command_with_4(
    ours: Path, command: str, content: str, complaint: str, hint: str
) -> None:
    ours.mkdir()
    (ours / "config.toml").write_text(content)
    (ours / "config.toml").chmod(0o644 if "open" in content else 0o600)
    ran = run(command)
    assert (ran.returncode, ran.stdout) == (4, "")
    first, second = ran.stderr.splitlines()
    assert complaint in first
    assert str(ours / "config.toml") in first or complaint == "no API key is known"
    assert second.startswith("hint: ")
    assert hint in second


@pytest.mark.usefixtures("recorded")
def test_named_session_is_queued_where_nobody_answers(ours: Path, home: Path) -> None:
    """With the folder that the user's own shell knows: the next worker may not know it."""
    shutil.move(home / ".claude", home / "moved")
    elsewhere = {"CLAUDE_CONFIG_DIR": str(home / "moved")}
    given = {"OPENSYNC_URL": NOBODY_LISTENS, "OPENSYNC_API_KEY": KEY}
    ran = run("sync", FIRST, **given, **elsewhere)
    assert (ran.returncode, ran.stdout) == (6, "")
    assert f"{NOBODY_LISTENS}: cannot be reached" in ran.stderr
    assert "Queued: the next hook or `opensync-hooks sync` delivers it." in ran.stderr
    (job,) = Spool(ours / "spool").jobs()
    assert (job.trigger.session_id, job.environ) == (FIRST, elsewhere)
    later = run("sync")
    assert later.stdout.startswith(f"{FIRST}: 8 messages sent to embedded store")
    assert Spool(ours / "spool").waiting() == 0
    assert sessions_in(ours) == {FIRST}


def test_transcript_that_no_hook_would_find_is_not_said_to_be_queued(
    tmp_path: Path, ours: Path
) -> None:
    copy = shutil.copy(DATA / "01-print-tools-resume" / f"{FIRST}.jsonl", tmp_path / "copy.jsonl")
    given = {"OPENSYNC_URL": NOBODY_LISTENS, "OPENSYNC_API_KEY": KEY}
    ran = run("sync", str(copy), **given)
    assert ran.returncode == 6
    assert "run this again" in ran.stderr
    assert Spool(ours / "spool").waiting() == 0


@pytest.mark.parametrize(
    ("plant", "command"), [("spool", "status"), ("ledger.db", "status"), ("ledger.db", "sync")]
)
def test_obstacle_in_our_folder_is_named(ours: Path, plant: str, command: str) -> None:
    ours.mkdir()
    (ours / plant).symlink_to("/nowhere")
    ran = run(command)
    assert ran.returncode == 1
    first, second = ran.stderr.splitlines()
    assert str(ours / plant) in first
    assert second.startswith("hint: ")


def test_bug_has_an_exit_code_of_its_own_and_repeats_no_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("a private message")

    monkeypatch.setattr(status, "gather", broken)
    monkeypatch.setattr(os, "umask", lambda _: 0o022)  # or it would hold for the tests after
    assert cli.main(["status"]) == 3
    assert "private" not in capsys.readouterr().err


def test_reader_that_goes_away_early_gets_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        ran = subprocess.run(
            [sys.executable, "-m", "opensync_hooks", "status"],
            cwd=ROOT, env={**os.environ, **BUFFERED}, stdout=closed, stderr=subprocess.PIPE,
            text=True, timeout=30, check=False,
        )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (1, "")


def test_served_store_answers_until_it_is_interrupted(ours: Path) -> None:
    command = [sys.executable, "-m", "opensync_hooks", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **BUFFERED},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as serving:  # fmt: skip
        watch = threading.Timer(20, serving.kill)
        watch.start()
        assert serving.stdout
        said = serving.stdout.readline()
        url = said.split()[5].rstrip(";") if said else "http://127.0.0.1:1"
        with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:  # noqa: S310 - loopback
            assert json.load(answer)["status"] == "ok"
        serving.send_signal(signal.SIGINT)
        _, complaint = serving.communicate(timeout=10)
        watch.cancel()
    assert serving.returncode == 130
    assert "Interrupted" in complaint
    assert "key = " in (ours / "config.toml").read_text()
    with Store(ours / "store.db") as store:
        assert list(store.sessions(9)) == []


# ---- a terminal ----------------------------------------------------------------------------------


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    outer, inner = pty.openpty()
    try:
        yield outer, inner
    finally:
        os.close(outer)
        os.close(inner)


def test_script_without_an_argument_explains_itself_on_a_terminal() -> None:
    with terminal() as (_, stdin):
        ran = subprocess.run(
            [sys.executable, str(HOOK)],
            stdin=stdin, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("claude_code.py is what claude-code runs at the end of a turn")
    assert "python claude_code.py SESSION_ID" in ran.stdout
    assert ran.stdout.endswith("opensync-hooks status\n")


def test_end_of_input_at_a_question_is_an_interruption() -> None:
    with terminal() as (keyboard, stdin):
        os.write(keyboard, b"\x04")
        ran = subprocess.run(
            [sys.executable, "-m", "opensync_hooks", "login"],
            cwd=ROOT, stdin=stdin, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert ran.returncode == 130
    assert "Interrupted" in ran.stderr
    assert "Traceback" not in ran.stderr


# ---- the hook's script by hand -------------------------------------------------------------------


@pytest.mark.usefixtures("recorded")
def test_script_with_a_session_syncs_it_and_says_so_in_one_line(ours: Path) -> None:
    ran = by_hand(FIRST)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(ran.stdout.splitlines()) == 1
    assert ran.stdout.startswith(f"{FIRST}: 8 messages sent to embedded store, 0 unchanged")
    assert sessions_in(ours) == {FIRST}


@pytest.mark.usefixtures("recorded")
def test_script_has_the_exit_codes_and_options_of_the_command(ours: Path) -> None:
    dry = by_hand(FIRST, "--dry-run")
    assert (dry.returncode, ours.exists()) == (0, False)
    assert dry.stdout.startswith(f"{FIRST}  8 messages, 18 parts")
    unknown = by_hand("nope")
    assert unknown.returncode == 2
    assert "hint: " in unknown.stderr
    assert by_hand("nope", OPENSYNC_URL="x", OPENSYNC_API_KEY=KEY).returncode == 4


def _bare_python() -> str:
    """A Python that has none of our packages."""
    system = "/usr/bin/python3"
    fits = "import sys; sys.exit(sys.version_info < (3, 11))"
    if Path(system).exists() and not start("-I", "-S", "-c", fits, python=system).returncode:
        return system
    return sys.executable


def test_python_without_our_packages_says_what_to_run(ours: Path) -> None:
    python = _bare_python()
    ran = start("-I", "-S", str(HOOK), FIRST, python=python)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        f"{python}: the packages filelock, requests, tomli_w are not installed for this Python.\n"
        "hint: run `python install.py` once, in the folder above this script.\n"
    )
    assert not ours.exists()


@pytest.mark.usefixtures("recorded")
def test_python_without_our_packages_hands_over_to_the_one_that_has_them(ours: Path) -> None:
    private = ours / "env" / "bin" / "python"
    private.parent.mkdir(parents=True)
    private.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    private.chmod(0o700)
    ran = start("-I", "-S", str(HOOK), FIRST, python=_bare_python())
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"{FIRST}: 8 messages sent")


@pytest.mark.usefixtures("recorded")
def test_hook_that_waits_returns_when_the_session_has_arrived(ours: Path, projects: Path) -> None:
    payload = {
        "session_id": FIRST,
        "transcript_path": str(projects / f"{FIRST}.jsonl"),
        "hook_event_name": "SessionEnd",
        "reason": "clear",
    }
    ran = by_hand("--wait", said=json.dumps(payload))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert sessions_in(ours) == {FIRST}
    assert Spool(ours / "spool").waiting() == 0


@pytest.mark.parametrize("said", ["", "{}", "garbage", '{"session_id": "nope"}'])
def test_hook_that_waits_is_silent_where_there_is_nothing(said: str) -> None:
    ran = by_hand("--wait", said=said)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_hook_that_waits_never_troubles_the_agent(ours: Path) -> None:
    ours.mkdir()
    (ours / "spool").touch()
    ran = by_hand("--wait", said=json.dumps({"session_id": FIRST, "hook_event_name": "Stop"}))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
