"""A model that says what a script tells it to: enough of the Messages API for a real Claude Code.

A script maps a cue to the replies of one turn. `play:CUE` is looked for in what the user, or the
agent that started a subagent, said last; the reply is the one after those given since. Claude Code
adds pages of its own to a prompt, in which any plain word may occur.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from tests.e2e.script import Block, Reply, Script, says
from tests.e2e.scripted_api import ScriptedHandler, serving

TITLE = "A title of the model's"
SUMMARY = "<summary>What was said so far.</summary>"
_CUE = re.compile(r"play:(\w+)")


class _Handler(ScriptedHandler):
    def respond(self, request: dict[str, Any]) -> None:
        if "count_tokens" in self.path:
            return self.answer(200, {"input_tokens": 1})
        reply = _choose(self.server.script, request)
        if reply.status != 200:
            error = {"type": "invalid_request_error", "message": "made to fail"}
            return self.answer(reply.status, {"type": "error", "error": error})
        message = _message(reply, next(self.server.numbers), request.get("model"))
        if request.get("stream"):
            return self._stream(message, reply.pause)
        return self.answer(200, message)

    def _stream(self, message: dict[str, Any], pause: float) -> None:
        self.begin_stream()
        for number, event in enumerate(_events(message)):
            if number == 4:
                time.sleep(pause)
            self.send(f"event: {event['type']}\ndata: {json.dumps(event)}")


def _choose(script: Script, request: dict[str, Any]) -> Reply:
    messages = request.get("messages", [])
    last = _text(messages[-1]["content"]) if messages else ""
    if not request.get("tools") and "title" in _text(request.get("system", "")).lower():
        return Reply([says(json.dumps({"title": TITLE}))])
    if "create a detailed summary of the conversation" in last:
        return Reply([says(SUMMARY)])
    replies = 0
    for message in reversed(messages):
        if message["role"] == "assistant":
            replies += 1
            continue
        cues = [cue for cue in _CUE.findall(_text(message["content"])) if cue in script]
        if cues:
            return script[cues[-1]][min(replies, len(script[cues[-1]]) - 1)]
    return Reply([says("Nothing was asked for.")])


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(block["text"] for block in content if block.get("type") == "text")


def _message(reply: Reply, number: int, model: Any) -> dict[str, Any]:
    blocks = [
        {**block, "id": f"toolu_{number:04}_{index}"} if block["type"] == "tool_use" else block
        for index, block in enumerate(reply.blocks)
    ]
    asks = any(block["type"] == "tool_use" for block in blocks)
    return {
        "id": f"msg_{number:06}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        "stop_reason": "tool_use" if asks else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10 + number,
            "output_tokens": reply.output,
            "cache_read_input_tokens": reply.cached,
            "cache_creation_input_tokens": 30,
            "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
            **reply.usage,
        },
    }


def _events(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    early = {**message["usage"], "output_tokens": 1}
    yield {
        "type": "message_start",
        "message": {**message, "content": [], "stop_reason": None, "usage": early},
    }
    for index, block in enumerate(message["content"]):
        start, delta = _opening(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for part in delta:
            yield {"type": "content_block_delta", "index": index, "delta": part}
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": message["usage"]}
    yield {"type": "message_stop"}


def _opening(block: Block) -> tuple[Block, list[Block]]:
    if block["type"] == "text":
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": block["text"]}]
    if block["type"] == "thinking":
        return {"type": "thinking", "thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    arguments = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    return {**block, "input": {}}, [arguments]


def scripted_model(script: Script) -> AbstractContextManager[str]:
    """The URL under which the model answers."""
    return serving(script, _Handler)
