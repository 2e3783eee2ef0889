"""A session that waits for long is kept, privately and within bounds, until it has arrived."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from opensync_hooks import config
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.config import EMBEDDED_STORE
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import SourceError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.ledger.summary import complete_sessions
from opensync_hooks.model import Charge, Message, Session, Text, ToolCall, ToolResult, Usage
from opensync_hooks.privacy.cleaning import clean_message
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.queue import backups
from opensync_hooks.queue.backups import SessionBackups
from tests.delivery.harness import ListSource

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parents[1] / "data" / "claude"
SECRET = "ghp_" + "a1B2" * 9


def located(session_id: str = "s1", mark: str = "mark") -> Located:
    return Located(session_id, Path("/nowhere"), 7, mark)


def session(name: str = "s1", *parts: Any) -> Session:
    message = Message("m1", "assistant", parts or (Text("hello"),), 5)
    return Session(name, "cursor", (message,), title="A title", skipped={"bad lines": 2})


def keep(kept: SessionBackups, *sessions: Session, mark: str = "mark") -> None:
    source = cast("Source", ListSource(*sessions))
    assert kept.save(source, located(sessions[0].id, mark), config.load())


def read(kept: SessionBackups, session_id: str = "s1") -> list[Session]:
    found = kept.find("cursor", session_id)
    assert found
    source, place = found
    return [replace(one, messages=tuple(one.messages)) for one in source.read(place)]


@pytest.fixture
def kept(tmp_path: Path) -> SessionBackups:
    return SessionBackups(tmp_path / "keepsakes")


def files(kept: SessionBackups) -> list[Path]:
    return sorted(kept.folder.iterdir()) if kept.folder.exists() else []


def age(path: Path, seconds: float) -> None:
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_every_recorded_session_comes_back_as_it_was_permitted(
    kept: SessionBackups, tmp_path: Path
) -> None:
    for folder in sorted(DATA.iterdir()):
        shutil.copytree(folder, tmp_path / "claude" / "projects" / f"-{folder.name}")
    source = ClaudeCodeSource(tmp_path / "claude")
    compared = 0
    for place in source.sessions():
        assert kept.save(source, place, config.load())
        found = kept.find("claude-code", place.session_id)
        assert found
        for copy, original in zip(found[0].read(found[1]), source.read(place), strict=True):
            whole = tuple(clean_message(one, config.load()) for one in original.messages)
            assert tuple(copy.messages) == whole
            assert tuple(copy.messages) == whole, "they may be walked more than once"
            bare = replace(original, messages=())
            assert replace(copy, messages=()) == bare
            compared += len(whole)
    assert compared > 50


@examples(max_examples=60, deadline=None)
@given(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(),
       lambda one: st.lists(one) | st.dictionaries(st.text(), one), max_leaves=8))  # fmt: skip
def test_any_text_and_any_argument_comes_back(said: str, arguments: Any) -> None:
    kept = SessionBackups(Path(os.environ["OPENSYNC_HOOKS_HOME"]) / "keepsakes")
    parts = (Text(said), ToolCall("t", "Bash", arguments), ToolResult("t", "Bash", said))
    usage = Charge("c1", "m", Usage(1, 2, 3, 4, 5, 6), 0.5)
    message = Message("m1", "user", parts, None, charge=usage, aliases=("a", said), undone=True)
    loaded = replace(config.load(), redact=False, file_contents=True)
    whole = replace(session("s1"), messages=(message,), charges=(usage,))
    assert kept.save(cast("Source", ListSource(whole)), located(), loaded)
    assert read(kept) == [whole]


def test_secret_is_not_in_the_copy_and_nobody_else_may_read_it(kept: SessionBackups) -> None:
    os.umask(0)
    keep(kept, session("s1", Text(f"my token is {SECRET}")))
    (one,) = read(kept)
    (message,) = one.messages
    assert SECRET not in message.text
    assert "redacted" in message.text
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(kept)] == [0o600]
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700


def test_copy_arrives_as_the_session_itself_would_have(
    kept: SessionBackups, tmp_path: Path
) -> None:
    """What was confirmed before is not sent again, though it is read from a copy now."""
    write = ToolCall("t1", "Write", {"file_path": "/a", "content": f"secret = {SECRET}\n" * 3})
    whole = session("s1", Text(f"token {SECRET}"), write, ToolResult("t1", "Write", "done"))
    with Store(tmp_path / "store.db") as store, Ledger(tmp_path / "ledger.db") as ledger:
        syncer = Syncer(config.load(), store, ledger)
        first = syncer.sync(cast("Source", ListSource(whole)), located())
        keep(kept, whole)
        found = kept.find("cursor", "s1")
        assert found
        settings = kept.delivery_config(config.load(), "cursor", "s1")
        again = replace(syncer, config=settings).sync(*found)
        assert complete_sessions(ledger, EMBEDDED_STORE).keys() == {"cursor"}, (
            "it counts as delivered"
        )
        assert SessionRecord(ledger, EMBEDDED_STORE, "cursor", "s1").fingerprint() != "mark", (
            "if the agent's comes back, it is looked through"
        )
    assert (first.sent, again.sent, again.unchanged) == (1, 0, 1)


def test_contents_that_may_no_longer_leave_do_not_leave_with_a_copy_either(
    kept: SessionBackups, tmp_path: Path
) -> None:
    """The copy was made when they still might."""
    write = ToolCall("t1", "Write", {"file_path": "/a", "content": "line of a private file\n" * 3})
    loaded = replace(config.load(), file_contents=True)
    assert kept.save(cast("Source", ListSource(session("s1", write))), located(), loaded)
    found = kept.find("cursor", "s1")
    assert found
    withholding = kept.delivery_config(replace(loaded, file_contents=False), "cursor", "s1")
    with Store(tmp_path / "store.db") as store, Ledger(tmp_path / "ledger.db") as ledger:
        sent = Syncer(withholding, store, ledger).sync(*found).sent
    assert sent == 1
    everything = b"".join(one.read_bytes() for one in tmp_path.glob("store.db*"))
    assert b"/a" in everything
    assert b"private file" not in everything


def test_private_session_is_not_copied(kept: SessionBackups) -> None:
    Exclusions.from_config(config.load()).keep_private("cursor", "s1")
    asked: list[Located] = []

    class Unread(ListSource):
        def read(self, located: Located) -> Iterator[Session]:
            asked.append(located)
            yield session()

    assert not kept.save(cast("Source", Unread()), located(), config.load())
    assert files(kept) == []
    assert asked == [], "it is not even read"


def test_session_of_an_excluded_project_is_not_copied_and_the_others_with_it_are(
    kept: SessionBackups,
) -> None:
    loaded = replace(config.load(), exclude=("/secret",))
    here = replace(session("s1"), project_path="/work")
    there = replace(session("sub1"), project_path="/secret/plan")
    known = replace(session("sub2"), project_path="/gone")
    Exclusions.from_config(loaded).remember("cursor", "sub2", "was opted out before it was deleted")
    last = replace(session("sub3"), project_path="/work")
    told = cast("Source", ListSource(here, there, known, last))
    assert kept.save(told, located(), loaded)
    assert [one.id for one in read(kept)] == ["s1", "sub3"]
    assert not kept.save(cast("Source", ListSource(there)), located("sub1"), loaded)
    assert kept.find("cursor", "sub1") is None


def test_copy_is_made_again_only_when_it_is_old_and_outgrown(kept: SessionBackups) -> None:
    source = cast("Source", ListSource(session()))
    assert kept.is_due(source, located())
    keep(kept, session())
    assert not kept.is_due(source, located(mark="grown"))
    (path,) = files(kept)
    old = path.stat().st_mtime - backups.FRESH_SECONDS - 60
    os.utime(path, (old, old))
    assert kept.is_due(source, located(mark="grown"))
    assert not kept.is_due(source, located())


def test_oldest_go_first_when_there_is_no_room_and_each_is_named(
    kept: SessionBackups, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        keep(kept, session(f"s{number}", Text(os.urandom(2_000).hex())))
        (path,) = kept.folder.glob(kept._path("cursor", f"s{number}").name)
        at = path.stat().st_mtime - 1_000 + number
        os.utime(path, (at, at))
    whole = sum(one.stat().st_size for one in files(kept))
    monkeypatch.setattr(backups, "MAX_BYTES", whole)
    assert kept.prune() == [], "all of them just fit"
    monkeypatch.setattr(backups, "MAX_BYTES", whole // 2)
    assert sorted(kept.prune()) == [("cursor", "s0"), ("cursor", "s1"), ("cursor", "s2")]
    assert len(files(kept)) == 2
    assert kept.prune() == []


def test_copy_of_more_than_30_days_and_what_a_killed_worker_left_goes(kept: SessionBackups) -> None:
    keep(kept, session())
    (path,) = files(kept)
    age(path, backups.MAX_SECONDS + 60)
    left, being_made = kept.folder / ".left", kept.folder / ".being-made"
    left.touch()
    age(left, backups.MAX_SECONDS)
    being_made.touch()
    assert kept.prune() == [("cursor", "s1")]
    assert files(kept) == [being_made]


def test_copy_that_a_command_drops_at_the_same_moment_is_no_trouble(
    kept: SessionBackups, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(kept, session())
    glob = Path.glob

    def then_drop(folder: Path, pattern: str) -> list[Path]:
        found = list(glob(folder, pattern))
        for one in found:
            one.unlink()
        return found

    monkeypatch.setattr(Path, "glob", then_drop)
    assert kept.prune() == []


def test_damaged_copy_goes_in_its_time_too_and_is_counted_though_it_names_nobody(
    kept: SessionBackups,
) -> None:
    keep(kept, session())
    (path,) = files(kept)
    path.write_bytes(b"damaged")
    assert kept.prune() == []
    age(path, backups.MAX_SECONDS + 60)
    assert kept.prune() == [("", "")]
    assert files(kept) == []


_DIE = """
import os, signal, sys
from pathlib import Path
from opensync_hooks import config
from opensync_hooks.model import Session
from opensync_hooks.queue.backups import SessionBackups
from opensync_hooks.agents.source import Located

class Deadly:
    agent = "cursor"
    def read(self, located):
        yield Session(located.session_id, "cursor", ())
        os.kill(os.getpid(), signal.SIGKILL)

SessionBackups(Path(sys.argv[1])).save(Deadly(), Located("s1", Path("/x"), 7, "m"), config.load())
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_copy_in_the_middle_of_which_its_worker_was_killed_is_none_and_goes_after_a_day(
    kept: SessionBackups, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    died = subprocess.run(
        [sys.executable, "-c", _DIE, str(kept.folder)],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(elsewhere)}, check=False, timeout=30,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL
    (left,) = files(kept)
    assert list(elsewhere.iterdir()) == [], "no text lies where nobody clears it away"
    assert kept.find("cursor", "s1") is None
    age(left, backups.FRESH_SECONDS + 60)
    assert kept.prune() == []
    assert files(kept) == []


def test_failure_in_the_middle_leaves_nothing_half_done(kept: SessionBackups) -> None:
    class Broken(ListSource):
        def read(self, _located: Located) -> Iterator[Session]:
            yield session()
            raise SourceError("gone")

    keep(kept, session("s1", Text("before")))
    with pytest.raises(SourceError):
        kept.save(cast("Source", Broken()), located(), config.load())
    assert len(files(kept)) == 1
    assert [message.text for one in read(kept) for message in one.messages] == ["before"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95, 0.999])
def test_damaged_copy_is_an_error_of_the_source_never_a_crash(
    kept: SessionBackups, share: float
) -> None:
    keep(kept, session("s1", *[Text(os.urandom(500).hex()) for _ in range(20)]))
    (path,) = files(kept)
    content = path.read_bytes()
    for damaged in (content[: int(len(content) * share)], _flipped(content, share)):
        path.write_bytes(damaged)
        if kept.find("cursor", "s1"):
            with pytest.raises(SourceError, match=r"\.json\.gz: damaged \((?!None)"):
                read(kept)
        kept.prune()


def test_copy_that_is_damaged_while_its_messages_are_read_is_an_error_too(
    kept: SessionBackups,
) -> None:
    """They are read again when they are sent; the disk may have lost them since."""
    keep(kept, session("s1", *[Text(os.urandom(500).hex()) for _ in range(20)]))
    found = kept.find("cursor", "s1")
    assert found
    (one,) = found[0].read(found[1])
    (path,) = files(kept)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(SourceError, match=r"\.json\.gz: damaged \(EOFError\)"):
        list(one.messages)


def _flipped(content: bytes, share: float) -> bytes:
    at = min(int(len(content) * share), len(content) - 1)
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def test_copy_whose_lines_say_nothing_that_we_know_is_an_error_too(kept: SessionBackups) -> None:
    keep(kept, session())
    (path,) = files(kept)
    head, *_ = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    path.write_bytes(gzip.compress(head + b'{"session": {}}\n'))
    with pytest.raises(SourceError, match=r"\.json\.gz: damaged \(KeyError\)"):
        read(kept)


def test_sessions_of_two_agents_with_one_id_have_copies_of_their_own(kept: SessionBackups) -> None:
    keep(kept, session())
    assert kept.find("claude-code", "s1") is None
    kept.delete("claude-code", "s1")
    assert kept.find("cursor", "s1")


def test_session_id_never_becomes_a_path(kept: SessionBackups) -> None:
    for name in ("../../x", "/etc/passwd", "", "\ud83d"):
        keep(kept, session(name))
        assert [one.id for one in read(kept, name)] == [name]
        kept.delete("cursor", name)
    assert files(kept) == []
    assert kept.find("cursor", "s1") is None
