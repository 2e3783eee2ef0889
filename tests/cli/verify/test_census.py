"""`verify` names what a reader does not read, although the destination has all that was read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.claude_code.thread import IndexedMessage, Thread
from opensync_hooks.agents.claude_code.usage import ResponseUsage
from opensync_hooks.agents.registry import Agent
from opensync_hooks.agents.source import Located, Source
from opensync_hooks.cli.doctor.reading import everything
from opensync_hooks.config import load
from opensync_hooks.model import Json, Message, Part, Session, ToolCall, ToolResult, Usage
from tests.agents.cursor.conversations import TURN
from tests.commandline import WITH_SUBAGENTS, run
from tests.cursor_home import ENDED, Editor, chat, transcript, user_line
from tests.opencode_home import OpenCodeHome
from tests.opensync import real_opensync
from tests.transcripts import TranscriptWriter, call, result, text

CURSOR_ROWS = Path(__file__).parents[2] / "data" / "cursor" / "v3-2025-05.jsonl"
WITH_A_FILE = "ses_e04557a58ffedNZB6cwvgy6oTV"
"""A prompt with a file that OpenCode read into it: whether that becomes a call is left open."""


@pytest.fixture
def all_recorded(home: Path, recorded: int) -> None:
    """Recorded sessions of every agent, where the agents keep them."""
    assert recorded
    OpenCodeHome(home).put("1.18.33")
    editor = Editor(home)
    for line in CURSOR_ROWS.read_text().splitlines():
        row = json.loads(line)
        editor.put(row["key"], row["value"])
    editor.close()
    chat(home, TURN)


@dataclass
class BrokenReader:
    """A source that changes every session that it reads."""

    source: Source
    change: Callable[[Session], Session | None]
    changed: set[str]
    """Ids of the sessions that came out otherwise, or not at all."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source, name)

    def read(self, located: Located) -> Iterator[Session]:
        for session in self.source.read(located):
            whole_session = replace(session, messages=tuple(session.messages))
            broken = self.change(whole_session)
            if broken != whole_session:
                self.changed.add(located.session_id)
            if broken:
                yield broken

    def resume(self, located: Located, *_: object, **__: object) -> Iterator[Session]:
        return self.read(located)


def break_readers(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Session], Session | None], *agents: str
) -> set[str]:
    """Have the readers change their sessions; returns the ids of those that were changed."""
    changed: set[str] = set()
    open_source = Agent.source

    def broken(self: Agent, *environ: Any) -> Any:
        source = open_source(self, *environ)
        return BrokenReader(source, change, changed) if self.name in agents else source

    monkeypatch.setattr(Agent, "source", broken)
    return changed


def verify(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    ran = run("verify", *(arguments or ("--all",)), "--json")
    sessions = json.loads(ran.stdout)["sessions"]
    return ran.returncode, {session["session"]: session for session in sessions}


def descriptions(session: dict[str, Any]) -> str:
    return "\n".join(difference["what"] for difference in session["differences"])


# ---- sound readers -------------------------------------------------------------------------------


@pytest.mark.usefixtures("all_recorded")
def test_sound_reader_and_census_agree_on_every_recorded_session() -> None:
    run("sync")
    _, sessions = verify()
    assert len(sessions) > 20
    assert {session["state"] for session in sessions.values()} == {"equal"}


# ---- broken readers ------------------------------------------------------------------------------


def keeping(session: Session, keep: Callable[[int, Message], bool]) -> Session:
    """Return the session with the messages that a function keeps, by index."""
    messages = tuple(session.messages)
    return replace(session, messages=tuple(m for i, m in enumerate(messages) if keep(i, m)))


def every_other_prompt(session: Session) -> Session:
    prompts = [message for message in session.messages if message.role == "user"][1::2]
    return keeping(session, lambda _, message: message not in prompts)


def last_answer(session: Session) -> Session:
    answers = [message for message in session.messages if message.role == "assistant"]
    return keeping(session, lambda _, message: message not in answers[-1:])


def undone_turns(session: Session) -> Session:
    return keeping(session, lambda _, message: not message.undone)


def responses_with_calls(session: Session) -> Session:
    return keeping(
        session, lambda _, message: not any(isinstance(part, ToolCall) for part in message.parts)
    )


def subagents(session: Session) -> Session | None:
    return None if session.parent_id else session


def all_after_a_compaction(session: Session) -> Session:
    marks = ("This session is being continued", "[conversation compacted")
    messages = list(session.messages)
    ends = [i for i, message in enumerate(messages) if message.text.startswith(marks)]
    end = ends[0] if ends else len(messages)
    return keeping(session, lambda index, _: index <= end)


def last_part(session: Session, kind: type[Part]) -> Session:
    """Return the session without the last part of a kind."""
    messages = list(session.messages)
    for index in range(len(messages) - 1, -1, -1):
        parts = list(messages[index].parts)
        matches = [i for i, part in enumerate(parts) if isinstance(part, kind)]
        if matches:
            del parts[matches[-1]]
            messages[index] = replace(messages[index], parts=tuple(parts))
            break
    return replace(session, messages=tuple(messages))


def last_result(session: Session) -> Session:
    return last_part(session, ToolResult)


def last_call(session: Session) -> Session:
    return last_part(session, ToolCall)


def injected_text_as_prompt(session: Session) -> Session:
    prompts = (
        replace(message, role="user") if message.role == "system" else message
        for message in session.messages
    )
    return replace(session, messages=tuple(prompts))


def with_usage(session: Session, change: Callable[[Usage], Usage]) -> Session:
    charges = tuple(replace(charge, usage=change(charge.usage)) for charge in session.charges)
    usages = {charge.id: charge for charge in charges}

    def recharged(message: Message) -> Message:
        charge = message.charge and usages[message.charge.id]
        return replace(message, charge=charge)

    messages = tuple(map(recharged, session.messages))
    return replace(session, charges=charges, messages=messages)


def cached_tokens(session: Session) -> Session:
    return with_usage(session, lambda usage: replace(usage, cache_read_tokens=0))


def tokens_twice(session: Session) -> Session:
    return with_usage(session, lambda usage: usage + usage)


def every_message(session: Session) -> Session:
    return replace(session, messages=(), charges=())


CLAUDE, OPENCODE, CURSOR = "claude-code", "opencode", "cursor"
BREAKAGES = {
    "every other prompt is dropped": (every_other_prompt, "utterance", (CLAUDE, OPENCODE, CURSOR)),
    "the last answer is dropped": (last_answer, "response", (CLAUDE, OPENCODE, CURSOR)),
    "undone turns are left out": (undone_turns, "utterance", (CLAUDE, OPENCODE)),
    "responses with calls are skipped": (
        responses_with_calls, "tool call", (CLAUDE, OPENCODE, CURSOR),
    ),
    "subagents are forgotten": (subagents, "subagent", (CLAUDE, OPENCODE)),
    "reading stops after a compaction": (all_after_a_compaction, "utterance", (CLAUDE,)),
    "reading stops after a compaction of OpenCode": (
        all_after_a_compaction, "response", (OPENCODE,),
    ),
    "a result is lost": (last_result, "tool result", (CLAUDE, OPENCODE, CURSOR)),
    "a call is lost": (last_call, "tool call", (CLAUDE, OPENCODE, CURSOR)),
    "injected text is taken for a prompt": (injected_text_as_prompt, "utterance", (CLAUDE,)),
    "cached tokens are not counted": (cached_tokens, "prompt token", (CLAUDE, OPENCODE)),
    "tokens are counted twice": (tokens_twice, "completion token", (CLAUDE, OPENCODE, CURSOR)),
    "no message is read": (every_message, "utterance", (CLAUDE, OPENCODE, CURSOR)),
}  # fmt: skip


@pytest.mark.usefixtures("all_recorded")
@pytest.mark.parametrize(("change", "unit", "agents"), BREAKAGES.values(), ids=BREAKAGES)
def test_everything_that_a_broken_reader_misses_is_named(
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Session], Session | None],
    unit: str,
    agents: tuple[str, ...],
) -> None:
    """The destination has exactly what was read, so that only the census can tell."""
    changed = break_readers(monkeypatch, change, *agents)
    run("sync")
    code, sessions = verify()
    assert code == 1
    different = {name for name, session in sessions.items() if session["state"] == "different"}
    assert {sessions[name]["agent"] for name in changed} == set(agents)
    assert different - {WITH_A_FILE} == changed - {WITH_A_FILE}
    for name in changed - {WITH_A_FILE}:
        assert f" {unit}" in descriptions(sessions[name])
        kinds = {difference["kind"] for difference in sessions[name]["differences"]}
        assert kinds == {"census"}


def earliest_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ResponseUsage, "merged", lambda usage, earlier: earlier or usage)


def results_of_the_first_call_only(monkeypatch: pytest.MonkeyPatch) -> None:
    read_response = Thread._response

    def first_call_only(thread: Thread, line: Json) -> IndexedMessage:
        message = read_response(thread, line)
        message.tool_ids = sorted(message.tool_ids)[:1]
        return message

    monkeypatch.setattr(Thread, "_response", first_call_only)


@pytest.mark.parametrize(
    ("break_reader", "fact"),
    [
        (None, ""),
        (earliest_usage, "census: 255 completion tokens on disk, 6 delivered"),
        (results_of_the_first_call_only, "census: 2 tool results on disk, 1 delivered"),
    ],
)
def test_fault_within_one_response_is_named(
    projects: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_reader: Callable[[pytest.MonkeyPatch], None] | None,
    fact: str,
) -> None:
    """Each line of a response repeats the usage, the first ones with smaller counts."""
    writer = TranscriptWriter(projects / "own.jsonl")
    writer.line("user", "go")
    writer.respond("m1", text("Two at once."), output=1)
    writer.respond("m1", call("c1"), output=3)
    writer.respond("m1", call("c2"), output=250)
    writer.line("user", [*result("c1"), *result("c2")])
    writer.respond("m2", text("Done."), output=5)
    if break_reader:
        break_reader(monkeypatch)
    run("sync")
    code, sessions = verify()
    assert (code, descriptions(sessions["own"])) == (1 if fact else 0, fact)


def test_difference_names_what_is_on_disk_read_and_delivered(
    projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = TranscriptWriter(projects / "own.jsonl")
    for number in range(7):
        writer.turn(number)
    with monkeypatch.context() as patch:
        break_readers(patch, every_other_prompt, CLAUDE)
        run("sync")
        ran = run("verify", "own")
        assert (ran.returncode, ran.stderr) == (1, "")
        assert (
            ran.stdout == "own: different  prompt 0\n  census: 7 utterances on disk, 4 delivered\n"
        )
        again = run("verify", "own", "--repair")
        assert (again.returncode, again.stdout) == (1, ran.stdout)
    ran = run("verify", "own")
    assert ran.returncode == 1
    assert "message 3 (user, own-u3) is not synced yet" in ran.stdout
    assert "census" not in ran.stdout, "the reader is sound again, and the messages are named"
    assert "--repair" in ran.stdout
    assert run("verify", "own", "--repair").returncode == 0
    break_readers(monkeypatch, every_other_prompt, CLAUDE)
    ran = run("verify", "own")
    assert "  census: 7 utterances on disk, 4 read, 7 delivered\n" in ran.stdout
    assert ran.stdout.count("surplus message (user, own-u") == 3


def test_session_that_was_not_synced_is_compared_with_the_reader_alone(
    projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TranscriptWriter(projects / "own.jsonl").turn(1)
    assert descriptions(verify()[1]["own"]) == "the session is not synced yet"
    break_readers(monkeypatch, every_message, CLAUDE)
    facts = descriptions(verify()[1]["own"])
    assert "census: 1 utterance on disk, 0 read" in facts
    assert "delivered" not in facts


@pytest.mark.usefixtures("recorded")
def test_forgotten_subagents_are_named_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    break_readers(monkeypatch, lambda session: None if "ae339a" in session.id else session, CLAUDE)
    run("sync", WITH_SUBAGENTS)
    ran = run("verify", WITH_SUBAGENTS)
    assert ran.returncode == 1
    assert "  census: 2 subagents on disk, 1 read\n" in ran.stdout
    name = f"{WITH_SUBAGENTS}:agent-ae339a82874b340e3"
    assert f"  {name}: census: 1 utterance and 2 responses on disk, nothing read\n" in ran.stdout


# ---- what stays at home on purpose ---------------------------------------------------------------


SETTINGS = {
    "undone messages stay at home": "[privacy]\nundone = false\n",
    "thinking is sent": "[privacy]\nthinking = true\n",
    "nothing is redacted": "[privacy]\nredact = false\nfile_contents = true\n",
    "tokens are estimated": "estimate_tokens = true\n",
}


@pytest.mark.usefixtures("all_recorded")
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_settings_of_the_user_make_no_difference(ours: Path, settings: str) -> None:
    ours.mkdir(exist_ok=True)
    (ours / "config.toml").write_text(settings)
    (ours / "config.toml").chmod(0o600)
    run("sync")
    _, sessions = verify()
    assert {session["state"] for session in sessions.values()} == {"equal"}
    assert "warning" not in [finding.state for finding in everything(load(), os.environ)]


def test_response_of_thoughts_alone_stays_at_home(projects: Path) -> None:
    writer = TranscriptWriter(projects / "own.jsonl")
    writer.line("user", "think")
    writer.respond("m1", {"type": "thinking", "thinking": "hm"})
    run("sync")
    assert run("verify").returncode == 0


@pytest.mark.usefixtures("recorded")
def test_fork_is_not_blamed_for_calls_that_its_original_pays() -> None:
    run("sync")
    _, sessions = verify()
    forks = [f"0000000{number}-0000-4000-8000-00000000000{number}" for number in (7, 8)]
    assert {sessions[name]["state"] for name in forks} == {"equal"}


def test_excluded_session_and_subagent_have_no_census(projects: Path, ours: Path) -> None:
    TranscriptWriter(projects / "own.jsonl").turn(1)
    for name, folder in (("agent-a1", "/secret"), ("agent-a2", "/work")):
        subagent = TranscriptWriter(projects / "own" / "subagents" / f"{name}.jsonl")
        subagent.line("user", "look", cwd=folder)
    ours.mkdir(exist_ok=True)
    (ours / "config.toml").write_text('[privacy]\nexclude = ["/secret"]\n')
    (ours / "config.toml").chmod(0o600)
    run("sync")
    assert run("verify").returncode == 0
    (ours / "config.toml").write_text('[privacy]\nexclude = ["/work"]\n')
    _, sessions = verify()
    assert (sessions["own"]["state"], sessions["own"]["census"]) == ("excluded", [])


def test_session_in_parts_is_counted_as_one(
    projects: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opensync_hooks.delivery.split.MAX_MESSAGES", 5)
    writer = TranscriptWriter(projects / "own.jsonl")
    for number in range(6):
        writer.turn(number)
    with real_opensync(tmp_path) as (server, store, key):
        login = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key}
        run("sync", **login)
        assert len(store.session_ids()) == 3
        assert run("verify", "own", **login).stdout.startswith("own: verified, 12 messages")


def test_parts_that_no_request_can_carry_are_not_missed(
    projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opensync_hooks.delivery.payloads.MAX_PARTS", 3)
    writer = TranscriptWriter(projects / "own.jsonl")
    for number in range(5):
        writer.respond("m1", call(f"c{number}"))
        writer.line("user", result(f"c{number}"), requestId="r1")
    run("sync")
    assert "tool call" not in run("verify", "own").stdout


def test_poorer_copy_is_not_blamed_for_what_the_richer_one_has(home: Path) -> None:
    """Cursor lost its database after the session was delivered from it."""
    editor = Editor(home)
    draft = editor.draft("s1")
    draft.add_turn(1)
    draft.add_tool_call("read_file_v2", result="x = 1")
    draft.save()
    editor.close()
    transcript(home, (user_line("prompt 1"), ENDED), "s1/s1.jsonl")
    run("sync")
    editor.path.unlink()
    for suffix in ("-wal", "-shm"):
        Path(f"{editor.path}{suffix}").unlink(missing_ok=True)
    assert run("verify").returncode == 0
    transcript(home, (user_line("prompt 1"), user_line("and more"), ENDED), "s1/s1.jsonl")
    ran = run("verify")
    assert ran.returncode == 1
    assert "census: 2 utterances on disk, 1 delivered" in ran.stdout


def test_session_that_grows_meanwhile_is_not_different(
    projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = TranscriptWriter(projects / "own.jsonl")
    writer.turn(1)
    run("sync")
    read = ClaudeCodeSource.read

    def growing(self: ClaudeCodeSource, located: Located) -> Iterator[Session]:
        sessions = list(read(self, located))
        writer.turn(2)
        return iter(sessions)

    take_census = Agent.census
    calls = []

    def late(self: Agent, located: Located) -> Any:
        calls.append(located)
        return take_census(self, located)

    monkeypatch.setattr(ClaudeCodeSource, "read", growing)
    monkeypatch.setattr(Agent, "census", late)
    ran = run("verify", "own")
    assert "census" not in ran.stdout
    assert len(calls) in {1, 2}


# ---- what nobody understands ---------------------------------------------------------------------


UNUSABLE = {
    "unknown shape": (b'{"kind": "turn", "who": "human"}\n' * 4, "line without a type (4)"),
    "garbled": (b"&Kp\x9a*Ot\n" * 3, "3 unreadable lines"),
    "empty": (b"", "it is empty"),
}


@pytest.mark.parametrize(("content", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_file_of_which_nothing_is_understood_is_never_verified(
    projects: Path, content: bytes, reason: str
) -> None:
    TranscriptWriter(projects / "odd.jsonl").write(content)
    run("sync")
    ran = run("verify", "--all")
    assert ran.returncode == 1
    assert f"  nothing in it is understood: {reason}\n" in ran.stdout
    assert "0 of 1 session verified, 1 different." in ran.stdout
    assert "--repair" not in ran.stdout
    _, sessions = verify()
    kinds = {d["kind"] for d in sessions["odd"]["differences"]}
    assert {"nothing understood"} <= kinds <= {"nothing understood", "not read"}


def test_unknown_bookkeeping_is_named_and_the_session_is_verified(projects: Path) -> None:
    writer = TranscriptWriter(projects / "own.jsonl")
    writer.turn(1)
    writer.write(b'{"type":"moonbeam","sessionId":"own","version":"2.9.0"}\n')
    assert run("sync").returncode == 0
    ran = run("verify", "--all")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "  note: not understood: moonbeam (1), written by 2.9.0\n" in ran.stdout
    assert ran.stdout.endswith("1 of 1 session verified.\n")
    _, sessions = verify()
    (census,) = sessions["own"]["census"]
    assert (census["unknown"], census["counts"]["utterances"]) == ({"moonbeam": 1}, 1)


LOST = {
    "damaged line": (b"torn\n", "not read: 1 unreadable line"),
    "line that may have been said": (
        b'{"type":"moonbeam","sessionId":"own","message":{"content":"x"}}\n',
        "not read: 1 line of type moonbeam",
    ),
    "block of an unknown type": (
        b'{"type":"user","sessionId":"own","uuid":"u9","message":{"content":[{"type":"glyph"}]}}\n',
        "not read: 1 block of type glyph",
    ),
}


@pytest.mark.parametrize("damaged", ["session", "subagent"])
@pytest.mark.parametrize(("content", "description"), LOST.values(), ids=LOST)
def test_loss_for_which_sync_fails_is_named_by_verify_which_fails_too(
    projects: Path, damaged: str, content: bytes, description: str
) -> None:
    TranscriptWriter(projects / "own.jsonl").turn(1)
    subagent = TranscriptWriter(projects / "own" / "subagents" / "agent-a1.jsonl")
    subagent.turn(1)
    path = subagent.path if damaged == "subagent" else projects / "own.jsonl"
    with path.open("ab") as file:
        file.write(content)
    assert run("sync").returncode == 1
    ran = run("verify", "--all", "--repair")
    assert ran.returncode == 1
    own = "own:agent-a1: " if damaged == "subagent" else ""
    assert f"  {own}{description}\n" in ran.stdout
    assert ran.stdout.count("not read") == 1


# ---- surplus -------------------------------------------------------------------------------------


def test_message_that_the_agent_deleted_is_named_once(home: Path) -> None:
    """The census has fewer, too; the messages themselves say more."""
    opencode = OpenCodeHome(home).put("1.2.1")
    run("sync")
    with opencode.writing() as db:
        query = "SELECT max(id) FROM message WHERE data LIKE '%user%'"
        (message_id,) = db.execute(query).fetchone()
        db.execute("DELETE FROM message WHERE id = ?", (message_id,))
        db.execute("DELETE FROM part WHERE message_id = ?", (message_id,))
    ran = run("verify")
    assert ran.returncode == 1
    assert f"message {message_id} was deleted here, but is not marked as undone" in ran.stdout
    assert "census" not in ran.stdout
    run("sync")
    assert run("verify").returncode == 0
