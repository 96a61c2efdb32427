"""What the tests of upstreams share: models at the stub, quick limits, one call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from onehead.config import ModelConfig, Secret, UpstreamConfig
from onehead.gateway.upstream import Upstreams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stub_upstream import Stub

    from onehead.gateway.upstream import Answer

KEY = "sk-gateway-secret"
QUICK = {
    "connect_timeout_s": 2.0,
    "first_byte_timeout_s": 5.0,
    "idle_timeout_s": 5.0,
    "total_timeout_s": 10.0,
    "retry_base_s": 0.001,
    "retry_max_s": 0.01,
}


class Sleeps:
    """Stands for asyncio.sleep: notes how long, and waits for nothing."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def model(behaviour: str, base_url: str | None, **fields: Any) -> ModelConfig:
    """A model that the stub serves as `behaviour` says, under the same id."""
    fields = {"id": behaviour, "api_key": Secret(KEY), **fields}
    return ModelConfig(base_url=base_url, upstream_model=behaviour, **fields)


def upstreams_of(stub: Stub, *behaviours: str, **options: Any) -> Upstreams:
    """Upstreams of models with quick limits; `options` for UpstreamConfig, but for clock, draw and sleep."""
    seams = {name: options.pop(name) for name in ("clock", "draw", "sleep") if name in options}
    models = [model(one, stub.url) for one in behaviours]
    return Upstreams(UpstreamConfig(**{**QUICK, **options}), models, **seams)


async def ask(
    upstreams: Upstreams,
    plan: Sequence[str],
    *,
    stream: bool = False,
    path: str = "/chat/completions",
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    deadline_s: float | None = None,
) -> Answer:
    def body(name: str) -> bytes:
        return json.dumps({"model": name, "stream": stream, "messages": []}).encode()

    return await upstreams.answer(
        plan,
        body,
        path=path,
        method=method,
        stream=stream,
        headers=headers or {},
        deadline_s=deadline_s,
    )


async def read(answer: Answer) -> bytes:
    """The whole answer, streamed or not."""
    if answer.chunks is None:
        assert answer.body is not None
        return answer.body
    return b"".join([chunk async for chunk in answer.chunks])


def outcomes(source: Any) -> list[tuple[str, str, int | None]]:
    """Model, outcome and status of every attempt."""
    return [(one.model, one.outcome, one.status) for one in source.attempts]


def pooled(upstreams: Upstreams) -> tuple[int, int]:
    """Connections in use, and calls counted as under way: what a leak would show in."""
    sockets = upstreams._sockets
    assert sockets is not None
    connector = sockets.session.connector
    return len(connector._acquired), sum(one.in_flight for one in upstreams.stats().values())
