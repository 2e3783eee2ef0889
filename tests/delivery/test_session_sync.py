"""A session goes through all steps: read, exclude, redact, price, split, diff, send, confirm."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from dataclasses import replace

import pytest

from opensync_hooks.delivery.diff import SessionDiff
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.errors import SourceError
from opensync_hooks.ledger import losses
from opensync_hooks.ledger.sync_state import SyncState
from opensync_hooks.model import Charge, Session, Skipped, Usage
from opensync_hooks.privacy.exclusion import Exclusions
from tests.delivery.harness import RECORDINGS, SECRET, Harness, message, session, source_of
from tests.transcripts import call, result, text

TORN = Skipped("unreadable", "torn lines")
SUBAGENTS = "00000002-0000-4000-8000-000000000002"

# ---- transcripts ---------------------------------------------------------------------------------


def test_unchanged_session_costs_no_request(opensync: Harness) -> None:
    opensync.transcript().turn(1)
    assert opensync.sync().sent == 2
    assert (opensync.sync().sent, opensync.request_counts) == (0, {})


def test_each_turn_sends_only_itself(opensync: Harness) -> None:
    transcript = opensync.transcript()
    for number in range(1, 6):
        transcript.turn(number)
        assert opensync.sync().sent == 2
        look = "/api/sessions?limit=50" if number == 1 else "/api/sessions?limit=3"
        posts = 2 if number == 1 else 1
        assert opensync.request_counts == {look: 1, "/sync/session": posts, "/sync/message": 2}
    assert opensync.texts() == [f"{kind} {n}" for n in range(1, 6) for kind in ("prompt", "answer")]


def test_answer_that_was_half_written_is_completed_in_place(opensync: Harness) -> None:
    transcript = opensync.transcript()
    transcript.line("user", "go")
    transcript.respond("m1", text("first half"))
    opensync.sync()
    transcript.respond("m1", text("second half"))
    assert opensync.sync().sent == 1
    assert opensync.texts() == ["go", "first half\n\nsecond half"]


def test_half_written_line_is_no_loss_once_it_is_complete(embedded: Harness) -> None:
    transcript = embedded.transcript()
    transcript.turn(1)
    transcript.write(b'{"type": "progress"')
    ledger, destination = embedded.syncer.ledger, embedded.syncer.destination.name
    assert embedded.sync().state is SyncState.WAITING
    os.utime(transcript.path, (0, 0))
    assert embedded.sync().state is SyncState.INCOMPLETE
    assert losses.total(ledger, destination) == {"torn last line": 1}
    transcript.write(b"}\n")
    embedded.sync()
    assert losses.total(ledger, destination) == {}


@pytest.mark.parametrize(("depth", "losses_by_kind"), [(20, {}), (300, {losses.DEEP_VALUES: 1})])
def test_values_that_are_nested_too_deeply_are_a_loss_with_a_name(
    opensync: Harness, depth: int, losses_by_kind: dict[str, int]
) -> None:
    deep: object = "x"
    for _ in range(depth):
        deep = {"x": [deep]}
    read = {"tool": "Read", "arguments": {"path": "a.py"}}
    arguments = {"calls": [read, deep]} if depth < 100 else {"path": deep}
    transcript = opensync.transcript()
    transcript.line("user", "go")
    transcript.respond("m1", call("c1") | {"input": arguments})
    opensync.sync()
    ledger = opensync.syncer.ledger
    assert losses.total(ledger, opensync.syncer.account()) == losses_by_kind


def test_result_that_comes_later_joins_its_call(opensync: Harness) -> None:
    transcript = opensync.transcript()
    transcript.line("user", "go")
    transcript.respond("m1", call("t1"))
    opensync.sync()
    transcript.line("user", result("t1", "late"))
    opensync.sync()
    _, messages = opensync.stored()
    assert [part["type"] for part in messages[1]["parts"]] == ["tool-call", "tool-result"]


def test_session_without_a_message_is_not_created(opensync: Harness) -> None:
    opensync.transcript().line("attachment", "bookkeeping")
    assert opensync.sync().sessions == 0
    assert opensync.request_counts == {}


def test_undone_message_that_was_sent_is_marked_once_and_still_counted(opensync: Harness) -> None:
    transcript = opensync.transcript()
    fork = transcript.line("user", "shared")
    transcript.line("user", "regretted")
    transcript.respond("m1", text("wrong way"), output=100)
    opensync.sync()
    transcript.line("user", "instead", parent=fork)
    assert opensync.sync().sent == 3
    assert opensync.texts() == ["shared", "[undone] regretted", "[undone] wrong way", "instead"]
    assert opensync.sync().sent == 0
    assert opensync.stored()[0]["completionTokens"] == 100


@pytest.mark.parametrize("is_sent", [True, False])
def test_message_undone_before_its_delivery_is_sent_unless_the_user_keeps_it(
    opensync: Harness, is_sent: bool
) -> None:
    config = replace(opensync.syncer.config, undone=is_sent)
    opensync.syncer = replace(opensync.syncer, config=config)
    undone = message("m1", "wrong way", undone=True)
    outcome = opensync.deliver(undone, message("m2", "right way"))
    assert opensync.texts() == ["[undone] wrong way"] * is_sent + ["right way"]
    assert outcome.losses == ({} if is_sent else {losses.WITHHELD_UNDONE: 1})
    assert outcome.state is SyncState.SYNCED
    config = replace(config, undone=True)
    opensync.syncer = replace(opensync.syncer, config=config)
    opensync.deliver(undone, message("m2", "right way"))
    assert "[undone] wrong way" in opensync.texts()
    assert losses.total(opensync.syncer.ledger, opensync.syncer.destination.name) == {}


def test_message_undone_after_its_delivery_is_marked_also_if_such_messages_stay_at_home(
    opensync: Harness,
) -> None:
    opensync.syncer = replace(opensync.syncer, config=replace(opensync.syncer.config, undone=False))
    opensync.deliver(message("m1", "wrong way"))
    assert opensync.deliver(message("m1", "wrong way", undone=True)).losses == {}
    assert opensync.texts() == ["[undone] wrong way"]


def test_clock_that_steps_back_keeps_the_order(opensync: Harness) -> None:
    transcript = opensync.transcript()
    transcript.line("user", "first")
    transcript.line("user", "second", timestamp="2020-01-01T00:00:00Z")
    transcript.line("user", "third")
    opensync.sync()
    assert opensync.texts() == ["first", "second", "third"]


def test_subagents_are_delivered_with_their_parent_and_counted_once(embedded: Harness) -> None:
    embedded.copy_recording("02-subagents")
    assert embedded.sync(SUBAGENTS, end_reason="clear").sessions == 3
    sessions = embedded.store.sessions(limit=10)
    assert sum(row["completionTokens"] for row in sessions) == 250
    extras = [row["extra"] for row in sessions]
    parents = Counter(extra.get("parentExternalId") for extra in extras)
    assert parents == {SUBAGENTS: 2, None: 1}
    assert Counter(extra.get("endReason") for extra in extras) == {"clear": 1, None: 2}


def test_server_accepts_every_recorded_session(opensync: Harness) -> None:
    for folder in RECORDINGS.iterdir():
        shutil.copytree(folder, opensync.folder / "projects" / f"-{folder.name}")
    for located in list(opensync.source.sessions()):
        outcome = opensync.sync(located.session_id)
        assert (outcome.quarantined, outcome.unchanged) == (0, 0)
        assert outcome.sent > 0


# ---- outcomes ------------------------------------------------------------------------------------


def test_session_that_is_being_written_is_read_again(opensync: Harness) -> None:
    for is_partial in (True, False):
        located = source_of(session(message("m1"), is_partial=is_partial))
        assert opensync.syncer.sync(*located).is_partial is is_partial
        state = opensync.syncer.state(*located)
        assert state is (None if is_partial else SyncState.UP_TO_DATE)


def test_outcome_adds_up_a_session_and_its_subagents(embedded: Harness) -> None:
    messages = (message("m1", f"use {SECRET}"), message("m2"))
    main = session(*messages, title="Main", skipped={TORN: 1}, is_partial=True)
    subagent = session(
        message("c1", f"not {SECRET}"), session_id="sub", title="Sub", skipped={TORN: 2}
    )
    located = source_of(main, subagent, session(session_id="silent"))
    outcome = embedded.syncer.sync(*located)
    assert outcome == SyncOutcome(
        "s1", title="Main", sessions=2, sent=3, is_partial=True,
        redacted={"github-token": 2}, skipped={TORN: 3},
    )  # fmt: skip
    assert embedded.syncer.sync(*located) == replace(outcome, sent=0, unchanged=3, redacted={})


# ---- preview -------------------------------------------------------------------------------------


def test_preview_is_what_a_sync_then_delivers(embedded: Harness) -> None:
    charge = Charge("c1", "claude-opus-4-5", Usage(input_tokens=9, output_tokens=9))
    messages = (message("m1", charge=charge), message("m2"))
    located = source_of(session(*messages, title="One", git_branch="main"))
    (changes,) = embedded.syncer.preview(*located)
    assert isinstance(changes, SessionDiff)
    body, extra = changes.session_payload()
    due = list(changes.messages())
    assert embedded.store.session_ids() == []
    embedded.syncer.sync(*located)
    stored, rows = embedded.stored()
    assert stored | body == stored
    assert stored["extra"] == extra
    for row, diff in zip(rows, due, strict=True):
        assert row | diff.body == row
        assert row["extra"] == diff.extra
    (again,) = embedded.syncer.preview(*located)
    assert isinstance(again, SessionDiff)
    assert all(diff.existing for diff in again.messages()), "it looks at the same ledger"


def test_forced_preview_is_what_a_forced_sync_then_delivers(embedded: Harness) -> None:
    located = source_of(session(message("m1"), message("m2")))
    embedded.syncer.sync(*located)
    for force in (False, True):
        (changes,) = embedded.syncer.preview(*located, force=force)
        assert isinstance(changes, SessionDiff)
        due = sum(diff.is_due for diff in changes.messages())
        assert embedded.syncer.sync(*located, force=force).sent == due == 2 * force


@pytest.mark.parametrize("is_enabled", [True, False])
def test_tokens_are_estimated_only_on_request(
    opensync: Harness, monkeypatch: pytest.MonkeyPatch, is_enabled: bool
) -> None:
    estimated: list[str] = []

    def estimate(session: Session) -> Session:
        estimated.append(session.id)
        return session

    monkeypatch.setattr("opensync_hooks.delivery.session_sync.estimate_tokens", estimate)
    config = replace(opensync.syncer.config, estimate_tokens=is_enabled)
    opensync.syncer = replace(opensync.syncer, config=config)
    opensync.transcript().turn(1)
    list(opensync.syncer.preview(opensync.source, opensync.locate()))
    opensync.sync()
    assert estimated == (["s1", "s1"] if is_enabled else [])


# ---- exclusion -----------------------------------------------------------------------------------


def test_excluded_project_is_remembered_and_neither_sent_nor_previewed(opensync: Harness) -> None:
    opensync.transcript().turn(1)
    config = replace(opensync.syncer.config, exclude=("/work",))
    opensync.syncer = replace(opensync.syncer, config=config)
    reason = "its project matches `/work` under exclude in config.toml"
    assert opensync.sync() == SyncOutcome("s1", excluded=reason)
    assert opensync.request_counts == {}
    preview = opensync.syncer.preview(opensync.source, opensync.locate())
    assert list(preview) == [SyncOutcome("s1", excluded=reason)]
    assert Exclusions.from_config(config).was_excluded(opensync.source.agent, "s1")


def test_session_stays_excluded_when_its_project_is_gone(opensync: Harness) -> None:
    located = source_of(session(message("m1"), project_path="/nowhere/at/all"))
    exclusions = Exclusions.from_config(opensync.syncer.config)
    exclusions.record("cursor", "s1", "its project was closed")
    excluded = SyncOutcome("s1", excluded="its project was closed")
    assert list(opensync.syncer.preview(*located)) == [excluded]
    assert opensync.syncer.sync(*located) == excluded
    assert opensync.request_counts == {}


def test_excluded_subagent_does_not_exclude_its_parent_or_the_others(opensync: Harness) -> None:
    closed = session(message("c1"), session_id="closed", project_path="/closed")
    main = session(message("m1"), project_path="/open")
    located = source_of(main, closed, session(message("o1"), session_id="open"))
    config = replace(opensync.syncer.config, exclude=("/closed",))
    syncer = replace(opensync.syncer, config=config)
    reason = "its project matches `/closed` under exclude in config.toml"
    first, subagent, other = syncer.preview(*located)
    assert subagent == SyncOutcome("closed", excluded=reason)
    assert isinstance(first, SessionDiff)
    assert isinstance(other, SessionDiff)
    assert (first.session.id, other.session.id) == ("s1", "open")
    assert syncer.sync(*located).sessions == 2
    assert sorted(opensync.store.session_ids()) == ["open", "s1"]


def test_private_session_is_not_even_read(opensync: Harness) -> None:
    transcript = opensync.transcript()
    transcript.turn(1)
    located = opensync.locate()
    transcript.path.unlink()
    transcript.path.symlink_to("/etc/passwd")
    with pytest.raises(SourceError):
        opensync.syncer.sync(opensync.source, located)
    Exclusions.from_config(opensync.syncer.config).keep_private(opensync.source.agent, "s1")
    reason = "private: its agent ran with OPENSYNC_HOOKS_PRIVATE"
    assert opensync.syncer.sync(opensync.source, located) == SyncOutcome("s1", excluded=reason)
    preview = opensync.syncer.preview(opensync.source, located)
    assert list(preview) == [SyncOutcome("s1", excluded=reason)]
    assert opensync.request_counts == {}
