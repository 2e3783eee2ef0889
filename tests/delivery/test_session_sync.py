"""Sessions on their way to a destination: once each, in order, whatever happened before."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from opensync_hooks.config import load
from opensync_hooks.delivery import split
from opensync_hooks.delivery.outcome import SyncOutcome
from opensync_hooks.delivery.send import Limits
from opensync_hooks.delivery.session_lock import session_lock
from opensync_hooks.delivery.session_sync import ExcludedSession
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.errors import BusyError, SourceError, UnreachableError
from opensync_hooks.ledger import losses
from opensync_hooks.ledger.session_record import SessionRecord
from opensync_hooks.model import Charge, Session, Text, ToolCall, Usage
from opensync_hooks.privacy.exclusion import Exclusions
from opensync_hooks.server.routes import Response
from tests.desk import DATA, Desk, at_opensync, at_the_store, said, session, source, told
from tests.opensync import Fault, RealStore
from tests.transcripts import call, result, text


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with at_opensync(tmp_path) as made:
        yield made


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Desk]:
    with at_the_store(tmp_path) as made:
        yield made


def test_unchanged_session_costs_not_one_request(desk: Desk) -> None:
    desk.pen().turn(1)
    assert desk.sync().sent == 2
    assert (desk.sync().sent, desk.paths) == (0, {})


def test_each_turn_sends_only_itself(desk: Desk) -> None:
    pen = desk.pen()
    for number in range(1, 6):
        pen.turn(number)
        assert desk.sync().sent == 2
        assert desk.paths == {"/sync/session": 2, "/sync/message": 2}
    assert desk.texts() == [f"{of} {n}" for n in range(1, 6) for of in ("prompt", "answer")]


def test_answer_that_was_cut_short_is_completed_in_place(desk: Desk) -> None:
    pen = desk.pen()
    pen.line("user", "go")
    pen.says("m1", text("first half"))
    desk.sync()
    pen.says("m1", text("second half"))
    assert desk.sync().sent == 1
    assert desk.texts() == ["go", "first half\n\nsecond half"]


def test_line_that_was_half_written_is_no_loss_once_it_is_whole(embedded: Desk) -> None:
    pen = embedded.pen()
    pen.turn(1)
    with pen.path.open("ab") as file:
        file.write(b'{"type": "attachment"')
    ledger, where = embedded.syncer.ledger, embedded.syncer.destination.name
    embedded.sync()
    assert losses.total(ledger, where) == {"torn last line": 1}
    with pen.path.open("ab") as file:
        file.write(b"}\n")
    embedded.sync()
    assert losses.total(ledger, where) == {}


def test_result_that_comes_later_joins_its_call(desk: Desk) -> None:
    pen = desk.pen()
    pen.line("user", "go")
    pen.says("m1", call("t1"))
    desk.sync()
    pen.line("user", result("t1", "late"))
    desk.sync()
    found = desk.store.session("s1")
    assert found
    assert [part["type"] for part in found["messages"][1]["parts"]] == ["tool-call", "tool-result"]


def test_session_that_says_nothing_makes_no_session(desk: Desk) -> None:
    desk.pen().line("attachment", "bookkeeping")
    assert desk.sync().sessions == 0
    assert desk.paths == {}


def test_new_title_goes_alone_and_keeps_what_can_be_found(desk: Desk) -> None:
    pen = desk.pen()
    pen.turn(1)
    desk.sync()
    pen.raw(b'{"type":"custom-title","customTitle":"Better"}\n')
    desk.sync()
    found = desk.store.session("s1")
    assert found
    assert found["session"]["title"] == "Better"
    assert desk.paths == {"/sync/batch": 1, "/sync/session": 1}
    assert isinstance(desk.store, RealStore)
    assert "answer 1" in desk.store.search_text["s1"]


def test_totals_are_right_though_the_server_ignores_repeated_sessions(desk: Desk) -> None:
    pen = desk.pen()
    for number in range(1, 4):
        pen.turn(number)
        desk.sync()
    found = desk.store.session("s1")
    assert found
    assert (found["session"]["promptTokens"], found["session"]["completionTokens"]) == (3, 15)
    assert found["session"]["cost"] == pytest.approx(3 * (1 * 5 + 5 * 25) / 1e6)


def test_session_deleted_at_the_destination_is_sent_again_whole(desk: Desk) -> None:
    pen = desk.pen()
    pen.turn(1)
    desk.sync()
    desk.store.delete_session("s1")
    pen.turn(2)
    desk.sync()
    found = desk.store.session("s1")
    assert found
    assert desk.texts() == ["prompt 1", "answer 1", "prompt 2", "answer 2"]
    assert found["session"]["title"] == "prompt 1"
    assert found["session"]["createdAt"] == 1_767_225_601_000


def test_rewound_message_that_was_never_sent_stays_unsent(desk: Desk) -> None:
    pen = desk.pen()
    fork = pen.line("user", "shared")
    pen.line("user", "regretted")
    pen.line("user", "instead", parent=fork)
    desk.sync()
    assert desk.texts() == ["shared", "instead"]


def test_rewound_message_that_was_sent_is_marked_once_and_counted_still(desk: Desk) -> None:
    pen = desk.pen()
    fork = pen.line("user", "shared")
    pen.line("user", "regretted")
    pen.says("m1", text("wrong way"), output=100)
    desk.sync()
    pen.line("user", "instead", parent=fork)
    assert desk.sync().sent == 3
    assert desk.texts() == ["shared", "[undone] regretted", "[undone] wrong way", "instead"]
    assert desk.sync().sent == 0
    found = desk.store.session("s1")
    assert found
    assert found["session"]["completionTokens"] == 100


def test_clock_that_steps_back_does_not_turn_the_order(desk: Desk) -> None:
    pen = desk.pen()
    pen.line("user", "first")
    pen.line("user", "second", timestamp="2020-01-01T00:00:00Z")
    pen.line("user", "third")
    desk.sync()
    assert desk.texts() == ["first", "second", "third"]


def test_fork_does_not_bill_what_it_copied(embedded: Desk) -> None:
    embedded.record("05-fork")
    for number in (7, 8):
        embedded.sync(f"0000000{number}-0000-4000-8000-00000000000{number}")
    original, fork = (
        found["session"]
        for number in (7, 8)
        if (found := embedded.store.session(f"0000000{number}-0000-4000-8000-00000000000{number}"))
    )
    assert (original["completionTokens"], fork["completionTokens"]) == (312, 50)
    assert fork["extra"]["forkedFromExternalId"] == original["externalId"]
    assert fork["messageCount"] == 8


def test_subagents_come_with_their_parent_and_are_counted_once(embedded: Desk) -> None:
    embedded.record("02-subagents")
    wanted = "00000002-0000-4000-8000-000000000002"
    assert embedded.sync(wanted).sessions == 3
    sessions = embedded.store.sessions(limit=10)
    assert sum(one["completionTokens"] for one in sessions) == 250
    assert Counter(one["extra"].get("parentExternalId") for one in sessions) == {wanted: 2, None: 1}


def test_end_of_a_session_is_remembered_when_later_runs_do_not_know_it(embedded: Desk) -> None:
    embedded.pen().turn(1)
    embedded.sync(reason="clear")
    embedded.sync()
    found = embedded.store.session("s1")
    assert found
    assert found["session"]["extra"]["endReason"] == "clear"


def test_end_of_a_session_is_none_of_its_subagents(embedded: Desk) -> None:
    embedded.record("02-subagents")
    embedded.sync("00000002-0000-4000-8000-000000000002", reason="clear")
    ends = Counter(one["extra"].get("endReason") for one in embedded.store.sessions(limit=10))
    assert ends == {"clear": 1, None: 2}


def test_end_that_opensync_has_no_field_for_is_no_reason_to_send(desk: Desk) -> None:
    desk.pen().turn(1)
    desk.sync()
    desk.sync(reason="other")
    assert desk.paths == {}


def test_refused_message_is_set_aside_and_the_rest_goes_on(desk: Desk) -> None:
    pen = desk.pen()
    for number in range(1, 4):
        pen.turn(number)
    refusal = Fault(Response(500, b'{"error": "Error: Value is too large"}'))
    desk.fault = lambda _, body: refusal if b"answer 2" in body else None
    outcome = desk.sync()
    assert (outcome.sent, outcome.quarantined) == (5, 1)
    assert outcome.reason
    assert "too large" in outcome.reason
    assert desk.sync().sent == 0, "what was refused is not sent again as it was"
    desk.fault = lambda _path, _body: None
    assert desk.sync(force=True).sent == 6


def test_destination_that_goes_away_in_the_middle_gets_the_rest_later(desk: Desk) -> None:
    pen = desk.pen()
    for number in range(1, 4):
        pen.turn(number)
    desk.fault = lambda _, body: Fault() if b"prompt 2" in body else None
    with pytest.raises(UnreachableError):
        desk.sync()
    desk.fault = lambda _path, _body: None
    assert desk.sync().sent == 4
    assert desk.texts() == [f"{of} {n}" for n in range(1, 4) for of in ("prompt", "answer")]


def test_lost_answer_leads_to_one_row(desk: Desk) -> None:
    desk.pen().turn(1)
    lost = iter([Fault(stored=True)] * 5)
    desk.fault = lambda path, _: next(lost, None) if path == "/sync/message" else None
    with pytest.raises(UnreachableError):
        desk.sync()
    desk.sync()
    assert desk.texts() == ["prompt 1", "answer 1"]
    assert desk.store.stats()["messageCount"] == 2


def test_thinking_stays_at_home_unless_it_is_asked_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.record("01-print-tools-resume")
    wanted = "00000001-0000-4000-8000-000000000001"
    desk.sync(wanted)
    found = desk.store.session(wanted)
    assert "look around first" not in json.dumps(found)
    monkeypatch.setenv("OPENSYNC_HOOKS_THINKING", "1")
    object.__setattr__(desk.syncer, "config", load())
    desk.sync(wanted)
    assert "look around first" in json.dumps(desk.store.session(wanted))


def test_every_recorded_session_is_taken_by_the_real_rules(desk: Desk) -> None:
    for folder in sorted(DATA.iterdir()):
        shutil.copytree(folder, desk.folder / "projects" / f"-{folder.name}")
    for located in list(desk.source.sessions()):
        outcome = desk.sync(located.session_id)
        assert (outcome.quarantined, outcome.unchanged) == (0, 0)
        assert outcome.sent > 0


# ---- what a source may say of its messages -------------------------------------------------------


def test_message_is_known_by_any_of_its_names(desk: Desk) -> None:
    """The agent's database has other ids than the transcript that was all there was at first."""
    told(desk, said("from-transcript", "half"))
    told(desk, said("from-database", "whole", aliases=("piece-2", "from-transcript")))
    assert desk.texts() == ["whole"]
    assert told(desk, said("from-database", "whole", aliases=("from-transcript",))).sent == 0


def test_spare_copy_is_for_a_destination_that_has_nothing_better(desk: Desk) -> None:
    told(desk, said("m1", "rich"))
    outcome = told(desk, said("m1", "poor", spare=True), said("m2", "poor", spare=True))
    assert (outcome.sent, outcome.unchanged) == (1, 1)
    assert desk.texts() == ["rich", "poor"]


def test_spare_copy_that_may_not_have_arrived_is_sent_again(desk: Desk) -> None:
    """It is in doubt from before it is sent; counted as there, it would never come."""
    spare = [said("m1", "rich"), said("m2", "poor", spare=True)]
    desk.fault = lambda _, body: Fault() if b"poor" in body else None
    with pytest.raises(UnreachableError):
        told(desk, *spare)
    desk.fault = lambda _path, _body: None
    assert told(desk, *spare).sent == 1
    assert desk.texts() == ["rich", "poor"]


def test_spare_copy_stays_away_from_a_richer_one_that_is_in_doubt(desk: Desk) -> None:
    told(desk, said("m1", "rich"))
    poor = session(said("m1", "poor", spare=True))
    assert desk.syncer.sync(*source(poor), force=True).sent == 0
    assert desk.texts() == ["rich"]


RICH = {"origin": "database"}
POOR = {"origin": "transcript", "richer_origin": "database"}


def test_poorer_copy_adds_nothing_once_the_richer_one_was_delivered(desk: Desk) -> None:
    """Its messages have other ids: every text would be there twice."""
    told(desk, said("m1", "text"), **RICH)
    outcome = told(desk, said("line-1", "text"), **POOR)
    assert (outcome.sent, outcome.sessions) == (0, 0)
    assert list(desk.syncer.preview(*source(session(said("line-1", "text"), **POOR)))) == []
    assert desk.texts() == ["text"]


def test_richer_copy_replaces_the_poorer_one_message_by_message(desk: Desk) -> None:
    told(desk, said("line-1", "poor"), **POOR)
    told(desk, said("m1", "rich", aliases=("line-1",)), **RICH)
    assert desk.texts() == ["rich"]


def test_richer_copy_that_was_only_looked_at_bars_nothing(desk: Desk) -> None:
    list(desk.syncer.preview(*source(session(said("m1", "text"), **RICH))))
    assert told(desk, said("line-1", "text"), **POOR).sent == 1


def test_richer_copy_without_a_message_bars_nothing(desk: Desk) -> None:
    assert told(desk, **RICH).sessions == 0
    assert told(desk, said("line-1", "text"), **POOR).sent == 1


def test_richer_copy_that_never_arrived_bars_nothing(desk: Desk) -> None:
    desk.fault = lambda path, _: Fault() if path == "/sync/message" else None
    with pytest.raises(UnreachableError):
        told(desk, said("m1", "text"), **RICH)
    desk.fault = lambda _path, _body: None
    assert told(desk, said("line-1", "text"), **POOR).sent == 1


def test_richer_copy_that_arrived_in_part_bars_the_poorer_one(desk: Desk) -> None:
    desk.fault = lambda _, body: Fault() if b"second" in body else None
    with pytest.raises(UnreachableError):
        told(desk, said("m1", "first"), said("m2", "second"), **RICH)
    desk.fault = lambda _path, _body: None
    assert told(desk, said("line-1", "first"), said("line-2", "second"), **POOR).sent == 0


def test_what_one_destination_has_bars_nothing_from_another(desk: Desk, tmp_path: Path) -> None:
    told(desk, said("m1", "text"), **RICH)
    with Store(tmp_path / "other.db") as store:
        other = replace(desk.syncer, destination=store)
        assert other.sync(*source(session(said("line-1", "text"), **POOR))).sent == 1


def test_copy_that_was_delivered_by_an_older_version_is_remembered_as_soon_as_it_is_read(
    desk: Desk,
) -> None:
    told(desk, said("m1", "text"))
    told(desk, said("m1", "text"), **RICH)
    assert told(desk, said("line-1", "text"), **POOR).sent == 0


def test_text_that_was_taken_back_is_taken_back_there_too(desk: Desk) -> None:
    call = ToolCall("t1", "Bash", {})
    told(desk, replace(said("m1", "words"), parts=(Text("words"), call)))
    told(desk, replace(said("m1"), parts=(call,)))
    assert desk.texts() == [""]


def test_session_with_half_a_letter_in_its_id_is_delivered_too(desk: Desk) -> None:
    assert told(desk, said("m1"), name="s\ud800").sent == 1


def test_session_that_was_half_written_is_looked_at_again(desk: Desk) -> None:
    for partial in (True, False):
        written = source(session(said("m1"), is_partial=partial))
        assert desk.syncer.sync(*written).is_partial is partial
        assert desk.syncer.is_current(*written) is not partial


def test_session_that_opensync_could_not_open_goes_on_in_another(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split, "MAX_MESSAGES", 3)
    messages = [
        said(f"m{number}", charge=Charge(f"c{number}", "composer-2.5", Usage(output_tokens=10)))
        for number in range(5)
    ]
    assert told(desk, *messages[:3], title="Long").sessions == 1
    outcome = told(desk, *messages, title="Long")
    assert (outcome.sessions, outcome.sent, outcome.unchanged) == (1, 2, 3)
    assert (desk.texts("s1"), desk.texts("s1#2")) == (["m0", "m1", "m2"], ["m3", "m4"])
    assert told(desk, *messages, title="Long").sent == 0
    found = [desk.store.session(name) for name in ("s1", "s1#2")]
    heads = [one["session"] for one in found if one]
    assert [head["title"] for head in heads] == ["Long", "Long (part 2)"]
    assert [head["completionTokens"] for head in heads] == [30, 20]


def test_message_that_has_another_name_now_stays_in_the_volume_that_has_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split, "MAX_MESSAGES", 3)
    told(desk, *(said(f"m{number}") for number in range(5)))
    shorter = [said("m0"), said("m1"), said("new", "m3", aliases=("m3",)), said("m4")]
    assert told(desk, *shorter).sent == 0
    assert (desk.texts("s1"), desk.texts("s1#2")) == (["m0", "m1", "m2"], ["m3", "m4"])


def test_session_in_two_volumes_that_has_become_short_stays_in_both(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one again, what the second volume has would be there twice."""
    monkeypatch.setattr(split, "MAX_MESSAGES", 3)
    messages = [said(f"m{number}") for number in range(5)]
    told(desk, *messages)
    assert told(desk, messages[0], *messages[3:]).sent == 0
    assert (desk.texts("s1"), desk.texts("s1#2")) == (["m0", "m1", "m2"], ["m3", "m4"])


def test_call_counts_for_ever_in_the_volume_that_it_was_first_counted_in(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response is known by its tokens before it says a word; a rewind takes its message away."""
    monkeypatch.setattr(split, "MAX_MESSAGES", 3)
    charges = [Charge(f"c{number}", "m", Usage(output_tokens=1)) for number in range(6)]
    messages = [said(f"m{number}", charge=one) for number, one in enumerate(charges)]

    def tokens() -> list[int]:
        found = [desk.store.session(name) for name in ("s1", "s1#2")]
        return [one["session"]["completionTokens"] for one in found if one]

    told(desk, *messages[:5], charges=tuple(charges))
    assert tokens() == [4, 2]
    told(desk, *messages, charges=tuple(charges))
    assert tokens() == [4, 2]
    told(desk, *messages[:4], charges=tuple(charges))
    assert tokens() == [4, 2]
    told(desk, *messages[:3], charges=tuple(charges))
    assert tokens() == [4, 2]


def test_own_store_keeps_a_session_of_any_size_whole(
    embedded: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split, "MAX_MESSAGES", 3)
    told(embedded, *(said(f"m{number}") for number in range(9)))
    assert len(embedded.texts()) == 9


def test_messages_that_the_server_fails_on_without_a_word_are_counted(desk: Desk) -> None:
    pen = desk.pen()
    pen.turn(1)
    pen.turn(2)

    def fails(_path: str, body: bytes) -> Fault | None:
        error = Response(500, b'{"error":"Server Error"}')
        return Fault(error) if b"answer" in body else None

    desk.fault = fails
    outcome = desk.sync()
    assert (outcome.unclear, outcome.sent) == (2, 2)
    assert outcome.reason


def test_excluded_project_is_named_remembered_and_neither_sent_nor_previewed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.pen().turn(1)
    syncer = replace(desk.syncer, config=replace(desk.syncer.config, exclude=("/work",)))
    monkeypatch.setattr(desk, "syncer", syncer)
    outcome = desk.sync()
    why = "its project matches `/work` under exclude in config.toml"
    assert outcome == SyncOutcome("s1", excluded=why)
    assert desk.paths == {}
    located = desk.source.find("s1")
    assert located
    assert list(syncer.preview(desk.source, located)) == [ExcludedSession("s1", why)]
    exclusions = Exclusions.from_config(syncer.config)
    assert exclusions.remembers(desk.source.agent, "s1")


def test_session_of_a_project_that_is_gone_stays_here_as_it_did_before(desk: Desk) -> None:
    written = source(session(said("m1"), project_path="/nowhere/at/all"))
    Exclusions.from_config(desk.syncer.config).remember("cursor", "s1", "its project was closed")
    assert list(desk.syncer.preview(*written)) == [ExcludedSession("s1", "its project was closed")]
    assert desk.syncer.sync(*written) == SyncOutcome("s1", excluded="its project was closed")
    assert desk.paths == {}


def test_excluded_subagent_keeps_neither_its_parent_nor_the_others_back(desk: Desk) -> None:
    closed = session(said("c1"), name="closed", project_path="/closed")
    written = source(session(said("m1")), closed, session(said("o1"), name="open"))
    syncer = replace(desk.syncer, config=replace(desk.syncer.config, exclude=("/closed",)))
    main, hidden, other = syncer.preview(*written)
    assert not isinstance(main, ExcludedSession)
    assert not isinstance(other, ExcludedSession)
    assert (main.session.id, other.session.id) == ("s1", "open")
    why = "its project matches `/closed` under exclude in config.toml"
    assert hidden == ExcludedSession("closed", why)
    assert syncer.sync(*written).sessions == 2
    assert sorted(desk.store.session_ids()) == ["open", "s1"]


def test_private_session_is_not_even_read(desk: Desk) -> None:
    pen = desk.pen()
    pen.turn(1)
    located = desk.source.find("s1")
    assert located
    pen.path.unlink()
    pen.path.symlink_to("/etc/passwd")
    with pytest.raises(SourceError):
        desk.syncer.sync(desk.source, located)
    Exclusions.from_config(desk.syncer.config).keep_private(desk.source.agent, "s1")
    why = "private: its agent ran with OPENSYNC_HOOKS_PRIVATE"
    assert desk.syncer.sync(desk.source, located) == SyncOutcome("s1", excluded=why)
    assert list(desk.syncer.preview(desk.source, located)) == [ExcludedSession("s1", why)]
    assert desk.paths == {}


def test_preview_takes_no_call_away_from_the_session_that_will_pay_for_it(desk: Desk) -> None:
    desk.pen().turn(1)
    located = desk.source.find("s1")
    assert located
    list(desk.syncer.preview(desk.source, located))
    other = SessionRecord(
        desk.syncer.ledger, desk.syncer.destination.name, desk.source.agent, "fork"
    )
    assert set(other.claim_charges(["msg_s1_1"]).values()) == {"fork"}


def test_second_run_on_a_session_waits_its_turn_and_then_says_who_is_busy(desk: Desk) -> None:
    desk.pen().turn(1)
    located = desk.source.find("s1")
    assert located
    limits = Limits(lock_timeout=0.05)
    with desk.syncer.lock(desk.source, located, 1), pytest.raises(BusyError) as caught:
        desk.syncer.sync(desk.source, located, limits=limits)
    assert str(caught.value) == "s1: another run has been syncing the session for 0 s."
    hint = "The next hook delivers it, or `opensync-hooks sync`."
    assert caught.value.hint == hint
    assert desk.paths == {}
    with session_lock(desk.syncer.config.folders.locks, "cursor", "s1", 1):
        assert desk.syncer.sync(desk.source, located, limits=limits).sent == 2
    assert desk.syncer.sync(desk.source, located, limits=limits).unchanged == 2


def test_locks_are_for_their_user_alone(desk: Desk) -> None:
    desk.pen().turn(1)
    desk.sync()
    folder = desk.syncer.config.folders.locks
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {one.stat().st_mode & 0o777 for one in folder.iterdir()} == {0o600}


def test_preview_is_what_a_sync_then_delivers(embedded: Desk) -> None:
    paid = Charge("c1", "claude-opus-4-5", Usage(input_tokens=9, output_tokens=9))
    whole = session(said("m1", charge=paid), said("m2"), title="One", git_branch="main")
    (shown,) = embedded.syncer.preview(*source(whole))
    assert not isinstance(shown, ExcludedSession)
    head, extra = shown.session_payload()
    messages = [(message.body, message.extra) for message in shown.messages()]
    assert embedded.store.session_ids() == []
    embedded.syncer.sync(*source(whole))
    found = embedded.store.session("s1")
    assert found
    assert found["session"] | head == found["session"] | {"source": "cursor"}
    assert found["session"]["extra"] == extra
    for one, (body, more) in zip(found["messages"], messages, strict=True):
        assert one | body == one
        assert one["extra"] == more
    assert all(message.existing for message in shown.messages()), "it looks at the same ledger"


def test_outcome_tells_of_a_session_and_its_subagents_together(embedded: Desk) -> None:
    secret = "ghp_" + "a1B2c3D4e5" * 3 + "F6g7H8"
    main = session(
        said("m1", f"use {secret}"), said("m2"), title="Main", skipped={"torn lines": 1},
        is_partial=True,
    )  # fmt: skip
    child = session(
        said("c1", f"not {secret}"), name="child", title="Child", skipped={"torn lines": 2}
    )
    written = source(main, child, session(name="silent"))
    outcome = embedded.syncer.sync(*written)
    assert outcome == SyncOutcome(
        "s1", title="Main", sessions=2, sent=3, is_partial=True,
        redacted=outcome.redacted, losses={"torn lines": 3},
    )  # fmt: skip
    assert list(outcome.redacted.values()) == [2]
    assert embedded.syncer.sync(*written) == replace(outcome, sent=0, unchanged=3, redacted={})


def test_reason_of_a_failure_outlives_what_goes_well_after_it(desk: Desk) -> None:
    refusal = Fault(Response(500, b'{"error": "Error: Value is too large"}'))
    desk.fault = lambda _, body: refusal if b"m1" in body else None
    written = source(session(said("m1")), session(said("c1"), name="child"))
    outcome = desk.syncer.sync(*written)
    assert (outcome.sent, outcome.quarantined) == (1, 1)
    assert (
        outcome.reason
        == f"{desk.syncer.destination.name}: refused (500). Error: Value is too large"
    )


def test_masked_secrets_are_counted_by_kind(desk: Desk) -> None:
    secret = "ghp_" + "a1B2c3D4e5" * 3 + "F6g7H8"
    pen = desk.pen()
    pen.line("user", f"use {secret}")
    pen.says("m1", text(f"no, not {secret}"))
    masked = desk.sync().redacted
    assert sum(masked.values()) >= 2
    assert all(count > 0 for count in masked.values())


@pytest.mark.parametrize("wanted", [True, False])
def test_tokens_are_guessed_only_where_that_was_asked_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    seen: list[str] = []

    def guess(session: Session) -> Session:
        seen.append(session.id)
        return session

    monkeypatch.setattr("opensync_hooks.delivery.session_sync.estimate_tokens", guess)
    desk.syncer = replace(desk.syncer, config=replace(desk.syncer.config, estimate_tokens=wanted))
    desk.pen().turn(1)
    located = desk.source.find("s1")
    assert located
    list(desk.syncer.preview(desk.source, located))
    desk.sync()
    assert seen == (["s1", "s1"] if wanted else [])
