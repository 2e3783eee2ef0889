"""OpenCode's plugin, in the JavaScript engine that is at hand.

When it starts our hook, and that nothing which can happen there ever reaches OpenCode.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

PLUGIN = Path(__file__).parents[3] / "hooks" / "opencode_plugin.js"
EVENTS = Path(__file__).parents[2] / "data" / "opencode" / "events.json"
NODE = shutil.which("node")
DRIVER = """
import children from "node:child_process"
import { syncBuiltinESMExports } from "node:module"
const ends = []
const spawn = children.spawn
children.spawn = (...how) => {
  const child = spawn(...how)
  ends.push(new Promise((done) => child.once("close", done)))
  return child
}
syncBuiltinESMExports()
let clock = 1e12 // only a step moves it on, however slow the machine is
Date.now = () => clock
const { default: modern, OpenSyncHooks } = await import(process.argv[2])
const hooks = await OpenSyncHooks({})
const forever = (events) => async function* () {
  yield* events
  await new Promise(() => {})
}
for (const step of JSON.parse(process.argv[3])) {
  if (typeof step === "number") clock += step
  else if (step === "stay") await new Promise((done) => setTimeout(done, 60_000))
  else if (step === "dispose") await hooks.dispose()
  else if (step && step.stream) {
    const context = { event: { subscribe: forever(step.stream) } }
    const stop = await modern.setup(context)
    await new Promise((done) => setTimeout(done, 50))
    if (step.unload) await stop()
  } else if (step && step.setup) await modern.setup(step.context)
  else {
    const said = hooks.event({ event: step })
    if (await Promise.race([said, "late"]) === "late") console.log("waited")
  }
}
const alive = setInterval(() => {}, 1000) // nothing else waits for children
await Promise.all(ends)
clearInterval(alive)
"""
LATER = 300  # ms: longer than the window in which one start covers several events

pytestmark = pytest.mark.skipif(NODE is None, reason="there is no node")


class Bridge:
    """The plugin with a command that notes what it is told."""

    def __init__(self, folder: Path, command: list[str] | None = None) -> None:
        self.heard = folder / "heard"
        self.command = command or ["/bin/sh", "-c", f'echo "$1" >> {self.heard}']
        self.file = folder / "plugin.mjs"
        text = PLUGIN.read_text()
        baked = f"const COMMAND = {json.dumps(self.command)}"
        self.file.write_text(re.sub(r"(?m)^const COMMAND = \[\].*$", lambda _: baked, text))
        self.driver = folder / "driver.mjs"
        self.driver.write_text(DRIVER)

    def plays(self, *steps: Any) -> list[tuple[str, str]]:
        """The sessions for which the hook was started, each with the event."""
        done = subprocess.run(
            [str(NODE), str(self.driver), str(self.file), json.dumps(steps)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        lines = self.heard.read_text().splitlines() if self.heard.exists() else []
        payloads = [json.loads(line) for line in lines]
        return [(one["session_id"], one["hook_event_name"]) for one in payloads]


@pytest.fixture
def bridge(tmp_path: Path) -> Bridge:
    return Bridge(tmp_path)


def event(name: str, session_id: str = "ses_1", **more: Any) -> dict[str, Any]:
    return {"type": name, "properties": {"sessionID": session_id, **more}}


def status(of: str) -> dict[str, Any]:
    return event("session.status", status={"type": of})


def info(name: str, session_id: str = "ses_1") -> dict[str, Any]:
    return {"type": name, "properties": {"info": {"id": session_id}}}


def part() -> dict[str, Any]:
    return {"type": "message.part.updated", "properties": {"part": {"sessionID": "ses_1"}}}


PROMPT: list[Any] = [
    info("session.created"),
    info("session.updated"),
    part(),
    info("session.updated"),
]


def test_turn_starts_the_hook_once(bridge: Bridge) -> None:
    """As 1.18 fires them, from `opencode run`: nothing at the beginning, once at the end."""
    steps = [*PROMPT, status("busy"), info("session.updated"), status("idle")]
    steps += [event("session.idle"), info("session.updated"), event("session.diff"), "dispose"]
    assert bridge.plays(*steps) == [("ses_1", "session.status")]


TOOLS = "ses_e0455b051ffelTfTKepUayusYv"
PARENT, CHILD = "ses_e04559947ffes6pn5qXANQq0k1", "ses_e0455944affe4yx5HHxQUr70Og"


@pytest.mark.parametrize(
    ("run", "sessions"),
    [(0, [TOOLS]), (1, [TOOLS]), (2, [CHILD, PARENT])],
    ids=["tools", "--continue", "subagent"],
)
def test_recorded_run_starts_the_hook_once_for_each_of_its_sessions(
    bridge: Bridge, run: int, sessions: list[str]
) -> None:
    """Every event of three runs of 1.18, as its plugins heard them."""
    events = json.loads(EVENTS.read_text())[run]
    found = sorted(bridge.plays(*events))
    assert found == [(session, "session.status") for session in sorted(sessions)]


@pytest.mark.parametrize(
    "name",
    [
        *("session.idle", "session.error", "session.compacted"),
        *("session.execution.succeeded", "session.execution.failed"),
        *("session.execution.interrupted", "session.renamed", "session.revert.committed"),
    ],
)
def test_every_event_that_may_end_something_starts_it(bridge: Bridge, name: str) -> None:
    assert bridge.plays(event(name)) == [("ses_1", name)]
    bridge.heard.unlink()
    assert bridge.plays({"type": name, "data": {"sessionID": "ses_2"}}) == [("ses_2", name)]


def test_late_title_starts_it_again(bridge: Bridge) -> None:
    steps = [*PROMPT, event("session.idle"), LATER, info("session.updated")]
    assert [name for _, name in bridge.plays(*steps)] == ["session.idle", "session.updated"]


def test_rename_of_an_old_session_starts_it(bridge: Bridge) -> None:
    assert bridge.plays(info("session.updated")) == [("ses_1", "session.updated")]


def test_title_in_the_middle_of_a_turn_waits_for_its_end(bridge: Bridge) -> None:
    assert bridge.plays(*PROMPT, LATER, info("session.updated")) == []


def test_three_signs_of_one_abort_are_one(bridge: Bridge) -> None:
    steps = [*PROMPT, event("session.error"), event("session.idle"), 60, event("session.idle")]
    assert bridge.plays(*steps) == [("ses_1", "session.error")]


def test_session_that_nothing_was_fired_for_is_fired_at_the_end(bridge: Bridge) -> None:
    """Ctrl-C in the terminal's screen while it works: no idle, only this."""
    assert bridge.plays(*PROMPT, status("busy"), "dispose") == [("ses_1", "dispose")]


def test_end_fires_nothing_for_what_was_fired_already(bridge: Bridge) -> None:
    steps = [event("session.idle"), LATER, "dispose"]
    assert bridge.plays(*steps) == [("ses_1", "session.idle")]


def test_sessions_do_not_stand_in_for_each_other(bridge: Bridge) -> None:
    found = bridge.plays(event("session.idle", "ses_1"), event("session.idle", "ses_2"))
    assert sorted(found) == [("ses_1", "session.idle"), ("ses_2", "session.idle")]


def test_deleted_session_is_left_alone(bridge: Bridge) -> None:
    assert bridge.plays(part(), info("session.deleted"), event("session.deleted"), "dispose") == []


def test_stream_of_2_x_is_listened_to_without_being_waited_for(bridge: Bridge) -> None:
    stream = [
        {"type": "session.created", "data": {"sessionID": "ses_1"}},
        {"type": "session.execution.succeeded", "data": {"sessionID": "ses_1"}},
        {"type": "session.created", "data": {"sessionID": "ses_2"}},
    ]
    found = bridge.plays({"stream": stream, "unload": True})
    assert sorted(found) == [("ses_1", "session.execution.succeeded"), ("ses_2", "dispose")]


@pytest.mark.parametrize("context", [None, {}, {"event": None}, {"event": {}}])
def test_setup_returns_at_once_where_there_is_no_stream(bridge: Bridge, context: Any) -> None:
    """OpenCode 1.18 calls it beside the other function."""
    assert bridge.plays({"setup": True, "context": context}) == []


@pytest.mark.parametrize(
    "odd",
    [
        *(None, {}, {"type": 7}, {"type": "session.idle"}, {"properties": None}),
        *({"type": "session.idle", "properties": {"sessionID": 7}},),
        *({"type": "session.updated", "properties": {"info": {"id": "prj_1"}}},),
        *({"type": "session.idle", "properties": {"info": None, "part": None}},),
    ],
)
def test_senseless_event_is_no_business_of_opencodes(bridge: Bridge, odd: Any) -> None:
    assert bridge.plays(odd, "dispose") == []


@pytest.mark.parametrize("command", [["/nowhere/python"], ["/etc/passwd"], ["/bin/true"]])
def test_hook_that_cannot_run_or_does_not_listen_is_no_business_of_opencodes(
    tmp_path: Path, command: list[str]
) -> None:
    bridge = Bridge(tmp_path, command)
    assert bridge.plays(event("session.idle"), 100, event("session.idle", "ses_2"), 100) == []


def test_file_that_nobody_installed_does_nothing(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path)
    bridge.file.write_text(PLUGIN.read_text())
    assert bridge.plays(event("session.idle"), "dispose") == []


def test_hook_outlives_the_end_of_its_group(bridge: Bridge, tmp_path: Path) -> None:
    began, killed = tmp_path / "began", tmp_path / "killed"
    waits = f"touch {began}; until [ -e {killed} ]; do sleep 0.05; done"
    bridge = Bridge(
        tmp_path,
        [
            "/bin/sh",
            "-c",
            f'{waits}; echo "$1" > {bridge.heard}.new; mv {bridge.heard}.new {bridge.heard}',
        ],
    )
    steps = json.dumps([event("session.idle"), "stay"])
    process = subprocess.Popen(
        [str(NODE), str(bridge.driver), str(bridge.file), steps], start_new_session=True
    )
    _await(began)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    killed.touch()
    _await(bridge.heard)
    assert json.loads(bridge.heard.read_text())["session_id"] == "ses_1"


def _await(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.02)


def test_event_reaches_the_spool_with_what_decides_where_the_data_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hook itself, while a worker is busy: it would take the event up at once."""
    hook = PLUGIN.with_name("opencode.py")
    bridge = Bridge(tmp_path, [sys.executable, "-I", "-S", str(hook)])
    spool = tmp_path / "ours" / "spool"
    spool.mkdir(parents=True)
    monkeypatch.setenv("OPENSYNC_HOOKS_HOME", str(spool.parent))
    monkeypatch.setenv("OPENCODE_DB", "mine.db")
    with (spool / "worker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        bridge.plays(event("session.idle"))
    (left,) = spool.glob("*.opencode.event")
    payload = b'{"session_id":"ses_1","hook_event_name":"session.idle"}'
    assert left.read_bytes() == b"OPENCODE_DB=mine.db\n" + payload
