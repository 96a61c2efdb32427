"""Sums over spans of time, read from what was added up as it was written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from onehead.errors import UsageError
from onehead.store.schema import (
    LATENCY_BINS,
    LATENCY_EDGES_S,
    OVERHEAD_BINS,
    OVERHEAD_EDGES_S,
    ROLLUP_SUMS,
    WIDTHS,
)
from onehead.store.sqlite import marks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from onehead.store.database import Database, Row

STEPS_S: Final = (
    *(60 * n for n in (1, 2, 5, 10, 15, 30)),
    *(3600 * n for n in (1, 2, 3, 6, 12)),
    *(86_400 * n for n in (1, 2, 7, 14, 28, 91, 182, 364)),
)
MOST_BUCKETS: Final = 1000
_PLAIN: Final = ROLLUP_SUMS[: ROLLUP_SUMS.index(OVERHEAD_BINS[0])]


@dataclass(frozen=True, kw_only=True)
class Total:
    """Sums over the requests of one span and model.

    start: when the span begins, unix seconds
    model: who answered; "" where nobody did
    errors: requests whose outcome was not ok
    fallbacks: requests that another model answered than the one chosen
    priced: requests whose cost is known; `cost_usd` is theirs
    predicted: requests with estimates; `predicted_…` are theirs, of the model chosen
    overhead, latency: requests by duration; see `quantile`
    """

    start: int
    model: str
    requests: int = 0
    errors: int = 0
    fallbacks: int = 0
    attempts: int = 0
    priced: int = 0
    cost_usd: float = 0.0
    predicted: int = 0
    predicted_cost_usd: float = 0.0
    predicted_quality: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    overhead: tuple[int, ...] = field(default=(0,) * len(OVERHEAD_BINS), repr=False)
    latency: tuple[int, ...] = field(default=(0,) * len(LATENCY_BINS), repr=False)

    def overhead_s(self, share: float) -> float | None:
        """The overhead that a `share` of the requests did not exceed; None without requests."""
        return quantile(OVERHEAD_EDGES_S, self.overhead, share)

    def latency_s(self, share: float) -> float | None:
        """The whole duration that a `share` of the requests did not exceed; None without requests."""
        return quantile(LATENCY_EDGES_S, self.latency, share)


@dataclass(frozen=True)
class Totals:
    """Sums by span and model, spans in order.

    since, until: the range, widened to whole spans
    step_s: length of a span
    """

    since: int
    until: int
    step_s: int
    rows: list[Total]

    def overall(self) -> Total:
        """The sum of all."""
        return merged(self.rows, start=self.since)

    def by_model(self) -> dict[str, Total]:
        """The sum of each model over the whole range."""
        parts: dict[str, list[Total]] = {}
        for row in self.rows:
            parts.setdefault(row.model, []).append(row)
        return {model: merged(parts[model], self.since, model) for model in sorted(parts)}


@dataclass(frozen=True)
class Expected:
    """What one model was expected to do with the requests that the router chose for.

    requests: those answered whose estimates hold it; eligible: those that it could have had
    quality, cost_usd: sums over `requests`
    """

    model: str
    requests: int
    eligible: int
    quality: float
    cost_usd: float


def totals(
    database: Database,
    since: float,
    until: float,
    buckets: int = 60,
    *,
    modes: Sequence[str] = (),
) -> Totals:
    """Sums by span and model, in at most about `buckets` spans of a round length.

    modes: where given, only requests of these modes
    """
    step = step_for(since, until, buckets)
    start, stop = int(since // step) * step, -int(-until // step) * step
    width = max(width for width in WIDTHS if step % width == 0)
    only = f"AND mode IN ({marks(len(modes))})" if modes else ""
    sums = ", ".join(f"SUM({name})" for name in ROLLUP_SUMS)
    rows = database.rows(
        f"SELECT start - start % {step} AS span, model, "  # noqa: S608
        f"SUM(CASE WHEN outcome = 'ok' THEN 0 ELSE requests END), {sums} FROM rollup "
        f"WHERE width = ? AND start >= ? AND start < ? {only} GROUP BY 1, 2 ORDER BY 1, 2",
        (width, start, stop, *modes),
    )
    return Totals(start, stop, step, [_total(row) for row in rows])


def expected(database: Database, since: float, until: float) -> list[Expected]:
    """What each model would have cost and brought in a range, widened to whole spans."""
    step = step_for(since, until, 60)
    width = max(width for width in WIDTHS if step % width == 0)
    start, stop = int(since // step) * step, -int(-until // step) * step
    rows = database.rows(
        "SELECT model, SUM(requests), SUM(eligible), SUM(quality), SUM(cost_usd) FROM expected "
        "WHERE width = ? AND start >= ? AND start < ? GROUP BY model ORDER BY model",
        (width, start, stop),
    )
    return [Expected(str(m), int(n), int(e), float(q), float(c)) for m, n, e, q, c in rows]


def step_for(since: float, until: float, buckets: int) -> int:
    """The shortest round step that cuts a range into at most `buckets` (or a few) spans."""
    if not 1 <= buckets <= MOST_BUCKETS:
        raise UsageError(f"a range has 1 to {MOST_BUCKETS:,} spans, not {buckets}.")
    if not since < until:
        raise UsageError("a range must end after it begins.")
    shortest = (until - since) / buckets
    return next((step for step in STEPS_S if step >= shortest), STEPS_S[-1])


def merged(rows: Iterable[Total], start: int, model: str = "") -> Total:
    """The sum of rows; `start` and `model` are given."""
    sums: dict[str, Any] = dict.fromkeys((*_PLAIN, "errors"), 0)
    overhead, latency = [0] * len(OVERHEAD_BINS), [0] * len(LATENCY_BINS)
    for row in rows:
        for name in sums:
            sums[name] += getattr(row, name)
        overhead = [a + b for a, b in zip(overhead, row.overhead, strict=True)]
        latency = [a + b for a, b in zip(latency, row.latency, strict=True)]
    return Total(start=start, model=model, overhead=tuple(overhead), latency=tuple(latency), **sums)


def quantile(edges_s: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """The duration below which a `share` of the counted lie; None where nothing was counted.

    Within a bin durations are taken to be spread evenly over its logarithm, so the figure is off by
    less than a factor of two, and usually by far less. The last bin, which is open, gives its edge.
    """
    rank = share * sum(counts)
    if not sum(counts):
        return None
    below = 0
    for place, count in enumerate(counts):
        if count and below + count >= rank:
            if place == len(edges_s):
                return edges_s[-1]
            upper = edges_s[place]
            return float(upper / 2 * 2.0 ** (max(rank - below, 0) / count))
        below += count
    return edges_s[-1]


def _total(row: Row) -> Total:
    start, model, errors, *sums = row
    counts = [int(value) for value in sums[len(_PLAIN) :]]
    plain: dict[str, Any] = {
        name: float(value) if name.endswith(("_usd", "_quality")) else int(value)
        for name, value in zip(_PLAIN, sums, strict=False)
    }
    return Total(
        start=int(start),
        model=str(model),
        errors=int(errors),
        overhead=tuple(counts[: len(OVERHEAD_BINS)]),
        latency=tuple(counts[len(OVERHEAD_BINS) :]),
        **plain,
    )
