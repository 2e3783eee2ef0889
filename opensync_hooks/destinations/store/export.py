"""A stored session as a text to take away: what was said, without the tool calls."""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from opensync_hooks.model import Json

Format = Literal["json", "markdown", "jsonl"]


def export(found: Json, form: Format) -> Json:
    """OpenSync's answer for `{session, messages}` of the store; any other format is json."""
    session, messages = found["session"], found["messages"]
    said = [{"role": message["role"], "content": _said(message, "\n")} for message in messages]
    if form == "markdown":
        return {"content": _markdown(session, messages), "filename": _filename(session, "md")}
    if form == "jsonl":
        lines = "\n".join(json.dumps(line, ensure_ascii=False) for line in said)
        return {"content": lines, "filename": _filename(session, "jsonl")}
    shown = {name: session[name] for name in ("id", "title", "model") if name in session}
    return {"session": shown, "messages": said}


def _markdown(session: Json, messages: list[Json]) -> str:
    about = (
        f"- **Project:** {session.get('projectPath') or 'N/A'}",
        f"- **Model:** {session.get('model') or 'N/A'}",
        f"- **Tokens:** {session['totalTokens']}",
        f"- **Cost:** ${session['cost']:.4f}",
    )
    blocks = [f"# {session.get('title') or 'Untitled'}", "\n".join(about), "---"]
    for message in messages:
        speaker = "User" if message["role"] == "user" else "Assistant"
        blocks += [f"## {speaker}", _said(message, "\n\n")]
    return "".join(f"{block}\n\n" for block in blocks if block)


def _said(message: Json, between: str) -> str:
    texts = [plain_text(part["content"]) for part in message["parts"] if part["type"] == "text"]
    return between.join(filter(None, texts)) or str(message.get("textContent", ""))


def plain_text(content: Any) -> str:
    """Some plugins wrap the text of a part in an object."""
    if isinstance(content, dict):
        content = content.get("text") or content.get("content")
    return content if isinstance(content, str) else ""


def _filename(session: Json, ending: str) -> str:
    title = session.get("title")
    name = re.sub("[^a-zA-Z0-9]", "-", title) if title else ""
    return f"{name or 'session'}.{ending}"
