"""The real OpenCode with our plugin, and with a scripted model.

OPENSYNC_TEST_OPENCODE names the program. What arrives is compared with what a few lines of SQL
count in OpenCode's own database.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.opencode.registration import OpenCodeRegistration
from opensync_hooks.agents.settings_files.hook_command import hook_command
from opensync_hooks.config import Folders
from opensync_hooks.destinations.store.store import Store
from tests.e2e.completions_api import SUMMARY, TITLE, scripted_completions
from tests.e2e.screen import Screen
from tests.e2e.script import Block, Reply, Script, says, thinks, uses
from tests.e2e.user import PATIENCE_S, User

ROOT = Path(__file__).parents[2]
OPENCODE = os.environ.get("OPENSYNC_TEST_OPENCODE", "")
NOTES_EVENTS = "OPENSYNC_TEST_EVENTS" in os.environ
NOTING_PLUGIN = """
import { appendFileSync } from "node:fs"
export const NoteEvents = async () => ({
  event: async ({ event }) =>
    appendFileSync(process.env.HOME + "/opencode-events", event.type + "\\n"),
})
"""


def shell(command: str) -> Block:
    return uses("bash", command=command, description="said by the script")


GREETING = "Good day — 日本語 🚀."
MODEL = {"providerID": "scripted", "modelID": "scripted"}
SCRIPT: Script = {
    "greet": [Reply([says(GREETING)], cached=900)],
    "work": [
        Reply([thinks("First look."), says("Looking."), shell("echo one")]),
        Reply([
            says("Two at once."),
            shell("echo two"),
            uses("write", filePath="notes.txt", content="alpha\n"),
        ]),
        Reply([uses("read", filePath="missing.txt")]),
        Reply([says("Done.")], cached=5_000, output=42),
    ],
    "delegate": [
        Reply([
            uses("task", description="First", prompt="errand", subagent_type="general"),
            uses("task", description="Second", prompt="errand", subagent_type="general"),
        ]),
        Reply([says("Both came back.")]),
    ],
    "errand": [
        Reply([shell("echo errand")]),
        Reply([says("Ran the errand.")]),
    ],
    "fail": [Reply(status=400)],
    "stall": [Reply([says("I begin and never end.")], pause=20)],
}  # fmt: skip

pytestmark = [
    pytest.mark.skipif(not OPENCODE, reason="OPENSYNC_TEST_OPENCODE does not name an OpenCode"),
    pytest.mark.timeout(400),
]


class Developer(User):
    """A user with OpenCode, a project, and our plugin installed."""

    program = OPENCODE
    delivered_failures = ("unfinished",)  # a killed turn never ends, and is looked at again hourly

    def __init__(self, home: Path, ours: Path, model: str) -> None:
        self.config = home / ".config" / "opencode"
        self.config.mkdir(parents=True)
        self.unpacked = home / "tmp"
        self.unpacked.mkdir()
        environ = {
            "TERM": "xterm-256color",
            "TMPDIR": str(self.unpacked),
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            "OPENCODE_MODELS_URL": model,
            "npm_config_offline": "true",
        }
        super().__init__(home, ours, environ)
        self._configure(model)
        self._make_repository()

    def _configure(self, url: str) -> None:
        limits = {"context": 200_000, "output": 4_000}
        prices = {"input": 3, "output": 15, "cache_read": 0.3, "cache_write": 3.75}
        model_info = {"tool_call": True, "reasoning": True, "limit": limits, "cost": prices}
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "options": {"baseURL": url, "apiKey": "none"},
            "models": {"scripted": {"name": "Scripted", **model_info}},
        }
        value = {
            "autoupdate": False,
            "share": "disabled",
            "model": "scripted/scripted",
            "small_model": "scripted/scripted",
            "provider": {"scripted": provider},
            "permission": {"edit": "allow", "bash": "allow"},
        }
        (self.config / "opencode.json").write_text(json.dumps(value))

    def _make_repository(self) -> None:
        (self.project / "README.md").write_text("# project\n")
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
            subprocess.run(
                ["git", "-c", "user.name=u", "-c", "user.email=u@example.invalid", *command],
                cwd=self.project,
                check=True,
                env=self.environ,
            )

    def install(self) -> None:
        environ = {**self.environ, "PATH": f"{Path(OPENCODE).parent}:{self.environ['PATH']}"}
        command = hook_command(Path(sys.executable), ROOT / "hooks" / "opencode.py")
        change = OpenCodeRegistration().plan(environ.get, command)
        assert change
        change.apply()
        if NOTES_EVENTS:
            (self.config / "plugin" / "note-events.js").write_text(NOTING_PLUGIN)

    def run(self, *arguments: str) -> str:
        process = self.start("run", *arguments)
        out, errors = process.communicate(timeout=120)
        assert process.returncode in (0, 1), errors  # 1: the model refused
        assert "opensync" not in errors.lower(), errors
        return out.strip()

    @contextmanager
    def serve(self) -> Iterator[Callable[..., Any]]:
        """Start OpenCode's HTTP API, which can do everything that the TUI can."""
        process = self.start("serve", "--port", "0")
        assert process.stdout
        url = next(line.split()[-1] for line in process.stdout if "listening" in line)

        def call(method: str, path: str, body: Any = None) -> Any:
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(  # noqa: S310 - loopback
                f"{url}{path}?directory={self.project}",
                data,
                {"Content-Type": "application/json"},
                method=method,
            )
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")

        try:
            yield call
        finally:
            process.terminate()
            process.communicate(timeout=30)

    @property
    def database(self) -> Path:
        return self.home / ".local" / "share" / "opencode" / "opencode.db"

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as db:
            return db.execute(query).fetchall()

    def ids(self) -> list[tuple[str]]:
        return self.sql("SELECT id FROM session")

    def stored(self) -> dict[str, dict[str, Any]]:
        with Store(self.ours / "store.db") as store:
            rows = store.sessions(limit=100)
            sessions = [store.session(row["externalId"]) for row in rows]
        return {stored["session"]["externalId"]: stored for stored in sessions if stored}


@pytest.fixture
def user(home: Path, tmp_path: Path) -> Iterator[Developer]:
    with scripted_completions(SCRIPT) as model:
        developer = Developer(home, tmp_path / "ours", model)
        developer.install()
        yield developer
        shutil.rmtree(developer.unpacked)  # each start unpacks a library of 8 MB there


_PARTS = """
  SELECT json_extract(m.data, '$.role'), json_extract(p.data, '$.type'), count(*)
  FROM part p JOIN message m ON m.id = p.message_id
  WHERE p.session_id = '{id}' AND json_extract(m.data, '$.summary') IS NOT 1
    AND coalesce(json_extract(p.data, '$.synthetic'), 0) = 0
    AND (json_extract(p.data, '$.type') <> 'text' OR json_extract(p.data, '$.text') <> '')
  GROUP BY 1, 2"""
_MONEY = """
  SELECT sum(json_extract(data, '$.tokens.input')),
         sum(json_extract(data, '$.tokens.cache.read')),
         sum(json_extract(data, '$.tokens.total')) - sum(json_extract(data, '$.tokens.input'))
           - sum(json_extract(data, '$.tokens.cache.read')),
         sum(json_extract(data, '$.cost'))
  FROM message WHERE session_id = '{id}' AND json_extract(data, '$.role') = 'assistant'"""
_MESSAGES = """
  SELECT json_extract(m.data, '$.role'), count(DISTINCT m.id)
  FROM message m JOIN part p ON p.message_id = m.id
  WHERE m.session_id = '{id}' AND json_extract(m.data, '$.summary') IS NOT 1
    AND (json_extract(p.data, '$.type') IN ('tool', 'file') OR json_extract(p.data, '$.text') <> '')
    AND coalesce(json_extract(p.data, '$.synthetic'), 0) = 0
    AND json_extract(p.data, '$.type') <> 'reasoning'
  GROUP BY 1"""


def in_opencode(user: Developer, session_id: str) -> Counter[str]:
    """Count in OpenCode's own tables, without any code of the package."""
    counts: Counter[str] = Counter()
    for role, kind, count in user.sql(_PARTS.format(id=session_id)):
        if kind in ("text", "tool"):
            counts[f"{kind} by {role}"] = count
    ended = "json_extract(data, '$.state.status') IN ('completed', 'error')"
    query = f"SELECT count(*) FROM part WHERE session_id = '{session_id}' AND {ended}"  # noqa: S608
    counts["results"] = user.sql(query)[0][0]
    counts.update(dict(user.sql(_MESSAGES.format(id=session_id))))
    (row,) = user.sql(_MONEY.format(id=session_id))
    fresh, cached, written, cost = (value or 0 for value in row)  # a killed turn has counted none
    counts.update({"fresh": fresh, "cached": cached, "written": written})
    counts["micro-dollars"] = round(cost * 1e6)
    return +counts


def in_store(stored: dict[str, Any]) -> Counter[str]:
    """Count the same in what arrived."""
    counts: Counter[str] = Counter()
    for message in stored["messages"]:
        role = message["role"]
        if role != "system":
            counts[role] += 1
            kinds = Counter(part["type"] for part in message["parts"])
            notes = sum(str(part["content"]).startswith("[") for part in message["parts"])
            counts[f"text by {role}"] += kinds["text"] - notes
            counts[f"tool by {role}"] += kinds["tool-call"]
            counts["results"] += kinds["tool-result"]
    session = stored["session"]
    extra = session["extra"]
    counts.update({
        "fresh": extra["inputTokens"],
        "cached": extra["cacheReadTokens"],
        "written": extra["outputTokens"],
        "micro-dollars": round((session.get("cost") or 0) * 1e6),
    })  # fmt: skip
    return +counts


def check(user: Developer) -> dict[str, dict[str, Any]]:
    """Wait until each session of OpenCode has arrived with the same counts; return what arrived."""
    expected = {row[0]: in_opencode(user, row[0]) for row in user.sql("SELECT id FROM session")}
    end = time.monotonic() + PATIENCE_S
    while True:
        user.settle()
        stored = user.stored()
        arrived = {id_: in_store(session) for id_, session in stored.items()}
        if arrived == expected or time.monotonic() > end:  # a hook may not have started yet
            break
        time.sleep(0.3)
    assert arrived == expected
    return stored


@pytest.mark.parametrize(
    "turns",
    [
        [("please greet",)],
        [("please work",), ("--continue", "and greet")],
        [("now fail",), ("--continue", "and greet")],
        [("look at it and greet", "-f", "README.md")],
    ],
    ids=["hello", "tools and a second turn", "failure and a second turn", "attached file"],
)
def test_everything_in_opencodes_database_arrives(
    user: Developer, turns: list[tuple[str, ...]]
) -> None:
    for turn in turns:
        user.run(*turn)
    (session,) = check(user).values()
    assert session["session"]["title"] == TITLE
    assert session["session"]["projectPath"] == str(user.project)


def test_subagents_arrive_with_their_parent(user: Developer) -> None:
    user.run("please delegate")
    stored = check(user)
    parents = {
        id_: session["session"]["extra"].get("parentExternalId") for id_, session in stored.items()
    }
    (root,) = (id_ for id_, parent in parents.items() if not parent)
    assert list(filter(None, parents.values())) == [root, root]


def test_fork_has_all_messages_and_is_charged_only_for_its_own(user: Developer) -> None:
    user.run("please work")
    (first,) = check(user)
    user.run("and greet", "--session", first, "--fork")
    (fork,) = _soon(user, lambda: user.stored().keys() - {first})
    _soon(user, lambda: _texts(user, fork)[-1:] == [("assistant", GREETING)])
    stored = user.stored()
    copied, total = in_opencode(user, first), in_opencode(user, fork)
    arrived = in_store(stored[fork])
    for name in ("user", "assistant", "results", "text by assistant"):
        assert arrived[name] == total[name]
    for name in ("fresh", "written", "micro-dollars"):
        assert arrived[name] == total[name] - copied[name]
    assert stored[fork]["session"]["extra"]["forkedFromExternalId"] == first


def message(text: str) -> dict[str, Any]:
    return {"model": MODEL, "parts": [{"type": "text", "text": text}]}


def test_undo_shell_compaction_abort_and_deletion_through_the_api(user: Developer) -> None:
    with user.serve() as call:
        session = call("POST", "/session", {})["id"]
        messages = f"/session/{session}/message"
        call("POST", messages, message("please greet"))
        call("POST", messages, message("please work"))
        assert _soon(user, lambda: ("assistant", "Done.") in _texts(user, session))
        infos = [row["info"] for row in call("GET", messages)]
        prompts = [info["id"] for info in infos if info["role"] == "user"]
        call("POST", f"/session/{session}/revert", {"messageID": prompts[1]})
        undone = _soon(user, lambda: _undone(user, session))
        assert undone[0] == "[undone] please work"
        call("POST", messages, message("rather greet"))
        call("PATCH", f"/session/{session}", {"title": "By hand"})
        call("POST", f"/session/{session}/shell", {"agent": "build", "command": "echo shell"})
        call("POST", f"/session/{session}/summarize", MODEL)
        stalled = threading.Thread(target=call, args=("POST", messages, message("now stall")))
        stalled.start()
        time.sleep(2.5)
        call("POST", f"/session/{session}/abort")
        stalled.join()
        _soon(user, lambda: any("abort" in text for _, text in _texts(user, session)))
        gone = call("POST", "/session", {})["id"]
        call("POST", f"/session/{gone}/message", message("please greet"))
        assert _soon(user, lambda: gone in user.stored())
        call("DELETE", f"/session/{gone}")
    user.settle()
    assert user.sql(f"SELECT * FROM session WHERE id = '{gone}'") == []  # noqa: S608
    assert user.stored()[session]["session"]["title"] == "By hand"
    assert ("system", SUMMARY) in _texts(user, session)
    assert gone in user.stored(), "what was delivered stays"


def _texts(user: Developer, session_id: str) -> list[tuple[str, str]]:
    """Return the role and the text of each message that has arrived."""
    session = user.stored().get(session_id, {"messages": []})
    return [(message["role"], message.get("textContent", "")) for message in session["messages"]]


def _undone(user: Developer, session_id: str) -> list[str]:
    return [text for _, text in _texts(user, session_id) if text.startswith("[undone]")]


def _soon(user: Developer, look: Callable[[], Any], *, path: Path | None = None) -> Any:
    """Return what `look` sees once it sees anything, after there is the store or `path`."""
    path = path or user.ours / "store.db"
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(sqlite3.OperationalError):
            if path.exists() and (result := look()):
                return result
        time.sleep(0.3)
    raise AssertionError("it did not arrive")


def open_screen(user: Developer) -> Screen:
    """Start OpenCode's TUI."""
    screen = Screen([OPENCODE], user.project, user.environ)
    screen.wait("Ask anything")
    screen.pause(1.5)
    return screen


def greet(user: Developer, screen: Screen) -> None:
    """Have one turn in the TUI; a turn that OpenCode has not noted as ended would be aborted."""
    screen.type("please greet")
    screen.wait("Good day")
    end = time.monotonic() + PATIENCE_S
    while not user.sql("SELECT id FROM message WHERE json_extract(data, '$.time.completed')"):
        assert time.monotonic() < end, "the turn does not end"
        screen.pause(0.3)
    screen.pause(1)


def version() -> tuple[int, ...]:
    process = subprocess.run([OPENCODE, "--version"], capture_output=True, text=True, check=True)
    return tuple(map(int, process.stdout.strip().split(".")))


@pytest.mark.parametrize("how", ["ctrl-c while it works", "/exit", "closed terminal"])
def test_session_arrives_however_the_tui_is_left(user: Developer, how: str) -> None:
    if how != "/exit" and version() < (1, 15, 11):
        pytest.skip("before 1.15.11 plugins have no dispose hook")
    screen = open_screen(user)
    greet(user, screen)
    if how == "/exit":
        screen.type("/exit")
    else:
        screen.type("now stall")
        screen.pause(4)
        if how == "closed terminal":
            os.kill(screen.pid, signal.SIGHUP)
        else:
            screen.press("\x03")
    screen.end()
    (session,) = check(user).values()
    texts = [message.get("textContent", "") for message in session["messages"]]
    assert texts[:2] == ["please greet", GREETING]
    assert ("now stall" in texts) == (how != "/exit")


def test_worker_survives_the_kill_of_opencodes_process_group(user: Developer) -> None:
    process = user.start("run", "please greet")
    spool = Folders.from_environ(user.environ).spool
    while not (spool.exists() and any(spool.glob("*.event"))) and process.poll() is None:
        time.sleep(0.005)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    check(user)


def test_event_survives_a_kill_right_after_it(user: Developer) -> None:
    plugin = user.config / "plugin" / "opensync-hooks.js"
    text = plugin.read_text()
    killing = text.replace("  child.unref()\n", '  process.kill(process.pid, "SIGKILL")\n')
    assert killing != text
    plugin.write_text(killing)
    process = user.start("run", "please greet")
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    check(user)


def test_killed_run_is_found_by_sync(user: Developer) -> None:
    process = user.start("run", "now stall")
    _soon(user, lambda: user.sql("SELECT * FROM part"), path=user.home)
    process.kill()
    process.communicate()
    environ = {**user.environ, "PYTHONPATH": str(ROOT)}
    sync = [sys.executable, "-m", "opensync_hooks", "sync"]
    done = subprocess.run(sync, env=environ, capture_output=True, text=True, check=True)
    assert "1 waiting" in done.stdout, "its agent may still be writing"
    user.settle()
    (session,) = user.stored().values()
    assert "now stall" in session["messages"][0]["textContent"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_run_that_was_ended_arrives_as_far_as_it_came(user: Developer, how: signal.Signals) -> None:
    process = user.start("run", "now stall")
    _soon(user, lambda: user.sql("SELECT * FROM part"), path=user.database)
    time.sleep(1)
    process.send_signal(how)
    process.communicate(timeout=120)
    (session,) = check(user).values()
    assert "now stall" in session["messages"][0]["textContent"]


def test_three_runs_at_once_and_one_with_a_database_of_its_own(user: Developer) -> None:
    user.run("please greet")  # makes the database: of several first starts, OpenCode may lose one
    processes = [user.start("run", f"please {cue}") for cue in ("greet", "work", "delegate")]
    for process in processes:
        process.communicate(timeout=300)
    assert len(check(user)) == 6, "four sessions, and two subagents of one of them"
    user.environ["OPENCODE_DB"] = str(user.database.with_name("opencode-work.db"))
    user.run("please greet")
    (other,) = _soon(user, lambda: user.stored().keys() - {row[0] for row in user.ids()})
    assert _soon(user, lambda: ("assistant", GREETING) in _texts(user, other))


def test_session_that_goes_on_in_the_databases_of_two_channels_is_one(user: Developer) -> None:
    user.run("please greet")
    ((session_id,),) = user.ids()
    copy = user.database.with_name("opencode-stable.db")
    with closing(sqlite3.connect(user.database)) as db:
        db.execute("VACUUM INTO ?", (str(copy),))
    user.environ["OPENCODE_DB"] = copy.name
    user.run("--session", session_id, "please work")
    _soon(user, lambda: ("assistant", "Done.") in _texts(user, session_id))
    user.environ.pop("OPENCODE_DB")
    user.run("--session", session_id, "now fail")
    _soon(user, lambda: any("400" in text for _, text in _texts(user, session_id)))
    prompts = [text.strip('"') for role, text in _texts(user, session_id) if role == "user"]
    assert prompts == ["please greet", "please work", "now fail"]
    with closing(sqlite3.connect(copy)) as db:  # the failed call cost nothing
        (cost,) = db.execute("SELECT sum(json_extract(data, '$.cost')) FROM message").fetchone()
    assert user.stored()[session_id]["session"]["cost"] == pytest.approx(cost)


@contextmanager
def web(user: Developer) -> Iterator[str]:
    """Start the API with OpenCode's page, and kill it at the end; yield its address."""
    process = user.start("web", "--port", "0")
    assert process.stderr
    try:
        yield next(line.split()[-1] for line in process.stderr if "http://" in line).rstrip("/")
    finally:
        process.kill()
        process.communicate(timeout=60)


def test_turn_on_the_page_is_delivered_though_its_server_is_killed(user: Developer) -> None:
    with web(user) as url:
        assert "Good day" in user.run("--attach", url, "please greet")
    check(user)


def test_undo_at_once_in_the_tui_is_marked(user: Developer) -> None:
    screen = open_screen(user)
    greet(user, screen)
    screen.type("/undo")
    screen.pause(2)
    ((session_id,),) = user.ids()
    texts = _soon(user, lambda: _undone(user, session_id))
    os.kill(screen.pid, signal.SIGHUP)
    screen.end()
    assert texts == ["[undone] please greet", f"[undone] {GREETING}"]


def test_client_that_is_attached_to_a_server_is_delivered(user: Developer) -> None:
    process = user.start("serve", "--port", "0")
    assert process.stdout
    url = next(line.split()[-1] for line in process.stdout if "listening" in line)
    try:
        assert "Good day" in user.run("--attach", url, "please greet")
        (session,) = check(user).values()
        assert [message["role"] for message in session["messages"]] == ["user", "assistant"]
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_session_synced_by_hand_is_reported(user: Developer) -> None:
    user.run("please greet")
    (session,) = check(user)
    done = subprocess.run(
        [sys.executable, str(ROOT / "hooks" / "opencode.py"), session],
        env=user.environ,
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout.startswith(f"{session}: 0 messages sent to embedded store, 2 unchanged")
