"""A gateway on a real socket in front of an upstream that misbehaves on demand, for tests."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import uvicorn
from stub_upstream import JSON, SSE, WORDS, Stub, event, part, start, whole

from onehead.config import parse_config
from onehead.errors import UnknownDecision
from onehead.gateway.app import App, create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

USAGE = {"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20}

MODELS: dict[str, dict[str, Any]] = {
    "good-cheap": {"like": "gpt-3.5-turbo-1106"},
    "good-dear": {
        "like": "gpt-4o-2024-05",
        "input_usd_per_million": 5.0,
        "output_usd_per_million": 15.0,
        "cached_input_usd_per_million": 0.5,
    },
    "renamed": {"upstream_model": "good-inner", "body": {"temperature": 0.5}, "auto": False},
    "echo": {"auto": False},
    "tool": {"auto": False},
    "quiet": {"auto": False},
    "unnamed": {"auto": False, "upstream_model": "unnamed-x"},
    "hang": {"auto": False},
    "pause": {"auto": False},
    "cut": {"auto": False},
    "raw-text/html|<html>": {"auto": False},
    "status-400": {"auto": False},
    "status-401": {"auto": False},
    "status-500": {"auto": False},
}
QUICK = """
[upstreams]
retries = 0
retry_base_s = 0.001
breaker_failures = 1000
"""


FAULTS = frozenset(
    "hang status missing later flaky raw redirect cut cutearly pause flood".split()  # noqa: SIM905
)


class Upstream(Stub):
    """The stub with answers that tell usage, echo what came, call tools and speak Responses.

    The part of the model's name before a dash says what it does: echo, tool, quiet (no usage),
    unnamed (an answer without a model), else as `Stub` says; any other name answers well.
    """

    async def respond(self, model: str, body: dict, receive: Callable, send: Callable) -> None:
        kind = model.partition("-")[0]
        path = self.requests[-1]["path"]
        if path.endswith("/embeddings"):
            document = {"object": "list", "model": model, "data": [], "usage": {"prompt_tokens": 9}}
            await whole(send, 200, json.dumps(document).encode(), {"content-type": JSON})
        elif path.endswith("/audio/speech"):
            await whole(send, 200, b"\x00sound\xff", {"content-type": "audio/mpeg"})
        elif path.endswith("/responses"):
            await self._response(model, body, send)
        elif kind in FAULTS:
            await super().respond(model, body, receive, send)
        elif body.get("stream"):
            await self._stream(model, kind, body, send)
        else:
            text = self.requests[-1]["body"].decode() if kind == "echo" else "Paris."
            await whole(send, 200, json.dumps(answer(model, kind, text)).encode(), {"content-type": JSON})  # fmt: skip

    async def _stream(self, model: str, kind: str, body: dict, send: Callable) -> None:
        await start(send, 200, {"content-type": SSE})
        head = {"id": "chatcmpl-7", "object": "chat.completion.chunk"}
        head |= {} if kind == "unnamed" else {"model": model}
        for word in WORDS:
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            await part(send, event({**head, "choices": [choice]}))
        if (body.get("stream_options") or {}).get("include_usage"):
            await part(send, event({**head, "choices": [], "usage": USAGE}))
        await part(send, b"data: [DONE]\n\n", more=False)

    async def _response(self, model: str, body: dict, send: Callable) -> None:
        usage = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}
        document = {"id": f"resp_{len(self.requests)}", "object": "response", "model": model,
                    "status": "completed", "output": [], "usage": usage}  # fmt: skip
        if not body.get("stream"):
            await whole(send, 200, json.dumps(document).encode(), {"content-type": JSON})
            return
        await start(send, 200, {"content-type": SSE})
        for kind in ("response.created", "response.completed"):
            told = json.dumps({"type": kind, "response": document}).encode()
            await part(send, f"event: {kind}\n".encode() + b"data: " + told + b"\n\n")
        await part(send, b"", more=False)


def answer(model: str, kind: str, text: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if kind == "tool":
        call = {"name": "lookup", "arguments": '{"q": 1}'}
        message["tool_calls"] = [{"id": "c1", "type": "function", "function": call}]
    document = {"id": "chatcmpl-7", "object": "chat.completion", "model": model,
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}  # fmt: skip
    if kind == "unnamed":
        del document["model"]
    return document if kind == "quiet" else {**document, "usage": USAGE}


@contextlib.contextmanager
def running_upstream() -> Iterator[Upstream]:
    """An upstream on a free port of the loopback."""
    upstream = Upstream()
    with _serving(upstream, lifespan="off") as url:
        upstream.url = f"{url}/v1"
        yield upstream


class Gateway:
    """A running gateway: its application and a client for it."""

    def __init__(self, app: App, url: str) -> None:
        self.app = app
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=20)

    def chat(self, model: str = "auto", text: str = "hi", **fields: Any) -> httpx.Response:
        headers = fields.pop("headers", None)
        messages = fields.pop("messages", [{"role": "user", "content": text}])
        body = {"model": model, "messages": messages, **fields}
        return self.client.post("/v1/chat/completions", json=body, headers=headers)

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return self.client.post(path, json=body, **options)

    def logged(self, response: httpx.Response) -> dict[str, Any]:
        """The log's row of a request, once it is written."""
        return self.row(response.headers["x-onehead-decision-id"])

    def row(self, decision_id: str) -> dict[str, Any]:
        store = self.app.state.parts.reading.store()
        pause = threading.Event()
        for _ in range(200):
            with contextlib.suppress(UnknownDecision):
                return msgspec.structs.asdict(store.decision(decision_id))
            pause.wait(0.02)
        raise AssertionError(f"{decision_id} was never logged")


def toml(upstream: str, folder: Path, models: dict[str, dict[str, Any]], extra: str = "") -> str:
    """A configuration in front of `upstream`; each model with prices and a profile unless given."""
    lines = [extra, "[store]", f'url = "sqlite:///{folder}/log.db"']
    for name, fields in models.items():
        known = {
            "id": name,
            "base_url": upstream,
            "input_usd_per_million": 1.0,
            "output_usd_per_million": 2.0,
            "like": "gpt-3.5-turbo-1106",
            **fields,
        }
        lines.append("[[models]]")
        lines += [f"{key} = {_value(value)}" for key, value in known.items()]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_value(one)}" for name, one in value.items()) + "}"
    return json.dumps(value)


@contextlib.contextmanager
def running_gateway(
    text: str, environment: dict[str, str] | None = None, *, demo: bool = False
) -> Iterator[Gateway]:
    """A gateway by a configuration's text, on a free port of the loopback."""
    config = parse_config(text, environment=environment or {}, where="test.toml")
    app = create_app(replace(config, demo=demo))
    with _serving(app, lifespan="on") as url:
        gateway = Gateway(app, url)
        try:
            yield gateway
        finally:
            gateway.client.close()


@contextlib.contextmanager
def _serving(app: Any, lifespan: str) -> Iterator[str]:
    config = uvicorn.Config(
        app, port=0, log_level="critical", lifespan=lifespan, access_log=False, loop="uvloop"
    )
    server = uvicorn.Server(config)
    listening = config.bind_socket()
    listening.listen()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    pause = threading.Event()
    try:
        while not server.started and thread.is_alive():
            pause.wait(0.02)
        assert thread.is_alive(), "the server did not start"
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()


def error(response: httpx.Response) -> dict[str, Any]:
    document = response.json()
    assert set(document) == {"error"}
    assert set(document["error"]) == {"message", "type", "code", "param"}
    found: dict[str, Any] = document["error"]
    return found


def events(response: httpx.Response) -> list[Any]:
    data = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    return [one if one == "[DONE]" else json.loads(one) for one in data]
