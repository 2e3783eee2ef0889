"""Contents of files stay here, in the recorded sessions of every agent."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.cursor.source import open_source as open_cursor_source
from opensync_hooks.config import Config, load
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import Session, ToolCall, ToolResult
from opensync_hooks.privacy.cleaning import clean_message
from tests.cursor_home import Editor
from tests.opencode_home import DATABASES, TREES, OpenCodeHome

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[tuple[Syncer, Store, ClaudeCodeSource]]:
    """All recorded sessions of Claude Code, and a syncer to the embedded store."""
    for folder in sorted((DATA / "claude").iterdir()):
        shutil.copytree(folder, tmp_path / "claude" / "projects" / f"-{folder.name}")
    config = load()
    with Store(config.folders.store) as store, Ledger(config.folders.ledger) as ledger:
        yield (
            Syncer(config, store, ledger),
            store,
            ClaudeCodeSource(tmp_path / "claude"),
        )


def file_parts(store: Store) -> list[Any]:
    """Return the texts in calls and results of file tools, except the paths."""
    texts = []
    for row in store.sessions(limit=100):
        session = store.session(row["externalId"])
        assert session
        for message in session["messages"]:
            for part in message["parts"]:
                content = part["content"]
                if part["type"] == "tool-call" and content["name"] in ("Read", "Write", "Edit"):
                    arguments = {**content["args"]}
                    assert arguments.pop("file_path")
                    texts += [value for value in arguments.values() if isinstance(value, str)]
                elif part["type"] == "tool-result" and content["name"] == "Read":
                    texts.append(content["result"])
    return texts


def test_contents_of_files_do_not_reach_the_destination(
    recorded: tuple[Syncer, Store, ClaudeCodeSource],
) -> None:
    syncer, store, source = recorded
    for located in source.sessions():
        syncer.sync(source, located)
    texts = file_parts(store)
    assert len(texts) >= 15
    for text in texts:
        assert text.startswith("[contents of /tmp/demo-project/") or text == "[image/png, 70 bytes]"
    for word in ("alpha", "gamma"):
        assert word not in " ".join(texts)


def test_contents_of_files_are_sent_if_the_user_wants_it(
    recorded: tuple[Syncer, Store, ClaudeCodeSource],
) -> None:
    syncer, store, source = recorded
    sending = replace(syncer, config=replace(syncer.config, file_contents=True))
    for located in source.sessions():
        sending.sync(source, located)
    assert "alpha\nbeta\n" in file_parts(store)


FILE_TOOLS = {
    *("Read", "Write", "Edit", "StrReplace", "read", "write", "edit"),
    *("read_file", "read_file_v2", "edit_file", "edit_file_v2", "search_replace", "apply_patch"),
}
PATHS = {"file_path", "filePath", "path", "target_file"}


def claude_code(home: Path) -> Iterator[Session]:
    for folder in sorted((DATA / "claude").iterdir()):
        shutil.copytree(folder, home / "projects" / f"-{folder.name}")
    source = ClaudeCodeSource(home)
    for located in source.sessions():
        yield from source.read(located)


def opencode(home: Path) -> Iterator[Session]:
    for version in (*DATABASES, *TREES):
        source = OpenCodeHome(home / version).put(version).source()
        for located in source.sessions():
            yield from source.read(located)


def cursor(home: Path) -> Iterator[Session]:
    """Yield recorded transcripts, and rows as editors write them: only those hold results."""
    for folder in (DATA / "cursor" / "recordings").iterdir():
        shutil.copytree(folder, home / ".cursor" / "projects" / folder.name / "agent-transcripts")
    body = "const known = 1\nexport default known\n"
    with closing(Editor(home)) as editor:
        for version in (2, 3, 10, 18):
            draft = editor.draft(f"s{version}", version)
            draft.add_prompt("look and change it")
            name = "_v2" if version > 10 else ""
            arguments = json.dumps({"target_file": "src/a.ts"})
            draft.add_tool_call(
                f"read_file{name}", rawArgs=arguments, result=json.dumps({"contents": body})
            )
            arguments = json.dumps({"target_file": "src/a.ts", "code_edit": body})
            draft.add_tool_call(
                f"edit_file{name}", rawArgs=arguments, result=json.dumps({"diff": body})
            )
            draft.add_tool_call("run_terminal_cmd", rawArgs='{"command": "ls"}', result=body)
            draft.save()
    source = open_cursor_source({}, str(home))
    for located in source.sessions():
        yield from source.read(located)


def contents_of(sessions: list[Session], config: Config) -> list[str]:
    """Return the texts in calls and results of file tools, except the paths."""
    contents = []
    for session in sessions:
        for message in session.messages:
            for part in clean_message(message, config).parts:
                if isinstance(part, ToolCall) and part.name in FILE_TOOLS:
                    assert isinstance(part.arguments, dict)
                    texts = ((k, v) for k, v in part.arguments.items() if isinstance(v, str))
                    contents += [value for name, value in texts if name not in PATHS]
                elif isinstance(part, ToolResult) and part.name in FILE_TOOLS:
                    contents.append(part.output)
    return contents


@pytest.mark.parametrize(
    ("read_sessions", "count", "words"),
    [
        (claude_code, 25, ["alpha\nbeta\n", "gamma"]),
        (opencode, 30, ["alpha"]),
        (cursor, 12, ["const known = 1", "hi"]),
    ],
)
def test_contents_of_files_are_withheld_for_every_agent(
    tmp_path: Path,
    read_sessions: Callable[[Path], Iterator[Session]],
    count: int,
    words: list[str],
) -> None:
    sessions = list(read_sessions(tmp_path))
    cleaned = contents_of(sessions, load())
    sent = contents_of(sessions, replace(load(), file_contents=True))
    assert len(cleaned) == len(sent) >= count
    for word in words:
        assert any(word in text for text in sent), word
    for text in cleaned:
        is_sentence = "\n" not in text and text not in words and len(text) < 150
        is_note = re.match(r"\[contents of \S+ stay here: \d+ lines?, ", text)
        assert is_note or is_sentence, text
