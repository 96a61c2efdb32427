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
SAMPLE = 1000
_PAGE = 1000
_MOST_PAGES = 8
_RARE = 0.25
"""Below this share of a span's decisions those of the wanted modes are looked for by their mode."""
_RUNS = 40
_SPANS = 60
KEEP_S = 15.0
"""For how long a sample serves several pages and their refreshing."""


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
        """When the oldest minute of the sums begins; None where there are none."""
        sql = "SELECT MIN(start) FROM rollup WHERE width = 60"
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
        if name and kept is not None and time.monotonic() - kept[0] < KEEP_S:
            return kept[1]
        found = self._sample(since, until, modes)
        if name:
            self._samples[at] = (time.monotonic(), found)
        return found

    def _sample(self, since: float, until: float, modes: Sequence[str]) -> list[DecisionRecord]:
        totals = self.store.totals(since, until, _SPANS, modes=modes)
        counts = _by_span(totals)
        size = int(counts.sum())
        whole = self.store.totals(since, until, 1).overall().requests
        if size == 0:
            return []
        if size <= SAMPLE or whole <= 2 * SAMPLE:
            only = (None,) if whole <= 2 * SAMPLE else tuple(modes)
            found = [one for mode in only for one in self._all(since, until, mode)]
            return [one for one in found if one.mode in modes]
        rare = size < _RARE * whole
        return [one for mode in (modes if rare else (None,))
                for one in self._runs(totals, counts, mode) if one.mode in modes]  # fmt: skip

    def _all(self, since: float, until: float, mode: str | None) -> list[DecisionRecord]:
        """Every decision of a span that holds few; a page at a time."""
        wanted = Filter(since=since, until=until, mode=mode)
        found: list[DecisionRecord] = []
        before: str | None = None
        for _ in range(_MOST_PAGES):
            page = self.store.decisions(wanted, limit=_PAGE, before=before)
            found += page.decisions
            before = page.before
            if before is None:
                break
        return found

    def _runs(
        self, totals: Totals, counts: np.ndarray[tuple[int], np.dtype[np.float64]],
        mode: str | None,
    ) -> list[DecisionRecord]:  # fmt: skip
        """Runs of neighbours that end at evenly spaced places, each within its own stretch."""
        length = SAMPLE // _RUNS
        ends = np.cumsum(counts)
        places = (np.arange(_RUNS) + 1) / _RUNS * ends[-1]
        spans = np.minimum(np.searchsorted(ends, places), len(counts) - 1)
        inside = (places - (ends[spans] - counts[spans])) / counts[spans]
        found: list[DecisionRecord] = []
        since = float(totals.since)
        for span, share in zip(spans.tolist(), inside.tolist(), strict=True):
            at = totals.since + (span + share) * totals.step_s
            wanted = Filter(mode=mode, since=since)
            found += self.store.decisions(wanted, limit=length, before=first_id(at)).decisions
            since = at
        return found


def _by_span(totals: Totals) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Requests of each span, in order."""
    size = max((totals.until - totals.since) // totals.step_s, 1)
    counts = np.zeros(size)
    for row in totals.rows:
        counts[(row.start - totals.since) // totals.step_s] += row.requests
    return counts
