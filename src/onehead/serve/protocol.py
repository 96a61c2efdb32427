"""HTTP/1.1 as uvicorn speaks it, with bounds on what a client may send before it is known.

uvicorn with httptools reads headers of any size for any time. Here headers are bounded in bytes (431)
and in time (408), a body that nobody wants any more is not read for ever, and a client that stops
reading does not hold an answer for ever. Every refusal has OpenAI's error shape.
"""

from __future__ import annotations

import asyncio
import http
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from onehead.gateway.errors import GatewayError
from onehead.serve.sending import Gentle, Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from uvicorn.config import Config

_LINGER_S: Final = 5.0
"""How long a refused client may go on sending, so that it reads the refusal instead of a reset."""
_STALLED_S: Final = 120.0
"""How long a client may take nothing of an answer that waits for it."""
_TIME_BETWEEN_CHECKS_S: Final = 0.02


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may send before its request is understood."""

    header_bytes: int = 64 * 1024
    header_timeout_s: float = 15.0


class State(ServerState):
    """uvicorn's state of a server, and whether it is being emptied."""

    def __init__(self) -> None:
        super().__init__()
        self.draining = False


class GatewayProtocol(HttpToolsProtocol):
    """One connection. `limits` bound it; everything else is uvicorn's."""

    server_state: State

    def __init__(
        self,
        config: Config,
        server_state: State,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._in_headers = False
        self._header_bytes = 0
        self._arrived = 0
        self._moved = False
        self._refused = False
        self._refusal: GatewayError | None = None
        self._header_timer: asyncio.TimerHandle | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is being read or answered."""
        return not self._in_headers and (self.cycle is None or self.cycle.response_complete)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give a new connection as long for its first headers as any other."""
        super().connection_made(transport)
        self._gentle = Gentle(transport, self.close_gently)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        for timer in (self._header_timer, self._close_timer, self._stall_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse `data`; refuse what is no HTTP or has too much in front of the body."""
        if self._refused:
            return
        self._unset_keepalive_if_required()
        self._moved = False
        self._arrived = self._header_bytes + len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._read_plainly(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(self._refusal or _not_http())
            return
        if self._moved:
            return
        self._header_bytes = self._arrived  # of headers, of trailers or of a chunk's extensions
        if self._header_bytes > self._limits.header_bytes:
            self._refuse(self._too_large())
        elif self._in_headers and self._header_timer is None:
            self._await_headers()

    def on_message_begin(self) -> None:
        """Begin to count the headers."""
        self._in_headers = True
        self._header_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers, which come behind the body, are of no use to anyone here."""
        if self._in_headers:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body."""
        self._moved = True
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Hand the request on, unless its headers are too large."""
        self._in_headers = False
        self._moved = True
        self._header_bytes = 0
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
        if self._arrived > self._limits.header_bytes and self._size() > self._limits.header_bytes:
            self._refusal = self._too_large()
            raise self._refusal  # stops the parser, which wraps it
        if self.parser.should_upgrade():
            return  # the parser stops behind these headers, and `_read_plainly` begins again
        super().on_headers_complete()
        self.cycle.transport = self._gentle  # type: ignore[assignment]
        self.cycle.send = Sender(self.cycle, self._gentle)  # type: ignore[assignment, method-assign]
        if self.server_state.draining:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """The whole request has been read, whether or not anyone wanted it."""
        self._moved = True
        if self._close_timer is not None:
            self._close_timer.cancel()
            self._close_timer = None
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Answered. A body that is still on its way is thrown away, but not for ever."""
        self._gentle.end()
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.pipeline:
            self._close_after(_LINGER_S)

    def pause_writing(self) -> None:
        """The client reads slower than the answer comes: from now on it must take some of it."""
        super().pause_writing()
        self._stall_timer = self.loop.call_later(_STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It did."""
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None
        super().resume_writing()

    def close_gently(self) -> None:
        """Close; a client that still sends its body first gets the time to read the answer."""
        if not self.cycle.more_body:
            self.transport.close()
            return
        self._refused = True
        self.pipeline.clear()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._close_after(_LINGER_S)

    def _read_plainly(self, rest: bytes) -> None:
        """Read a request that asks for another protocol as if it did not; nothing here upgrades.

        Java's client asks for HTTP/2 with every first request, and its body would be lost.
        """
        if self.parser.get_method() == b"CONNECT":
            self._refuse(_not_http())
            return
        lines = [self.parser.get_method() + b" " + self.url + b" HTTP/1.1"]
        lines += [
            name + b": " + value
            for name, value in self.headers
            if name not in {b"upgrade", b"connection", b"http2-settings"}
        ]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(b"\r\n".join([*lines, b"", rest]))

    def _await_headers(self) -> None:
        self._header_timer = self.loop.call_later(
            self._limits.header_timeout_s, self._headers_are_late
        )

    def _headers_are_late(self) -> None:
        self._header_timer = None
        if self.flow.read_paused:
            self._await_headers()  # it is we who do not read, until an earlier request is answered
        elif self._in_headers:
            self._refuse(
                GatewayError(
                    f"the headers of the request did not arrive within "
                    f"{self._limits.header_timeout_s:g} seconds.",
                    status=408,
                    code="request_timeout",
                )
            )
        else:
            self.transport.close()  # connected, and never said a word

    def _size(self) -> int:
        """Bytes of the request line and the headers, nearly."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_large(self) -> GatewayError:
        return GatewayError(
            f"the request line and headers are larger than {self._limits.header_bytes} bytes; "
            "send less in headers, or raise gateway.max_header_kb.",
            status=431,
            code="headers_too_large",
        )

    def _refuse(self, error: GatewayError) -> None:
        """Answer with `error` and hang up, so that the client has time to read it."""
        self._refused = True
        self._in_headers = False
        if self._header_timer is not None:
            self._header_timer.cancel()
        if self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # an answer is under way; another one would corrupt it
            return
        self.transport.write(_response(error, self.server_state.default_headers))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._close_after(_LINGER_S)

    def _close_after(self, seconds: float) -> None:
        if self._close_timer is None:
            self._close_timer = self.loop.call_later(seconds, self.transport.close)


def _not_http() -> GatewayError:
    return GatewayError("this is not a valid HTTP/1.1 request.", code="invalid_http")


def _response(error: GatewayError, headers: list[tuple[bytes, bytes]]) -> bytes:
    body = error.body()
    phrase = http.HTTPStatus(error.status).phrase
    head = [f"HTTP/1.1 {error.status} {phrase}".encode()]
    head += [name + b": " + value for name, value in headers]
    head += [
        b"content-type: application/json",
        f"content-length: {len(body)}".encode(),
        b"connection: close",
        b"\r\n",
    ]
    return b"\r\n".join(head) + body


async def until(done: Callable[[], bool], deadline: float) -> bool:
    """Wait until `done()`, at most until `deadline` on the loop's clock; whether it was."""
    loop = asyncio.get_running_loop()
    while not done():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(_TIME_BETWEEN_CHECKS_S)
    return True
