"""Facts that only hooks report are kept, each once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from opensync_hooks.agents.hook_notes import HookNotes, merged
from opensync_hooks.model import HookFacts, TurnUsage, Usage

ROOT = Path(__file__).parents[2]
ADDER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from opensync_hooks.model import HookFacts, TurnUsage, Usage
from opensync_hooks.agents.hook_notes import HookNotes
for name in sys.argv[3:]:
    notes = HookNotes(Path(sys.argv[2]), "cursor")
    notes.add("s1", HookFacts((TurnUsage(name, None, Usage(1)),)))
"""


@pytest.fixture
def notes(tmp_path: Path) -> HookNotes:
    return HookNotes(tmp_path / "notes", "cursor")


def turn(name: str, output: int = 1, **counts: int) -> TurnUsage:
    return TurnUsage(name, None, Usage(output_tokens=output, **counts))


def note(notes: HookNotes) -> Path:
    (path,) = notes.folder.glob("*.json")
    return path


def test_unknown_session_has_no_facts(notes: HookNotes) -> None:
    assert notes.facts("s1") == HookFacts()
    assert not notes.folder.exists()


def test_turns_of_several_events_add_up_in_order(notes: HookNotes) -> None:
    for name in "abc":
        notes.add("s1", HookFacts((turn(name),), "/work", "3.18"))
    notes.add("s2", HookFacts((turn("z"),)))
    assert notes.facts("s1") == HookFacts((turn("a"), turn("b"), turn("c")), "/work", "3.18")
    assert notes.facts("s2").turns == (turn("z"),)


def test_turn_reported_twice_counts_once(notes: HookNotes) -> None:
    notes.add("s1", HookFacts((turn("a", 5, input_tokens=9),)))
    notes.add("s1", HookFacts((turn("a", 7), turn("a", 2))))
    assert notes.facts("s1").turns == (turn("a", 7, input_tokens=9),)


def test_facts_missing_from_a_later_event_are_kept() -> None:
    existing = HookFacts((), "/work", "3.18")
    assert merged(existing, HookFacts()) == existing
    assert merged(existing, HookFacts(cwd="/other")).cwd == "/other"


def test_note_is_not_rewritten_without_new_facts(notes: HookNotes) -> None:
    notes.add("s1", HookFacts((turn("a"),)))
    before = note(notes).stat()
    notes.add("s1", HookFacts((turn("a"),)))
    after = note(notes).stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert after.st_mode & 0o777 == 0o600


DAMAGED = (
    *(b"", b"{", b"[]", b'{"turns": 7}', b'{"turns": [{"id": "a"}]}', b'{"turns": [null]}'),
    *(b"\xff", b'{"turns": [{"id": "a", "model": null, "usage": {"input_tokens": "x"}}]}'),
)


@pytest.mark.parametrize("content", DAMAGED)
def test_damaged_note_counts_as_missing(notes: HookNotes, content: bytes) -> None:
    notes.add("s1", HookFacts((turn("a"),)))
    note(notes).write_bytes(content)
    assert notes.facts("s1") == HookFacts()
    notes.add("s1", HookFacts((turn("b"),)))
    assert notes.facts("s1").turns == (turn("b"),)


def test_note_of_an_older_version_is_readable(notes: HookNotes) -> None:
    notes.add("s1", HookFacts((turn("a"),), "/work"))
    older = json.loads(note(notes).read_text()) | {"place": "database"}
    note(notes).write_text(json.dumps(older))
    assert notes.facts("s1") == HookFacts((turn("a"),), "/work")


@pytest.mark.parametrize("session_id", ["../../x", "a\nb", "x" * 5_000, "\ud800", "C:\\x"])
def test_session_id_never_becomes_a_path(notes: HookNotes, session_id: str) -> None:
    notes.add(session_id, HookFacts((turn("a"),)))
    assert notes.facts(session_id).turns == (turn("a"),)
    assert {path.parent for path in notes.folder.rglob("*")} == {notes.folder}


def test_concurrent_processes_lose_no_turn(notes: HookNotes) -> None:
    names = [[f"{process}-{number}" for number in range(8)] for process in range(3)]
    arguments = [sys.executable, "-c", ADDER, str(ROOT), str(notes.folder)]
    adders = [subprocess.Popen([*arguments, *some]) for some in names]
    assert [adder.wait(30) for adder in adders] == [0, 0, 0]
    assert {usage.id for usage in notes.facts("s1").turns} == {
        name for some in names for name in some
    }


def test_disk_error_is_raised(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OSError, match="file"):
        HookNotes(blocked / "notes", "cursor").add("s1", HookFacts((turn("a"),)))
    assert blocked.read_text() == ""
