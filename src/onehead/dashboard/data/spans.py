"""Sums of the log as series over equal spans, ready for charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onehead.dashboard import words
from onehead.dashboard.document import Table
from onehead.store.totals import merged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from onehead.report.charts.over_time import Spans
    from onehead.store import Total, Totals


def spans_of(totals: Totals) -> Spans:
    """The spans of some sums."""
    step = totals.step_s
    count = max((totals.until - totals.since) // step, 1)
    return {"since": float(totals.since), "step_s": float(step), "count": int(count)}


def series(totals: Totals, amount: Callable[[Total], float]) -> list[float]:
    """An amount of each span, over all models."""
    values = [0.0] * spans_of(totals)["count"]
    for row in totals.rows:
        values[(row.start - totals.since) // totals.step_s] += amount(row)
    return values


def by_span(totals: Totals) -> list[Total | None]:
    """The sum over all models of each span; None where there was no request."""
    rows: dict[int, list[Total]] = {}
    for row in totals.rows:
        rows.setdefault(row.start, []).append(row)
    starts = (totals.since + place * totals.step_s for place in range(spans_of(totals)["count"]))
    return [merged(rows[start], start) if start in rows else None for start in starts]


def shares(totals: Totals, order: Iterable[str]) -> dict[str, list[float]]:
    """Each model's share of the answered requests of each span, models as in `order`."""
    count = spans_of(totals)["count"]
    found: dict[str, list[float]] = {}
    whole = [0.0] * count
    for row in totals.rows:
        if row.model:
            place = (row.start - totals.since) // totals.step_s
            found.setdefault(row.model, [0.0] * count)[place] += row.requests
            whole[place] += row.requests
    known = [name for name in order if name in found]
    names = [*known, *sorted(set(found) - set(known))]
    return {
        name: [part / all_ if all_ else 0.0 for part, all_ in zip(found[name], whole, strict=True)]
        for name in names
    }


def span_table(spans: Spans, columns: Mapping[str, Sequence[str | None]]) -> Table:
    """The table behind a chart over time: a row for each span in which anything is known."""
    rows = []
    for place, cells in enumerate(zip(*columns.values(), strict=True)):
        if any(cell is not None for cell in cells):
            start = words.moment(spans["since"] + place * spans["step_s"]).removesuffix(":00 UTC")
            rows.append((start, *(words.NOTHING if cell is None else cell for cell in cells)))
    return Table(("from, UTC", *columns), tuple(rows))


def told(values: Sequence[float | None], say: Callable[[float], str]) -> list[str | None]:
    """Values in words; zero and nothing are left out."""
    return [say(value) if value else None for value in values]
