"""One HTTP call to one upstream: its limits in time and size, and what its failures mean."""

from __future__ import annotations

import asyncio
import io
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from onehead.gateway.upstream.verdict import (
    NO_BODY,
    ErrorBody,
    Verdict,
    first_event_error,
    hidden_error,
    is_json,
    judge,
    read_error,
    retry_after_s,
)
from onehead.gateway.upstream.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onehead.gateway.upstream.answer import Outcome
    from onehead.gateway.upstream.target import Target

COPY_BODY_ABOVE = 512 * 1024
"""Larger bodies are sent piece by piece, so that one does not hold up the loop."""
ERROR_BODY_MAX = 256 * 1024
JSON_PATHS = frozenset({"/chat/completions", "/completions", "/responses", "/embeddings"})
PASSED_ON = frozenset({"openai-processing-ms", "openai-version", "retry-after", "retry-after-ms"})
REQUEST_IDS = frozenset({"x-request-id", "request-id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of whichever model comes to answer, all but the body."""

    method: str
    path: str
    stream: bool
    headers: Mapping[str, str] = field(repr=False)


class CallFailed(Exception):  # noqa: N818  (the name says the situation)
    """A call that brought no answer; never leaves this package."""

    def __init__(
        self,
        outcome: Outcome,
        reason: str,
        *,
        verdict: Verdict = Verdict.REPEAT,
        status: int | None = None,
        retry_after: float | None = None,
        body: bytes | None = None,
        disconnected: bool = False,
        overloaded: bool = False,
    ) -> None:
        """Say what happened.

        body: the upstream's error document, where clients understand it
        disconnected: the connection was cut before a single byte, as one kept too long is
        overloaded: it is this worker that cannot, so no other model can either
        """
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.verdict = verdict
        self.status = status
        self.retry_after = retry_after
        self.body = body
        self.disconnected = disconnected
        self.overloaded = overloaded


class Call:
    """A call under way. `open` first; `close` at the end, whatever happened."""

    __slots__ = (
        "_gate",
        "_held",
        "_max_bytes",
        "_total_at",
        "_watch",
        "_whole_by",
        "body",
        "content_type",
        "first",
        "headers",
        "response",
        "status",
        "target",
    )

    def __init__(self, target: Target, gate: asyncio.Semaphore, max_bytes: int) -> None:
        """Take a place at the `gate` later, and refuse answers above `max_bytes`."""
        self.target = target
        self._gate = gate
        self._held = False
        self._max_bytes = max_bytes
        self._total_at = self._whole_by = 0.0
        self._watch: Watch | None = None
        self.response: aiohttp.ClientResponse | None = None
        self.status = 0
        self.content_type = ""
        self.headers: list[tuple[str, str]] = []
        self.body: bytes | None = None
        self.first = b""

    async def open(
        self,
        session: aiohttp.ClientSession,
        request: Request,
        body: bytes,
        due: float | None,
    ) -> None:
        """Send, and wait for the whole answer or for the first bytes of a stream.

        due: the loop time that must not be passed
        """
        target = self.target
        if self._gate.locked():
            await self._wait_for_place(due)
        else:
            await self._gate.acquire()  # does not yield: there is room
        self._held = True
        target.in_flight += 1
        now = asyncio.get_running_loop().time()
        self._total_at = now + target.total_s
        self._whole_by = self._total_at if due is None else min(self._total_at, due)
        first_by = min(now + target.first_byte_s, self._whole_by)
        try:
            async with asyncio.timeout_at(first_by):
                response = await self._send(session, request, body)
                self.first = await response.content.readany()
        except aiohttp.ConnectionTimeoutError:
            raise self._failed(
                "connect", f"no connection within {target.connect.connect:g} s"
            ) from None
        except TimeoutError:
            waited = first_by - now
            raise self._failed("timeout", f"no answer within {waited:.3g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._translated(error) from None
        await self._take(response, request)

    async def read(self) -> bytes:
        """The next bytes of the answer; none at its end."""
        response = self.response
        if response is None or response.content.at_eof():
            return b""
        watch = self._watch
        if watch is None:
            watch = self._watch = Watch(response.content, self.target.idle_s, self._total_at)
        watch.begin()
        try:
            return await response.content.readany()
        except TimeoutError:
            raise self._failed("timeout", watch.why) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._failed("broken", f"cut off ({_words(error)})") from None
        finally:
            watch.end()

    def close(self) -> None:
        """Give everything back; an answer that is not complete takes its connection with it."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        if self.response is not None:
            # Connections whose answer is complete went back to the pool by themselves.
            self.response.close()
            self.response = None
        if self._held:
            self._held = False
            self.target.in_flight -= 1
            self._gate.release()

    async def _wait_for_place(self, due: float | None) -> None:
        loop = asyncio.get_running_loop()
        patience = self.target.connect.connect or 0.0
        until = loop.time() + patience
        try:
            async with asyncio.timeout_at(until if due is None else min(until, due)):
                await self._gate.acquire()
        except TimeoutError:
            raise CallFailed(
                "refused",
                "all connections of this worker are in use ([upstreams] connections)",
                verdict=Verdict.NEXT,
                overloaded=True,
            ) from None

    async def _send(
        self, session: aiohttp.ClientSession, request: Request, body: bytes
    ) -> aiohttp.ClientResponse:
        target = self.target
        data: bytes | io.BytesIO | None = body or None
        if len(body) > COPY_BODY_ABOVE:
            data = io.BytesIO(body)
        self.response = await session.request(
            request.method,
            target.url(request.path),
            data=data,
            headers=target.headers_with(request.headers),
            allow_redirects=False,
            timeout=target.connect,
        )
        return self.response

    async def _take(self, response: aiohttp.ClientResponse, request: Request) -> None:
        """Decide what the response is from its status, its type and its first bytes."""
        self.status = response.status
        self.content_type = response.headers.get("content-type", "")
        kind = self.content_type.partition(";")[0].strip().lower()
        strict = request.path in JSON_PATHS
        if self.status >= 300:
            await self._take_error(response)
        elif request.stream and strict and kind != "application/json":
            self._check_stream(kind)
        elif request.stream and not strict and self.first:
            pass  # whatever it is, it is passed along
        else:
            self.body = await self._whole(self._max_bytes)
            if strict:
                self._check_document(self.body)
            elif not request.stream:
                self._check_other(self.body, kind)
        self.headers = _safe_headers(response.headers)
        if self.body is not None:
            self.response = None  # complete: there is nothing left to drop

    async def _take_error(self, response: aiohttp.ClientResponse) -> None:
        self.body = await self._whole(ERROR_BODY_MAX)
        error = read_error(self.body)
        verdict = Verdict.NEXT if self.status < 400 else judge(self.status, error)
        if verdict is Verdict.CALLER:
            return
        if response.headers.get("x-should-retry") == "false" and verdict is Verdict.REPEAT:
            verdict = Verdict.NEXT
        redirect = ", a redirect: set base_url to where it leads" if self.status < 400 else ""
        raise CallFailed(
            "status",
            f"status {self.status}{redirect}",
            verdict=verdict,
            status=self.status,
            retry_after=retry_after_s(response.headers, time.time()),
            body=self.body if error.shaped and verdict is not Verdict.OURS else None,
        )

    def _check_stream(self, kind: str) -> None:
        if not self.first:
            raise self._failed("broken", "an empty stream")
        if kind == "text/html":
            raise self._failed("garbage", "an HTML page instead of a stream")
        error = first_event_error(self.first)
        if error is not None:
            self._refuse_hidden(error)

    def _check_document(self, body: bytes) -> None:
        readable, failed = hidden_error(body)
        if not readable:
            raise self._failed("garbage", "an answer that is not a JSON object")
        if failed:
            self._refuse_hidden(read_error(body))

    def _check_other(self, body: bytes, kind: str) -> None:
        """Speech, files and transcripts come as what they are; a page of HTML never is an answer."""
        if kind in {"", "application/json", "text/html"} and body and not is_json(body):
            raise self._failed("garbage", "an answer that is not JSON")

    def _refuse_hidden(self, error: ErrorBody) -> None:
        """Treat an error under status 200 as what it is, unless the caller's own mistake."""
        number = error.number or 502
        verdict = judge(number, error if error.number else NO_BODY)
        if verdict is not Verdict.CALLER:
            raise CallFailed(
                "status", f"an error under status {self.status}", verdict=verdict, status=number
            )

    async def _whole(self, bound: int) -> bytes:
        """All bytes of the answer."""
        piece = self.first
        self._total_at = self._whole_by
        pieces, size = [], 0
        while piece:
            pieces.append(piece)
            size += len(piece)
            if size > bound:
                raise self._failed(
                    "garbage",
                    f"an answer above {bound / 2**20:g} MB ([upstreams] max_answer_mb)",
                    verdict=Verdict.NEXT,
                )
            piece = await self.read()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _failed(
        self,
        outcome: Outcome,
        reason: str,
        *,
        verdict: Verdict = Verdict.REPEAT,
        disconnected: bool = False,
    ) -> CallFailed:
        status = self.status or None
        return CallFailed(
            outcome, reason, verdict=verdict, status=status, disconnected=disconnected
        )

    def _translated(self, error: Exception) -> CallFailed:
        """Our words for a failure before the first byte; aiohttp's own may quote URL and headers."""
        words = _words(error)
        if isinstance(error, aiohttp.ClientConnectorError):
            return self._failed("connect", f"no connection to {self.target.host} ({words})")
        if isinstance(error, (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError)):
            return self._failed(
                "broken", f"cut off before its first byte ({words})", disconnected=True
            )
        if isinstance(error, aiohttp.ClientResponseError):
            return self._failed("garbage", f"an answer that is not HTTP ({words})")
        return self._failed(
            "refused", f"the call could not be made ({words})", verdict=Verdict.NEXT
        )


def _words(error: BaseException) -> str:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the server closed the connection before the end"
    cause = getattr(error, "os_error", error)
    return getattr(cause, "strerror", None) or type(error).__name__


def _safe_headers(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    safe = []
    for name, value in headers.items():
        low = name.lower()
        if low in REQUEST_IDS:
            low = "x-upstream-request-id"
        elif low not in PASSED_ON and not low.startswith("x-ratelimit-"):
            continue
        if value.isascii() and value.isprintable():
            safe.append((low, value))
    return safe
