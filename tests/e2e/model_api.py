"""A model that says what a script tells it to: enough of the Messages API for a real Claude Code.

A script maps a word to the replies of one turn. The word is looked for in what the user, or the
agent that started a subagent, said last; the reply is the one after those given since.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the model; with a `status`, an error in its place."""

    blocks: Sequence[Block] = ()
    cached: int = 0
    output: int = 7
    pause: float = 0.0
    """Seconds of silence in the middle of the stream."""
    status: int = 200


Script = dict[str, Sequence[Reply]]


def says(text: str) -> Block:
    return {"type": "text", "text": text}


def thinks(text: str) -> Block:
    return {"type": "thinking", "thinking": text, "signature": "c2lnbmVk"}


def uses(tool: str, **arguments: Any) -> Block:
    return {"type": "tool_use", "name": tool, "input": arguments}


class _Api(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, script: Script) -> None:
        self.script = script
        self.numbers = itertools.count(1)
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """An agent that is interrupted hangs up in the middle: nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    server: _Api

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(200, {})

    do_HEAD = do_GET  # noqa: N815 - the standard library's name

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if "count_tokens" in self.path:
            return self._answer(200, {"input_tokens": 1})
        reply = _choose(self.server.script, asked.get("messages", []))
        if reply.status != 200:
            error = {"type": "invalid_request_error", "message": "made to fail"}
            return self._answer(reply.status, {"type": "error", "error": error})
        message = _message(reply, next(self.server.numbers), asked.get("model"))
        if asked.get("stream"):
            return self._stream(message, reply.pause)
        return self._answer(200, message)

    def _answer(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, message: dict[str, Any], pause: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for number, event in enumerate(_events(message)):
            if number == 4:
                time.sleep(pause)
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()


def _choose(script: Script, messages: list[dict[str, Any]]) -> Reply:
    given = 0
    for message in reversed(messages):
        if message["role"] == "assistant":
            given += 1
            continue
        words = _text(message["content"]).split()
        known = next((word for word in reversed(words) if word in script), None)
        if known:
            return script[known][min(given, len(script[known]) - 1)]
    return Reply([says("Nothing was asked for.")])


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(block["text"] for block in content if block.get("type") == "text")


def _message(reply: Reply, number: int, model: Any) -> dict[str, Any]:
    blocks = [
        {**block, "id": f"toolu_{number:04}_{place}"} if block["type"] == "tool_use" else block
        for place, block in enumerate(reply.blocks)
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
        for one in delta:
            yield {"type": "content_block_delta", "index": index, "delta": one}
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


@contextmanager
def scripted_model(script: Script) -> Iterator[str]:
    """The URL under which the model answers."""
    api = _Api(script)
    thread = threading.Thread(target=api.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{api.server_port}"
    finally:
        api.shutdown()
        api.server_close()
        thread.join()
