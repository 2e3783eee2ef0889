"""Excluded and private sessions are not delivered, in this run and in every later one."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.config import load
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.hook import entry
from opensync_hooks.model import Session
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.privacy.private_sessions import REASON
from opensync_hooks.privacy.project_rules import IGNORE
from opensync_hooks.queue.events import record_and_parse
from opensync_hooks.queue.spool import Spool
from tests.cursor_home import assistant, chat, text, user
from tests.opencode_home import OpenCodeHome
from tests.transcripts import TranscriptWriter

ROOT = Path(__file__).parents[2]
HOOKS = ROOT / "hooks"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "excluded"


def reason(folder: Path, project: str | Path | None, *globs: str) -> str | None:
    session = Session("s1", "claude-code", project_path=str(project) if project else None)
    return Exclusions(folder, globs).reason(session)


@pytest.mark.parametrize(
    ("glob", "project", "excluded"),
    [
        ("/srv/secret", "/srv/secret", True),
        ("/srv/secret/", "/srv/secret", True),
        ("/srv/secret", "/srv/secret/deep/er", True),
        ("/srv/secret", "/srv/secrets", False),
        ("/srv/*", "/srv/a/b", True),
        ("/srv/**", "/srv/a/b", True),
        ("/srv/cl?ent", "/srv/client", True),
        ("client-*", "/any/where/client-7/api", True),
        ("client-*", "/any/where/myclient-7", False),
        ("~/clients/*", "HOME/clients/acme", True),
        ("~/clients/*", "/other/clients/acme", False),
        ("~nobody-of-this-name/x", "/srv/x", False),
        ("/srv", "relative/srv", False),
        ("/srv", "vscode-remote://ssh/srv", False),
        ("/srv", None, True),
    ],
)
def test_glob_excludes_a_project_and_all_below_it(
    folder: Path, home: Path, glob: str, project: str | None, *, excluded: bool
) -> None:
    text = reason(folder, project and project.replace("HOME", str(home)), glob)
    assert (text is not None) is excluded
    assert not text or (glob if project else "no folder of it is known") in text


def test_glob_matches_behind_links(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    link = tmp_path / "link"
    link.symlink_to(real)
    assert reason(folder, link, str(real))
    assert reason(folder, link, str(link))


@pytest.mark.parametrize("project", ["/a\0b", "/\ud800", "/" + "a" * 5_000, "\n", "//", "~"])
def test_impossible_path_excludes_nothing_and_breaks_nothing(folder: Path, project: str) -> None:
    assert reason(folder, project, "/srv/*", "~/x") is None


@pytest.mark.parametrize("rule", ["/a\0b/*", "/a\0*/b", "\0", "[", "/[!"])
def test_impossible_rule_excludes_nothing_and_breaks_nothing(folder: Path, rule: str) -> None:
    assert reason(folder, "/srv/a", rule) is None


def test_relative_project_is_not_taken_for_a_folder_below_that_of_the_process(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / IGNORE).touch()
    monkeypatch.chdir(home)
    assert reason(folder, "api") is None
    assert reason(folder, "api", str(home)) is None


def test_ignore_file_in_the_project_or_above_it_opts_it_out(folder: Path, home: Path) -> None:
    project = home / "work" / "client" / "api"
    project.mkdir(parents=True)
    assert reason(folder, project) is None
    for parent in (project, home / "work", home):
        (parent / IGNORE).touch()
        assert IGNORE in str(reason(folder, project))
        (parent / IGNORE).unlink()
    (home.parent / IGNORE).touch()
    assert reason(folder, project) is None, "above the home folder it is not the user's"


def test_opt_out_outlives_the_project(folder: Path, home: Path) -> None:
    project = home / "gone"
    project.mkdir()
    (project / IGNORE).touch()
    exclusions = Exclusions(folder)
    exclusions.record("claude-code", "s1", reason(folder, project))
    (project / IGNORE).unlink()
    project.rmdir()
    assert IGNORE in str(reason(folder, project))
    project.mkdir()
    assert reason(folder, project) is None, "who removes the file wants delivery again"
    assert exclusions.was_excluded("claude-code", "s1")
    assert not exclusions.was_excluded("claude-code", "s2")
    exclusions.record("claude-code", "s1", None)
    assert not exclusions.was_excluded("claude-code", "s1")
    assert exclusions.count() == 0


def test_reasons_are_counted_as_they_were_recorded(folder: Path) -> None:
    exclusions = Exclusions(folder)
    assert (exclusions.count(), exclusions.reasons()) == (0, {})
    for session_id in ("s1", "s2"):
        exclusions.record("cursor", session_id, "it matches `\udcff*`")
    exclusions.keep_private("cursor", "s3")
    assert (exclusions.count(), exclusions.reasons()) == (3, {"it matches `?*`": 2, REASON: 1})


def test_private_is_for_good_and_for_one_session(folder: Path, home: Path) -> None:
    exclusions = Exclusions(folder)
    exclusions.keep_private("claude-code", "s1")
    assert reason(folder, home) == REASON
    assert exclusions.private_reason("claude-code", "s2") is None
    assert exclusions.private_reason("cursor", "s1") is None
    assert exclusions.count() == 1


def test_damaged_record_keeps_the_session_private(folder: Path, home: Path) -> None:
    exclusions = Exclusions(folder)
    exclusions.keep_private("claude-code", "s1")
    (path,) = folder.glob("*.txt")
    for damage in (b"", b"\xff\xfe"):
        path.write_bytes(damage)
        assert exclusions.private_reason("claude-code", "s1")
        assert reason(folder, home)


@pytest.mark.parametrize(
    ("value", "private"),
    [("1", True), ("yes", True), ("TRUE", True), ("x", True), ("0", False), ("no", False),
     ("false", False), ("off", False), (" ", False), (None, False)],
)  # fmt: skip
def test_every_value_except_a_no_makes_private(value: str | None, *, private: bool) -> None:
    assert entry.is_private(value) is private


@pytest.mark.parametrize(
    "payload",
    [
        {"session_id": "s1", "last_assistant_message": "the text"},
        {"last_assistant_message": 'the text "session_id":"other"', "session_id": "s1"},
        {"cwd": "/the text", "session_id": "s1", "conversation_id": "c1"},
    ],
)
def test_only_the_ids_of_a_private_event_are_kept(payload: dict[str, str]) -> None:
    for form in (json.dumps(payload), json.dumps(payload, indent=2), json.dumps(payload) + "\n"):
        kept = json.loads(entry.ids_only(form.encode()))
        names = {name: payload[name] for name in payload if name.endswith("_id")}
        assert kept == {"private": True, **names}


@pytest.mark.parametrize("payload", [b"", b"x", b'"session_id"', b'{"session_id": 7}'])
def test_private_event_without_an_id_keeps_nothing(payload: bytes) -> None:
    assert json.loads(entry.ids_only(payload)) == {"private": True}


@pytest.mark.parametrize("agent", ["claude-code", "cursor"])
def test_private_hook_counts_whoever_reads_it(agent: str, home: Path) -> None:
    payload = entry.ids_only(b'{"session_id": "s1"}')
    assert record_and_parse(agent, {"HOME": str(home)}, payload) is None
    assert Exclusions.for_user().private_reason(agent, "s1")


WORD = "play:tools"
"""The prompt of the session that stays here, whatever the agent."""


@dataclass(frozen=True)
class Sessions:
    """An agent with one session in the project `client`, and another session elsewhere."""

    agent: str
    script: str
    first: str
    second: str


def of_claude_code(home: Path, project: Path) -> Sessions:
    for name, cwd in (("s1", project), ("s2", home)):
        writer = TranscriptWriter(home / ".claude" / "projects" / "-work" / f"{name}.jsonl")
        writer.line("user", WORD if name == "s1" else "hello", cwd=str(cwd))
    return Sessions("claude-code", "claude_code.py", "s1", "s2")


def of_cursor(home: Path, project: Path) -> Sessions:
    for name, cwd in (("s1", project), ("s2", home)):
        words = WORD if name == "s1" else "hello"
        chat(home, [user(words), assistant(text("yes"))], name, str(cwd))
    return Sessions("cursor", "cursor.py", "s1", "s2")


def of_opencode(home: Path, project: Path) -> Sessions:
    opencode = OpenCodeHome(home).put("1.15.13")
    with opencode.writing() as db:
        rows = db.execute("SELECT id FROM session WHERE parent_id IS NULL ORDER BY id").fetchall()
        ids = [session_id for (session_id,) in rows]
        first = next(session_id for session_id in ids if WORD in str(messages(db, session_id)))
        second = next(session_id for session_id in ids if session_id != first)
        update = "UPDATE message SET data = json_set(data, '$.path', json_object('cwd', ?))"
        for session_id in ids:
            folder = str(project if session_id == first else home)
            db.execute("UPDATE session SET directory = ? WHERE id = ?", (folder, session_id))
            db.execute(f"{update} WHERE session_id = ?", (folder, session_id))
        db.execute("DELETE FROM session WHERE id NOT IN (?, ?)", (first, second))
    return Sessions("opencode", "opencode.py", first, second)


def messages(db: sqlite3.Connection, session_id: str) -> list[Any]:
    return db.execute("SELECT data FROM part WHERE session_id = ?", (session_id,)).fetchall()


@pytest.fixture(params=[of_claude_code, of_cursor, of_opencode])
def sessions(request: pytest.FixtureRequest, home: Path) -> Sessions:
    (home / "client").mkdir()
    sessions: Sessions = request.param(home, home / "client")
    return sessions


def fire(sessions: Sessions, session_id: str, *, private: bool) -> None:
    """Run the hook as the agent does; it starts a worker."""
    fields = {"session_id": session_id, "hook_event_name": "Stop", "last_assistant_message": WORD}
    if sessions.agent == "cursor":
        fields |= {"conversation_id": session_id, "cursor_version": "3.18.25"}
    event = json.dumps(fields)
    arguments = ["--event", event] if sessions.agent == "opencode" else []
    subprocess.run(
        [sys.executable, "-I", "-S", str(HOOKS / sessions.script), *arguments],
        input=b"" if arguments else event.encode(),
        env={**os.environ, **({"OPENSYNC_HOOKS_PRIVATE": "1"} if private else {})},
        capture_output=True,
        check=True,
    )


def run(*command: str, check: bool = True) -> str:
    """Run our command in a process of its own; returns its output."""
    return subprocess.run(
        [sys.executable, "-m", "opensync_hooks", *command],
        cwd=ROOT, capture_output=True, text=True, check=check,
    ).stdout  # fmt: skip


def delivered() -> dict[str, list[str]]:
    """Return the texts of each delivered session."""
    texts = {}
    with Store(load().folders.store) as store:
        for row in store.sessions(limit=99):
            session = store.session(row["externalId"])
            assert session
            texts[row["externalId"]] = [m.get("textContent", "") for m in session["messages"]]
    return texts


def test_private_session_stays_here_for_good_and_the_others_go(sessions: Sessions) -> None:
    """Real processes, for each agent: hooks, their workers, then the command."""
    fire(sessions, sessions.first, private=True)
    fire(sessions, sessions.second, private=False)
    for command, expected in (
        (["sync"], "1 excluded"),
        (["sync", "--all"], "1 excluded"),
        (
            ["sync", sessions.first, "--force"],
            f"{sessions.first}: excluded: private: its agent ran with",
        ),
        (["status"], "Excluded:          1 session"),
    ):
        assert expected in run(*command), command
    fire(sessions, sessions.first, private=False)  # resumed by an agent that is not private
    run("sync", "--all")
    assert delivered().keys() == {sessions.second}
    spool = Spool(load().folders.spool)
    while spool.has_events():  # the last hook's worker may not have started yet
        time.sleep(0.1)
    for path in Path(os.environ["OPENSYNC_HOOKS_HOME"]).rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):  # that worker may still be running
            assert WORD.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("command", [["sync"], ["sync", "--all"], ["verify", "--repair"]])
def test_command_learns_that_a_session_is_private_while_a_worker_is_busy(
    sessions: Sessions, command: list[str]
) -> None:
    with Spool(load().folders.spool).single_worker() as is_alone:
        assert is_alone
        fire(sessions, sessions.first, private=True)
        run(*command, check=False)
    assert sessions.first not in delivered()


@pytest.mark.parametrize("rule", [IGNORE, "~/cl*"])
def test_excluded_project_stays_here_until_it_is_no_longer_excluded(
    sessions: Sessions, home: Path, rule: str
) -> None:
    folders = load().folders
    folders.settings.parent.mkdir(parents=True)
    if rule == IGNORE:
        (home / "client" / IGNORE).touch()
    else:
        folders.settings.write_text(f"[privacy]\nexclude = ['{rule}']\n")
        folders.settings.chmod(0o600)
    fire(sessions, sessions.first, private=False)
    fire(sessions, sessions.second, private=False)
    run("sync", "--all")
    assert delivered().keys() == {sessions.second}
    for path in (home / "client" / IGNORE, folders.settings):
        path.unlink(missing_ok=True)
    run("sync")
    assert delivered().keys() == {sessions.first, sessions.second}
    assert any(WORD in text for text in delivered()[sessions.first])
