"""Nothing leaves from a process in which redaction does not work."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from opensync_hooks.config import Folders
from opensync_hooks.errors import OpenSyncError, RedactionError
from opensync_hooks.model import Trigger
from opensync_hooks.privacy import self_test
from opensync_hooks.privacy.redaction import named_values, redactor, tokens
from opensync_hooks.privacy.redaction.named_values import NamedFormat
from opensync_hooks.privacy.redaction.prefilter import Prefilter
from opensync_hooks.privacy.redaction.redactor import Redactor
from opensync_hooks.privacy.redaction.rule import Rule
from opensync_hooks.privacy.redaction.table import RULES
from opensync_hooks.privacy.redaction.tokens import TokenFormat
from opensync_hooks.privacy.self_test import PLANTED, PlantedSecret
from opensync_hooks.queue import worker
from tests.claude_user import ClaudeUser
from tests.commandline import run
from tests.opensync import real_opensync

WARNING = "Secrets are not masked reliably"


@pytest.fixture(autouse=True)
def _each_test_is_a_new_process() -> Iterator[None]:
    self_test.check.cache_clear()
    yield
    self_test.check.cache_clear()


def empty_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redactor, "_PREFILTER", Prefilter(()))


def miscompile(monkeypatch: pytest.MonkeyPatch, kinds: set[str]) -> None:
    """Have the patterns match nothing, as some of them did under CPython 3.11.2."""
    rules = [rule for rule in RULES if rule.kind in kinds]
    broken = {rule.pattern for rule in rules if isinstance(rule, Rule)}
    never = re.compile("(?!)")
    monkeypatch.setattr(
        redactor, "_compile", lambda pattern: never if pattern in broken else re.compile(pattern)
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
    assert len({planted.mechanism for planted in PLANTED}) == len(PLANTED) >= 11
    assert all(planted.secret in planted.text for planted in PLANTED)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.mechanism)
def test_mechanism_that_is_broken_is_named_with_a_cure(
    planted: PlantedSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = Redactor()
    working.redact_field(planted.field, planted.text)
    miscompile(monkeypatch, set(working.counts))
    with pytest.raises(RedactionError, match=WARNING) as caught:
        self_test.check()
    assert planted.mechanism in str(caught.value)
    assert caught.value.hint


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
    run_worker = worker._run

    def count(folders: Folders, end: float, *, at_once: bool) -> OpenSyncError | None:
        runs.append(folders)
        return run_worker(folders, end, at_once=at_once)

    monkeypatch.setattr(worker, "_run", count)
    worker.serve(Trigger("claude-code", "s1"), {})
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
