"""The agents as a trial plays them: what each writes to disk, and what it sends to its hook.

Cursor and OpenCode write in a separate process, which crashes in every other turn: the last
writes are then in the -wal alone, and whoever opens the database can spoil them.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from tests import cursor_home
from tests.cursor_home import Editor
from tests.faults import child
from tests.opencode_home import OpenCodeHome
from tests.transcripts import TranscriptWriter, text

BEGAN = 1_767_225_600
_VERSION = "1.18.33"
_LATE = 3
"""Turns that Cursor's transcript is ahead of its database, where that is late."""


class Author(ABC):
    """Write one session as its agent does. `filling` is appended to each text, to make it
    longer.
    """

    agent: ClassVar[str]
    path: Path
    filling: str = ""

    @abstractmethod
    def turn(self, number: int) -> None:
        """Write a prompt and its answer, both unique."""

    @abstractmethod
    def payload(self) -> bytes:
        """Return the payload that the agent sends when that turn has ended."""

    @abstractmethod
    def forget(self) -> None:
        """Remove the session from where readers list sessions."""

    def turn_texts(self, number: int) -> tuple[str, str]:
        return f"prompt {number}{self.filling}", f"answer {number}{self.filling}"


class ClaudeCode(TranscriptWriter, Author):
    agent = "claude-code"

    def __init__(self, home: Path, session: str, began: int) -> None:
        super().__init__(transcript_of(home, session), began=began)

    def turn(self, number: int) -> None:
        prompt, answer = self.turn_texts(number)
        self.line("user", prompt)
        self.respond(f"msg_{self.session_id}_{number}", text(answer))

    def payload(self) -> bytes:
        return ended(self.path)

    def forget(self) -> None:
        self.path.unlink()


def transcript_of(home: Path, session: str) -> Path:
    return home / ".claude" / "projects" / "-work" / f"{session}.jsonl"


def ended(transcript: Path) -> bytes:
    """Return the payload of Claude Code at the end of that session."""
    fields = {"session_id": transcript.stem, "transcript_path": str(transcript), "cwd": "/work"}
    return json.dumps({**fields, "hook_event_name": "SessionEnd", "reason": "other"}).encode()


class _InDatabase(Author):
    """An author that opens its database in a new process for each turn."""

    def __init__(self, home: Path, session: str, began: int) -> None:
        self.home, self.session, self.began = home, session, began
        self.numbers: list[int] = []

    def turn(self, number: int) -> None:
        self.numbers.append(number)
        code = child.call(self._write)
        assert code == 0, f"the writer of {self.session} ended with {code}"

    def _write(self) -> None:
        close = self._insert()
        if len(self.numbers) % 2 == 0:
            os._exit(0)  # like a crash: the -wal stays
        close()

    @abstractmethod
    def _insert(self) -> Any:
        """Write the newest turn; return what closes the database."""


class Cursor(_InDatabase):
    """A Cursor session in the editor's database and in a transcript."""

    agent = "cursor"

    def turn(self, number: int) -> None:
        super().turn(number)
        records = [line for number in self.numbers for line in self._records(number)]
        self.path = cursor_home.transcript(
            self.home, records, f"{self.session}/{self.session}.jsonl"
        )

    def _records(self, number: int) -> tuple[dict[str, Any], ...]:
        prompt, answer = self.turn_texts(number)
        reply = cursor_home.transcript_line("assistant", cursor_home.text(answer))
        return cursor_home.user_line(prompt), reply, cursor_home.ENDED

    def _insert(self) -> Any:
        editor = Editor(self.home)
        draft = editor.draft(self.session)
        draft.at = self.began * 1000
        editor.db.execute("BEGIN")
        for number in self.numbers:
            prompt, answer = self.turn_texts(number)
            draft.add_prompt(prompt, requestId=self._turn(number))
            draft.add_answer(answer)
        draft.save()
        editor.db.execute("COMMIT")
        return editor.close

    def _turn(self, number: int) -> str:
        return f"{self.session}-turn-{number}"

    def payload(self) -> bytes:
        payload = {
            "conversation_id": self.session,
            "generation_id": self._turn(self.numbers[-1]),
            "hook_event_name": "stop",
            "cursor_version": "2.4.1",
            "workspace_roots": ["/work/app"],
            "input_tokens": 1,
            "output_tokens": 5,
        }
        return json.dumps(payload).encode()

    def forget(self) -> None:
        self.path.unlink()


class LateCursor(Cursor):
    """A Cursor session whose first turns are in the transcript only, under other message ids."""

    def _insert(self) -> Any:
        return super()._insert() if len(self.numbers) > _LATE else int


class OpenCode(_InDatabase):
    """An OpenCode session in the database of a recording."""

    agent = "opencode"

    def _insert(self) -> Any:
        home = OpenCodeHome(self.home)
        self.path = home.data / "opencode.db"
        if not self.path.exists():
            home.put(_VERSION)
        db = home.database()
        db.execute("BEGIN")
        count = len(self.numbers)
        at = (self.began + 10 * count) * 1000
        db.execute(
            "INSERT INTO session (id, project_id, slug, directory, title, version, time_created,"
            " time_updated) VALUES (?, 'p', 's', '/work', 'Played', ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET time_updated = excluded.time_updated",
            (self.session, _VERSION, at, at),
        )
        prompt, answer = self.turn_texts(self.numbers[-1])
        prompt_id = f"msg_{self.session}_{count:05}"
        home.say(db, self.session, prompt_id, {"role": "user", "time": {"created": at}}, prompt)
        home.say(db, self.session, f"{prompt_id}a", _answer(prompt_id, at + 500), answer)
        db.execute(
            "INSERT OR REPLACE INTO event_sequence VALUES (?, ?, NULL)", (self.session, count)
        )
        db.execute("COMMIT")
        return db.close

    def payload(self) -> bytes:
        payload = {"session_id": self.session, "hook_event_name": "session.idle"}
        return json.dumps(payload).encode()

    def forget(self) -> None:
        """Do nothing: rows are found by key, so old sessions cost readers nothing."""


def _answer(prompt: str, at: int) -> dict[str, Any]:
    return {
        "role": "assistant",
        "parentID": prompt,
        "time": {"created": at, "completed": at + 100},
        "modelID": "claude-opus-4-5",
        "providerID": "anthropic",
        "finish": "stop",
        "cost": 0.001,
        "tokens": {"input": 1, "output": 5, "reasoning": 0, "cache": {"read": 0, "write": 0}},
    }


NAMES = tuple(author.agent for author in (ClaudeCode, Cursor, OpenCode))
AUTHORS = {
    **{author.agent: author for author in (ClaudeCode, Cursor, OpenCode)},
    "late cursor": LateCursor,
}
KINDS = tuple(AUTHORS)
