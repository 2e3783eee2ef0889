"""A model that says what a script tells it to: enough of Chat Completions for a real OpenCode.

A word is looked for in what the user, or the agent that started a subagent, said last; the reply
is the one after those given since. Titles and summaries, which OpenCode asks for by itself, are the
same every time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.script import Block, Reply, Script, says
from tests.e2e.scripted_api import ScriptedHandler, serving

TITLE = "A title of its own"
SUMMARY = "## Goal\nWhat was said so far."
_ASKS_FOR_TITLE = ("title generator", "generate a title")
_ASKS_FOR_SUMMARY = ("context summarization", "summarizing conversations", "anchored summary")


class _Handler(ScriptedHandler):
    def respond(self, request: dict[str, Any]) -> None:
        reply = _choose(self.server.script, request.get("messages", []))
        if reply.status != 200:
            error = {"message": "made to fail", "type": "made_up", "code": str(reply.status)}
            return self.answer(reply.status, {"error": error})
        return self._stream(reply, next(self.server.numbers))

    def _stream(self, reply: Reply, number: int) -> None:
        self.begin_stream()
        for place, chunk in enumerate(_chunks(reply, number)):
            if place == 2:
                time.sleep(reply.pause)
            self.send(f"data: {json.dumps(chunk)}")
        self.send("data: [DONE]")


def _choose(script: Script, messages: list[dict[str, Any]]) -> Reply:
    told = " ".join(_text(one["content"]) for one in messages if one["role"] == "system").lower()
    last = next((_text(one["content"]) for one in messages[::-1] if one["role"] == "user"), "")
    if any(sign in told or sign in last.lower() for sign in _ASKS_FOR_TITLE):
        return Reply([says(TITLE)])
    if any(sign in told or sign in last.lower() for sign in _ASKS_FOR_SUMMARY):
        return Reply([says(SUMMARY)])
    return _next(script, messages) or Reply([says("Nothing was asked for.")])


def _next(script: Script, messages: list[dict[str, Any]]) -> Reply | None:
    given = 0
    for message in reversed(messages):
        given += int(message["role"] == "assistant")
        if message["role"] == "user":
            words = _text(message["content"]).replace('"', " ").split()
            known = next((word for word in reversed(words) if word in script), None)
            if known:
                return script[known][min(given, len(script[known]) - 1)]
    return None


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content or [])


def _chunks(reply: Reply, number: int) -> Iterator[dict[str, Any]]:
    yield _chunk(number, {"role": "assistant", "content": ""})
    for place, block in enumerate(reply.blocks):
        yield from (_chunk(number, delta) for delta in _deltas(block, number, place))
    asks = any(block["type"] == "tool_use" for block in reply.blocks)
    yield _chunk(number, {}, "tool_calls" if asks else "stop")
    fresh = 10 + number
    usage = {
        "prompt_tokens": fresh + reply.cached,
        "completion_tokens": reply.output,
        "total_tokens": fresh + reply.cached + reply.output,
        "prompt_tokens_details": {"cached_tokens": reply.cached},
        "completion_tokens_details": {"reasoning_tokens": min(2, reply.output)},
    }
    yield {**_chunk(number, {}), "choices": [], "usage": usage}


def _chunk(number: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{number:06}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": "scripted",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def _deltas(block: Block, number: int, place: int) -> Iterator[dict[str, Any]]:
    if block["type"] == "tool_use":
        function = {"name": block["name"], "arguments": json.dumps(block["input"])}
        call = {"index": place, "id": f"call_{number:04}_{place}", "type": "function"}
        yield {"tool_calls": [{**call, "function": function}]}
    elif block["type"] == "thinking":
        yield {"reasoning_content": block["thinking"]}
    else:
        half = len(block["text"]) // 2
        yield {"content": block["text"][:half]}
        yield {"content": block["text"][half:]}


@contextmanager
def scripted_completions(script: Script) -> Iterator[str]:
    """The URL under which the model answers."""
    with serving(script, _Handler) as url:
        yield f"{url}/v1"
