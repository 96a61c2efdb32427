"""Deleting what is in the log. Sums and spend stay: they hold no person, and budgets need them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from onehead.errors import UsageError
from onehead.store.ids import first_id, id_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onehead.store.database import Database

_AT_ONCE: Final = 2000
"""Rows deleted in one transaction, so that writers come in between."""
_SUMS: Final = ("rollup", "expected")


@dataclass(frozen=True, kw_only=True)
class Which:
    """Which decisions to delete; exactly one is given.

    before: those made before a time (unix seconds)
    session, decision_id: those of a session; one
    everything: all, and the sums over them
    """

    before: float | None = None
    session: str | None = None
    decision_id: str | None = None
    everything: bool = False

    def condition(self) -> tuple[str, Sequence[Any]]:
        """SQL and its values; UsageError unless exactly one is given."""
        given = [self.before is not None, self.session is not None, self.decision_id is not None]
        if sum([*given, self.everything]) != 1:
            raise UsageError(
                "name what to delete by exactly one of: before, session, decision, everything."
            )
        if self.before is not None:
            return "decision_id < ?", (first_id(self.before),)
        if self.session is not None:
            return "session = ?", (self.session,)
        if self.decision_id is not None:
            id_time(self.decision_id)
            return "decision_id = ?", (self.decision_id,)
        return "1 = 1", ()


def delete(database: Database, which: Which) -> int:
    """Delete decisions with their feedback; how many decisions went."""
    condition, values = which.condition()
    query = (
        f"SELECT decision_id FROM decisions WHERE {condition} ORDER BY decision_id LIMIT {_AT_ONCE}"  # noqa: S608
    )
    gone = 0
    while True:
        with database.transaction() as connection:
            ids = connection.rows(query, values)
            connection.many("DELETE FROM feedback WHERE decision_id = ?", ids)
            connection.many("DELETE FROM decisions WHERE decision_id = ?", ids)
            if which.everything and len(ids) < _AT_ONCE:
                for table in _SUMS:
                    connection.run(f"DELETE FROM {table}")  # noqa: S608
        gone += len(ids)
        if len(ids) < _AT_ONCE:
            return gone


def purge(database: Database, before: float) -> int:
    """Delete the decisions made before a time; how many went."""
    return delete(database, Which(before=before))
