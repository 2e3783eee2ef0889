"""What hostile input is aimed at: each source, the hooks' payloads, the server's routes, redaction.

A target is made once, in an empty folder of its own, and called with one input after the other.
It raises for whatever must not happen.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from opensync_hooks.agents import registry
from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.cursor.source import open_source as open_cursor_source
from opensync_hooks.agents.opencode.source import open_source as open_opencode_source
from opensync_hooks.config.credentials import new_key
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.hook.entry import ids_only
from opensync_hooks.queue.spool import Spool
from opensync_hooks.server.access import Access
from opensync_hooks.server.connection import Connection
from opensync_hooks.server.pages import PAGES
from opensync_hooks.server.routes import ROUTES
from tests import cursor_home
from tests.fuzz.reading import read_all, staying_inside
from tests.fuzz.redaction import Redaction
from tests.fuzz.target import Target
from tests.page_reader import Page

DATA = Path(__file__).parents[1] / "data"
_ID = "00000001-0000-4000-8000-000000000001"
_MOST_FILES = 60
_DIVIDER = b"===="

Run = Callable[[bytes], None]


class Claude(Target):
    """A transcript, and behind a divider those of its subagents."""

    name = "claude-code"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.source = ClaudeCodeSource(folder)
        self.main = folder / "projects" / "-work" / f"{_ID}.jsonl"
        self.agents = self.main.with_suffix("") / "subagents"
        self.agents.mkdir(parents=True)

    @staticmethod
    def seeds() -> Iterator[bytes]:
        for path in sorted((DATA / "claude").glob("*/*.jsonl")):
            agents = sorted((path.with_suffix("") / "subagents").glob("*.jsonl"))
            content = (b"\n" + _DIVIDER + b"\n").join(path.read_bytes() for path in (path, *agents))
            yield from _in_pieces(content, 40)

    def __call__(self, data: bytes) -> None:
        main, *agents = data.split(_DIVIDER + b"\n")[:4]
        for path in self.agents.iterdir():
            path.unlink()
        self.main.write_bytes(main)
        for number, content in enumerate(agents):
            (self.agents / f"agent-{number}.jsonl").write_bytes(content)
            (self.agents / f"agent-{number}.meta.json").write_bytes(content[:200])
        with staying_inside(self.folder):
            self.count = read_all(self.source, self.folder)
        assert self.count > 0, "the session was not found"


class OpenCodeFiles(Target):
    """Lines of a path, a tab and the content of the file there."""

    name = "opencode-json"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.data = folder / ".local" / "share" / "opencode"
        self.source = open_opencode_source({}, str(folder))

    @staticmethod
    def seeds() -> Iterator[bytes]:
        for path in sorted((DATA / "opencode").glob("[01].*.json")):
            files = json.loads(path.read_bytes())
            for session in [name for name in files if Path(name).stem.startswith("ses_")]:
                mine = {n: v for n, v in files.items() if _belongs(n, Path(session).stem, files)}
                yield b"\n".join(f"{n}\t{json.dumps(v)}".encode() for n, v in mine.items())
        export = json.loads((DATA / "opencode" / "export.json").read_bytes())
        yield f"export/{export['info']['id']}.json\t{json.dumps(export)}".encode()

    def __call__(self, data: bytes) -> None:
        shutil.rmtree(self.folder / ".local", ignore_errors=True)
        shutil.rmtree(self.folder / ".opencode", ignore_errors=True)
        for line in data.split(b"\n")[:_MOST_FILES]:
            name, _, content = line.partition(b"\t")
            self._put(name.decode("ascii", "replace"), content)
        with staying_inside(self.folder):
            self.count = read_all(self.source, self.folder)

    def _put(self, name: str, content: bytes) -> None:
        parts = [part for part in name.split("/") if part.strip(".") and len(part) < 100]
        base = self.data
        if parts[:1] == ["export"]:
            base, parts = self.folder / ".opencode" / "sessions", parts[1:]
        with suppress(OSError, ValueError):  # no name that a file can have, or taken by a folder
            path = base.joinpath(*parts[:8])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


class OpenCodeRows(Target):
    """Lines of a table's name, a tab and a row as JSON; what is nested in it becomes a text."""

    name = "opencode-rows"
    _SCHEMAS = ("1.18.33", "2.x")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        path = folder / ".local" / "share" / "opencode" / "opencode.db"
        path.parent.mkdir(parents=True)
        self.db = _fast_database(path)
        for version in reversed(self._SCHEMAS):
            with suppress(sqlite3.Error), closing(_recorded(version)) as recorded:
                for statement in _schema(recorded):
                    with suppress(sqlite3.OperationalError):  # both have it, in two layouts
                        self.db.execute(statement)
        self.columns = {table: _columns(self.db, table) for table in _tables(self.db)}
        self.source = open_opencode_source({}, str(folder))

    @classmethod
    def seeds(cls) -> Iterator[bytes]:
        for version in ("1.2.1", "1.15.13", *cls._SCHEMAS):
            with closing(_recorded(version)) as db:
                lines = [
                    _row_line(table, dict(row))
                    for table in _tables(db)
                    for row in db.execute(f"SELECT * FROM {table}")  # noqa: S608
                ]
            sessions = [line for line in lines if line.startswith((b"session\t", b"session_v2\t"))]
            for session in sessions:
                mark = json.loads(session.partition(b"\t")[2])["id"].encode()
                yield b"\n".join(line for line in lines if mark in line)

    def __call__(self, data: bytes) -> None:
        self.db.execute("BEGIN")
        for table in self.columns:
            self.db.execute(f"DELETE FROM {table}")  # noqa: S608
        for line in data.split(b"\n")[:500]:
            self._put(line)
        self.db.execute("COMMIT")
        with staying_inside(self.folder):
            self.count = read_all(self.source, self.folder)

    def _put(self, line: bytes) -> None:
        name, _, raw = line.partition(b"\t")
        table = name.decode("ascii", "replace")
        if table not in self.columns:
            return
        try:
            row = json.loads(raw.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            row = {"id": f"raw{len(raw)}", "data": raw.decode("utf-8", "replace")}
        values = {c: row.get(c) for c in self.columns[table]} if isinstance(row, dict) else {}
        if values:
            places = ", ".join("CAST(? AS TEXT)" if _is_text(v) else "?" for v in values.values())
            with suppress(sqlite3.Error, OverflowError):
                names = ", ".join(f'"{column}"' for column in values)
                query = f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({places})"  # noqa: S608
                self.db.execute(query, [_cell(value) for value in values.values()])


class CursorRows(Target):
    """Lines of a key, a tab and the value in the editor's database; `@id` for the list of them."""

    name = "cursor-rows"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        editor = cursor_home.Editor(folder, journal="rollback")
        editor.close()
        self.db = _fast_database(editor.path)
        self.source = open_cursor_source({}, str(folder))

    @staticmethod
    def seeds() -> Iterator[bytes]:
        for name in ("v3-2025-05.jsonl", "v16-2026-06.jsonl"):
            rows = map(json.loads, (DATA / "cursor" / name).read_bytes().splitlines())
            yield b"\n".join(f"{r['key']}\t{json.dumps(r['value'])}".encode() for r in rows)
        for version in (1, 3, 9, 18):
            yield _drafted(version)

    def __call__(self, data: bytes) -> None:
        self.db.execute("BEGIN")
        self.db.execute("DELETE FROM cursorDiskKV")
        self.db.execute("DELETE FROM composerHeaders")
        for line in data.split(b"\n")[:500]:
            key, _, value = line.partition(b"\t")
            blob = "?" if value.endswith(b" ") else "CAST(? AS TEXT)"
            table = "composerHeaders" if key.startswith(b"@") else "cursorDiskKV"
            query = f"INSERT OR REPLACE INTO {table} VALUES (CAST(? AS TEXT), {blob})"  # noqa: S608
            self.db.execute(query, (key.removeprefix(b"@"), value))
        self.db.execute("COMMIT")
        with staying_inside(self.folder):
            self.count = read_all(self.source, self.folder)


class CursorChats(Target):
    """Lines of a blob's name, a tab and its JSON, or its bytes as hex behind `~`; also `meta`."""

    name = "cursor-chats"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        path = cursor_home.chat(folder, ())
        path.unlink()
        self.db = _fast_database(path)
        self.db.execute("CREATE TABLE blobs (id TEXT PRIMARY KEY, data BLOB)")
        self.db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)")
        self.beside = path.with_name("meta.json")
        self.source = open_cursor_source({}, str(folder))

    @staticmethod
    def seeds() -> Iterator[bytes]:
        payload = (
            cursor_home.user("do it", "r1"),
            cursor_home.assistant(
                cursor_home.text("yes"), cursor_home.call("c1", "Shell", command="ls")
            ),
            cursor_home.result("c1", "Shell", "a\nb"),
            cursor_home.assistant(cursor_home.text("done")),
        )
        for running in (False, True):
            yield _blob_lines(cursor_home.graph((*cursor_home.PREAMBLE, *payload), running=running))
        with closing(sqlite3.connect(DATA / "cursor" / "sdk" / "closed" / "store.db")) as db:
            yield _blob_lines(dict(db.execute("SELECT id, data FROM blobs").fetchall()))

    def __call__(self, data: bytes) -> None:
        self.db.execute("BEGIN")
        self.db.execute("DELETE FROM blobs")
        self.db.execute("DELETE FROM meta")
        for line in data.split(b"\n")[:300]:
            name, _, raw = line.partition(b"\t")
            if name == b"meta":
                self.beside.write_bytes(raw)
                hexed = raw.hex() if raw[-1:] != b" " else raw.decode("latin-1")
                self.db.execute("INSERT OR REPLACE INTO meta VALUES ('0', ?)", (hexed,))
            else:
                value = _unhexed(raw)
                query = "INSERT OR REPLACE INTO blobs VALUES (CAST(? AS TEXT), ?)"
                self.db.execute(query, (name, value))
        self.db.execute("COMMIT")
        with staying_inside(self.folder):
            self.count = read_all(self.source, self.folder)


class CursorTranscripts(Target):
    """A transcript, and behind a divider those of its subagents; a first line `txt` for the old."""

    name = "cursor-transcripts"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.place = folder / ".cursor" / "projects" / "work-app" / "agent-transcripts"
        self.source = open_cursor_source({}, str(folder))

    @staticmethod
    def seeds() -> Iterator[bytes]:
        for path in sorted((DATA / "cursor").rglob("*.jsonl")):
            if path.name != "payloads.jsonl" and not path.name.startswith("v"):
                yield path.read_bytes()
        yield b"txt\n" + (DATA / "cursor" / "sdk" / "transcript-error.txt").read_bytes()

    def __call__(self, data: bytes) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        suffix = ".txt" if data.startswith(b"txt\n") else ".jsonl"
        main, *agents = data.removeprefix(b"txt\n").split(_DIVIDER + b"\n")[:4]
        below = self.place / _ID / "subagents"
        below.mkdir(parents=True)
        (self.place / _ID / f"{_ID}{suffix}").write_bytes(main)
        for number, content in enumerate(agents):
            (below / f"{number}.jsonl").write_bytes(content)
        with staying_inside(self.folder):
            self.count = read_all(self.source, self.folder)
        assert self.count > 0, "the session was not found"


class DatabaseFiles(Target):
    """The bytes of a database, whose pages anything may have happened to, read by both sources."""

    name = "database-files"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.cursor_file = cursor_home.user_folder(folder) / "globalStorage" / "state.vscdb"
        self.opencode_file = folder / ".local" / "share" / "opencode" / "opencode.db"
        self.chat_file = folder / ".cursor" / "chats" / "f" / "c1" / "store.db"
        self.sources = (
            open_cursor_source({}, str(folder)),
            open_opencode_source({}, str(folder)),
        )
        for path in (self.cursor_file, self.opencode_file, self.chat_file):
            path.parent.mkdir(parents=True)

    @staticmethod
    def seeds() -> Iterator[bytes]:
        yield (DATA / "cursor" / "sdk" / "closed" / "store.db").read_bytes()
        with closing(_recorded("2.x")) as db:
            yield db.serialize()
        with closing(sqlite3.connect(":memory:")) as db:
            db.execute(
                "CREATE TABLE cursorDiskKV (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)"
            )
            rows = (line.partition(b"\t")[::2] for line in _drafted(9).split(b"\n"))
            db.executemany("INSERT INTO cursorDiskKV VALUES (CAST(? AS TEXT), ?)", rows)
            db.commit()
            yield db.serialize()

    def __call__(self, data: bytes) -> None:
        for path in (self.cursor_file, self.opencode_file, self.chat_file):
            path.write_bytes(data)
        with staying_inside(self.folder):
            self.count = sum(read_all(source, self.folder) for source in self.sources)
        for path in (self.cursor_file, self.opencode_file, self.chat_file):
            assert path.read_bytes() == data, f"{path.name} was changed"
            assert len(list(path.parent.iterdir())) == 1, f"a file was left beside {path.name}"


class Payloads(Target):
    """An agent's letter, then what it gives its hook: from the spool to the session's place."""

    name = "payloads"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.spool = Spool(folder / "spool")

    @staticmethod
    def seeds() -> Iterator[bytes]:
        for path in sorted((DATA / "cursor").rglob("payloads.jsonl")):
            for line in path.read_bytes().splitlines():
                yield b"2" + line
                yield b"0" + line
        paths = {"transcript_path": f"/home/u/.claude/projects/-work/{_ID}.jsonl", "cwd": "/work"}
        stop = {
            "session_id": _ID,
            **paths,
            "hook_event_name": "Stop",
            "last_assistant_message": "x",
        }
        end = {"session_id": _ID, **paths, "hook_event_name": "SessionEnd", "reason": "clear"}
        for value in (stop, end, {"session_id": "ses_e0455b051ffelTfTKepUayusYv"}):
            for letter in b"01":
                yield bytes((letter,)) + json.dumps(value).encode()
                yield bytes((letter,)) + json.dumps(value, indent=1).encode()[:-1]

    def __call__(self, data: bytes) -> None:
        agents = registry.NAMES
        agent = agents[data[0] % len(agents)] if data else agents[0]
        payload = data[1:]
        environ = f"CLAUDE_CONFIG_DIR={self.folder}/c\0XDG_DATA_HOME={self.folder}/d".encode()
        for number, body in enumerate((payload, ids_only(payload))):
            event = self.folder / "spool" / f"{number + 1}-1.{agent}.event"
            event.write_bytes(environ + b"\n" + body)
        with staying_inside(self.folder):
            self.spool.ingest()
            assert not self.spool.has_events()
            for job in self.spool.jobs():
                source = registry.source(job.trigger.agent, {**os.environ, **job.environ})
                assert source
                assert source.locate(job.trigger) is None, "nothing lies inside the roots"
                self.spool.done(job)
        assert self.spool.waiting() == 0, "a job that cannot be read again"
        for name in ("notes", "excluded"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


class _Wire:
    """A socket that has said all it will say, and keeps the answer."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.answer = bytearray()
        self.rest = io.BytesIO(data)

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO()

    def recv_into(self, buffer: memoryview) -> int:
        return self.rest.readinto(buffer)

    def sendall(self, data: bytes) -> None:
        self.answer += data

    def settimeout(self, _: object) -> None: ...

    def setsockopt(self, *_: object) -> None: ...


class ServerRoutes(Target):
    """The bytes of a connection, with `KEY` for the server's key, `SESSION` for an id of its.

    `PAGES/` is where its pages are, `COOKIE` what opens them, `MESSAGE` one that it holds.
    """

    name = "server"
    _KEY = b"Authorization: Bearer KEY\r\n"
    _COOKIE = b"Cookie: a=b; COOKIE\r\n"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.key = new_key()
        self.calls = 0
        self.answered = b""
        self.store = Store(folder / "store.db")
        self.access = Access(1)
        cookie = self.access.log_in(self.access.login_path.partition("=")[2])
        self.cookie = str(cookie).partition(";")[0]

    def trust(self, _request: object) -> None:
        """The connection's user has shown the key; there is no other connection to close."""

    @classmethod
    def seeds(cls) -> Iterator[bytes]:
        session = {"externalId": "s", "title": "T", "createdAt": 5, "cost": 0.5, "source": "x"}
        parts = [{"type": "text", "content": "hi"}, {"type": "tool-call", "content": {"a": [1]}}]
        message = {"sessionExternalId": "s", "externalId": "m", "role": "user", "parts": parts}
        batch = {"sessions": [session], "messages": [message]}
        bodies = {"/sync/session": session, "/sync/message": message, "/sync/batch": batch}
        for method, path in ROUTES:
            body = json.dumps(bodies[path]).encode() if path in bodies else b""
            query = "?id=SESSION&format=markdown"
            query = query if path in ("/api/export", "/api/sessions/get") else "?limit=5"
            yield cls._request(method, path + ("" if body else query), body)
        yield b"".join(
            cls._request("POST", path, json.dumps(b).encode()) for path, b in bodies.items()
        )
        yield from cls._seeds_of_pages(json.dumps(batch).encode())
        yield cls._request("OPTIONS", "/api/sessions", b"")

    @classmethod
    def _seeds_of_pages(cls, batch: bytes) -> Iterator[bytes]:
        queries = {
            "": "?q=hi&agent=x",
            "session": "?id=SESSION&page=1",
            "message": "?id=MESSAGE",
            "version": "?id=SESSION",
            "export": "?id=SESSION&format=html",
        }
        pages = [cls._request("GET", f"PAGES/{name}{queries.get(name, '')}", b"") for name in PAGES]
        yield from pages
        yield cls._request("POST", "/sync/batch", batch) + cls._request("GET", "PAGES/?q=t", b"")
        yield cls._request("GET", "/?key=KEY", b"")

    @classmethod
    def _request(cls, method: str, path: str, body: bytes) -> bytes:
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:1\r\nOrigin: http://localhost:3000\r\n"
        length = f"Content-Length: {len(body)}\r\n\r\n"
        return head.encode() + cls._KEY + cls._COOKIE + length.encode() + body

    def __call__(self, data: bytes) -> None:
        self._start_anew()
        session_id = self.store.put_session({"externalId": "known", "title": "<b>T</b>"}, {})
        message: dict[str, Any] = {"sessionExternalId": "known", "externalId": "m1", "role": "tool"}
        message_id = self.store.put_message({**message, "textContent": "<i>hi"}, {}, replaces=True)
        request = data.replace(b"KEY", self.key.encode()).replace(b"SESSION", session_id.encode())
        request = request.replace(b"PAGES/", self.access.pages_path.encode())
        request = request.replace(b"COOKIE", self.cookie.encode())
        wire = _Wire(request.replace(b"MESSAGE", message_id.encode()))
        listener: Any = self
        with staying_inside(self.folder):
            Connection(wire, ("127.0.0.1", 1), listener)  # type: ignore[arg-type]
        self.answered = answer = bytes(wire.answer)
        assert b"inside the server" not in answer, answer[-200:]
        assert b"access-control" not in answer.lower().partition(b"\r\n\r\n")[0]
        if b"KEY" not in data:
            assert b'"sessionId"' not in answer
            assert b'"sessions":' not in answer
        assert self.key.encode() not in answer or b"KEY" in data
        self._check_pages(answer, has_cookie=b"COOKIE" in data)

    def _check_pages(self, answer: bytes, *, has_cookie: bool) -> None:
        for page in re.finditer(
            rb"(?s)HTTP/1\.1 (\d+) (?:(?!HTTP/1).)*?(<!doctype html>.*?</html>)", answer
        ):
            assert has_cookie or page[1] != b"200"
            Page(page[2].decode())
        assert self.cookie.encode() not in answer

    def _start_anew(self) -> None:
        self.calls += 1
        if self.calls % 500 == 0:  # what earlier inputs stored must not grow for ever
            for session_id in self.store.session_ids():
                self.store.delete_session(session_id)


ALL: dict[str, type[Target]] = {
    target.name: target
    for target in (
        *(Claude, OpenCodeFiles, OpenCodeRows, CursorRows, CursorChats, CursorTranscripts),
        *(DatabaseFiles, Payloads, ServerRoutes, Redaction),
    )
}


def _in_pieces(content: bytes, most: int) -> Iterator[bytes]:
    """The whole, and pieces of it: short inputs are changed more thoroughly."""
    yield content
    lines = content.split(b"\n")
    if len(lines) > most:
        for start in range(0, len(lines), most):
            yield b"\n".join(lines[start : start + most]) + b"\n"


def _belongs(name: str, session: str, files: dict[str, Any]) -> bool:
    if session in name:
        return True
    value = files[name]
    return isinstance(value, dict) and value.get("sessionID") == session


def _fast_database(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = MEMORY")
    db.execute("PRAGMA synchronous = OFF")
    return db


def _recorded(version: str) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.executescript((DATA / "opencode" / f"{version}.sql").read_text())
    db.row_factory = sqlite3.Row
    return db


def _schema(db: sqlite3.Connection) -> list[str]:
    """Without constraints: damaged rows must get in."""
    columns = ((table, (f'"{column}"' for column in _columns(db, table))) for table in _tables(db))
    return [f"CREATE TABLE {table} ({', '.join(names)})" for table, names in columns]


def _tables(db: sqlite3.Connection) -> list[str]:
    tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return [row[0] for row in tables.fetchall()]


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in db.execute(f"PRAGMA table_info({table})").fetchall()]


def _row_line(table: str, row: dict[str, Any]) -> bytes:
    """Columns that hold JSON are opened, so that a change reaches into them."""
    opened = {}
    for name, value in row.items():
        opened[name] = value
        if isinstance(value, str) and value[:1] in ("{", "["):
            with suppress(ValueError):
                opened[name] = json.loads(value)
    return f"{table}\t{json.dumps(opened)}".encode()


def _is_text(value: object) -> bool:
    return isinstance(value, str | dict | list)


def _cell(value: Any) -> Any:
    plain = json.dumps(value) if isinstance(value, dict | list) else value
    return plain.encode("utf-8", "surrogatepass") if isinstance(plain, str) else plain


def _unhexed(raw: bytes) -> bytes:
    if raw[:1] != b"~":
        return raw
    try:
        return bytes.fromhex(raw[1:].decode("ascii"))
    except ValueError:
        return raw


def _blob_lines(blobs: dict[str, bytes]) -> bytes:
    meta = {"agentId": "c1", "latestRootBlobId": list(blobs)[-1], "createdAt": 1, "name": "N"}
    lines = [b"meta\t" + json.dumps({**meta, "cwd": "/work/app"}).encode()]
    for name, data in blobs.items():
        shown = data if data[:1] == b"{" else b"~" + data.hex().encode()
        lines.append(name.encode() + b"\t" + shown.replace(b"\n", b" "))
    return b"\n".join(lines)


def _drafted(version: int) -> bytes:
    """A session of the editor's as `cursor_home` writes it, as lines of keys and values."""
    with tempfile.TemporaryDirectory() as folder:
        editor = cursor_home.Editor(Path(folder), journal="rollback")
        draft = editor.draft(f"s{version}", version)
        draft.add_prompt("do it", requestId="r1")
        draft.add_thought("hm")
        draft.add_tool_call("read_file_v2", params='{"a": 1}', result='{"contents": "x"}')
        draft.add_answer("done", modelInfo={"modelName": "gpt-5"})
        draft.save()
        rows = editor.db.execute("SELECT key, value FROM cursorDiskKV").fetchall()
        editor.close()
    return b"\n".join(f"{key}\t{value}".encode() for key, value in rows)
