"""An OpenAI-compatible upstream that misbehaves on demand, in a thread of the tests' own process.

The model that the body names says how: see `Stub.respond`.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import threading
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

WORDS = ["The", " capital", " of", " France", " is", " Paris", "."]
SSE = "text/event-stream"
JSON = "application/json"
SECRET_TEXT = "Incorrect API key provided: sk-upstream-secret"
FLOOD_PIECE, FLOOD_PIECES = 65536, 1024


class BrokenOnPurposeError(Exception):
    """Makes the server cut the connection."""


class Stub:
    """The application, and what it saw."""

    def __init__(self) -> None:
        self.url = ""
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new test begins."""
        self.requests: list[dict[str, Any]] = []
        self.count: Counter[str] = Counter()
        self.gone: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self.reached: defaultdict[str, threading.Event] = defaultdict(threading.Event)
        self.stalled = threading.Event()
        self.flooded = 0

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] != "http":
            return
        raw, more = b"", True
        while more:
            message = await receive()
            raw, more = raw + message.get("body", b""), message.get("more_body", False)
        body = json.loads(raw) if raw.startswith(b"{") else {}
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.requests.append(
            {
                "path": scope["path"],
                "raw_path": scope["raw_path"].decode(),
                "query": scope["query_string"].decode(),
                "method": scope["method"],
                "headers": headers,
                "body": raw,
                "client": scope["client"],
            }
        )
        model = body.get("model", "ok")
        self.count[model] += 1
        self.reached[model].set()
        with contextlib.suppress(BrokenOnPurposeError):
            await self.respond(model, body, receive, send)
            return
        raise BrokenOnPurposeError  # the server closes the connection of an application that fails midway

    async def respond(self, model: str, body: dict, receive: Callable, send: Callable) -> None:
        stream = bool(body.get("stream"))
        name, _, argument = model.partition("-")
        status, _, seconds = argument.partition("-")
        kind, _, text = argument.partition("|")
        head = {"content-type": SSE if stream else JSON}
        answers: dict[str, Callable[[], Awaitable[None]]] = {
            "hang": lambda: self._until_gone(model, receive),
            "status": lambda: self._status(int(argument), send),
            "missing": lambda: self._status(404, send, code="model_not_found"),
            # later-429-7 answers 429 with retry-after 7
            "later": lambda: self._status(int(status), send, {"retry-after": seconds}),
            # flaky-2 fails twice, then answers
            "flaky": lambda: (
                self._status(503, send)
                if self.count[model] <= int(argument)
                else self._good(stream, send)
            ),
            # raw-text/html|<html> answers just that
            "raw": lambda: whole(send, 200, text.encode(), {"content-type": kind}),
            "redirect": lambda: whole(
                send, 307, b"", {"location": "http://127.0.0.1:9/?k=sk-redirect"}
            ),
            # json answers a request for a stream with a document
            "json": lambda: whole(send, 200, completion(model), {"content-type": JSON}),
            "gzip": lambda: whole(
                send,
                200,
                gzip.compress(completion(model)),
                {**head, "content-encoding": "gzip"},
            ),
            "cut": lambda: self._cut(stream, send),
            "cutearly": lambda: self._cut_early(head, send),
            "pause": lambda: self._pause(model, head, receive, send),
            "flood": lambda: self._flood(send),
        }
        await answers.get(name, lambda: self._good(stream, send))()

    async def _cut_early(self, head: dict, send: Callable) -> None:
        await start(send, 200, head)
        raise BrokenOnPurposeError

    async def _pause(self, model: str, head: dict, receive: Callable, send: Callable) -> None:
        """A part, then silence."""
        await start(send, 200, head)
        await part(send, b'data: {"n": 1}\n\n' if head["content-type"] == SSE else b'{"a":')
        await self._until_gone(model, receive)

    async def _good(self, stream: bool, send: Callable) -> None:
        headers = {
            "x-request-id": "req-1",
            "set-cookie": "a=b",
            "x-ratelimit-remaining-requests": "7",
            "openai-processing-ms": "3",
            "x-internal": "no",
        }
        if not stream:
            await whole(send, 200, completion("ok"), {"content-type": JSON, **headers})
            return
        await start(send, 200, {"content-type": SSE, **headers})
        for word in WORDS:
            await part(send, event({"choices": [{"index": 0, "delta": {"content": word}}]}))
            await asyncio.sleep(0)
        await part(send, b"data: [DONE]\n\n", more=False)

    async def _status(
        self, status: int, send: Callable, extra: dict | None = None, *, code: str | None = None
    ) -> None:
        text = SECRET_TEXT if status in {401, 403} else f"stub {status}"
        error = {"error": {"message": text, "type": "stub_error", "code": code, "param": None}}
        headers = {"content-type": JSON, **(extra or {})}
        await whole(send, status, json.dumps(error).encode(), headers)

    async def _cut(self, stream: bool, send: Callable) -> None:
        if stream:
            await start(send, 200, {"content-type": SSE})
            await part(send, event({"n": 1}))
        else:
            await start(send, 200, {"content-type": JSON, "content-length": "4000"})
            await part(send, b'{"id": "chatcmpl-')
        await asyncio.sleep(0.02)  # so that the first part is on its way before the cut
        raise BrokenOnPurposeError

    async def _flood(self, send: Callable) -> None:
        await start(send, 200, {"content-type": SSE})
        for _ in range(FLOOD_PIECES):
            sending = asyncio.ensure_future(part(send, b"x" * FLOOD_PIECE))
            done, _ = await asyncio.wait({sending}, timeout=0.2)
            if not done:
                self.stalled.set()
            await sending
            self.flooded += FLOOD_PIECE
        await part(send, b"", more=False)

    async def _until_gone(self, model: str, receive: Callable) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.gone[model].set()


def completion(model: str) -> bytes:
    message = {"role": "assistant", "content": "Paris."}
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    return json.dumps(document).encode()


def event(document: dict) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


async def start(send: Callable[[dict], Awaitable[None]], status: int, headers: dict) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def part(send: Callable, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def whole(send: Callable, status: int, body: bytes, headers: dict) -> None:
    await start(send, status, {**headers, "content-length": str(len(body))})
    await part(send, body, more=False)


@contextlib.contextmanager
def running_stub() -> Iterator[Stub]:
    """A stub that listens on a free port of the loopback."""
    stub = Stub()
    config = uvicorn.Config(stub, port=0, log_level="critical", lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    sockets = [config.bind_socket()]
    sockets[0].listen()  # clients may come before the thread does
    stub.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}/v1"
    thread = threading.Thread(target=server.run, kwargs={"sockets": sockets})
    thread.start()
    try:
        yield stub
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        sockets[0].close()
