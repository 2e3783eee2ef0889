"""`export` writes whole sessions, in order, and `resume` prints the agent's own command."""

from __future__ import annotations

import json
import shlex
import shutil
import stat
from pathlib import Path

import pytest

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.model import Json
from tests.commandline import DATA, FIRST, WITH_SUBAGENTS, run
from tests.page_reader import Page
from tests.transcripts import TranscriptWriter

HOSTILE = "<script>alert(1)</script> ```` fence\n```\n# not a heading\x1b[31m"


@pytest.fixture
def ours(home: Path, tmp_path: Path) -> Path:
    for name in ("01-print-tools-resume", "02-subagents"):
        shutil.copytree(DATA / name, home / ".claude" / "projects" / f"-{name}")
    assert run("sync").returncode == 0
    return tmp_path / "ours"


def raw_texts() -> list[str]:
    """What was said, read from the transcript without our reader."""
    lines = (DATA / "01-print-tools-resume" / f"{FIRST}.jsonl").read_text().splitlines()
    texts = []
    for row in map(json.loads, lines):
        content = (row.get("message") or {}).get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        texts += [block["text"] for block in blocks if block["type"] == "text"]
    return texts


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("form", ["md", "jsonl", "html"])
def test_all_that_was_said_and_done_is_there_in_order(form: str) -> None:
    completed = run("export", FIRST, "--format", form)
    assert completed.returncode == 0
    text = completed.stdout
    if form == "html":
        text = Page(text).text
    expected = ["Writing and reading in parallel.", "cat /etc/hostname", "Exit code 1"]
    positions = [text.index(words) for words in expected]
    assert positions == sorted(positions)
    prompts = [words for words in raw_texts() if words[0] not in "<#"]
    assert len(prompts) > 5
    for words in prompts:
        assert words.split()[0] in text


@pytest.mark.usefixtures("ours")
def test_json_lines_are_the_rows_of_the_store(ours: Path) -> None:
    head, *lines = map(json.loads, run("export", FIRST, "--format", "jsonl").stdout.splitlines())
    with Store(ours / "store.db") as store:
        stored = store.session(FIRST)
    assert stored
    assert (head["type"], head["externalId"]) == ("session", FIRST)
    assert [line["type"] for line in lines] == ["message"] * len(stored["messages"])
    for line, message in zip(lines, stored["messages"], strict=True):
        assert line["parts"] == message["parts"]
        assert line["createdAt"] == message["createdAt"]


def test_markdown_has_headings_calls_and_results(tmp_path: Path) -> None:
    call: Json = {"id": "1", "name": "Bash", "args": {"command": "ls"}}
    result: Json = {"id": "1", "name": "Bash", "result": "a\n```\nb", "isError": True}
    parts = [
        {"type": "text", "content": HOSTILE},
        {"type": "tool-call", "content": call},
        {"type": "tool-result", "content": result},
    ]
    with Store(tmp_path / "ours" / "store.db") as store:
        store.put_session({"externalId": "s", "title": "# T\nx", "source": "claude-code"}, {})
        body: Json = {"sessionExternalId": "s", "externalId": "s:1", "role": "assistant"}
        store.put_message({**body, "parts": parts, "createdAt": 0}, {}, replaces=False)
    text = run("export", "s").stdout
    assert text.startswith("# # T x\n")
    assert "## Assistant · " in text
    assert '### Bash\n\n```json\n{\n  "command": "ls"\n}\n```\n' in text
    assert "Result (failed):\n\n````\na\n```\nb\n````\n" in text
    html = run("export", "s", "--format", "html").stdout
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert html.count("<style>") == 1


def test_every_session_is_exported_and_only_changes_again(ours: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    first = run("export", "--all", str(folder))
    assert first.stdout == f"6 sessions written to {folder}, 0 unchanged.\n"
    files = sorted(path.name for path in folder.iterdir())
    assert f"{FIRST}.md" in files
    assert len(files) == 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    (folder / f"{FIRST}.md").unlink()
    with Store(ours / "store.db") as store:
        store.put_session({"externalId": WITH_SUBAGENTS, "title": "Another title"}, {})
    second = run("export", "--all", str(folder))
    assert second.stdout == f"2 sessions written to {folder}, 4 unchanged.\n"
    assert (folder / f"{WITH_SUBAGENTS}.md").read_text().startswith("# Another title\n")


def test_no_id_leads_out_of_the_folder_or_hides_another(tmp_path: Path) -> None:
    ids = ["../../evil", "a/b", "a-b", "A-B", ".", "..", "x" * 300, "nul\0", "ü"]
    with Store(tmp_path / "ours" / "store.db") as store:
        for session_id in ids:
            store.put_session({"externalId": session_id}, {})
    folder = tmp_path / "deep" / "er" / "out"
    assert run("export", "--all", str(folder)).returncode == 0
    files = [path for path in (tmp_path / "deep").rglob("*") if path.is_file()]
    assert {path.parent for path in files} == {folder}
    assert len({path.name.lower() for path in files}) == len(ids)


@pytest.mark.usefixtures("ours")
def test_output_and_mistakes(tmp_path: Path) -> None:
    assert run("export", FIRST, "--output", str(tmp_path / "x.md")).stdout == ""
    assert (tmp_path / "x.md").read_text().startswith("# play:basic")
    for arguments in ([], [FIRST, "--all", str(tmp_path)], ["nobody"]):
        completed = run("export", *arguments)
        assert completed.returncode == 2
        assert len(completed.stderr.splitlines()) <= 2


# ---- resume --------------------------------------------------------------------------------------


def test_resume_prints_the_agents_command_in_its_folder(ours: Path, tmp_path: Path) -> None:
    with Store(ours / "store.db") as store:
        store.put_session({"externalId": FIRST, "projectPath": "/gone/since"}, {})
    assert run("resume", FIRST).stdout == f"claude --resume {FIRST}\n"
    folder = tmp_path / "it's here"
    folder.mkdir()
    with Store(ours / "store.db") as store:
        store.put_session({"externalId": FIRST, "projectPath": str(folder)}, {})
        store.put_session({"externalId": "ses_1", "source": "opencode"}, {})
        store.put_session({"externalId": "c1; rm -rf ~", "source": "cursor-sync"}, {})
        store.put_session({"externalId": "x", "source": "another program"}, {})
    command = run("resume", FIRST).stdout
    assert shlex.split(command) == ["cd", str(folder), "&&", "claude", "--resume", FIRST]
    assert run("resume", "ses_1").stdout == "opencode --session ses_1\n"
    assert shlex.split(run("resume", "c1; rm -rf ~").stdout)[-1] == "c1; rm -rf ~"
    assert run("resume", "x").returncode == 2


def test_resume_of_a_session_that_is_only_on_the_disk(home: Path) -> None:
    TranscriptWriter(home / ".claude" / "projects" / "-work" / "s1.jsonl").turn(1)
    assert run("resume", "s1").stdout == "claude --resume s1\n"


def test_resume_of_a_subagent_names_its_session(ours: Path) -> None:
    with Store(ours / "store.db") as store:
        (child, *_) = store.sessions(parent=WITH_SUBAGENTS)
    completed = run("resume", child["externalId"])
    assert completed.returncode == 2
    assert f"opensync-hooks resume {WITH_SUBAGENTS}" in completed.stderr
