"""What stands between an agent and us: whatever the agent does, it is not held up and goes on."""

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
from opensync_hooks.config import Folders
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import SourceError
from opensync_hooks.hook import entry
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Json
from opensync_hooks.queue.spool import Spool
from opensync_hooks.queue.worker import Worker
from tests.transcripts import TranscriptWriter

ROOT = Path(__file__).parents[2]
PAYLOAD = json.dumps({"session_id": "s1", "hook_event_name": "SessionEnd", "reason": "other"})


def hook(*arguments: str, agent: str = "claude_code") -> list[str]:
    return [sys.executable, "-I", "-S", str(ROOT / "hooks" / f"{agent}.py"), *arguments]


@pytest.fixture
def spool() -> Spool:
    return Spool(Folders.from_environ(os.environ).spool)


def events(spool: Spool) -> list[bytes]:
    return [path.read_bytes() for path in spool._events()]


def test_event_may_come_as_an_argument_where_a_pipe_could_be_cut(spool: Spool) -> None:
    with FileLock(spool.lock):  # so that no worker is started
        command = hook("--event", PAYLOAD, agent="opencode")
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
        )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b"")
    (event,) = events(spool)
    assert event.endswith(b"\n" + PAYLOAD.encode())


@pytest.mark.parametrize("arguments", [("--event",), ("--event", PAYLOAD, "more")], ids=len)
def test_anything_else_is_a_command_by_hand(spool: Spool, arguments: tuple[str, ...]) -> None:
    command = hook(*arguments, agent="opencode")
    ran = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
    )
    assert ran.returncode == 2
    assert events(spool) == []


def test_waiting_hook_does_not_wait_for_a_pipe_that_is_never_closed(home: Path) -> None:
    TranscriptWriter(home / ".claude" / "projects" / "-work" / "s1.jsonl").turn(1)
    running = subprocess.Popen(
        hook("--wait"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
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


def test_waiting_hook_gives_up_in_time_and_leaves_the_session_to_others(
    home: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opensync_hooks.cli import foreground  # noqa: PLC0415
    from opensync_hooks.queue import worker  # noqa: PLC0415

    monkeypatch.setenv("OPENSYNC_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("OPENSYNC_API_KEY", "osk_" + "x" * 32)
    monkeypatch.setattr(worker, "SERVE_SECONDS", 2.0)
    TranscriptWriter(home / ".claude" / "projects" / "-work" / "s1.jsonl").turn(1)
    began = time.monotonic()
    foreground.synchronous_hook("claude-code", PAYLOAD.encode())
    assert time.monotonic() - began < 30
    assert [job.trigger.session_id for job in spool.jobs()] == ["s1"]


def test_waiting_hook_leaves_the_rest_of_a_long_session_to_others(
    home: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opensync_hooks.cli import foreground  # noqa: PLC0415
    from opensync_hooks.queue import worker  # noqa: PLC0415

    put, sent = Store.put_message, []

    def slowly(store: Store, body: Json, extra: Json, *, replaces: bool) -> str:
        sent.append(body)
        time.sleep(0.1)
        return put(store, body, extra, replaces=replaces)

    monkeypatch.setattr(Store, "put_message", slowly)
    monkeypatch.setattr(worker, "SERVE_SECONDS", 1.0)
    writer = TranscriptWriter(home / ".claude" / "projects" / "-work" / "s1.jsonl")
    for number in range(50):
        writer.turn(number)
    foreground.synchronous_hook("claude-code", PAYLOAD.encode())
    assert 0 < len(sent) < 100
    assert [job.trigger.session_id for job in spool.jobs()] == ["s1"]


def test_latest_session_that_cannot_be_looked_for_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from opensync_hooks.cli import foreground  # noqa: PLC0415

    def held(_: ClaudeCodeSource) -> list[Located]:
        raise SourceError("/x/state.db: its owner lets nobody read.", "Try again.")

    monkeypatch.setattr(ClaudeCodeSource, "sessions", held)
    assert foreground.main("claude-code", ["--latest"]) == 1
    said = capsys.readouterr().err
    assert said == "/x/state.db: its owner lets nobody read.\nhint: Try again.\n"


def test_waiting_hook_is_silent_also_where_a_bug_ends_it(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an agent sees of it, it takes for an objection; `status` names it."""
    from opensync_hooks.cli import foreground  # noqa: PLC0415

    def stumble(*_: object, **__: object) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(Worker, "_work", stumble)
    foreground.synchronous_hook("claude-code", PAYLOAD.encode())
    assert [job.trigger.session_id for job in spool.jobs()] == ["s1"]
    with Ledger(Folders.from_environ(os.environ).ledger) as ledger:
        assert "KeyError" in (ledger.note("last error") or ("",))[0]


def test_relative_home_and_missing_packages_end_with_a_sentence_not_in_a_loop(
    tmp_path: Path,
) -> None:
    """The private environment lacks them too: it must not hand over to itself for ever."""
    environment = tmp_path / "ours" / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    # As in a real one; without a site-packages that has what is needed.
    base = Path(sys.executable).resolve().parent
    (environment / "pyvenv.cfg").write_text(f"home = {base}\n")
    python = str(environment / "bin" / "python")
    ran = subprocess.run(
        [python, *hook("s1")[1:]],
        cwd=tmp_path, env={**os.environ, "OPENSYNC_HOOKS_HOME": "ours"}, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=30, check=False, text=True,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "are not installed for this Python" in ran.stderr


def test_worker_waits_until_an_agent_that_is_ending_needs_no_processor(tmp_path: Path) -> None:
    room = tmp_path / "opensync_hooks" / "queue"
    room.mkdir(parents=True)
    (room.parent / "__init__.py").touch()
    (room / "__init__.py").touch()
    (room / "worker.py").write_text(
        "import time\ndef main(*, owns_process): print(time.monotonic())\n"
    )
    began = time.monotonic()
    command = [sys.executable, "-I", "-c", entry.WORKER, str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, timeout=30, check=True)
    assert float(ran.stdout) - began >= 0.2
