"""The command prints what it did, what went wrong and what to do; its exit codes are stable."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

from opensync_hooks import __version__
from opensync_hooks.cli import main, status_data
from opensync_hooks.config.credentials import save_login
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.queue.spool import Spool
from tests.commandline import (
    BUFFERED,
    DATA,
    FIRST,
    HOOK,
    KEY,
    NOBODY_LISTENS,
    ROOT,
    run,
    run_python,
    run_script,
    stored_ids,
    terminal,
)


@pytest.mark.parametrize("name", main.COMMANDS)
def test_help_of_a_command_fits_a_screen_and_has_a_valid_example(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    command = main.load_command(name)
    assert command.name == name
    monkeypatch.setenv("COLUMNS", "80")
    ran = run(name, "--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(ran.stdout.splitlines()) <= 24
    assert ran.stdout.endswith(f"\nexample: {command.example}\n"), "on one line, to be copied"
    words = shlex.split(command.example.partition(" <")[0])[1:]
    parsed = main.build_parser([name]).parse_args(words)
    assert parsed.run == command.run


def test_help_fits_a_window_and_lists_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = run("--help")
    assert len(ran.stdout.splitlines()) <= 40
    assert all(f"    {name}" in ran.stdout for name in main.COMMANDS)


def test_command_is_imported_without_the_others() -> None:
    script = "import sys; from opensync_hooks.cli.main import main; main(['version']);"
    ran = run_python("-c", script + "print([name for name in sys.modules if '.commands.' in name])")
    modules = ("command", "version")
    assert ran.stdout.splitlines()[1] == str(
        [f"opensync_hooks.cli.commands.{name}" for name in modules]
    )


@pytest.mark.usefixtures("recorded")
def test_status_imports_nothing_that_only_delivery_needs() -> None:
    run("sync", FIRST)
    ours = ("delivery.session_sync", "privacy.cleaning", "agents.claude_code.sessions")
    modules = {"filelock", "requests", *(f"opensync_hooks.{name}" for name in ours)}
    script = "import sys; from opensync_hooks.cli.main import main; main(['status', '--json']);"
    ran = run_python("-c", script + f"print(sys.modules.keys() & {modules}, file=sys.stderr)")
    assert json.loads(ran.stdout)["sessions"]
    assert ran.stderr == "set()\n"


def test_version_is_printed_by_command_and_option() -> None:
    ran = run("version")
    assert (ran.returncode, ran.stdout) == (0, f"opensync-hooks {__version__}\n")
    assert run("--version").stdout == run("-V").stdout == ran.stdout


def test_unknown_option_is_a_usage_error() -> None:
    ran = run("sync", "--agent", "nobody")
    assert ran.returncode == 2
    assert "usage: opensync-hooks" in ran.stderr


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("stauts", "Did you mean `opensync-hooks status`?"),
        ("unistall", "Did you mean `opensync-hooks uninstall`?"),
        ("nonsense", "`opensync-hooks --help` lists the commands."),
    ],
)
def test_unknown_command_names_a_similar_one(name: str, hint: str) -> None:
    ran = run(name)
    expected = f"There is no command '{name}'.\nhint: {hint}\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", expected)


def test_without_a_command_the_help_is_shown() -> None:
    ran = run()
    assert (ran.returncode, ran.stdout) == (0, run("--help").stdout)


# ---- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["status", "sync"])
@pytest.mark.parametrize(
    ("content", "error", "hint"),
    [
        ("url = [", "not valid TOML", "Correct it"),
        ('url = "x"\napi_key = "osk_x"', "This is not a URL", "It looks like"),
        ('url = "https://x.convex.site"', "no API key is set", "opensync-hooks login"),
        ("# open to all", "other users can read it", "chmod 600"),
    ],
    ids=["not TOML", "not a URL", "no key", "open to others"],
)
def test_unusable_settings_end_every_command_with_4(
    ours: Path, command: str, content: str, error: str, hint: str
) -> None:
    ours.mkdir()
    (ours / "config.toml").write_text(content)
    (ours / "config.toml").chmod(0o644 if "open" in content else 0o600)
    ran = run(command)
    assert (ran.returncode, ran.stdout) == (4, "")
    first, second = ran.stderr.splitlines()
    assert error in first
    assert str(ours / "config.toml") in first or error == "no API key is set"
    assert second.startswith("hint: ")
    assert hint in second


@pytest.mark.usefixtures("recorded")
def test_named_session_is_queued_while_the_server_is_away(ours: Path, home: Path) -> None:
    """The job keeps the folder from the user's shell, which the next worker may not have."""
    shutil.move(home / ".claude", home / "moved")
    moved = {"CLAUDE_CONFIG_DIR": str(home / "moved")}
    save_login(os.environ, NOBODY_LISTENS, KEY)
    ran = run("sync", FIRST, **moved)
    assert (ran.returncode, ran.stdout) == (6, "")
    assert f"{NOBODY_LISTENS}: cannot be reached" in ran.stderr
    assert "Queued: the next hook or `opensync-hooks sync` delivers it." in ran.stderr
    (job,) = Spool(ours / "spool").jobs()
    assert (job.trigger.session_id, job.environ) == (FIRST, moved)
    assert run("logout").returncode == 0
    assert run("sync").stdout == (
        "0 sessions synced to embedded store, 0 up to date, 1 from the queue.\n"
    )
    assert Spool(ours / "spool").waiting() == 0
    assert stored_ids(ours) == {FIRST}


def test_transcript_outside_the_agents_folder_is_not_queued(tmp_path: Path, ours: Path) -> None:
    copy = shutil.copy(DATA / "01-print-tools-resume" / f"{FIRST}.jsonl", tmp_path / "copy.jsonl")
    login = {"OPENSYNC_URL": NOBODY_LISTENS, "OPENSYNC_API_KEY": KEY}
    ran = run("sync", str(copy), **login)
    assert ran.returncode == 6
    assert "run this again" in ran.stderr
    assert list(ours.glob("spool*/*.job")) == []


@pytest.mark.parametrize(
    ("plant", "command"), [("spool", "status"), ("ledger.db", "status"), ("ledger.db", "sync")]
)
def test_link_in_place_of_our_file_is_reported(ours: Path, plant: str, command: str) -> None:
    ours.mkdir()
    (ours / plant).symlink_to("/nowhere")
    ran = run(command)
    assert ran.returncode == 1
    first, second = ran.stderr.splitlines()
    assert str(ours / plant) in first
    assert second.startswith("hint: ")


def test_bug_exits_with_3_and_without_the_text_of_its_exception(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("a private message")

    monkeypatch.setattr(status_data, "gather", broken)
    monkeypatch.setattr(os, "umask", lambda _: 0o022)  # it would outlast this test
    assert main.main(["status"]) == 3
    assert "private" not in capsys.readouterr().err


def test_closed_pipe_prints_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        ran = subprocess.run(
            [sys.executable, "-m", "opensync_hooks", "status"],
            cwd=ROOT, env={**os.environ, **BUFFERED}, stdout=closed, stderr=subprocess.PIPE,
            text=True, timeout=300, check=False,
        )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (1, "")


def test_command_works_without_stdout() -> None:
    close = "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    ran = run_python("-c", close, "-m", "opensync_hooks", "version")
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a device that is full")
def test_full_disk_is_one_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "opensync_hooks", "status"],
            cwd=ROOT, env={**os.environ, **BUFFERED}, stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=300, check=False,
        )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr.startswith("opensync-hooks: No space left on device.\nhint: ")


def test_serve_responds_until_it_is_interrupted(ours: Path) -> None:
    command = [sys.executable, "-m", "opensync_hooks", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **BUFFERED},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as serving:  # fmt: skip
        watchdog = threading.Timer(300, serving.kill)
        watchdog.start()
        assert serving.stdout
        line = serving.stdout.readline()
        url = line.split()[5].rstrip(";") if line else NOBODY_LISTENS
        with urllib.request.urlopen(f"{url}/health", timeout=60) as response:  # noqa: S310 - loopback
            assert json.load(response)["status"] == "ok"
        for text in ("To read your sessions, open", "Opened. The link for another browser is"):
            line, _, link = serving.stdout.readline().strip().partition("  ")
            assert line == text
            browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
            with browser.open(link, timeout=60) as page:
                assert b"No sessions yet." in page.read()
        serving.send_signal(signal.SIGINT)
        _, error = serving.communicate(timeout=60)
        watchdog.cancel()
    assert serving.returncode == 130
    assert error == "\nInterrupted: pages in your browser can no longer load.\n"
    assert "key = " in (ours / "config.toml").read_text()
    with Store(ours / "store.db") as store:
        assert list(store.sessions(9)) == []


# ---- a terminal ----------------------------------------------------------------------------------


def test_script_without_arguments_explains_itself_on_a_terminal() -> None:
    with terminal() as (_, stdin):
        ran = subprocess.run(
            [sys.executable, str(HOOK)],
            stdin=stdin, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("claude_code.py is what claude-code runs at the end of a turn")
    assert "python claude_code.py SESSION_ID" in ran.stdout
    assert ran.stdout.endswith("opensync-hooks status\n")


def test_script_explains_itself_with_help() -> None:
    ran = run_script("--help")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "--latest" in ran.stdout


def test_file_name_cannot_steer_the_terminal() -> None:
    ran = run("sync", "a\x1b[31m\nb")
    assert ran.returncode == 2
    assert ran.stderr.startswith("a\ufffd[31m\ufffdb: no session has this id")


def test_end_of_input_at_a_question_is_an_interruption() -> None:
    with terminal() as (keyboard, stdin):
        os.write(keyboard, b"\x04")
        ran = subprocess.run(
            [sys.executable, "-m", "opensync_hooks", "login"],
            cwd=ROOT, stdin=stdin, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    assert ran.returncode == 130
    assert "Interrupted" in ran.stderr
    assert "Traceback" not in ran.stderr


# ---- the entry script by hand --------------------------------------------------------------------


@pytest.mark.usefixtures("recorded")
def test_script_with_a_session_syncs_it_and_prints_one_line(ours: Path) -> None:
    ran = run_script(FIRST)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(ran.stdout.splitlines()) == 1
    assert ran.stdout.startswith(f"{FIRST}: 8 messages sent to embedded store, 0 unchanged")
    assert stored_ids(ours) == {FIRST}


@pytest.mark.usefixtures("recorded")
def test_script_has_the_exit_codes_and_options_of_sync(ours: Path) -> None:
    dry_run = run_script(FIRST, "--dry-run")
    assert (dry_run.returncode, ours.exists()) == (0, False)
    assert dry_run.stdout.startswith(f"{FIRST}  8 messages, 18 parts")
    unknown = run_script("nope")
    assert unknown.returncode == 2
    assert "hint: " in unknown.stderr
    assert run_script("nope", OPENSYNC_URL="x", OPENSYNC_API_KEY=KEY).returncode == 4


def _bare_python() -> str:
    """A Python that has none of our packages."""
    system = "/usr/bin/python3"
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    if Path(system).exists() and not run_python("-IS", "-c", check, python=system).returncode:
        return system
    return sys.executable


def test_python_without_our_packages_prints_what_to_run(ours: Path) -> None:
    python = _bare_python()
    ran = run_python("-I", "-S", str(HOOK), FIRST, python=python)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        f"{python}: the packages filelock, requests, tomli_w are not installed for this Python.\n"
        "hint: run `python install.py` once, in the folder above this script.\n"
    )
    assert not ours.exists()


@pytest.mark.usefixtures("recorded")
def test_python_without_our_packages_hands_over_to_the_private_one(ours: Path) -> None:
    private = ours / "env" / "bin" / "python"
    private.parent.mkdir(parents=True)
    private.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    private.chmod(0o700)
    ran = run_python("-I", "-S", str(HOOK), FIRST, python=_bare_python())
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"{FIRST}: 8 messages sent")


@pytest.mark.usefixtures("recorded")
def test_waiting_hook_returns_when_the_session_has_arrived(ours: Path, projects: Path) -> None:
    payload = {
        "session_id": FIRST,
        "transcript_path": str(projects / f"{FIRST}.jsonl"),
        "hook_event_name": "SessionEnd",
        "reason": "clear",
    }
    ran = run_script("--wait", stdin=json.dumps(payload))
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert stored_ids(ours) == {FIRST}
    assert Spool(ours / "spool").waiting() == 0


@pytest.mark.parametrize("payload", ["", "{}", "garbage", '{"session_id": "nope"}'])
def test_waiting_hook_is_silent_without_a_session(payload: str) -> None:
    ran = run_script("--wait", stdin=payload)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_waiting_hook_is_silent_about_our_errors(ours: Path) -> None:
    ours.mkdir()
    (ours / "spool").touch()
    payload = json.dumps({"session_id": FIRST, "hook_event_name": "Stop"})
    ran = run_script("--wait", stdin=payload)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ("sync --lmit 3", "option '--lmit'", "Did you mean `opensync-hooks sync --limit`?"),
        ("sync --agnt=x", "option '--agnt=x'", "Did you mean `opensync-hooks sync --agent`?"),
        ("sync --zzz", "option '--zzz'", "`opensync-hooks sync --help` lists the options."),
        ("version now", "argument 'now'", "`opensync-hooks version --help` lists the options."),
    ],
)
def test_mistyped_option_is_named_with_the_one_that_was_meant(
    arguments: str, message: str, hint: str
) -> None:
    ran = run(*arguments.split())
    assert (ran.returncode, ran.stdout) == (2, "")
    command = arguments.split(maxsplit=1)[0]
    assert ran.stderr == f"`{command}` takes no {message}.\nhint: {hint}\n"


def test_doctor_names_the_packages_that_a_clone_lacks() -> None:
    ran = run_python("-S", "-m", "opensync_hooks", "doctor")
    assert (ran.returncode, ran.stderr) == (1, "")
    lines = ran.stdout.splitlines()
    missing = [line for line in lines if "not installed for this Python" in line]
    assert missing
    assert missing[0].startswith("failed  packages:")
    assert "the packages filelock, requests, tomli_w are not" in missing[0]
    assert missing[0].endswith(
        "Run `python install.py` in the clone, and use the command that it makes."
    )
    assert not any("bug of opensync-hooks" in line for line in lines)


def test_command_that_lacks_a_package_says_how_to_install_it() -> None:
    ran = run_python("-S", "-m", "opensync_hooks", "config", "set", "thinking", "true")
    message, hint = ran.stderr.splitlines()
    assert (ran.returncode, ran.stdout) == (1, "")
    assert message.endswith(": the package filelock is not installed for this Python.")
    assert hint.startswith("hint: Run `python install.py` in the clone")
