"""Requests and tokens of the last minute.

Amounts are kept by whole seconds. A window covers the running second and the 60 before it, so what was
admitted in any 60 seconds never exceeds the limit, and what is older than 61 seconds never counts.
"""

from __future__ import annotations

from typing import Final

WINDOW_S: Final = 61
"""Whole seconds that touch the last 60 seconds."""


class Minute:
    """The sum of amounts over a sliding minute."""

    __slots__ = ("_by_second", "_total")

    def __init__(self) -> None:
        self._by_second: dict[int, float] = {}
        self._total = 0.0

    def total(self, now: float) -> float:
        """The sum of what still counts at `now`."""
        oldest = int(now) - WINDOW_S
        # Seconds are added in order, so the first one is the oldest.
        while self._by_second:
            second = next(iter(self._by_second))
            if second > oldest:
                break
            self._total -= self._by_second.pop(second)
        if not self._by_second:
            self._total = 0.0
        return self._total

    def add(self, at: float, amount: float) -> None:
        """Count `amount`; a clock that was set back counts in the newest second."""
        second = int(at)
        if second not in self._by_second and self._by_second:
            second = max(second, next(reversed(self._by_second)))
        self._by_second[second] = self._by_second.get(second, 0.0) + amount
        self._total += amount

    def correct(self, second: int, by: float) -> None:
        """Change what was counted in a second, where that still counts."""
        if second in self._by_second:
            self._by_second[second] += by
            self._total += by

    def newest(self) -> int:
        """The second in which the last amount was counted."""
        return next(reversed(self._by_second))

    def wait(self, now: float, amount: float, limit: float) -> float:
        """Seconds until `amount` more fits under `limit`, if nothing else is added."""
        left = self.total(now)
        wait = 0.0
        for second, counted in self._by_second.items():
            if left + amount <= limit:
                break
            left -= counted
            wait = max(second + WINDOW_S - now, 0.0)
        return wait
