"""How answers leave: in few packets, and a whole one at once.

uvicorn writes head and body each for itself and looks at every header with two regular expressions.
An answer that comes whole, as most do, is put together here instead; all others go uvicorn's way.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from starlette.types import Message
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_CONTINUE: Final = b"HTTP/1.1 100 "
_NO_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NO_NAME: Final = re.compile(rb"[^!#$%&'*+.^_`|~0-9a-z-]")
_BODILESS: Final = frozenset({204, 304})


class Gentle:
    """A connection's transport as a response sees it: written in few packets, closed with care.

    The head of a response waits for its first part, and both go out in one system call.
    """

    __slots__ = ("_close", "_head", "_waits", "_write", "is_closing", "pause_reading", "resume_reading")  # fmt: skip

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._write = transport.write
        self._close = close
        self._head = b""
        self._waits = True
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        """Keep the head, or send it with what follows."""
        if not self._waits:
            self._write(data)
        elif self._head:
            self._waits = False
            self._write(self._head + data)
        elif data.startswith(_CONTINUE):
            self._write(data)
        else:
            self._head = data

    def write_whole(self, data: bytes) -> None:
        """Send a response that needs nothing further."""
        self._waits = False
        self._write(data)

    def end(self) -> None:
        """Send a head that nothing follows; the next response begins anew."""
        if self._waits and self._head:
            self._write(self._head)
        self._head, self._waits = b"", True

    def close(self) -> None:
        """Close the connection when all is sent."""
        self.end()
        self._close()


class Sender:
    """The `send` of one response cycle."""

    __slots__ = ("_cycle", "_gentle", "_send", "_start")

    def __init__(self, cycle: RequestResponseCycle, gentle: Gentle) -> None:
        """Stand in front of the cycle's own `send`."""
        self._cycle = cycle
        self._gentle = gentle
        self._send = cycle.send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Keep a head until its first part, and send both at once where that is all."""
        cycle, start = self._cycle, self._start
        if message["type"] == "http.response.start" and not cycle.response_started:
            self._start = message  # in place of another one, where the application broke down
            return
        if start is None:
            await self._send(message)  # type: ignore[arg-type]
            return
        self._start = None
        if not message.get("more_body", False) and not cycle.flow.write_paused:
            body = message.get("body", b"")
            head = self._head(start, len(body))
            if head is not None:
                self._finish(head + body)
                return
        await self._send(start)  # type: ignore[arg-type]
        await self._send(message)  # type: ignore[arg-type]

    def _head(self, start: Message, size: int) -> bytes | None:
        """The head of a usual response; None for what uvicorn is to see to, mistakes included."""
        cycle, status = self._cycle, start["status"]
        if cycle.scope["method"] == "HEAD" or status in _BODILESS:
            return None
        names, values = zip(*cycle.default_headers, *start["headers"], strict=True)
        if b"connection" in names or b"transfer-encoding" in names:
            return None
        if names.count(b"content-length") != 1:
            return None
        if values[names.index(b"content-length")] != b"%d" % size:
            return None
        if _NO_NAME.search(b"".join(names)) or _NO_VALUE.search(b"".join(values)):
            return None
        lines = [b"%b: %b\r\n" % header for header in zip(names, values, strict=True)]
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        return b"".join([STATUS_LINE[status], *lines, end])

    def _finish(self, data: bytes) -> None:
        """Send all of the response, and let the connection go on."""
        cycle = self._cycle
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self._gentle.write_whole(data)
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
