"""Requests and answers over ASGI: bodies read within limits, answers sent in one go."""

from __future__ import annotations

import asyncio
import math
import os
import re
import time
from typing import TYPE_CHECKING, Any

import msgspec

from onehead.gateway.errors import GatewayError
from onehead.gateway.limit import Limit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Message, Receive, Scope, Send

_ENCODE = msgspec.json.Encoder().encode
_CLEAN_ID = re.compile(r"[\x21-\x7e]{1,128}")
JSON = b"application/json"
CLIENT_GONE = 499
"""What is noted as the status where a client did not wait for one."""


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers of a request by lower-case name; of a repeated one the last counts."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def request_id(headers: dict[str, str], otherwise: str | None = None) -> str:
    """The caller's own id of a request where it is harmless, else `otherwise`, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _CLEAN_ID.fullmatch(given) else otherwise or f"req_{os.urandom(12).hex()}"


async def read_body(
    receive: Receive, headers: dict[str, str], *, most_bytes: int, within_s: float
) -> bytes:
    """The whole body of a request.

    Raises:
        GatewayError: it is too large (413) or comes too slowly (408).
        ClientGone: its client went away.
    """
    stated = headers.get("content-length", "0")
    if stated.isdecimal() and int(stated) > most_bytes:
        raise _too_large(most_bytes)
    loop = asyncio.get_running_loop()
    parts: list[bytes] = []
    size = 0
    try:
        with Limit(loop, loop.time() + within_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                part = message.get("body", b"")
                size += len(part)
                if size > most_bytes:
                    raise _too_large(most_bytes)
                parts.append(part)
                if not message.get("more_body", False):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
    except TimeoutError:
        raise GatewayError(
            f"the body did not arrive within {within_s:g} s.", status=408, code="request_timeout"
        ) from None


class ClientGone(Exception):  # noqa: N818  (the name says the situation)
    """The client closed its connection before the answer was complete."""


class Watch:
    """Cancels the task of a request when its client goes.

    Nothing is spent on an answer that comes at once: the watch begins after a moment. `gone` says
    afterwards why the task was cancelled.
    """

    __slots__ = ("_handle", "_receive", "_task", "_watcher", "gone")

    def __init__(self, receive: Receive, *, after_s: float = 0.05) -> None:
        loop = asyncio.get_running_loop()
        self._receive = receive
        self._task = asyncio.current_task(loop)
        self._watcher: asyncio.Task[None] | None = None
        self._handle = loop.call_later(after_s, self._begin)
        self.gone = False

    def end(self) -> None:
        """Stop watching."""
        self._handle.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _begin(self) -> None:
        self._watcher = asyncio.ensure_future(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._task is not None:
            self._task.cancel()


async def send_bytes(
    send: Send,
    status: int,
    body: bytes,
    headers: Iterable[tuple[bytes, bytes]] = (),
    content_type: bytes = JSON,
) -> None:
    """A whole answer."""
    length = str(len(body)).encode()
    await send(
        _start(status, [(b"content-type", content_type), (b"content-length", length), *headers])
    )
    await send({"type": "http.response.body", "body": body})


async def send_json(
    send: Send, status: int, document: Any, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """A JSON document."""
    await send_bytes(send, status, _ENCODE(document), headers)


async def send_error(
    send: Send, error: GatewayError, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """An error in OpenAI's shape. What is left of a body unread is not waited for."""
    extra = list(headers)
    if error.retry_after is not None:
        extra.append((b"retry-after", str(math.ceil(error.retry_after)).encode()))
    if error.status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    if error.code == "insufficient_quota":
        extra.append((b"x-should-retry", b"false"))  # OpenAI's clients repeat any other 429
    await send_bytes(send, error.status, error.body(), extra)


async def start_stream(
    send: Send, status: int, headers: Iterable[tuple[bytes, bytes]], content_type: bytes
) -> None:
    """The head of an answer whose length is unknown."""
    await send(_start(status, [(b"content-type", content_type), *headers]))


async def send_part(send: Send, part: bytes, *, last: bool = False) -> None:
    """A part of a streamed answer."""
    await send({"type": "http.response.body", "body": part, "more_body": not last})


def ascii_value(text: str) -> bytes:
    """A header's value: what is not plain ASCII is escaped, so that no name can forge a header."""
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    return text.encode("ascii", "backslashreplace").replace(b"\r", b"").replace(b"\n", b"")


def milliseconds(since: float) -> float:
    """Milliseconds since a reading of the performance counter."""
    return (time.perf_counter() - since) * 1e3


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def _too_large(most_bytes: int) -> GatewayError:
    return GatewayError(
        f"the body is larger than {most_bytes >> 20} MB, the limit here (max_body_mb).",
        status=413,
        code="request_too_large",
    )
