"""All sockets of one worker to the models' upstreams."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import aiohttp

from onehead.gateway.errors import GatewayError
from onehead.gateway.upstream.attempts import Walk
from onehead.gateway.upstream.breaker import Breaker
from onehead.gateway.upstream.call import Request, Sockets
from onehead.gateway.upstream.demo import demonstration
from onehead.gateway.upstream.gate import Gate
from onehead.gateway.upstream.hedge import hedged
from onehead.gateway.upstream.target import Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from onehead.config import ModelConfig, UpstreamConfig
    from onehead.gateway.upstream.answer import Answer
    from onehead.gateway.upstream.breaker import State

KEEP_ALIVE_S = 60.0
"""A new TLS connection costs more than a kept one that turns out closed: that is sent again at once."""
DNS_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStats:
    """How one model's upstream does just now.

    failures: in a row
    limited_s: what is left of the upstream's own rate limit
    """

    state: State
    failures: int
    limited_s: float
    in_flight: int


class Upstreams:
    """The upstreams of all models; an async context, or `start` and `close`.

    demo: no socket is opened; answers say what would have been sent where
    clock, draw, sleep: monotonic seconds, a random number in [0, 1) and a pause, for tests
    """

    def __init__(
        self,
        config: UpstreamConfig,
        models: Sequence[ModelConfig],
        *,
        demo: bool = False,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is opened yet."""
        self._config = config
        self._demo = demo
        self._draw = draw
        self._sleep = sleep
        self._sockets: Sockets | None = None
        self._targets = {
            model.id: Target(
                model,
                config,
                Breaker(
                    failures=config.breaker_failures,
                    open_s=config.breaker_open_s,
                    max_s=config.breaker_max_s,
                    clock=clock,
                ),
            )
            for model in models
        }
        if not demo:
            for target in self._targets.values():
                target.prepare()

    async def start(self) -> Self:
        """Open the pool of connections, in the running loop."""
        if self._sockets is None:
            self._sockets = Sockets(
                config=self._config,
                session=aiohttp.ClientSession(
                    # The gate counts calls; a second count in the connector would be waited for
                    # without a limit of its own.
                    connector=aiohttp.TCPConnector(
                        limit=0, keepalive_timeout=KEEP_ALIVE_S, ttl_dns_cache=DNS_S
                    ),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                ),
                gate=Gate(self._config.connections),
                loop=asyncio.get_running_loop(),
                max_bytes=int(self._config.max_answer_mb * 2**20),
                random=self._draw,
                sleep=self._sleep,
            )
        return self

    async def close(self) -> None:
        """Close all connections; calls under way fail."""
        if self._sockets is not None:
            await self._sockets.session.close()
            self._sockets = None
            for target in self._targets.values():
                if target.translator is not None:
                    await target.translator.close()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def state(self, model_id: str) -> State:
        """Whether new plans should hold this model: its breaker's state."""
        return self._target(model_id).breaker.state

    def stats(self) -> dict[str, ModelStats]:
        """Every model's state, for metrics and the dashboard."""
        return {
            one.id: ModelStats(
                state=one.breaker.state,
                failures=one.breaker.failures,
                limited_s=one.breaker.limited_s,
                in_flight=one.in_flight,
            )
            for one in self._targets.values()
        }

    async def answer(
        self,
        plan: Sequence[str],
        make_body: Callable[[str], bytes],
        *,
        path: str,
        method: str = "POST",
        stream: bool,
        headers: Mapping[str, str],
        deadline_s: float | None = None,
    ) -> Answer:
        """The answer of the first model of `plan` that gives one.

        make_body: the request's body for a model id
        path: behind the base URL, such as "/chat/completions"
        headers: of the caller, those to pass on; none of them replaces a key
        deadline_s: seconds after which no attempt goes on; a stream that has begun may

        Raises AllFailed where no model answers. Close the answer when done with it.
        """
        targets = [self._target(model_id) for model_id in plan]
        request = Request(method=method, path=path, stream=stream, headers=headers)
        if not targets:
            raise GatewayError("the plan names no model", status=500, code="empty_plan")
        if self._demo:
            return demonstration(targets[0], request, make_body(targets[0].id))
        if self._sockets is None:
            raise GatewayError(
                "the gateway is closing", status=503, code="closing", retry_after=1.0
            )
        walk = Walk(self._sockets, targets, request, make_body, deadline_s)
        if self._config.hedge_after_s is not None and len(targets) > 1:
            answer = await hedged(walk, self._config.hedge_after_s)
        else:
            answer = await walk.run()
        if answer is None:
            raise walk.failed()
        return answer

    def _target(self, model_id: str) -> Target:
        try:
            return self._targets[model_id]
        except KeyError:
            raise GatewayError(
                f"model {model_id!r} is not configured", status=404, code="model_not_found"
            ) from None
