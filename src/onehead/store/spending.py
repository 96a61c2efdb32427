"""What every key has spent, known in memory so that asking costs nothing.

The whole fleet's spend as the database last told it, and on top what this worker logged and has not
written yet.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Spending:
    """USD of each key by day; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._days: dict[str, dict[str, float]] = {}
        self._waiting: defaultdict[str, float] = defaultdict(float)
        self._sums: dict[tuple[str, str], float] = {}

    def wait(self, key: str | None, usd: float) -> None:
        """Count what was logged and is on its way."""
        with self._lock:
            self._waiting[key or ""] += usd

    def arrive(self, spent: Iterable[tuple[str, str, float]], sent: Mapping[str, float]) -> None:
        """The database took a batch: `spent` is what it added, `sent` what had been waiting."""
        with self._lock:
            for key, day, usd in spent:
                days = self._days.setdefault(key, {})
                days[day] = days.get(day, 0.0) + usd
            for key, usd in sent.items():
                self._waiting[key] -= usd
                if self._waiting[key] < 1e-12:
                    del self._waiting[key]
            self._sums.clear()

    def replace(self, rows: Iterable[tuple[str, str, float]], since_day: str = "") -> None:
        """What the database has from `since_day` on, whoever spent it."""
        with self._lock:
            for days in self._days.values():
                for day in [day for day in days if day >= since_day]:
                    del days[day]
            for key, day, usd in rows:
                self._days.setdefault(key, {})[day] = float(usd)
            self._sums.clear()

    def of(self, key: str | None, since_day: str) -> float:
        """USD that `key` has spent from `since_day` on (such as 2026-11-01; "" for ever)."""
        name = key or ""
        with self._lock:
            known = self._sums.get((name, since_day))
            if known is None:
                days = self._days.get(name, {})
                known = sum(usd for day, usd in days.items() if day >= since_day)
                self._sums[name, since_day] = known
            return known + self._waiting.get(name, 0.0)
