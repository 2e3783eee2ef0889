"""`prices` shows what a call costs and why, and takes a newer table from a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opensync_hooks.pricing import table
from tests.commandline import run, stored_rows
from tests.transcripts import TranscriptWriter, text

BUNDLED = Path(table.__file__).with_name("table.json")


def configure(ours: Path, text: str) -> None:
    ours.mkdir(exist_ok=True)
    path = ours / "config.toml"
    path.write_text(text)
    path.chmod(0o600)


def write_table(path: Path, *changes: tuple[str, str]) -> Path:
    content = BUNDLED.read_text().replace('"date": "2026', '"date": "2098')
    for old, new in changes:
        assert old in content
        content = content.replace(old, new, 1)
    path.write_text(content)
    return path


def test_list_shows_the_rates_of_the_models_that_words_select() -> None:
    ran = run("prices", "list", "OPUS", "5-5")
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[1].split() == ["claude-opus-5-5", "4", "20", "0.2", "5", "8"]
    assert "The table is from 2026-" in ran.stdout
    (row,) = json.loads(run("prices", "list", "opus-5-5", "--json").stdout)
    assert (row["input"], row["search"], row["basis"]) == (4, 0.01, "list")
    assert row["source"].startswith("https://")


def test_list_shows_own_prices_and_names_first(ours: Path) -> None:
    configure(ours, '[aliases]\nx = "claude-opus-5"\n[prices.mine]\ninput = 1\noutput = 2\n')
    lines = run("prices", "list").stdout.splitlines()
    assert lines[1].split() == ["mine", "1", "2", "1", "1", "1", "your", "own"]
    assert "x is priced as claude-opus-5." in lines
    assert len(lines) > 200


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (("claude-opus-5-5",), ("claude-opus-5-5", "input 4,", "0.01 USD", "https://")),
        (("claude-opus-4-8", "--term", "fast"), ("because of  fast", "input 10,")),
        (("eu.anthropic.claude-opus-5",), ("regional", "input 5.5,")),
        (("claude-opus-5", "--term", "us"), ("us (1.1 x, https://", "input 5.5,")),
        (("claude-haiku-5-5",), ("> 100,000", "input 0.5,")),
        (("claude-opus-4-6", "--on", "2026-03-12"), ("until 2026-03-13", "> 200,000")),
    ],
)
def test_explain_names_the_rates_and_the_reasons(
    arguments: tuple[str, ...], facts: tuple[str, ...]
) -> None:
    ran = run("prices", "explain", *arguments)
    assert ran.returncode == 0
    assert [fact for fact in facts if fact not in ran.stdout] == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("claude-opus-9",), "No name in the table of 2026-"),
        (("claude-haiku-4-5", "--term", "fast"), "but not with fast"),
        (("openrouter/deepseek/deepseek-v4-pro",), "the gateway or the cloud in the id"),
        (("us-gov.anthropic.claude-opus-5-5",), "the gateway or the cloud in the id"),
    ],
)
def test_explain_says_why_a_call_has_no_price(arguments: tuple[str, ...], reason: str) -> None:
    ran = run("prices", "explain", *arguments)
    assert ran.returncode == 1
    assert reason in ran.stdout
    assert f'[prices."{arguments[0]}"]' in ran.stdout


def test_explain_names_the_alias_and_the_users_price(ours: Path) -> None:
    configure(ours, '[aliases]\nx = "mine"\n[prices.mine]\ninput = 1\noutput = 2\n')
    ran = run("prices", "explain", "X")
    assert "alias of    mine" in ran.stdout
    assert "source      config.toml" in ran.stdout


def test_update_takes_a_newer_table(ours: Path, tmp_path: Path) -> None:
    newer = write_table(
        tmp_path / "table.json",
        ('"claude-opus-5-5"', '"claude-opus-6"'),
        ('"input": 15,', '"input": 16,'),
    )
    ran = run("prices", "update", str(newer))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "1 new name, 1 other price" in ran.stdout
    assert "sync --all" in ran.stdout
    assert run("prices", "explain", "claude-opus-6").returncode == 0
    assert run("prices", "explain", "claude-opus-5-5").returncode == 1
    assert (ours / "prices.json").stat().st_mode & 0o777 == 0o600
    again = run("prices", "update", str(newer))
    assert again.returncode == 2
    assert "the table in use is of 2098" in again.stderr


def test_sync_all_brings_earlier_sessions_into_line_with_a_newer_table(
    home: Path, tmp_path: Path
) -> None:
    writer = TranscriptWriter(home / ".claude" / "projects" / "-work" / "one.jsonl")
    writer.line("user", "hello")
    usage = {"input_tokens": 1_000_000, "output_tokens": 0}
    message = {"id": "m", "model": "claude-opus-5-5", "usage": usage}
    writer.line("assistant", [text("hi")], message=message)
    assert run("sync").returncode == 0
    dearer = ('["claude-opus-5-5"], "input": 4,', '["claude-opus-5-5"], "input": 6,')
    newer = write_table(tmp_path / "table.json", dearer)
    assert run("prices", "update", str(newer)).returncode == 0
    assert "1 session at other prices (+$2.00)" in run("sync", "--all").stdout
    assert "other prices" not in run("sync", "--all").stdout


@pytest.mark.parametrize("content", [None, "", "{}", '{"models": [{}]}'])
def test_update_refuses_what_is_no_table(ours: Path, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "table.json"
    if content is not None:
        path.write_text(content)
    ran = run("prices", "update", str(path))
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"{path}: ")
    assert not (ours / "prices.json").exists()


def test_status_and_doctor_name_an_old_table_and_own_prices(
    ours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(ours, '[aliases]\nx = "claude-opus-5"\n[prices.mine]\ninput = 1\noutput = 2\n')
    at_once = run("status").stdout
    assert "mine, x as claude-opus-5" in at_once
    assert "days old" not in at_once
    day_ms = 86_400_000
    taken_ms = 1_795_219_200_000  # 21 November 2026
    monkeypatch.setattr("opensync_hooks.system.clock.now", lambda: taken_ms + 61 * day_ms)
    assert "61 days old" in run("status").stdout
    assert "61 days old" in run("doctor").stdout


def test_doctor_names_a_damaged_table_of_the_users(ours: Path) -> None:
    ours.mkdir()
    (ours / "prices.json").write_text("{")
    doctor = run("doctor").stdout
    assert "prices.json: is not a price table" in doctor
    assert "the bundled one is used" in doctor


def test_sync_all_brings_earlier_sessions_into_line(ours: Path, home: Path) -> None:
    for name in ("one", "two", "other"):
        path = home / ".claude" / "projects" / "-work" / f"{name}.jsonl"
        writer = TranscriptWriter(path)
        writer.line("user", "hello")
        model = "claude-opus-5" if name == "other" else "my-model"
        usage = {"input_tokens": 1_000_000, "output_tokens": 0}
        message = {"id": f"m-{name}", "model": model, "usage": usage}
        writer.line("assistant", [text("hi")], message=message)
    assert "other prices" not in run("sync").stdout
    configure(ours, "[prices.my-model]\ninput = 2\noutput = 2\n")
    assert "other prices" not in run("sync").stdout
    ran = run("sync", "--all")
    assert "2 sessions at other prices (+$4.00)" in ran.stdout
    configure(ours, "[prices.my-model]\ninput = 1.5\noutput = 2\n")
    assert "2 sessions at other prices (-$1.00)" in run("sync", "--all").stdout
    assert "other prices" not in run("sync", "--all").stdout
    assert "1.5" in str(stored_rows(ours))
    assert run("verify", "--all").returncode == 0
