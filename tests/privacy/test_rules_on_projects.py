"""Sessions of each agent, by every way into a project under a rule: nothing of it arrives.

The destination is a real server that records each request.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.config import load
from opensync_hooks.model import Session
from opensync_hooks.privacy import project_rules
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.privacy.project_rules import IGNORE
from opensync_hooks.system import local_paths
from tests.commandline import run
from tests.cursor_home import Editor, assistant, chat, text, user
from tests.opencode_home import OpenCodeHome
from tests.opensync import RealStore, logged_in
from tests.transcripts import TranscriptWriter

EXCLUDE = ["~/clients/*", r"C:\clients\*", r"\\server\share\secret", "NDA-*"]
Write = Callable[[Path, str, list[str]], None]
"""Takes the home, the session's id, and the folders that it worked in, one after the other."""


def git(folder: Path, *arguments: str) -> None:
    options = ("user.name=Kim", "user.email=kim@example.org", "protocol.file.allow=always")
    settings = [word for option in options for word in ("-c", option)]
    subprocess.run(["git", *settings, *arguments], cwd=folder, capture_output=True, check=True)


def repository(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "begin")
    return folder


def worktree(repo: Path, folder: Path) -> Path:
    git(repo, "worktree", "add", "-q", "--detach", str(folder))
    return folder


def link(path: Path, target: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


def build_projects(home: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the folders of sessions that stay at home, and of sessions that leave, by name."""
    trees = home / "trees"
    vault = repository(home / "vault")
    (vault / "plans").mkdir()
    (vault / IGNORE).touch()
    opened = repository(home / "open")

    first_link = link(home / "desk" / "first", vault)
    chain = link(home / "desk" / "third", link(home / "desk" / "second", first_link))
    blue = worktree(vault, trees / "blue")
    (blue / "src").mkdir()

    relative = worktree(vault, trees / "relative")
    target = os.path.relpath(vault / ".git" / "worktrees" / "relative", relative)
    (relative / ".git").write_text(f"gitdir: {target}\n")

    bare = vault / "bare.git"
    git(vault, "clone", "-q", "--bare", str(opened), str(bare))

    git(repository(home / "parent"), "submodule", "add", "-q", str(opened), "part")
    (home / "parent" / "part" / IGNORE).touch()

    nested = worktree(repository(blue / "nested"), trees / "of-nested")

    acme = repository(home / "disk" / "clients" / "acme")
    link(home / "clients", home / "disk" / "clients")
    nda = home / "work" / "NDA-7" / "api"
    nda.mkdir(parents=True)

    closed = {
        "folder": [f"{vault}/plans"],
        "chain-of-links": [str(chain)],
        "linked-worktree": [str(link(home / "desk" / "blue", blue))],
        "worktree": [f"{blue}/src"],
        "trailing-slash": [f"{blue}/"],
        "dots": [f"{opened}/../vault/plans/.."],
        "dots-behind-a-link": [f"{chain}/plans/.."],
        "relative-worktree": [str(relative)],
        "worktree-of-a-bare-repository": [str(worktree(bare, trees / "of-bare"))],
        "worktree-of-a-submodule": [str(worktree(home / "parent" / "part", trees / "of-part"))],
        "worktree-of-a-repository-in-a-worktree": [str(nested)],
        "real-name-of-an-excluded-link": [str(acme)],
        "worktree-of-an-excluded-project": [str(worktree(acme, trees / "acme"))],
        "name-above": [str(nda)],
        "drive": [r"c:\clients\acme\api"],
        "share": [r"\\server\share\secret\plans"],
        "later": [str(opened), str(opened), f"{vault}/plans", str(opened)],
        "unknown": [],
    }
    leaving = {
        "open": [str(opened)],
        "open-worktree": [str(worktree(opened, trees / "open"))],
        "beside": [str(trees)],
        "other-drive": [r"D:\clients\acme"],
    }
    return closed, leaving


def of_claude_code(home: Path, name: str, folders: list[str]) -> None:
    writer = TranscriptWriter(home / ".claude" / "projects" / "-x" / f"{name}.jsonl")
    for folder in folders or (None,):
        writer.line("user", f"WORD-{name}-end", cwd=folder)


def of_opencode(home: Path, name: str, folders: list[str]) -> None:
    opencode = OpenCodeHome(home)
    if not (opencode.data / "opencode.db").exists():
        with opencode.put("1.15.13").writing() as db:
            for table in ("part", "message", "session"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608
    with opencode.writing() as db:
        columns = "id, project_id, slug, directory, title, version, time_created, time_updated"
        first = folders[0] if folders else ""
        values = (f"ses_{name}", "global", "x", first, "A title", "1.15.13", 1, 2)
        db.execute(f"INSERT INTO session ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608
        for number, folder in enumerate(folders or [""]):
            info: dict[str, Any] = {"role": "user", "time": {"created": number}}
            opencode.say(db, f"ses_{name}", f"msg_{name}_{number}", info, f"WORD-{name}-end")
            info = {"role": "assistant", "time": {"created": number}, "path": {"cwd": folder}}
            opencode.say(db, f"ses_{name}", f"msg_{name}_{number}a", info, "done")


def of_cursor(home: Path, name: str, folders: list[str]) -> None:
    """A chat has one folder; a window of the editor can have several."""
    prompt = f"WORD-{name}-end"
    if len(folders) == 1:
        chat(home, [user(prompt), assistant(text("yes"))], name, folders[0])
        return
    editor, workspace = Editor(home), home / f"{name}.code-workspace"
    document: dict[str, Any] = {}
    if folders:
        workspace.write_text(json.dumps({"folders": [{"path": folder} for folder in folders]}))
        document = {"workspaceIdentifier": {"id": name, "configPath": {"path": str(workspace)}}}
    draft = editor.draft(name, **document)
    draft.add_prompt(prompt)
    draft.add_answer("yes")
    draft.save()
    editor.close()


def exclude(*rules: str) -> None:
    path = load().folders.settings
    path.parent.mkdir(parents=True)
    path.write_text(f"[privacy]\nexclude = {json.dumps(rules)}\n")
    path.chmod(0o600)


class Recorder:
    def __init__(self, _: RealStore) -> None:
        self.received = b""

    def on_request(self, _method: str, path: str, body: bytes) -> None:
        self.received += path.encode() + body


@pytest.mark.parametrize("write", [of_claude_code, of_opencode, of_cursor])
def test_nothing_of_a_project_under_a_rule_arrives(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Write
) -> None:
    closed, leaving = build_projects(home)
    for name, folders in {**closed, **leaving}.items():
        write(home, name, folders)
    exclude(*EXCLUDE)
    with logged_in(Recorder, tmp_path, monkeypatch) as recorder:
        output = run("sync", "--all").stdout
        arrived = {name for name in closed if f"WORD-{name}-end".encode() in recorder.received}
        missing = {name for name in leaving if f"WORD-{name}-end".encode() not in recorder.received}
    assert (arrived, missing) == (set(), set()), output
    assert Exclusions.from_config(load()).count() == len(closed), "each is counted in status"


def test_window_whose_folders_are_unknown_stays_home(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cursor deletes the list of folders of an unsaved window; one of them may be under a rule."""
    of_cursor(home, "unsaved", [str(home), str(home / "vault")])
    (home / "unsaved.code-workspace").unlink()
    with logged_in(Recorder, tmp_path, monkeypatch) as recorder:
        exclude("~/vault")
        run("sync", "--all")
        assert b"WORD-unsaved-end" not in recorder.received


@pytest.mark.parametrize("rule", ["~/Clients/*", "~/CLIENTS", "acme", "~/clients/Caf\u00e9"])
def test_case_and_accents_do_not_matter_where_the_disk_ignores_them(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    folder = home / "clients" / ("Acme" if "Caf" not in rule else "cafe\u0301")
    folder.mkdir(parents=True)
    session = Session("s1", "claude-code", project_path=str(folder))
    monkeypatch.setattr(project_rules, "ignores_case", lambda _: True)
    assert Exclusions(tmp_path, (rule,)).reason(session)


def test_case_matters_where_the_disk_tells_it_apart(home: Path, tmp_path: Path) -> None:
    (home / "clients").mkdir()
    session = Session("s1", "claude-code", project_path=str(home / "clients" / "acme"))
    assert Exclusions(tmp_path, ("~/Clients/*",)).reason(session) is None


def test_case_does_not_matter_if_one_of_the_disks_that_lead_to_a_project_ignores_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "stick" / "Acme").mkdir(parents=True)
    (home / "acme").symlink_to(home / "stick" / "Acme")
    session = Session("s1", "claude-code", project_path=str(home / "acme"))
    monkeypatch.setattr(project_rules, "ignores_case", lambda path: "stick" in path.parts)
    assert Exclusions(tmp_path, ("~/STICK/*",)).reason(session)


def test_disk_is_asked_whether_it_ignores_case(home: Path) -> None:
    (home / "Acme").mkdir()
    assert not local_paths.ignores_case(home / "Acme" / "gone")
    (home / "aCME").symlink_to(home / "Acme")  # both names lead to one folder, as on such a disk
    assert local_paths.ignores_case(home / "Acme")
    assert local_paths.ignores_case(home / "Acme" / "gone" / "7")
