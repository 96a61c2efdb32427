"""Time limits and the gate, next to their relatives in asyncio."""

from __future__ import annotations

import asyncio

import pytest

from onehead.gateway.upstream.gate import Gate
from onehead.gateway.upstream.limit import Limit


def limited(seconds: float) -> Limit:
    loop = asyncio.get_running_loop()
    return Limit(loop, loop.time() + seconds)


def test_a_limit_ends_a_block_and_leaves_the_task_usable() -> None:
    async def run() -> None:
        with pytest.raises(TimeoutError), limited(0.01):
            await asyncio.sleep(10)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)

    asyncio.run(run())


def test_a_limit_in_time_changes_nothing() -> None:
    async def run() -> None:
        with limited(10):
            await asyncio.sleep(0)
        with pytest.raises(ValueError, match="own"), limited(10):
            raise ValueError("own")

    asyncio.run(run())


@pytest.mark.parametrize("seconds", [0.0, 10.0])
def test_a_cancellation_from_outside_is_none_of_the_limits(seconds: float) -> None:
    async def block() -> None:
        with limited(seconds):
            await asyncio.sleep(10)

    async def run() -> None:
        task = asyncio.create_task(block())
        await asyncio.sleep(0)
        task.cancel()  # together with the limit, or long before it
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


@pytest.mark.parametrize(("outer", "inner"), [(10.0, 0.01), (0.01, 10.0)])
def test_limits_nest(outer: float, inner: float) -> None:
    async def block() -> None:
        with limited(outer), limited(inner):
            await asyncio.sleep(10)

    with pytest.raises(TimeoutError):
        asyncio.run(block())


def test_places_go_in_the_order_of_asking() -> None:
    async def run() -> None:
        gate = Gate(1)
        order: list[int] = []

        async def enter(number: int) -> None:
            await gate.wait()
            order.append(number)

        assert gate.take()
        assert not gate.take()
        tasks = [asyncio.create_task(enter(number)) for number in range(3)]
        await asyncio.sleep(0)
        for _ in tasks:
            gate.give()
        assert not gate.take()  # they were handed over
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2]
        gate.give()
        assert gate.take()

    asyncio.run(run())


@pytest.mark.parametrize("given_first", [False, True])
def test_a_cancelled_wait_loses_no_place(given_first: bool) -> None:
    async def run() -> None:
        gate = Gate(1)
        assert gate.take()
        task = asyncio.create_task(gate.wait())
        await asyncio.sleep(0)
        if given_first:
            gate.give()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if not given_first:
            gate.give()
        assert gate.take()
        assert not gate.take()

    asyncio.run(run())
