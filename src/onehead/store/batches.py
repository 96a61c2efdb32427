"""One batch after the other into the database, each tried until it is in."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from onehead.errors import OneheadError
from onehead.store.database import Database, RowRefused
from onehead.store.ledger import Written, write
from onehead.store.maintenance import purge
from onehead.store.migrate import migrate
from onehead.store.records import DecisionRecord, decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from onehead.store.records import Record

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_YIELD: Final = 32
_BREATH_S: Final = 1e-5
"""Long enough that a thread which waits for the interpreter gets it; a sleep of 0 is not."""
_BAD: Final = (RowRefused, ValueError, TypeError, ArithmeticError)
_log = logging.getLogger(__name__)


class Batches:
    """The way of payloads into the database, and what is known of its state."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.written = 0
        self.waited = False
        self.dropped = 0
        self.down_since: float | None = None
        self.last_error: str | None = None
        self.sent: dict[str, float] = {}
        self.ids: list[str] = []
        self._ready = False
        self._stopping = threading.Event()

    def persist(
        self, payloads: Sequence[bytes], while_down: Callable[[], None] | None = None
    ) -> dict[tuple[str, str], float] | None:
        """Write records, however long it takes; USD added by (key, day), None if stopped before.

        `sent` and `ids` then tell what the batch held, and `waited`, which the caller resets, that the
        database was away. `while_down` is called after each failure.
        """
        records = self._decoded(payloads)
        pause = _FIRST_PAUSE_S
        while True:
            stopping = self._stopping.is_set()
            try:
                written = self._write(records)
            except OneheadError as error:
                self.waited = True
                self.failed(error)
                if while_down is not None:
                    while_down()
                if stopping:
                    return None
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                continue
            self._answered()
            self.written += written.new
            return written.spent

    def spend_rows(self, since_day: str) -> list[Any]:
        """(key, day, USD) from a day on."""
        self._open()
        sql = "SELECT key, day, usd FROM spend WHERE day >= ?"
        rows = self.database.rows(sql, (since_day,))
        self._answered()
        return rows

    def purge(self, before: float) -> None:
        """Delete the decisions made before a time."""
        self._open()
        purge(self.database, before)

    def failed(self, error: OneheadError) -> None:
        """The database does not do what it should; say so once."""
        self.last_error = str(error)
        self.database.forget()
        self._ready = False  # it may come back as a new one
        if self.down_since is None:
            self.down_since = time.time()
            _log.warning("the decision log waits on disk: %s", error)

    def stop(self) -> None:
        """Try once more, then leave the rest."""
        self._stopping.set()

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def _answered(self) -> None:
        if self.down_since is not None:
            _log.warning("the decision log is written again")
            self.down_since = None

    def _open(self) -> None:
        if not self._ready:
            migrate(self.database)
            self._ready = True

    def _decoded(self, payloads: Sequence[bytes]) -> list[Record]:
        """The records; what the gateway's thread needs the interpreter for goes in between."""
        records: list[Record] = []
        self.sent, self.ids = {}, []
        for place, payload in enumerate(payloads):
            try:
                record = decoded(payload)
            except msgspec.MsgspecError as error:
                self._drop(error)
                continue
            records.append(record)
            if isinstance(record, DecisionRecord):
                self.ids.append(record.decision_id)
                if record.cost_usd is not None and record.cost_usd > 0:
                    key = record.key or ""
                    self.sent[key] = self.sent.get(key, 0.0) + record.cost_usd
            if place % _YIELD == _YIELD - 1:
                time.sleep(_BREATH_S)
        return records

    def _write(self, records: Sequence[Record]) -> Written:
        """Write them together; where some cannot be written at all, each alone, without those."""
        self._open()
        try:
            return write(self.database, records)
        except _BAD as error:
            _log.warning("records are written one by one: %s", error)
        total = Written()
        for record in records:
            try:
                one = write(self.database, [record])
            except _BAD as error:
                self._drop(error)
                continue
            total.new += one.new
            for cell, usd in one.spent.items():
                total.spent[cell] = total.spent.get(cell, 0.0) + usd
        return total

    def _drop(self, error: Exception) -> None:
        self.dropped += 1
        self.last_error = f"a record cannot be kept: {error}"
        _log.warning("a record of the decision log cannot be kept: %s", error)
