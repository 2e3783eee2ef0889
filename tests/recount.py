"""What a transcript holds, counted line by line without any of the package's own code."""

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
    """Prompts, responses, calls, results and tokens of all these files, each API call once."""
    counts: Counter[str] = Counter()
    usage: dict[str, dict[str, int]] = {}
    for path in paths:
        for raw in path.read_bytes().split(b"\n"):
            if raw.strip():
                _count(json.loads(raw), counts, usage)
    counts["responses"] = len(usage)
    for one in usage.values():
        counts.update({TOKENS[name]: count for name, count in one.items()})
    return Counter({name: count for name, count in counts.items() if count})


def _count(line: dict[str, Any], counts: Counter[str], usage: dict[str, dict[str, int]]) -> None:
    message = line.get("message", {})
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    if line["type"] == "user":
        counts["tool results"] += sum(block["type"] == "tool_result" for block in blocks)
        typed = line.get("promptSource") in ("typed", "sdk", "queued")
        first_of_agent = line["isSidechain"] and line["parentUuid"] is None
        counts["prompts"] += typed or first_of_agent
    elif line["type"] == "assistant" and message["model"] != "<synthetic>":
        counts["tool calls"] += sum(block["type"] == "tool_use" for block in blocks)
        known = usage.setdefault(message["id"], dict.fromkeys(TOKENS, 0))
        for name in TOKENS:
            known[name] = max(known[name], message["usage"].get(name, 0))
