"""Messages as HTML: texts in the open, tool calls and injected texts folded."""

from collections.abc import Callable, Iterator
from typing import Any

from opensync_hooks.dataclass import dataclass
from opensync_hooks.destinations.store.export import plain_text
from opensync_hooks.model import Json
from opensync_hooks.server.html import Html, cost, element, join, link_url, timestamp
from opensync_hooks.server.system_lines import system_lines
from opensync_hooks.server.tools_html import (
    SubagentLink,
    as_text,
    blocks,
    folded,
    hint,
    text_block,
)

MAX_CHARACTERS = 32_000
"""The limit for a message on a page with others; a longer one links to its own page."""
_MIN_PART_COST = 200
"""Counted for every part, or thousands of tiny ones would make a huge page."""
_SPEAKERS = {"user": "Prompt", "assistant": "Answer", "tool": "Tool"}
_UNDONE = "[undone]"
_TOOLS = "[tools] "
_MAX_NOTE = 160
"""Characters of an injected text that is shown without a click."""


@dataclass(frozen=True, slots=True)
class View:
    """How messages are shown. As it is, they are complete, and link to nothing but themselves."""

    max_characters: float = float("inf")
    url: Callable[[Json], str] = lambda message: f"#{anchor(message['id'])}"
    """Returns the permanent address of a message."""
    subagent_link: SubagentLink = lambda *_: Html()


def conversation(messages: Iterator[Json], view: View) -> Html:
    """Show messages, with a heading wherever the speaker changes; injected texts have none."""
    articles, previous = [], ""
    for message in messages:
        is_injected = message["role"] == "system"
        speaker = previous if is_injected else _SPEAKERS.get(message["role"], "Unknown")
        heading = "" if speaker == previous else speaker
        articles.append(_message(message, heading, view))
        previous = speaker
    return join(articles)


def anchor(message_id: str) -> str:
    return f"m-{message_id}"


def first_text(message: Json) -> str:
    """Return what a message says first, without the mark of what was undone."""
    text = _first_text(_parts(message))
    return text.removeprefix(_UNDONE).lstrip()


def _message(message: Json, heading: str, view: View) -> Html:
    is_undone = bool(message["extra"].get("undone"))
    all_parts = _parts(message)
    parts = _truncate_parts(all_parts, view.max_characters)
    is_truncated = parts != all_parts
    if is_undone:
        parts = [_without_mark(part) for part in parts]
    if message["role"] == "system":
        content = join(_injected(parts, view))
    else:
        content = join(blocks(parts, view.subagent_link))
    if is_truncated:
        url = link_url("message", id=message["id"])
        link = element("a", "Show the whole message", href=url)
        content = join((content, element("p", "Truncated. ", link, class_="rest")))
    counts, cache = _counts(message)
    facts = (
        element("strong", "undone") if is_undone else "",
        element("a", timestamp(message["createdAt"], "%H:%M:%S"), href=view.url(message)),
        message.get("model", "") if heading else "",
        element("span", counts, title=cache or False) if counts else "",
    )
    return element(
        "article",
        element("h2", heading) if heading else Html(),
        element("p", join(filter(None, facts), " · "), class_="about"),
        content,
        class_=f"message {message['role']}" + (" undone" if is_undone else ""),
        id=anchor(message["id"]),
    )


def _counts(message: Json) -> tuple[str, str]:
    """Return tokens and cost of a call, and what its cache had of them."""
    prompt, completion = message.get("promptTokens") or 0, message.get("completionTokens") or 0
    if not prompt and not completion:
        return "", ""
    extra = message["extra"]
    written = sum(extra.get(f"cacheWrite{span}Tokens") or 0 for span in ("5m", "1h"))
    cached = (
        (extra.get("cacheReadTokens") or 0, "read from the cache"),
        (written, "written to the cache"),
    )
    texts = (f"{number:,} {verb}" for number, verb in cached if number)
    dollars = cost(extra.get("cost"))
    counts = f"{prompt:,} in, {completion:,} out"
    return f"{counts} · {dollars}" if dollars else counts, ", ".join(texts)


def _injected(parts: list[Json], view: View) -> Iterator[Html]:
    """Show what the agent put in: short texts as notes, others folded."""
    for part in parts:
        if part.get("type") != "text":
            yield from blocks([part], view.subagent_link)
            continue
        content = part.get("content")
        for label, text in system_lines(plain_text(content) or as_text(content)):
            head = element("b", label or "System")
            if len(text) <= _MAX_NOTE and "\n" not in text.strip():
                yield element("p", head, " ", text.strip(), class_="note", dir="auto")
            else:
                body = element("pre", text, dir="auto") if label else text_block(text)
                yield folded(join((head, " ", hint(text))), body, "injected")


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


def _truncate_parts(parts: list[Json], remaining: float) -> list[Json]:
    kept = []
    for part in parts:
        if remaining <= 0:
            break
        content, remaining = _truncate(part.get("content"), remaining - _MIN_PART_COST)
        kept.append({**part, "content": content})
    return kept


def _truncate(value: Any, remaining: float) -> tuple[Any, float]:
    """Return the value, cut to `remaining` characters, and how many remain after it."""
    if isinstance(value, dict) and len(value) < 20:
        kept = {}
        for name, inner in value.items():
            kept[name], remaining = _truncate(inner, remaining - len(name))
        return kept, remaining
    text = as_text(value)
    if len(text) <= remaining:
        return value, remaining - len(text)
    return text[: max(int(remaining), 0)], remaining - len(text)
