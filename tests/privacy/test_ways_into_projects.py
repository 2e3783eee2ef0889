"""A rule on a project holds whatever way leads into it, and for every folder a session was in."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.agents.opencode.source import open_source as open_opencode_source
from opensync_hooks.config import load
from opensync_hooks.delivery.exclude import with_folders
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.model import Attachment, Message, Session, Text
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.privacy.project_rules import IGNORE
from tests.commandline import run
from tests.opencode_home import OpenCodeHome
from tests.sessions import only
from tests.transcripts import TranscriptWriter, text


@pytest.fixture
def vault(home: Path) -> Path:
    """A project that stays home, with a folder in it."""
    (home / "vault" / "plans").mkdir(parents=True)
    (home / "vault" / IGNORE).touch()
    return home / "vault"


def reason(tmp_path: Path, *folders: Path, rules: tuple[str, ...] = ()) -> str | None:
    first, *others = map(str, folders)
    session = Session("s1", "claude-code", project_path=first, folders=tuple(others))
    return Exclusions(tmp_path / "excluded", rules).reason(session)


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Kim", "-c", "user.email=kim@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, check=True)


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "begin")
    return folder


def test_ignore_file_holds_behind_links(tmp_path: Path, home: Path, vault: Path) -> None:
    (home / "desk").mkdir()
    (home / "desk" / "direct").symlink_to(vault / "plans")
    (home / "desk" / "twice").symlink_to(home / "desk" / "direct")
    assert reason(tmp_path, home / "desk" / "direct")
    assert reason(tmp_path, home / "desk" / "twice")
    assert reason(tmp_path, home / "desk") is None


@pytest.mark.parametrize(
    ("rule", "excluded"),
    [("~/clients/*", True), ("~/cl*/acme", True), ("~/pinned/*", True), ("~/clients/acme", True),
     ("~/clients/other", False), ("~/acme", False)],
)  # fmt: skip
def test_exclude_that_names_a_link_holds_for_what_is_behind_it(
    tmp_path: Path, home: Path, rule: str, *, excluded: bool
) -> None:
    acme = home / "disk" / "clients" / "acme"
    acme.mkdir(parents=True)
    (home / "clients").symlink_to(home / "disk" / "clients")
    (home / "pinned").mkdir()
    (home / "pinned" / "first").symlink_to(acme)
    assert (reason(tmp_path, acme, rules=(rule,)) is not None) is excluded
    assert (reason(tmp_path, acme / "api", rules=(rule,)) is not None) is excluded


def test_exclude_through_a_link_holds_for_a_project_that_is_gone(
    tmp_path: Path, home: Path
) -> None:
    (home / "disk" / "clients").mkdir(parents=True)
    (home / "clients").symlink_to(home / "disk" / "clients")
    assert reason(tmp_path, home / "disk" / "clients" / "gone", rules=("~/clients/*",))
    assert reason(tmp_path, home / "disk" / "own" / "gone", rules=("~/clients/*",)) is None


@pytest.mark.parametrize("is_bare", [False, True])
def test_git_worktree_belongs_to_its_repository(
    tmp_path: Path, home: Path, *, is_bare: bool
) -> None:
    main = repository(home / "work" / "main")
    if is_bare:
        git(home, "clone", "-q", "--bare", str(main), str(home / "work" / "main.git"))
        main = home / "work" / "main.git"
    tree = home / "trees" / "blue"
    git(main, "worktree", "add", "-q", str(tree))
    (tree / "src").mkdir()
    assert reason(tmp_path, tree / "src") is None
    assert reason(tmp_path, tree / "src", rules=(str(main),))
    assert reason(tmp_path, tree / "src", rules=("~/work/*",))
    assert reason(tmp_path, tree / "src", rules=("~/other",)) is None
    (main / IGNORE).touch()
    assert reason(tmp_path, tree / "src")
    assert reason(tmp_path, tree)
    (main / IGNORE).unlink()
    (main / "src").mkdir()
    (main / "src" / IGNORE).touch()
    assert reason(tmp_path, tree / "src"), "it is the same folder of the project"
    assert reason(tmp_path, tree) is None


def test_worktree_of_a_lost_repository_still_belongs_to_it(tmp_path: Path, home: Path) -> None:
    tree = home / "trees" / "blue"
    tree.mkdir(parents=True)
    (tree / ".git").write_text(f"gitdir: {home}/clients/acme/.git/worktrees/blue\n")
    assert reason(tmp_path, tree, rules=("~/clients/*",))


@pytest.mark.parametrize("name", [b"a:b", b"\xff", b" c"])
def test_repository_may_have_any_name(tmp_path: Path, home: Path, name: bytes) -> None:
    tree = home / "trees" / "blue"
    tree.mkdir(parents=True)
    repository = bytes(home) + b"/clients/" + name
    (tree / ".git").write_bytes(b"gitdir: " + repository + b"/.git/worktrees/blue\r\n")
    assert reason(tmp_path, tree, rules=("~/clients/*",))


def test_worktree_of_a_submodule_belongs_to_where_its_settings_say(
    tmp_path: Path, home: Path
) -> None:
    modules = home / "work" / ".git" / "modules" / "lib"
    modules.mkdir(parents=True)
    (modules / "config.worktree").write_text("[core]\n\tworktree = ../../../vendor/lib\n")
    tree = home / "trees" / "lib"
    tree.mkdir(parents=True)
    (tree / ".git").write_text(f"gitdir: {modules}/worktrees/lib\n")
    assert reason(tmp_path, tree / "src", rules=("~/work/vendor",))


@pytest.mark.parametrize(
    "content",
    [b"", b"gitdir", b"gitdir:", b"gitdir: \0", b"\xff\xfe", b"gitdir: ../../x", b"x: .", None],
)
def test_strange_git_file_excludes_nothing(
    tmp_path: Path, home: Path, content: bytes | None
) -> None:
    tree = home / "worktrees" / "blue"
    (tree / "src").mkdir(parents=True)
    if content is not None:
        (tree / ".git").write_bytes(content)
    assert reason(tmp_path, tree / "src", rules=("~/src", "~/clients/*")) is None


def test_repository_that_leads_into_itself_ends(tmp_path: Path, home: Path) -> None:
    tree = home / "trees" / "blue"
    tree.mkdir(parents=True)
    (tree / ".git").write_text(f"gitdir: {tree}/deeper/.git/worktrees/blue\n")
    assert reason(tmp_path, tree, rules=("~/clients/*",)) is None
    assert reason(tmp_path, tree, rules=("deeper",))


def test_every_folder_of_a_transcript_counts(tmp_path: Path, home: Path, vault: Path) -> None:
    writer = TranscriptWriter(home / ".claude" / "projects" / "-x" / "s1.jsonl")
    writer.line("user", "begin", cwd=str(home))
    source = ClaudeCodeSource(home / ".claude")
    exclusions = Exclusions(tmp_path / "excluded")
    assert exclusions.reason(only(source, "s1")) is None
    writer.line("user", "go on", cwd=str(vault / "plans"))
    writer.line("user", "back again", cwd=str(home))
    session = only(source, "s1")
    assert session.project_path == str(home)
    assert session.folders == (str(home), str(vault / "plans"))
    assert exclusions.reason(session)


def test_every_folder_of_an_opencode_session_counts(
    tmp_path: Path, home: Path, vault: Path
) -> None:
    opencode = OpenCodeHome(home).put("1.15.13")
    with opencode.writing() as db:
        ((session_id,),) = db.execute("SELECT session_id FROM message LIMIT 1").fetchall()
        db.execute("UPDATE session SET directory = ?", (str(home),))
        db.execute(
            "UPDATE message SET data = json_set(data, '$.path.cwd', ?) WHERE id ="
            " (SELECT max(id) FROM message WHERE session_id = ?"
            " AND json_extract(data, '$.role') = 'assistant')",
            (str(vault / "plans"), session_id),
        )
    source = open_opencode_source({}, str(home))
    session = only(source, session_id)
    assert session.project_path == str(home)
    assert str(vault / "plans") in session.folders
    assert Exclusions(tmp_path / "excluded").reason(session)


def test_session_without_a_folder_stays_home_only_while_there_are_rules(tmp_path: Path) -> None:
    session = Session("s1", "claude-code")
    assert Exclusions(tmp_path / "excluded").reason(session) is None
    assert "no folder" in str(Exclusions(tmp_path / "excluded", ("/srv",)).reason(session))
    main, subagent = with_folders((replace(session, project_path="/work"), session))
    assert main.folders == ()
    assert subagent.folders == ("/work",)


# ---- private sessions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "relative",
    [
        Session("s2", "opencode", parent_id="s1"),
        Session("s2", "opencode", forked_from="s1"),
        Session("s1:agent-7", "opencode"),
        Session("s1:agent:7", "opencode"),
    ],
)
def test_fork_and_subagent_of_a_private_session_are_private(
    tmp_path: Path, relative: Session
) -> None:
    exclusions = Exclusions(tmp_path / "excluded")
    assert exclusions.reason(relative) is None
    exclusions.keep_private("opencode", "s1")
    assert "private" in str(exclusions.reason(relative))
    assert exclusions.reason(replace(relative, agent="cursor")) is None
    exclusions.record("opencode", relative.id, exclusions.reason(relative))
    child = Session("s3", "opencode", parent_id=relative.id)
    assert "private" in str(exclusions.reason(child)), "also the subagent of a fork"


UUID = "6f1c0b1e-52a0-4c7e-9d43-0c4f6a1e7b2{}"


@pytest.mark.parametrize(
    ("messages", "is_fork"),
    [
        ([Message(UUID.format(0), "user", (Text("x"),), 5)], True),
        ([Message("new", "user", (Text("dig"),), 5)], True),
        ([Message("new", "user", (Text("dig"),), 6)], False),
        ([Message("new", "user", (Text("dug"),), 5)], False),
        ([Message("1", "user", (Text("x"),), 7)], False),
        ([Message("new", "assistant", (Text("yes"),), 6)], False),
        ([Message("new", "user", (Text("again"),), None)], False),
        ([Message("new", "user", (Attachment("image/png", 1),), 8)], False),
        ([Message("new", "user", (Text("the fifth"),), 9)], False),
        ([Message("new", "user", (Text("\ud800"),), 9)], False),
        ([], False),
    ],
)
def test_fork_begins_with_the_same_message(
    tmp_path: Path, messages: list[Message], *, is_fork: bool
) -> None:
    exclusions = Exclusions(tmp_path / "excluded")
    first = Message(UUID.format(0), "user", (Text("dig"),), 5)
    others = (
        Message("1", "assistant", (Text("yes"),), 6),
        Message("2", "user", (Text("again"),), None),
        Message("3", "user", (Attachment("image/png", 1),), 8),
        Message("4", "user", (Text("the fifth"),), 9),
    )
    exclusions.keep_private("cursor", "s1")
    assert exclusions.unread_private_ids("cursor") == ["s1"]
    exclusions.learn_forks(Session("s1", "cursor", (first, *others)))
    assert exclusions.unread_private_ids("cursor") == []
    exclusions.keep_private("cursor", "s1")  # a later hook does not forget them
    assert exclusions.is_private_fork(Session("s2", "cursor", messages)) is is_fork
    assert not exclusions.is_private_fork(Session("s2", "opencode", messages))
    for path in (tmp_path / "excluded").iterdir():
        assert b"dig" not in path.read_bytes()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"id": "s2", "begins": 7}', b"[" * 200_000]
)
def test_damaged_file_of_a_private_session_hides_no_other(tmp_path: Path, content: bytes) -> None:
    exclusions = Exclusions(tmp_path / "excluded")
    private = Session("s1", "cursor", (Message(UUID.format(0), "user", (Text("dig"),), 5),))
    exclusions.keep_private("cursor", "s1")
    exclusions.learn_forks(private)
    (tmp_path / "excluded" / "cursor-s2.json").write_bytes(content)
    assert exclusions.is_private_fork(replace(private, id="s3"))
    assert exclusions.unread_private_ids("cursor") == []


def test_private_sessions_of_an_agent_with_a_longer_name_are_its_own(tmp_path: Path) -> None:
    exclusions = Exclusions(tmp_path / "excluded")
    exclusions.keep_private("cursor-next", "s1")
    assert exclusions.unread_private_ids("cursor") == []
    assert exclusions.unread_private_ids("cursor-next") == ["s1"]


@pytest.fixture
def lines(home: Path) -> TranscriptWriter:
    (home / "open").mkdir()
    writer = TranscriptWriter(home / ".claude" / "projects" / "-x" / "s1.jsonl")
    writer.line("user", "a private matter", cwd=str(home / "open"))
    writer.respond("msg_1", text("quite so"), cwd=str(home / "open"))
    return writer


def fork(lines: TranscriptWriter, session_id: str) -> None:
    content = lines.path.read_bytes().replace(b'"sessionId": "s1"', b'"sessionId": "s2"')
    copy = TranscriptWriter(lines.path.with_name(f"{session_id}.jsonl"), began=1_767_300_000)
    copy.write(content)
    copy.line("user", "and further", cwd=str(lines.path.parent))


def test_fork_of_a_private_transcript_stays_home(lines: TranscriptWriter) -> None:
    fork(lines, "s2")
    Exclusions.for_user().keep_private("claude-code", "s1")
    assert "excluded: private: a fork" in run("sync", "s2").stdout
    assert "2 sessions" in run("status").stdout
    lines.path.unlink()
    fork_of_fork = lines.path.with_name("s3.jsonl")
    fork_of_fork.write_bytes(lines.path.with_name("s2.jsonl").read_bytes())
    assert "excluded: private: a fork" in run("sync", "s3").stdout, "its digests remain"


def test_session_that_was_sent_before_it_was_forked_privately_goes_on(
    lines: TranscriptWriter,
) -> None:
    run("sync", "s1")
    fork(lines, "s2")
    Exclusions.for_user().keep_private("claude-code", "s2")
    lines.line("user", "go on in public", cwd="/work")
    assert "excluded" not in run("sync", "s1").stdout


def test_session_that_walks_into_a_closed_project_stays_and_what_went_is_named(
    lines: TranscriptWriter, vault: Path
) -> None:
    run("sync", "s1")
    lines.line("user", "the closed part", cwd=str(vault))
    assert "what was sent before that is still at the destination" in run("sync", "s1").stdout
    assert "what was sent before that" in run("status").stdout
    with Store(load().folders.store) as store:
        stored = store.session("s1")
    assert stored
    assert len(stored["messages"]) == 2
