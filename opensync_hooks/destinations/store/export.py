"""OpenSync's export of one session: its texts, without the tool calls."""

from __future__ import annotations

import json
import re
from typing import Any

from opensync_hooks.model import Json


def export(session: Json, messages: list[Json], form: str) -> Json:
    """Return `{content, filename}` for "markdown" and "jsonl", `{session, messages}` for others."""
    if form == "markdown":
        return {"content": _markdown(session, messages), "filename": _filename(session, "md")}
    texts = [{"role": message["role"], "content": _text(message, "\n")} for message in messages]
    if form == "jsonl":
        lines = "\n".join(json.dumps(line, ensure_ascii=False) for line in texts)
        return {"content": lines, "filename": _filename(session, "jsonl")}
    head = {name: session[name] for name in ("id", "title", "model") if name in session}
    return {"session": head, "messages": texts}


def plain_text(content: Any) -> str:
    """Return the text of a text part's content, which some plugins wrap in an object."""
    if isinstance(content, dict):
        content = content.get("text") or content.get("content")
    return content if isinstance(content, str) else ""


def _markdown(session: Json, messages: list[Json]) -> str:
    facts = (
        f"- **Project:** {session.get('projectPath') or 'N/A'}",
        f"- **Model:** {session.get('model') or 'N/A'}",
        f"- **Tokens:** {session['totalTokens']}",
        f"- **Cost:** ${session['cost']:.4f}",
    )
    blocks = [f"# {session.get('title') or 'Untitled'}", "\n".join(facts), "---"]
    for message in messages:
        speaker = "User" if message["role"] == "user" else "Assistant"
        blocks += [f"## {speaker}", _text(message, "\n\n")]
    return "".join(f"{block}\n\n" for block in blocks if block)


def _text(message: Json, separator: str) -> str:
    texts = [plain_text(part["content"]) for part in message["parts"] if part["type"] == "text"]
    return separator.join(filter(None, texts)) or str(message.get("textContent", ""))


def _filename(session: Json, suffix: str) -> str:
    stem = re.sub("[^a-zA-Z0-9]", "-", session.get("title") or "") or "session"
    return f"{stem}.{suffix}"
