"""Messages as HTML: what was said in the open, what was done and injected folded away."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from opensync_hooks.destinations.store.export import plain_text
from opensync_hooks.model import Json
from opensync_hooks.server.formatting import moment, tokens
from opensync_hooks.server.html import NOTHING, Html, address, element, html, join

ROOM = 32_000
"""Letters of one message that a page of many shows; the rest stands on a page of its own."""
_A_PART = 200
_SPEAKERS = {"user": "Prompt", "assistant": "Answer", "system": "System", "tool": "Tool"}
_UNDONE = "[undone]"
_FENCED = re.compile(
    r"^[ \t]*```[^\n]*\n(.*?)(?:^[ \t]*```[ \t]*$\n?|\Z)", re.DOTALL | re.MULTILINE
)
_LONGEST_HINT = 120


def conversation(messages: Iterator[Json], room: int = ROOM) -> Html:
    """A heading wherever another one begins to speak; what the agent put in between is none."""
    pieces, before = [], ""
    for one in messages:
        speaker = _SPEAKERS.get(one["role"], "Unknown")
        is_aside = one["role"] == "system"
        pieces.append(_message(one, "" if is_aside or speaker == before else speaker, room))
        before = before if is_aside else speaker
    return join(pieces)


def _message(found: Json, heading: str, room: int) -> Html:
    undone = bool(found["extra"].get("undone"))
    parts, is_whole = _shortened(_all_parts(found), room)
    if undone:
        parts = [_without_mark(part) for part in parts]
    shown = join(_blocks(parts))
    if found["role"] == "system":
        hint = html(_hint(_first_text(parts)))
        shown = _folded(join((element("b", _SPEAKERS["system"]), hint), " "), shown, "told")
    rest = () if is_whole else (_rest(found["id"]),)
    head = (element("h2", heading),) if heading else ()
    kind = f"message {found['role']}" + (" undone" if undone else "")
    about = _about(found, model=bool(heading), undone=undone)
    body = (*head, about, shown, *rest)
    return element("article", *body, class_=kind, id=anchor(found["id"]))


def anchor(message_id: str) -> str:
    return f"m-{message_id}"


def _about(found: Json, *, model: bool, undone: bool) -> Html:
    facts = (
        element("strong", "undone") if undone else "",
        element("a", moment(found["createdAt"], "%H:%M:%S"), href=f"#{anchor(found['id'])}"),
        found.get("model", "") if model else "",
        tokens(found),
    )
    return element("p", join(filter(None, facts), " · "), class_="about")


def _rest(message_id: str) -> Html:
    link = element("a", "Show the whole message", href=address("message", id=message_id))
    return element("p", "It goes on. ", link, class_="rest")


# ---- parts ---------------------------------------------------------------------------------------


def _all_parts(found: Json) -> list[Json]:
    """Other programs store a message's text beside its parts only."""
    parts = [part for part in found["parts"] if isinstance(part, dict)]
    if found.get("textContent") and not _first_text(parts):
        return [{"type": "text", "content": found["textContent"]}, *parts]
    return parts


def _first_text(parts: list[Json]) -> str:
    texts = (plain_text(part.get("content")) for part in parts if part.get("type") == "text")
    return next(filter(None, texts), "")


def _without_mark(part: Json) -> Json:
    text = part.get("content")
    is_marked = part.get("type") == "text" and isinstance(text, str) and text.startswith(_UNDONE)
    return {**part, "content": str(text).removeprefix(_UNDONE).lstrip()} if is_marked else part


def _shortened(parts: list[Json], room: int) -> tuple[list[Json], bool]:
    """As many parts as have room, the last one cut; whether that is all."""
    kept = []
    for part in parts:
        if room <= 0:
            break
        content, room = _cut(part.get("content"), room - _A_PART)
        kept.append({**part, "content": content})
    return kept, kept == parts


def _cut(value: Any, room: int) -> tuple[Any, int]:
    """The value, cut where it is too long, and the room that is left."""
    if isinstance(value, str):
        return value[: max(room, 0)], room - len(value)
    if isinstance(value, dict) and len(value) < 20:
        kept = {}
        for name, item in value.items():
            kept[name], room = _cut(item, room - len(name))
        return kept, room
    text = as_json(value)
    return (value if len(text) <= room else text[: max(room, 0)]), room - len(text)


def _blocks(parts: list[Json]) -> Iterator[Html]:
    """Each call together with its result, which follows it as a rule."""
    results = {
        _call_id(part): part for part in reversed(parts) if part.get("type") == "tool-result"
    }
    calls = {_call_id(part) for part in parts if part.get("type") == "tool-call"}
    for part in parts:
        kind, content = part.get("type"), part.get("content")
        if kind == "text":
            yield _prose(plain_text(content) or as_json(content))
        elif kind == "tool-call":
            yield _call(content, results.get(_call_id(part)))
        elif kind == "tool-result" and _call_id(part) not in calls:
            yield _folded("Result of " + _name(content), _result(content), "tool")
        elif kind != "tool-result":
            name = "Thinking" if kind == "reasoning" else str(kind)
            yield _folded(name, _preformatted(plain_text(content) or content), "tool")


def _call_id(part: Json) -> Any:
    """An id that is missing matches no other."""
    content = part.get("content")
    found = content.get("id") if isinstance(content, dict) else None
    return found if isinstance(found, str) and found else id(part)


def _name(content: Any) -> str:
    return str(content.get("name") or "a tool") if isinstance(content, dict) else "a tool"


def _call(content: Any, result: Json | None) -> Html:
    known = content if isinstance(content, dict) else {"args": content}
    arguments = known.get("args")
    hint = known.get("title") or next(filter(_is_text, _fields(arguments).values()), "")
    answered = result["content"] if result else {}
    failed = isinstance(answered, dict) and bool(answered.get("isError"))
    shown = (element("b", _name(content)), element("code", _hint(hint)))
    flag = (element("strong", "failed"),) if failed else ()
    inside = [_labelled(name, value) for name, value in _fields(arguments).items()]
    return _folded(join((*shown, *flag), " "), join([*inside, _result(answered)]), "tool")


def _fields(arguments: Any) -> Json:
    if isinstance(arguments, dict):
        return arguments
    return {} if arguments is None else {"arguments": arguments}


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _result(content: Any) -> Html:
    value = content.get("result") if isinstance(content, dict) else content
    return NOTHING if value is None else _labelled("result", value)


def _labelled(name: str, value: Any) -> Html:
    return join((element("p", name, class_="label"), _preformatted(value)))


def _preformatted(value: Any) -> Html:
    return element("pre", as_json(value), dir="auto")


def _prose(text: str) -> Html:
    """Fenced code keeps its columns; all else of Markdown is shown as it was written."""
    pieces = _FENCED.split(text)
    return join(
        element("pre" if place % 2 else "p", piece.strip("\n"), dir="auto", class_="text")
        for place, piece in enumerate(pieces)
        if piece.strip()
    )


def _folded(summary: str, content: Html, kind: str) -> Html:
    return element("details", element("summary", summary), content, class_=kind)


def _hint(text: Any) -> str:
    line = " ".join(str(text)[: 4 * _LONGEST_HINT].split())
    return line if len(line) <= _LONGEST_HINT else line[:_LONGEST_HINT] + "…"


def as_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
