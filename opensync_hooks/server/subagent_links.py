"""Finds the call that started a subagent: its result names the subagent, or its prompt is its."""

from collections import Counter
from typing import Any

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.model import Json
from opensync_hooks.server import sessions_html
from opensync_hooks.server.html import Html
from opensync_hooks.server.tools_html import SubagentLink

_MIN_ID_LENGTH = 8


def subagent_link(store: Store, session: Json, children: list[Json]) -> SubagentLink:
    """Return what links calls of a session to its subagents. A doubtful link is left out."""
    if not children:
        return lambda *_: Html()
    by_id = {_short_id(child): child for child in children}
    prompts = store.first_texts(session["externalId"])
    counts = Counter(prompts.values())
    by_prompt = {
        text: child
        for child in children
        if (text := prompts.get(child["id"])) and counts[text] == 1
    }

    def link(call: Json, result: Any) -> Html:
        arguments = call.get("args")
        texts = (
            [value for value in arguments.values() if isinstance(value, str)]
            if isinstance(arguments, dict)
            else []
        )
        output = result.get("result") if isinstance(result, dict) else ""
        child = next((by_prompt[text] for text in texts if text in by_prompt), None)
        if child is None and isinstance(output, str):
            child = next((by_id[key] for key in by_id if key in output), None)
        return sessions_html.link(child) if child else Html()

    return link


def _short_id(child: Json) -> str:
    """Return the id as the agent's own results name it: without its session's, and the word."""
    key = str(child["externalId"]).rpartition(":")[2].removeprefix("agent-")
    return key if len(key) >= _MIN_ID_LENGTH else str(child["externalId"])
