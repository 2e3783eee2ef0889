"""Messages as HTML: texts in the open, tool calls and injected texts folded."""

import json
from collections.abc import Iterator
from typing import Any

from opensync_hooks.destinations.store.export import plain_text
from opensync_hooks.model import Json
from opensync_hooks.server.html import Html, element, join, link_url, timestamp, to_html, tokens
from opensync_hooks.server.markdown import markdown

MAX_CHARACTERS = 32_000
"""The limit for a message on a page with others; a longer one links to its own page."""
_MIN_PART_COST = 200
"""Counted for every part, or thousands of tiny ones would make a huge page."""
_SPEAKERS = {"user": "Prompt", "assistant": "Answer", "tool": "Tool"}
_UNDONE = "[undone]"
_TOOLS = "[tools] "
_MAX_HINT = 120


def conversation(messages: Iterator[Json], max_characters: int = MAX_CHARACTERS) -> Html:
    """Show messages, with a heading wherever the speaker changes; injected texts have none."""
    articles, previous = [], ""
    for message in messages:
        is_injected = message["role"] == "system"
        speaker = previous if is_injected else _SPEAKERS.get(message["role"], "Unknown")
        heading = "" if speaker == previous else speaker
        articles.append(_message(message, heading, max_characters))
        previous = speaker
    return join(articles)


def anchor(message_id: str) -> str:
    return f"m-{message_id}"


def _message(message: Json, heading: str, max_characters: int) -> Html:
    is_undone = bool(message["extra"].get("undone"))
    all_parts = _parts(message)
    parts = _truncate_parts(all_parts, max_characters)
    is_truncated = parts != all_parts
    if is_undone:
        parts = [_without_mark(part) for part in parts]
    content = join(_blocks(parts))
    if message["role"] == "system":
        summary = join((element("b", "System"), _hint(_first_text(parts))), " ")
        content = _folded(summary, content, "injected")
    if is_truncated:
        url = link_url("message", id=message["id"])
        link = element("a", "Show the whole message", href=url)
        content = join((content, element("p", "Truncated. ", link, class_="rest")))
    facts = (
        element("strong", "undone") if is_undone else "",
        element("a", timestamp(message["createdAt"], "%H:%M:%S"), href=f"#{anchor(message['id'])}"),
        message.get("model", "") if heading else "",
        tokens(message),
    )
    return element(
        "article",
        element("h2", heading) if heading else Html(),
        element("p", join(filter(None, facts), " · "), class_="about"),
        content,
        class_=f"message {message['role']}" + (" undone" if is_undone else ""),
        id=anchor(message["id"]),
    )


def _parts(message: Json) -> list[Json]:
    """Return the parts, with the message's text if no part has one, as other programs store it."""
    parts = [part for part in message["parts"] if isinstance(part, dict)]
    text = str(message.get("textContent") or "")
    # A text that only names the tools would say the same as the parts below it.
    if not text or text.removeprefix(f"{_UNDONE} ").startswith(_TOOLS) or _first_text(parts):
        return parts
    return [{"type": "text", "content": text}, *parts]


def _first_text(parts: list[Json]) -> str:
    texts = (plain_text(part.get("content")) for part in parts if part.get("type") == "text")
    return next(filter(None, texts), "")


def _without_mark(part: Json) -> Json:
    text = part.get("content")
    if part.get("type") == "text" and isinstance(text, str) and text.startswith(_UNDONE):
        return {**part, "content": text.removeprefix(_UNDONE).lstrip()}
    return part


def _truncate_parts(parts: list[Json], remaining: int) -> list[Json]:
    kept = []
    for part in parts:
        if remaining <= 0:
            break
        content, remaining = _truncate(part.get("content"), remaining - _MIN_PART_COST)
        kept.append({**part, "content": content})
    return kept


def _truncate(value: Any, remaining: int) -> tuple[Any, int]:
    """Return the value, cut to `remaining` characters, and how many remain after it."""
    if isinstance(value, dict) and len(value) < 20:
        kept = {}
        for name, inner in value.items():
            kept[name], remaining = _truncate(inner, remaining - len(name))
        return kept, remaining
    text = as_text(value)
    return value if len(text) <= remaining else text[: max(remaining, 0)], remaining - len(text)


def _blocks(parts: list[Json]) -> Iterator[Html]:
    """Show each tool call together with its result, wherever that is."""
    results = {
        _call_id(part): part for part in reversed(parts) if part.get("type") == "tool-result"
    }
    calls = {_call_id(part) for part in parts if part.get("type") == "tool-call"}
    for part in parts:
        content = part.get("content")
        match part.get("type"):
            case "text":
                text = plain_text(content) or as_text(content)
                yield element("div", markdown(text), class_="text") if text.strip() else Html()
            case "tool-call":
                yield _call(content, results.get(_call_id(part), {}).get("content"))
            case "tool-result":
                if _call_id(part) not in calls:
                    yield _folded("Result of " + _tool_name(content), _result(content), "tool")
            case other:
                summary = "Thinking" if other == "reasoning" else str(other)
                yield _folded(summary, _preformatted(plain_text(content) or content), "tool")


def _call_id(part: Json) -> Any:
    """Return the id that a call and its result share; a missing one matches no other."""
    content = part.get("content")
    call_id = content.get("id") if isinstance(content, dict) else None
    return call_id if isinstance(call_id, str) and call_id else id(part)


def _tool_name(content: Any) -> str:
    return str(content.get("name") or "a tool") if isinstance(content, dict) else "a tool"


def _call(content: Any, result: Any) -> Html:
    call = content if isinstance(content, dict) else {"args": content}
    arguments = call.get("args")
    if not isinstance(arguments, dict):
        arguments = {} if arguments is None else {"arguments": arguments}
    texts = (text for text in arguments.values() if isinstance(text, str) and text.strip())
    summary = [
        element("b", _tool_name(content)),
        element("code", _hint(call.get("title") or next(texts, ""))),
    ]
    if isinstance(result, dict) and result.get("isError"):
        summary.append(element("strong", "failed"))
    labelled = [_labelled(name, value) for name, value in arguments.items()]
    return _folded(join(summary, " "), join([*labelled, _result(result)]), "tool")


def _result(content: Any) -> Html:
    value = content.get("result") if isinstance(content, dict) else content
    return Html() if value is None else _labelled("result", value)


def _labelled(name: str, value: Any) -> Html:
    return join((element("p", name, class_="label"), _preformatted(value)))


def _preformatted(value: Any) -> Html:
    return element("pre", as_text(value), dir="auto")


def _folded(summary: str, content: Html, class_name: str) -> Html:
    return element("details", element("summary", summary), content, class_=class_name)


def _hint(text: Any) -> Html:
    line = " ".join(str(text)[: 4 * _MAX_HINT].split())
    return to_html(line if len(line) <= _MAX_HINT else line[:_MAX_HINT] + "…")


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
