"""`doctor` finds what keeps sessions from arriving; its bug report holds no secret."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opensync_hooks.agents import registry
from opensync_hooks.agents.claude_code.registration import ClaudeCodeRegistration
from opensync_hooks.agents.cursor.registration import CursorRegistration
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.agents.settings_files.registration import Registration
from opensync_hooks.cli.doctor import agents, hooks, network, queue, storage
from opensync_hooks.cli.doctor.bundle import Anonymizer
from opensync_hooks.cli.doctor.checks import run_checks
from opensync_hooks.cli.doctor.finding import Finding
from opensync_hooks.config import Folders, load
from opensync_hooks.ledger.ledger import Ledger
from tests.commandline import FIRST, KEY, NOBODY_LISTENS, ROOT, run, run_python, terminal
from tests.opensync import FakeClock, real_opensync
from tests.transcripts import TranscriptWriter

CANARY = "CanaryOfContent"
CHECKS = (
    *("settings", "Claude Code hooks", "Kilo Code hooks", "OpenCode hooks", "Cursor hooks"),
    "double hooks",
    *("permissions", "disk", "ledger", "embedded store", "queue", "secrets"),
    *("destination", "network", "cooldown", "quarantine", "reading", "prices"),
    *("last error", "retention"),
)


@pytest.fixture(autouse=True)
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Free bytes on the disk, whatever the machine has that runs the tests."""
    free = {"bytes": 50 << 30}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free["bytes"]))
    return free


def findings(state: str | None = None) -> dict[str, Finding]:
    return {finding.check: finding for finding in run_checks() if state in (None, finding.state)}


def register(agent: Registration, python: str = sys.executable) -> Path:
    """Our hook in the agent's settings, as the installer puts it."""
    path = agent.settings_path(os.environ.get)
    path.parent.mkdir(parents=True, exist_ok=True)
    change = agent.plan(os.environ.get, hook(agent, python))
    assert change
    assert change.after
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(change.after)
    return path


def hook(agent: Registration, python: str = sys.executable) -> str:
    return hook_command(Path(python), ROOT / "hooks" / agent.script)


def test_folder_in_place_of_the_workers_lock_is_named(ours: Path) -> None:
    (ours / "spool" / "worker.lock").mkdir(parents=True)
    assert "worker.lock: not a file, so no worker can start" in run("doctor").stdout


def test_new_machine_passes_every_check_and_nothing_is_created(ours: Path, home: Path) -> None:
    ran = run("doctor")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert [line[8:29].rstrip(" ").split(":")[0] for line in lines] == list(CHECKS)
    assert all(line.startswith("ok ") for line in lines)
    assert list(home.iterdir()) == []
    assert not (ours / "config.toml").exists()


@pytest.mark.usefixtures("recorded")
def test_installed_and_synced_machine_passes_every_check(monkeypatch: pytest.MonkeyPatch) -> None:
    for agent in registry.AGENTS:
        register(agent.registration)
    run("sync")
    assert findings("failed") == findings("warning") == {}
    document = json.loads(run("doctor", "--json").stdout)
    assert document["failed"] == 0
    assert {check["state"] for check in document["checks"]} == {"ok"}
    assert any(check["check"] == "Claude Code version" for check in document["checks"])
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("doctor").stdout


# ---- faults --------------------------------------------------------------------------------------


def gone_python(_: Path) -> tuple[str, str]:
    register(ClaudeCodeRegistration(), "/nowhere/python3")
    return "Claude Code hooks", "/nowhere/python3"


def dead_python(ours: Path) -> tuple[str, str]:
    ours.mkdir(exist_ok=True)
    dead = ours / "python3"
    dead.write_text("#!/bin/sh\nexit 3\n")
    dead.chmod(0o700)
    register(ClaudeCodeRegistration(), str(dead))
    return "Claude Code hooks", "the hook's Python is older than 3.11, or broken"


def no_hooks(_: Path) -> tuple[str, str]:
    register(ClaudeCodeRegistration()).write_text("{}")
    return "Claude Code hooks", "our hook for Stop, SessionEnd is missing"


def broken_settings(_: Path) -> tuple[str, str]:
    register(ClaudeCodeRegistration()).write_text("{,}")
    return "Claude Code hooks", "not valid JSON"


def all_disabled(_: Path) -> tuple[str, str]:
    path = register(ClaudeCodeRegistration())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"disableAllHooks": True}))
    return "Claude Code hooks", "disableAllHooks is on"


def against_cursors_rules(_: Path) -> tuple[str, str]:
    path = register(CursorRegistration())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 0}))
    return "Cursor hooks", '"version" is not a positive whole number'


def npm_plugin_too(_: Path) -> tuple[str, str]:
    path = register(ClaudeCodeRegistration())
    settings = json.loads(path.read_text())
    other = {"type": "command", "command": "claude-code-sync hook Stop"}
    settings["hooks"]["Stop"].append({"hooks": [other]})
    path.write_text(json.dumps(settings))
    return "Claude Code double", "claude-code-sync is still registered"


def open_to_all(ours: Path) -> tuple[str, str]:
    run("sync")
    (ours / "ledger.db").chmod(0o644)
    return "permissions", "ledger.db: other users can read it"


def damaged_ledger(ours: Path) -> tuple[str, str]:
    ours.mkdir(exist_ok=True)
    (ours / "ledger.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    return "ledger", "ledger.db: damaged"


def damaged_store(ours: Path) -> tuple[str, str]:
    run("sync")
    with closing(sqlite3.connect(ours / "store.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("PRAGMA journal_mode = DELETE")
    content = (ours / "store.db").read_bytes()
    (ours / "store.db").write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    return "embedded store", "store.db: damaged"


def old_queue(ours: Path) -> tuple[str, str]:
    event = ours / "spool" / "1-1.claude-code.event"
    event.parent.mkdir(parents=True)
    event.write_bytes(b"\n{}")
    os.utime(event, (time.time() - 100_000,) * 2)
    return "queue", "1 job waiting, the oldest from 1 day ago"


def unusable_settings(ours: Path) -> tuple[str, str]:
    ours.mkdir(exist_ok=True)
    (ours / "config.toml").write_text("url = [")
    (ours / "config.toml").chmod(0o600)
    return "settings", "not valid TOML"


def soon_deleted(home: Path) -> tuple[str, str]:
    writer = TranscriptWriter(home / ".claude" / "projects" / "-x" / "old.jsonl")
    writer.turn(1)
    os.utime(writer.path, (time.time() - 25 * 86_400,) * 2)
    return "retention", "Claude Code deletes 1 unsynced session within 7 days"


def ancient_agent(home: Path) -> tuple[str, str]:
    writer = TranscriptWriter(home / ".claude" / "projects" / "-x" / "old.jsonl")
    writer.line("user", "hello", version="1.0.31")
    run("sync")
    return "Claude Code version", "1.0.31 does not run our hooks"


FAULTS = (
    *(gone_python, dead_python, no_hooks, broken_settings, all_disabled, against_cursors_rules),
    *(npm_plugin_too, open_to_all, damaged_ledger, damaged_store, old_queue, unusable_settings),
    *(soon_deleted, ancient_agent),
)


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_fault_is_reported_with_its_cure_on_one_line(fault: Any, ours: Path, home: Path) -> None:
    check, fact = fault(home if fault in {soon_deleted, ancient_agent} else ours)
    ran = run("doctor")
    assert ran.returncode == 1
    (line,) = [line for line in ran.stdout.splitlines() if line[8:].startswith(f"{check}:")]
    assert line.startswith("failed")
    assert fact in line
    finding = findings("failed")[check]  # also the second time, as looking repairs nothing
    assert finding.cure, "each fault has a cure"
    assert finding.cure in line


def test_what_was_not_understood_is_a_warning_with_the_agents_version(projects: Path) -> None:
    new = TranscriptWriter(projects / "new.jsonl")
    new.line("user", "hello", version="9.1.4")
    new.write(b'{"type": "banner"}\n' * 2)
    TranscriptWriter(projects / "later.jsonl").write(b'{"speaker": "human"}\n')
    run("sync")
    findings = [finding for finding in run_checks() if finding.check == "reading"]
    warnings = [finding for finding in findings if finding.state == "warning"]
    assert [(finding.state, finding.fact) for finding in warnings] == [
        ("warning", "1 session with content, but no message: later."),
        ("warning", "Claude Code 9.1.4 wrote what was not understood: line of type banner (2)."),
        ("warning", "Claude Code wrote what was not understood: line without a type (1)."),
    ]
    assert all("newer opensync-hooks" in finding.cure for finding in warnings)


def test_unknown_setting_is_a_warning(ours: Path) -> None:
    assert findings("warning").get("settings") is None
    ours.mkdir(exist_ok=True)
    (ours / "config.toml").write_text("[privcy]\nexclude = ['*']\n")
    (ours / "config.toml").chmod(0o600)
    assert "`privcy` is not a setting" in findings("warning")["settings"].fact


def test_retention_follows_claude_codes_own_setting(home: Path) -> None:
    _, fact = soon_deleted(home)
    settings = home / ".claude" / "settings.json"
    settings.write_text('{"cleanupPeriodDays": 90}')
    assert "for 90 days; 1 session not synced" in findings()["retention"].fact
    settings.write_text('{"cleanupPeriodDays": "x"}')
    assert fact in findings()["retention"].fact
    run("sync")
    assert findings()["retention"].state == "ok"


def test_file_that_a_worker_has_just_deleted_is_not_a_fault(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("sync")
    folders, gone = Folders.from_environ(os.environ), ours / "spool" / "1.event"
    monkeypatch.setattr(Path, "glob", lambda *_: iter([gone]))
    monkeypatch.setattr(os, "walk", lambda _: iter([(str(gone.parent), [], [gone.name])]))
    assert [finding.state for finding in queue.waiting(folders, None)] == ["ok"]
    assert [finding.state for finding in storage.permissions(folders)] == ["ok"]


def test_damaged_job_is_reported_even_if_nothing_else_is_waiting(ours: Path) -> None:
    job = ours / "spool" / "claude-code-x.job"
    job.parent.mkdir(parents=True)
    job.write_bytes(b"{")
    assert "claude-code-x.job: damaged" in findings("warning")["queue"].fact


@pytest.mark.parametrize("option", ["", " --wait"])
def test_hook_of_another_version_is_a_warning(tmp_path: Path, option: str) -> None:
    old = tmp_path / "opensync_hooks"
    (old / "hooks").mkdir(parents=True)
    (old / "__init__.py").write_text('__version__ = "0.0.1"\n')
    (old / "hooks" / "claude_code.py").touch()
    command = hook_command(Path(sys.executable), old / "hooks" / "claude_code.py")
    agent = ClaudeCodeRegistration()
    path = agent.settings_path(os.environ.get)
    path.parent.mkdir()
    change = agent.plan(os.environ.get, command)
    assert change
    assert change.after
    path.write_text(change.after.decode().replace(command, command + option))
    assert "the hook is version 0.0.1, but this is" in findings("warning")["Claude Code hooks"].fact


def test_second_hook_in_the_projects_settings_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = register(ClaudeCodeRegistration())
    (tmp_path / "project" / ".claude").mkdir(parents=True)
    (tmp_path / "project" / ".claude" / "settings.json").write_bytes(path.read_bytes())
    assert next(iter(hooks.doubled(os.environ))).state == "ok"
    monkeypatch.chdir(tmp_path / "project")
    (double,) = hooks.doubled(os.environ)
    assert (double.check, double.state) == ("Claude Code double", "warning")
    assert "SessionEnd, Stop" in double.fact


@pytest.mark.parametrize(
    ("version", "state"),
    [
        *[("1.0.84", "failed"), ("1.0.85", "ok"), ("2.1.329", "ok"), ("3.0.0", "warning")],
        *[("x", "ok"), ("0.0.0-dev-202611010101", "ok"), ("0.0.0", "ok")],
    ],
)
def test_versions_are_compared_as_numbers(version: str, state: str) -> None:
    agent = registry.get("claude-code")
    assert agent
    assert agents.judge_version(agent, version).state == state


@pytest.mark.parametrize(
    ("left", "state"), [(2 << 30, "ok"), (500 << 20, "warning"), (10 << 20, "failed")]
)
def test_little_space_on_the_disk_is_reported(free: dict[str, int], left: int, state: str) -> None:
    free["bytes"] = left
    assert findings()["disk"].state == state


@pytest.mark.parametrize(
    ("ahead", "state"),
    [(0, "ok"), (-4_999, "ok"), (5_000, "warning"), (-59_000, "warning"), (3_600_000, "failed")],
)
def test_clock_offset_is_reported(ahead: int, state: str) -> None:
    finding = network.clock(ahead)
    assert finding.state == state
    assert state == "ok" or ("behind" in finding.fact) == (ahead > 0)


def test_clock_is_compared_with_the_destinations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock((time.time_ns() // 1_000_000) - 120_000)
    with real_opensync(tmp_path, clock=clock) as (server, _, key):
        monkeypatch.setenv("OPENSYNC_URL", server.url)
        monkeypatch.setenv("OPENSYNC_API_KEY", key)
        assert "ahead of the server's" in findings("failed")["clock"].fact
        assert findings()["destination"].fact == f"{server.url} responds and accepts the key"
        monkeypatch.setenv("OPENSYNC_API_KEY", KEY)
        refused = findings("failed")["destination"]
    assert "the key is refused" in refused.fact
    assert "opensync-hooks login" in refused.cure


def test_proxy_is_shown_without_its_password_and_missing_certificates_are_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENSYNC_URL", "https://x.convex.site")
    monkeypatch.setenv("OPENSYNC_API_KEY", KEY)
    monkeypatch.setenv("https_proxy", "http://ada:secret@proxy.example:3128")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    checks = {finding.check: finding for finding in network.proxy(load(), os.environ)}
    assert checks["proxy"].fact == "requests go through http://proxy.example:3128"
    anonymous = Anonymizer.from_environ(os.environ).text(checks["proxy"].fact)
    assert anonymous == "requests go through http://<host>:3128", "a report names no company"
    assert checks["TLS"].state == "failed"
    assert "REQUESTS_CA_BUNDLE names /nowhere/ca.pem" in checks["TLS"].fact


@pytest.mark.parametrize(
    ("bundles", "missing"),
    [
        ({"SSL_CERT_FILE": "/no"}, ["SSL_CERT_FILE names /no, which does not exist."]),
        ({"REQUESTS_CA_BUNDLE": os.devnull, "CURL_CA_BUNDLE": "/no"}, []),
    ],
    ids=["last in order", "overridden"],
)
def test_only_the_certificates_that_requests_would_use_are_checked(
    monkeypatch: pytest.MonkeyPatch, bundles: dict[str, str], missing: list[str]
) -> None:
    monkeypatch.setenv("OPENSYNC_URL", "https://x.convex.site")
    monkeypatch.setenv("OPENSYNC_API_KEY", KEY)
    monkeypatch.setenv("https_proxy", "http://ada:secret@proxy.example:port")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    checks = list(network.proxy(load(), {**os.environ, **bundles}))
    assert checks[-1].fact == "requests go through http://proxy.example:port"
    assert [finding.fact for finding in checks if finding.check == "TLS"] == missing


def test_cooldown_is_reported_with_its_cause(
    monkeypatch: pytest.MonkeyPatch, recorded: int
) -> None:
    assert recorded
    monkeypatch.setenv("OPENSYNC_URL", NOBODY_LISTENS)
    monkeypatch.setenv("OPENSYNC_API_KEY", KEY)
    assert run("sync", FIRST).returncode == 6
    cooldown = findings("warning")["cooldown"]
    assert "hooks do not contact the destination: unreachable since" in cooldown.fact
    assert "1 job waiting" in findings()["queue"].fact
    assert "nothing is listening there" in findings("failed")["destination"].fact


def test_broken_check_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> Iterator[Finding]:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(agents, "versions", broken)
    ran = run("doctor")
    assert ran.returncode == 1
    assert "A bug of opensync-hooks" in ran.stdout
    assert CANARY not in ran.stdout
    assert "retention:" in ran.stdout


# ---- the bug report ------------------------------------------------------------------------------


def test_report_holds_no_content_secret_or_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ours: Path
) -> None:
    """Private data is planted everywhere, and none of it is in the report."""
    user = tmp_path / "adalovelace"
    monkeypatch.setenv("HOME", str(user))
    monkeypatch.setenv("USER", "adalovelace")
    monkeypatch.setenv("LOGNAME", "adalovelace")
    secret = "ghp_" + "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5"
    writer = TranscriptWriter(
        user / ".claude" / "projects" / "-home-topsecretproject" / "own.jsonl"
    )
    writer.line("user", f"{CANARY} {secret}", cwd="/srv/topsecretproject", gitBranch=CANARY)
    writer.respond("m1", {"type": "text", "text": CANARY})
    run("sync")
    (writer.path.with_name("linked.jsonl")).symlink_to("/etc/passwd")
    run("sync")
    settings = f"""url = "https://hidden-name-123.convex.site"\napi_key = "{KEY}"
[privacy]\nexclude = ["*/topsecretproject"]\n[privacy.patterns]\nmine = "{CANARY}[0-9]+"\n"""
    (ours / "config.toml").write_text(settings)
    (ours / "config.toml").chmod(0o600)
    with Ledger(ours / "ledger.db") as ledger:
        error = f"https://hidden-name-123.convex.site: refused; {user}/x; {secret}"
        ledger.set_note(
            "last error", f"{error}; /srv/topsecretproject/a.py; {socket.gethostname()}"
        )
    (ours / "hooks.log").write_text(f"{user}/.claude/projects/-home-topsecretproject/own.jsonl\n")
    monkeypatch.setenv("https_proxy", NOBODY_LISTENS)
    ran = run("doctor", "--bundle", str(tmp_path / "report.json"))
    assert ran.stdout == (f"{tmp_path / 'report.json'}: written. Read it before you share it.\n")
    text = (tmp_path / "report.json").read_text()
    report = json.loads(text)
    private = (CANARY, secret, KEY, "topsecretproject", "adalovelace", "hidden-name")
    for planted in (*private, KEY[-8:], "prompt"):
        assert planted not in text, planted
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)
    assert (tmp_path / "report.json").stat().st_mode & 0o777 == 0o600
    assert report["settings"]["patterns"] == 1
    assert report["settings"]["destination"] == "convex"
    assert "refused" in json.dumps(report["checks"]), "the report has what helps to find the fault"
    assert report["log"]


def test_report_is_written_into_a_folder(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir()
    ran = run("doctor", "--bundle", str(tmp_path / "reports"))
    (written,) = (tmp_path / "reports").iterdir()
    assert ran.stdout.startswith(f"{written}: written.")
    assert json.loads(written.read_text())["checks"]


def test_report_is_printed_even_if_everything_is_broken(ours: Path) -> None:
    unusable_settings(ours)
    damaged_ledger(ours)
    ran = run("doctor", "--bundle", "-")
    assert ran.returncode == 1
    report = json.loads(ran.stdout)
    assert "not valid TOML" in report["settings"]["unusable"]
    assert re.search("damaged|not a database", json.dumps(report["checks"]))


# ---- a terminal ----------------------------------------------------------------------------------


def test_colours_are_used_only_on_a_terminal() -> None:
    def shown(**environ: str) -> bytes:
        with terminal() as (outer, inner):
            subprocess.run(
                [sys.executable, "-m", "opensync_hooks", "doctor"],
                cwd=ROOT, env={**os.environ, **environ}, stdout=inner, timeout=300, check=False,
            )  # fmt: skip
            return os.read(outer, 1 << 16)

    assert b"\x1b[32mok" in shown(TERM="xterm")
    assert b"\x1b" not in shown(TERM="xterm", NO_COLOR="1")
    assert b"\x1b" not in shown(TERM="dumb")
    assert "\x1b" not in run_python("-m", "opensync_hooks", "doctor", TERM="xterm").stdout


def test_doctor_syncs_nothing(recorded: int) -> None:
    assert recorded
    run("doctor")
    assert FIRST not in run("verify", "--all").stderr
    assert json.loads(run("status", "--json").stdout)["sessions"] == 0
