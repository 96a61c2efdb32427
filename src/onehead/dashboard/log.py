"""The decision log as pages read it, and a sample of what is in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from onehead.store import Filter
from onehead.store.ids import first_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onehead.store import DecisionRecord, Store
    from onehead.store.totals import Totals

SERVED = ("auto", "named", "shadow", "fallback")
"""Modes in which somebody was asked to answer; a decision alone is no request."""
SAMPLE = 2000
_PAGE = 1000
_RUNS = 40
_KEEP_S = 15.0


class Log:
    """Reads for pages, from any thread. A store that is away breaks a page and nothing else."""

    def __init__(self, opened: Callable[[], Store]) -> None:
        """Take what gives the open store; it may raise StoreError where that is away."""
        self._opened = opened
        self._samples: dict[tuple[str, tuple[str, ...]], tuple[float, list[DecisionRecord]]] = {}

    @property
    def store(self) -> Store:
        """The open log; StoreError where it cannot be opened."""
        return self._opened()

    def first(self) -> float | None:
        """When the oldest sums begin; None where there are none."""
        sql = "SELECT MIN(start) FROM rollup WHERE width = 86400"
        found = self.store.database.rows(sql)[0][0]
        return None if found is None else float(found)

    def sample(
        self, since: float, until: float, *, modes: Sequence[str] = SERVED, name: str = ""
    ) -> list[DecisionRecord]:
        """Decisions of a span: all of them, or about `SAMPLE` spread evenly over them.

        Where there are more, runs of neighbours are taken at evenly spaced places among them, so each
        decision is as likely as any other. name: kept for a few seconds under this name
        """
        at = (name, tuple(modes))
        kept = self._samples.get(at)
        if name and kept is not None and time.monotonic() - kept[0] < _KEEP_S:
            return kept[1]
        found = self._sample(since, until, modes)
        if name:
            self._samples[at] = (time.monotonic(), found)
        return found

    def _sample(self, since: float, until: float, modes: Sequence[str]) -> list[DecisionRecord]:
        totals = self.store.totals(since, until, 200, modes=modes)
        counts = _by_span(totals)
        size = int(counts.sum())
        if size == 0:
            return []
        wanted = Filter(since=since, until=until)
        if size <= SAMPLE:
            return [one for one in self._all(wanted) if one.mode in modes]
        return self._runs(totals, counts, modes)

    def _all(self, wanted: Filter) -> list[DecisionRecord]:
        """Every decision, a page at a time; at most a few pages."""
        found: list[DecisionRecord] = []
        before: str | None = None
        for _ in range(4 * SAMPLE // _PAGE):
            page = self.store.decisions(wanted, limit=_PAGE, before=before)
            found += page.decisions
            before = page.before
            if before is None:
                break
        return found

    def _runs(
        self, totals: Totals, counts: np.ndarray[tuple[int], np.dtype[np.float64]],
        modes: Sequence[str],
    ) -> list[DecisionRecord]:  # fmt: skip
        """Runs of neighbours that end at evenly spaced places."""
        length = SAMPLE // _RUNS
        ends = np.cumsum(counts)
        places = (np.arange(_RUNS) + 1) / _RUNS * ends[-1]
        spans = np.minimum(np.searchsorted(ends, places), len(counts) - 1)
        inside = (places - (ends[spans] - counts[spans])) / counts[spans]
        found: dict[str, DecisionRecord] = {}
        for span, share in zip(spans.tolist(), inside.tolist(), strict=True):
            at = totals.since + (span + share) * totals.step_s
            page = self.store.decisions(Filter(), limit=length, before=first_id(at))
            found |= {one.decision_id: one for one in page.decisions if one.mode in modes}
        return list(found.values())


def _by_span(totals: Totals) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Requests of each span, in order."""
    size = max((totals.until - totals.since) // totals.step_s, 1)
    counts = np.zeros(size)
    for row in totals.rows:
        counts[(row.start - totals.since) // totals.step_s] += row.requests
    return counts
