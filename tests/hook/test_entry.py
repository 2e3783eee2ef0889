"""Hook calls as processes: whatever the agent does, it is not held up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.source import Located
from opensync_hooks.cli import foreground
from opensync_hooks.config import Folders
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import KeyRefusedError, SourceError
from opensync_hooks.hook import entry
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Json
from opensync_hooks.queue import synchronous
from opensync_hooks.queue.spool import Spool
from opensync_hooks.queue.worker import Worker
from tests.transcripts import TranscriptWriter

ROOT = Path(__file__).parents[2]
PAYLOAD = json.dumps({"session_id": "s1", "hook_event_name": "SessionEnd", "reason": "other"})


def hook_command(*arguments: str, agent: str = "claude_code") -> list[str]:
    return [sys.executable, "-I", "-S", str(ROOT / "hooks" / f"{agent}.py"), *arguments]


def run_hook(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = hook_command(*arguments, agent="opencode")
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
    )


@pytest.fixture
def spool() -> Spool:
    return Spool(Folders.from_environ(os.environ).spool)


def events(spool: Spool) -> list[bytes]:
    return [path.read_bytes() for path in spool.folder.glob("*.event")]


def queued() -> list[str]:
    spool = Spool(Folders.from_environ(os.environ).spool)
    return [job.trigger.session_id for job in spool.jobs()]


def transcript(home: Path) -> TranscriptWriter:
    return TranscriptWriter(home / ".claude" / "projects" / "-work" / "s1.jsonl")


def test_payload_may_come_as_an_argument(spool: Spool) -> None:
    with FileLock(spool.lock):  # so that no worker is started
        ran = run_hook("--event", PAYLOAD)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
    (event,) = events(spool)
    assert event.endswith(b"\n" + PAYLOAD.encode())


@pytest.mark.parametrize("arguments", [("--event",), ("--event", PAYLOAD, "more")], ids=len)
def test_other_arguments_are_a_command_for_the_foreground(
    spool: Spool, arguments: tuple[str, ...]
) -> None:
    assert run_hook(*arguments).returncode == 2
    assert events(spool) == []


def test_synchronous_hook_does_not_wait_for_the_end_of_stdin(home: Path) -> None:
    transcript(home).turn(1)
    running = subprocess.Popen(
        hook_command("--wait"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdin
    assert running.stdout
    assert running.stderr
    running.stdin.write(PAYLOAD.encode())
    running.stdin.flush()
    assert running.wait(40) == 0
    assert (running.stdout.read(), running.stderr.read()) == (b"", b"")
    for stream in (running.stdin, running.stdout, running.stderr):
        stream.close()
    with Store(Folders.from_environ(os.environ).store) as store:
        assert list(store.session_ids()) == ["s1"]


def test_synchronous_hook_ends_in_time_and_leaves_the_session_in_the_queue(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSYNC_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("OPENSYNC_API_KEY", "osk_" + "x" * 32)
    monkeypatch.setattr(synchronous, "MAX_SECONDS", 2.0)
    transcript(home).turn(1)
    start = time.monotonic()
    foreground.synchronous_hook("claude-code", PAYLOAD.encode())
    assert time.monotonic() - start < 30
    assert queued() == ["s1"]


def test_synchronous_hook_ends_in_the_middle_of_a_long_session(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, sent = Store.put_message, []

    def put_slowly(store: Store, body: Json, extra: Json, *, replaces: bool) -> str:
        sent.append(body)
        time.sleep(0.1)
        return put(store, body, extra, replaces=replaces)

    monkeypatch.setattr(Store, "put_message", put_slowly)
    monkeypatch.setattr(Store, "messages_per_transaction", 5)
    monkeypatch.setattr(synchronous, "MAX_SECONDS", 1.0)
    writer = transcript(home)
    for number in range(50):
        writer.turn(number)
    foreground.synchronous_hook("claude-code", PAYLOAD.encode())
    assert 0 < len(sent) < 100
    assert queued() == ["s1"]


def test_synchronous_hook_does_not_retry_a_refused_key(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSYNC_URL", "https://opensync.invalid")
    transcript(home).turn(1)
    calls: list[Worker] = []

    def refuse(running: Worker) -> list[object]:
        calls.append(running)
        running.error = KeyRefusedError("The key is refused.")
        return []

    monkeypatch.setattr(Worker, "_work", refuse)
    foreground.synchronous_hook("claude-code", PAYLOAD.encode())
    assert len(calls) == 1
    assert queued() == ["s1"]


def test_synchronous_hook_is_silent_even_about_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent takes any output for an objection; `status` names the bug."""

    def fail(_: Worker) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(Worker, "_work", fail)
    foreground.synchronous_hook("claude-code", PAYLOAD.encode())
    assert queued() == ["s1"]
    with Ledger(Folders.from_environ(os.environ).ledger) as ledger:
        note = ledger.note("last error")
    assert note
    assert "KeyError" in note.text


def test_unreadable_sessions_are_one_sentence_for_latest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def sessions(_: ClaudeCodeSource) -> list[Located]:
        raise SourceError("/x/state.db: its owner lets nobody read.", "Try again.")

    monkeypatch.setattr(ClaudeCodeSource, "sessions", sessions)
    assert foreground.main("claude-code", ["--latest"]) == 1
    stderr = capsys.readouterr().err
    assert stderr == "/x/state.db: its owner lets nobody read.\nhint: Try again.\n"


def test_environment_without_the_packages_does_not_start_itself_over(tmp_path: Path) -> None:
    environment = tmp_path / "ours" / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    # As a real environment, but without site-packages.
    base = Path(sys.executable).resolve().parent
    (environment / "pyvenv.cfg").write_text(f"home = {base}\n")
    python = str(environment / "bin" / "python")
    ran = subprocess.run(
        [python, *hook_command("s1")[1:]],
        cwd=tmp_path, env={**os.environ, "OPENSYNC_HOOKS_HOME": "ours"}, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=30, check=False, text=True,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "are not installed for this Python" in ran.stderr


def test_worker_sleeps_first_to_leave_the_processor_to_the_agent(tmp_path: Path) -> None:
    package = tmp_path / "opensync_hooks" / "queue"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    main = "import time\ndef main(*, owns_process): print(time.monotonic())\n"
    (package / "worker.py").write_text(main)
    start = time.monotonic()
    command = [sys.executable, "-I", "-c", entry.WORKER, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, timeout=30, check=True)
    assert float(ran.stdout) - start >= 0.2
