"""What the user keeps to himself stays here, in this run and in every later one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from opensync_hooks import entry
from opensync_hooks.exclusion import IGNORE, Exclusions
from opensync_hooks.sources import registry

ROOT = Path(__file__).parents[1]
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
        left = json.loads(entry.names_only(form.encode()))
        names = {name: payload[name] for name in payload if name.endswith("_id")}
        assert left == {"private": True, **names}


@pytest.mark.parametrize("payload", [b"", b"x", b'"session_id"', b'{"session_id": 7}'])
def test_private_event_without_a_name_says_nothing(payload: bytes) -> None:
    assert json.loads(entry.names_only(payload)) == {"private": True}


@pytest.mark.parametrize("agent", ["claude-code", "cursor"])
def test_private_hook_is_heeded_whoever_reads_it(agent: str, home: Path) -> None:
    payload = entry.names_only(b'{"session_id": "s1"}')
    assert registry.heed(agent, {"HOME": str(home)}, payload) is None
    assert Exclusions.of_user().private(agent, "s1")


def test_private_hook_leaves_no_text_and_its_session_is_never_synced(home: Path) -> None:
    """Real processes: the hook, its worker, then the command."""
    transcript = home / ".claude" / "projects" / "-work" / "s1.jsonl"
    transcript.parent.mkdir(parents=True)
    line = {"type": "user", "uuid": "u1", "sessionId": "s1", "cwd": "/work",
            "timestamp": "2026-01-01T00:00:00Z",
            "message": {"role": "user", "content": "a private word"}}  # fmt: skip
    transcript.write_text(json.dumps(line) + "\n")
    payload = {"session_id": "s1", "transcript_path": str(transcript), "hook_event_name": "Stop",
               "last_assistant_message": "a private word"}  # fmt: skip
    hook = [sys.executable, "-I", "-S", str(HOOKS / "claude_code.py")]
    environ = {**os.environ, "OPENSYNC_HOOKS_PRIVATE": "1"}
    ran = subprocess.run(
        hook, input=json.dumps(payload).encode(), env=environ, capture_output=True, check=True
    )
    assert (ran.stdout, ran.stderr) == (b"", b"")
    for command, said in (
        (["sync"], "0 sessions synced to embedded store, 0 were up to date, 1 stays here"),
        (["sync", "s1"], "s1: stays here, private: its agent ran with OPENSYNC_HOOKS_PRIVATE"),
        (["sync", "s1", "--force"], "s1: stays here, private"),
        (["sync", "--dry-run"], "s1  stays here, private"),
        (["status"], "1 session, as you asked"),
    ):
        out = subprocess.run(
            [sys.executable, "-m", "opensync_hooks", *command],
            cwd=ROOT, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert said in out, command
    for path in Path(os.environ["OPENSYNC_HOOKS_HOME"]).rglob("*"):
        assert path.is_dir() or b"private word" not in path.read_bytes(), path


def test_excluded_project_is_not_synced_until_it_no_longer_is(home: Path) -> None:
    project = home / "client"
    project.mkdir()
    (project / IGNORE).touch()
    transcript = home / ".claude" / "projects" / "-client" / "s1.jsonl"
    transcript.parent.mkdir(parents=True)
    line = {"type": "user", "uuid": "u1", "sessionId": "s1", "cwd": str(project),
            "timestamp": "2026-01-01T00:00:00Z",
            "message": {"role": "user", "content": "a word"}}  # fmt: skip
    transcript.write_text(json.dumps(line) + "\n")

    def sync() -> str:
        command = [sys.executable, "-m", "opensync_hooks", "sync"]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout  # fmt: skip

    assert "0 sessions synced to embedded store, 0 were up to date, 1 stays here" in sync()
    (project / IGNORE).unlink()
    assert "1 session synced to embedded store" in sync()
