"""Writes what Cursor leaves on a disk: its editor's database, its chats, and their transcripts.

Nothing here uses the package's own code, so that a mistake in reading is not repeated in writing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

Journal = Literal["wal", "rollback"]

BEGAN = 1_790_000_000_000
CANARY = "CANARY-that-never-leaves"
_EMPTY = (
    "lints",
    "commits",
    "gitDiffs",
    "images",
    "toolResults",
    "attachedCodeChunks",
    "cursorRules",
)


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def user_folder(home: Path) -> Path:
    return home / ".config" / "Cursor" / "User"


class Editor:
    """An open `state.vscdb`; the editor closes it when it ends."""

    def __init__(self, home: Path, *, journal: Journal = "wal", lists: bool = True) -> None:
        self.path = user_folder(home) / "globalStorage" / "state.vscdb"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(self.path, isolation_level=None, timeout=30)
        self.db.execute(f"PRAGMA journal_mode={'WAL' if journal == 'wal' else 'DELETE'}")
        for table in ("ItemTable", "cursorDiskKV"):
            self.db.execute(
                f"CREATE TABLE IF NOT EXISTS {table}"
                " (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)"
            )
        if lists:
            columns = "composerId TEXT PRIMARY KEY, value TEXT"
            self.db.execute(f"CREATE TABLE IF NOT EXISTS composerHeaders ({columns})")
        for key in ("cursorAuth/accessToken", "cursorAuth/refreshToken", "secret://login"):
            self.put(key, CANARY, table="ItemTable")

    def put(self, key: str | None, value: Any, *, table: str = "cursorDiskKV") -> None:
        if isinstance(value, dict | list):
            value = json.dumps(value)
        self.db.execute(f"INSERT INTO {table} VALUES (?, ?)", (key, value))  # noqa: S608

    def get(self, key: str) -> Any:
        row = self.db.execute("SELECT value FROM cursorDiskKV WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0])

    def draft(self, session_id: str = "s1", version: int = 18, **document: Any) -> Draft:
        return Draft(self, session_id, version, document)

    def close(self) -> None:
        self.db.close()

    def copied_while_open(self, home: Path) -> Path:
        """Copy the main file and its -wal as they are now, which is what a crash leaves."""
        target = user_folder(home) / "globalStorage" / "state.vscdb"
        target.parent.mkdir(parents=True, exist_ok=True)
        for suffix in ("", "-wal"):
            source = Path(f"{self.path}{suffix}")
            if source.exists():
                shutil.copyfile(source, f"{target}{suffix}")
        return target


class Draft:
    """One session that is being written as its version does; `save` writes its document."""

    def __init__(
        self, editor: Editor, session_id: str, version: int, document: dict[str, Any]
    ) -> None:
        self.editor = editor
        self.session_id = session_id
        self.version = version
        self.headers: list[dict[str, Any]] = []
        self.embedded: list[dict[str, Any]] = []
        self.old_tools: dict[str, Any] = {}
        self.at = BEGAN
        self._count = 0
        self.document: dict[str, Any] = {
            "composerId": session_id,
            "createdAt": BEGAN,
            "status": "completed",
            "unifiedMode": "agent",
            "blobEncryptionKey": CANARY.encode().hex(),
            "speculativeSummarizationEncryptionKey": base64.b64encode(CANARY.encode()).decode(),
            **({"_v": version} if version > 1 else {}),
            **document,
        }

    def add_prompt(self, text: str, **more: Any) -> str:
        return self.add_bubble(1, {"text": text, **more})

    def add_answer(self, text: str, **more: Any) -> str:
        return self.add_bubble(2, {"text": text, **more})

    def add_thought(self, text: str, **more: Any) -> str:
        return self.add_bubble(
            2, {"text": "", "capabilityType": 30, "thinking": {"text": text}, **more}
        )

    def add_tool_call(self, name: str, **tool: Any) -> str:
        row = {"name": name, "tool": 1, "status": "completed", "toolCallBinary": CANARY, **tool}
        row.setdefault("toolCallId", f"call_{self._count}\nfc_{self._count}")
        return self.add_bubble(2, {"text": "", "capabilityType": 15, "toolFormerData": row})

    def add_bubble(self, kind: int, fields: dict[str, Any]) -> str:
        """Add a header, and the row that belongs to it. Kind 1 is a user's, 2 an assistant's."""
        self.at += 1_000
        self._count += 1
        bubble_id: str = fields.pop("bubbleId", f"{self.session_id}-b{self._count}")
        value = {"_v": 3, "type": kind, "bubbleId": bubble_id, **{name: [] for name in _EMPTY}}
        value |= {"tokenCount": {"inputTokens": 0, "outputTokens": 0}, "requestId": ""}
        if self.version >= 9:
            value["createdAt"] = iso(self.at)
        if self.version >= 18:
            value |= {"startedAtMs": self.at, "completedAtMs": self.at + 500}
        tool = fields.pop("toolFormerData", None)
        if tool and self.version < 3:
            self.old_tools[bubble_id] = tool
        elif tool:
            value["toolFormerData"] = tool
        elif self.version == 3:
            value["toolFormerData"] = {"additionalData": {}}
        self.headers.append({"bubbleId": bubble_id, "type": kind})
        self._keep(bubble_id, value | fields)
        return bubble_id

    def _keep(self, bubble_id: str, value: dict[str, Any]) -> None:
        if self.version < 3:
            self.embedded.append(value)
        else:
            self.editor.put(self.key(bubble_id), value)

    def key(self, bubble_id: str) -> str:
        return f"bubbleId:{self.session_id}:{bubble_id}"

    def update_bubble(self, bubble_id: str, **fields: Any) -> None:
        self.editor.put(self.key(bubble_id), self.editor.get(self.key(bubble_id)) | fields)

    def rewind(self, count: int) -> None:
        """Remove the last headers but not their rows, as editing an earlier prompt does."""
        del self.headers[-count:]
        self.save()

    def add_turn(self, number: int) -> None:
        self.add_prompt(f"prompt {number}", requestId=f"request-{number}")
        self.add_answer(f"answer {number}")

    def save(self, **document: Any) -> Draft:
        self.document |= document
        written = dict(self.document)
        if self.version == 1:
            written["conversation"] = self.embedded
        else:
            written["fullConversationHeadersOnly"] = self.headers
        if self.version == 2:
            written["conversationMap"] = {bubble["bubbleId"]: bubble for bubble in self.embedded}
        if self.version < 3:
            tools = {"bubbleDataMap": json.dumps(self.old_tools)}
            written["capabilities"] = [{"type": 15, "data": tools}, {"type": 16, "data": {}}]
        self.editor.put(f"composerData:{self.session_id}", written)
        return self


def window(home: Path, name: str, uri: str, items: dict[str, Any], *, key: str = "folder") -> None:
    """Create a window's own folder, with the lists of sessions that it keeps."""
    folder = user_folder(home) / "workspaceStorage" / name
    folder.mkdir(parents=True)
    (folder / "workspace.json").write_text(json.dumps({key: uri}))
    db = sqlite3.connect(folder / "state.vscdb", isolation_level=None)
    db.execute("CREATE TABLE ItemTable (key TEXT UNIQUE ON CONFLICT REPLACE, value BLOB)")
    for item_key, value in items.items():
        db.execute("INSERT INTO ItemTable VALUES (?, ?)", (item_key, json.dumps(value)))
    db.close()


# ---- blobs ---------------------------------------------------------------------------------------


def protobuf(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    encoded = b""
    while value > 0x7F:
        encoded, value = encoded + bytes((value & 0x7F | 0x80,)), value >> 7
    return encoded + bytes((value,))


def user(words: str, request: str | None = None) -> dict[str, Any]:
    options = {"providerOptions": {"cursor": {"requestId": request}}} if request else {}
    text = f"<timestamp>Tuesday, Jul 21, 2026, 1:11 PM (UTC+3)</timestamp>\n{query(words)}"
    return {"role": "user", "content": [{"type": "text", "text": text}], **options}


def query(words: str) -> str:
    return f"<user_query>\n{words}\n</user_query>"


def assistant(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def call(call_id: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool-call", "toolCallId": call_id, "toolName": name, "args": arguments}


def result(call_id: str, name: str, output: Any) -> dict[str, Any]:
    block = {"type": "tool-result", "toolCallId": call_id, "toolName": name, "result": output}
    return {"role": "tool", "content": [block]}


PREAMBLE = (
    {"role": "system", "content": f"You are an AI coding assistant. {CANARY}"},
    {"role": "user", "content": [text(f"<user_info>\nOS: linux {CANARY}\n</user_info>")]},
)
"""What the model is sent before the user's first prompt."""


def graph(
    messages: Iterable[dict[str, Any]],
    *,
    running: bool = False,
    archives: Iterable[Iterable[dict[str, Any]]] = (),
    turns: Iterable[bytes] = (),
    branch: str = "",
) -> dict[str, bytes]:
    """Return the blobs of a conversation by their ids; the root is the last.

    `archives`: the messages of each compaction, the last of which is their summary. `turns`: what
    `turn` returns, with the blobs below it.
    """
    blobs: dict[str, bytes] = {}

    def put(blob: bytes) -> bytes:
        digest = hashlib.sha256(blob).digest()
        blobs[digest.hex()] = blob
        return digest

    def put_all(values: Iterable[dict[str, Any]]) -> list[bytes]:
        return [put(json.dumps(value).encode()) for value in values]

    root = b"".join(protobuf(1, digest) for digest in put_all(messages))
    root += protobuf(5, protobuf(1, 12_000)) + (protobuf(4, b"{}") if running else b"")
    for prompt, request_id, sent_at, steps in map(json.loads, turns):
        prompt_id = put(protobuf(1, prompt.encode()) + protobuf(25, sent_at))
        step_ids = [put(bytes.fromhex(step)) for step in steps]
        content = protobuf(1, prompt_id) + b"".join(protobuf(2, step_id) for step_id in step_ids)
        content += protobuf(3, request_id.encode()) if request_id else b""
        root += protobuf(8, put(protobuf(1, content)))
    for archived in archives:
        *digests, summary = put_all(archived)
        archive = b"".join(protobuf(1, digest) for digest in digests)
        root += protobuf(13, put(archive + protobuf(4, summary)))
    root += protobuf(19, branch.encode()) if branch else b""
    put(root)
    return blobs


def turn(prompt: str, request_id: str | None, sent_at: int, *steps: bytes) -> bytes:
    return json.dumps([prompt, request_id, sent_at, [step.hex() for step in steps]]).encode()


def answer_step(words: str, start: int, end: int) -> bytes:
    return protobuf(1, protobuf(1, words.encode()) + protobuf(2, start) + protobuf(3, end))


def shell_step(call_id: str, command: str, start: int, end: int) -> bytes:
    shell = protobuf(1, protobuf(1, protobuf(1, command.encode())))
    times = protobuf(59, start) + protobuf(60, end)
    return protobuf(2, shell + protobuf(57, call_id.encode()) + times)


def summary(words: str) -> dict[str, Any]:
    options = {"providerOptions": {"cursor": {"isSummary": True}}}
    return {
        "role": "user",
        "content": [text(f"[Previous conversation summary]: {words}")],
    } | options


def chat(
    home: Path,
    messages: Iterable[dict[str, Any]],
    session_id: str = "c1",
    cwd: str = "/work/app",
    **meta: Any,
) -> Path:
    """Write a chat of the command line, and close it."""
    folder = home / ".cursor" / "chats" / hashlib.md5(cwd.encode()).hexdigest() / session_id  # noqa: S324
    folder.mkdir(parents=True, exist_ok=True)
    notes = {"schemaVersion": 1, "createdAtMs": BEGAN, "updatedAtMs": BEGAN, "cwd": cwd}
    (folder / "meta.json").write_text(json.dumps(notes))
    below = {
        key: meta.pop(key) for key in ("running", "archives", "turns", "branch") if key in meta
    }
    blobs = graph((*PREAMBLE, *messages), **below)
    stored = {
        "agentId": session_id,
        "latestRootBlobId": list(blobs)[-1],
        "createdAt": BEGAN,
        **meta,
    }
    stored["blobEncryptionKey"] = CANARY.encode().hex()
    db = sqlite3.connect(folder / "store.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE IF NOT EXISTS blobs (id TEXT PRIMARY KEY, data BLOB)")
    db.execute("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT)")
    db.executemany("INSERT OR REPLACE INTO blobs VALUES (?, ?)", blobs.items())
    raw = json.dumps(stored).encode().hex()
    db.execute("INSERT OR REPLACE INTO meta VALUES ('0', ?)", (raw,))
    db.close()
    return folder / "store.db"


# ---- transcripts ---------------------------------------------------------------------------------


def user_line(words: str, at: str = "Tuesday, Jul 21, 2026, 1:11 PM (UTC+3)") -> dict[str, Any]:
    return transcript_line("user", text(f"<timestamp>{at}</timestamp>\n{query(words)}"))


def transcript_line(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "message": {"content": list(blocks)}}


def use(name: str, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "name": name, "input": arguments}


ENDED = {"type": "turn_ended", "status": "success"}


def transcript(
    home: Path, lines: Iterable[dict[str, Any]], path: str, project: str = "work-app"
) -> Path:
    """Write a transcript; `path` is below `agent-transcripts` and depends on the layout."""
    target = home / ".cursor" / "projects" / project / "agent-transcripts" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return target
