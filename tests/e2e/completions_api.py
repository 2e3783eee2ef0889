"""A scripted model that speaks enough of the Chat Completions API for a real OpenCode.

A keyword in the last prompt, of the user or for a subagent, selects the replies, which are sent in
their order. Titles and summaries, which OpenCode requests by itself, are always the same.
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
_TITLE_PHRASES = ("title generator", "generate a title")
_SUMMARY_PHRASES = ("context summarization", "summarizing conversations", "anchored summary")


class _Handler(ScriptedHandler):
    def respond(self, request: dict[str, Any]) -> None:
        reply = _choose(self.server.script, request.get("messages", []))
        if reply.status != 200:
            error = {"message": "made to fail", "type": "made_up", "code": str(reply.status)}
            return self.answer(reply.status, {"error": error})
        return self._stream(reply, next(self.server.numbers))

    def _stream(self, reply: Reply, number: int) -> None:
        self.begin_stream()
        for index, chunk in enumerate(_chunks(reply, number)):
            if index == 2:
                time.sleep(reply.pause)
            self.send(f"data: {json.dumps(chunk)}")
        self.send("data: [DONE]")


def _choose(script: Script, messages: list[dict[str, Any]]) -> Reply:
    system = [_text(message["content"]) for message in messages if message["role"] == "system"]
    prompts = [_text(message["content"]) for message in messages if message["role"] == "user"]
    instructions = " ".join((*system, *prompts[-1:])).lower()
    if any(phrase in instructions for phrase in _TITLE_PHRASES):
        return Reply([says(TITLE)])
    if any(phrase in instructions for phrase in _SUMMARY_PHRASES):
        return Reply([says(SUMMARY)])
    return _next(script, messages) or Reply([says("No keyword in the prompt.")])


def _next(script: Script, messages: list[dict[str, Any]]) -> Reply | None:
    sent = 0
    for message in reversed(messages):
        sent += int(message["role"] == "assistant")
        if message["role"] == "user":
            words = _text(message["content"]).replace('"', " ").split()
            keyword = next((word for word in reversed(words) if word in script), None)
            if keyword:
                return script[keyword][min(sent, len(script[keyword]) - 1)]
    return None


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content or [])


def _chunks(reply: Reply, number: int) -> Iterator[dict[str, Any]]:
    yield _chunk(number, {"role": "assistant", "content": ""})
    for index, block in enumerate(reply.blocks):
        yield from (_chunk(number, delta) for delta in _deltas(block, number, index))
    has_calls = any(block["type"] == "tool_use" for block in reply.blocks)
    yield _chunk(number, {}, "tool_calls" if has_calls else "stop")
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


def _deltas(block: Block, number: int, index: int) -> Iterator[dict[str, Any]]:
    if block["type"] == "tool_use":
        function = {"name": block["name"], "arguments": json.dumps(block["input"])}
        call = {"index": index, "id": f"call_{number:04}_{index}", "type": "function"}
        yield {"tool_calls": [{**call, "function": function}]}
    elif block["type"] == "thinking":
        yield {"reasoning_content": block["thinking"]}
    else:
        half = len(block["text"]) // 2
        yield {"content": block["text"][:half]}
        yield {"content": block["text"][half:]}


@contextmanager
def scripted_completions(script: Script) -> Iterator[str]:
    """Yield the URL at which the model answers."""
    with serving(script, _Handler) as url:
        yield f"{url}/v1"
