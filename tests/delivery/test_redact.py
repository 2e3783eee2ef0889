"""What the user's settings keep at home is taken out before a session is priced, split or sent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from opensync_hooks.config import load
from opensync_hooks.delivery.redact import redact
from tests.delivery.harness import SECRET, Harness, message, session
from tests.transcripts import text


def test_each_message_counts_its_own_redactions_on_every_walk() -> None:
    redacted = redact(session(message("m1", f"use {SECRET}"), message("m2")), load())
    for _ in range(2):
        counts = [sum(message.redacted.values()) for message in redacted.messages]
        assert counts == [1, 0]


def test_secrets_are_counted_when_they_are_sent_and_not_again(opensync: Harness) -> None:
    messages = [message("m1", f"use {SECRET}"), message("m2"), message("m3", f"not {SECRET}")]
    assert sum(opensync.deliver(*messages).redacted.values()) == 2
    assert opensync.deliver(*messages).redacted == {}
    assert "ghp_" not in json.dumps(opensync.stored())


def test_secrets_of_a_transcript_are_counted_by_kind(opensync: Harness) -> None:
    transcript = opensync.transcript()
    transcript.line("user", f"use {SECRET}")
    transcript.respond("m1", text(f"no, not {SECRET}"))
    assert opensync.sync().redacted == {"github-token": 2}


def test_title_is_redacted_as_the_messages_are(opensync: Harness) -> None:
    opensync.deliver(message("m1"), title=f"use {SECRET}")
    assert "ghp_" not in opensync.stored()[0]["title"]


def test_thinking_is_sent_only_on_request(
    opensync: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    opensync.copy_recording("01-print-tools-resume")
    session_id = "00000001-0000-4000-8000-000000000001"
    opensync.sync(session_id)
    assert "look around first" not in json.dumps(opensync.stored(session_id))
    monkeypatch.setenv("OPENSYNC_HOOKS_THINKING", "1")
    opensync.syncer = replace(opensync.syncer, config=load())
    opensync.sync(session_id)
    assert "look around first" in json.dumps(opensync.stored(session_id))
