"""What the user keeps to himself stays here, in this run and in every later one."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.config import load
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.hook import entry
from opensync_hooks.privacy.exclusion import IGNORE, Exclusions
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


def why(folder: Path, project: str | Path | None, *globs: str) -> str | None:
    return Exclusions(folder, globs).reason("claude-code", "s1", str(project) if project else None)


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
        ("/srv", None, False),
    ],
)
def test_glob_excludes_a_project_and_all_below_it(
    folder: Path, home: Path, glob: str, project: str | None, *, excluded: bool
) -> None:
    found = why(folder, project and project.replace("HOME", str(home)), glob)
    assert (found is not None) is excluded
    assert not found or glob in found


def test_glob_sees_through_links(folder: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    link = tmp_path / "link"
    link.symlink_to(real)
    assert why(folder, link, str(real))
    assert why(folder, link, str(link))


@pytest.mark.parametrize("project", ["/a\0b", "/\ud800", "/" + "a" * 5_000, "", "\n", "//", "~"])
def test_path_that_is_none_excludes_nothing_and_breaks_nothing(folder: Path, project: str) -> None:
    assert why(folder, project, "/srv/*", "~/x") is None


def test_file_in_the_project_or_above_it_opts_it_out(folder: Path, home: Path) -> None:
    project = home / "work" / "client" / "api"
    project.mkdir(parents=True)
    assert why(folder, project) is None
    for place in (project, home / "work", home):
        (place / IGNORE).touch()
        assert IGNORE in str(why(folder, project))
        (place / IGNORE).unlink()
    (home.parent / IGNORE).touch()
    assert why(folder, project) is None, "above the home folder it says nothing about this user"


def test_opt_out_outlives_the_project(folder: Path, home: Path) -> None:
    project = home / "gone"
    project.mkdir()
    (project / IGNORE).touch()
    found = Exclusions(folder)
    found.remember("claude-code", "s1", why(folder, project))
    (project / IGNORE).unlink()
    project.rmdir()
    assert IGNORE in str(why(folder, project))
    project.mkdir()
    assert why(folder, project) is None, "who takes the file away wants it back"
    found.remember("claude-code", "s1", None)
    assert found.count() == 0


def test_private_is_for_good_and_for_one_session(folder: Path, home: Path) -> None:
    found = Exclusions(folder)
    found.keep_private("claude-code", "s1")
    assert "private" in str(why(folder, home))
    assert found.private("claude-code", "s2") is None
    assert found.private("cursor", "s1") is None
    assert found.count() == 1


def test_damaged_note_lets_nothing_out(folder: Path, home: Path) -> None:
    found = Exclusions(folder)
    found.keep_private("claude-code", "s1")
    (path,) = folder.iterdir()
    for damage in (b"", b"\xff\xfe"):
        path.write_bytes(damage)
        assert found.private("claude-code", "s1")
        assert why(folder, home)


@pytest.mark.parametrize(
    ("value", "private"),
    [("1", True), ("yes", True), ("TRUE", True), ("x", True), ("0", False), ("no", False),
     ("false", False), ("off", False), (" ", False), (None, False)],
)  # fmt: skip
def test_any_word_but_a_no_makes_private(value: str | None, *, private: bool) -> None:
    assert entry.is_private(value) is private


@pytest.mark.parametrize(
    "payload",
    [
        {"session_id": "s1", "last_assistant_message": "the text"},
        {"last_assistant_message": 'the text "session_id":"other"', "session_id": "s1"},
        {"cwd": "/the text", "session_id": "s1", "conversation_id": "c1"},
    ],
)
def test_of_a_private_event_only_its_names_are_left(payload: dict[str, str]) -> None:
    for form in (json.dumps(payload), json.dumps(payload, indent=2), json.dumps(payload) + "\n"):
        left = json.loads(entry.ids_only(form.encode()))
        names = {name: payload[name] for name in payload if name.endswith("_id")}
        assert left == {"private": True, **names}


@pytest.mark.parametrize("payload", [b"", b"x", b'"session_id"', b'{"session_id": 7}'])
def test_private_event_without_a_name_says_nothing(payload: bytes) -> None:
    assert json.loads(entry.ids_only(payload)) == {"private": True}


@pytest.mark.parametrize("agent", ["claude-code", "cursor"])
def test_private_hook_is_heeded_whoever_reads_it(agent: str, home: Path) -> None:
    payload = entry.ids_only(b'{"session_id": "s1"}')
    assert record_and_parse(agent, {"HOME": str(home)}, payload) is None
    assert Exclusions.for_user().private(agent, "s1")


WORD = "play:tools"
"""What is said in the session that stays here, whatever the agent."""


@dataclass(frozen=True)
class Told:
    """An agent on this machine: a session in a project, and another one in another."""

    agent: str
    script: str
    first: str
    second: str


def told_by_claude_code(home: Path, project: Path) -> Told:
    for name, cwd in (("s1", project), ("s2", home)):
        writer = TranscriptWriter(home / ".claude" / "projects" / "-work" / f"{name}.jsonl")
        writer.line("user", WORD if name == "s1" else "hello", cwd=str(cwd))
    return Told("claude-code", "claude_code.py", "s1", "s2")


def told_by_cursor(home: Path, project: Path) -> Told:
    for name, cwd in (("s1", project), ("s2", home)):
        words = WORD if name == "s1" else "hello"
        chat(home, [user(words), assistant(text("yes"))], name, str(cwd))
    return Told("cursor", "cursor.py", "s1", "s2")


def told_by_opencode(home: Path, project: Path) -> Told:
    opencode = OpenCodeHome(home).put("1.15.13")
    with opencode.writing() as db:
        found = db.execute(
            "SELECT id, title FROM session WHERE parent_id IS NULL ORDER BY id"
        ).fetchall()
        first = next(one for one, title in found if WORD in str(messages(db, one)))
        second = next(one for one, _ in found if one != first)
        db.execute("UPDATE session SET directory = ?", (str(home),))
        db.execute("UPDATE session SET directory = ? WHERE id = ?", (str(project), first))
        db.execute("DELETE FROM session WHERE id NOT IN (?, ?)", (first, second))
    return Told("opencode", "opencode.py", first, second)


def messages(db: sqlite3.Connection, session_id: str) -> list[Any]:
    return db.execute("SELECT data FROM part WHERE session_id = ?", (session_id,)).fetchall()


@pytest.fixture(params=[told_by_claude_code, told_by_cursor, told_by_opencode])
def told(request: pytest.FixtureRequest, home: Path) -> Told:
    (home / "client").mkdir()
    found: Told = request.param(home, home / "client")
    return found


def fire(told: Told, session_id: str, *, private: bool) -> None:
    """The hook as the agent runs it, and its worker after it."""
    fields = {"session_id": session_id, "hook_event_name": "Stop", "last_assistant_message": WORD}
    if told.agent == "cursor":
        fields |= {"conversation_id": session_id, "cursor_version": "3.18.25"}
    event = json.dumps(fields)
    given = ["--event", event] if told.agent == "opencode" else []
    subprocess.run(
        [sys.executable, "-I", "-S", str(HOOKS / told.script), *given],
        input=b"" if given else event.encode(),
        env={**os.environ, **({"OPENSYNC_HOOKS_PRIVATE": "1"} if private else {})},
        capture_output=True,
        check=True,
    )


def ours(*command: str, check: bool = True) -> str:
    return subprocess.run(
        [sys.executable, "-m", "opensync_hooks", *command],
        cwd=ROOT, capture_output=True, text=True, check=check,
    ).stdout  # fmt: skip


def kept() -> dict[str, list[str]]:
    """What arrived: the texts of each session."""
    with Store(load().folders.store) as store:
        return {
            one["externalId"]: [
                message.get("textContent", "")
                for message in (store.session(one["externalId"]) or {})["messages"]
            ]
            for one in store.sessions(limit=99)
        }


def test_private_session_stays_here_for_good_and_the_others_go(told: Told) -> None:
    """Real processes, for each agent: hooks, their workers, then the command."""
    fire(told, told.first, private=True)
    fire(told, told.second, private=False)
    for command, said in (
        (["sync"], "1 excluded"),
        (["sync", "--all"], "1 excluded"),
        (["sync", told.first, "--force"], f"{told.first}: excluded: private: its agent ran with"),
        (["status"], "Excluded:          1 session"),
    ):
        assert said in ours(*command), command
    fire(told, told.first, private=False)  # resumed by an agent that is not private
    ours("sync", "--all")
    assert kept().keys() == {told.second}
    for path in Path(os.environ["OPENSYNC_HOOKS_HOME"]).rglob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):  # the last worker may be at work yet
            assert WORD.encode() not in path.read_bytes(), path


@pytest.mark.parametrize("command", [["sync"], ["sync", "--all"], ["verify", "--repair"]])
def test_command_hears_that_a_session_is_private_while_a_worker_is_busy(
    told: Told, command: list[str]
) -> None:
    with Spool(load().folders.spool).single_worker() as is_alone:
        assert is_alone
        fire(told, told.first, private=True)
        ours(*command, check=False)
    assert told.first not in kept()


@pytest.mark.parametrize("how", [IGNORE, "~/cl*"])
def test_excluded_project_stays_here_until_it_is_no_longer_excluded(
    told: Told, home: Path, how: str
) -> None:
    folders = load().folders
    folders.settings.parent.mkdir(parents=True)
    if how == IGNORE:
        (home / "client" / IGNORE).touch()
    else:
        folders.settings.write_text(f"[privacy]\nexclude = ['{how}']\n")
        folders.settings.chmod(0o600)
    fire(told, told.first, private=False)
    fire(told, told.second, private=False)
    ours("sync", "--all")
    assert kept().keys() == {told.second}
    for path in (home / "client" / IGNORE, folders.settings):
        path.unlink(missing_ok=True)
    ours("sync")
    assert kept().keys() == {told.first, told.second}
    assert any(WORD in said for said in kept()[told.first])
