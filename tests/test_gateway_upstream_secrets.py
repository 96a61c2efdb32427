"""No key and no query of an address shows in anything that is printed."""

from __future__ import annotations

import asyncio
import logging
import traceback
from typing import TYPE_CHECKING

import pytest
from stub_upstream import running_stub
from upstream_calls import KEY, QUICK, ask, model, read

from onehead.config import Secret, UpstreamConfig
from onehead.errors import OneheadError
from onehead.gateway.upstream import Upstreams

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER, QUERY = "sk-header-secret", "sk-query-secret"
FAULTS = [
    "status-401", "status-403", "status-500", "status-429", "redirect", "raw-text/html|<", "cut",
    "cutearly", "pause", "hang", "absent", "ok",
]  # fmt: skip


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_stub() as stub:
        yield stub.url


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_secret_is_told(
    address: str, fault: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = "http://127.0.0.1:9/v1" if fault == "absent" else address
    one = model(fault, url, headers={"api-key": Secret(HEADER)}, query={"key": QUERY})
    told: list[str] = []

    async def run() -> None:
        limits = {**QUICK, "first_byte_timeout_s": 0.05, "idle_timeout_s": 0.05, "retries": 0}
        async with Upstreams(UpstreamConfig(**limits), [one]) as upstreams:
            told.extend(repr(target) for target in upstreams._targets.values())
            try:
                answer = await ask(upstreams, [fault], stream=stream)
                told.extend([repr(answer), repr(answer.attempts)])
                await read(answer)
            except OneheadError as error:
                told.extend(traceback.format_exception(error))
                told.extend([repr(error), repr(vars(error)), repr(error.__cause__)])
            told.append(repr(upstreams.stats()))

    asyncio.run(run())
    text = "\n".join([*told, caplog.text])
    for secret in (KEY, HEADER, QUERY, "sk-upstream-secret", "sk-redirect"):
        assert secret not in text
