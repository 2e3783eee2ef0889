"""A session is read and delivered again and again while another process writes it."""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.cursor.paths import CursorPaths
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import HookNotes
from opensync_hooks.config import Config, Folders
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import SourceError
from opensync_hooks.ledger.ledger import Ledger
from tests.cursor_home import Editor

ROOT = Path(__file__).parents[3]
SECONDS = 4
WRITER = """
import random, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.cursor_home import Editor
editor = Editor(Path(sys.argv[2]), journal=sys.argv[3])
draft = editor.draft()
dice = random.Random(sys.argv[4])
end = time.monotonic() + float(sys.argv[5])
pause = lambda: time.sleep(dice.uniform(0, 0.03))
number = 0
while time.monotonic() < end:
    number += 1
    for kind, words in ((1, "prompt"), (2, "thought"), (2, "answer")):
        draft.headers.append({"bubbleId": f"b{number}-{words}", "type": kind})
        draft.save(status="generating")
        pause()
        for length in (2, 5, 99):
            text = f"{words} {number}"[:length]
            row = {"type": kind, "createdAt": draft.at, "text": text}
            draft.at += 1
            editor.put(draft.key(f"b{number}-{words}"), row)
            pause()
    draft.save(status="completed")
    if number % 4 == 0:
        draft.rewind(3)
    if number % 5 == 0:
        editor.db.execute("BEGIN EXCLUSIVE")
        time.sleep(0.05)
        editor.db.execute("COMMIT")
    pause()
print("done", flush=True)
sys.stdin.read()
editor.close()
"""


@pytest.fixture
def syncer(tmp_path: Path) -> Iterator[Syncer]:
    ours = tmp_path / "ours"
    config = Config(Folders(ours, ours, ours))
    with Ledger(config.folders.ledger) as ledger, Store(config.folders.store) as store:
        yield Syncer(config, store, ledger)


def stored(syncer: Syncer) -> list[dict[str, Any]]:
    store = syncer.destination
    assert isinstance(store, Store)
    session = store.session("s1")
    return session["messages"] if session else []


def texts(messages: list[dict[str, Any]]) -> dict[str, str]:
    return {
        message["externalId"].partition(":")[2]: message.get("textContent") or ""
        for message in messages
    }


@pytest.mark.parametrize("journal", ["wal", "rollback"])
def test_live_session_arrives_in_real_states_and_ends_complete(
    home: Path, tmp_path: Path, syncer: Syncer, journal: str
) -> None:
    Editor(home, journal="wal" if journal == "wal" else "rollback").close()
    arguments = [str(ROOT), str(home), journal, "7", str(SECONDS)]
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert writer.stdout
    source = CursorSource(
        CursorPaths.from_environ({}, str(home)),
        HookNotes(tmp_path / "ours" / "notes", "cursor").facts,
    )
    seen: list[dict[str, str]] = []
    refused: list[str] = []
    while not select.select([writer.stdout], [], [], 0.01)[0]:
        located = source.find("s1")
        if located:
            try:
                syncer.sync(source, located)
            except SourceError as error:
                refused.append(str(error))
            seen.append(texts(stored(syncer)))
    # The editor closes only now: a reader at that moment would keep SQLite from tidying up.
    output = writer.communicate(b"")
    assert (writer.returncode, output) == (0, (b"done\n", b""))
    assert all("locked by the program" in error for error in refused)
    located = source.find("s1")
    assert located
    assert not syncer.sync(source, located).is_partial
    final = texts(stored(syncer))
    live = [text for text in final.values() if not text.startswith("[undone]")]
    numbers = sorted({int(text.split()[-1]) for text in live})
    assert not any(number % 4 == 0 for number in numbers)
    assert live == [text for n in numbers for text in (f"prompt {n}", f"thought {n}\n\nanswer {n}")]
    assert len(seen) > 3, "it was synced while it was written"
    for state in seen:
        numbers = [int(name[1:].split("-")[0]) for name, text in state.items() if "[" not in text]
        assert numbers == sorted(numbers)
        for name, text in state.items():
            final_text = final[name].removeprefix("[undone] ")
            assert final_text.startswith(text.removeprefix("[undone] "))
    assert [path.name for path in located.path.parent.iterdir()] == ["state.vscdb"]
