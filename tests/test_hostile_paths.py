"""Hostile names, paths and links: nothing outside the agents' folders and our own is touched.

OPENSYNC_TEST_PATHS sets the number of generated attacks, such as 20000 for a long run.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents import registry, sqlite_snapshot
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.config.credentials import save_login
from opensync_hooks.destinations.store.schema import SCHEMA
from opensync_hooks.errors import NotConfiguredError, OpenSyncError, SourceError
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import HookFacts, Session
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.queue import worker
from opensync_hooks.queue.spool import Spool
from opensync_hooks.system.files import (
    atomic_write,
    ensure_private_folder,
    open_regular_file,
    read_file,
)
from opensync_hooks.system.log import Log
from opensync_hooks.system.sqlite import SqliteFile
from tests.cursor_home import Editor, user_line
from tests.fuzz.reading import staying_inside
from tests.transcripts import TranscriptWriter

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, pipes and modes of POSIX")

ATTACKS = int(os.environ.get("OPENSYNC_TEST_PATHS", "500"))
SECRET = "the-word-that-stays-at-home"
_SESSION = "00000001-0000-4000-8000-000000000001"
_AGENTS = registry.NAMES
NAMES: tuple[str, ...] = (
    *("..", ".", "", "/", "//", "~", "~root", "*", "?", "[a-z]", "**", "%2e%2e%2f", "..\\..", "\\"),
    *("a\0b", "a\nb", "a\rb", "\x1b[2J", "\u202egpj.exe", "\ud800", "é", "e\u0301"),
    "\uff23\uff2f\uff2e",
    *("CON", "NUL", "COM1.jsonl", "aux.txt", "a:b", "a" * 300, "a" * 129, "-rf", "$HOME", "`id`"),
    *("../../../../etc/passwd", "/etc/passwd", "/proc/self/environ", "/dev/zero", "/dev/stdin"),
    *("\\\\server\\share\\x", "//server/share", "C:\\Windows\\win.ini", "file:///etc/passwd"),
    *("ses_../../x", "ses_*", f"{_SESSION}/../x", f"{_SESSION}\0", f"{_SESSION}.jsonl", _SESSION),
)
"""Ids and pieces of paths that have a meaning to a shell, a file system, an agent or to us."""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Files that an attacker wants to have uploaded, or changed."""
    folder = tmp_path / "outside"
    folder.mkdir()
    transcript = TranscriptWriter(folder / f"{_SESSION}.jsonl")
    transcript.line("user", SECRET)
    (folder / "agent-x.jsonl").write_bytes(transcript.path.read_bytes())
    (folder / "c1.jsonl").write_text(json.dumps(user_line(SECRET)) + "\n")
    (folder / "id_rsa").write_text(SECRET)
    value = {"id": "ses_1", "title": SECRET, "role": "user", "type": "text", "text": SECRET}
    for name in ("ses_1", "msg_1", "prt_1"):
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


@pytest.fixture
def roots(home: Path) -> Path:
    """A home in which every agent keeps a session."""
    TranscriptWriter(home / ".claude" / "projects" / "-work" / f"{_SESSION}.jsonl").line(
        "user", "mine"
    )
    storage = home / ".local" / "share" / "opencode" / "storage"
    for below in ("session/p/ses_1", "message/ses_1/msg_1", "part/msg_1/prt_1"):
        path = (storage / below).with_suffix(".json")
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"id": path.stem, "role": "user", "type": "text", "text": "x"}))
    chat = home / ".cursor" / "projects" / "work" / "agent-transcripts" / "c1"
    chat.mkdir(parents=True)
    (chat / "c1.jsonl").write_text(json.dumps(user_line("mine")) + "\n")
    editor = Editor(home, journal="rollback")
    editor.draft().add_turn(1)
    editor.close()
    return home


def state_of(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Everything in which a change would show, by path."""
    states = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        states[str(path)] = (status.st_mode, status.st_ino, status.st_mtime_ns, content)
    return states


def all_texts() -> str:
    """The text of all sessions that are found now."""
    return "".join(_texts_of(agent) for agent in _AGENTS)


def _texts_of(agent: str) -> str:
    source = registry.source(agent)
    assert source
    texts = ""
    with suppress(SourceError):
        for located in source.sessions():
            with suppress(SourceError):
                for session in source.read(located):
                    texts += _text(session)
    return texts


def _text(session: Session) -> str:
    return f"{session.title}" + "".join(message.text for message in session.messages)


# ---- generated attacks ---------------------------------------------------------------------------


class Attacker:
    """Makes up payloads, and plants links and pipes in the agents' folders."""

    def __init__(self, roots: Path, outside: Path, seed: int) -> None:
        self.roots = roots
        self.outside = outside
        self.random = random.Random(seed)  # noqa: S311
        self.paths = [path for path in sorted(roots.rglob("*")) if path != roots]

    def payload(self) -> bytes:
        fields = ("session_id", "conversation_id", "transcript_path", "cwd", "workspace_roots")
        value: dict[str, Any] = {
            "hook_event_name": self.random.choice(("Stop", "SessionEnd", "stop", ""))
        }
        for name in self.random.sample(fields, self.random.randint(1, 4)):
            text = self.path() if name.endswith(("path", "cwd", "roots")) else self.id()
            value[name] = [text] if name == "workspace_roots" else text
        return json.dumps(value).encode()

    def id(self) -> str:
        return self.random.choice((_SESSION, "ses_1", "c1", *NAMES, self.path()))

    def path(self) -> str:
        choose = self.random.choice
        starts = (self.roots, self.outside, *self.paths, "/etc", "/proc/self", "", "~")
        middle = "/".join(choose(NAMES) for _ in range(self.random.randint(0, 3)))
        last = choose((f"{_SESSION}.jsonl", "id_rsa", "c1.jsonl", "passwd", "environ", *NAMES))
        template = choose(("{}/{}/{}", "{}/../{}/{}", "{}//{}{}", "{}{}{}"))
        return template.format(choose(starts), middle, last)

    def plant(self) -> None:
        """Replace a file or folder of an agent by a link or a pipe, or add one beside or below."""
        path = self.random.choice(self.paths)
        files = [*self.outside.iterdir()]
        below = path / self.random.choice(files).name
        planted = self.random.choice((path, path.with_name("link"), path / "link", below))
        if not os.path.realpath(planted.parent).startswith(str(self.roots)):
            return  # behind a link that was planted before
        if planted.parent == self.roots / ".claude" / "projects":
            return  # a project may be the user's own link
        if planted.name in ("state.vscdb", "opencode.db"):
            return  # so may a database, if it leads to a regular file of the same user
        with suppress(OSError):
            if planted.is_dir() and not planted.is_symlink():
                shutil.rmtree(planted)
            planted.unlink(missing_ok=True)
            planted.parent.mkdir(parents=True, exist_ok=True)
            if self.random.random() < 0.25:
                os.mkfifo(planted)
            else:
                targets = (
                    self.outside,
                    *files,
                    Path("/dev/zero"),
                    Path("/proc/self"),
                    Path("/etc"),
                )
                planted.symlink_to(self.random.choice(targets))


@pytest.mark.timeout(600 + ATTACKS / 10)
def test_no_attack_reads_or_writes_anything_outside(
    roots: Path, outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that waited at a pipe would run into the time limit."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    spool = Spool(tmp_path / "ours" / "spool")
    pristine = tmp_path / "pristine"
    shutil.copytree(roots, pristine, symlinks=True)
    before = state_of(outside)
    attacker = Attacker(roots, outside, seed=ATTACKS)
    for number in range(ATTACKS):
        if number % 10 == 0:  # start over with an intact home
            shutil.rmtree(roots, ignore_errors=True)
            shutil.copytree(pristine, roots, symlinks=True)
        attacker.plant()
        agent = attacker.random.choice(_AGENTS)
        event = tmp_path / "ours" / "spool" / f"{number}-1.{agent}.event"
        event.write_bytes(b"\n" + attacker.payload())
        with staying_inside(roots, tmp_path / "ours"):
            spool.ingest()
            for job in spool.jobs():
                source = registry.source(job.trigger.agent)
                assert source
                with suppress(SourceError):
                    located = source.locate(job.trigger)
                    for session in source.read(located) if located else ():
                        assert SECRET not in _text(session)
                spool.done(job)
            if number % 5 == 4:
                assert SECRET not in all_texts()
    assert state_of(outside) == before
    inside = {"spool", "notes", "excluded", "locks"}
    assert {path.name for path in (tmp_path / "ours").iterdir()} <= inside


@pytest.mark.usefixtures("roots")
def test_without_attacks_the_same_home_is_read() -> None:
    assert all_texts().count("mine") == 4, "text and title of Claude Code's and Cursor's"
    assert "x" in _texts_of("opencode")


# ---- links in the agents' folders ----------------------------------------------------------------


def _link(path: Path, target: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


_LINKS = {
    "a transcript": (f".claude/projects/-work/{_SESSION}.jsonl", f"{_SESSION}.jsonl"),
    "a session's folder": (f".claude/projects/-work/{_SESSION}", ".."),
    "the subagents of a session": (f".claude/projects/-work/{_SESSION}/subagents", "."),
    "a subagent": (f".claude/projects/-work/{_SESSION}/subagents/agent-x.jsonl", "agent-x.jsonl"),
    "a project of OpenCode's": (".local/share/opencode/storage/session/p", "."),
    "a session of OpenCode's": (".local/share/opencode/storage/session/p/ses_1.json", "ses_1.json"),
    "the messages of a session": (".local/share/opencode/storage/message/ses_1", "."),
    "a message": (".local/share/opencode/storage/message/ses_1/msg_1.json", "msg_1.json"),
    "the parts of a message": (".local/share/opencode/storage/part/msg_1", "."),
    "a part": (".local/share/opencode/storage/part/msg_1/prt_1.json", "prt_1.json"),
    "a project of Cursor's": (".cursor/projects/work", ".."),
    "the transcripts of a project": (".cursor/projects/work/agent-transcripts", "."),
    "a folder of a transcript": (".cursor/projects/work/agent-transcripts/c1", "."),
    "a transcript of Cursor's": (
        ".cursor/projects/work/agent-transcripts/c1/c1.jsonl", "c1.jsonl",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("link", "target"), _LINKS.values(), ids=_LINKS)
def test_link_out_of_an_agents_folder_is_not_followed(
    roots: Path, outside: Path, link: str, target: str
) -> None:
    agents = outside.parent / "agent-transcripts"
    agents.symlink_to(outside)
    (outside.parent / "subagents").symlink_to(outside)
    _link(roots / link, outside / target)
    assert SECRET not in all_texts()


def test_the_agents_own_folder_may_be_a_link(roots: Path, tmp_path: Path) -> None:
    """Users keep their agents' folders on another disk."""
    for name in (".claude", ".cursor", ".local/share/opencode"):
        moved = tmp_path / "disk" / name
        moved.parent.mkdir(parents=True, exist_ok=True)
        (roots / name).rename(moved)
        (roots / name).symlink_to(moved)
    assert all_texts().count("mine") == 4
    assert "x" in _texts_of("opencode")


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_database_with_a_link_or_a_pipe_among_its_files_is_refused(
    tmp_path: Path, suffix: str, kind: str
) -> None:
    editor = Editor(tmp_path, journal="rollback")
    editor.draft().add_turn(1)
    editor.close()
    planted = Path(f"{editor.path}{suffix}")
    if kind == "link":
        target = planted.rename(tmp_path / "elsewhere") if not suffix else tmp_path / "elsewhere"
        planted.symlink_to(target)
    else:
        planted.unlink(missing_ok=True)
        os.mkfifo(planted)
    with pytest.raises(SourceError, match=r"not a regular file"):
        sqlite_snapshot.read(editor.path, lambda db: db.execute("SELECT 1").fetchone())


# ---- links in place of our own files -------------------------------------------------------------


def _settings(_ours: Path) -> None:
    save_login(os.environ, "https://x.convex.site", "osk_new")


def _note(ours: Path) -> None:
    HookNotes(ours / "notes", "cursor").add("s", HookFacts(cwd="/work"))


def _exclusion(ours: Path) -> None:
    Exclusions(ours / "excluded").keep_private("cursor", "s")


def _log(ours: Path) -> None:
    Log(ours).write("event", session="s")


def _ledger(ours: Path) -> None:
    with Ledger(ours / "ledger.db") as ledger:
        ledger.set_note("last error", "x")


def _store(ours: Path) -> None:
    SqliteFile(ours / "store.db", SCHEMA).close()


def _work(ours: Path) -> None:
    (ours / "spool").mkdir(exist_ok=True)
    worker.main(seconds=1)


def _queue(ours: Path) -> None:
    folder = ours / "spool"
    spool = Spool(folder)
    (folder / "5-1.claude-code.event").write_bytes(b"\n" + b'{"session_id": "abc"}')
    spool.ingest()
    assert spool.jobs()


_JOB = "spool/claude-code-ba7816bf8f01cfea414140de5dae2223.job"
_OURS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "settings": ("config.toml", _settings),
    "lock of the settings": ("locks/config.lock", _settings),
    "note": ("notes/cursor-043a718774c572bd8a25adbeb1bfcd5c.json", _note),
    "lock of the notes": ("notes/notes.lock", _note),
    "exclusion": ("excluded/cursor-043a718774c572bd8a25adbeb1bfcd5c.txt", _exclusion),
    "log": ("hooks.log", _log),
    "ledger": ("ledger.db", _ledger),
    "ledger's wal": ("ledger.db-wal", _ledger),
    "ledger's shm": ("ledger.db-shm", _ledger),
    "ledger's journal": ("ledger.db-journal", _ledger),
    "store": ("store.db", _store),
    "store's wal": ("store.db-wal", _store),
    "event": ("spool/4-1.claude-code.event", _queue),
    "job": (_JOB, _queue),
    "lock of the worker": ("spool/worker.lock", _work),
    "lock of the jobs": ("spool/jobs.lock", _queue),
}
"""Each file of ours, and a function that writes it."""


@pytest.mark.parametrize("kind", ["link to a file", "link to nothing", "hard to open"])
@pytest.mark.parametrize(("name", "write"), _OURS.values(), ids=_OURS)
def test_target_of_a_planted_link_is_unchanged(
    tmp_path: Path, name: str, write: Callable[[Path], None], kind: str
) -> None:
    """The write may be refused with an error of ours, or replace the link."""
    ours = tmp_path / "ours"
    planted = ours / name
    planted.parent.mkdir(parents=True)
    target = tmp_path / "target"
    if kind == "hard to open":
        os.mkfifo(planted)
    else:
        planted.symlink_to(target)
    if kind == "link to a file":
        target.write_text(SECRET)
        target.chmod(0o644)
    before = state_of(tmp_path)
    with suppress(OSError, OpenSyncError):
        write(ours)
    after = state_of(tmp_path)
    assert after.get(str(target)) == before.get(str(target))
    left = [path for path in tmp_path.rglob("*") if SECRET.encode() in _content(path)]
    assert left in ([], [target]), "the target was copied"


def _content(path: Path) -> bytes:
    is_plain = path.is_file() and not path.is_symlink()
    return path.read_bytes() if is_plain else b""


def test_temporary_file_is_created_exclusively_beside_its_target(tmp_path: Path) -> None:
    """Its name is new each time, so that no link can be planted there beforehand."""
    created: list[str] = []
    real = os.open

    def watch(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & os.O_CREAT:
            assert flags & os.O_EXCL
            assert flags & os.O_NOFOLLOW
            assert Path(path).parent == tmp_path
            created.append(str(path))
        return real(path, flags, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", watch)
        for _ in range(3):
            atomic_write(tmp_path / "file", b"x")
    assert len(set(created)) == 3


def test_every_file_of_ours_is_private_under_any_umask(tmp_path: Path) -> None:
    os.umask(0)
    for _, write in _OURS.values():
        write(tmp_path / "ours")
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (tmp_path / "ours").rglob("*")}
    assert len(modes) > 8
    # This test wrote the event itself; the end-to-end tests check the hook's own.
    assert {mode for path, mode in modes.items() if path.is_file()} <= {0o600}
    assert {mode for path, mode in modes.items() if path.is_dir()} <= {0o700}


# ---- other users' folders ------------------------------------------------------------------------


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    folder = tmp_path / "ours"
    folder.mkdir()
    os.chown(folder, 65534, -1)
    return folder


@pytest.mark.parametrize("below", ["", "spool"])
def test_folder_of_another_user_is_refused(foreign: Path, below: str) -> None:
    with pytest.raises(NotConfiguredError, match=r"ours: belongs to another user \(uid 65534\)"):
        ensure_private_folder(foreign / below)


def test_folder_that_others_can_write_to_is_closed_to_them(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    ensure_private_folder(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


@pytest.mark.parametrize("plant", ["link", "pipe", "folder", "device"])
def test_only_regular_files_are_opened(tmp_path: Path, plant: str) -> None:
    path = tmp_path / "x"
    if plant == "link":
        path.symlink_to("/etc/passwd")
    elif plant == "pipe":
        os.mkfifo(path)
    elif plant == "folder":
        path.mkdir()
    else:
        path = Path("/dev/zero")
    for read in (open_regular_file, read_file):
        with pytest.raises(OSError, match=r"link|regular|directory"):
            read(path)
