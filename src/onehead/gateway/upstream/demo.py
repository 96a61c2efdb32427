"""The demonstration upstream: answers that say what would have been sent where. No sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from onehead.gateway.upstream.answer import Answer, Attempt
from onehead.gateway.upstream.demo_documents import (
    Shown,
    chat_document,
    chat_events,
    completion_document,
    embeddings_document,
    other_document,
    response_document,
    response_events,
)
from onehead.gateway.upstream.verdict import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onehead.gateway.upstream.call import Request
    from onehead.gateway.upstream.target import Target

QUOTED_CHARS = 160
CHARS_PER_TOKEN = 4
_DOCUMENTS = {
    "/chat/completions": chat_document,
    "/completions": completion_document,
    "/embeddings": embeddings_document,
    "/responses": response_document,
}
_EVENTS = {"/chat/completions": chat_events, "/responses": response_events}


def demonstration(target: Target, request: Request, body: bytes) -> Answer:
    """What `target` would have been sent, told in the shape of an answer."""
    path = request.path.partition("?")[0]
    sent = _document(body)
    shown = Shown(
        model=target.id, path=path, text=_text(target, path, sent, body), sent=sent,
        input_tokens=max(1, len(body) // CHARS_PER_TOKEN),
    )  # fmt: skip
    answer = Answer(
        model=target.id,
        status=200,
        headers=[],
        content_type="application/json",
        attempts=[Attempt(model=target.id, outcome="ok", status=200, reason="demonstration")],
    )
    if request.stream and sent.get("stream") and path in _EVENTS:
        chunks = Chunks(_EVENTS[path](shown))
        answer.content_type = "text/event-stream"
        answer.chunks, answer.on_close = chunks, chunks.close
    else:
        answer.body = msgspec.json.encode(_DOCUMENTS.get(path, other_document)(shown))
    return answer


class Chunks:
    """Prepared events, one at a time, as an upstream's stream."""

    __slots__ = ("_events",)

    def __init__(self, events: Iterator[bytes]) -> None:
        """Give out `events`."""
        self._events = events

    def __aiter__(self) -> Chunks:
        return self

    async def __anext__(self) -> bytes:
        """The next event."""
        for event in self._events:
            return event
        raise StopAsyncIteration

    def close(self) -> None:
        """Give out no more."""
        self._events = iter(())


def _document(body: bytes) -> dict[str, Any]:
    try:
        sent = msgspec.json.decode(body)
    except UNREADABLE:
        return {}
    return sent if isinstance(sent, dict) else {}


def _text(target: Target, path: str, sent: dict[str, Any], body: bytes) -> str:
    """What the demonstration says."""
    model = target.model
    name = "" if model.upstream_model == model.id else f" under the name {model.upstream_model}"
    if target.reachable:
        where = f"would have been sent to {target.host} as {path}{name}"
    else:
        where = "has nowhere to go: set base_url for this model in the configuration"
    lines = [
        "This is a demonstration: no model was called.",
        f"The router's plan begins with {model.id}. The request {where}.",
        f"It holds about {max(1, len(body) // CHARS_PER_TOKEN)} tokens.",
    ]
    quoted = " ".join(last_user_text(sent).split())
    if quoted:
        more = "…" if len(quoted) > QUOTED_CHARS else ""
        lines.append(f"The last user turn begins: {quoted[:QUOTED_CHARS]}{more}")
    return "\n".join(lines)


def last_user_text(sent: dict[str, Any]) -> str:
    """The text of the last user turn, in any of the APIs; "" where there is none."""
    turns = sent.get("messages") or sent.get("input") or sent.get("prompt") or ""
    if isinstance(turns, str):
        return turns
    if not isinstance(turns, list):
        return ""
    for turn in reversed(turns):
        if isinstance(turn, str):
            return turn
        if isinstance(turn, dict) and turn.get("role") == "user":
            return _content(turn.get("content"))
    return ""


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return " ".join(text for text in texts if isinstance(text, str))
