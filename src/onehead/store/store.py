"""The log as a whole: reading for pages and commands, and writing where nobody waits.

A gateway writes through a `Writer`; everything here may be called from any thread and may wait for the
database.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from onehead.errors import UnknownDecision
from onehead.store import ledger, maintenance, totals
from onehead.store.database import Database
from onehead.store.ids import first_id, id_time
from onehead.store.migrate import migrate
from onehead.store.records import checked_feedback
from onehead.store.rows import COLUMNS, from_row
from onehead.store.schema import RESPONSES
from onehead.store.search import Filter, Page, by_ids, conditions, search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onehead.store.maintenance import Which
    from onehead.store.records import DecisionRecord, Record
    from onehead.store.totals import Expected, Totals

_EVERYTHING: Final = Filter()


@dataclass(frozen=True)
class Feedback:
    """A source's word on a decision, with what was decided.

    model: who answered; predicted_quality: of the model chosen
    """

    decision_id: str
    source: str
    quality: float
    comment: str | None
    at: float
    model: str | None
    predicted_quality: float | None


@dataclass(frozen=True)
class Spend:
    """What a key spent on one day (UTC); key "" stands for requests without a key."""

    key: str
    day: str
    usd: float
    requests: int
    tokens: int


class Store:
    """A decision log that is open; `open` makes one."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, url: str, *, create: bool = True, patience_s: float = 5.0) -> Self:
        """Open the log at `url` and bring its schema up to date.

        create: whether an SQLite file may be made; patience_s: how long to wait for a lock or a server
        StoreError where it is away, damaged, read-only or of a newer version.
        """
        database = Database(url, create=create, patience_s=patience_s)
        try:
            migrate(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def decisions(
        self, wanted: Filter = _EVERYTHING, *, limit: int = 50, before: str | None = None
    ) -> Page:
        """The newest decisions that fit `wanted`, a page of them; `before` is the last page's."""
        return search(self.database, wanted, limit, before)

    def decision(self, decision_id: str) -> DecisionRecord:
        """One decision; UnknownDecision where there is none."""
        id_time(decision_id)
        found = by_ids(self.database, [decision_id])
        if not found:
            raise _unknown(decision_id)
        return found[0]

    def each(self, wanted: Filter = _EVERYTHING) -> Iterator[DecisionRecord]:
        """All decisions that fit, oldest first, as they come."""
        parts, values = conditions(wanted)
        sql = (
            f"SELECT {', '.join(COLUMNS)} FROM decisions WHERE {' AND '.join(parts)} "  # noqa: S608
            "ORDER BY decision_id"
        )
        with self.database.connection() as connection:
            for row in connection.stream(sql, values):
                yield from_row(row)

    def totals(
        self, since: float, until: float, buckets: int = 60, *, modes: Sequence[str] = ()
    ) -> Totals:
        """Sums by span and model; see `onehead.store.totals`."""
        return totals.totals(self.database, since, until, buckets, modes=modes)

    def expected(self, since: float, until: float) -> list[Expected]:
        """What each model was expected to cost and bring, had it answered everything."""
        return totals.expected(self.database, since, until)

    def spend(self, key: str | None, since_day: str) -> float:
        """USD that `key` spent from a day (UTC, as 2026-11-01; "" for ever) on."""
        sql = "SELECT SUM(usd) FROM spend WHERE key = ? AND day >= ?"
        return float(self.database.rows(sql, (key or "", since_day))[0][0] or 0.0)

    def spend_by_day(self, since_day: str) -> list[Spend]:
        """What every key spent on every day from `since_day` on."""
        sql = "SELECT key, day, usd, requests, tokens FROM spend WHERE day >= ? ORDER BY day DESC, key"
        rows = self.database.rows(sql, (since_day,))
        return [Spend(str(k), str(d), float(u), int(r), int(t)) for k, d, u, r, t in rows]

    def session_model(self, session: str) -> str | None:
        """The model that last answered in a session; None for a new one."""
        return self._last("session = ? AND model IS NOT NULL", session)

    def answer_model(self, answer_id: str) -> str | None:
        """The model whose answer to the Responses API has this id; None for an unknown answer."""
        return self._last(f"answer_id = ? AND path = '{RESPONSES}'", answer_id)

    def feedback(
        self,
        decision_id: str | None = None,
        *,
        since: float | None = None,
        until: float | None = None,
        limit: int = 1000,
    ) -> list[Feedback]:
        """Feedback on one decision, or given in a span of time; newest first."""
        parts: list[str] = ["1 = 1"]
        values: list[Any] = []
        bounds = (("f.decision_id = ?", decision_id), ("f.at >= ?", since), ("f.at < ?", until))
        for part, value in bounds:
            if value is not None:
                parts.append(part)
                values.append(value)
        rows = self.database.rows(
            "SELECT f.decision_id, f.source, f.quality, f.comment, f.at, d.model, "  # noqa: S608
            "d.predicted_quality FROM feedback f JOIN decisions d ON d.decision_id = f.decision_id "
            f"WHERE {' AND '.join(parts)} ORDER BY f.at DESC LIMIT {int(limit)}",
            values,
        )
        return [Feedback(*row) for row in rows]

    def write(self, records: Sequence[Record]) -> int:
        """Write records now, all or nothing; how many were new."""
        return ledger.write(self.database, records).new

    def add_feedback(
        self,
        decision_id: str,
        quality: float,
        comment: str | None = None,
        *,
        source: str = "api",
        at: float | None = None,
    ) -> None:
        """Keep a source's word on a decision, over its older one.

        UnknownDecision where there is no such decision, UsageError for a quality outside [0, 1].
        """
        at = time.time() if at is None else at
        one = checked_feedback(decision_id, quality, comment, at, source)
        id_time(decision_id)
        with self.database.transaction() as connection:
            if not ledger.add_feedback(connection, one):
                raise _unknown(decision_id)

    def delete(self, which: Which) -> int:
        """Delete decisions with their feedback; how many decisions went."""
        return maintenance.delete(self.database, which)

    def purge(self, before: float) -> int:
        """Delete the decisions made before a time; how many went."""
        return maintenance.purge(self.database, before)

    def count(self, since: float = 0.0) -> int:
        """How many decisions the log holds from a time on."""
        sql = "SELECT COUNT(*) FROM decisions WHERE decision_id >= ?"
        return int(self.database.rows(sql, (first_id(since),))[0][0])

    def _last(self, condition: str, value: str) -> str | None:
        """The model of the newest decision that fits."""
        sql = f"SELECT model FROM decisions WHERE {condition} ORDER BY decision_id DESC LIMIT 1"  # noqa: S608
        found = self.database.rows(sql, (value,))
        return found[0][0] if found else None


def _unknown(decision_id: str) -> UnknownDecision:
    return UnknownDecision(f"there is no decision {decision_id!r} in the log. Check the id.")
