"""One HTTP call to one upstream: its limits in time and size, and what its failures mean."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp

from onehead.gateway.limit import Limit
from onehead.gateway.upstream.direct import NotHttp, Response, send
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
from onehead.gateway.upstream.watch import CLOCK_TICK_S, Watch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Mapping

    from onehead.config import UpstreamConfig
    from onehead.gateway.upstream.answer import Outcome
    from onehead.gateway.upstream.gate import Gate
    from onehead.gateway.upstream.target import Target

COPY_BODY_ABOVE = 512 * 1024
"""Larger bodies are sent piece by piece, so that one does not hold up the loop."""
ERROR_BODY_MAX = 256 * 1024
JSON_PATHS = frozenset({"/chat/completions", "/completions", "/responses", "/embeddings"})
PASSED_ON = frozenset({"openai-processing-ms", "openai-version", "retry-after", "retry-after-ms"})
REQUEST_IDS = frozenset({"x-request-id", "request-id"})


@dataclass(slots=True, kw_only=True)
class Sockets:
    """What all calls of one worker share.

    max_bytes: the largest answer that is taken whole
    random, sleep: seams for tests
    """

    config: UpstreamConfig
    loop: asyncio.AbstractEventLoop
    session: aiohttp.ClientSession
    gate: Gate
    max_bytes: int
    random: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]]


@dataclass(slots=True, kw_only=True)  # frozen would take longer to make
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
        blameless: bool = False,
        unsuited: bool = False,
    ) -> None:
        """Say what happened.

        body: the upstream's error document, where clients understand it
        disconnected: the connection was cut before a single byte, as one kept too long is
        blameless: it was for want of room or time on our side, so no other model does better
        unsuited: the request is nothing for this model, which is well; the reason is for its caller
        """
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.verdict = verdict
        self.status = status
        self.retry_after = retry_after
        self.body = body
        self.disconnected = disconnected
        self.blameless = blameless
        self.unsuited = unsuited


class Call:
    """A call under way. `open` first; `close` at the end, whatever happened."""

    __slots__ = (
        "_due",
        "_held",
        "_sockets",
        "_total_at",
        "_watch",
        "body",
        "content_type",
        "first",
        "headers",
        "response",
        "status",
        "target",
    )

    def __init__(self, target: Target, sockets: Sockets) -> None:
        """Prepare a call; nothing is sent yet."""
        self.target = target
        self._sockets = sockets
        self._held = False
        self._due: float | None = None
        self._total_at = 0.0
        self._watch: Watch | None = None
        self.response: Response | aiohttp.ClientResponse | None = None
        self.status = 0
        self.content_type = ""
        self.headers: list[tuple[str, str]] = []
        self.body: bytes | None = None
        self.first = b""

    async def open(self, request: Request, body: bytes, due: float | None) -> None:
        """Send, and wait for the whole answer or for the first bytes of a stream.

        due: the loop time that must not be passed
        """
        target, sockets = self.target, self._sockets
        first_by = await self._enter(due)
        now = sockets.loop.time()
        try:
            with Limit(sockets.loop, first_by):
                self.response = response = await self._sent(request, body)
                self.first = await response.content.readany()
        except aiohttp.ConnectionTimeoutError:
            patience = target.connect.connect
            raise self._failed("connect", f"no connection within {patience:g} s") from None
        except TimeoutError:
            raise self._failed("timeout", f"no answer within {first_by - now:.3g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._translated(error) from None
        await self._take(response, request)

    async def _sent(self, request: Request, body: bytes) -> Response | aiohttp.ClientResponse:
        """The answer's head: directly in the usual case, by aiohttp's session in all others."""
        target, session = self.target, self._sockets.session
        if 0 < len(body) <= COPY_BODY_ABOVE and request.method == "POST":
            head = target.head(request.path, self._sockets.loop)
            extra = None if head is None else target.beside(request.headers)
            if head is not None and extra is not None:
                return await send(session, head, head.data(extra, body), target.connect)
        return await session.request(
            request.method,
            target.url(request.path),
            data=io.BytesIO(body) if len(body) > COPY_BODY_ABOVE else body or None,
            headers=target.headers_with(request.headers),
            allow_redirects=False,
            proxy=target.proxy,
            timeout=target.connect,
        )

    async def read(self) -> bytes:
        """The next bytes of the answer; none at its end."""
        response = self.response
        if response is None or response.content.at_eof():
            return b""
        watch = self._watch
        if watch is None:
            watch = self._watch = Watch(
                self._sockets.loop, response.content, self.target.idle_s, self._total_at
            )
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
            self._sockets.gate.give()

    async def _enter(self, due: float | None) -> float:
        """Take a place and start the clocks; gives the loop time by which the first byte must come."""
        target, sockets = self.target, self._sockets
        if not sockets.gate.take():
            await self._wait_for_place(due)
        self._held = True
        target.in_flight += 1
        now = sockets.loop.time()
        self._due = due
        self._total_at = now + target.total_s
        first_by = min(now + target.first_byte_s, self._total_at)
        return first_by if due is None else min(first_by, due)

    async def _wait_for_place(self, due: float | None) -> None:
        loop = self._sockets.loop
        until = loop.time() + (self.target.connect.connect or 0.0)
        try:
            with Limit(loop, until if due is None else min(until, due)):
                await self._sockets.gate.wait()
        except TimeoutError:
            raise CallFailed(
                "refused",
                "all connections of this worker are in use ([upstreams] connections)",
                verdict=Verdict.NEXT,
                blameless=True,
            ) from None

    async def _take(self, response: Response | aiohttp.ClientResponse, request: Request) -> None:
        """Decide what the response is from its status, its type and its first bytes."""
        self.status = response.status
        self.content_type = response.headers.get("content-type", "")
        kind = self.content_type.partition(";")[0].strip().lower()
        strict = request.path.partition("?")[0] in JSON_PATHS
        if self.status >= 300:
            await self._take_error(response)
        elif request.stream and strict and kind != "application/json":
            self._check_stream(kind)
        elif request.stream and not strict and self.first:
            pass  # whatever it is, it is passed along
        else:
            self.body = await self._whole(self._sockets.max_bytes)
            if strict:
                self._check_document(self.body)
            elif not request.stream:
                self._check_other(self.body, kind)
        self.headers = _safe_headers(response.headers)
        if self.body is not None:
            self.response = None  # complete: there is nothing left to drop

    async def _take_error(self, response: Response | aiohttp.ClientResponse) -> None:
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
        if self._due is not None:
            self._total_at = min(self._total_at, self._due)
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
        late = self._due is not None and self._sockets.loop.time() >= self._due - CLOCK_TICK_S
        return CallFailed(
            outcome,
            reason,
            verdict=verdict,
            status=self.status or None,
            disconnected=disconnected,
            blameless=late and outcome == "timeout",
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
        if isinstance(error, (aiohttp.ClientResponseError, NotHttp)):
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
