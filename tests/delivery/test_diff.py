"""A message is sent when the destination lacks it as it is now, and only then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from opensync_hooks.errors import UnreachableError
from opensync_hooks.model import Attachment, Reasoning
from tests.delivery.harness import Harness, message, no_fault, session, source_of
from tests.opensync import Fault

NOON = 1_790_000_000_000


def test_message_without_visible_parts_is_skipped(opensync: Harness) -> None:
    thought = message("m1", parts=(Reasoning("hm"),))
    outcome = opensync.deliver(thought, message("m2"), message("m3", parts=()), message("m4"))
    assert outcome.sent == 2
    assert opensync.texts() == ["m2", "m4"]


def test_times_never_contradict_the_order(embedded: Harness) -> None:
    times = (None, NOON, None, NOON - 5, NOON + 5)
    embedded.deliver(*(message(f"m{n}", created_at=time) for n, time in enumerate(times)))
    _, messages = embedded.stored()
    stored = [row["createdAt"] for row in messages if row["textContent"] != "m0"]
    assert stored == [NOON, NOON, NOON, NOON + 5]


def test_message_is_recognised_by_any_of_its_ids(opensync: Harness) -> None:
    """The agent's database has other ids than the transcript that was there first."""
    opensync.deliver(message("from-transcript", "half"))
    longer = message("from-database", "whole", aliases=("piece-2", "from-transcript"))
    opensync.deliver(longer)
    assert opensync.texts() == ["whole"]
    assert opensync.deliver(replace(longer, aliases=("from-transcript",))).sent == 0


def test_spare_copy_is_sent_only_if_the_destination_has_none(opensync: Harness) -> None:
    opensync.deliver(message("m1", "rich"))
    outcome = opensync.deliver(message("m1", "poor", spare=True), message("m2", "poor", spare=True))
    assert (outcome.sent, outcome.unchanged) == (1, 1)
    assert opensync.texts() == ["rich", "poor"]


def test_spare_copy_that_may_not_have_arrived_is_sent_again(opensync: Harness) -> None:
    """It is pending from before it is sent; taken for delivered, it would never arrive."""
    messages = [message("m1", "rich"), message("m2", "poor", spare=True)]
    opensync.fault = lambda _, body: Fault() if b"poor" in body else None
    with pytest.raises(UnreachableError):
        opensync.deliver(*messages)
    opensync.fault = no_fault
    assert opensync.deliver(*messages).sent == 1
    assert opensync.texts() == ["rich", "poor"]


def test_spare_copy_never_replaces_a_richer_one_that_is_pending(opensync: Harness) -> None:
    opensync.deliver(message("m1", "rich"))
    poor = session(message("m1", "poor", spare=True))
    assert opensync.syncer.sync(*source_of(poor), force=True).sent == 0
    assert opensync.texts() == ["rich"]


def test_undone_message_that_was_never_sent_arrives_with_its_mark(opensync: Harness) -> None:
    transcript = opensync.transcript()
    fork = transcript.line("user", "shared")
    transcript.line("user", "regretted")
    transcript.line("user", "instead", parent=fork)
    opensync.sync()
    assert opensync.texts() == ["shared", "[undone] regretted", "instead"]


def test_fields_of_the_store_alone_are_stored_there(embedded: Harness) -> None:
    original = message("m1", aliases=("piece-1",))
    embedded.deliver(original)
    embedded.deliver(replace(original, undone=True), git_branch="main", agent_version="1.2")
    session, (row,) = embedded.stored()
    assert row["extra"] == {"undone": True, "aliases": ["piece-1"]}
    assert (session["extra"]["gitBranch"], session["extra"]["agentVersion"]) == ("main", "1.2")


def test_change_that_the_destination_has_no_field_for_is_not_sent(
    opensync: Harness, embedded: Harness
) -> None:
    """Another alias changes nothing that OpenSync has; the embedded store keeps it."""
    for harness in (opensync, embedded):
        harness.deliver(message("m1"))
    changed = message("m1", aliases=("piece-1",))
    assert (opensync.deliver(changed).sent, embedded.deliver(changed).sent) == (0, 1)
    assert opensync.requests[-1][0] == "/sync/session"


def test_end_reason_that_opensync_has_no_field_for_is_not_sent(opensync: Harness) -> None:
    opensync.transcript().turn(1)
    opensync.sync()
    opensync.sync(end_reason="other")
    assert opensync.request_counts == {}


def test_end_reason_is_kept_when_later_runs_do_not_know_it(embedded: Harness) -> None:
    embedded.transcript().turn(1)
    embedded.sync(end_reason="clear")
    embedded.sync()
    assert embedded.stored()[0]["extra"]["endReason"] == "clear"


def test_field_that_changes_alone_is_sent_alone(embedded: Harness) -> None:
    embedded.deliver(message("m1"), git_branch="main")
    _, before = embedded.stored()
    outcome = embedded.deliver(message("m1"), git_branch="other")
    assert (outcome.sessions, outcome.sent, outcome.unchanged) == (1, 0, 1)
    session, messages = embedded.stored()
    assert session["extra"]["gitBranch"] == "other"
    assert messages == before


def test_text_that_the_user_took_back_is_removed(opensync: Harness) -> None:
    image = Attachment("image/png", 3)
    text = message("m1", "words")
    opensync.deliver(replace(text, parts=(*text.parts, image)))
    opensync.deliver(replace(text, parts=(image,)))
    assert opensync.texts() == [""]
