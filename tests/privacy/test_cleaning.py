"""Whatever the settings keep here is removed from every text of a session and a message."""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opensync_hooks.agents.claude_code.source import ClaudeCodeSource
from opensync_hooks.config import Config, load
from opensync_hooks.delivery.session_sync import Syncer
from opensync_hooks.destinations.store.store import Store
from opensync_hooks.ledger.ledger import Ledger
from opensync_hooks.model import (
    Attachment,
    Message,
    Part,
    Reasoning,
    Session,
    Text,
    ToolCall,
    ToolResult,
)
from opensync_hooks.privacy.cleaning import clean_message, clean_session, mask_json
from opensync_hooks.privacy.redaction.rule import Example
from tests.privacy.test_redaction import EXAMPLES, FOLDS, break_at, fold_indexes
from tests.transcripts import TranscriptWriter, text

SECRET = "hunter2" + "hunter2"
ASSIGNED = f"DB_PASSWORD={SECRET}"
PASSWORD, API_KEY = "[redacted:password]", "[redacted:api-key]"
MASKED = f"DB_PASSWORD={PASSWORD}"
LONG = bool(os.environ.get("OPENSYNC_TEST_LONG"))


def clean(part: Part, config: Config, redactions: Counter[str] | None = None) -> Part:
    (cleaned,) = clean_message(Message("m1", "assistant", (part,)), config, redactions).parts
    return cleaned


def bash(arguments: Any) -> ToolCall:
    return ToolCall("c", "Bash", arguments)


@pytest.mark.parametrize(
    ("part", "cleaned"),
    [
        (Text(ASSIGNED), Text(MASKED)),
        (ToolResult("c", "Bash", ASSIGNED), ToolResult("c", "Bash", MASKED)),
        (Attachment("image/png", 7, f"{ASSIGNED}.png"), Attachment("image/png", 7, MASKED)),
        (bash({"command": ASSIGNED}), bash({"command": MASKED})),
        (bash(ASSIGNED), bash(MASKED)),
        (bash([{"a": [ASSIGNED]}]), bash([{"a": [MASKED]}])),
        (bash({"password": "word"}), bash({"password": "[redacted:password]"})),
        (bash({"password": 84736251}), bash({"password": "[redacted:password]"})),
        (bash({"passed": 120000, "pass": True}), bash({"passed": 120000, "pass": True})),
        (
            bash({"password": {"stringValue": "word"}}),
            bash({"password": {"stringValue": PASSWORD}}),
        ),
        (
            bash({"api": {"key": "q7sd9f2kd0sl3m4k"}}),
            bash({"api": {"key": API_KEY}}),
        ),
        (
            bash({"question": "What is the API key?", "answer": "q7sd9f2kd0sl3m4k"}),
            bash({"question": "What is the API key?", "answer": API_KEY}),
        ),
        (
            bash({"What hashes a password?": "bcrypt", "cache": {"key": "q7sd9f2k"}}),
            bash({"What hashes a password?": "bcrypt", "cache": {"key": "q7sd9f2k"}}),
        ),
        (bash({"total_tokens": 84736251}), bash({"total_tokens": 84736251})),
        (
            bash({"command": "mysql", "args": ["-u", "root", "-pé7Kd%\\x", "shop"]}),
            bash({"command": "mysql", "args": ["-u", "root", "-p[redacted:password]", "shop"]}),
        ),
        (
            bash({"argv": ["docker", "login", "-p", "qX7Kd9w2", "host"]}),
            bash({"argv": ["docker", "login", "-p", "[redacted:password]", "host"]}),
        ),
        (bash({"args": ["mysql", 7, "-p"]}), bash({"args": ["mysql", 7, "-p"]})),
        (bash({"tokens": 4, "b": None, "c": True}), bash({"tokens": 4, "b": None, "c": True})),
        (
            bash({"sh": json.dumps({"password": SECRET})}),
            bash({"sh": '{"password": "[redacted:password]"}'}),
        ),
        (
            bash({"sh": json.dumps({"sh": json.dumps({"password": SECRET})})}),
            bash({"sh": '{"sh": "{\\"password\\": \\"[redacted:password]\\"}"}'}),
        ),
    ],
    ids=repr,
)
def test_every_text_of_a_part_is_redacted(part: Part, cleaned: Part) -> None:
    redactions = Counter[str]()
    assert clean(part, load(), redactions) == cleaned
    assert sum(redactions.values()) == (part != cleaned)


def test_thinking_is_redacted_if_it_is_sent() -> None:
    config = replace(load(), thinking=True)
    assert clean(Reasoning(ASSIGNED), config) == Reasoning(MASKED)
    assert clean_message(Message("m", "assistant", (Reasoning("x"),)), load()).parts == ()


def test_keys_of_arguments_stay_unless_they_are_secrets() -> None:
    token = "gh" + "p_" + "4kQ7xB2mZ9" * 4
    call = clean(ToolCall("c", "x", {"password": "a b", token: "x", "key": "value"}), load())
    assert call == ToolCall(
        "c",
        "x",
        {"password": "[redacted:password]", "[redacted:github-token]": "x", "key": "value"},
    )


def test_arguments_of_any_depth_are_redacted() -> None:
    deep: Any = ASSIGNED
    for _ in range(400):
        deep = {"x": [deep]}
    call = clean(ToolCall("c", "x", deep), load())
    assert isinstance(call, ToolCall)
    assert SECRET not in json.dumps(call.arguments)


def test_texts_of_a_session_are_redacted_and_its_ids_stay() -> None:
    session = Session(
        id="s1", agent="claude-code", title=ASSIGNED, project_path=f"/work/{ASSIGNED}",
        git_branch=f"fix/{ASSIGNED}", model=ASSIGNED, parent_id="s0", agent_version=ASSIGNED,
        end_reason=ASSIGNED,
    )  # fmt: skip
    assert clean_session(session, load()) == replace(
        session,
        title=MASKED, project_path=f"/work/{MASKED}", git_branch=f"fix/{MASKED}", model=MASKED,
        agent_version=MASKED, end_reason=MASKED,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("title", "masked"),
    [
        ("use ghp_4kQ7xB2mZ9af4kQ7 xB2mZ9af4kQ7xB2mZ9af now", "use [redacted:github-token] now"),
        (
            'is "ghp_4kQ7xB2mZ9af4kQ7" + "xB2mZ9af4kQ7xB2mZ9af" it',
            'is "[redacted:github-token]" it',
        ),
        ("MY_TOKEN=4kQ7xB2mZ9af 4kQ7xB2mZ9af done", "MY_TOKEN=[redacted:token] done"),
        ("run build2 then fixIt and 'a' + 'b'", "run build2 then fixIt and 'a' + 'b'"),
    ],
)
def test_secret_in_a_title_is_masked_where_a_line_ended_in_it(title: str, masked: str) -> None:
    assert clean_session(Session("s1", "claude-code", title=title), load()).title == masked


def test_model_and_name_of_a_message_are_redacted() -> None:
    message = Message("m1", "assistant", (Text("hi"),), model=ASSIGNED)
    assert clean_message(message, load()) == replace(message, model=MASKED)
    parts = (
        ToolCall("c", ASSIGNED, {}, title=ASSIGNED),
        ToolResult("c", ASSIGNED, "hi"),
        Attachment(ASSIGNED, None, ASSIGNED),
    )
    assert clean_message(Message("m2", "user", parts), load()).parts == (
        ToolCall("c", MASKED, {}, title=MASKED),
        ToolResult("c", MASKED, "hi"),
        Attachment(MASKED, None, MASKED),
    )


def test_name_of_a_tool_whose_result_stays_home_is_redacted() -> None:
    parts = (
        ToolCall("c", f"Read {ASSIGNED}", {"file_path": "/a.py"}),
        ToolResult("c", f"Read {ASSIGNED}", "import os\n" * 9),
    )
    cleaned = clean_message(Message("m1", "assistant", parts), load())
    assert SECRET not in repr(cleaned)
    assert "import os" not in repr(cleaned)


def test_redaction_can_be_turned_off() -> None:
    config = replace(load(), redact=False)
    assert clean(Text(ASSIGNED), config) == Text(ASSIGNED)
    assert mask_json({"a": ASSIGNED}, config) == {"a": ASSIGNED}
    assert mask_json({"a": ASSIGNED}, load()) == {"a": MASKED}
    session = Session("s1", "claude-code", title=ASSIGNED)
    assert clean_session(session, config) == session


def test_users_rules_apply_to_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENSYNC_HOOKS_HOME", str(tmp_path))
    settings = tmp_path / "config.toml"
    settings.write_text(
        f"[privacy]\nallow = ['{SECRET}', '/letme.+/', '/oth/']\n"
        "[privacy.patterns]\nstaff = 'EMP-[0-9]+'\n"
    )
    settings.chmod(0o600)
    prompt = f"{ASSIGNED} DB_PASSWORD=letmein DB_PASSWORD=other EMP-77"
    assert clean(Text(prompt), load()) == Text(
        f"{ASSIGNED} DB_PASSWORD=letmein DB_PASSWORD=[redacted:password] [redacted:staff]"
    )


GENERATED = 100_000 if LONG else 1_000
FILLING = re.compile(r"4[kQ7][4kQ7xB2mZ9]{4,}")
CONTEXTS = ("{}", "see {} there", "x\n{}\ny", "\t{} ", "- {}", "日本語 {} ✓", "$ echo {} | cat")


def generate(rng: random.Random) -> tuple[Example, list[str]]:
    """Return a random secret of some format, perhaps broken over two lines, and its pieces."""
    rule, example = rng.choice(EXAMPLES)
    secret = FILLING.sub(lambda match: "".join(rng.sample(match[0], len(match[0]))), example.secret)
    sides = {
        index: (secret[max(0, index - 8) : index], secret[index : index + 8])
        for index in fold_indexes(rule, example)
    }
    # A piece without a digit could be any word; a value continues on the next line with one.
    indexes = [
        index
        for index, pieces in sides.items()
        if all(re.search(r"(?=.{6})\D*\d", piece) for piece in pieces)
    ]
    if not indexes or rng.random() < 0.5:
        longest = max(re.findall(r"[\w/+=.~@$-]+", secret), key=len)
        return replace(example, secret=secret), [longest[-12:]]
    index = rng.choice(indexes)
    return break_at(replace(example, secret=secret), index, rng.choice(FOLDS)), [*sides[index]]


def clean_in(location: str, content: str, config: Config) -> str:
    """Return what is left of a text in one location of a session."""
    if location in ("title", "path"):
        title = " ".join(content.split())
        session = Session("s", "cursor", title=title, project_path=f"/work/{content}")
        cleaned = clean_session(session, config)
        return json.dumps(cleaned.title if location == "title" else cleaned.project_path)
    nested = {"a": json.dumps({"b": [json.dumps({"c": content})]})}
    parts: dict[str, Part] = {
        "text": Text(content),
        "arguments": ToolCall("c", "x", {"list": [{"y": content}]}),
        "result": ToolResult("c", "x", content),
        "nested JSON": ToolCall("c", "x", nested),
    }
    return repr(clean(parts[location], config))


@pytest.mark.timeout(1800)
def test_generated_secrets_are_masked_in_every_location() -> None:
    rng = random.Random(19)  # noqa: S311
    config = load()
    locations = ("text", "arguments", "result", "title", "path", "nested JSON")
    for number in range(GENERATED):
        example, pieces = generate(rng)
        content = rng.choice(CONTEXTS).format(example.text)
        location = locations[number % len(locations)]
        cleaned = clean_in(location, content, config)
        assert not any(piece in cleaned for piece in pieces), (location, content, cleaned)


def test_secrets_are_counted_once_however_often_a_session_is_synced(tmp_path: Path) -> None:
    writer = TranscriptWriter(tmp_path / "projects" / "-work" / "s1.jsonl")
    writer.line("user", ASSIGNED)
    source = ClaudeCodeSource(tmp_path)
    config = load()
    with Store(config.folders.store) as store, Ledger(config.folders.ledger) as ledger:
        syncer = Syncer(config, store, ledger)

        def redactions() -> dict[str, int]:
            located = source.find("s1")
            assert located
            return dict(syncer.sync(source, located).redacted)

        assert redactions() == {"password": 1}
        writer.respond("m1", text("and two more: " + ASSIGNED + " " + ASSIGNED))
        assert redactions() == {"password": 2}
        assert redactions() == {}
