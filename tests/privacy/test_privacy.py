"""Nothing that should stay leaves or is kept: neither over HTTP nor in the embedded store."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.config import Config, load
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import (
    Attachment,
    Message,
    Part,
    Reasoning,
    Session,
    Text,
    ToolCall,
    ToolResult,
)
from opensync_hooks.privacy.cleaning import clean_message, clean_session
from opensync_hooks.privacy.redaction.rule import Example, Rule
from opensync_hooks.privacy.redaction.table import RULES
from tests.cursor_home import Editor
from tests.e2e.world import workers
from tests.opencode_home import DATABASES, TREES, OpenCodeHome
from tests.opensync import real_opensync
from tests.privacy.test_redaction import FOLDS, cut_in, fold_places
from tests.transcripts import TranscriptWriter, text

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
SECRET = "hunter2" + "hunter2"
ASSIGNED = f"DB_PASSWORD={SECRET}"
MASKED = "DB_PASSWORD=[redacted:password]"


@dataclass(frozen=True)
class Plant:
    """One secret in one session, and what must be found of it nowhere."""

    session_id: str
    example: Example
    traces: tuple[str, ...]


def whole(number: int, example: Example) -> Plant:
    middle = max(re.findall(r"[\w/+=.~@$-]+", example.secret), key=len)
    at = len(middle) // 2
    return Plant(f"whole-{number}", example, (middle[max(0, at - 8) : at + 8],))


def casefold(number: int, one: Rule, example: Example) -> Iterator[Plant]:
    """The same with a line's end in it: somewhere, made in one of the ways."""
    places = fold_places(one, example)
    if places:
        at = places[number * 7 % len(places)]
        cut = cut_in(example, at, FOLDS[number % len(FOLDS)])
        yield Plant(
            f"folded-{number}",
            cut,
            (example.secret[max(0, at - 8) : at], example.secret[at : at + 8]),
        )


ROWS = [(one, example) for one in RULES for example in one.examples]
PLANTS = [
    *(whole(number, example) for number, (_, example) in enumerate(ROWS)),
    *(plant for number, row in enumerate(ROWS) for plant in casefold(number, *row)),
]
TRAP = re.compile("|".join(sorted({re.escape(one) for plant in PLANTS for one in plant.traces})))
PLACES = 6
LONG = bool(os.environ.get("OPENSYNC_TEST_LONG"))


def one(part: Part, config: Config, masked: Counter[str] | None = None) -> Part:
    (kept,) = clean_message(Message("m1", "assistant", (part,)), config, masked).parts
    return kept


def bash(arguments: Any) -> ToolCall:
    return ToolCall("c", "Bash", arguments)


@pytest.mark.parametrize(
    ("part", "kept"),
    [
        (Text(ASSIGNED), Text(MASKED)),
        (ToolResult("c", "Bash", ASSIGNED), ToolResult("c", "Bash", MASKED)),
        (Attachment("image/png", 7, f"{ASSIGNED}.png"), Attachment("image/png", 7, MASKED)),
        (bash({"command": ASSIGNED}), bash({"command": MASKED})),
        (bash(ASSIGNED), bash(MASKED)),
        (bash([{"a": [ASSIGNED]}]), bash([{"a": [MASKED]}])),
        (bash({"password": "word"}), bash({"password": "[redacted:password]"})),
        (bash({"tokens": 4, "b": None, "c": True}), bash({"tokens": 4, "b": None, "c": True})),
        (
            bash({"sh": json.dumps({"password": SECRET})}),
            bash({"sh": '{"password": "[redacted:password]"}'}),
        ),
        (
            bash({"sh": json.dumps({"sh": json.dumps({"password": SECRET})})}),
            bash({"sh": '{"sh": "{\\"password\\": \\"[redacted:password]\\"}"}'}),
        ),
    ],
    ids=repr,
)
def test_every_text_of_a_part_is_searched(part: Part, kept: Part) -> None:
    masked = Counter[str]()
    assert one(part, load(), masked) == kept
    assert sum(masked.values()) == (part != kept)


def test_thinking_is_searched_as_well_where_it_is_sent() -> None:
    config = replace(load(), thinking=True)
    assert one(Reasoning(ASSIGNED), config) == Reasoning(MASKED)
    assert clean_message(Message("m", "assistant", (Reasoning("x"),)), load()).parts == ()


def test_keys_of_arguments_stay_unless_they_are_secrets_themselves() -> None:
    token = "gh" + "p_" + "4kQ7xB2mZ9" * 4
    kept = one(ToolCall("c", "x", {"password": "a b", token: "x", "key": "value"}), load())
    assert kept == ToolCall(
        "c",
        "x",
        {"password": "[redacted:password]", "[redacted:github-token]": "x", "key": "value"},
    )


def test_arguments_of_any_depth_are_searched() -> None:
    deep: Any = ASSIGNED
    for _ in range(400):
        deep = {"x": [deep]}
    kept = one(ToolCall("c", "x", deep), load())
    assert isinstance(kept, ToolCall)
    assert SECRET not in json.dumps(kept.arguments)


def test_head_of_a_session_is_searched_and_its_ids_stay() -> None:
    session = Session(
        id="s1", agent="claude-code", title=ASSIGNED, project_path=f"/work/{ASSIGNED}",
        git_branch=f"fix/{ASSIGNED}", model=ASSIGNED, parent_id="s0",
    )  # fmt: skip
    kept = clean_session(session, load())
    assert SECRET not in repr(kept)
    assert (kept.id, kept.agent, kept.parent_id) == ("s1", "claude-code", "s0")
    assert kept.project_path == "/work/DB_PASSWORD=[redacted:password]"


def test_redaction_is_off_only_by_the_users_own_word() -> None:
    config = replace(load(), redact=False)
    assert one(Text(ASSIGNED), config) == Text(ASSIGNED)
    session = Session("s1", "claude-code", title=ASSIGNED)
    assert clean_session(session, config) is session


def test_users_rules_reach_the_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSYNC_HOOKS_HOME", str(tmp_path))
    settings = tmp_path / "config.toml"
    settings.write_text(
        f"[privacy]\nallow = ['{SECRET}', '/letme.+/']\n[privacy.patterns]\nstaff = 'EMP-[0-9]+'\n"
    )
    settings.chmod(0o600)
    said = f"{ASSIGNED} DB_PASSWORD=letmein DB_PASSWORD=other EMP-77"
    assert one(Text(said), load()) == Text(
        f"{ASSIGNED} DB_PASSWORD=letmein DB_PASSWORD=[redacted:password] [redacted:staff]"
    )


def write(writer: TranscriptWriter, example: Example) -> None:
    """The secret in all places that a session has: text, arguments, result, title, path, JSON."""
    said = example.text
    inner = {
        "a": json.dumps({"b": [json.dumps({"c": said})]}),
        "command": said,
        "list": [{"x": said}],
    }
    writer.line("user", f"look: {said}", cwd=f"/work/{said}")
    writer.respond("m1", text(f"I see {said} there"), cwd=f"/work/{said}")
    writer.respond("m1", {"type": "tool_use", "id": "t1", "name": "Bash", "input": inner})
    content = [{"type": "text", "text": said}]
    result = {"type": "tool_result", "tool_use_id": "t1", "content": content}
    writer.line("user", [result], toolUseResult={"stdout": said})
    writer.write(json.dumps({"type": "custom-title", "customTitle": f"on {said}"}).encode() + b"\n")


def leaks(content: bytes) -> list[str]:
    """Any piece of any secret, with some letters around it; JSON changes none of their letters."""
    found = content.decode("utf-8", "replace")
    return [found[max(0, one.start() - 60) : one.end() + 20] for one in TRAP.finditer(found)]


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


def share(of: int) -> list[Plant]:
    """Half go into the store, half over HTTP; where there is time, all go both ways."""
    return PLANTS if LONG else PLANTS[of::2]


def test_trap_for_leaks_is_set() -> None:
    """Each secret would be seen if it leaked, and so would either half of one that was folded."""
    assert len(PLANTS) > 1.5 * len(ROWS)
    for plant in PLANTS:
        assert leaks(json.dumps({"a": json.dumps(plant.example.text)}).encode()), plant
    assert not leaks(b"[redacted:github-token] and the like")


@pytest.mark.timeout(240)
def test_planted_secrets_are_nowhere_in_store_ledger_and_locks(tmp_path: Path) -> None:
    """Every format in six places; then every byte of every file that we wrote is searched."""
    plants = share(0)
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
        assert sum(outcome.redacted.values()) >= PLACES
    for path in config.folders.data.rglob("*"):
        assert path.is_dir() or not leaks(path.read_bytes()), path


@pytest.mark.timeout(240)
def test_planted_secrets_are_nowhere_on_the_way_to_a_server(tmp_path: Path) -> None:
    bodies: list[bytes] = []

    def on_request(_method: str, _path: str, body: bytes) -> None:
        bodies.append(body)

    plants = share(1)
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


GENERATED = 100_000 if LONG else 1_000
FILLED = re.compile(r"4[kQ7][4kQ7xB2mZ9]{4,}")
BESIDE = ("{}", "see {} there", "x\n{}\ny", "\t{} ", "- {}", "日本語 {} ✓", "$ echo {} | cat")


def generated(rng: random.Random) -> tuple[Example, list[str]]:
    """A secret of any format whose letters nobody has written, perhaps folded; and its pieces."""
    one, example = rng.choice(ROWS)
    secret = FILLED.sub(lambda run: "".join(rng.sample(run[0], len(run[0]))), example.secret)
    sides = [
        (at, secret[max(0, at - 8) : at], secret[at : at + 8]) for at in fold_places(one, example)
    ]
    # A piece of letters only could be any word: what goes on behind a line's end has a digit.
    places = [at for at, *both in sides if all(re.search(r"(?=.{6})\D*\d", side) for side in both)]
    if not places or rng.random() < 0.5:
        longest = max(re.findall(r"[\w/+=.~@$-]+", secret), key=len)
        return replace(example, secret=secret), [longest[-12:]]
    at, fold = rng.choice(places), rng.choice(FOLDS)
    pieces = [secret[max(0, at - 8) : at], secret[at : at + 8]]
    return cut_in(replace(example, secret=secret), at, fold), pieces


def in_place(place: str, said: str, config: Config) -> str:
    """What is left of a text that stood in this place of a session, as JSON."""
    if place in ("title", "path"):
        title = " ".join(said.split())
        session = Session("s", "cursor", title=title, project_path=f"/work/{said}")
        kept = clean_session(session, config)
        return json.dumps(kept.title if place == "title" else kept.project_path)
    nested = {"a": json.dumps({"b": [json.dumps({"c": said})]})}
    parts: dict[str, Part] = {
        "text": Text(said),
        "arguments": ToolCall("c", "x", {"list": [{"y": said}]}),
        "result": ToolResult("c", "x", said),
        "nested JSON": ToolCall("c", "x", nested),
    }
    return repr(one(parts[place], config))


@pytest.mark.timeout(1800)
def test_generated_secrets_are_masked_in_every_place() -> None:
    rng = random.Random(19)  # noqa: S311
    config = load()
    places = ("text", "arguments", "result", "title", "path", "nested JSON")
    for number in range(GENERATED):
        example, pieces = generated(rng)
        said = rng.choice(BESIDE).format(example.text)
        place = places[number % len(places)]
        left = in_place(place, said, config)
        assert not any(piece in left for piece in pieces), (place, said, left)


def test_secrets_are_counted_once_however_often_a_session_is_synced(tmp_path: Path) -> None:
    writer = TranscriptWriter(tmp_path / "projects" / "-work" / "s1.jsonl")
    writer.line("user", ASSIGNED)
    source = ClaudeCodeSource(tmp_path)
    config = load()
    with Store(config.folders.store) as store, Ledger(config.folders.ledger) as ledger:
        syncer = Syncer(config, store, ledger)

        def masked() -> dict[str, int]:
            located = source.find("s1")
            assert located
            return dict(syncer.sync(source, located).redacted)

        assert masked() == {"password": 1}
        writer.respond("m1", text("and two more: " + ASSIGNED + " " + ASSIGNED))
        assert masked() == {"password": 2}
        assert masked() == {}


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
    """What calls and results of file tools hold, besides the path."""
    found = []
    for session in store.sessions(limit=100):
        whole = store.session(session["externalId"])
        assert whole
        for message in whole["messages"]:
            for part in message["parts"]:
                content = part["content"]
                if part["type"] == "tool-call" and content["name"] in ("Read", "Write", "Edit"):
                    arguments = {**content["args"]}
                    assert arguments.pop("file_path")
                    found += [one for one in arguments.values() if isinstance(one, str)]
                elif part["type"] == "tool-result" and content["name"] == "Read":
                    found.append(content["result"])
    return found


def test_contents_of_files_in_recorded_sessions_stay_here(
    recorded: tuple[Syncer, Store, ClaudeCodeSource],
) -> None:
    syncer, store, source = recorded
    for located in source.sessions():
        syncer.sync(source, located)
    found = file_parts(store)
    assert len(found) >= 15
    for one in found:
        assert one.startswith("[contents of /tmp/demo-project/") or one == "[image/png, 70 bytes]"
    for known in ("alpha", "gamma"):
        assert known not in " ".join(found)


def test_contents_of_files_go_along_where_the_user_says_so(
    recorded: tuple[Syncer, Store, ClaudeCodeSource],
) -> None:
    syncer, store, source = recorded
    open_handed = replace(syncer, config=replace(syncer.config, file_contents=True))
    for located in source.sessions():
        open_handed.sync(source, located)
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
    """Recorded transcripts; and rows as editors write them, as only those hold results."""
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
    source = CursorSource.from_environ({}, str(home))
    for located in source.sessions():
        yield from source.read(located)


def contents_of(sessions: list[Session], config: Config) -> list[str]:
    """All that calls and results of file tools hold, besides paths."""
    found = []
    for session in sessions:
        for message in session.messages:
            for part in clean_message(message, config).parts:
                if isinstance(part, ToolCall) and part.name in FILE_TOOLS:
                    assert isinstance(part.arguments, dict)
                    texts = ((k, v) for k, v in part.arguments.items() if isinstance(v, str))
                    found += [value for name, value in texts if name not in PATHS]
                elif isinstance(part, ToolResult) and part.name in FILE_TOOLS:
                    found.append(part.output)
    return found


@pytest.mark.parametrize(
    ("sessions", "count", "known"),
    [
        (claude_code, 25, ["alpha\nbeta\n", "gamma"]),
        (opencode, 30, ["alpha"]),
        (cursor, 12, ["const known = 1", "hi"]),
    ],
)
def test_contents_of_files_in_recorded_sessions_of_every_agent_stay_here(
    tmp_path: Path,
    sessions: Callable[[Path], Iterator[Session]],
    count: int,
    known: list[str],
) -> None:
    told = list(sessions(tmp_path))
    kept = contents_of(told, load())
    sent = contents_of(told, replace(load(), file_contents=True))
    assert len(kept) == len(sent) >= count
    for one in known:
        assert any(one in text for text in sent), one
    for one in kept:
        is_sentence = "\n" not in one and one not in known and len(one) < 150
        assert re.match(r"\[contents of \S+ stay here: \d+ lines?, ", one) or is_sentence, one


def test_planted_secrets_are_nowhere_in_queue_log_and_copies(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real hook and its worker, whose key is refused: all of it stays queued."""
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
        while workers(ours) or not (ours / "hooks.log").exists():  # it may not have begun yet
            time.sleep(0.1)
        assert store.sessions(limit=9) == []
    files = {path.relative_to(ours).as_posix(): path for path in ours.rglob("*") if path.is_file()}
    assert {name.partition("/")[0] for name in files} >= {"spool", "hooks.log"}
    for name, path in files.items():
        content = path.read_bytes()
        assert not leaks(gzip.decompress(content) if path.suffix == ".gz" else content), name
