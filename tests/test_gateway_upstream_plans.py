"""A plan of several models: repeats, fall-through, waiting, breakers, deadlines, hedging."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from stub_upstream import Stub, running_stub, whole
from upstream_calls import Sleeps, ask, outcomes, pooled, read, upstreams_of

from onehead.gateway.upstream import AllFailed, StreamBroken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onehead.gateway.upstream import Answer, Upstreams

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


@pytest.fixture(scope="module")
def running() -> Iterator[Stub]:
    with running_stub() as stub:
        yield stub


@pytest.fixture
def stub(running: Stub) -> Stub:
    running.reset()
    return running


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def all_failed(upstreams: Upstreams, plan: list[str], **options: float) -> AllFailed:
    with pytest.raises(AllFailed) as caught:
        await ask(upstreams, plan, **options)
    return caught.value


FAULTS = {
    "status-500": ("status", 2),
    "status-503": ("status", 2),
    "status-429": ("status", 1),
    "later-503-1": ("status", 1),
    "status-401": ("status", 1),
    "status-402": ("status", 1),
    "status-405": ("status", 1),
    "status-501": ("status", 1),
    "redirect": ("status", 1),
    "raw-text/html|<html>": ("garbage", 2),
    "cutearly": ("broken", 3),
    "hang": ("timeout", 1),
}
"""How often a fault is tried where another model is left: once more where that is quick."""


@BOTH
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_falls_through_to_a_model_that_works(
    stub: Stub, fault: str, stream: bool
) -> None:
    outcome, tries = FAULTS[fault]

    async def run() -> Answer:
        options = {"first_byte_timeout_s": 0.1, "sleep": Sleeps(), "max_attempts": 6}
        async with upstreams_of(stub, fault, "ok", **options) as upstreams:
            answer = await ask(upstreams, [fault, "ok"], stream=stream)
            assert b"Paris" in await read(answer)
            assert pooled(upstreams) == (0, 0)
            return answer

    answer = asyncio.run(run())
    assert answer.model == "ok"
    expected = [(fault, outcome)] * tries + [("ok", "ok")]
    assert [pair[:2] for pair in outcomes(answer)] == expected
    assert stub.count["ok"] == 1
    assert stub.count[fault] == tries


def test_a_cut_whole_answer_falls_through_too(stub: Stub) -> None:
    async def run() -> Answer:
        async with upstreams_of(stub, "cut", "ok", retries=0) as upstreams:
            return await ask(upstreams, ["cut", "ok"])

    assert [pair[1] for pair in outcomes(asyncio.run(run()))] == ["broken", "ok"]


def test_model_not_found_is_our_mistake(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = "missing"

    async def run() -> AllFailed:
        async with upstreams_of(stub, missing, retries=3) as upstreams:
            return await all_failed(upstreams, [missing])

    async def respond(model: str, body: dict, receive: object, send: object) -> None:
        error = {"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}
        await whole(send, 404, json.dumps(error).encode(), {"content-type": "application/json"})

    monkeypatch.setattr(stub, "respond", respond)
    error = asyncio.run(run())
    assert (error.status, error.body, error.code) == (502, None, "upstream_refused_us")
    assert stub.count[missing] == 1


def test_the_backoff_doubles_up_to_the_most_with_full_jitter(stub: Stub) -> None:
    sleeps = Sleeps()

    async def run() -> None:
        options = {"retries": 4, "max_attempts": 9, "retry_base_s": 0.2, "retry_max_s": 1.0}
        upstreams = upstreams_of(stub, "status-500", sleep=sleeps, draw=lambda: 0.5, **options)
        async with upstreams:
            error = await all_failed(upstreams, ["status-500"])
            assert len(error.attempts) == 5

    asyncio.run(run())
    assert sleeps.seconds == [0.1, 0.2, 0.4, 0.5]


def test_the_last_model_is_waited_for_as_long_as_it_asks(stub: Stub) -> None:
    sleeps = Sleeps()

    async def run() -> None:
        upstreams = upstreams_of(stub, "later-429-3", sleep=sleeps, retries=1, retry_max_s=8.0)
        async with upstreams:
            error = await all_failed(upstreams, ["later-429-3"])
            assert (error.status, error.retry_after) == (429, 3.0)

    asyncio.run(run())
    assert sleeps.seconds == [3.0]
    assert stub.count["later-429-3"] == 2


def test_waiting_longer_than_allowed_is_left_to_the_client(stub: Stub) -> None:
    sleeps = Sleeps()

    async def run() -> None:
        async with upstreams_of(stub, "later-503-9", sleep=sleeps, retry_max_s=8.0) as upstreams:
            error = await all_failed(upstreams, ["later-503-9"])
            assert (error.status, error.retry_after) == (503, 9.0)

    asyncio.run(run())
    assert sleeps.seconds == []
    assert stub.count["later-503-9"] == 1


def test_a_connection_cut_before_its_first_byte_is_sent_again_at_once(stub: Stub) -> None:
    sleeps = Sleeps()

    async def run() -> None:
        async with upstreams_of(stub, "cutearly", sleep=sleeps, retries=0) as upstreams:
            error = await all_failed(upstreams, ["cutearly"])
            assert len(error.attempts) == 2

    asyncio.run(run())
    assert sleeps.seconds == []


def test_never_more_calls_than_allowed_and_one_for_each_model_first(stub: Stub) -> None:
    plan = ["status-500", "status-502", "status-503"]

    async def run() -> AllFailed:
        options = {"retries": 2, "max_attempts": 4, "sleep": Sleeps()}
        async with upstreams_of(stub, *plan, **options) as upstreams:
            return await all_failed(upstreams, plan)

    error = asyncio.run(run())
    assert [one.model for one in error.attempts] == ["status-500", *plan]
    assert error.status == 503


def test_the_deadline_ends_everything(stub: Stub) -> None:
    async def run() -> AllFailed:
        async with upstreams_of(stub, "hang", "ok", retries=3, breaker_failures=1) as upstreams:
            error = await all_failed(upstreams, ["hang", "ok"], deadline_s=0.05)
            assert pooled(upstreams) == (0, 0)
            # A caller in a hurry must not close a model to all others.
            assert upstreams.state("hang") == "closed"
            return error

    error = asyncio.run(run())
    assert (error.status, error.code) == (504, "deadline_exceeded")
    assert [one.outcome for one in error.attempts] == ["timeout"]
    assert stub.count["ok"] == 0


def test_no_repeat_begins_beyond_the_deadline(stub: Stub) -> None:
    sleeps = Sleeps()

    async def run() -> None:
        async with upstreams_of(stub, "later-503-5", sleep=sleeps, retry_max_s=8.0) as upstreams:
            await all_failed(upstreams, ["later-503-5"], deadline_s=2.0)

    asyncio.run(run())
    assert sleeps.seconds == []


def test_a_stream_may_outlive_the_deadline_that_it_met(stub: Stub) -> None:
    async def run() -> bytes:
        async with upstreams_of(stub, "flood") as upstreams:
            deadline = asyncio.get_running_loop().time() + 0.3
            answer = await ask(upstreams, ["flood"], stream=True, deadline_s=0.3)
            assert await asyncio.to_thread(stub.stalled.wait, 5)
            while asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(0.02)
            return await read(answer)

    assert len(asyncio.run(run())) == stub.flooded


def test_an_open_breaker_is_passed_over_and_tried_last(stub: Stub) -> None:
    clock = Clock()

    async def run() -> None:
        options = {"retries": 0, "breaker_failures": 2, "clock": clock}
        async with upstreams_of(stub, "flaky-2", "ok", "status-500", **options) as upstreams:
            for _ in range(2):
                await ask(upstreams, ["flaky-2", "ok"])
            assert upstreams.state("flaky-2") == "open"
            answer = await ask(upstreams, ["flaky-2", "ok"])
            assert outcomes(answer) == [("flaky-2", "breaker", None), ("ok", "ok", 200)]
            # Nothing else works: the open one is asked all the same, and answers.
            answer = await ask(upstreams, ["flaky-2", "status-500"])
            assert outcomes(answer) == [
                ("flaky-2", "breaker", None),
                ("status-500", "status", 500),
                ("flaky-2", "ok", 200),
            ]
            assert upstreams.state("flaky-2") == "closed"

    asyncio.run(run())


def test_a_model_just_given_up_is_not_repeated_while_another_is_left(stub: Stub) -> None:
    async def run() -> None:
        options = {"retries": 3, "breaker_failures": 2, "sleep": Sleeps()}
        async with upstreams_of(stub, "status-500", "ok", **options) as upstreams:
            answer = await ask(upstreams, ["status-500", "ok"])
            assert [one.model for one in answer.attempts] == ["status-500", "status-500", "ok"]

    asyncio.run(run())


def test_where_all_are_open_the_first_is_tried(stub: Stub) -> None:
    async def run() -> None:
        options = {"retries": 0, "breaker_failures": 1, "clock": Clock()}
        async with upstreams_of(stub, "flaky-1", **options) as upstreams:
            await all_failed(upstreams, ["flaky-1"])
            assert upstreams.state("flaky-1") == "open"
            assert (await ask(upstreams, ["flaky-1"])).status == 200

    asyncio.run(run())


def test_a_half_open_breaker_lets_one_probe_through(stub: Stub) -> None:
    clock = Clock()

    async def run() -> None:
        options = {"retries": 0, "breaker_failures": 1, "breaker_open_s": 10.0, "clock": clock}
        async with upstreams_of(stub, "flaky-1", "ok", **options) as upstreams:
            await ask(upstreams, ["flaky-1", "ok"])
            clock.now = 10.0
            assert upstreams.state("flaky-1") == "half-open"
            first, second = await asyncio.gather(
                ask(upstreams, ["flaky-1", "ok"]), ask(upstreams, ["flaky-1", "ok"])
            )
            assert {first.model, second.model} == {"flaky-1", "ok"}
            assert upstreams.state("flaky-1") == "closed"

    asyncio.run(run())


def test_a_rate_limit_keeps_new_plans_away_without_counting_as_failure(stub: Stub) -> None:
    clock = Clock()

    async def run() -> None:
        options = {"breaker_failures": 1, "clock": clock}
        async with upstreams_of(stub, "later-429-30", "ok", **options) as upstreams:
            await ask(upstreams, ["later-429-30", "ok"])
            stats = upstreams.stats()["later-429-30"]
            assert (stats.state, stats.failures, stats.limited_s) == ("open", 0, 30.0)
            await ask(upstreams, ["later-429-30", "ok"])
            assert stub.count["later-429-30"] == 1
            clock.now = 30.0
            assert upstreams.state("later-429-30") == "closed"

    asyncio.run(run())


def test_streams_that_break_open_the_breaker(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "cut", breaker_failures=2, clock=Clock()) as upstreams:
            for _ in range(2):
                assert upstreams.state("cut") == "closed"
                with pytest.raises(StreamBroken):
                    await read(await ask(upstreams, ["cut"], stream=True))
            assert upstreams.state("cut") == "open"

    asyncio.run(run())


@BOTH
def test_a_hedge_asks_the_next_model_and_gives_the_slow_one_up(stub: Stub, stream: bool) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "hang", "ok", hedge_after_s=0.05) as upstreams:
            answer = await ask(upstreams, ["hang", "ok"], stream=stream)
            assert b"Paris" in await read(answer)
            assert outcomes(answer) == [("hang", "cancelled", None), ("ok", "ok", 200)]
            assert pooled(upstreams) == (0, 0)
            assert upstreams.stats()["hang"].failures == 0

    asyncio.run(run())
    assert stub.gone["hang"].wait(5)


def test_no_hedge_where_the_first_answers_in_time(stub: Stub) -> None:
    async def run() -> None:
        async with upstreams_of(stub, "ok", "status-500", hedge_after_s=5.0) as upstreams:
            answer = await ask(upstreams, ["ok", "status-500"])
            assert outcomes(answer) == [("ok", "ok", 200)]

    asyncio.run(run())
    assert stub.count["status-500"] == 0


def test_a_hedged_plan_still_falls_through_and_fails_whole(stub: Stub) -> None:
    plan = ["hang", "status-500", "status-503"]

    async def run() -> AllFailed:
        options = {"hedge_after_s": 0.02, "retries": 0, "first_byte_timeout_s": 0.3}
        async with upstreams_of(stub, *plan, **options) as upstreams:
            error = await all_failed(upstreams, plan)
            assert pooled(upstreams) == (0, 0)
            return error

    error = asyncio.run(run())
    assert {one.model: one.outcome for one in error.attempts} == {
        "hang": "timeout",
        "status-500": "status",
        "status-503": "status",
    }
