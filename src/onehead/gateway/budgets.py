"""What a key has spent in a period, what its running requests may still spend, and what is left.

What was spent is told by the log: for the whole fleet, with what this worker has just handed to it. A
worker also adds up what it settled itself, so that a log that loses records does not open a budget.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

SpendOf = Callable[[str, str], float]
"""(name of a key, first day of a period as 2026-11-01, "" for ever) → USD."""

_EPOCH: Final = date(1970, 1, 1)
_DAY_S: Final = 86_400
_MONDAY: Final = 3
"""1970-01-01 was a Thursday, three days after a Monday."""
_CENTS: Final = 1e-9
"""Sums of floats differ by less than this; an exact fit into a budget is a fit."""


def day_of(at: float) -> int:
    """Days since 1970-01-01 in UTC."""
    return int(at // _DAY_S)


@lru_cache(maxsize=64)
def period_start(period: str, day: int) -> int:
    """The first day of the period that `day` is in; weeks begin on Monday."""
    match period:
        case "day":
            return day
        case "week":
            return day - (day + _MONDAY) % 7
        case "month":
            return (_date(day).replace(day=1) - _EPOCH).days
        case "total":
            return 0
    raise ValueError(period)


def period_end(period: str, day: int) -> datetime | None:
    """When the next period begins; None for `total`, which never ends."""
    if period == "total":
        return None
    start = period_start(period, day)
    if period == "month":
        following = (_date(start) + timedelta(days=32)).replace(day=1)
    else:
        following = _date(start) + timedelta(days=1 if period == "day" else 7)
    return datetime(following.year, following.month, following.day, tzinfo=UTC)


def _date(day: int) -> date:
    return _EPOCH + timedelta(days=day)


@lru_cache(maxsize=64)
def _since(start: int) -> str:
    return _date(start).isoformat() if start else ""


@dataclass(slots=True)
class Ledger:
    """One key's account in this worker.

    settled: USD that this worker's requests cost, by the day on which they arrived
    reserved: USD that running requests may still cost, by day
    first: for each period what the log said when it was first asked, and what was settled then
    """

    name: str
    spend_of: SpendOf
    settled: dict[int, float] = field(default_factory=dict)
    reserved: dict[int, float] = field(default_factory=dict)
    first: dict[int, tuple[float, float]] = field(default_factory=dict)

    def spent(self, start: int) -> float:
        """USD spent since the day `start`, by the fleet and at least by this worker."""
        own = sum(usd for day, usd in self.settled.items() if day >= start)
        fleet = self.spend_of(self.name, _since(start))
        before, own_before = self.first.setdefault(start, (fleet, own))
        return max(fleet, before + own - own_before)

    def held(self, start: int) -> float:
        """USD that running requests of the period may still cost."""
        return sum(usd for day, usd in self.reserved.items() if day >= start)

    def reserve(self, day: int, usd: float) -> None:
        """Keep `usd` back for a request of `day`."""
        self.reserved[day] = self.reserved.get(day, 0.0) + usd

    def release(self, day: int, usd: float) -> None:
        """Give back what was reserved."""
        left = self.reserved.get(day, 0.0) - usd
        if left > _CENTS:
            self.reserved[day] = left
        else:
            self.reserved.pop(day, None)

    def settle(self, day: int, usd: float) -> None:
        """Count what a request of `day` really cost."""
        self.settled[day] = self.settled.get(day, 0.0) + usd


def fits(used: float, usd: float, budget: float) -> bool:
    """Whether `usd` more stays within the budget. A spent budget lets nothing pass, free or not."""
    return used < budget - _CENTS and used + usd <= budget + _CENTS
