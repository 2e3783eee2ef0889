"""Tool calls as HTML: one line for each, which opens to its arguments and its result."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from opensync_hooks.destinations.store.export import plain_text
from opensync_hooks.model import Json
from opensync_hooks.server.diff_html import change
from opensync_hooks.server.html import Html, element, join, to_html
from opensync_hooks.server.markdown import markdown

_MAX_HINT = 120
_MAX_MARKDOWN = 200_000
"""Characters. Rendering takes about a second for ten times as many."""
_MAX_OPEN_LINES = 40
"""A change of so many lines is shown without a click."""

SubagentLink = Callable[[Json, Any], Html]
"""Returns a link to the subagent that a call with this content and result started, or nothing."""


def blocks(parts: list[Json], subagent_link: SubagentLink) -> Iterator[Html]:
    """Show each tool call together with its result, wherever that is."""
    results = {
        _call_id(part): part for part in reversed(parts) if part.get("type") == "tool-result"
    }
    calls = {_call_id(part) for part in parts if part.get("type") == "tool-call"}
    for part in parts:
        content = part.get("content")
        match part.get("type"):
            case "text":
                yield text_block(plain_text(content) or as_text(content))
            case "tool-call":
                result = results.get(_call_id(part), {}).get("content")
                yield _call(content, result, subagent_link)
            case "tool-result":
                if _call_id(part) not in calls:
                    yield folded("Result of " + _tool_name(content), _result(content), "tool")
            case "reasoning":
                thought = text_block(plain_text(content) or as_text(content))
                yield folded("Thinking", thought, "tool")
            case other:
                yield folded(str(other), _preformatted(plain_text(content) or content), "tool")


def text_block(text: str) -> Html:
    """Return a text as Markdown; a huge one, such as a pasted log, as it is."""
    if len(text) > _MAX_MARKDOWN:
        return _preformatted(text)
    return element("div", markdown(text), class_="text") if text.strip() else Html()


def folded(summary: str, content: Html, class_name: str, *, is_open: bool = False) -> Html:
    return element("details", element("summary", summary), content, class_=class_name, open=is_open)


def hint(text: Any) -> Html:
    """Return the beginning of a text on one line."""
    line = " ".join(str(text)[: 4 * _MAX_HINT].split())
    return to_html(line if len(line) <= _MAX_HINT else line[:_MAX_HINT] + "…")


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _call_id(part: Json) -> Any:
    """Return the id that a call and its result share; a missing one matches no other."""
    content = part.get("content")
    call_id = content.get("id") if isinstance(content, dict) else None
    return call_id if isinstance(call_id, str) and call_id else id(part)


def _tool_name(content: Any) -> str:
    return str(content.get("name") or "a tool") if isinstance(content, dict) else "a tool"


def _call(content: Any, result: Any, subagent_link: SubagentLink) -> Html:
    call = content if isinstance(content, dict) else {"args": content}
    arguments = call.get("args")
    if not isinstance(arguments, dict):
        arguments = {} if arguments is None else {"arguments": arguments}
    texts = (text for text in arguments.values() if isinstance(text, str) and text.strip())
    title = str(call.get("title") or next(texts, ""))
    summary = [element("b", _tool_name(content)), element("code", hint(title))]
    if isinstance(result, dict) and result.get("isError"):
        summary.append(element("strong", "failed"))
    shown = change(arguments)
    if shown:
        summary.append(to_html(shown.size))
    details = [
        _labelled(name, value)
        for name, value in arguments.items()
        # Of a change, the path is in the summary already.
        if not shown or (name not in shown.names and (value != title or len(title) > _MAX_HINT))
    ]
    details.append(_result(result))
    body = join((shown.html if shown else Html(), *details))
    is_open = shown is not None and 0 < shown.line_count <= _MAX_OPEN_LINES
    block = folded(join(summary, " "), body, "tool", is_open=is_open)
    link = subagent_link(call, result)
    return join((block, element("p", "Subagent: ", link, class_="subagent"))) if link else block


def _result(content: Any) -> Html:
    value = content.get("result") if isinstance(content, dict) else content
    return Html() if value is None else _labelled("result", value)


def _labelled(name: str, value: Any) -> Html:
    return join((element("p", name, class_="label"), _preformatted(value)))


def _preformatted(value: Any) -> Html:
    return element("pre", as_text(value), dir="auto")
