"""What a call to the upstreams gives back: an answer, or what became of every attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from onehead.errors import OneheadError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Outcome = Literal[
    "ok",
    "refused",
    "connect",
    "timeout",
    "status",
    "garbage",
    "broken",
    "breaker",
    "cancelled",
]


@dataclass(slots=True, kw_only=True)
class Attempt:
    """What became of one model in a plan.

    outcome: ok; refused (never sent); connect; timeout; status (an error status); garbage (an answer that is none);
        broken (cut before its end); breaker (left out: its breaker is open); cancelled
    status: what the upstream answered, where it answered
    seconds: until its whole answer, or the first bytes of a stream
    retry_after: the seconds that the upstream asked to wait
    reason: for operators' logs: it may name the upstream's host, never a key or a query
    """

    model: str
    outcome: Outcome = "cancelled"
    status: int | None = None
    seconds: float = 0.0
    retry_after: float | None = None
    reason: str | None = None


@dataclass(slots=True, kw_only=True)
class Answer:
    """An upstream's answer, a client's mistake included (400, 413, 415, 422 and most 404).

    headers: only those safe to pass on, without content-type
    attempts: in the order in which they began; the last entries change while a stream runs
    body: the whole answer; always there where no stream was asked for, and where an upstream answered
        the request for a stream with an error or with a JSON document
    chunks: a stream's bytes as they come, the first of which have arrived; raises StreamBroken
    """

    model: str
    status: int
    headers: list[tuple[str, str]]
    content_type: str
    attempts: list[Attempt]
    body: bytes | None = field(default=None, repr=False)
    chunks: AsyncIterator[bytes] | None = field(default=None, repr=False)
    on_close: Callable[[], None] | None = field(default=None, repr=False)

    async def close(self) -> None:
        """Drop what still comes from upstream, its connection included. A second call does nothing."""
        if self.on_close is not None:
            self.on_close()
            self.on_close = None


class StreamBroken(OneheadError):  # noqa: N818  (the name says the situation)
    """An upstream's stream ended before its end, after bytes were handed on; says why."""

    status = 502

    def __init__(self, model: str, reason: str) -> None:
        """Name the model and what went wrong."""
        super().__init__(reason)
        self.model = model


class AllFailed(OneheadError):  # noqa: N818  (the name says the situation)
    """No model of the plan answered.

    attempts: what became of each
    status, code: for the client
    body: the last upstream's own error document, where clients may have it; else None
    retry_after: seconds, where the last upstream named them
    """

    def __init__(
        self,
        message: str,
        *,
        attempts: list[Attempt],
        status: int,
        code: str,
        body: bytes | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Take what the client is told."""
        super().__init__(message)
        self.attempts = attempts
        self.status = status
        self.code = code
        self.body = body
        self.retry_after = retry_after
