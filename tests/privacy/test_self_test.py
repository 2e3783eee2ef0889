"""Nothing leaves from a process in which redaction does not work."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opensync_hooks.config import Folders
from opensync_hooks.errors import OpenSyncError, RedactionError
from opensync_hooks.model import Trigger
from opensync_hooks.privacy import self_test
from opensync_hooks.privacy.redaction import named_values, redactor, tokens
from opensync_hooks.privacy.redaction.headers import HEADERS
from opensync_hooks.privacy.redaction.named_formats import NamedFormat
from opensync_hooks.privacy.redaction.prefilter import Prefilter
from opensync_hooks.privacy.redaction.private_keys import PRIVATE_KEYS
from opensync_hooks.privacy.redaction.proof import PLANTED, PLANTED_NAMED, PlantedSecret
from opensync_hooks.privacy.redaction.redactor import Redactor
from opensync_hooks.privacy.redaction.rule import Rule
from opensync_hooks.privacy.redaction.structured import STRUCTURED
from opensync_hooks.privacy.redaction.table import RULES
from opensync_hooks.privacy.redaction.tokens import TokenFormat
from opensync_hooks.queue import synchronous, worker
from tests.claude_user import ClaudeUser
from tests.commandline import run
from tests.opensync import real_opensync
from tests.pythons import find_pythons

ROOT = Path(__file__).parents[2]
WARNING = "Secrets are not masked reliably"


def forget_proofs() -> None:
    """A test is a new process."""
    self_test.check.cache_clear()
    redactor._PROVEN.clear()
    redactor._prove_names.cache_clear()


@pytest.fixture(autouse=True)
def _each_test_is_a_new_process() -> Iterator[None]:
    forget_proofs()
    yield
    forget_proofs()


def empty_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redactor, "_PREFILTER", Prefilter(()))


def miscompile(monkeypatch: pytest.MonkeyPatch, kinds: set[str]) -> None:
    """Have the patterns match nothing, as some of them did under CPython 3.11.2."""
    rules = [rule for rule in RULES if rule.kind in kinds]
    broken = {rule.pattern for rule in rules if isinstance(rule, Rule)}
    never = re.compile("(?!)")
    monkeypatch.setattr(
        redactor, "compiled", lambda pattern: never if pattern in broken else re.compile(pattern)
    )
    if any(isinstance(rule, NamedFormat) for rule in rules):
        monkeypatch.setattr(named_values, "compiled", lambda _: never)
    if any(isinstance(rule, TokenFormat) for rule in rules):
        monkeypatch.setattr(tokens, "_patterns", lambda _: (never, never))


def miscompile_all(monkeypatch: pytest.MonkeyPatch) -> None:
    miscompile(monkeypatch, {rule.kind for rule in RULES})


@pytest.fixture(params=[empty_the_table, miscompile_all])
def repair(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """Redaction is broken until this is called."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        request.param(monkeypatch)
        yield monkeypatch.undo


@pytest.fixture
def user(home: Path, monkeypatch: pytest.MonkeyPatch) -> ClaudeUser:
    monkeypatch.setattr(worker, "LINGER_SECONDS", 0.0)
    user = ClaudeUser(home)
    user.session("s1")
    return user


def test_redaction_works_under_this_python() -> None:
    self_test.check()


def test_each_mechanism_is_tested_by_a_secret_of_its_own() -> None:
    planted = (*PLANTED, *PLANTED_NAMED)
    assert len({secret.mechanism for secret in planted}) == len(planted) >= 7
    assert all(secret.secret in secret.text for secret in planted)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.mechanism)
def test_mechanism_that_is_broken_is_named_with_a_cure(
    planted: PlantedSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = Redactor()
    working.redact(planted.text)
    forget_proofs()
    miscompile(monkeypatch, set(working.counts))
    monkeypatch.setattr(redactor, "find_issued", lambda *_: ())  # or it would mask the token, too
    with pytest.raises(RedactionError, match=WARNING) as caught:
        self_test.check()
    assert any(name in str(caught.value) for name in (planted.mechanism, *working.counts))
    assert caught.value.hint


@pytest.mark.parametrize("text", [secret.text for secret in PLANTED_NAMED])
def test_names_are_proved_before_they_are_relied_on(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    miscompile(monkeypatch, {"api-key"})
    self_test.check()
    with pytest.raises(RedactionError, match=r"\(name, quoted name, .*, JSON within JSON\)"):
        Redactor().redact(text)
    assert Redactor().redact("no name at all") == "no name at all"
    with pytest.raises(RedactionError, match=WARNING):
        self_test.check_everything()


@pytest.mark.parametrize("rule", [*PRIVATE_KEYS, *STRUCTURED, *HEADERS], ids=lambda rule: rule.kind)
def test_rule_is_proved_before_it_is_relied_on(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    never = re.compile("(?!)")
    monkeypatch.setattr(
        redactor, "compiled", lambda text: never if text == rule.pattern else re.compile(text)
    )
    for text in (rule.examples[0].text, f"nothing beside it\n{rule.examples[0].text}"):
        with pytest.raises(RedactionError, match=WARNING) as caught:
            Redactor().redact(text)
        assert f"({rule.kind})" in str(caught.value)
    assert Redactor().redact("nothing beside it") == "nothing beside it"
    with pytest.raises(RedactionError, match=re.escape(f"({rule.kind})")):
        redactor.prove_everything()


WITH_POSSESSIVE_QUANTIFIERS = r"""
import json, re, sys
sys.path.insert(0, sys.argv[1])
from opensync_hooks.errors import RedactionError
from opensync_hooks.privacy.redaction import named_values, redactor, values
from opensync_hooks.privacy.redaction.commands import CommandFormat
from opensync_hooks.privacy.redaction.rule import Rule
from opensync_hooks.privacy.redaction.tokens import TokenFormat

ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^]\\])*\]|.", re.S)

def end_of(pattern, start):
    # where the atom at `start` ends: a character, a class or a group
    end = ATOM.match(pattern, start).end()
    if pattern[start] != "(":
        return end
    while pattern[end] != ")":
        end = end_of(pattern, end)
    return end + 1

def as_possessive(pattern):
    index = 0
    while index < len(pattern):
        if pattern.startswith("(?>", index):
            end, first = end_of(pattern, index), end_of(pattern, index + 3)
            if re.fullmatch(r"[*+?]|\{\d+,\d*\}", pattern[first : end - 1]):
                pattern = pattern[:index] + pattern[index + 3 : end - 1] + "+" + pattern[end:]
                continue
        index = ATOM.match(pattern, index).end()
    return pattern

redactor._compile = lambda pattern: re.compile(as_possessive(pattern))
named_values.compiled = values.compiled = redactor._compile
changed, leaked, stopped = 0, [], 0
for rule in redactor.RULES:
    if isinstance(rule, TokenFormat | CommandFormat):
        continue
    changed += isinstance(rule, Rule) and as_possessive(rule.pattern) != rule.pattern
    for example in rule.examples:
        try:
            if example.secret in redactor.Redactor().redact(example.text):
                leaked.append(rule.kind)
        except RedactionError:
            stopped += 1
json.dump([changed, leaked, stopped], sys.stdout)
"""


def test_nothing_passes_an_interpreter_that_compiles_patterns_wrongly() -> None:
    """CPython before 3.11.5 miscompiles possessive quantifiers (python/cpython#106052)."""
    for version, python in find_pythons().items():
        process = subprocess.run(
            [python, "-I", "-c", WITH_POSSESSIVE_QUANTIFIERS, str(ROOT)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert process.stderr == "", version
        changed, leaked, stopped = json.loads(process.stdout)
        assert changed > 10
        assert leaked == []
        is_broken = tuple(map(int, version.split("."))) < (3, 11, 5)
        assert bool(stopped) == is_broken, version


@pytest.mark.usefixtures("repair")
def test_failure_is_not_forgotten() -> None:
    for _ in range(2):
        with pytest.raises(RedactionError):
            self_test.check()


def test_success_is_tested_once_per_process(monkeypatch: pytest.MonkeyPatch) -> None:
    self_test.check()
    empty_the_table(monkeypatch)
    self_test.check()


def test_worker_sends_nothing_keeps_the_job_and_says_why(
    user: ClaudeUser, repair: Callable[[], None], ours: Path
) -> None:
    user.event("s1")
    worker.main()
    assert user.stored() == set()
    (job,) = user.spool.jobs()
    assert WARNING in str(job.error)
    assert WARNING in run("status").stdout
    assert "RedactionError" in (ours / "hooks.log").read_text()
    repair()
    worker.main(at_once=True)
    assert user.stored() == {"s1"}
    assert WARNING not in run("status").stdout


@pytest.mark.usefixtures("repair")
def test_waiting_hook_returns_at_once(user: ClaudeUser, monkeypatch: pytest.MonkeyPatch) -> None:
    """No further attempt helps, and the agent waits."""
    runs: list[object] = []
    run_worker = worker.run_once

    def count(folders: Folders, end: float, *, at_once: bool) -> OpenSyncError | None:
        runs.append(folders)
        return run_worker(folders, end, at_once=at_once)

    monkeypatch.setattr(worker, "run_once", count)
    synchronous.serve(Trigger("claude-code", "s1"), {})
    assert len(runs) == 1
    assert len(user.spool.jobs()) == 1


def test_command_sends_nothing_to_a_server_and_says_why(
    user: ClaudeUser, repair: Callable[[], None], tmp_path: Path
) -> None:
    with real_opensync(tmp_path / "server") as (server, store, key):
        login = {"OPENSYNC_URL": server.url, "OPENSYNC_API_KEY": key}
        ran = run("sync", "s1", **login)
        assert ran.returncode == 1
        assert WARNING in ran.stderr
        assert store.sessions(limit=9) == []
        repair()
        assert run("sync", "s1", **login).returncode == 0
        assert len(store.sessions(limit=9)) == 1
    assert user.stored() == set()


@pytest.mark.usefixtures("repair")
def test_user_who_turned_redaction_off_is_not_stopped(user: ClaudeUser) -> None:
    assert run("sync", "s1", OPENSYNC_HOOKS_REDACT="0").returncode == 0
    assert user.stored() == {"s1"}


@pytest.mark.usefixtures("repair")
def test_doctor_says_that_secrets_are_not_masked() -> None:
    ran = run("doctor")
    assert ran.returncode == 1
    assert WARNING in ran.stdout
