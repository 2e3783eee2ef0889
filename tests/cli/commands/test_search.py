"""`search` prints the sessions that match, with the text around the words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from opensync_hooks.destinations.store import search_index
from tests.commandline import DATA, FIRST, run

OLD_STORE = Path(__file__).parents[2] / "data" / "store" / "version-1.db"


@pytest.fixture
def ours(home: Path, tmp_path: Path) -> Path:
    projects = home / ".claude" / "projects"
    shutil.copytree(DATA / "01-print-tools-resume", projects / "-demo")
    assert run("sync").returncode == 0
    return tmp_path / "ours"


@pytest.mark.usefixtures("ours")
def test_session_is_printed_with_the_text_around_the_words() -> None:
    completed = run("search", "hostname")
    assert completed.returncode == 0
    title, facts, snippet = completed.stdout.splitlines()
    assert title == "play:basic please play the basic demo"
    assert facts.startswith(f"  {FIRST} · claude-code")
    assert "[hostname]" in snippet


@pytest.mark.usefixtures("ours")
def test_json_has_the_place_on_the_page() -> None:
    (hit,) = json.loads(run("search", "--json", "hostname", "tool:Bash").stdout)
    assert hit["externalId"] == FIRST
    assert hit["matches"] == ["hostname"]
    assert hit["page"].endswith(f"#m-{hit['messageId']}")


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize(
    ("words", "is_match"),
    [
        (["please play the basic"], True),  # the shell has removed the quotes
        (["basic the play"], False),
        (["basic", "the", "play"], True),
        (["host*"], True),
        (["nothing-like-it"], False),
        (["agent:cursor", "hostname"], False),
        (['"', "*"], False),
    ],
)
def test_words_phrases_and_filters(words: list[str], *, is_match: bool) -> None:
    completed = run("search", *words)
    assert completed.returncode == 0
    assert completed.stdout.startswith("No session matches.\n") is not is_match


def test_old_store_is_indexed_by_the_first_search(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    shutil.copyfile(OLD_STORE, tmp_path / "ours" / "store.db")
    assert "PINEAPPLE" in run("search", "pineapple").stdout
    assert "hostname" in run("search", "hostname").stdout


@pytest.mark.usefixtures("ours")
def test_sqlite_without_fts5_is_named_and_texts_are_searched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search_index, "has_fts5", lambda _: False)
    completed = run("search", "basic")
    assert "no full-text search (FTS5)" in completed.stderr
    assert FIRST in completed.stdout
