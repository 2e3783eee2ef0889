"""No piece of a planted secret is in any file that we write or any request that we send."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.config import load
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.privacy.redaction.rule import Example
from tests.e2e.world import workers
from tests.opensync import real_opensync
from tests.privacy.test_redaction import EXAMPLES, FOLDS, break_at, fold_indexes
from tests.transcripts import TranscriptWriter, text

ROOT = Path(__file__).parents[2]
LOCATIONS = 6
LONG = bool(os.environ.get("OPENSYNC_TEST_LONG"))


@dataclass(frozen=True)
class Plant:
    """A secret in a session of its own, and the pieces that must not be anywhere."""

    session_id: str
    example: Example
    pieces: tuple[str, ...]


def make_plants() -> list[Plant]:
    """Plant every example, and also broken over two lines if it is long enough."""
    plants = []
    for number, (rule, example) in enumerate(EXAMPLES):
        longest = max(re.findall(r"[\w/+=.~@$-]+", example.secret), key=len)
        middle = len(longest) // 2
        piece = longest[max(0, middle - 8) : middle + 8]
        plants.append(Plant(f"whole-{number}", example, (piece,)))
        if indexes := fold_indexes(rule, example):
            index = indexes[number * 7 % len(indexes)]
            broken = break_at(example, index, FOLDS[number % len(FOLDS)])
            pieces = (example.secret[max(0, index - 8) : index], example.secret[index : index + 8])
            plants.append(Plant(f"broken-{number}", broken, pieces))
    return plants


PLANTS = make_plants()
TRAP = re.compile("|".join(sorted({re.escape(p) for plant in PLANTS for p in plant.pieces})))


def write(writer: TranscriptWriter, example: Example) -> None:
    """Write the secret in all locations: text, arguments, result, title, path, nested JSON."""
    content = example.text
    inner = {
        "a": json.dumps({"b": [json.dumps({"c": content})]}),
        "command": content,
        "list": [{"x": content}],
    }
    writer.line("user", f"look: {content}", cwd=f"/work/{content}")
    writer.respond("m1", text(f"I see {content} there"), cwd=f"/work/{content}")
    writer.respond("m1", {"type": "tool_use", "id": "t1", "name": "Bash", "input": inner})
    blocks = [{"type": "text", "text": content}]
    result = {"type": "tool_result", "tool_use_id": "t1", "content": blocks}
    writer.line("user", [result], toolUseResult={"stdout": content})
    writer.write(
        json.dumps({"type": "custom-title", "customTitle": f"on {content}"}).encode() + b"\n"
    )


def leaks(content: bytes) -> list[str]:
    """Return every piece of a secret, with its context. JSON changes none of their characters."""
    decoded = content.decode("utf-8", "replace")
    matches = TRAP.finditer(decoded)
    return [decoded[max(0, match.start() - 60) : match.end() + 20] for match in matches]


def plant_all(folder: Path, plants: list[Plant]) -> ClaudeCodeSource:
    for plant in plants:
        write(
            TranscriptWriter(folder / "projects" / "-work" / f"{plant.session_id}.jsonl"),
            plant.example,
        )
    return ClaudeCodeSource(folder)


def sync_all(syncer: Syncer, source: ClaudeCodeSource, plants: list[Plant]) -> list[SyncOutcome]:
    outcomes = []
    for plant in plants:
        located = source.find(plant.session_id)
        assert located
        outcomes.append(syncer.sync(source, located))
    return outcomes


def half(first: int) -> list[Plant]:
    """Return every second plant, or all of them if there is time."""
    return PLANTS if LONG else PLANTS[first::2]


def test_trap_for_leaks_is_set() -> None:
    """A leak of any secret would be noticed, and so would one of either side of a broken one."""
    assert len(PLANTS) > 1.5 * len(EXAMPLES)
    for plant in PLANTS:
        assert leaks(json.dumps({"a": json.dumps(plant.example.text)}).encode()), plant
    assert not leaks(b"[redacted:github-token] and the like")


@pytest.mark.timeout(240)
def test_planted_secrets_are_nowhere_in_store_ledger_and_locks(tmp_path: Path) -> None:
    """Every format in six locations; every byte of every file that we wrote is searched."""
    plants = half(0)
    source = plant_all(tmp_path / "claude", plants)
    config = load()
    with Store(config.folders.store) as store, Ledger(config.folders.ledger) as ledger:
        outcomes = sync_all(Syncer(config, store, ledger), source, plants)
        for path in config.folders.state.rglob("*"):  # also what is not yet in the main file
            assert path.is_dir() or not leaks(path.read_bytes()), path
        sessions = store.sessions(limit=len(plants) + 1)
    assert len(sessions) == len(plants)
    for outcome in outcomes:
        assert (outcome.sent, outcome.quarantined) == (2, 0)
        assert sum(outcome.redacted.values()) >= LOCATIONS
    for path in config.folders.data.rglob("*"):
        assert path.is_dir() or not leaks(path.read_bytes()), path


@pytest.mark.timeout(240)
def test_planted_secrets_are_nowhere_on_the_way_to_a_server(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    def on_request(_method: str, _path: str, body: bytes) -> None:
        bodies.append(body)

    plants = half(1)
    source = plant_all(tmp_path / "claude", plants)
    with (
        real_opensync(tmp_path, on_request=on_request) as (server, store, key),
        OpenSyncClient(server.url, key, sleep=lambda _: None) as client,
        Ledger(tmp_path / "ledger.db") as ledger,
    ):
        outcomes = sync_all(Syncer(load(), client, ledger), source, plants)
        assert sum(outcome.sent for outcome in outcomes) == 2 * len(plants)
        assert not leaks(json.dumps(list(store.search_text.values())).encode())
    assert len(bodies) >= 4 * len(plants)
    for body in bodies:
        assert not leaks(body), body
    for path in tmp_path.glob("*.db*"):
        assert not leaks(path.read_bytes()), path


def test_planted_secrets_are_nowhere_in_queue_log_and_copies(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of the real hook's worker is refused, so everything stays queued."""
    writer = TranscriptWriter(home / ".claude" / "projects" / "-work" / "all.jsonl")
    for plant in PLANTS[::6]:
        write(writer, plant.example)
    payload = {
        "session_id": "all",
        "transcript_path": str(writer.path),
        "hook_event_name": "SessionEnd",
        "reason": PLANTS[0].example.text,
        "last_assistant_message": PLANTS[0].example.text,
    }
    hook = [sys.executable, "-I", "-S", str(ROOT / "hooks" / "claude_code.py")]
    ours = Path(os.environ["OPENSYNC_HOOKS_HOME"])
    with real_opensync(tmp_path / "server") as (server, store, key):
        monkeypatch.setenv("OPENSYNC_URL", server.url)
        monkeypatch.setenv("OPENSYNC_API_KEY", key[::-1])
        subprocess.run(hook, input=json.dumps(payload).encode(), check=True)
        while workers(ours) or not (ours / "hooks.log").exists():  # it may not have started yet
            time.sleep(0.1)
        assert store.sessions(limit=9) == []
    files = {path.relative_to(ours).as_posix(): path for path in ours.rglob("*") if path.is_file()}
    assert {name.partition("/")[0].partition("-")[0] for name in files} >= {"spool", "hooks.log"}
    for name, path in files.items():
        content = path.read_bytes()
        assert not leaks(gzip.decompress(content) if path.suffix == ".gz" else content), name
