"""Decisions that a worker has logged and that the database may not have yet, with whose they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onehead.store.journal import Journal


class Pending:
    """Forgets decisions in two generations: to take each out by itself would cost every request.

    One thread puts, one turns, any asks.
    """

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` decisions of each generation."""
        self._limit = limit
        self._young: dict[str, str | None] = {}
        self._old: dict[str, str | None] = {}
        self._until = 0

    def put(self, decision_id: str, key: str | None) -> None:
        """Remember a decision that is in the journal."""
        young = self._young
        if len(young) < self._limit:
            young[decision_id] = key

    def find(self, decision_id: str) -> tuple[str | None] | None:
        """The key of a decision; None where it is not known."""
        for generation in (self._young, self._old):  # the order in which a decision moves
            if decision_id in generation:
                return (generation[decision_id],)
        return None

    def turn(self, journal: Journal) -> None:
        """Forget what is in the database by now."""
        if journal.finished >= self._until:
            # First where to find them, then that they have moved.
            self._old = self._young
            self._young = {}
            self._until = journal.appended
