"""Server-sent events as they pass: cut at their ends, looked at only where they may hold usage."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from onehead.gateway.wire.options import is_auto
from onehead.gateway.wire.usage import Usage, usage_of

_END = re.compile(rb"\r?\n\r?\n|\r\r")
_MAY_HOLD_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_MOST_PENDING = 16 << 20
"""An event without an end in so many bytes is passed on as it is, so that memory stays bounded."""


class EventRelay:
    """Passes the events of one stream, and notes what they say of usage.

    asked_usage: whether the client asked for usage; where it did not, the event that only tells
        usage is kept back
    model: the name to state where upstream states none, or echoes an ``auto`` name
    """

    def __init__(self, *, asked_usage: bool, model: str) -> None:
        self._asked_usage = asked_usage
        self._model = model
        self._pending = b""
        self._rename: bool | None = None
        self.usage: Usage | None = None
        self.answer_id: str | None = None
        self.characters = 0
        """Bytes of events passed, from which usage is estimated where none is stated."""
        self.events = 0
        self.failed = False
        """Whether upstream itself told an error in an event."""

    def feed(self, chunk: bytes) -> bytes:
        """What to pass on after `chunk` came: all whole events so far."""
        data = self._pending + chunk if self._pending else chunk
        end = _last_end(data)
        if end == 0 and len(data) > _MOST_PENDING:
            end = len(data)
        self._pending = data[end:]
        whole = data[:end]
        if not whole:
            return b""
        self.characters += len(whole)
        if self._rename is None:
            self._look_at_first(whole)
        if not self._rename and not _MAY_HOLD_USAGE.search(whole) and b'"error"' not in whole:
            self.events += whole.count(b"data:")
            return whole
        return b"".join(self._event(event) for event in _events(whole))

    def finish(self) -> bytes:
        """What is left when upstream ended cleanly without a last empty line."""
        rest, self._pending = self._pending, b""
        return self._event(rest) if rest else b""

    def _look_at_first(self, whole: bytes) -> None:
        """Learn from the first event that says it: the answer's id, and whether it is named."""
        for event in _events(whole):
            document = _document(event)
            if document is None:
                continue
            inner = document.get("response")
            stated = inner if isinstance(inner, dict) else document
            name = stated.get("model")
            self._rename = not isinstance(name, str) or not name or is_auto(name)
            identity = stated.get("id")
            self.answer_id = identity if isinstance(identity, str) else None
            return

    def _event(self, event: bytes) -> bytes:
        """One event as it is passed on; nothing for one that the client did not ask for."""
        self.events += 1
        document = _document(event)
        if document is None:
            return event
        if document.get("error") is not None or document.get("type") in (
            "error",
            "response.failed",
        ):
            self.failed = True
        inner = document.get("response")
        usage = usage_of(document) or usage_of(inner)
        if usage is not None:
            self.usage = usage
            if not self._asked_usage and document.get("choices") == []:
                return b""
        if self._rename:
            if isinstance(inner, dict):
                inner["model"] = self._model
            elif "choices" in document or "model" in document:
                document["model"] = self._model
            return _with_data(event, document)
        return event


def error_event(document: dict[str, Any], *, responses: bool, sequence: int = 0) -> bytes:
    """The event that ends a broken stream, in the words of the API that was called."""
    if responses:
        error = document["error"]
        # The documented event, and the object without which OpenAI's clients take it for one of many
        # and their callers a broken answer for a whole one.
        told = {"type": "error", "code": error["code"], "message": error["message"],
                "param": error["param"], "sequence_number": sequence, "error": error}  # fmt: skip
        return b"event: error\ndata: " + msgspec.json.encode(told) + b"\n\n"
    return b"data: " + msgspec.json.encode(document) + b"\n\n"


def _last_end(data: bytes) -> int:
    """Where the last whole event ends; 0 where none does."""
    if data.endswith(b"\n\n"):
        return len(data)
    end = 0
    for match in _END.finditer(data):
        end = match.end()
    return end


def _events(whole: bytes) -> list[bytes]:
    """Whole events, each with the empty line that ends it."""
    events, start = [], 0
    for match in _END.finditer(whole):
        events.append(whole[start : match.end()])
        start = match.end()
    if start < len(whole):
        events.append(whole[start:])
    return events


def _document(event: bytes) -> dict[str, Any] | None:
    """The JSON object in an event's data; None where there is none."""
    data = b"\n".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))
    if not data.startswith(b"{"):
        return None
    try:
        document = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _with_data(event: bytes, document: dict[str, Any]) -> bytes:
    """The event with other data."""
    kept = [line for line in event.splitlines() if line and not line.startswith(b"data:")]
    return b"\n".join([*kept, b"data: " + msgspec.json.encode(document)]) + b"\n\n"
