"""Kilo Code is read, counted and registered as OpenCode is, under its own names."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from opensync_hooks.agents import registry
from opensync_hooks.agents.settings_files import file_change
from opensync_hooks.agents.source import Source
from tests.opencode_home import RECORDED, OpenCodeHome, tally

ROOT = Path(__file__).parents[3]
RECORDING = RECORDED.parent / "kilo" / "7.7.9.sql"
NAMES = ("prompts", "answers", "calls", "results", "read", "written", "cost")
TRUTH = {
    "ses_dd23c8f55ffeWFrr1ZDlKWTaLR": (1, 1, 0, 0, 1_000, 12, 0.00318),
    "ses_dd23badbcffeSV702CI1gQWrpL": (1, 4, 4, 4, 10_500, 175, 0.025215),
    "ses_dd23a88e0ffer5UuZFIxEIp8Io": (1, 2, 1, 1, 3_200, 59, 0.010485),
    "ses_dd23a04d6ffeU72LFcasgfrMuK": (1, 2, 1, 1, 1_500, 30, 0.00495),
}
SUBAGENT = "ses_dd23a04d6ffeU72LFcasgfrMuK"
kilo = registry.get("kilo")
assert kilo


class KiloHome:
    def __init__(self, home: Path) -> None:
        self.path = home
        self.data = home / ".local" / "share" / "kilo"
        self.data.mkdir(parents=True)
        self.config = home / ".config" / "kilo"
        self.environ = {"HOME": str(home), "PATH": str(home)}

    def put(self, name: str = "kilo.db") -> Path:
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path)) as db:
            db.executescript(RECORDING.read_text())
        return path

    def session_ids(self, **environ: str) -> set[str]:
        return {located.session_id for located in self.source(**environ).sessions()}

    def source(self, **environ: str) -> Source:
        assert kilo
        return kilo.source({**self.environ, **environ})


@pytest.fixture
def kilo_home(home: Path) -> KiloHome:
    return KiloHome(home)


def test_sessions_arrive_with_every_figure_that_kilo_wrote(kilo_home: KiloHome) -> None:
    kilo_home.put()
    source = kilo_home.source()
    sessions = [session for located in source.sessions() for session in source.read(located)]
    tallies = {session.id: tally(session) for session in sessions}
    assert tallies == {name: dict(zip(NAMES, TRUTH[name], strict=True)) for name in TRUTH}
    assert {session.agent for session in sessions} == {"kilo"}
    assert {session.project_path for session in sessions} == {"/home/dev/proj"}
    assert not any(session.skipped for session in sessions)


def test_cost_of_a_subagent_counts_once(kilo_home: KiloHome) -> None:
    """Kilo adds it to the message that started the subagent, also if the user called it."""
    path = kilo_home.put()
    with closing(sqlite3.connect(path)) as db:
        total = db.execute("SELECT sum(cost) FROM session").fetchone()[0]
        parent = "ses_dd23a88e0ffer5UuZFIxEIp8Io"
        info = {"role": "assistant", "cost": 0.00495, "tokens": {}, "time": {"created": 1}}
        state = {"status": "completed", "metadata": {"sessionId": SUBAGENT}}
        part = {"type": "tool", "tool": "task", "callID": "c", "state": state}
        message = ("msg_z", parent, 1, 1, json.dumps(info))
        db.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?)", message)
        row = ("prt_z", "msg_z", parent, 1, 1, json.dumps(part))
        db.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?, ?)", row)
        db.commit()
    source = kilo_home.source()
    sessions = [session for located in source.sessions() for session in source.read(located)]
    costs = [charge.cost or 0 for session in sessions for charge in session.charges]
    assert round(sum(costs), 6) == round(total, 6) == 0.04383


def test_census_counts_what_the_reader_delivers(kilo_home: KiloHome) -> None:
    assert kilo
    kilo_home.put()
    located = kilo_home.source().find("ses_dd23a88e0ffer5UuZFIxEIp8Io")
    assert located
    parent, child = kilo.census(located, kilo_home.environ)
    assert (parent.counts.prompt_tokens, parent.counts.completion_tokens) == (3_200, 59)
    assert (child.session_id, child.counts.tool_calls, child.counts.tool_results) == (
        SUBAGENT,
        1,
        1,
    )


@pytest.mark.parametrize(
    ("name", "environ"),
    [
        ("kilo.db", {}),
        ("kilo-dev.db", {}),
        ("opencode-dev.db", {}),  # the name that a build of an earlier version left
        ("mine.db", {"KILO_DB": "mine.db"}),
        ("kilo.db", {"KILO_DISABLE_CHANNEL_DB": "1", "OPENCODE_DB": "nowhere.db"}),
    ],
)
def test_database_is_where_kilo_keeps_it(
    kilo_home: KiloHome, name: str, environ: dict[str, str]
) -> None:
    assert kilo
    kilo_home.put(name)
    assert kilo_home.session_ids(**environ) == {*TRUTH} - {SUBAGENT}
    located = kilo_home.source(**environ).find(SUBAGENT)
    assert located
    assert [*kilo.census(located, {**kilo_home.environ, **environ})]


def test_kilo_and_opencode_do_not_read_each_others_sessions(kilo_home: KiloHome) -> None:
    kilo_home.put()
    opencode_home = OpenCodeHome(kilo_home.path).put("1.2.1")
    opencode = {located.session_id for located in opencode_home.source().sessions()}
    assert opencode
    assert kilo_home.session_ids().isdisjoint(opencode)
    match = registry.find(SUBAGENT)
    assert match
    assert match[0].agent == "kilo"


def test_opensync_lists_its_sessions_under_a_name_of_their_own() -> None:
    assert registry.opensync_name("kilo") == "kilo-code"
    assert registry.label("kilo-code") == "Kilo Code"


def test_plugin_starts_the_hook_of_kilo_and_is_removed_without_a_trace(
    kilo_home: KiloHome,
) -> None:
    assert kilo
    kilo_home.config.mkdir(parents=True)
    (kilo_home.config / "kilo.json").write_text("{}")
    registration, env = kilo.registration, kilo_home.environ.get
    before = _tree(kilo_home.path)
    script = ROOT / "hooks" / registration.script
    python = kilo_home.path / "python3"
    file_change.apply_all(lambda: registration.plan(env, f"{python} -I -S {script}"))
    text = (kilo_home.config / "plugin" / "opensync-hooks.js").read_text()
    assert f"const COMMAND = {json.dumps([str(python), '-I', '-S', str(script)])}" in text
    lock = json.loads((kilo_home.config / "package-lock.json").read_text())
    assert lock["packages"][""]["dependencies"] == {"@kilocode/plugin": "*"}
    assert not (kilo_home.path / ".config" / "opencode").exists()
    file_change.apply_all(lambda: registration.plan_removal(env))
    assert _tree(kilo_home.path) == before


@pytest.mark.parametrize("version", ["7.0.33", "7.7.9", "1.0.0", "12.0.0"])
def test_plugin_has_its_default_export_for_every_version(kilo_home: KiloHome, version: str) -> None:
    """The numbers of a fork say nothing of OpenCode's versions."""
    assert kilo
    program = kilo_home.path / "kilo"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    change = kilo.registration.plan(kilo_home.environ.get, "/python /hooks/kilo.py")
    assert change
    assert change.after
    assert b"export default" in change.after


def test_hook_hands_on_the_variables_of_its_description() -> None:
    assert kilo
    script = (ROOT / "hooks" / "kilo.py").read_text()
    names = re.search(r"^VARIABLES = \((.*)\)$", script, re.MULTILINE)
    assert names
    assert tuple(re.findall(r'"(\w+)"', names[1])) == kilo.description.variables


def _tree(folder: Path) -> dict[str, bytes | None]:
    paths = (Path(root, name) for root, _, names in os.walk(folder) for name in names)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
