"""The shapes of the demonstration's answers: OpenAI's documents and events."""

from __future__ import annotations

import hashlib
import re
import struct
import time
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = {"demo": True}
DIMENSIONS, DIMENSIONS_MAX = 8, 4096
CHOICES_MAX = 16
_PIECE = re.compile(r"(?:\S+\s*){1,6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a demonstration shows of one request.

    sent: the body that would have gone upstream
    """

    model: str
    path: str
    text: str
    sent: dict[str, Any]
    input_tokens: int

    @property
    def output_tokens(self) -> int:
        """Four characters count as a token."""
        return max(1, len(self.text) // 4)

    @property
    def identity(self) -> str:
        """An id that is the same for the same request."""
        return hashlib.blake2b(
            msgspec.json.encode([self.model, self.sent]), digest_size=12
        ).hexdigest()


def chat_document(shown: Shown) -> dict[str, Any]:
    """A chat completion."""
    message = {"role": "assistant", "content": shown.text, "refusal": None}
    return {
        **_chat_head(shown, "chat.completion"),
        "choices": [
            {"index": i, "message": message, "logprobs": None, "finish_reason": "stop"}
            for i in range(_choices(shown))
        ],
        "usage": _chat_usage(shown),
        "onehead": MARK,
    }


def chat_events(shown: Shown) -> Iterator[bytes]:
    """A chat completion as a stream."""
    head = {**_chat_head(shown, "chat.completion.chunk"), "onehead": MARK}
    options = shown.sent.get("stream_options")
    ask = isinstance(options, dict) and bool(options.get("include_usage"))
    extra = {"usage": None} if ask else {}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choices = [
            {"index": i, "delta": delta, "logprobs": None, "finish_reason": finish}
            for i in range(_choices(shown))
        ]
        return _event({**head, "choices": choices, **extra})

    yield chunk({"role": "assistant", "content": ""})
    for piece in _PIECE.findall(shown.text):
        yield chunk({"content": piece})
    yield chunk({}, "stop")
    if ask:
        yield _event({**head, "choices": [], "usage": _chat_usage(shown)})
    yield b"data: [DONE]\n\n"


def completion_document(shown: Shown) -> dict[str, Any]:
    """A completion of the older kind."""
    return {
        **_chat_head(shown, "text_completion"),
        "choices": [{"index": 0, "text": shown.text, "logprobs": None, "finish_reason": "stop"}],
        "usage": _chat_usage(shown),
        "onehead": MARK,
    }


def embeddings_document(shown: Shown) -> dict[str, Any]:
    """Vectors that only their texts decide; they mean nothing."""
    given = shown.sent.get("input")
    texts = given if isinstance(given, list) and given else [given]
    if all(isinstance(one, int) for one in texts):
        texts = [texts]  # one text as tokens
    size = shown.sent.get("dimensions")
    n = size if isinstance(size, int) and 0 < size <= DIMENSIONS_MAX else DIMENSIONS
    packed = shown.sent.get("encoding_format") == "base64"
    rows = []
    for i, text in enumerate(texts):
        vector = _vector(msgspec.json.encode(text), n)
        value = b64encode(struct.pack(f"<{n}f", *vector)).decode() if packed else vector
        rows.append({"object": "embedding", "index": i, "embedding": value})
    tokens = shown.input_tokens
    return {
        "object": "list",
        "data": rows,
        "model": shown.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        "onehead": {**MARK, "would_have": shown.text},
    }


def response_document(shown: Shown, *, done: bool = True) -> dict[str, Any]:
    """An answer of the Responses API; not `done`: as it is when a stream begins."""
    usage = {
        "input_tokens": shown.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": shown.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": shown.input_tokens + shown.output_tokens,
    }
    return {
        "id": f"resp_demo_{shown.identity}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "completed" if done else "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": shown.model,
        "output": [_message(shown, done=True)] if done else [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if done else None,
        "onehead": MARK,
    }


def response_events(shown: Shown) -> Iterator[bytes]:
    """An answer of the Responses API as a stream."""
    for number, (kind, fields) in enumerate(_response_steps(shown)):
        event = {"type": kind, "sequence_number": number, **fields}
        yield b"event: " + kind.encode() + b"\n" + _event(event)


def other_document(shown: Shown) -> dict[str, Any]:
    """For any other path."""
    return {
        "object": "onehead.demo",
        "path": shown.path,
        "model": shown.model,
        "onehead": {**MARK, "would_have": shown.text},
    }


def _response_steps(shown: Shown) -> Iterator[tuple[str, dict[str, Any]]]:
    begun = response_document(shown, done=False)
    item = {"item_id": f"msg_demo_{shown.identity}", "output_index": 0}
    part = {**item, "content_index": 0}
    yield "response.created", {"response": begun}
    yield "response.in_progress", {"response": begun}
    yield "response.output_item.added", {"output_index": 0, "item": _message(shown, done=False)}
    yield "response.content_part.added", {**part, "part": _output_text("")}
    for piece in _PIECE.findall(shown.text):
        yield "response.output_text.delta", {**part, "delta": piece, "logprobs": []}
    yield "response.output_text.done", {**part, "text": shown.text, "logprobs": []}
    yield "response.content_part.done", {**part, "part": _output_text(shown.text)}
    yield "response.output_item.done", {"output_index": 0, "item": _message(shown, done=True)}
    yield "response.completed", {"response": response_document(shown)}


def _message(shown: Shown, *, done: bool) -> dict[str, Any]:
    return {
        "id": f"msg_demo_{shown.identity}",
        "type": "message",
        "status": "completed" if done else "in_progress",
        "role": "assistant",
        "content": [_output_text(shown.text)] if done else [],
    }


def _output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _chat_head(shown: Shown, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-demo-{shown.identity}",
        "object": kind,
        "created": int(time.time()),
        "model": shown.model,
    }


def _chat_usage(shown: Shown) -> dict[str, Any]:
    return {
        "prompt_tokens": shown.input_tokens,
        "completion_tokens": shown.output_tokens,
        "total_tokens": shown.input_tokens + shown.output_tokens,
    }


def _choices(shown: Shown) -> int:
    n = shown.sent.get("n")
    return min(n, CHOICES_MAX) if isinstance(n, int) and n > 0 else 1


def _vector(text: bytes, n: int) -> list[float]:
    raw = hashlib.shake_128(text).digest(2 * n)
    return [one / 32768.0 for one in struct.unpack(f"<{n}h", raw)]


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(document) + b"\n\n"
