"""An upstream that answers as a model would: tools are called, schemas filled in, vectors given.

Complete in OpenAI's shapes, since real clients read them; faults are `gateways.Upstream`'s.
"""

from __future__ import annotations

import base64
import contextlib
import json
import struct
from typing import TYPE_CHECKING, Any

from gateways import Upstream, _serving
from stub_upstream import JSON, SSE, Stub, event, part, start, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAULTS = ("hang", "status", "later", "flaky", "cut", "cutearly", "pause", "raw")
PERSON = {"name": "Ada", "age": 36}
WEATHER = {"city": "Paris", "unit": "celsius"}
CHAT_USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 40,
    "total_tokens": 160,
    "prompt_tokens_details": {"cached_tokens": 100, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 0},
}
RESPONSES_USAGE = {
    "input_tokens": 120,
    "input_tokens_details": {"cached_tokens": 100},
    "output_tokens": 40,
    "output_tokens_details": {"reasoning_tokens": 30},
    "total_tokens": 160,
}


class Model(Upstream):
    """A model behind an OpenAI-compatible address."""

    async def respond(self, model: str, body: dict, receive: Callable, send: Callable) -> None:
        path = self.requests[-1]["path"]
        if model.partition("-")[0] in FAULTS:
            await Stub.respond(self, model, body, receive, send)
        elif path.endswith("/embeddings"):
            await whole(send, 200, json.dumps(embeddings(model, body)).encode(), {"content-type": JSON})  # fmt: skip
        elif path.endswith("/responses"):
            await _answer(send, body, response_events(model, body), response(model, body))
        else:
            await _answer(send, body, chat_events(model, body), chat(model, body))


@contextlib.contextmanager
def running_model() -> Iterator[Model]:
    """The upstream on a free port of the loopback."""
    upstream = Model()
    with _serving(upstream, lifespan="off") as url:
        upstream.url = f"{url}/v1"
        yield upstream


async def _answer(send: Callable, body: dict, events: Iterator[bytes], document: dict) -> None:
    if not body.get("stream"):
        await whole(send, 200, json.dumps(document).encode(), {"content-type": JSON, "x-request-id": "req-up"})  # fmt: skip
        return
    await start(send, 200, {"content-type": SSE})
    for one in events:
        await part(send, one)
    await part(send, b"", more=False)


def embeddings(model: str, body: dict) -> dict[str, Any]:
    """A vector for each text, packed where that is asked for."""
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    vectors: list[Any] = [[float(len(str(text))), 0.5] for text in texts]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack("<2f", *vector)).decode() for vector in vectors]
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return {"object": "list", "model": model, "data": data, "usage": usage}


def words(turns: list[dict], schema: Any, tools: Any) -> tuple[str | None, bool]:
    """What the model says, and whether it calls a tool instead."""
    last = turns[-1]
    if last.get("role") == "tool" or last.get("type") == "function_call_output":
        return f"The tool says {last.get('content') or last.get('output')}", False
    if tools:
        return None, True
    if schema:
        return json.dumps(PERSON), False
    content = last.get("content")
    parts = content if isinstance(content, list) else []
    images = sum(one["type"] in {"image_url", "input_image"} for one in parts)
    return (f"I see {images} picture." if images else "The capital is Paris."), False


def chat(model: str, body: dict) -> dict[str, Any]:
    """A chat completion."""
    form = body.get("response_format") or {}
    text, calls = words(body["messages"], form.get("type") == "json_schema", body.get("tools"))
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if calls:
        message["tool_calls"] = [
            _call(place, tool["function"]["name"]) for place, tool in enumerate(body["tools"])
        ]
    token = {"token": "The", "logprob": -0.1, "bytes": [84, 104, 101], "top_logprobs": []}
    choice = {
        "message": message,
        "logprobs": {"content": [token], "refusal": None} if body.get("logprobs") else None,
        "finish_reason": "tool_calls" if calls else "stop",
    }
    choices = [{"index": place, **choice} for place in range(body.get("n") or 1)]
    return {**_head(model, "chat.completion"), "choices": choices, "usage": CHAT_USAGE}


def chat_events(model: str, body: dict) -> Iterator[bytes]:
    """The same in pieces, arguments of tools cut in the middle."""
    head = _head(model, "chat.completion.chunk")

    def chunk(place: int, delta: dict, finish: str | None = None) -> bytes:
        choice = {"index": place, "delta": delta, "logprobs": None, "finish_reason": finish}
        return event({**head, "choices": [choice]})

    for place, choice in enumerate(chat(model, body)["choices"] if body.get("messages") else []):
        message = choice["message"]
        yield chunk(place, {"role": "assistant", "content": message["content"] and ""})
        for piece in _pieces(message["content"] or ""):
            yield chunk(place, {"content": piece})
        for number, call in enumerate(message.get("tool_calls", [])):
            function = call["function"]
            first = {
                **call,
                "index": number,
                "function": {"name": function["name"], "arguments": ""},
            }
            yield chunk(place, {"tool_calls": [first]})
            for piece in _pieces(function["arguments"]):
                yield chunk(place, {"tool_calls": [{"index": number, "function": {"arguments": piece}}]})  # fmt: skip
        yield chunk(place, {}, choice["finish_reason"])
    if (body.get("stream_options") or {}).get("include_usage"):
        yield event({**head, "choices": [], "usage": CHAT_USAGE})
    yield b"data: [DONE]\n\n"


def response(model: str, body: dict, *, done: bool = True) -> dict[str, Any]:
    """An answer of the Responses API."""
    turns = body["input"] if isinstance(body["input"], list) else [{"content": body["input"]}]
    form = (body.get("text") or {}).get("format") or {}
    text, calls = words(turns, form.get("type") == "json_schema", body.get("tools"))
    output = (
        [_function_call(tool["name"]) for tool in body["tools"]]
        if calls
        else [_message(text or "")]
    )
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed" if done else "in_progress",
        "model": model,
        "output": output if done else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": RESPONSES_USAGE if done else None,
    }


def response_events(model: str, body: dict) -> Iterator[bytes]:
    """The same as typed events."""
    for number, (kind, fields) in enumerate(_response_steps(model, body)):
        told = json.dumps({"type": kind, "sequence_number": number, **fields})
        yield f"event: {kind}\ndata: {told}\n\n".encode()


def _response_steps(model: str, body: dict) -> Iterator[tuple[str, dict[str, Any]]]:
    begun, whole_answer = response(model, body, done=False), response(model, body)
    yield "response.created", {"response": begun}
    for place, item in enumerate(whole_answer["output"]):
        at = {"item_id": item["id"], "output_index": place}
        if item["type"] == "function_call":
            yield "response.output_item.added", {"output_index": place, "item": {**item, "arguments": ""}}  # fmt: skip
            for piece in _pieces(item["arguments"]):
                yield "response.function_call_arguments.delta", {**at, "delta": piece}
            yield "response.function_call_arguments.done", {**at, "arguments": item["arguments"], "name": item["name"]}  # fmt: skip
        else:
            spoken = item["content"][0]
            yield "response.output_item.added", {"output_index": place, "item": {**item, "content": []}}  # fmt: skip
            inner = {**at, "content_index": 0}
            yield "response.content_part.added", {**inner, "part": {**spoken, "text": ""}}
            for piece in _pieces(spoken["text"]):
                yield "response.output_text.delta", {**inner, "delta": piece, "logprobs": []}
            yield "response.output_text.done", {**inner, "text": spoken["text"], "logprobs": []}
            yield "response.content_part.done", {**inner, "part": spoken}
        yield "response.output_item.done", {"output_index": place, "item": item}
    yield "response.completed", {"response": whole_answer}


def _head(model: str, kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": model}


def _call(place: int, name: str) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(WEATHER)}
    return {"id": f"call_{place}", "type": "function", "function": function}


def _function_call(name: str) -> dict[str, Any]:
    return {"id": "fc_1", "call_id": "call_1", "type": "function_call", "status": "completed",
            "name": name, "arguments": json.dumps(WEATHER)}  # fmt: skip


def _message(text: str) -> dict[str, Any]:
    content = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant",
            "content": [content]}  # fmt: skip


def _pieces(text: str) -> list[str]:
    return [text[place : place + 5] for place in range(0, len(text), 5)]
