"""The parts that wait: time limits, the gate, the watch over an answer, hedging."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from onehead.gateway.limit import Limit
from onehead.gateway.upstream import Answer
from onehead.gateway.upstream.gate import Gate
from onehead.gateway.upstream.hedge import hedged
from onehead.gateway.upstream.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable


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


class Clockwork:
    """A loop and a reader in one, whose time moves when told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.error: BaseException | None = None
        self.complete = False

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Clockwork:
        self.due.append((when, callback))
        return self

    def cancel(self) -> None:
        self.due.clear()

    def set_exception(self, error: BaseException) -> None:
        self.error = error

    def is_eof(self) -> bool:
        return self.complete

    def move(self, to: float) -> None:
        while self.due and self.due[0][0] <= to:
            self.now, callback = self.due.pop(0)
            callback()
        self.now = to


@pytest.fixture
def clockwork() -> Clockwork:
    return Clockwork()


@pytest.fixture
def watch(clockwork: Clockwork) -> Watch:
    return Watch(clockwork, clockwork, 1.0, 10.0)


def test_a_watch_lets_pieces_come_slowly(clockwork: Clockwork, watch: Watch) -> None:
    for piece in range(1, 11):
        watch.begin()
        clockwork.move(piece * 0.9)
        watch.end()
        assert len(clockwork.due) <= 1
    assert clockwork.error is None
    watch.begin()
    clockwork.move(12.0)
    assert str(clockwork.error) == watch.why == "it took too long as a whole"


def test_a_watch_ends_a_silence(clockwork: Clockwork, watch: Watch) -> None:
    watch.begin()
    clockwork.move(0.5)
    watch.end()
    watch.begin()
    clockwork.move(1.4)
    assert clockwork.error is None
    clockwork.move(1.6)
    assert watch.why == "no byte for 1 s"


def test_a_watch_does_not_count_a_slow_client(clockwork: Clockwork, watch: Watch) -> None:
    watch.begin()
    watch.end()
    clockwork.move(9.0)
    assert clockwork.error is None
    clockwork.complete = True
    clockwork.move(30.0)
    assert clockwork.error is None
    assert not clockwork.due


def test_a_stopped_watch_leaves_no_timer(clockwork: Clockwork, watch: Watch) -> None:
    watch.begin()
    watch.stop()
    watch.stop()
    assert not clockwork.due


class Runs:
    """Stands for a plan: every `run` gives the next result when all may."""

    def __init__(self, *results: Answer | Exception | None) -> None:
        self.results = list(results)
        self.go = asyncio.Event()
        self.cancelled = 0

    @property
    def more(self) -> bool:
        return bool(self.results)

    async def run(self) -> Answer | None:
        result = self.results.pop(0)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if isinstance(result, Exception):
            raise result
        return result


def answer(name: str, closed: list[str]) -> Answer:
    return Answer(
        model=name,
        status=200,
        headers=[],
        content_type="",
        attempts=[],
        on_close=lambda: closed.append(name),
    )


def hedge(*results: Answer | Exception | None) -> Answer | None:
    async def run() -> Answer | None:
        runs = Runs(*results)
        asyncio.get_running_loop().call_later(0.05, runs.go.set)
        return await hedged(runs, 0.001)

    return asyncio.run(run())


def test_of_two_answers_at_once_one_is_closed() -> None:
    closed: list[str] = []
    winner = hedge(answer("a", closed), answer("b", closed))
    assert winner is not None
    assert closed == ["b" if winner.model == "a" else "a"]


def test_one_answer_of_two_is_enough() -> None:
    for results in ((None, answer("a", [])), (answer("a", []), None)):
        winner = hedge(*results)
        assert winner is not None
        assert winner.model == "a"


def test_without_any_answer_there_is_none() -> None:
    assert hedge(None, None) is None
    assert hedge(None) is None


def test_a_hedge_hides_no_bug() -> None:
    with pytest.raises(ZeroDivisionError):
        hedge(ZeroDivisionError(), ZeroDivisionError())
