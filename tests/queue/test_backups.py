"""Sessions that wait for long are backed up, privately and within bounds, until they arrive."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import hypothesis
import pytest
from hypothesis import strategies as st

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import EMBEDDED_STORE, load
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import SourceError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.ledger.summary import complete_sessions
from opensync_hooks.model import (
    Charge,
    Message,
    Session,
    Skipped,
    Text,
    ToolCall,
    ToolResult,
    Trigger,
    Usage,
)
from opensync_hooks.privacy.cleaning import clean_message
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.queue import backups, worker
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.queue.job import Job
from opensync_hooks.system.log import Log
from tests.claude_user import ClaudeUser
from tests.commandline import run
from tests.delivery.harness import ListSource
from tests.transcripts import TranscriptWriter

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parents[1] / "data" / "claude"
SECRET = "ghp_" + "a1B2" * 9
FILE_CONTENT = "a line of a private file\n" * 3
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def locate(session_id: str = "s1", fingerprint: str = "first") -> Located:
    return Located(session_id, Path("/nowhere"), 7, fingerprint)


def make_session(session_id: str = "s1", *parts: Any) -> Session:
    message = Message("m1", "assistant", parts or (Text("hello"),), 5)
    return Session(
        session_id,
        "cursor",
        (message,),
        title="A title",
        skipped={Skipped("unknown", "bad lines"): 2},
    )


def source_of(*sessions: Session) -> Source:
    return cast("Source", ListSource(*sessions))


def save(kept: SessionBackups, *sessions: Session) -> None:
    assert kept.save(source_of(*sessions), locate(sessions[0].id), load())


def find(kept: SessionBackups, session_id: str = "s1", agent: str = "cursor") -> Any:
    backup = kept.find(agent, session_id)
    assert backup
    return backup


def read(kept: SessionBackups, session_id: str = "s1") -> list[Session]:
    source, located = find(kept, session_id)
    return [replace(copy, messages=tuple(copy.messages)) for copy in source.read(located)]


@pytest.fixture
def kept(tmp_path: Path) -> SessionBackups:
    return SessionBackups(tmp_path / "keepsakes")


def files(kept: SessionBackups) -> list[Path]:
    return sorted(kept.folder.iterdir()) if kept.folder.exists() else []


def make_older(path: Path, seconds: float) -> None:
    at = path.stat().st_mtime - seconds
    os.utime(path, (at, at))


# ---- what comes back -----------------------------------------------------------------------------


def test_every_recorded_session_comes_back_without_what_may_not_leave(
    kept: SessionBackups, tmp_path: Path
) -> None:
    for folder in sorted(DATA.iterdir()):
        shutil.copytree(folder, tmp_path / "claude" / "projects" / f"-{folder.name}")
    source = ClaudeCodeSource(tmp_path / "claude")
    compared = 0
    for located in source.sessions():
        assert kept.save(source, located, load())
        copies, copied = find(kept, located.session_id, "claude-code")
        for copy, original in zip(copies.read(copied), source.read(located), strict=True):
            expected = tuple(clean_message(message, load()) for message in original.messages)
            assert tuple(copy.messages) == expected
            assert tuple(copy.messages) == expected, "they can be iterated more than once"
            assert replace(copy, messages=()) == replace(original, messages=())
            compared += len(expected)
    assert compared > 50


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(text=st.text(), arguments=JSON_VALUES)
def test_any_text_and_any_argument_comes_back(text: str, arguments: Any) -> None:
    kept = SessionBackups(Path(os.environ["OPENSYNC_HOOKS_HOME"]) / "keepsakes")
    parts = (Text(text), ToolCall("t", "Bash", arguments), ToolResult("t", "Bash", text))
    charge = Charge("c1", "m", Usage(1, 2, 3, 4, 5, 6), 0.5)
    message = Message("m1", "user", parts, None, charge=charge, aliases=("a", text), undone=True)
    skipped = {Skipped("unreadable", "line/of two"): 3, Skipped("left out", "context"): 1}
    session = replace(make_session(), messages=(message,), charges=(charge,), skipped=skipped)
    unredacted = replace(load(), redact=False, file_contents=True)
    stored = replace(session, stored_ids=frozenset({"m1"}))
    assert kept.save(source_of(stored), locate(), unredacted)
    assert read(kept) == [session], "what the agent deletes later is not in a backup"


def test_backup_of_an_earlier_version_is_read(kept: SessionBackups) -> None:
    """The names on disk do not follow the names in the code."""
    message = {
        "id": "m1", "role": "assistant", "created_at": 5, "model": "m", "duration_ms": 9,
        "charge": {
            "id": "c1", "model": "m", "cost": 0.5,
            "usage": {
                "input_tokens": 1, "output_tokens": 2, "cache_read_tokens": 3,
                "cache_write_5m_tokens": 4, "cache_write_1h_tokens": 5, "reasoning_tokens": 6,
            },
        },
        "undone": True, "aliases": ["a1"], "spare": True,
        "parts": [
            {"is": "Text", "text": "hello"},
            {"is": "Reasoning", "text": "hm"},
            {"is": "ToolCall", "id": "t", "name": "Bash", "arguments": {}, "category": "c",
             "title": "x"},
            {"is": "ToolResult", "call_id": "t", "name": "Bash", "output": "o", "is_error": True},
            {"is": "Attachment", "media_type": "image/png", "size": 7, "name": "n"},
        ],
    }  # fmt: skip
    session = {
        "id": "s1", "agent": "cursor", "messages": [], "charges": [message["charge"]],
        "title": "A title", "project_path": "/p", "model": "m", "provider": "anthropic",
        "created_at": 1, "updated_at": 2, "duration_ms": 3, "git_branch": "b",
        "agent_version": "1", "end_reason": "clear", "parent_id": "p1", "forked_from": "f1",
        "is_partial": True, "skipped": {"bad lines": 2},
    }  # fmt: skip
    header = {"agent": "cursor", "session_id": "s1", "fingerprint": "x", "withheld": True}
    lines = [header, {"session": session}, {"message": message}]
    save(kept, make_session())
    (path,) = files(kept)
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    (copy,) = read(kept)
    usage = Usage(1, 2, 3, 4, 5, 6)
    charge = Charge("c1", "m", usage, 0.5)
    assert copy.messages == (
        Message(
            "m1", "assistant", tuple(message_parts(copy)), 5, "m", charge, 9, undone=True,
            aliases=("a1",), spare=True,
        ),
    )  # fmt: skip
    assert replace(copy, messages=()) == Session(
        "s1", "cursor", (), (charge,), "A title", "/p", "m", "anthropic", 1, 2, 3, "b", "1",
        "clear", "p1", "f1", is_partial=True, skipped={Skipped("unknown", "bad lines"): 2},
    )  # fmt: skip
    kinds = [type(part).__name__ for part in message_parts(copy)]
    assert kinds == ["Text", "Reasoning", "ToolCall", "ToolResult", "Attachment"]


def message_parts(session: Session) -> tuple[Any, ...]:
    (message,) = session.messages
    return message.parts


def test_backup_is_delivered_as_the_session_itself_would_be(
    kept: SessionBackups, tmp_path: Path
) -> None:
    """What was confirmed before the backup is not sent again."""
    write = ToolCall("t1", "Write", {"file_path": "/a", "content": f"secret = {SECRET}\n" * 3})
    session = make_session("s1", Text(f"token {SECRET}"), write, ToolResult("t1", "Write", "done"))
    with Store(tmp_path / "store.db") as store, Ledger(tmp_path / "ledger.db") as ledger:
        syncer = Syncer(load(), store, ledger)
        first = syncer.sync(source_of(session), locate())
        save(kept, session)
        settings = kept.delivery_config(load(), "cursor", "s1")
        second = replace(syncer, config=settings).sync(*find(kept))
        record = SessionRecord(ledger, EMBEDDED_STORE, "cursor", "s1")
        assert complete_sessions(ledger, EMBEDDED_STORE).keys() == {"cursor"}
        assert record.fingerprint() != "first", "if the agent's file comes back, it is read again"
    assert (first.sent, second.sent, second.unchanged) == (1, 0, 1)


# ---- privacy -------------------------------------------------------------------------------------


def test_backup_contains_no_secret_and_only_the_user_may_read_it(kept: SessionBackups) -> None:
    os.umask(0)
    save(kept, make_session("s1", Text(f"my token is {SECRET}")))
    (copy,) = read(kept)
    (message,) = copy.messages
    assert SECRET not in message.text
    assert "redacted" in message.text
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(kept)] == [0o600]
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700


def test_file_contents_of_an_earlier_backup_stay_here_once_they_are_withheld(
    kept: SessionBackups, tmp_path: Path
) -> None:
    write = ToolCall("t1", "Write", {"file_path": "/a", "content": FILE_CONTENT})
    permitting = replace(load(), file_contents=True)
    assert kept.save(source_of(make_session("s1", write)), locate(), permitting)
    settings = kept.delivery_config(replace(permitting, file_contents=False), "cursor", "s1")
    with Store(tmp_path / "store.db") as store, Ledger(tmp_path / "ledger.db") as ledger:
        assert Syncer(settings, store, ledger).sync(*find(kept)).sent == 1
    content = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    assert b"/a" in content
    assert b"private file" not in content


def test_private_session_is_not_even_read(kept: SessionBackups) -> None:
    Exclusions.from_config(load()).keep_private("cursor", "s1")
    reads: list[Located] = []

    class RecordingSource(ListSource):
        def read(self, located: Located) -> Iterator[Session]:
            reads.append(located)
            yield make_session()

    assert not kept.save(cast("Source", RecordingSource()), locate(), load())
    assert (files(kept), reads) == ([], [])


def test_session_of_an_excluded_project_is_left_out(kept: SessionBackups) -> None:
    settings = replace(load(), exclude=("/secret",))
    main = replace(make_session("s1"), project_path="/work")
    excluded = replace(make_session("sub1"), project_path="/secret/plan")
    deleted = replace(make_session("sub2"), project_path="/gone")
    reason = "was opted out before it was deleted"
    Exclusions.from_config(settings).record("cursor", "sub2", reason)
    last = replace(make_session("sub3"), project_path="/work")
    assert kept.save(source_of(main, excluded, deleted, last), locate(), settings)
    assert [copy.id for copy in read(kept)] == ["s1", "sub3"]
    assert not kept.save(source_of(excluded), locate("sub1"), settings)
    assert kept.find("cursor", "sub1") is None


def test_fork_of_a_private_session_is_not_backed_up(kept: SessionBackups) -> None:
    """Its own id says nothing: only the messages that both begin with do."""
    first = Message("6f1c0b1e-52a0-4c7e-9d43-0c4f6a1e7b20", "user", (Text("a private matter"),), 5)
    fork = replace(make_session("fork"), messages=(first,))
    exclusions = Exclusions.from_config(load())
    exclusions.keep_private("cursor", "s1")
    exclusions.learn_forks(replace(make_session("s1"), messages=(first,)))
    assert not kept.save(source_of(fork), locate("fork"), load())
    assert files(kept) == []


def test_subagent_of_an_excluded_session_is_not_backed_up_alone(kept: SessionBackups) -> None:
    settings = replace(load(), exclude=("/secret",))
    excluded = replace(make_session("s1"), project_path="/secret/plan")
    elsewhere = replace(make_session("sub1"), project_path="/work")
    assert not kept.save(source_of(excluded, elsewhere), locate(), settings)


# ---- which sessions, and how long ----------------------------------------------------------------


def test_backup_is_made_again_only_if_it_is_old_and_the_session_has_changed(
    kept: SessionBackups,
) -> None:
    source = source_of(make_session())
    assert kept.is_due(source, locate())
    save(kept, make_session())
    assert not kept.is_due(source, locate(fingerprint="second"))
    (path,) = files(kept)
    make_older(path, backups.FRESH_SECONDS + 60)
    assert kept.is_due(source, locate(fingerprint="second"))
    assert not kept.is_due(source, locate())


def test_oldest_backups_are_deleted_first_if_there_is_no_room(
    kept: SessionBackups, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        before = set(files(kept))
        save(kept, make_session(f"s{number}", Text(os.urandom(2_000).hex())))
        (path,) = set(files(kept)) - before
        make_older(path, 1_000 - number)
    total = sum(path.stat().st_size for path in files(kept))
    monkeypatch.setattr(backups, "MAX_BYTES", total)
    assert kept.prune() == [], "all of them just fit"
    monkeypatch.setattr(backups, "MAX_BYTES", total // 2)
    assert sorted(kept.prune()) == [("cursor", "s0"), ("cursor", "s1"), ("cursor", "s2")]
    assert len(files(kept)) == 2
    assert kept.prune() == []


def test_backups_over_30_days_and_unfinished_files_are_deleted(kept: SessionBackups) -> None:
    save(kept, make_session())
    (path,) = files(kept)
    make_older(path, backups.MAX_SECONDS + 60)
    abandoned, in_progress = kept.folder / ".abandoned", kept.folder / ".in-progress"
    abandoned.touch()
    make_older(abandoned, backups.MAX_SECONDS)
    in_progress.touch()
    assert kept.prune() == [("cursor", "s1")]
    assert files(kept) == [in_progress]


def test_backup_that_a_command_deletes_meanwhile_is_no_error(
    kept: SessionBackups, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(kept, make_session())
    glob = Path.glob

    def glob_then_delete(folder: Path, pattern: str) -> list[Path]:
        paths = list(glob(folder, pattern))
        for path in paths:
            path.unlink()
        return paths

    monkeypatch.setattr(Path, "glob", glob_then_delete)
    assert kept.prune() == []


def test_sessions_of_two_agents_with_one_id_have_backups_of_their_own(
    kept: SessionBackups,
) -> None:
    save(kept, make_session())
    assert kept.find("claude-code", "s1") is None
    kept.delete("claude-code", "s1")
    assert kept.find("cursor", "s1")


def test_session_id_never_becomes_a_path(kept: SessionBackups) -> None:
    for session_id in ("../../x", "/etc/passwd", "", "\ud83d"):
        save(kept, make_session(session_id))
        assert [copy.id for copy in read(kept, session_id)] == [session_id]
        kept.delete("cursor", session_id)
    assert files(kept) == []
    assert kept.find("cursor", "s1") is None


# ---- crashes and damage --------------------------------------------------------------------------

_CRASH = """
import os, signal, sys
from pathlib import Path
from opensync_hooks import config
from opensync_hooks.model import Session
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.agents.source import Located

class CrashingSource:
    agent = "cursor"
    def read(self, located):
        yield Session(located.session_id, "cursor", ())
        os.kill(os.getpid(), signal.SIGKILL)

located = Located("s1", Path("/x"), 7, "m")
SessionBackups(Path(sys.argv[1])).save(CrashingSource(), located, config.load())
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_kill_in_the_middle_leaves_a_file_that_is_deleted_after_a_day(
    kept: SessionBackups, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", _CRASH, str(kept.folder)],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(elsewhere)}, check=False, timeout=30,
    )  # fmt: skip
    assert ran.returncode == -signal.SIGKILL
    (abandoned,) = files(kept)
    assert list(elsewhere.iterdir()) == [], "no text where nobody deletes it"
    assert kept.find("cursor", "s1") is None
    make_older(abandoned, backups.FRESH_SECONDS + 60)
    assert kept.prune() == []
    assert files(kept) == []


def test_failure_in_the_middle_leaves_the_earlier_backup(kept: SessionBackups) -> None:
    class FailingSource(ListSource):
        def read(self, _located: Located) -> Iterator[Session]:
            yield make_session()
            raise SourceError("gone")

    save(kept, make_session("s1", Text("before")))
    with pytest.raises(SourceError):
        kept.save(cast("Source", FailingSource()), locate(), load())
    assert len(files(kept)) == 1
    assert [message.text for copy in read(kept) for message in copy.messages] == ["before"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95, 0.999])
def test_damaged_backup_is_a_source_error(kept: SessionBackups, share: float) -> None:
    save(kept, make_session("s1", *[Text(os.urandom(500).hex()) for _ in range(20)]))
    (path,) = files(kept)
    content = path.read_bytes()
    position = min(int(len(content) * share), len(content) - 1)
    flipped = bytearray(content)
    flipped[position] ^= 0xFF
    for damaged in (content[: int(len(content) * share)], bytes(flipped)):
        path.write_bytes(damaged)
        if kept.find("cursor", "s1"):
            with pytest.raises(SourceError, match=r"\.json\.gz: damaged \((?!None)"):
                read(kept)
        kept.prune()


def test_backup_that_is_damaged_while_its_messages_are_read_is_a_source_error(
    kept: SessionBackups,
) -> None:
    save(kept, make_session("s1", *[Text(os.urandom(500).hex()) for _ in range(20)]))
    source, located = find(kept)
    (copy,) = source.read(located)
    (path,) = files(kept)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SourceError, match=r"\.json\.gz: damaged \(EOFError\)"):
        list(copy.messages)


def test_backup_with_unknown_lines_is_a_source_error(kept: SessionBackups) -> None:
    save(kept, make_session())
    (path,) = files(kept)
    header, *_ = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(header + b'{"session": {}}\n'))
    with pytest.raises(SourceError, match=r"\.json\.gz: damaged \(KeyError\)"):
        read(kept)


def test_damaged_backup_is_deleted_at_its_age_and_counted(kept: SessionBackups) -> None:
    save(kept, make_session())
    (path,) = files(kept)
    path.write_bytes(b"damaged")
    assert kept.prune() == []
    make_older(path, backups.MAX_SECONDS + 60)
    assert kept.prune() == [("", "")]
    assert files(kept) == []


# ---- the queue -----------------------------------------------------------------------------------


def back_up(user: ClaudeUser, seconds: float = 60) -> SessionBackups:
    end = time.monotonic() + seconds
    with Ledger(user.folders.ledger) as ledger:
        backups.back_up_queue(user.spool, ledger, load(), Log(user.folders.state), end)
    return SessionBackups.from_config(load())


def put(user: ClaudeUser, session_id: str, received_at: int = 1, **environ: str) -> Job:
    job = Job(Trigger("claude-code", session_id), environ, received_at)
    user.spool.put(job)
    return job


def test_waiting_and_quarantined_sessions_are_backed_up_wherever_their_agents_keep_them(
    user: ClaudeUser, tmp_path: Path
) -> None:
    TranscriptWriter(tmp_path / "other" / "projects" / "-work" / "s1.jsonl").turn(1)
    user.spool.put(Job(Trigger("an agent of next year", "s0"), {}, 1))
    put(user, "gone", 2)
    put(user, "s1", 3, CLAUDE_CONFIG_DIR=str(tmp_path / "other"))
    user.session("s2")
    user.spool.quarantine(put(user, "s2", 4), "It was refused.")
    for _ in range(2):
        kept = back_up(user)
    assert kept.find("claude-code", "s1")
    assert kept.find("claude-code", "s2")
    log = (user.folders.state / "hooks.log").read_text().splitlines()
    assert [line.partition(" copied ")[2] for line in log] == [
        "agent=claude-code session=s1", "agent=claude-code session=s2",
    ]  # fmt: skip


def test_session_that_cannot_be_found_now_does_not_stop_the_others(
    user: ClaudeUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_session = ClaudeCodeSource.locate

    def fail_on_s1(self: ClaudeCodeSource, trigger: Trigger) -> Located | None:
        if trigger.session_id == "s1":
            raise SourceError("its owner lets nobody read")
        return find_session(self, trigger)

    monkeypatch.setattr(ClaudeCodeSource, "locate", fail_on_s1)
    for number, name in enumerate(("s1", "s2")):
        user.session(name)
        put(user, name, number)
    assert back_up(user).find("claude-code", "s2")


def test_deleted_backup_is_counted_in_status_and_log_even_by_a_worker_without_time(
    user: ClaudeUser,
) -> None:
    user.session("s1")
    user.session("s2")
    put(user, "s1")
    (path,) = back_up(user).folder.iterdir()
    os.utime(path, (1, 1))
    put(user, "s2", 2)
    kept = back_up(user, seconds=-1)
    assert files(kept) == []
    assert "1 copies dropped" in run("status").stdout
    log = (user.folders.state / "hooks.log").read_text()
    assert log.endswith(" copy-dropped agent=claude-code session=s1\n")


def test_worker_in_which_a_session_failed_deletes_backups_that_are_too_old(
    user: ClaudeUser,
) -> None:
    user.session("old")
    old = put(user, "old")
    (path,) = back_up(user).folder.iterdir()
    os.utime(path, (1, 1))
    user.spool.drop(old.name)
    writer = user.session("s1")
    writer.path.unlink()
    os.mkfifo(writer.path)
    user.event("s1")
    worker.main(seconds=3)
    assert not path.exists()
    assert "copies dropped" in run("status").stdout
