"""What a writer has done at the database: batches entered, spend asked for, old decisions deleted.

In the writer's own thread, or, over `apart`, in a process of its own.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from onehead.errors import OneheadError
from onehead.store.database import RowRefused
from onehead.store.ledger import Written, write
from onehead.store.maintenance import purge
from onehead.store.migrate import migrate
from onehead.store.records import DecisionRecord, decoded
from onehead.store.segment import Part, part_payloads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onehead.store.database import Database
    from onehead.store.records import Record

_YIELD: Final = 32
_BREATH_S: Final = 1e-5
"""Long enough that a thread which waits for the interpreter gets it; a sleep of 0 is not."""
_BAD: Final = (RowRefused, ValueError, TypeError, ArithmeticError)
_log = logging.getLogger(__name__)

Spent = tuple[str, str, float]
"""A key, a day, and USD."""
Batch = Part | list[bytes]
"""Encoded records, or where a journal has them."""


class Entered(msgspec.Struct, tag=True, gc=False):
    """What became of a batch.

    count: records in it, sound ones
    new: records that were not there before
    spent: USD that it added, by key and day
    sent: USD that its records name, by key, whether or not they were there before
    refused: why records cannot be kept, one text for each
    damaged: damaged places in the journal; each may have held records
    """

    count: int = 0
    new: int = 0
    spent: list[Spent] = []
    sent: dict[str, float] = {}
    refused: list[str] = []
    damaged: int = 0


class AnyDesk(Protocol):
    """What a writer asks of a desk; StoreError where the database does not answer."""

    def enter(self, batch: Batch) -> Entered:
        """Write records, all or none of them; PartLost where their file is gone."""

    def spend_rows(self, since_day: str) -> list[Spent]:
        """What was spent from a day on."""

    def purge(self, before: float) -> None:
        """Delete the decisions made before a time."""

    def close(self) -> None:
        """Close what is open."""


class Desk:
    """A desk here, used by one thread at a time.

    polite: whether others wait for the interpreter meanwhile
    """

    def __init__(self, database: Database, *, polite: bool = True) -> None:
        self._database = database
        self._polite = polite
        self._ready = False

    def enter(self, batch: Batch) -> Entered:
        """Write records together; where some cannot be written at all, each alone, without those."""
        payloads, damaged = part_payloads(batch) if isinstance(batch, Part) else (batch, 0)
        entered = Entered(count=len(payloads), damaged=damaged)
        records = self._decoded(payloads, entered)
        try:
            self._open()
            written = self._written(records, entered)
        except OneheadError:
            self._forget()
            raise
        entered.new = written.new
        entered.spent = [(key, day, usd) for (key, day), usd in written.spent.items()]
        return entered

    def spend_rows(self, since_day: str) -> list[Spent]:
        """What was spent from a day on."""
        sql = "SELECT key, day, usd FROM spend WHERE day >= ?"
        try:
            self._open()
            rows = self._database.rows(sql, (since_day,))
        except OneheadError:
            self._forget()
            raise
        return [(str(key), str(day), float(usd)) for key, day, usd in rows]

    def purge(self, before: float) -> None:
        """Delete the decisions made before a time."""
        try:
            self._open()
            purge(self._database, before)
        except OneheadError:
            self._forget()
            raise

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _open(self) -> None:
        if not self._ready:
            migrate(self._database)
            self._ready = True

    def _forget(self) -> None:
        self._database.forget()
        self._ready = False  # it may come back as a new one

    def _decoded(self, payloads: Sequence[bytes], entered: Entered) -> list[Record]:
        """The records; what the gateway's thread needs the interpreter for goes in between."""
        records: list[Record] = []
        for place, payload in enumerate(payloads):
            try:
                record = decoded(payload)
            except msgspec.MsgspecError as error:
                entered.refused.append(str(error))
                continue
            records.append(record)
            if (
                isinstance(record, DecisionRecord)
                and record.cost_usd is not None
                and record.cost_usd > 0
            ):
                key = record.key or ""
                entered.sent[key] = entered.sent.get(key, 0.0) + record.cost_usd
            if self._polite and place % _YIELD == _YIELD - 1:
                time.sleep(_BREATH_S)
        return records

    def _written(self, records: Sequence[Record], entered: Entered) -> Written:
        try:
            return write(self._database, records)
        except _BAD as error:
            _log.warning("records are written one by one: %s", error)
        total = Written()
        for record in records:
            try:
                one = write(self._database, [record])
            except _BAD as error:
                entered.refused.append(str(error))
                continue
            total.new += one.new
            for cell, usd in one.spent.items():
                total.spent[cell] = total.spent.get(cell, 0.0) + usd
        return total
