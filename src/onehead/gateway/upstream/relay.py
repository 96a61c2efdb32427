"""Hands a stream on piece by piece, and tells the breaker how it ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from onehead.gateway.upstream.answer import StreamBroken
from onehead.gateway.upstream.call import CallFailed

if TYPE_CHECKING:
    from onehead.gateway.upstream.answer import Attempt
    from onehead.gateway.upstream.call import Call


class Relay:
    """The bytes of a stream as they come. Nothing is read before it is asked for."""

    __slots__ = ("_attempt", "_call", "_first", "_ticket")

    def __init__(self, call: Call, attempt: Attempt, ticket: int) -> None:
        """Take over a `call` whose first bytes have arrived."""
        self._call: Call | None = call
        self._first = call.first
        self._attempt = attempt
        self._ticket = ticket
        if ticket < 0:
            # A probe has told what it should; the stream may go on for minutes.
            call.target.breaker.success(ticket)

    def __aiter__(self) -> Relay:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes; raises StreamBroken where the upstream breaks off."""
        call = self._call
        if call is None:
            raise StopAsyncIteration
        if self._first:
            first, self._first = self._first, b""
            return first
        try:
            piece = await call.read()
        except CallFailed as failure:
            self._attempt.outcome = "broken"
            self._attempt.reason = failure.reason
            call.target.breaker.failure(self._ticket)
            self._end(call)
            raise StreamBroken(call.target.id, failure.reason) from None
        except asyncio.CancelledError:
            self.close()
            raise
        if not piece:
            call.target.breaker.success(self._ticket)
            self._end(call)
            raise StopAsyncIteration
        return piece

    def close(self) -> None:
        """Give the stream up, if it still runs."""
        call = self._call
        if call is not None:
            self._attempt.outcome = "cancelled"
            call.target.breaker.forget(self._ticket)
            self._end(call)

    def _end(self, call: Call) -> None:
        self._call = None
        call.close()
