"""Sums over one minute, ten, an hour and a day, kept up to date with the rows that they count.

A page that shows a month reads hours, one that shows an hour reads minutes: however many decisions
there are, the number of sums to read stays small. Durations are counted in bins that double in width.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

from onehead.store.schema import (
    LATENCY_BINS,
    LATENCY_EDGES_S,
    OVERHEAD_BINS,
    OVERHEAD_EDGES_S,
    ROLLUP_KEY,
    ROLLUP_SUMS,
    WIDTHS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from onehead.store.database import Connection, Row
    from onehead.store.records import DecisionRecord

ROUTED: Final = ("auto", "shadow")
"""Modes in which the router chose for a real request; what-if sums count these, where answered."""
_Pools = dict[tuple[int, tuple[str, ...]], list[tuple[Any, Any, Any]]]
_EXPECTED_KEY: Final = ("width", "start", "model")
_EXPECTED_SUMS: Final = ("requests", "eligible", "quality", "cost_usd")
_OVERHEAD: Final = ROLLUP_SUMS.index(OVERHEAD_BINS[0])
_LATENCY: Final = ROLLUP_SUMS.index(LATENCY_BINS[0])


def add(connection: Connection, records: Iterable[DecisionRecord]) -> None:
    """Add `records` to the sums of their spans."""
    cells: dict[tuple[int, str, str, str], list[Any]] = {}
    pools: _Pools = {}
    for record in records:
        minute = int(record.at // 60) * 60
        cell = (minute, record.model or "", record.mode, record.outcome)
        sums = cells.get(cell)
        if sums is None:
            sums = cells[cell] = [0] * len(ROLLUP_SUMS)
        _count(sums, record)
        if record.outcome == "ok" and record.mode in ROUTED:
            _expect(pools, minute, record)
    _upsert(connection, "rollup", ROLLUP_KEY, ROLLUP_SUMS, _widened(cells))
    _upsert(connection, "expected", _EXPECTED_KEY, _EXPECTED_SUMS, _widened(_expected(pools)))


def _count(sums: list[Any], record: DecisionRecord) -> None:
    """Add one record to the sums of its cell, in the order of `ROLLUP_SUMS`."""
    sums[0] += 1
    if record.mode != "shadow" and record.chosen and record.model not in (None, record.chosen):
        sums[1] += 1
    sums[2] += len(record.attempts)
    if record.cost_usd is not None and record.cost_usd == record.cost_usd:
        sums[3] += 1
        sums[4] += record.cost_usd
    cost, quality = record.predicted_cost_usd, record.predicted_quality
    if cost is not None and quality is not None and cost + quality == cost + quality:
        sums[5] += 1
        sums[6] += cost
        sums[7] += quality
    sums[8] += record.input_tokens or 0
    sums[9] += record.output_tokens or 0
    sums[10] += record.cached_tokens or 0
    sums[11] += record.reasoning_tokens or 0
    if record.overhead_s is not None:
        sums[_OVERHEAD + bisect_left(OVERHEAD_EDGES_S, record.overhead_s)] += 1
    if record.total_s is not None:
        sums[_LATENCY + bisect_left(LATENCY_EDGES_S, record.total_s)] += 1


def _expect(pools: _Pools, minute: int, record: DecisionRecord) -> None:
    """Set the estimates of one request aside, with those of its minute that name the same models."""
    if record.estimates:
        models, quality, cost, _, why_not = zip(*record.estimates, strict=True)
        pools.setdefault((minute, models), []).append((quality, cost, why_not))


def _expected(pools: _Pools) -> dict[tuple[int, str], list[Any]]:
    """What every model was expected to do, by minute: the sums of `_EXPECTED_SUMS`.

    Columns are added up by `sum`, for this runs beside the gateway and eleven models a request are
    many; only where an estimate is missing are they taken one by one.
    """
    sums: dict[tuple[int, str], list[Any]] = {}
    for (minute, models), requests in pools.items():
        qualities, costs, reasons = (
            zip(*part, strict=True) for part in zip(*requests, strict=True)
        )
        for model, *columns in zip(models, qualities, costs, reasons, strict=True):
            there = sums.get((minute, model))
            added = _column(*columns)
            if not added[0]:
                continue
            sums[minute, model] = (
                added if there is None else [a + b for a, b in zip(there, added, strict=True)]
            )
    return sums


def _column(
    quality: Sequence[float | None], cost: Sequence[float | None], why_not: Sequence[str | None]
) -> list[Any]:
    """Requests, eligible ones, and sums of quality and cost over those where both are known."""
    if None not in quality and None not in cost:
        both = [len(quality), why_not.count(None), sum(quality), sum(cost)]  # type: ignore[arg-type]
        if both[2] + both[3] == both[2] + both[3]:  # no NaN among them
            return both
    known = [
        (w is None, q, c)
        for q, c, w in zip(quality, cost, why_not, strict=True)
        if q is not None and c is not None and q + c == q + c
    ]
    return [len(known), *(sum(column) for column in zip(*known, strict=True))] if known else [0] * 4


def _widened(cells: dict[Any, list[Any]]) -> list[Row]:
    """Rows for every width of span from sums over minutes; sorted, so that writers never deadlock."""
    spans: dict[Any, list[Any]] = {}
    for (minute, *rest), sums in cells.items():
        for width in WIDTHS:
            cell = (width, minute - minute % width, *rest)
            there = spans.get(cell)
            spans[cell] = (
                sums if there is None else [a + b for a, b in zip(there, sums, strict=True)]
            )
    return [(*cell, *spans[cell]) for cell in sorted(spans)]


def _upsert(
    connection: Connection,
    table: str,
    key: Sequence[str],
    sums: Sequence[str],
    rows: list[Row],
) -> None:
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    conflict = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {added}"
    connection.insert(table, (*key, *sums), rows, conflict)
