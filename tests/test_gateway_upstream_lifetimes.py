"""Nothing outlives its use: cancelled calls, closed streams, slow readers, full gates."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from stub_upstream import FLOOD_PIECE, FLOOD_PIECES, Stub, running_stub
from upstream_calls import ask, outcomes, pooled, read, upstreams_of

from onehead.gateway.errors import GatewayError
from onehead.gateway.upstream import AllFailed

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def running() -> Iterator[Stub]:
    with running_stub() as stub:
        yield stub


@pytest.fixture
def stub(running: Stub) -> Stub:
    running.reset()
    return running


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("hedge_after_s", [None, 0.02])
def test_a_cancelled_call_drops_its_connections(
    stub: Stub, stream: bool, hedge_after_s: float | None
) -> None:
    async def run() -> None:
        models = ["hang-a", "hang-b"]
        async with upstreams_of(stub, *models, hedge_after_s=hedge_after_s) as upstreams:
            task = asyncio.create_task(ask(upstreams, models, stream=stream))
            last = "hang-a" if hedge_after_s is None else "hang-b"
            assert await asyncio.to_thread(stub.reached[last].wait, 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert pooled(upstreams) == (0, 0)
            assert upstreams.stats()["hang-a"].failures == 0
            assert await asyncio.to_thread(stub.gone["hang-a"].wait, 5)

    asyncio.run(run())


def test_a_closed_stream_drops_its_connection(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "pause") as upstreams:
            answer = await ask(upstreams, ["pause"], stream=True)
            assert answer.chunks is not None
            assert await anext(aiter(answer.chunks))
            assert pooled(upstreams) == (1, 1)
            await answer.close()
            await answer.close()
            assert pooled(upstreams) == (0, 0)
            assert [chunk async for chunk in answer.chunks] == []
            assert outcomes(answer) == [("pause", "cancelled", 200)]
            assert await asyncio.to_thread(stub.gone["pause"].wait, 5)

    asyncio.run(run())


def test_cancelling_who_reads_a_stream_drops_its_connection(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "pause") as upstreams:
            answer = await ask(upstreams, ["pause"], stream=True)
            task = asyncio.create_task(read(answer))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert pooled(upstreams) == (0, 0)
            assert await asyncio.to_thread(stub.gone["pause"].wait, 5)

    asyncio.run(run())


def test_a_cancelled_probe_makes_room_for_the_next(stub: Stub) -> None:
    now = [0.0]

    async def run() -> None:
        options = {"breaker_failures": 1, "breaker_open_s": 1.0, "first_byte_timeout_s": 0.05}
        upstreams = upstreams_of(stub, "hang", retries=0, clock=lambda: now[0], **options)
        async with upstreams:
            with pytest.raises(AllFailed):
                await ask(upstreams, ["hang"])
            now[0] = 1.0
            task = asyncio.create_task(ask(upstreams, ["hang"]))
            await asyncio.sleep(0)
            breaker = upstreams._targets["hang"].breaker
            assert not breaker.available()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert breaker.available()

    asyncio.run(run())


def test_connections_are_kept_and_used_again(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "ok", "status-500", "status-400", retries=0) as upstreams:
            for name in ["ok", "status-400", "ok"]:
                await ask(upstreams, [name])
                await read(await ask(upstreams, [name], stream=True))
            with pytest.raises(AllFailed):
                await ask(upstreams, ["status-500"])
            await ask(upstreams, ["ok"])

    asyncio.run(run())
    assert len({one["client"][1] for one in stub.requests}) == 1


def test_a_slow_reader_holds_the_upstream_back(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "flood", idle_timeout_s=0.3) as upstreams:
            answer = await ask(upstreams, ["flood"], stream=True)
            assert answer.chunks is not None
            chunks = aiter(answer.chunks)
            size = len(await anext(chunks)) + len(await anext(chunks))
            assert await asyncio.to_thread(stub.stalled.wait, 10)
            # Not reading for longer than the idle limit is no fault of the upstream.
            await asyncio.sleep(0.4)
            assert stub.flooded < FLOOD_PIECE * FLOOD_PIECES / 2
            async for chunk in chunks:
                size += len(chunk)
            assert size == FLOOD_PIECE * FLOOD_PIECES
            assert outcomes(answer) == [("flood", "ok", 200)]
            assert pooled(upstreams) == (0, 0)

    asyncio.run(run())


def test_a_full_gate_turns_away_after_the_connect_limit(stub: Stub) -> None:
    async def run() -> None:
        options = {"connections": 1, "connect_timeout_s": 0.05}
        async with upstreams_of(stub, "pause", "ok", **options) as upstreams:
            held = await ask(upstreams, ["pause"], stream=True)
            with pytest.raises(AllFailed) as caught:
                await ask(upstreams, ["ok", "pause"])
            error = caught.value
            assert (error.status, error.code, error.retry_after) == (503, "overloaded", 1.0)
            assert outcomes(error) == [("ok", "refused", None)]
            assert upstreams.stats()["ok"].failures == 0
            await held.close()
            assert (await ask(upstreams, ["ok"])).status == 200

    asyncio.run(run())


def test_many_at_once_share_few_connections(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "ok", connections=4) as upstreams:
            answers = await asyncio.gather(*(ask(upstreams, ["ok"]) for _ in range(40)))
            assert {one.status for one in answers} == {200}
            assert pooled(upstreams) == (0, 0)

    asyncio.run(run())
    assert len({one["client"][1] for one in stub.requests}) <= 4


def test_after_closing_nothing_is_sent(stub: Stub) -> None:
    async def run() -> None:
        upstreams = upstreams_of(stub, "ok")
        async with upstreams:
            pass
        with pytest.raises(GatewayError, match="closing") as caught:
            await ask(upstreams, ["ok"])
        assert caught.value.status == 503

    asyncio.run(run())
    assert not stub.requests
