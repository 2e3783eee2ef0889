"""Counts what a transcript holds, line by line, without any of the package's own code."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

TOKENS = {
    "input_tokens": "inputTokens",
    "output_tokens": "outputTokens",
    "cache_read_input_tokens": "cacheReadTokens",
    "cache_creation_input_tokens": "cacheWriteTokens",
}


def recount(*paths: Path) -> Counter[str]:
    """Count the prompts, responses, calls, results and tokens in all files, each API call once."""
    counts: Counter[str] = Counter()
    usage: dict[str, dict[str, int]] = {}
    for path in paths:
        responses: set[str] = set()
        for raw in path.read_bytes().split(b"\n"):
            if raw.strip():
                _count(json.loads(raw), counts, usage, responses)
        counts["responses"] += len(responses)
    for tokens in usage.values():
        counts.update({TOKENS[name]: count for name, count in tokens.items()})
    return Counter({name: count for name, count in counts.items() if count})


def _count(
    line: dict[str, Any],
    counts: Counter[str],
    usage: dict[str, dict[str, int]],
    responses: set[str],
) -> None:
    message = line.get("message", {})
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    if line["type"] == "user":
        counts["tool results"] += sum(block["type"] == "tool_result" for block in blocks)
        is_typed = line.get("promptSource") in ("typed", "sdk", "queued")
        starts_subagent = line["isSidechain"] and line["parentUuid"] is None
        is_command = "<command-args>" in str(content) and "turnOrigin" in line
        counts["prompts"] += is_typed or starts_subagent or is_command
    elif line["type"] == "attachment":
        counts["prompts"] += line["attachment"].get("humanTurn") is True
    elif line["type"] == "assistant" and message["model"] != "<synthetic>":
        responses.add(message["id"])
        counts["tool calls"] += sum(block["type"] == "tool_use" for block in blocks)
        tokens = usage.setdefault(message["id"], dict.fromkeys(TOKENS, 0))
        for name in TOKENS:
            tokens[name] = max(tokens[name], message["usage"].get(name, 0))
