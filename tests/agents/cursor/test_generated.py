"""Random sessions of all versions arrive in the embedded store exactly as they were written."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from opensync_hooks.agents.cursor.paths import CursorPaths
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.config import Config, Folders
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.ledger.ledger import Ledger
from tests.cursor_home import BEGAN, CANARY, Draft, Editor

VERSIONS = (1, 2, 3, 9, 10, 13, 16, 17, 18)
JOURNALS = ("closed", "open", "rollback")
WORDS = (
    *("parser", "größe", "文件", "🚀", "\u200b", "```", "\\", '"', "'"),
    *("<tag>", "{}", "//", "naïve"),
)
Content = tuple[str, list[tuple[str, Any]]]


@dataclass
class Author:
    """Writes one session and keeps what it wrote: each prompt, and each answer as one."""

    dice: random.Random
    draft: Draft
    written: list[Content] = field(default_factory=list)

    def write(self) -> None:
        for _ in range(self.dice.randint(1, 5)):
            words = self.words()
            self.keep("user", self.draft.add_prompt(words), [("text", words)])
            for _ in range(self.dice.randint(0, 5)):
                self.dice.choice((self.say, self.think, self.call, self.orphan))()
        self.draft.save(name=f"Title {self.draft.session_id}")

    def words(self) -> str:
        return " ".join(self.dice.choices(WORDS, k=self.dice.randint(1, 30))) + "\nend"

    def keep(self, role: str, bubble_id: str, parts: list[tuple[str, Any]]) -> None:
        """Record the bubble; one in ten loses its row, or its content, but not its position."""
        if self.draft.version >= 3 and self.dice.random() < 0.1:
            key = self.draft.key(bubble_id)
            if self.dice.random() < 0.5:
                self.draft.editor.put(key, None)
            else:
                self.draft.editor.db.execute("DELETE FROM cursorDiskKV WHERE key = ?", (key,))
            parts = []
        if role == "assistant" and self.written[-1][0] == role:
            self.written[-1][1].extend(parts)
        else:
            self.written.append((role, list(parts)))

    def say(self) -> None:
        words = self.words()
        self.keep("assistant", self.draft.add_answer(words), [("text", words)])

    def think(self) -> None:
        words = self.words()
        thinking = self.dice.choice((words, {"text": words, "signature": ""}))
        bubble_id = self.draft.add_answer("", thinking=thinking)
        self.keep("assistant", bubble_id, [("reasoning", words)])

    def call(self) -> None:
        arguments, output = {"command": self.words()}, self.words()
        key = self.dice.choice(("rawArgs", "params"))
        form = self.dice.choice((json.dumps, lambda value: value))
        fields = {key: form(arguments), **({"rawArgs": "{}"} if key == "params" else {})}
        call_id = f"call_{self.dice.random()}\nfc"
        result = form({"output": output, "exitCode": 0})
        tool = {**fields, "toolCallId": call_id, "result": result}
        bubble_id = self.draft.add_tool_call("run_terminal_command_v2", **tool)
        parts = [("tool-call", (call_id, arguments)), ("tool-result", (call_id, output))]
        self.keep("assistant", bubble_id, parts)

    def orphan(self) -> None:
        if self.draft.version >= 3:
            self.draft.add_answer(f"ORPHAN {self.words()}")
            self.draft.headers.pop()

    @property
    def expected(self) -> list[Content]:
        return [(role, parts) for role, parts in self.written if parts]


def received(message: dict[str, Any]) -> Content:
    parts = []
    for part in message["parts"]:
        content = part["content"]
        if part["type"] == "tool-call":
            content = (content["id"], content["args"])
        elif part["type"] == "tool-result":
            content = (content["id"], content["result"])
        parts.append((part["type"], content))
    return message["role"], parts


@pytest.mark.parametrize(("seed", "journal"), list(enumerate(JOURNALS)), ids=JOURNALS)
def test_generated_sessions_arrive_in_order_and_unchanged(
    home: Path, tmp_path: Path, seed: int, journal: Literal["closed", "open", "rollback"]
) -> None:
    dice = random.Random(seed)  # noqa: S311 - no secrets
    written = tmp_path / "written"
    editor = Editor(written, journal="rollback" if journal == "rollback" else "wal")
    editor.db.execute("PRAGMA wal_autocheckpoint = 0")
    authors = []
    for number in range(18):
        version = VERSIONS[number % len(VERSIONS)]
        author = Author(dice, editor.draft(f"s{number}", version, workspaceIdentifier=WORKSPACE))
        author.write()
        authors.append(author)
    if journal == "closed":
        editor.close()
    path = editor.copied_while_open(home)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    ours = tmp_path / "ours"
    config = Config(Folders(ours, ours, ours), thinking=True)
    source = CursorSource(
        CursorPaths.from_environ({}, str(home)), HookNotes(ours / "notes", "cursor").facts
    )
    with Ledger(config.folders.ledger) as ledger, Store(config.folders.store) as store:
        syncer = Syncer(config, store, ledger)
        for located in source.sessions():
            syncer.sync(source, located)
        for author in authors:
            check(author, store.session(author.draft.session_id))
        assert store.stats()["sessionCount"] == len(authors)
    editor.close()
    after = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) <= {"state.vscdb-shm"}  # which SQLite needs to read a -wal
    kept = [file.read_bytes() for file in ours.rglob("*") if file.is_file()]
    assert not any(CANARY.encode() in content for content in kept)


WORKSPACE = {"id": "w", "uri": {"fsPath": "/work/größe app", "scheme": "file"}}


def check(author: Author, stored: dict[str, Any] | None) -> None:
    assert stored
    session, messages = stored["session"], stored["messages"]
    undone = [
        message for message in messages if message.get("textContent", "").startswith("[undone] ")
    ]
    assert all("ORPHAN" in message["textContent"] for message in undone)
    listed = [received(message) for message in messages if message not in undone]
    assert listed == author.expected
    assert session["title"] == f"Title {author.draft.session_id}"
    assert (session["projectPath"], session["createdAt"]) == ("/work/größe app", BEGAN)
    times = [message["createdAt"] for message in messages]
    assert times == sorted(times)
    assert all(BEGAN <= at <= author.draft.at for at in times), (
        "no message has the time of the sync"
    )
