"""Sessions are found by what was said and done in them, with or without an index."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opensync_hooks.destinations.store import search_index
from opensync_hooks.destinations.store.search import SearchHit
from opensync_hooks.destinations.store.search_query import parse_query
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.model import Json

OLD_STORE = Path(__file__).parents[2] / "data" / "store" / "version-1.db"
MARCH = int(datetime(2026, 3, 10, 12).astimezone().timestamp() * 1000)
DAY_MS = 86_400_000


def part(kind: str, content: object) -> Json:
    return {"type": kind, "content": content}


def call(name: str, arguments: object, result: str) -> list[Json]:
    return [
        part("tool-call", {"id": "toolu_1", "name": name, "args": arguments}),
        part("tool-result", {"id": "toolu_1", "name": name, "result": result}),
    ]


def say(store: Store, session: str, key: str, text: str | None, **fields: Any) -> str:
    parts = [part("text", text)] if text else []
    body: Json = {"sessionExternalId": session, "externalId": f"{session}:{key}", "role": "user"}
    body |= {"textContent": text} if text is not None else {}
    body |= {"parts": parts + fields.pop("more", []), "createdAt": MARCH, **fields}
    return store.put_message(body, {}, replaces=False)


def put(store: Store, session: str, title: str, **fields: Any) -> None:
    body: Json = {"externalId": session, "title": title, "source": "claude-code"}
    store.put_session({**body, "createdAt": MARCH, **fields}, {})


def fill(store: Store) -> None:
    put(store, "attic", "Where the kettle is", projectPath="/home/ada/attic", projectName="attic")
    say(store, "attic", "1", "Look for the old kettle")
    command = {"command": "find attic -name 'kettle-brass'", "deep": [{"note": "Zwiebel"}], "n": 88}
    more = call("Bash", command, "attic/box7/kettle-brass")
    say(store, "attic", "2", None, role="assistant", more=more)
    say(store, "attic", "3", "The copper tea kettle is in box 7.", role="assistant")
    kitchen = {"projectPath": "/home/ada/kitchen", "projectName": "kitchen", "source": "opencode"}
    put(store, "kitchen", "Tea", **kitchen)
    say(store, "kitchen", "1", "Tea from a kettle of copper?", createdAt=MARCH + 30 * DAY_MS)
    answer = "Better **not**: rinse twice, naïve café. 茶を飲む"
    say(store, "kitchen", "2", answer, createdAt=MARCH + 31 * DAY_MS)
    more = call("mcp__garden__list_plants", {}, "fern\nmoss")
    say(store, "kitchen", "3", "Listing", more=more, createdAt=MARCH + 31 * DAY_MS)


@pytest.fixture(params=[True, False], ids=["index", "no FTS5"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    if not request.param:
        monkeypatch.setattr(search_index, "has_fts5", lambda _: False)
    with Store(tmp_path / "store.db") as opened:
        fill(opened)
        yield opened


@pytest.fixture
def indexed(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as opened:
        fill(opened)
        yield opened


def search(store: Store, words: str) -> list[str]:
    return [hit.session["externalId"] for hit in store.search(parse_query(words), 0, 50)]


def hits(store: Store, words: str) -> list[SearchHit]:
    return store.search(parse_query(words), 0, 50)


ANYWHERE = [
    ("copper", ["attic", "kitchen"]),
    ("COPPER", ["attic", "kitchen"]),
    ('"copper tea kettle"', ["attic"]),
    ('"tea copper"', []),
    ("rinse", ["kitchen"]),
    ("copper box", ["attic"]),
    ("find rinse", []),
    ("project:attic kettle", ["attic"]),
    ("project:/home/ada/kitchen kettle", ["kitchen"]),
    ("agent:opencode kettle", ["kitchen"]),
    ("agent:claude kettle", ["attic"]),
    ("after:2026-04-01 kettle", ["kitchen"]),
    ("before:2026-04-01 copper", ["attic"]),
    ("before:2026-03-10 copper", []),
    ("茶を", ["kitchen"]),
    ("**", ["kitchen"]),
    ("agent:opencode", ["kitchen"]),
    ("before:2026-04-01 agent:claude", ["attic"]),
    ("before:2026-03-10", []),
    ("after:2026-04-02", ["kitchen"]),
    ("", ["kitchen", "attic"]),
]


@pytest.mark.parametrize(("words", "sessions"), ANYWHERE)
def test_words_phrases_and_filters(store: Store, words: str, sessions: list[str]) -> None:
    assert sorted(search(store, words)) == sorted(sessions)


ONLY_WITH_INDEX = [
    ("kettle-brass", ["attic"]),
    ("box7", ["attic"]),
    ("Zwiebel", ["attic"]),
    ("88", ["attic"]),
    ("toolu_1", []),
    ("moss", ["kitchen"]),
    ("tool:bash", ["attic"]),
    ("tool:list_plants fern", ["kitchen"]),
    ("tool:Bash copper", []),
    ("rin*", ["kitchen"]),
    ("rin", []),
    ("copp* kett*", ["attic", "kitchen"]),
    ("cafe", ["kitchen"]),
    ("naive", ["kitchen"]),
    ("where brass copper", ["attic"]),
    ("attic copper", ["attic"]),
]


@pytest.mark.parametrize(("words", "sessions"), ONLY_WITH_INDEX)
def test_index_also_finds_what_tools_were_called_with_and_returned(
    indexed: Store, words: str, sessions: list[str]
) -> None:
    assert sorted(search(indexed, words)) == sorted(sessions)


def test_hits_are_ranked_by_where_the_words_are(indexed: Store) -> None:
    put(indexed, "a", "nothing")
    say(indexed, "a", "1", "x", more=call("Bash", {"command": "hammer"}, ""))
    put(indexed, "b", "nothing")
    say(indexed, "b", "1", "A hammer")
    put(indexed, "c", "Hammer and nail")
    put(indexed, "d", "nothing")
    say(indexed, "d", "1", "Another hammer")
    assert search(indexed, "hammer") == ["c", "d", "b", "a"]


def test_hit_has_the_message_and_a_snippet_around_the_words(indexed: Store) -> None:
    (hit,) = hits(indexed, "box7")
    message = indexed.message(hit.message_id)
    assert message
    assert message["externalId"] == "attic:2"
    assert hit.snippet[1::2] == ("box7",)
    assert "attic/" in "".join(hit.snippet)


def test_snippet_of_a_very_long_word_is_short(indexed: Store) -> None:
    say(indexed, "attic", "4", "needle " + "x" * 500_000)
    (hit,) = hits(indexed, "needle")
    assert len("".join(hit.snippet)) < 1_000


def test_pages_of_hits_follow_each_other(store: Store) -> None:
    for number in range(7):
        put(store, f"s{number}", "Needle")
        say(store, f"s{number}", "1", "needle")
    pages = [store.search(parse_query("needle"), skip, 3) for skip in (0, 3, 6, 9)]
    ids = [hit.session["externalId"] for page in pages for hit in page]
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert len(set(ids)) == 7


SYNTAX = "\"*():^-+{}[]\\'%_\0 ANDORTNEabtol:"


@given(st.text(max_size=60) | st.text(SYNTAX, max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_query_is_an_error(indexed: Store, text: str) -> None:
    for hit in indexed.search(parse_query(text), 0, 5):
        assert hit.session["externalId"] in ("attic", "kitchen")


HOSTILE = ['"', '""', "*", "a*b*", "NEAR(a b)", "a AND", "OR", "NOT x", "{text}: x", "^a", "tool:",
           'tool:"', "before:never", "after:9999-99-99", "before:99999999999999999w", "\ud800",
           "a" * 100_000, "a " * 5_000, "x:y:z", 'agent:"a b', "-", "'; DROP TABLE session; --",
           "text : x", "rowid:1", "after:0001-01-01", "before:9999-12-31 a"]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_query_is_a_search_like_any_other(store: Store, text: str) -> None:
    store.search(parse_query(text), 0, 5)
    assert len(store.session_ids()) == 2


# ---- the index and the rows ----------------------------------------------------------------------


def assert_index_matches_rows(store: Store) -> None:
    """Compare every word of the index, with its place, with those of an index made anew."""
    assert store.search_index.problems() == []
    db = store._file._db
    db.execute(
        "CREATE VIRTUAL TABLE temp.fresh USING fts5 (text, tool, detail, content = '',"
        " tokenize = 'unicode61 remove_diacritics 2')"
    )
    db.execute(
        "INSERT INTO temp.fresh (rowid, text, tool, detail) SELECT * FROM message_text"
        " WHERE arrival > (SELECT backlog FROM search_state) ORDER BY arrival"
    )
    db.execute(
        "CREATE VIRTUAL TABLE temp.fresh_words USING fts5vocab ('temp', 'fresh', 'instance')"
    )
    db.execute(
        "CREATE VIRTUAL TABLE temp.words USING fts5vocab ('main', 'message_search', 'instance')"
    )
    order = "ORDER BY term, doc, col, offset"
    words, fresh_words = (
        [tuple(row) for row in db.execute(f"SELECT * FROM temp.{table} {order}")]  # noqa: S608
        for table in ("words", "fresh_words")
    )
    for table in ("words", "fresh_words", "fresh"):
        db.execute(f"DROP TABLE temp.{table}")
    assert words
    assert words == fresh_words


def test_changed_and_deleted_texts_leave_the_index(indexed: Store) -> None:
    say(indexed, "kitchen", "2", "Better yes: polish", createdAt=MARCH)
    assert (search(indexed, "rinse"), search(indexed, "polish")) == ([], ["kitchen"])
    indexed.put_session({"externalId": "kitchen", "title": "Samovar"}, {})
    assert search(indexed, "samovar") == ["kitchen"]
    indexed.delete_session("kitchen")
    assert search(indexed, "polish") == search(indexed, "samovar") == []
    assert_index_matches_rows(indexed)


def test_message_that_takes_the_number_of_a_deleted_one_is_found(indexed: Store) -> None:
    indexed.delete_session("kitchen")
    put(indexed, "new", "New")
    say(indexed, "new", "1", "marmalade")
    assert search(indexed, "marmalade") == ["new"]
    assert search(indexed, "rinse") == []
    assert_index_matches_rows(indexed)


def test_failed_transaction_leaves_nothing_in_the_index(indexed: Store) -> None:
    def fail() -> None:
        with indexed.transaction():
            say(indexed, "attic", "9", "marmalade")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert search(indexed, "marmalade") == []
    say(indexed, "attic", "9", "jam")
    assert search(indexed, "jam") == ["attic"]
    assert_index_matches_rows(indexed)


def test_damaged_parts_stop_no_write(indexed: Store) -> None:
    indexed._file._db.execute(
        "UPDATE message SET parts = '{', extra = 'x' WHERE externalId LIKE '%2'"
    )
    say(indexed, "kitchen", "2", "fine again")
    assert search(indexed, "fine") == ["kitchen"]


def test_deleted_words_are_not_in_the_file_any_more(indexed: Store, tmp_path: Path) -> None:
    for number in range(30):
        say(indexed, "attic", f"x{number}", f"other words {number}")
        say(indexed, "kitchen", f"x{number}", f"confidential{number}")
    assert b"confidential" in (tmp_path / "store.db-wal").read_bytes()
    indexed.delete_session("kitchen")
    indexed.close()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("store.db*"))
    assert b"confidential" not in content
    assert b"onfidential" not in content
    assert b"words" in content


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.db"
    shutil.copyfile(OLD_STORE, path)
    return path


def test_old_store_is_searched_once_its_messages_are_indexed(old: Path) -> None:
    with Store(old) as store:
        assert store.search_index.backlog() == 98
        say(store, "new", "1", "marmalade")
        assert search(store, "marmalade") == ["new"]
        assert search(store, "PINEAPPLE") == ["63eadd15-a2f3-440c-9dac-cfe56795f81b"]
        while store.search_index.add_batch():
            pass
        assert store.search_index.backlog() == 0
        assert_index_matches_rows(store)
        assert len(search(store, "hostname")) >= 1


def test_old_store_is_indexed_in_batches_while_it_changes(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_index, "_BATCH", 10)
    with Store(old) as store:
        ids = store.session_ids()
        for number in range(20):
            store.search_index.add_batch()
            say(store, "new", str(number), f"marmalade {number}")
            if number < 5:
                store.delete_session(ids[number])
        assert store.search_index.backlog() == 0
        assert_index_matches_rows(store)
        assert search(store, "marmalade") == ["new"]


def test_store_is_written_without_fts5_and_indexed_again_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    with Store(path) as store:
        fill(store)
    with monkeypatch.context() as patch:
        patch.setattr(search_index, "has_fts5", lambda _: False)
        with Store(path) as store:
            say(store, "kitchen", "2", "Better yes: polish")
            assert search(store, "polish") == ["kitchen"]
    with Store(path) as store:
        while store.search_index.add_batch():
            pass
        assert (search(store, "polish"), search(store, "rinse")) == (["kitchen"], [])
        assert search(store, "box7") == ["attic"]
        assert_index_matches_rows(store)
