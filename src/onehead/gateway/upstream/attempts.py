"""Walks a plan: tries a model, tries it again where that may help, falls through to the next."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from onehead.gateway.upstream.answer import Answer, Attempt
from onehead.gateway.upstream.call import CallFailed
from onehead.gateway.upstream.relay import Relay
from onehead.gateway.upstream.summary import summary
from onehead.gateway.upstream.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onehead.gateway.upstream.answer import AllFailed
    from onehead.gateway.upstream.call import Call, Request, Sockets
    from onehead.gateway.upstream.target import Target

WORTH_REPEATING = frozenset({Verdict.REPEAT, Verdict.LIMITED})


class Walk:
    """The state of one request on its way through its plan. Several `run` at once share it."""

    __slots__ = (
        "_calls_left",
        "_due",
        "_failures",
        "_later",
        "_make_body",
        "_queue",
        "_request",
        "_sockets",
        "_stop",
        "attempts",
    )

    def __init__(
        self,
        sockets: Sockets,
        targets: Sequence[Target],
        request: Request,
        make_body: Callable[[str], bytes],
        deadline_s: float | None,
    ) -> None:
        """Start the clock of `deadline_s`."""
        self._sockets = sockets
        self._queue = deque(targets)
        self._later: deque[Target] = deque()
        self._request = request
        self._make_body = make_body
        self._calls_left = max(1, sockets.config.max_attempts)
        self._due = None if deadline_s is None else sockets.loop.time() + deadline_s
        self._failures: list[tuple[Target, CallFailed]] = []
        self._stop = False
        self.attempts: list[Attempt] = []

    @property
    def more(self) -> bool:
        """Whether a further model is left to try."""
        return bool(self._queue or self._later) and self._calls_left > 0 and not self._stop

    async def run(self) -> Answer | None:
        """The first answer of the models that are left, or None."""
        while self.more:
            target = self._next()
            answer = await self._on(target)
            if answer is not None:
                return answer
            if self._due is not None and self._sockets.loop.time() >= self._due:
                self._stop = True
        return None

    def failed(self) -> AllFailed:
        """Why there is no answer."""
        late = self._due is not None and self._sockets.loop.time() >= self._due
        return summary(self._failures, self.attempts, late=late)

    def _next(self) -> Target:
        """The next model whose breaker lets calls through; when there is none, the first all the same."""
        while self._queue:
            target = self._queue.popleft()
            if target.breaker.available() or not target.reachable:
                return target
            self.attempts.append(Attempt(model=target.id, outcome="breaker"))
            self._later.append(target)
        return self._later.popleft()

    async def _on(self, target: Target) -> Answer | None:
        """The answer of one model, tried again where that is worthwhile."""
        if not target.reachable:
            failure = CallFailed("refused", "it has no base_url", verdict=Verdict.NEXT)
            self.attempts.append(Attempt(model=target.id, outcome="refused", reason=failure.reason))
            self._failures.append((target, failure))
            return None
        body = self._make_body(target.id)
        resent = False
        tries = 0
        while True:
            self._calls_left -= 1
            try:
                return await self._call(target, body)
            except CallFailed as failure:
                self._failures.append((target, failure))
                if failure.blameless:
                    self._stop = True
                wait_s = self._pause(target, failure, tries, resent=resent)
                disconnected = failure.disconnected
            if wait_s is None:
                return None
            if disconnected and not resent:
                resent = True
            else:
                tries += 1
            if wait_s:
                await self._sockets.sleep(wait_s)
                if self._calls_left <= 0:  # a hedge took the last one meanwhile
                    return None

    async def _call(self, target: Target, body: bytes) -> Answer:
        """One call and its entry in the record."""
        attempt = Attempt(model=target.id)
        self.attempts.append(attempt)
        ticket = target.breaker.begin()
        call = target.call(self._sockets)
        clock = self._sockets.loop.time
        started = clock()
        kept = False
        try:
            await call.open(self._request, body, self._due)
        except CallFailed as failure:
            attempt.outcome = failure.outcome
            attempt.status = failure.status
            attempt.retry_after = failure.retry_after
            attempt.reason = failure.reason
            self._note(target, ticket, failure)
            raise
        else:
            kept = True
        finally:
            attempt.seconds = clock() - started
            if not kept:
                call.close()
                target.breaker.forget(ticket)  # nothing, where the ticket was given back already
        attempt.status = call.status
        attempt.outcome = "ok"
        return self._answer(call, attempt, ticket)

    def _answer(self, call: Call, attempt: Attempt, ticket: int) -> Answer:
        answer = Answer(
            model=call.target.id,
            status=call.status,
            headers=call.headers,
            content_type=call.content_type,
            attempts=self.attempts,
            body=call.body,
        )
        if call.body is not None:
            call.target.breaker.success(ticket)
            call.close()
            return answer
        relay = Relay(call, attempt, ticket)
        answer.chunks = relay
        answer.on_close = relay.close
        return answer

    def _note(self, target: Target, ticket: int, failure: CallFailed) -> None:
        """Tell the breaker."""
        breaker = target.breaker
        if failure.blameless or failure.unsuited:
            breaker.forget(ticket)
        elif failure.verdict is Verdict.LIMITED and failure.retry_after:
            breaker.success(ticket)  # it works, only not for us now
            breaker.limited(failure.retry_after)
        else:
            breaker.failure(ticket)

    def _pause(
        self, target: Target, failure: CallFailed, tries: int, *, resent: bool
    ) -> float | None:
        """Seconds to wait before the same model is tried again; None: not at all."""
        config = self._sockets.config
        if self._stop or failure.verdict not in WORTH_REPEATING:
            return None
        if self._calls_left <= len(self._queue) + len(self._later):
            return None  # each model that is left shall have its call before one has two
        wait_s: float | None
        if failure.disconnected and not resent:
            wait_s = 0.0  # most likely a kept connection that the server had just given up
        elif tries >= config.retries:
            return None
        elif self.more:
            # Waiting long is worse than another model, and so is one that has just been given up.
            slow = failure.verdict is Verdict.LIMITED or failure.outcome == "timeout"
            other = slow or failure.retry_after or not target.breaker.available()
            wait_s = None if other else self._backoff(tries)
        elif failure.retry_after is not None:
            wait_s = failure.retry_after if failure.retry_after <= config.retry_max_s else None
        else:
            wait_s = self._backoff(tries)
        if (
            wait_s is not None
            and self._due is not None
            and self._sockets.loop.time() + wait_s >= self._due
        ):
            return None
        return wait_s

    def _backoff(self, tries: int) -> float:
        """Exponential with full jitter, so that many clients do not come back at once."""
        config = self._sockets.config
        return self._sockets.random() * min(config.retry_max_s, config.retry_base_s * 2.0**tries)
