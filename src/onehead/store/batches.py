"""One batch after the other into the database, each tried until it is in."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from onehead.errors import OneheadError
from onehead.store.apart import Apart
from onehead.store.database import Database
from onehead.store.desk import Desk
from onehead.store.segment import PartLost

if TYPE_CHECKING:
    from collections.abc import Callable

    from onehead.store.desk import AnyDesk, Batch, Entered, Spent

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_log = logging.getLogger(__name__)


class Batches:
    """The way of records into the database, and what is known of its state.

    apart: whether a process of its own does the writing; this one does where none can be had
    """

    def __init__(self, url: str, *, apart: bool = False) -> None:
        self.database = Database(url)
        self.desk: AnyDesk = Apart(url) if apart else Desk(self.database)
        self.written = 0
        self.waited = False
        self.dropped = 0
        self.down_since: float | None = None
        self.last_error: str | None = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the process, where one is wanted."""
        if isinstance(self.desk, Apart):
            try:
                self.desk.start()
            except OSError as error:
                _log.warning("the log is written by the gateway's own process: %s", error)
                self.desk = Desk(self.database)

    def persist(self, batch: Batch, while_down: Callable[[], None] | None = None) -> Entered | None:
        """Write records, however long it takes; what became of them, None if stopped before.

        PartLost where the file that they are in is gone.

        `waited`, which the caller resets, then tells that the database was away. `while_down` is
        called after each failure.
        """
        pause = _FIRST_PAUSE_S
        while True:
            stopping = self._stopping.is_set()
            try:
                entered = self.desk.enter(batch)
            except PartLost:
                raise
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
            self.written += entered.new
            for why in entered.refused:
                self._drop(why)
            return entered

    def spend_rows(self, since_day: str) -> list[Spent]:
        """(key, day, USD) from a day on."""
        rows = self.desk.spend_rows(since_day)
        self._answered()
        return rows

    def purge(self, before: float) -> None:
        """Delete the decisions made before a time."""
        self.desk.purge(before)

    def failed(self, error: OneheadError) -> None:
        """The database does not do what it should; say so once."""
        self.last_error = str(error)
        self.database.forget()
        if self.down_since is None:
            self.down_since = time.time()
            _log.warning("the decision log waits on disk: %s", error)

    def stop(self) -> None:
        """Try once more, then leave the rest."""
        self._stopping.set()

    def close(self) -> None:
        """Close the connections."""
        self.desk.close()
        self.database.close()

    def _answered(self) -> None:
        if self.down_since is not None:
            _log.warning("the decision log is written again")
            self.down_since = None

    def _drop(self, why: str) -> None:
        self.dropped += 1
        self.last_error = f"a record cannot be kept: {why}"
        _log.warning("a record of the decision log cannot be kept: %s", why)
