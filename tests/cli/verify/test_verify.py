"""`verify` finds what the destination stores differently, and repairs exactly that."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.source import Located, Source
from opensync_hooks.cli.verify.verifier import Verdict, Verifier
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.summary import summarize
from opensync_hooks.server.routes import Response
from tests.commandline import (
    FIRST,
    KEY,
    NOBODY_LISTENS,
    WITH_SUBAGENTS,
    Completed,
    run,
    stored_ids,
)
from tests.opensync import Fault, real_opensync
from tests.transcripts import TranscriptWriter, call, result, text


@dataclass
class StoredRows:
    """A destination: the environment that leads to it, and its database."""

    environ: dict[str, str]
    database: Path
    url: str
    posted: list[tuple[str, dict[str, Any]]]
    faults: dict[str, Fault]

    def verify(self, *arguments: str) -> Completed:
        return run("verify", *arguments, **self.environ)

    def change(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.database)) as db, db:
            db.execute("PRAGMA foreign_keys = ON")
            assert db.execute(statement, values).rowcount > 0, "nothing was changed"

    def content(self) -> list[tuple[Any, ...]]:
        columns = "externalId, role, textContent, promptTokens, completionTokens, parts"
        with closing(sqlite3.connect(self.database)) as db:
            return db.execute(f"SELECT {columns} FROM message ORDER BY externalId").fetchall()  # noqa: S608


@pytest.mark.usefixtures("recorded")
def test_damaged_store_is_refilled_as_the_hint_says(ours: Path) -> None:
    assert run("sync").returncode == 0
    for path in ours.glob("store.db*"):
        path.unlink()
    (ours / "store.db").write_bytes(b"no database" * 100)
    ran = run("verify")
    assert ran.stderr.splitlines()[0] == f"{ours / 'store.db'}: damaged, or not a SQLite file."
    assert "`opensync-hooks sync --force`" in ran.stderr
    assert "`opensync-hooks sync --force`" in run("doctor").stdout
    (ours / "store.db").rename(ours / "old")
    assert run("sync", "--force").returncode == 0
    assert run("verify", "--all").returncode == 0


@pytest.fixture(params=["embedded", "OpenSync"])
def stored(request: pytest.FixtureRequest, tmp_path: Path, ours: Path) -> Iterator[StoredRows]:
    if request.param == "embedded":
        yield StoredRows({}, ours / "store.db", "embedded store", [], {})
        return
    posted: list[tuple[str, dict[str, Any]]] = []
    faults: dict[str, Fault] = {}

    def note(method: str, path: str, body: bytes) -> Fault | None:
        if method == "POST":
            posted.append((path, json.loads(body)))
        return faults.get(path.partition("?")[0])

    with real_opensync(tmp_path, on_request=note) as (server, _, key):
        environ = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key}
        yield StoredRows(environ, tmp_path / "opensync.db", server.url, posted, faults)


@pytest.fixture
def own(projects: Path, stored: StoredRows) -> TranscriptWriter:
    """A synced session of two turns, the second with a tool call among its four parts."""
    writer = TranscriptWriter(projects / "own.jsonl")
    writer.turn(1)
    writer.line("user", "prompt 2")
    writer.respond("m2", text("let me look"), output=50)
    writer.respond("m2", call("c1"), output=50)
    writer.line("user", result("c1", "it is there"))
    writer.respond("m2b", text("there it is"))
    assert run("sync", "own", **stored.environ).returncode == 0
    return writer


CHANGES = {
    "a missing message": (
        "DELETE FROM message WHERE textContent = 'answer 1'",
        "missing message", "message 2 (assistant, msg_own_1) is missing",
    ),
    "a changed part": (
        "UPDATE message SET parts = replace(parts, 'it is there', 'gone') WHERE model IS NOT NULL",
        "changed part", "message 4 (assistant, m2): part 3 (tool-result) is different",
    ),
    "a missing part": (
        "UPDATE message SET parts = json_remove(parts, '$[1]') WHERE parts LIKE '%it is there%'",
        "missing part", "message 4 (assistant, m2): part 2 (tool-call) is missing",
    ),
    "no parts left, as a batch leaves it": (
        "UPDATE message SET parts = '[]' WHERE textContent = 'prompt 1'",
        "missing part", "part 1 (text) is missing",
    ),
    "a part too many": (
        (
            "UPDATE message SET parts = json_insert(parts, '$[#]', json_object('type', 'text',"
            " 'content', 'more')) WHERE textContent = 'prompt 1'"
        ),
        "surplus part", "message 1 (user, own-u1): 1 surplus part",
    ),
    "a wrong token count": (
        "UPDATE message SET completionTokens = 7 WHERE textContent = 'answer 1'",
        "wrong tokens", "message 2 (assistant, msg_own_1): completionTokens is 7, but should be 5",
    ),
    "a wrong token count of the session": (
        "UPDATE session SET promptTokens = 9999", "wrong tokens", "promptTokens is 9999",
    ),
    "a wrong cost": ("UPDATE session SET cost = 4.5", "wrong cost", "cost is 4.5"),
    "another title": (
        "UPDATE session SET title = 'x'", "changed field", "title is different",
    ),
    "another text beside the parts": (
        "UPDATE message SET textContent = 'x' WHERE textContent = 'answer 1'",
        "changed field", "its text outside the parts is different",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("own")
def test_equal_session_is_verified(stored: StoredRows) -> None:
    ran = stored.verify("own")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == f"own: verified, 5 messages, 7 parts at {stored.url}  prompt 1\n"


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("change", CHANGES)
def test_verify_finds_a_change_and_repairs_it(stored: StoredRows, change: str) -> None:
    """The messages are old, so that the server does not ignore the repaired version."""
    statement, kind, description = CHANGES[change]
    before = stored.content()
    stored.change(statement)
    as_json = stored.verify("own", "--json")
    assert as_json.returncode == 1
    (session,) = json.loads(as_json.stdout)["sessions"]
    assert kind in {difference["kind"] for difference in session["differences"]}
    ran = stored.verify("own")
    assert ran.returncode == 1
    assert ran.stdout.startswith("own: different  prompt 1\n")
    assert description in ran.stdout
    assert "run the same command with --repair" in ran.stdout
    repaired = stored.verify("own", "--repair")
    assert (repaired.returncode, repaired.stderr) == (0, "")
    assert repaired.stdout.startswith("own: repaired, 5 messages, 7 parts")
    assert stored.content() == before


@pytest.mark.usefixtures("own")
def test_repair_sends_exactly_what_differs(stored: StoredRows) -> None:
    stored.change("UPDATE message SET textContent = 'x' WHERE textContent = 'answer 1'")
    stored.posted.clear()
    stored.verify("own", "--repair")
    sent = [body["externalId"] for path, body in stored.posted if path == "/sync/message"]
    assert all(message_id.endswith(":msg_own_1") for message_id in sent)
    assert len(sent) == (1 if stored.environ else 0)


@pytest.mark.usefixtures("own")
def test_verify_changes_nothing(stored: StoredRows) -> None:
    stored.change("UPDATE message SET completionTokens = 7 WHERE textContent = 'answer 1'")
    stored.posted.clear()
    before = stored.content()
    for arguments in ((), ("--all", "--json"), ("own",)):
        assert stored.verify(*arguments).returncode == 1
    assert stored.content() == before
    assert stored.posted == []


@pytest.mark.usefixtures("own")
def test_source_that_an_earlier_version_sent_is_repaired(stored: StoredRows, ours: Path) -> None:
    """OpenSync shows no source, so that only the ledger can tell what was sent."""
    stored.change("UPDATE session SET source = 'claude'")
    with Ledger(ours / "ledger.db") as ledger, ledger.transaction() as execute:
        execute("UPDATE session SET head = 'of another body'")
    ran = stored.verify("own")
    assert ran.returncode == 1
    assert "source" in ran.stdout
    assert stored.verify("own", "--repair").returncode == 0
    with closing(sqlite3.connect(stored.database)) as db:
        assert db.execute("SELECT source FROM session").fetchall() == [("claude-code",)]


@pytest.mark.usefixtures("own")
def test_output_never_has_content(stored: StoredRows) -> None:
    stored.change("UPDATE message SET parts = replace(parts, 'it is there', 'canary')")
    stored.change("UPDATE message SET textContent = 'canary' WHERE textContent = 'answer 1'")
    stored.change("UPDATE session SET title = 'canary'")
    output = stored.verify("own").stdout + stored.verify("own", "--json").stdout
    for content in ("canary", "it is there", "answer 1"):
        assert content not in output


def test_unsynced_messages_are_told_apart_from_missing_ones(
    own: TranscriptWriter, stored: StoredRows
) -> None:
    own.turn(3)
    TranscriptWriter(own.path.with_name("fresh.jsonl")).turn(1)
    ran = stored.verify()
    assert ran.returncode == 1
    assert "message 6 (user, own-u8) is not synced yet" in ran.stdout
    assert "fresh: different" in ran.stdout
    assert "  the session is not synced yet" in ran.stdout
    assert ran.stdout.splitlines()[-2] == "0 of 2 sessions verified, 2 different."
    repaired = stored.verify("--repair")
    assert repaired.returncode == 0
    assert repaired.stdout.splitlines()[-1] == "2 of 2 sessions verified, 2 of them repaired."


def test_answer_that_grew_is_reported_as_changed_here(
    own: TranscriptWriter, stored: StoredRows
) -> None:
    own.respond("m2b", text("and more of it"))
    ran = stored.verify("own")
    assert "as it has changed here since the last sync" in ran.stdout
    assert stored.verify("own", "--repair").returncode == 0


def test_lost_ledger_makes_no_difference(
    own: TranscriptWriter, stored: StoredRows, ours: Path
) -> None:
    """Stored messages are identified by their ids, without our own records."""
    for file in ours.glob("ledger.db*"):
        file.unlink()
    assert stored.verify("own").returncode == 0
    stored.change("DELETE FROM message WHERE textContent = 'answer 1'")
    assert stored.verify("own").returncode == 1
    assert stored.verify("own", "--repair").returncode == 0
    assert own.path.exists()


def test_message_that_the_agent_no_longer_has_is_named_until_it_is_marked(
    own: TranscriptWriter, stored: StoredRows
) -> None:
    lines = own.path.read_text().splitlines()
    first = json.loads(lines[2])
    first["parentUuid"] = None
    own.path.write_text("\n".join([json.dumps(first), *lines[3:], ""]))
    assert run("sync", "own", **stored.environ).returncode == 0
    ran = stored.verify("own")
    assert ran.returncode == 1
    assert "surplus message (user, own-u1): the agent no longer has it" in ran.stdout
    assert "surplus message (assistant, msg_own_1): the agent no longer has it" in ran.stdout
    stored.change(
        "UPDATE message SET textContent = '[undone] ' || textContent"
        " WHERE textContent IN ('prompt 1', 'answer 1')"
    )
    ran = stored.verify("own")
    assert "note: 2 messages that the agent no longer has" in ran.stdout
    assert ran.returncode == 0


@pytest.mark.usefixtures("own")
def test_message_that_is_stored_twice_is_beyond_repair(stored: StoredRows) -> None:
    columns = "session, role, textContent, model, promptTokens, completionTokens, createdAt, parts"
    stored.change(
        f"INSERT INTO message (id, externalId, extra, {columns})"  # noqa: S608
        f" SELECT 'other', 'other', extra, {columns} FROM message WHERE textContent = 'answer 1'"
    )
    ran = stored.verify("own", "--repair")
    assert ran.returncode == 1
    assert "is stored twice under two ids" in ran.stdout


@pytest.mark.usefixtures("recorded")
def test_every_recorded_session_with_its_subagents_arrives_equal(stored: StoredRows) -> None:
    run("sync", **stored.environ)
    ran = stored.verify("--all", "--json")
    document = json.loads(ran.stdout)
    assert (ran.returncode, document["different"], document["unknown"]) == (0, 0, 0)
    assert document["equal"] == len(document["sessions"]) > 5
    for table in ("session", "message"):
        stored.change(f"UPDATE {table} SET completionTokens = completionTokens + 1")  # noqa: S608
    assert json.loads(stored.verify("--all", "--json").stdout)["equal"] == 0


@pytest.mark.usefixtures("own")
def test_session_that_was_deleted_there_is_named_and_stays_deleted(stored: StoredRows) -> None:
    stored.change("DELETE FROM session")
    for arguments in (("own",), ("own", "--repair")):
        ran = stored.verify(*arguments)
        assert ran.returncode == 1
        assert "only `sync --force` sends it again" in ran.stdout
    assert run("sync", "own", **stored.environ).stdout == (
        "own: deleted at the destination; `opensync-hooks sync --force own` sends it again\n"
    )
    status = run("status", **stored.environ).stdout
    assert "Deleted there:" in status
    assert "own (claude-code)" in status
    assert "1 deleted there" in run("sync", **stored.environ).stdout
    assert "5 messages sent" in run("sync", "--force", "own", **stored.environ).stdout
    assert stored.verify("own").returncode == 0
    assert "Deleted there:" not in run("status", **stored.environ).stdout


@pytest.mark.usefixtures("recorded")
def test_deleted_subagent_is_named_and_comes_back_with_its_session(stored: StoredRows) -> None:
    run("sync", WITH_SUBAGENTS, **stored.environ)
    stored.change("DELETE FROM session WHERE externalId LIKE '%:agent-%'")
    ran = stored.verify(WITH_SUBAGENTS)
    assert f"  {WITH_SUBAGENTS}:agent-" in ran.stdout
    assert run("sync", "--force", WITH_SUBAGENTS, **stored.environ).returncode == 0
    assert stored.verify(WITH_SUBAGENTS).returncode == 0


def test_excluded_session_is_not_compared(own: TranscriptWriter, stored: StoredRows) -> None:
    settings = own.path.parents[4] / "ours" / "config.toml"
    settings.write_text('[privacy]\nexclude = ["/work"]\n')
    settings.chmod(0o600)
    ran = stored.verify("own")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("own: excluded: its project matches")


@pytest.mark.usefixtures("recorded")
def test_unreadable_session_is_not_compared_and_stops_no_other(projects: Path) -> None:
    run("sync", FIRST)
    (projects / "linked.jsonl").symlink_to("/etc/passwd")
    ran = run("verify", "linked", FIRST)
    assert ran.returncode in {1, 2}
    everything = run("verify", "--all")
    assert everything.returncode == 1
    assert "linked.jsonl" in everything.stderr
    assert "1 of 12 sessions verified" in everything.stdout
    assert "1 not compared" in everything.stdout


# ---- OpenSync's peculiarities --------------------------------------------------------------------


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("stored", ["OpenSync"], indirect=True)
def test_session_that_opensync_cannot_open_is_reported(stored: StoredRows) -> None:
    too_much = {"error": "Error: Too many bytes read in a single function execution"}
    stored.faults["/api/sessions/get"] = Fault(Response(500, json.dumps(too_much).encode()))
    ran = stored.verify("own")
    assert ran.returncode == 1
    assert "can no longer open this session, so it cannot be compared." in ran.stderr
    assert "hint: OpenSync opens at most 4,094 messages and 16 MiB." in ran.stderr


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("stored", ["OpenSync"], indirect=True)
def test_padding_for_the_servers_cut_is_not_a_difference(stored: StoredRows) -> None:
    stored.change(
        "UPDATE message SET parts = replace(parts, '\"answer 1', '\" answer 1')"
        " WHERE textContent = 'answer 1'"
    )
    assert stored.verify("own").returncode == 0


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("stored", ["OpenSync"], indirect=True)
def test_another_site_at_the_url_is_not_a_deleted_session(stored: StoredRows) -> None:
    for path in ("/api/sessions/get", "/sync/batch"):
        stored.faults[path] = Fault(Response(404, b"Not Found"))
    ran = stored.verify("own", "--repair")
    assert ran.returncode == 6
    assert "the response is not from OpenSync (404)" in ran.stderr
    assert "missing" not in ran.stdout


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("stored", ["OpenSync"], indirect=True)
@pytest.mark.parametrize(
    "response",
    [
        {}, [], {"session": {}, "messages": []}, {"session": {"id": 1}, "messages": []},
        {"session": {"id": "x"}, "messages": [1]},
        {"session": {"id": "x"}, "messages": [{"parts": [None]}]},
        {"session": {"id": "x"}, "messages": None},
    ],
    ids=str,
)  # fmt: skip
def test_malformed_response_is_not_reported_as_a_bug(stored: StoredRows, response: object) -> None:
    stored.faults["/api/sessions/get"] = Fault(Response(200, json.dumps(response).encode()))
    ran = stored.verify("own", "--repair")
    assert ran.returncode == 6
    assert "the response is not from OpenSync" in ran.stderr
    assert ran.stdout == ""


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("stored", ["OpenSync"], indirect=True)
def test_values_of_any_type_are_only_differences(stored: StoredRows) -> None:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    key = stored.environ["OPENSYNC_API_KEY"]
    with OpenSyncClient(stored.url, key) as reader:
        document = reader.fetch("own", None)
    assert document
    for message in document["messages"]:
        message |= {"createdAt": "soon", "promptTokens": [], "textContent": 7, "role": None}
        message["parts"] = [{"type": deep, "content": None}]
    document["session"] |= {"title": 5, "cost": "free", "promptTokens": {}, "durationMs": True}
    stored.faults["/api/sessions/get"] = Fault(Response(200, json.dumps(document).encode()))
    ran = stored.verify("own")
    assert (ran.returncode, ran.stderr) == (1, "")


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("environ", "code", "error"),
    [
        ({"OPENSYNC_URL": NOBODY_LISTENS, "OPENSYNC_API_KEY": KEY}, 6, "cannot be reached"),
        ({"OPENSYNC_URL": "x", "OPENSYNC_API_KEY": KEY}, 4, "This is not a URL"),
    ],
    ids=["unreachable", "not a URL"],
)
def test_verify_has_the_exit_codes_of_every_command(
    environ: dict[str, str], code: int, error: str
) -> None:
    ran = run("verify", FIRST, **environ)
    assert ran.returncode == code
    assert error in ran.stderr


def test_reader_requests_only_what_it_needs(tmp_path: Path) -> None:
    requests: list[str] = []
    with real_opensync(tmp_path, on_request=lambda _, path, __: requests.append(path)) as (
        server, store, key,
    ):  # fmt: skip
        mine = store.put_session({"externalId": "s", "title": "t"}, {})
        with OpenSyncClient(server.url, key) as reader:
            assert reader.fetch("s", mine) == reader.fetch("s", None)
            assert reader.fetch("none", None) is None
            assert reader.fetch("s", "0" * 32) is None
            assert reader.fetch("s", "an id/of?another deployment") is None
    assert requests[0] == f"/api/sessions/get?id={mine}"
    assert requests[1] == "/api/sessions?limit=200"


def test_copy_outside_the_agents_folder_is_compared(
    own: TranscriptWriter, stored: StoredRows, tmp_path: Path, ours: Path
) -> None:
    copy = shutil.copy(own.path, tmp_path / "copy.jsonl")
    run("sync", str(copy), **stored.environ)
    assert stored.verify(str(copy)).returncode == 0
    if not stored.environ:
        assert "copy" in stored_ids(ours)
        with Ledger(ours / "ledger.db") as ledger:
            assert summarize(ledger, "embedded store").sessions == 2


def test_bug_in_one_session_is_reported_and_the_others_are_compared(
    projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("s1", "s2", "s3"):
        TranscriptWriter(projects / f"{name}.jsonl").turn(1)
    assert run("sync").returncode == 0
    verify = Verifier.verify

    def broken(self: Verifier, source: Source, located: Located) -> Verdict:
        if located.session_id == "s1":
            raise KeyError("the user's own words")
        return verify(self, source, located)

    monkeypatch.setattr(Verifier, "verify", broken)
    ran = run("verify")
    assert ran.returncode == 1
    assert "2 of 3 sessions verified" in ran.stdout
    assert "1 not compared" in ran.stdout
    assert "A bug of opensync-hooks" in ran.stderr
    assert "words" not in ran.stderr + ran.stdout
