"""The circuit breaker against a plain model of what it should do."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from onehead.gateway.upstream.breaker import LIMITED_MAX_S, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures=3, open_s=10.0, max_s=35.0, clock=clock)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.failure(breaker.begin())


def test_failures_in_a_row_open_it_and_a_success_between_does_not(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.success(breaker.begin())
    fail(breaker, 2)
    assert breaker.state == "closed"
    fail(breaker)
    assert breaker.state == "open"
    assert not breaker.available()


def test_one_probe_at_a_time_and_its_success_closes(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = 10.0
    assert breaker.state == "half-open"
    assert breaker.available()
    probe = breaker.begin()
    assert not breaker.available()
    breaker.success(probe)
    assert breaker.state == "closed"
    assert breaker.failures == 0


def test_failing_probes_double_the_time_up_to_the_most(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    spans = []
    for _ in range(4):
        began = clock.now
        while breaker.state == "open":
            clock.now += 1.0
        spans.append(clock.now - began)
        fail(breaker)
    assert spans == [10.0, 20.0, 35.0, 35.0]


def test_a_success_forgets_the_doubling(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = 10.0
    fail(breaker)
    clock.now = 30.0
    breaker.success(breaker.begin())
    fail(breaker, 3)
    clock.now = 40.0
    assert breaker.state == "half-open"


def test_a_forgotten_probe_makes_room_for_the_next(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now = 10.0
    breaker.forget(breaker.begin())
    assert breaker.state == "half-open"
    assert breaker.available()


def test_answers_from_before_the_opening_do_not_close_it(breaker: Breaker) -> None:
    early = breaker.begin()
    fail(breaker, 3)
    breaker.success(early)
    assert breaker.state == "open"


def test_late_failures_do_not_open_it_again(breaker: Breaker, clock: Clock) -> None:
    late = [breaker.begin() for _ in range(6)]
    for ticket in late[:3]:
        breaker.failure(ticket)
    clock.now = 10.0
    breaker.success(breaker.begin())
    for ticket in late[3:]:
        breaker.failure(ticket)
    assert breaker.failures == 0
    assert breaker.state == "closed"


def test_a_call_made_in_spite_of_an_open_breaker_may_close_it(breaker: Breaker) -> None:
    fail(breaker, 3)
    breaker.success(breaker.begin())
    assert breaker.state == "closed"


def test_a_rate_limit_is_no_failure_and_ends_by_itself(breaker: Breaker, clock: Clock) -> None:
    breaker.limited(7.0)
    assert breaker.state == "open"
    assert not breaker.available()
    assert breaker.failures == 0
    assert breaker.limited_s == 7.0
    clock.now = 7.0
    assert breaker.state == "closed"
    assert breaker.available()
    breaker.limited(1e9)
    assert breaker.limited_s == LIMITED_MAX_S


class Machine(RuleBasedStateMachine):
    """Random calls, against a description with lists instead of numbers."""

    @initialize(failures=st.integers(1, 4), open_s=st.integers(1, 5), max_s=st.integers(1, 20))
    def begin_with(self, failures: int, open_s: int, max_s: int) -> None:
        self.clock = Clock()
        self.breaker = Breaker(failures=failures, open_s=open_s, max_s=max_s, clock=self.clock)
        self.threshold, self.base, self.most = failures, open_s, max(open_s, max_s)
        self.calls: list[tuple[int, int, bool]] = []  # ticket, era, whether it is the probe
        self.era = 0
        self.row = 0
        self.open_until: float | None = None
        self.span = float(open_s)
        self.limited_until = 0.0

    @property
    def expected(self) -> str:
        if self.clock.now < self.limited_until:
            return "open"
        if self.open_until is None:
            return "closed"
        return "open" if self.clock.now < self.open_until else "half-open"

    @property
    def probing(self) -> bool:
        return any(probe and era == self.era for _, era, probe in self.calls)

    @rule(seconds=st.integers(1, 8))
    def wait(self, seconds: int) -> None:
        self.clock.now += seconds

    @rule()
    def call(self) -> None:
        probe = self.expected == "half-open" and not self.probing
        self.calls.append((self.breaker.begin(), self.era, probe))

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        ticket, era, _ = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        self.breaker.success(ticket)
        if era == self.era:
            self.row = 0
            if self.open_until is not None:
                self.open_until, self.span = None, float(self.base)
                self.era += 1

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        ticket, era, probe = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        self.breaker.failure(ticket)
        if era != self.era:
            return
        if probe:
            self.span = min(2 * self.span, self.most)
        elif self.open_until is None:
            self.row += 1
            if self.row < self.threshold:
                return
        else:
            return
        self.open_until = self.clock.now + self.span
        self.era += 1

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        ticket, _, _ = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        self.breaker.forget(ticket)

    @rule(seconds=st.integers(1, 10))
    def limit(self, seconds: int) -> None:
        self.breaker.limited(seconds)
        self.limited_until = max(self.limited_until, self.clock.now + seconds)

    @invariant()
    def agrees(self) -> None:
        assert self.breaker.state == self.expected
        let = self.expected == "closed" or (self.expected == "half-open" and not self.probing)
        assert self.breaker.available() == let


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
