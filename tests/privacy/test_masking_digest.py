"""When rules improve, what older rules let through is named, and can be brought into line."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from opensync_hooks.config import load
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.privacy import masking_digest
from opensync_hooks.privacy.redaction import redactor
from opensync_hooks.privacy.redaction.named_formats import NamedFormat
from opensync_hooks.privacy.redaction.prefilter import Prefilter
from opensync_hooks.privacy.redaction.rule import Example, Rule
from opensync_hooks.privacy.redaction.table import RULES
from tests.commandline import run
from tests.transcripts import TranscriptWriter, call, result, text

SECRET = "nova-" + "7Qx4" * 6
Update = Callable[[], None]
NEW_RULE = Rule("nova-token", ("nova",), r"nova-\w{24}", (Example(SECRET),), ("nova-scotia",))


@pytest.fixture(autouse=True)
def _sessions(home: Path) -> None:
    for name, words in (("s1", SECRET), ("s2", "nothing secret")):
        writer = TranscriptWriter(home / ".claude" / "projects" / "-work" / f"{name}.jsonl")
        writer.line("user", f"use {words}")
        writer.respond("msg_1", {**call("t1"), "input": {"command": f"echo {words}"}})
        writer.line("user", result("t1", words))
        writer.respond("msg_2", text("done"))


@pytest.fixture
def update(tmp_path: Path) -> Iterator[Update]:
    """Installs a version with a new format when it is called."""
    (tmp_path / "tokens.txt").touch()
    with pytest.MonkeyPatch.context() as monkeypatch:

        def install() -> None:
            rules = (*RULES, NEW_RULE)
            searched = [rule for rule in rules if not isinstance(rule, NamedFormat)]
            monkeypatch.setattr(redactor, "_PREFILTER", Prefilter(searched))
            monkeypatch.setattr(masking_digest, "_RULES", tmp_path)
            masking_digest._rules_digest.cache_clear()

        yield install
    masking_digest._rules_digest.cache_clear()


def stored() -> str:
    with Store(load().folders.store) as store:
        return json.dumps([store.session("s1"), store.session("s2")])


def test_sessions_that_older_rules_masked_are_counted_and_brought_into_line(update: Update) -> None:
    run("sync", "--all")
    assert "older rules" not in run("status").stdout
    update()
    shown = run("status").stdout
    assert "masked; 2 sessions by older rules or settings: opensync-hooks sync --all" in shown
    assert SECRET in stored()
    ran = run("verify")
    assert ran.returncode == 1
    assert "was masked by older rules" in ran.stdout
    assert "is different" not in ran.stdout
    run("sync", "--all")
    assert "older rules" not in run("status").stdout
    assert SECRET not in stored()
    assert "[redacted:nova-token]" in stored()
    assert run("verify").returncode == 0


def test_repair_brings_into_line_too(update: Update) -> None:
    run("sync", "--all")
    update()
    run("verify", "--repair")
    assert SECRET not in stored()


def test_real_difference_is_not_taken_for_an_older_mask(update: Update, home: Path) -> None:
    run("sync", "--all")
    update()
    path = home / ".claude" / "projects" / "-work" / "s1.jsonl"
    path.write_text(path.read_text().replace("done", "all done"))
    shown = run("verify", "s1").stdout
    assert "is different" in shown
    assert "was masked by older rules" in shown


def test_session_that_goes_on_is_masked_anew_as_a_whole(update: Update, home: Path) -> None:
    run("sync", "--all")
    update()
    path = home / ".claude" / "projects" / "-work" / "s1.jsonl"
    writer = TranscriptWriter(path, first=10)
    writer.line("user", "go on")
    run("sync")
    assert SECRET not in stored()
    assert "1 session by older rules" in run("status").stdout


def test_digest_stands_for_rules_and_the_users_own_patterns_and_exceptions() -> None:
    config = load()
    variants = [
        config,
        replace(config, redact=False),
        replace(config, patterns=(("mine", re.compile("x+")),)),
        replace(config, allow=(re.compile("x+"),)),
    ]
    assert len({masking_digest.masking_digest(variant) for variant in variants}) == 4
    same = replace(config, thinking=True, exclude=("/x",), url="https://x.example")
    assert masking_digest.masking_digest(same) == masking_digest.masking_digest(config)


def test_digest_changes_with_every_file_of_the_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = shutil.copytree(masking_digest._RULES, tmp_path / "rules")
    monkeypatch.setattr(masking_digest, "_RULES", rules)
    digests = set()
    for name in (None, "tokens.txt", "names.py", "redactor.py"):
        if name:
            with (rules / name).open("a") as file:
                file.write("# changed\n")
        masking_digest._rules_digest.cache_clear()
        digests.add(masking_digest.masking_digest(load()))
    masking_digest._rules_digest.cache_clear()
    assert len(digests) == 4


def test_rules_are_not_imported_to_know_the_digest() -> None:
    program = """
import sys
from opensync_hooks.config import load
from opensync_hooks.privacy.masking_digest import masking_digest
assert masking_digest(load())
assert not [name for name in sys.modules if name.startswith("opensync_hooks.privacy.redaction")]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
