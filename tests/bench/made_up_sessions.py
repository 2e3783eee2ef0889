"""Made-up sessions of any number, the same in every run: words as frequent as in real texts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import accumulate

from opensync_hooks.model import Json

FIRST_AT = 1_700_000_000_000
_SYLLABLES = [a + b for a in "bcdfghklmnprstvz" for b in "aeiou"]
_MODELS = ("claude-opus-4-5-20251101", "claude-haiku-4-5-20251001", "gpt-5.1-codex")
_SOURCES = ("claude-code", "claude-code", "opencode", "cursor-sync")
_TOOLS = ("Bash", "Read", "Edit", "Grep", "mcp__garden__list_plants")
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class MadeUpSession:
    body: Json
    extra: Json
    messages: list[tuple[Json, Json]]
    """Body and extra of each."""


@cache
def vocabulary() -> tuple[list[str], list[float]]:
    """Return 60,000 words and their cumulated weights; the n-th is 1/n as frequent as the first."""
    chance = random.Random(5)  # noqa: S311 - the same in every run
    words = {"".join(chance.choices(_SYLLABLES, k=chance.choice((1, 2, 2, 3, 3, 4)))): None}
    while len(words) < 60_000:
        words["".join(chance.choices(_SYLLABLES, k=chance.choice((2, 2, 3, 3, 4))))] = None
    return list(words), list(accumulate(1 / (rank + 1) for rank in range(len(words))))


def sessions(count: int, messages: int = 50) -> Iterator[MadeUpSession]:
    for number in range(count):
        yield session(number, messages)


def session(number: int, messages: int = 50) -> MadeUpSession:
    chance = random.Random(number)  # noqa: S311 - the same in every run
    words, weights = vocabulary()

    def text(length: int) -> str:
        return " ".join(chance.choices(words, cum_weights=weights, k=length))

    key, began = f"made-up-{number}", FIRST_AT + number * _HOUR_MS
    project = f"/home/mira/project-{number % 40}"
    rows: list[tuple[Json, Json]] = []
    for index in range(messages):
        is_prompt = index % 5 == 0
        ids = {"sessionExternalId": key, "externalId": f"{key}:{index}"}
        body: Json = {**ids, "source": "claude-code", "createdAt": began + index * 20_000}
        if is_prompt:
            sentence = text(chance.randint(5, 60))
            body |= {"role": "user", "textContent": sentence, "parts": [_part("text", sentence)]}
            rows.append((body, {}))
            continue
        sentence, tool = text(chance.randint(10, 80)), chance.choice(_TOOLS)
        call = {"id": f"toolu_{number}_{index}", "name": tool}
        path = f"{project}/src/{text(1)}/{text(1)}.py"
        parts = [
            _part("text", sentence),
            _part("tool-call", {**call, "args": {"file_path": path, "command": text(6)}}),
            _part("tool-result", {**call, "result": text(chance.randint(1, 120))}),
        ]
        counts = {"promptTokens": 12_000 + index, "completionTokens": len(sentence) // 4}
        model = chance.choice(_MODELS)
        body |= {"role": "assistant", "textContent": sentence, "model": model, "parts": parts}
        extra = {
            "cost": 0.01, "inputTokens": 10, "outputTokens": counts["completionTokens"],
            "cacheReadTokens": 11_000, "cacheWrite5mTokens": 990 + index, "cacheWrite1hTokens": 0,
            "reasoningTokens": 0,
        }  # fmt: skip
        rows.append((body | counts, extra))
    head = {
        "externalId": key, "title": text(6), "projectPath": project, "createdAt": began,
        "projectName": project.rpartition("/")[2], "source": _SOURCES[number % 4],
        "model": _MODELS[0],
        "promptTokens": sum(body.get("promptTokens", 0) for body, _ in rows),
        "completionTokens": sum(body.get("completionTokens", 0) for body, _ in rows),
        "cost": sum(extra.get("cost", 0) for _, extra in rows),
    }  # fmt: skip
    session_extra: Json = {"gitBranch": f"branch-{number % 7}", "spending": _spending(began, rows)}
    return MadeUpSession(head, session_extra, rows)


def _spending(began: int, rows: list[tuple[Json, Json]]) -> list[Json]:
    """Add the calls up by model, as delivery does."""
    day = datetime.fromtimestamp(began / 1000, UTC).date().isoformat()
    by_model: dict[str, Json] = {}
    for body, counts in rows:
        if "model" in body:
            entry = {"day": day, "model": body["model"], "basis": "list", "calls": 0}
            sums = by_model.setdefault(body["model"], entry)
            sums["calls"] += 1
            for name, value in counts.items():
                sums[name] = sums.get(name, 0) + value
    return list(by_model.values())


def _part(kind: str, content: object) -> Json:
    return {"type": kind, "content": content}
