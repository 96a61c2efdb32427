"""Requests that are decided together: everyone gets what deciding alone would have given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np
import pytest

from onehead.config import default_config
from onehead.gateway.fleet import Fleet, fleet_of
from onehead.gateway.together import Together
from onehead.gateway.valuing import Case, Value, Valuer
from onehead.policy import choose
from onehead.router import Router

if TYPE_CHECKING:
    from collections.abc import Sequence

PROMPTS = ["hi", "Prove that √2 is irrational.", "def f(x):", "", "What is 7 × 8? " * 300, "你好"]


class Doubling:
    """Doubles numbers, and remembers which came together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __call__(self, cases: Sequence[int]) -> list[int]:
        self.batches.append(list(cases))
        if 13 in cases:
            raise LookupError("thirteen")
        return [2 * case for case in cases]


def test_all_of_one_turn_go_together_and_each_gets_its_own() -> None:
    work, sizes = Doubling(), []
    together = Together(work, quick=True, tell_size=sizes.append)

    async def ask() -> list[list[int]]:
        return await asyncio.gather(together([1]), together([2, 3]), together([4]))

    assert asyncio.run(ask()) == [[2], [4, 6], [8]]
    assert work.batches == [[1, 2, 3, 4]]
    assert sizes == [4]


def test_a_batch_is_bounded_but_takes_one_request_whole() -> None:
    work = Doubling()
    together = Together(work, quick=True)

    async def ask() -> None:
        await asyncio.gather(together([1] * 60), together([2] * 5), together([3] * 100))

    asyncio.run(ask())
    assert list(map(len, work.batches)) == [60, 5, 100]


def test_who_is_alone_waits_for_no_turn_of_the_loop() -> None:
    work = Doubling()
    together = Together(work, quick=True, alone=lambda: True)
    asking = together([5])
    with pytest.raises(StopIteration) as ended:
        asking.send(None)  # done without being suspended once
    assert ended.value.value == [10]


@pytest.mark.parametrize("quick", [True, False])
def test_a_failure_is_everyone_s_and_the_next_batch_is_well(quick: bool) -> None:
    together = Together(Doubling(), quick=quick)

    async def ask() -> tuple[list[object], list[int]]:
        failed = await asyncio.gather(together([1]), together([13]), return_exceptions=True)
        return failed, await together([7])

    failed, after = asyncio.run(ask())
    together.close()
    assert [type(one) for one in failed] == [LookupError, LookupError]
    assert after == [14]


def test_a_request_that_is_given_up_leaves_the_others_alone() -> None:
    together = Together(Doubling(), quick=True)

    async def ask() -> list[int]:
        leaving = asyncio.ensure_future(together([1]))
        staying = asyncio.ensure_future(together([2]))
        await asyncio.sleep(0)
        leaving.cancel()
        return await staying

    assert asyncio.run(ask()) == [4]


@pytest.fixture(scope="module")
def bundled() -> tuple[Router, Fleet]:
    router = Router.load()
    return router, fleet_of(default_config(), router.manifest)


def cases(kinds: Sequence[str]) -> list[Case]:
    return [
        Case(text, 1.0 + number, 0.0, 1 + number % 2, 10.0 ** -(2 + number % 3), kinds[number % len(kinds)])
        for number, text in enumerate(PROMPTS)
    ]  # fmt: skip


def same(one: Value, other: Value) -> bool:
    return (
        np.array_equal(one.quality, other.quality)
        and np.array_equal(one.cost_usd, other.cost_usd)
        and np.array_equal(one.tokens, other.tokens, equal_nan=True)
        and np.array_equal(one.features, other.features)
        and one.confidence == other.confidence
        and one.free.column == other.free.column
        and np.array_equal(one.free.score, other.free.score)
    )


@pytest.mark.parametrize("kinds", [("exponential",), ("linear",), ("exponential", "linear")])
def test_a_case_is_worth_the_same_alone_and_among_others(
    bundled: tuple[Router, Fleet], kinds: tuple[str, ...]
) -> None:
    valuer = Valuer(*bundled)
    for case, value in zip(cases(kinds), valuer(cases(kinds)), strict=True):
        (alone,) = valuer([case])
        assert same(value, alone)
        chosen = choose(
            value.quality, value.cost_usd, case.willingness_to_pay,
            kind=case.reward, ids=bundled[1].ids,
        )  # fmt: skip
        assert chosen.column == value.free.column
        assert np.array_equal(chosen.rewards, value.free.rewards)


def test_more_reading_and_more_answers_cost_more(bundled: tuple[Router, Fleet]) -> None:
    valuer = Valuer(*bundled)
    usual, long, many = valuer(
        [
            Case("hi", reading, 0.0, answers, 0.01, "exponential")
            for reading, answers in ((1.0, 1), (5.0, 1), (1.0, 3))
        ]
    )
    read, written = usual.tokens
    fleet = bundled[1]
    priced = read * fleet.input_price * 5 + written * fleet.output_price
    assert long.cost_usd[0] == pytest.approx(priced, rel=1e-5)
    priced = read * fleet.input_price + written * fleet.output_price * 3
    assert many.cost_usd[0] == pytest.approx(priced, rel=1e-5)
    assert np.array_equal(usual.quality, long.quality)
