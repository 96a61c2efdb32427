"""A circuit breaker for one model: pure state with an injected clock.

closed --(failures in a row)--> open --(time)--> half-open --(probe succeeds)--> closed
                                 ^                   |
                                 +--(probe fails, twice the time)

A call takes a ticket from `begin` and gives it back with exactly one of `success`, `failure` and
`forget`. Tickets of an earlier state count for nothing: when a model dies, answers that were already
on their way must not close the breaker again, nor late failures open it twice.

Being rate limited is no failure: `limited` keeps new plans away for the time that the upstream asked for,
and leaves the rest as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["closed", "open", "half-open"]

LIMITED_MAX_S = 3600.0
"""The longest rate limit that is believed; a slip in one header must not lose a model for days."""


class Breaker:
    """When a model may be called; see the module's text."""

    __slots__ = (
        "_clock",
        "_failures",
        "_generation",
        "_limited_until",
        "_max_s",
        "_open_s",
        "_open_until",
        "_probing",
        "_span_s",
        "_threshold",
    )

    def __init__(
        self, *, failures: int, open_s: float, max_s: float, clock: Callable[[], float]
    ) -> None:
        """Open for `open_s` after so many `failures` in a row, doubling up to `max_s`."""
        self._threshold = max(1, failures)
        self._open_s = open_s
        self._max_s = max(open_s, max_s)
        self._clock = clock
        self._failures = 0
        self._generation = 1
        self._span_s = open_s
        self._open_until: float | None = None
        self._limited_until = 0.0
        self._probing = False

    @property
    def state(self) -> State:
        """As plans, metrics and people see it; a rate limit counts as open."""
        now = self._clock()
        if now < self._limited_until:
            return "open"
        if self._open_until is None:
            return "closed"
        return "open" if now < self._open_until else "half-open"

    @property
    def failures(self) -> int:
        """How many calls failed in a row, up to the opening."""
        return self._failures

    @property
    def limited_s(self) -> float:
        """Seconds until the upstream's own rate limit ends; 0 without one."""
        return max(0.0, self._limited_until - self._clock())

    def available(self) -> bool:
        """Whether a call would be let through now."""
        if self._open_until is None:  # the usual case, without a look at the clock
            return not self._limited_until or self._clock() >= self._limited_until
        return self.state == "half-open" and not self._probing

    def begin(self) -> int:
        """A ticket for a call that starts now; negative for the probe of a half-open breaker.

        It is given in every state: when nothing else is left, a request is tried even so.
        """
        if self._open_until is not None and not self._probing and self.state == "half-open":
            self._probing = True
            return -self._generation
        return self._generation

    def success(self, ticket: int) -> None:
        """The model answered."""
        if abs(ticket) != self._generation:
            return
        self._failures = 0
        if self._open_until is not None:
            self._open_until = None
            self._span_s = self._open_s
            self._probing = False
            self._generation += 1

    def failure(self, ticket: int) -> None:
        """The model did not answer, or not as it should."""
        if abs(ticket) != self._generation:
            return
        if ticket < 0:
            self._open(min(2 * self._span_s, self._max_s))
        elif self._open_until is None:
            self._failures += 1
            if self._failures >= self._threshold:
                self._open(self._span_s)

    def forget(self, ticket: int) -> None:
        """The call was given up before it told anything."""
        if ticket == -self._generation:
            self._probing = False

    def limited(self, seconds: float) -> None:
        """The upstream asked to be left alone for so long."""
        until = self._clock() + min(seconds, LIMITED_MAX_S)
        self._limited_until = max(self._limited_until, until)

    def _open(self, span_s: float) -> None:
        self._span_s = span_s
        self._open_until = self._clock() + span_s
        self._probing = False
        self._generation += 1
