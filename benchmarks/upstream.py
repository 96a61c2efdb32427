"""An OpenAI-compatible upstream that costs as little as Python can, so that a gateway is what is measured.

    python benchmarks/upstream.py PORT

Answers every POST at once: a completion, or a stream of eight chunks where the body asks for one.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import cast

import httptools
import uvloop

USAGE = {"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20}
WORDS = ("The", " capital", " of", " France", " is", " Paris", ".")
BASE = {"id": "chatcmpl-1", "created": 1, "model": "stub"}


def _whole() -> bytes:
    message = {"role": "assistant", "content": "".join(WORDS)}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = {**BASE, "object": "chat.completion", "choices": [choice], "usage": USAGE}
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


def _chunk(payload: str) -> bytes:
    event = f"data: {payload}\n\n".encode()
    return f"{len(event):x}\r\n".encode() + event + b"\r\n"


def _events() -> list[bytes]:
    base = {**BASE, "object": "chat.completion.chunk"}
    pieces = [{"index": 0, "delta": {"content": word}, "finish_reason": None} for word in WORDS]
    pieces.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    found = [_chunk(json.dumps({**base, "choices": [piece]})) for piece in pieces]
    return [*found, _chunk(json.dumps({**base, "choices": [], "usage": USAGE})), _chunk("[DONE]")]


WHOLE = _whole()
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
EVENTS = _events()


class Upstream(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """A part of the request."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer."""
        body, self._body = self._body, b""
        if b'"stream":true' in body.replace(b" ", b""):
            self._transport.write(STREAM_HEAD + EVENTS[0])
            for event in EVENTS[1:]:
                self._transport.write(event)
            self._transport.write(b"0\r\n\r\n")
        else:
            self._transport.write(WHOLE)


async def serve(port: int) -> None:
    """Listen on the loopback until the process is stopped."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
