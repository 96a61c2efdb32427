"""Writing a batch: rows, spend and sums in one transaction, each record counted once.

A batch may hold records that were written before, as after a crash between a commit and the removal
of its journal. The insert tells which are new; only these touch the spend and the sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from onehead.store import rollup
from onehead.store.records import DecisionRecord, FeedbackRecord
from onehead.store.rows import COLUMNS, to_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from onehead.store.database import Connection, Database
    from onehead.store.records import Record

_FEEDBACK = (
    "INSERT INTO feedback (decision_id, source, quality, comment, at) "
    "SELECT d.decision_id, ?, ?, ?, ? FROM decisions d WHERE d.decision_id = ? "
    "ON CONFLICT (decision_id, source) DO UPDATE SET "
    "quality = excluded.quality, comment = excluded.comment, at = excluded.at "
    "WHERE excluded.at >= feedback.at"
)
_SPEND = ("key", "day", "usd", "requests", "tokens")
_ADDED = (
    "ON CONFLICT (key, day) DO UPDATE SET usd = spend.usd + excluded.usd, "
    "requests = spend.requests + excluded.requests, tokens = spend.tokens + excluded.tokens"
)


@dataclass
class Written:
    """What a batch brought.

    new: records that were not there before
    spent: USD added for each (key, day)
    """

    new: int = 0
    spent: dict[tuple[str, str], float] = field(default_factory=dict)


def write(database: Database, records: Sequence[Record]) -> Written:
    """Write a batch, all or nothing; StoreError where the database does not take it."""
    decisions = {one.decision_id: one for one in records if isinstance(one, DecisionRecord)}
    rows = [to_row(one) for one in decisions.values()]
    with database.transaction() as connection:
        new = connection.insert_new("decisions", COLUMNS, rows) if rows else set()
        fresh = [one for key, one in decisions.items() if key in new]
        spent = _add_spend(connection, fresh)
        if fresh:
            rollup.add(connection, fresh)
        for one in records:
            if isinstance(one, FeedbackRecord):
                add_feedback(connection, one)
    return Written(len(new), spent)


def add_feedback(connection: Connection, one: FeedbackRecord) -> bool:
    """Keep a source's word on a decision, over an older one; whether there is such a decision."""
    comment = one.comment.replace("\0", "\ufffd") if one.comment else None
    source = one.source.replace("\0", "\ufffd")
    values = (source, one.quality, comment, one.at, one.decision_id)
    if connection.run(_FEEDBACK, values):
        return True
    return bool(
        connection.rows("SELECT 1 FROM decisions WHERE decision_id = ?", (one.decision_id,))
    )


def _add_spend(
    connection: Connection, records: Iterable[DecisionRecord]
) -> dict[tuple[str, str], float]:
    sums: dict[tuple[str, str], list[float | int]] = {}
    for one in records:
        cell = (one.key or "", day_of(one.at))
        there = sums.get(cell)
        if there is None:
            there = sums[cell] = [0.0, 0, 0]
        if one.cost_usd is not None and math.isfinite(one.cost_usd):
            there[0] += one.cost_usd
        there[1] += 1
        there[2] += (one.input_tokens or 0) + (one.output_tokens or 0)
    connection.insert("spend", _SPEND, [(*cell, *sums[cell]) for cell in sorted(sums)], _ADDED)
    return {cell: float(values[0]) for cell, values in sums.items()}


def day_of(at: float) -> str:
    """The day of a time, in UTC, as 2026-11-23."""
    return _day(int(at // 86_400))


@lru_cache(maxsize=64)
def _day(days: int) -> str:
    return datetime.fromtimestamp(days * 86_400, UTC).date().isoformat()
