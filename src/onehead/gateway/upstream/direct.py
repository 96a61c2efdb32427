"""The usual call over aiohttp's connections, without its session.

For every request aiohttp's session builds headers, payload, writer, a task and a response: half of what
a call costs. A model is called with the same head again and again, so it is prepared once, and a call
writes it with the body at once. Connections, names, TLS, the pool and the parser stay aiohttp's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http import HttpProcessingError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from yarl import URL

    from onehead.gateway.upstream.target import Target


class NotHttp(aiohttp.ClientError):
    """An answer that the parser refuses."""


class Head:
    """What goes before the body in every call of one model to one path.

    request: says where to connect
    """

    __slots__ = ("_start", "request")

    def __init__(self, target: Target, url: URL, loop: asyncio.AbstractEventLoop) -> None:
        """Prepare a POST; ValueError for headers that no request can have."""
        self.request = aiohttp.ClientRequest("POST", url, headers=target.headers, loop=loop)
        lines = [f"POST {url.raw_path_qs} HTTP/1.1"]
        for name, value in self.request.headers.items():
            if not (name.isprintable() and value.isprintable()):
                raise ValueError(f"the header {name!r} holds a control character")
            if name.lower() != "content-length":
                lines.append(f"{name}: {value}")
        self._start = "\r\n".join(lines).encode() + b"\r\n"

    def data(self, extra: Mapping[str, str], body: bytes) -> bytes:
        """A whole request; the `extra` headers stand beside the prepared ones."""
        lines = "".join([f"{name}: {value}\r\n" for name, value in extra.items()]).encode()
        return b"%b%bcontent-length: %d\r\n\r\n%b" % (self._start, lines, len(body), body)


class Response:
    """An answer whose head has arrived, as much of aiohttp's response as calls use."""

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(self, connection: aiohttp.connector.Connection) -> None:
        self._connection: aiohttp.connector.Connection | None = connection
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.content: aiohttp.StreamReader = aiohttp.EMPTY_PAYLOAD

    async def begin(self, data: bytes) -> None:
        """Send the request, and wait for the head of the answer."""
        connection = self._connection
        protocol = None if connection is None else connection.protocol
        if protocol is None or protocol.transport is None:
            raise aiohttp.ServerDisconnectedError
        protocol.set_response_params(read_until_eof=True)
        protocol.transport.write(data)
        try:
            message, self.content = await protocol.read()
            while 100 <= message.code < 200 and message.code != 101:
                message, self.content = await protocol.read()
        except HttpProcessingError as error:
            raise NotHttp from error
        self.status, self.headers = message.code, message.headers
        self.content.on_eof(self._complete)

    def close(self) -> None:
        """Drop the connection, unless the answer is complete and it went back to the pool."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _drop(connection)

    def _complete(self) -> None:
        """The connection may be used again, unless it still sends what nobody waited for."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if _sends(connection):
            _drop(connection)
        else:
            connection.release()


def _sends(connection: aiohttp.connector.Connection) -> bool:
    """Whether a part of the request has not left yet."""
    transport = connection.transport
    return transport is not None and transport.get_write_buffer_size() > 0


def _drop(connection: aiohttp.connector.Connection) -> None:
    """Close, without waiting for an upstream to read what it does not want."""
    if _sends(connection) and connection.transport is not None:
        connection.transport.abort()
    connection.close()


async def send(
    session: aiohttp.ClientSession, head: Head, data: bytes, timeout: aiohttp.ClientTimeout
) -> Response:
    """Connect, send and wait for the head of an answer.

    Raises:
        ClientError, OSError: there is none.
    """
    connector = session.connector
    if connector is None:
        raise aiohttp.ClientConnectionError("the gateway is closing")
    try:
        connection = await connector.connect(head.request, [], timeout)
    except TimeoutError as error:
        raise aiohttp.ConnectionTimeoutError from error
    response = Response(connection)
    try:
        await response.begin(data)
    except BaseException:
        response.close()
        raise
    return response
