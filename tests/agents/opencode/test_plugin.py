"""OpenCode's plugin, run by node, starts our hook and lets no fault reach OpenCode."""

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
children.spawn = (...args) => {
  const child = spawn(...args)
  ends.push(new Promise((done) => child.once("close", done)))
  return child
}
syncBuiltinESMExports()
let clock = 1e12 // only a step advances it, however slow the machine is
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
    const result = hooks.event({ event: step })
    if (await Promise.race([result, "late"]) === "late") console.log("waited")
  }
}
const alive = setInterval(() => {}, 1000) // detached children keep no process alive
await Promise.all(ends)
clearInterval(alive)
"""
LATER = 300  # ms, longer than the window in which one start covers several events

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


class Bridge:
    """The plugin with a command that writes its argument into a file."""

    def __init__(self, folder: Path, command: list[str] | None = None) -> None:
        self.log = folder / "log"
        self.command = command or ["/bin/sh", "-c", f'echo "$1" >> {self.log}']
        self.file = folder / "plugin.mjs"
        text = PLUGIN.read_text()
        command_line = f"const COMMAND = {json.dumps(self.command)}"
        self.file.write_text(re.sub(r"(?m)^const COMMAND = \[\].*$", lambda _: command_line, text))
        self.driver = folder / "driver.mjs"
        self.driver.write_text(DRIVER)
        self.begun: list[str] = []
        """The sessions that `play` started the hook for as a turn began."""

    def play(self, *steps: Any) -> list[tuple[str, str]]:
        """Play events; return each session that the hook was started for, with the event.

        Without those starts that report the beginning of a turn.
        """
        process = subprocess.run(
            [str(NODE), str(self.driver), str(self.file), json.dumps(steps)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        payloads = [json.loads(line) for line in lines]
        starts = [(payload["session_id"], payload["hook_event_name"]) for payload in payloads]
        self.begun = sorted(session_id for session_id, name in starts if name == "turn.begin")
        return [(session_id, name) for session_id, name in starts if name != "turn.begin"]


@pytest.fixture
def bridge(tmp_path: Path) -> Bridge:
    return Bridge(tmp_path)


def event(name: str, session_id: str = "ses_1", **more: Any) -> dict[str, Any]:
    return {"type": name, "properties": {"sessionID": session_id, **more}}


def status(kind: str) -> dict[str, Any]:
    return event("session.status", status={"type": kind})


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


def test_turn_starts_the_hook_at_its_beginning_and_at_its_end(bridge: Bridge) -> None:
    """The events of `opencode run` in 1.18."""
    steps = [*PROMPT, status("busy"), info("session.updated"), status("idle")]
    steps += [event("session.idle"), info("session.updated"), event("session.diff"), "dispose"]
    assert bridge.play(*steps) == [("ses_1", "session.status")]
    assert bridge.begun == ["ses_1"]


def test_each_turn_reports_its_beginning_once(bridge: Bridge) -> None:
    turn = [part(), status("busy"), part(), status("retry"), event("session.idle"), part(), LATER]
    bridge.play(*turn, *turn)
    assert bridge.begun == ["ses_1", "ses_1"]


def test_rename_is_not_the_beginning_of_a_turn(bridge: Bridge) -> None:
    bridge.play(info("session.created"), info("session.updated"), LATER, event("session.renamed"))
    assert bridge.begun == []


def test_killed_run_has_reported_its_beginning(bridge: Bridge) -> None:
    process = subprocess.Popen(
        [str(NODE), str(bridge.driver), str(bridge.file), json.dumps([*PROMPT, "stay"])],
        start_new_session=True,
    )
    _await(bridge.log)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    payload = {"session_id": "ses_1", "hook_event_name": "turn.begin"}
    assert json.loads(bridge.log.read_text()) == payload


def test_second_copy_of_the_plugin_starts_nothing_more(bridge: Bridge) -> None:
    """A copy in a project's own folder is loaded beside the one of the user."""
    copy = bridge.file.with_name("copy.mjs")
    shutil.copy(bridge.file, copy)
    bridge.driver.write_text(
        DRIVER.replace(
            "const forever",
            f"const copied = await (await import({json.dumps(str(copy))})).OpenSyncHooks({{}})\n"
            "const first = hooks.event\n"
            "hooks.event = (input) => { copied.event(input); return first(input) }\n"
            "const forever",
            1,
        )
    )
    steps = [*PROMPT, status("busy"), event("session.idle"), LATER, "dispose"]
    assert bridge.play(*steps) == [("ses_1", "session.idle")]
    assert bridge.begun == ["ses_1"]


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
    """The recording has every event that a plugin received in three runs of 1.18."""
    events = json.loads(EVENTS.read_text())[run]
    starts = sorted(bridge.play(*events))
    assert starts == [(session, "session.status") for session in sorted(sessions)]


@pytest.mark.parametrize(
    "name",
    [
        *("session.idle", "session.error", "session.compacted"),
        *("session.execution.succeeded", "session.execution.failed"),
        *("session.execution.interrupted", "session.renamed", "session.revert.committed"),
    ],
)
def test_every_event_that_may_end_a_turn_starts_the_hook(bridge: Bridge, name: str) -> None:
    assert bridge.play(event(name)) == [("ses_1", name)]
    bridge.log.unlink()
    assert bridge.play({"type": name, "data": {"sessionID": "ses_2"}}) == [("ses_2", name)]


def test_late_title_starts_the_hook_again(bridge: Bridge) -> None:
    steps = [*PROMPT, event("session.idle"), LATER, info("session.updated")]
    names = sorted(name for _, name in bridge.play(*steps))  # two processes end in either order
    assert names == ["session.idle", "session.updated"]


def test_rename_of_an_old_session_starts_the_hook(bridge: Bridge) -> None:
    assert bridge.play(info("session.updated")) == [("ses_1", "session.updated")]


def test_title_in_the_middle_of_a_turn_starts_nothing(bridge: Bridge) -> None:
    assert bridge.play(*PROMPT, LATER, info("session.updated")) == []


def test_three_events_of_one_abort_start_the_hook_once(bridge: Bridge) -> None:
    steps = [*PROMPT, event("session.error"), event("session.idle"), 60, event("session.idle")]
    assert bridge.play(*steps) == [("ses_1", "session.error")]


def test_exit_starts_the_hook_for_a_session_in_mid_turn(bridge: Bridge) -> None:
    """Ctrl-C in the TUI while a turn runs fires no idle event, only `dispose`."""
    assert bridge.play(*PROMPT, status("busy"), "dispose") == [("ses_1", "dispose")]


def test_exit_starts_nothing_for_a_session_without_new_events(bridge: Bridge) -> None:
    steps = [event("session.idle"), LATER, "dispose"]
    assert bridge.play(*steps) == [("ses_1", "session.idle")]


def test_hook_starts_for_each_of_two_sessions(bridge: Bridge) -> None:
    starts = bridge.play(event("session.idle", "ses_1"), event("session.idle", "ses_2"))
    assert sorted(starts) == [("ses_1", "session.idle"), ("ses_2", "session.idle")]


def test_deleted_session_starts_nothing(bridge: Bridge) -> None:
    assert bridge.play(part(), info("session.deleted"), event("session.deleted"), "dispose") == []


def test_event_stream_of_2_x_is_handled_without_blocking(bridge: Bridge) -> None:
    stream = [
        {"type": "session.created", "data": {"sessionID": "ses_1"}},
        {"type": "session.execution.succeeded", "data": {"sessionID": "ses_1"}},
        {"type": "session.created", "data": {"sessionID": "ses_2"}},
    ]
    starts = bridge.play({"stream": stream, "unload": True})
    assert sorted(starts) == [("ses_1", "session.execution.succeeded"), ("ses_2", "dispose")]


@pytest.mark.parametrize("context", [None, {}, {"event": None}, {"event": {}}])
def test_setup_returns_at_once_without_a_stream(bridge: Bridge, context: Any) -> None:
    """OpenCode 1.18 calls it in addition to the other function."""
    assert bridge.play({"setup": True, "context": context}) == []


@pytest.mark.parametrize(
    "invalid",
    [
        *(None, {}, {"type": 7}, {"type": "session.idle"}, {"properties": None}),
        *({"type": "session.idle", "properties": {"sessionID": 7}},),
        *({"type": "session.updated", "properties": {"info": {"id": "prj_1"}}},),
        *({"type": "session.idle", "properties": {"info": None, "part": None}},),
    ],
)
def test_invalid_event_is_ignored_silently(bridge: Bridge, invalid: Any) -> None:
    assert bridge.play(invalid, "dispose") == []


@pytest.mark.parametrize("command", [["/nowhere/python"], ["/etc/passwd"], ["/bin/true"]])
def test_hook_that_cannot_run_is_ignored_silently(tmp_path: Path, command: list[str]) -> None:
    bridge = Bridge(tmp_path, command)
    assert bridge.play(event("session.idle"), 100, event("session.idle", "ses_2"), 100) == []


def test_plugin_without_a_command_does_nothing(tmp_path: Path) -> None:
    bridge = Bridge(tmp_path)
    bridge.file.write_text(PLUGIN.read_text())
    assert bridge.play(event("session.idle"), "dispose") == []


def test_hook_survives_the_kill_of_opencodes_process_group(bridge: Bridge, tmp_path: Path) -> None:
    began, killed = tmp_path / "began", tmp_path / "killed"
    waits = f"touch {began}; until [ -e {killed} ]; do sleep 0.05; done"
    bridge = Bridge(
        tmp_path,
        [
            "/bin/sh",
            "-c",
            f'{waits}; echo "$1" > {bridge.log}.new; mv {bridge.log}.new {bridge.log}',
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
    _await(bridge.log)
    assert json.loads(bridge.log.read_text())["session_id"] == "ses_1"


def _await(path: Path) -> None:
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.02)


def test_event_reaches_the_spool_with_the_variables_that_locate_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy worker is simulated, because a free one would take the event at once."""
    hook = PLUGIN.with_name("opencode.py")
    bridge = Bridge(tmp_path, [sys.executable, "-I", "-S", str(hook)])
    spool = tmp_path / "ours" / "spool"
    spool.mkdir(parents=True)
    monkeypatch.setenv("OPENSYNC_HOOKS_HOME", str(spool.parent))
    monkeypatch.setenv("OPENCODE_DB", "mine.db")
    with (spool / "worker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        bridge.play(event("session.idle"))
    (event_file,) = spool.glob("*.opencode.event")
    payload = b'{"session_id":"ses_1","hook_event_name":"session.idle"}'
    assert event_file.read_bytes() == b"OPENCODE_DB=mine.db\0\n" + payload
