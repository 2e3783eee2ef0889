"""A session's title, project, parent and fingerprint."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents import sqlite_snapshot
from opensync_hooks.agents.cursor.paths import CursorPaths
from opensync_hooks.agents.cursor.source import CursorSource
from opensync_hooks.agents.hook_notes import HookNotes
from tests.agents.cursor.conversations import TURN
from tests.cursor_home import BEGAN, ENDED, Editor, chat, transcript, user_line, window
from tests.sessions import family, only


def test_title_is_the_name_or_the_listed_name_or_the_first_prompt(
    editor: Editor, source: CursorSource
) -> None:
    editor.draft("named", name="Its name").save()
    editor.draft("listed").save()
    head = json.dumps({"name": "In the list"})
    editor.db.execute("INSERT INTO composerHeaders VALUES ('listed', ?)", (head,))
    draft = editor.draft("bare", name="New Agent")
    draft.add_prompt("What\nis this? " + "x" * 200)
    draft.save()
    assert only(source, "named").title == "Its name"
    assert only(source, "listed").title == "In the list"
    title = only(source, "bare").title
    assert title
    assert title.startswith("What is this? xxx")
    assert (len(title), title[-1]) == (100, "…")


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ({"fsPath": "/work/a b", "external": "file:///other"}, "/work/a b"),
        (
            {"path": "/srv/repo", "external": "vscode-remote://ssh-remote%2Bhost/srv/repo"},
            "/srv/repo",
        ),
        ({"external": "file:///work/a%20b/%C3%A9"}, "/work/a b/é"),
        ({"external": "vscode-remote://wsl%2BUbuntu/home/dev"}, "/home/dev"),
        ({"external": "file:///c%3A/Users/dev"}, "c:\\Users\\dev"),
        ({"path": "/C:/Users/dev"}, "c:\\Users\\dev"),
        ({"external": "file://server/share/x"}, "\\\\server\\share\\x"),
        ({"external": "http://["}, None),
        (7, None),
    ],
)
def test_project_is_the_folder_of_the_window(
    editor: Editor, source: CursorSource, uri: Any, path: str | None
) -> None:
    editor.draft(workspaceIdentifier={"id": "w", "uri": uri}).save()
    assert only(source, "s1").project_path == path


def test_project_is_the_repository_if_the_window_had_no_folder(
    editor: Editor, source: CursorSource
) -> None:
    repository = {"repoPath": "/work/repo", "branches": [{"branchName": "main"}]}
    editor.draft(workspaceIdentifier={"id": "empty-window"}, trackedGitRepos=[repository]).save()
    session = only(source, "s1")
    assert (session.project_path, session.git_branch) == ("/work/repo", "main")


def test_project_of_an_old_session_is_in_the_windows_lists(
    editor: Editor, source: CursorSource, home: Path
) -> None:
    pane = "workbench.panel.composerChatViewPane."
    window(home, "w1", "file:///work/listed", {
        "composer.composerData": {
                "allComposers": [{"composerId": "a"}],
                "selectedComposerIds": ["b"],
            },
    })  # fmt: skip
    window(home, "w2", "file:///work/shown", {
        "composer.composerData": {"lastFocusedComposerIds": ["a", "c"]},
        f"{pane}1": {"workbench.panel.aichat.view.b": {"collapsed": False}},
    })  # fmt: skip
    window(
        home, "w3", "file:///work/x.code-workspace", {"composer.composerData": 7}, key="workspace"
    )
    for session_id in "abc":
        editor.draft(session_id, 9).save()
    folders = {session_id: only(source, session_id).project_path for session_id in "abc"}
    assert folders == {"a": "/work/listed", "b": "/work/shown", "c": "/work/shown"}


def test_project_of_a_session_of_cursor_3_0_is_in_the_common_list(
    editor: Editor, source: CursorSource, home: Path
) -> None:
    """In April 2026 the windows' lists were empty and documents named no folder yet."""
    window(
        home, "w1", "file:///work/wrong", {"composer.composerData": {"selectedComposerIds": ["a"]}}
    )
    uri = {"external": "file:///work/my%20app", "scheme": "file"}
    heads = [
        {"composerId": "a", "type": "head", "workspaceIdentifier": {"id": "w9", "uri": uri}},
        *(None, 7, {"workspaceIdentifier": {"uri": uri}}, {"composerId": "b"}),
    ]
    editor.put("composer.composerHeaders", {"allComposers": heads}, table="ItemTable")
    for session_id in "ab":
        editor.draft(session_id, 13).save()
    folders = [only(source, session_id).project_path for session_id in "ab"]
    assert folders == ["/work/my app", None]


def test_only_one_row_is_read_from_the_table_with_the_login(
    editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    real = sqlite_snapshot.read

    def traced(path: Path, work: Any, **more: Any) -> Any:
        def run(db: sqlite3.Connection) -> Any:
            db.set_trace_callback(statements.append)
            return work(db)

        return real(path, run, **more)

    monkeypatch.setattr(sqlite_snapshot, "read", traced)
    editor.draft("a", 13).save()
    home = editor.path.parents[4]
    only(
        CursorSource(
            CursorPaths.from_environ({}, str(home)), HookNotes(home / "notes", "cursor").facts
        ),
        "a",
    )
    queries = {statement for statement in statements if "FROM ItemTable" in statement}
    assert queries == {"SELECT value FROM ItemTable WHERE key = 'composer.composerHeaders'"}


def test_subagents_are_sessions_that_name_their_parent(
    editor: Editor, source: CursorSource
) -> None:
    parent = editor.draft(
        "parent", subComposerIds=["task-toolu_1"], subagentComposerIds=["kid", "kid"]
    )
    parent.add_turn(1)
    parent.save()
    kid = editor.draft("kid", name="Look around", subagentInfo={"parentComposerId": "parent"})
    kid.add_turn(2)
    kid.document["subagentComposerIds"] = ["grandkid"]
    kid.save()
    for old in ("task-toolu_1", "grandkid"):
        draft = editor.draft(old, 10, subComposerIds=["kid"] if old == "grandkid" else [])
        draft.add_turn(3)
        draft.save()
    sessions = family(source, "parent")
    assert {session.id: (session.parent_id, session.title) for session in sessions} == {
        "parent": (None, "prompt 1"),
        "task-toolu_1": ("parent", "prompt 3 (subagent of parent)"),
        "kid": ("parent", "Look around (subagent of parent)"),
        "grandkid": ("kid", "prompt 3 (subagent of kid)"),
    }
    assert [located.session_id for located in source.sessions()] == ["parent"]


def test_subagent_that_no_parent_lists_is_listed_itself(
    editor: Editor, source: CursorSource
) -> None:
    """Its parent was deleted, or lists it late; its own row still names the parent."""
    kid = editor.draft("kid", subagentInfo={"parentComposerId": "parent"})
    kid.add_turn(1)
    kid.save()
    assert [located.session_id for located in source.sessions()] == ["kid"]
    assert only(source, "kid").parent_id == "parent"
    parent = editor.draft("parent")
    parent.add_turn(2)
    parent.save()
    assert {located.session_id for located in source.sessions()} == {"kid", "parent"}
    parent.save(subagentComposerIds=["kid"])
    assert [located.session_id for located in source.sessions()] == ["parent"]


def test_sessions_are_listed_newest_first_without_empty_ones(
    editor: Editor, source: CursorSource
) -> None:
    for number in range(450):
        editor.put(
            f"composerData:shell-{number}", {"createdAt": BEGAN, "fullConversationHeadersOnly": []}
        )
    for number, at in enumerate((3, 9, 6)):
        draft = editor.draft(f"s{number}", lastUpdatedAt=BEGAN + at)
        draft.add_turn(number)
        draft.save()
    editor.put("composerData:broken", "{")
    assert [located.session_id for located in source.sessions()] == ["s1", "s2", "s0"]


@pytest.mark.parametrize("version", [1, 2, 3, 18])
def test_session_of_every_storage_version_is_listed(
    editor: Editor, source: CursorSource, version: int
) -> None:
    draft = editor.draft(version=version)
    draft.add_turn(1)
    draft.save()
    editor.draft("shell", version).save()
    assert [located.session_id for located in source.sessions()] == ["s1"]


def test_fingerprint_changes_with_every_written_row(editor: Editor, source: CursorSource) -> None:
    draft = editor.draft(subagentComposerIds=["kid"])
    draft.add_prompt("go")
    answer = draft.add_answer("a")
    draft.save()
    kid = editor.draft("kid", subagentComposerIds=["grandkid", "s1"])
    kid.add_turn(1)
    kid.save()
    grandkid = editor.draft("grandkid")
    grandkid.add_turn(1)
    grandkid.save()
    seen = [source.find("s1")]
    for change in (
        lambda: draft.update_bubble(answer, text="a longer answer"),
        lambda: editor.db.execute(
            "UPDATE cursorDiskKV SET value = '{}' WHERE key = ?", (draft.key(answer),)
        ),
        lambda: draft.save(lastUpdatedAt=BEGAN + 9),
        lambda: kid.add_answer("more"),
        lambda: grandkid.add_answer("more"),
    ):
        change()
        seen.append(source.find("s1"))
    fingerprints = {located.fingerprint for located in seen if located}
    assert len(fingerprints) == len(seen)
    assert source.find("s1") == seen[-1]


def test_session_is_listed_under_the_fingerprint_by_which_it_is_found(
    editor: Editor, source: CursorSource, home: Path
) -> None:
    """Otherwise a session that a hook has delivered would still be listed as not delivered."""
    draft = editor.draft("in-database", subagentComposerIds=["listed"])
    draft.add_turn(1)
    draft.save()
    lines = (user_line("prompt 1"), ENDED)
    for path in ("in-database/in-database.jsonl", "in-database/subagents/kid.jsonl", "t1.txt"):
        transcript(home, lines, path)
    for project in ("work-app", "elsewhere"):
        transcript(home, lines, "t2/t2.jsonl", project)
        transcript(home, lines, "t2/subagents/kid.jsonl", project)
        transcript(home, lines, f"gone-{project}/subagents/orphan.jsonl", project)
    for cwd in ("/work/app", "/work/elsewhere"):
        chat(home, TURN, "c1", cwd=cwd)
    transcript(home, lines, "c1/c1.jsonl")
    listed = {located.session_id: located for located in source.sessions()}
    assert set(listed) == {"in-database", "t1", "t2", "orphan", "c1"}
    assert listed == {session_id: source.find(session_id) for session_id in listed}
