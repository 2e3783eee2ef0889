"""`verify` finds whatever is not at the destination as it should be, and mends exactly that."""

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
from opensync_hooks.cli.verify import Verdict, Verification
from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.ledger.summary import summarize
from opensync_hooks.server.routes import Response
from tests.commandline import FIRST, KEY, NOBODY_LISTENS, WITH_SUBAGENTS, Ran, run, sessions_in
from tests.opensync import Fault, real_opensync
from tests.transcripts import Pen, call, result, text


@dataclass
class There:
    """A destination, as `run` needs to be told of it, and the rows that lie in it."""

    environ: dict[str, str]
    rows: Path
    url: str
    posted: list[tuple[str, dict[str, Any]]]
    faults: dict[str, Fault]

    def verify(self, *arguments: str) -> Ran:
        return run("verify", *arguments, **self.environ)

    def change(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.rows)) as db, db:
            db.execute("PRAGMA foreign_keys = ON")
            assert db.execute(statement, values).rowcount > 0, "nothing was spoiled"

    def content(self) -> list[tuple[Any, ...]]:
        columns = "externalId, role, textContent, promptTokens, completionTokens, parts"
        with closing(sqlite3.connect(self.rows)) as db:
            return db.execute(f"SELECT {columns} FROM message ORDER BY externalId").fetchall()  # noqa: S608


@pytest.mark.usefixtures("recorded")
def test_store_that_is_damaged_is_filled_anew_as_the_hint_says(ours: Path) -> None:
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
def there(request: pytest.FixtureRequest, tmp_path: Path, ours: Path) -> Iterator[There]:
    if request.param == "embedded":
        yield There({}, ours / "store.db", "embedded store", [], {})
        return
    posted: list[tuple[str, dict[str, Any]]] = []
    faults: dict[str, Fault] = {}

    def note(method: str, path: str, body: bytes) -> Fault | None:
        if method == "POST":
            posted.append((path, json.loads(body)))
        return faults.get(path.partition("?")[0])

    with real_opensync(tmp_path, on_request=note) as (server, _, key):
        environ = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key}
        yield There(environ, tmp_path / "opensync.db", server.url, posted, faults)


@pytest.fixture
def own(projects: Path, there: There) -> Pen:
    """A synced session of two turns, the second with a tool call among its four parts."""
    pen = Pen(projects / "own.jsonl")
    pen.turn(1)
    pen.line("user", "prompt 2")
    pen.says("m2", text("let me look"), output=50)
    pen.says("m2", call("c1"), output=50)
    pen.line("user", result("c1", "it is there"))
    pen.says("m2b", text("there it is"))
    assert run("sync", "own", **there.environ).returncode == 0
    return pen


SPOILED = {
    "a missing message": (
        "DELETE FROM message WHERE textContent = 'answer 1'",
        "missing message", "message 2 (assistant, msg_own_1) is missing",
    ),
    "a changed part": (
        "UPDATE message SET parts = replace(parts, 'it is there', 'gone') WHERE model IS NOT NULL",
        "changed part", "message 4 (assistant, m2): part 3 (tool-result) is another one",
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
        "surplus part", "message 1 (user, own-u1): 1 more part is there than here",
    ),
    "a wrong token count": (
        "UPDATE message SET completionTokens = 7 WHERE textContent = 'answer 1'",
        "wrong tokens", "message 2 (assistant, msg_own_1): completionTokens is 7, and should be 5",
    ),
    "a wrong token count of the session": (
        "UPDATE session SET promptTokens = 9999", "wrong tokens", "promptTokens is 9999",
    ),
    "a wrong cost": ("UPDATE session SET cost = 4.5", "wrong cost", "cost is 4.5"),
    "another title": (
        "UPDATE session SET title = 'x'", "changed field", "title is another one",
    ),
    "another text beside the parts": (
        "UPDATE message SET textContent = 'x' WHERE textContent = 'answer 1'",
        "changed field", "its text beside the parts is another one",
    ),
    "a session deleted on the server": (
        "DELETE FROM session", "missing session",
        "the session was synced, and is not at the destination any more",
    ),
}  # fmt: skip


@pytest.mark.usefixtures("own")
def test_equal_session_is_said_to_be_equal(there: There) -> None:
    ran = there.verify("own")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout == f"own: equal, 5 messages and 7 parts at {there.url}  prompt 1\n"


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("fault", SPOILED)
def test_verify_finds_and_repair_mends(there: There, fault: str) -> None:
    """The messages are from long ago, so no window of the server hides the mended version."""
    statement, kind, what = SPOILED[fault]
    before = there.content()
    there.change(statement)
    found = there.verify("own", "--json")
    assert found.returncode == 1
    (session,) = json.loads(found.stdout)["sessions"]
    assert kind in {one["kind"] for one in session["differences"]}
    told = there.verify("own")
    assert told.returncode == 1
    assert told.stdout.startswith("own: different  prompt 1\n")
    assert what in told.stdout
    assert "`opensync-hooks verify --repair`" in told.stdout
    there.posted.clear()
    mended = there.verify("own", "--repair")
    assert (mended.returncode, mended.stderr) == (0, "")
    assert mended.stdout.startswith("own: equal after the repair, 5 messages and 7 parts")
    if kind != "missing session":
        assert there.content() == before
    else:
        assert [row[1:] for row in there.content()] == [row[1:] for row in before]
    assert there.verify("own").returncode == 0


@pytest.mark.usefixtures("own")
def test_repair_sends_exactly_what_differs(there: There) -> None:
    there.change("UPDATE message SET textContent = 'x' WHERE textContent = 'answer 1'")
    there.posted.clear()
    there.verify("own", "--repair")
    sent = [body["externalId"] for path, body in there.posted if path == "/sync/message"]
    assert all(one.endswith(":msg_own_1") for one in sent)
    assert len(sent) == (1 if there.environ else 0)


@pytest.mark.usefixtures("own")
def test_nothing_is_changed_by_looking(there: There) -> None:
    there.change("UPDATE message SET completionTokens = 7 WHERE textContent = 'answer 1'")
    there.posted.clear()
    before = there.content()
    for arguments in ((), ("--all", "--json"), ("own",)):
        assert there.verify(*arguments).returncode == 1
    assert there.content() == before
    assert there.posted == []


@pytest.mark.usefixtures("own")
def test_content_is_never_told(there: There) -> None:
    there.change("UPDATE message SET parts = replace(parts, 'it is there', 'canary')")
    there.change("UPDATE message SET textContent = 'canary' WHERE textContent = 'answer 1'")
    there.change("UPDATE session SET title = 'canary'")
    told = there.verify("own").stdout + there.verify("own", "--json").stdout
    assert "canary" not in told
    assert "it is there" not in told
    assert "answer 1" not in told


def test_what_is_not_synced_yet_is_told_apart_from_what_was_lost(own: Pen, there: There) -> None:
    own.turn(3)
    Pen(own.path.with_name("fresh.jsonl")).turn(1)
    ran = there.verify()
    assert ran.returncode == 1
    assert "message 6 (user, own-u8) is not synced yet" in ran.stdout
    assert "fresh: different" in ran.stdout
    assert "  the session is not synced yet" in ran.stdout
    assert ran.stdout.splitlines()[-2].startswith("0 sessions equal at")
    mended = there.verify("--repair")
    assert mended.returncode == 0
    assert mended.stdout.splitlines()[-1] == f"2 sessions equal at {there.url}, 2 of them mended."


def test_answer_that_grew_here_is_said_to_have_changed_here(own: Pen, there: There) -> None:
    own.says("m2b", text("and more of it"))
    ran = there.verify("own")
    assert "for it has changed here since it was synced" in ran.stdout
    assert there.verify("own", "--repair").returncode == 0


def test_ledger_that_was_lost_is_no_difference(own: Pen, there: There, ours: Path) -> None:
    """The proof does not rest on our own notes: what is there is found by its id."""
    for file in ours.glob("ledger.db*"):
        file.unlink()
    assert there.verify("own").returncode == 0
    there.change("DELETE FROM message WHERE textContent = 'answer 1'")
    assert there.verify("own").returncode == 1
    assert there.verify("own", "--repair").returncode == 0
    assert own.path.exists()


def test_history_that_the_agent_dropped_is_noted_and_no_fault(own: Pen, there: There) -> None:
    lines = own.path.read_text().splitlines()
    first = json.loads(lines[2])
    first["parentUuid"] = None
    own.path.write_text("\n".join([json.dumps(first), *lines[3:], ""]))
    assert run("sync", "own", **there.environ).returncode == 0
    ran = there.verify("own")
    assert "note: 2 messages more there, which the agent has no longer" in ran.stdout
    assert ran.returncode == 0


@pytest.mark.usefixtures("own")
def test_message_that_is_there_twice_is_told_and_beyond_repair(there: There) -> None:
    columns = "session, role, textContent, model, promptTokens, completionTokens, createdAt, parts"
    there.change(
        f"INSERT INTO message (id, externalId, extra, {columns})"  # noqa: S608
        f" SELECT 'other', 'other', extra, {columns} FROM message WHERE textContent = 'answer 1'"
    )
    ran = there.verify("own", "--repair")
    assert ran.returncode == 1
    assert "is there twice, under two names" in ran.stdout


@pytest.mark.usefixtures("recorded")
def test_every_recorded_session_with_its_subagents_arrives_equal(there: There) -> None:
    run("sync", **there.environ)
    ran = there.verify("--all", "--json")
    found = json.loads(ran.stdout)
    assert (ran.returncode, found["different"], found["unknown"]) == (0, 0, 0)
    assert found["equal"] == len(found["sessions"]) > 5
    for table in ("session", "message"):
        there.change(f"UPDATE {table} SET completionTokens = completionTokens + 1")  # noqa: S608
    assert json.loads(there.verify("--all", "--json").stdout)["equal"] == 0


@pytest.mark.usefixtures("recorded")
def test_subagent_that_was_deleted_is_named_and_mended(there: There) -> None:
    run("sync", WITH_SUBAGENTS, **there.environ)
    there.change("DELETE FROM session WHERE externalId LIKE '%:agent-%'")
    ran = there.verify(WITH_SUBAGENTS)
    assert f"  {WITH_SUBAGENTS}:agent-" in ran.stdout
    assert there.verify(WITH_SUBAGENTS, "--repair").returncode == 0


def test_session_that_the_user_keeps_here_is_not_compared(own: Pen, there: There) -> None:
    settings = own.path.parents[4] / "ours" / "config.toml"
    settings.write_text('[privacy]\nexclude = ["/work"]\n')
    settings.chmod(0o600)
    ran = there.verify("own")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("own: stays here, its project matches")


@pytest.mark.usefixtures("recorded")
def test_unreadable_session_is_not_compared_and_stops_no_other(projects: Path) -> None:
    run("sync", FIRST)
    (projects / "linked.jsonl").symlink_to("/etc/passwd")
    ran = run("verify", "linked", FIRST)
    assert ran.returncode in {1, 2}
    everything = run("verify", "--all")
    assert everything.returncode == 1
    assert "linked.jsonl" in everything.stderr
    assert "1 session equal" in everything.stdout
    assert "1 not compared" in everything.stdout


# ---- OpenSync's own traps ------------------------------------------------------------------------


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("there", ["OpenSync"], indirect=True)
def test_session_that_opensync_cannot_open_is_said_to_be_so(there: There) -> None:
    too_much = {"error": "Error: Too many bytes read in a single function execution"}
    there.faults["/api/sessions/get"] = Fault(Response(500, json.dumps(too_much).encode()))
    ran = there.verify("own")
    assert ran.returncode == 1
    assert "can no longer open this session, so it cannot be compared." in ran.stderr
    assert "hint: OpenSync opens at most 4,094 messages and 16 MiB." in ran.stderr


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("there", ["OpenSync"], indirect=True)
def test_blank_that_moves_the_servers_cut_is_no_difference(there: There) -> None:
    there.change(
        "UPDATE message SET parts = replace(parts, '\"answer 1', '\" answer 1')"
        " WHERE textContent = 'answer 1'"
    )
    assert there.verify("own").returncode == 0


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("there", ["OpenSync"], indirect=True)
def test_another_site_at_the_address_is_no_deleted_session(there: There) -> None:
    for path in ("/api/sessions/get", "/sync/batch"):
        there.faults[path] = Fault(Response(404, b"Not Found"))
    ran = there.verify("own", "--repair")
    assert ran.returncode == 1
    assert "no OpenSync server there" in ran.stderr
    assert "missing" not in ran.stdout


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("there", ["OpenSync"], indirect=True)
@pytest.mark.parametrize(
    "lie",
    [
        {}, [], {"session": {}, "messages": []}, {"session": {"id": 1}, "messages": []},
        {"session": {"id": "x"}, "messages": [1]},
        {"session": {"id": "x"}, "messages": [{"parts": [None]}]},
        {"session": {"id": "x"}, "messages": None},
    ],
    ids=str,
)  # fmt: skip
def test_answer_of_another_shape_is_no_bug_of_ours(there: There, lie: object) -> None:
    there.faults["/api/sessions/get"] = Fault(Response(200, json.dumps(lie).encode()))
    ran = there.verify("own", "--repair")
    assert ran.returncode == 6
    assert "the response is not from OpenSync" in ran.stderr
    assert ran.stdout == ""


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("there", ["OpenSync"], indirect=True)
def test_values_of_any_other_kind_are_differences_and_no_more(there: There) -> None:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    key = there.environ["OPENSYNC_API_KEY"]
    with OpenSyncClient(there.url, key) as reader:
        held = reader.fetch("own", None)
    assert held
    for message in held["messages"]:
        message |= {"createdAt": "soon", "promptTokens": [], "textContent": 7, "role": None}
        message["parts"] = [{"type": deep, "content": None}]
    held["session"] |= {"title": 5, "cost": "free", "promptTokens": {}, "durationMs": True}
    there.faults["/api/sessions/get"] = Fault(Response(200, json.dumps(held).encode()))
    ran = there.verify("own")
    assert (ran.returncode, ran.stderr) == (1, "")


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    ("environ", "code", "said"),
    [
        ({"OPENSYNC_URL": NOBODY_LISTENS, "OPENSYNC_API_KEY": KEY}, 6, "cannot be reached"),
        ({"OPENSYNC_URL": "x", "OPENSYNC_API_KEY": KEY}, 4, "This is not a URL"),
    ],
    ids=["nobody there", "no URL"],
)
def test_verify_has_the_exit_codes_of_every_command(
    environ: dict[str, str], code: int, said: str
) -> None:
    ran = run("verify", FIRST, **environ)
    assert ran.returncode == code
    assert said in ran.stderr


def test_reader_asks_only_for_what_it_needs(tmp_path: Path) -> None:
    asked: list[str] = []
    with real_opensync(tmp_path, on_request=lambda _, path, __: asked.append(path)) as (
        server, store, key,
    ):  # fmt: skip
        mine = store.put_session({"externalId": "s", "title": "t"}, {})
        with OpenSyncClient(server.url, key) as reader:
            assert reader.fetch("s", mine) == reader.fetch("s", None)
            assert reader.fetch("none", None) is None
            assert reader.fetch("s", "0" * 32) is None
            assert reader.fetch("s", "an id/of?another deployment") is None
    assert asked[0] == f"/api/sessions/get?id={mine}"
    assert asked[1] == "/api/sessions?limit=200"


def test_copy_beside_the_agents_folder_is_compared_too(
    own: Pen, there: There, tmp_path: Path, ours: Path
) -> None:
    copy = shutil.copy(own.path, tmp_path / "copy.jsonl")
    run("sync", str(copy), **there.environ)
    assert there.verify(str(copy)).returncode == 0
    if not there.environ:
        assert "copy" in sessions_in(ours)
        with Ledger(ours / "ledger.db") as ledger:
            assert summarize(ledger, "embedded store").sessions == 2


def test_bug_in_one_session_is_told_and_the_others_are_compared(
    projects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("s1", "s2", "s3"):
        Pen(projects / f"{name}.jsonl").turn(1)
    assert run("sync").returncode == 0
    verify = Verification.verify

    def stumble(self: Verification, source: Source, located: Located) -> Verdict:
        if located.session_id == "s1":
            raise KeyError("the user's own words")
        return verify(self, source, located)

    monkeypatch.setattr(Verification, "verify", stumble)
    ran = run("verify")
    assert ran.returncode == 1
    assert "2 sessions" in ran.stdout
    assert "1 not compared" in ran.stdout
    assert "A bug of opensync-hooks" in ran.stderr
    assert "words" not in ran.stderr + ran.stdout
