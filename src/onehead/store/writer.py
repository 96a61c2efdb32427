"""The background writer of one worker: what the gateway logs reaches the database without waiting for it.

`put` appends to the worker's journal and returns. One thread has what is there written, by itself or by a
process beside it (`apart`). While the database is away the journal grows and the thread
tries again; what a killed worker left is written by whoever starts next. Records that were written
before are recognised by their id.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from onehead.errors import OneheadError, StoreError, UnknownDecision
from onehead.store.batches import Batches
from onehead.store.ids import id_time
from onehead.store.journal import SPILL_LIMIT_BYTES, Journal
from onehead.store.ledger import day_of
from onehead.store.pending import Pending
from onehead.store.place import parse_url
from onehead.store.records import checked_feedback, encoded
from onehead.store.segment import PartLost
from onehead.store.spending import Spending
from onehead.store.spill import Folder, claim, read_segment

if TYPE_CHECKING:
    from onehead.store.records import DecisionRecord

GATHER_S: Final = 0.2
"""How long records are gathered: a record costs half as much in a batch of 250 as in one of 50."""
_ASK_AGAIN_S: Final = 0.05
_BATCH: Final = 250
"""Records of a dead worker in a transaction."""
_REFRESH_S: Final = 2.0
_RELOAD_S: Final = 300.0
_PURGE_S: Final = 3600.0
_ELSEWHERE_S: Final = 2.0
"""For how long a decision may still be on its way from another worker."""
_log = logging.getLogger(__name__)


class Settings(Protocol):
    """What a writer needs of the configuration's [store]; `url` may be a secret that reveals itself."""

    @property
    def url(self) -> Any:
        """Where the store is."""

    @property
    def queue(self) -> int:
        """Records kept in memory where no journal can be written."""

    @property
    def spill(self) -> str | None:
        """The folder of the journals."""

    @property
    def retention_days(self) -> float | None:
        """After how many days decisions are deleted; None keeps them."""


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """How a writer fares.

    queued: records on their way
    written: records that are in the database
    spilled: records that waited on disk, or in memory, because the database was away
    replayed: records written that had waited so, or that a dead worker left
    dropped: records lost: no room, or not writable
    damaged: damaged places in journals; each may have held records
    down_since: since when the database is away, unix seconds; None where it answers
    last_error: why it last failed; no secrets
    journal_error: why nothing can be kept on disk; None where it can
    """

    queued: int
    written: int
    spilled: int
    replayed: int
    dropped: int
    damaged: int
    down_since: float | None
    last_error: str | None
    journal_error: str | None


class Writer:
    """Writes what is `put` from a thread of its own, from `start` to `close`."""

    def __init__(
        self, config: Settings, *, limit_bytes: int = SPILL_LIMIT_BYTES, apart: bool = False
    ) -> None:
        """Take where the store is.

        apart: have a process of its own write to the database, which leaves this one its interpreter
        """
        reveal = getattr(config.url, "reveal", None)
        url = str(reveal() if reveal else config.url)
        self._root = Path(config.spill) if config.spill else spill_folder(url)
        self._retention_days = config.retention_days
        self._memory = config.queue
        self._limit_bytes = limit_bytes
        self._batches = Batches(url, apart=apart)
        self._spending = Spending()
        self._pending = Pending(config.queue)
        self._journal = Journal(None, memory=0)
        self._own: Folder | None = None
        self._left: list[Folder] = []
        self._dropped = 0
        self._left_damaged = 0
        self._spilled = self._late = self._replayed = 0
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._loaded = threading.Event()
        self._thread: threading.Thread | None = None
        self._refreshed = self._reloaded = self._purged = -1e9

    def start(self) -> None:
        """Begin to take records. A database that is away does not matter."""
        error: OSError | None = None
        try:
            self._own, self._left = claim(self._root)
        except OSError as refused:
            error = refused
            _log.warning("%s: nothing can be spilled there (%s).", self._root, error.strerror)
        self._journal = Journal(
            self._own.path if self._own else None,
            memory=self._memory,
            limit_bytes=self._limit_bytes,
        )
        if error is not None:
            self._journal.error = f"{self._root}: {error.strerror or error}"
        self._thread = threading.Thread(target=self._run, name="onehead-store", daemon=True)
        self._thread.start()

    def put(self, record: DecisionRecord) -> None:
        """Log a decision. Never waits for the database; what finds no room is counted as dropped."""
        try:
            data = encoded(record)
        except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
            self._dropped += 1
            self._batches.last_error = f"a record cannot be encoded: {error}"
            return
        if not self._journal.append(data):
            self._dropped += 1
            return
        if record.cost_usd is not None and record.cost_usd > 0:
            self._spending.wait(record.key, record.cost_usd)
        self._pending.put(record.decision_id, record.key)
        if not self._wake.is_set():
            self._wake.set()

    def add_feedback(
        self,
        decision_id: str,
        quality: float,
        comment: str | None = None,
        *,
        source: str = "api",
        at: float | None = None,
        key: str | None = None,
    ) -> None:
        """Keep feedback in the order of the log; call it from a thread, for it may ask the database.

        key: where given, only the decisions of this key are known.
        UnknownDecision where there is no such decision, UsageError for a quality outside [0, 1],
        StoreError where the database is away and cannot tell.
        """
        at = time.time() if at is None else at
        feedback = checked_feedback(decision_id, quality, comment, at, source)
        made = id_time(decision_id)
        until = time.monotonic() + _ELSEWHERE_S
        while not self._knows(decision_id, key):
            young = abs(time.time() - made) < _ELSEWHERE_S
            if not young or time.monotonic() > until or self._closing.wait(_ASK_AGAIN_S):
                raise UnknownDecision(
                    f"there is no decision {decision_id!r} in the log. Check the id, and that it "
                    "was made by this gateway and key."
                )
        if not self._journal.append(encoded(feedback)):
            self._dropped += 1
            raise StoreError("the log is full and cannot take feedback now. Try again later.")
        self._wake.set()

    def spend_of(self, key: str | None, since_day: str) -> float:
        """USD that `key` has spent from a day (UTC, as 2026-11-01; "" for ever) on, whole fleet.

        What this worker logged counts at once, what others did after about two seconds.
        """
        return self._spending.of(key, since_day)

    def wait_for_spend(self, timeout: float) -> bool:
        """Wait until the fleet's spend is known, so that budgets hold from the first request on."""
        return self._loaded.wait(timeout)

    def stats(self) -> Stats:
        """How it fares, now."""
        batches, journal = self._batches, self._journal
        thread = self._thread
        stopped = thread is not None and not thread.is_alive() and not self._closing.is_set()
        return Stats(
            queued=journal.backlog,
            written=batches.written,
            spilled=self._spilled + (journal.backlog if batches.waited else 0),
            replayed=self._replayed,
            dropped=self._dropped + batches.dropped,
            damaged=self._left_damaged + journal.damaged,
            down_since=batches.down_since,
            last_error="the writer has stopped; restart it" if stopped else batches.last_error,
            journal_error=journal.error,
        )

    def close(self, timeout: float = 10.0) -> bool:
        """Write what is left; whether all is in the database. The rest waits on disk for a next start."""
        self._closing.set()
        self._batches.stop()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                return False
        return not self._journal.backlog

    def _knows(self, decision_id: str, key: str | None) -> bool:
        owner = self._pending.find(decision_id)
        if owner is None:
            found = self._batches.database.rows(
                "SELECT key FROM decisions WHERE decision_id = ?", (decision_id,)
            )
            if not found:
                return False
            owner = found[0]
        return key is None or owner[0] == key

    def _run(self) -> None:
        try:
            self._batches.start()
            self._keep_house()
            for folder in self._left:
                self._adopt(folder)
                folder.release()
            while not self._closing.is_set():
                if self._wake.wait(_REFRESH_S):
                    self._closing.wait(GATHER_S)
                    self._wake.clear()
                self._drain()
                self._keep_house()
            self._drain()
        finally:
            self._dropped += self._journal.close()
            for folder in [*self._left, *([self._own] if self._own else [])]:
                folder.release()
            self._batches.close()

    def _drain(self) -> None:
        """Write all that is in the journal; leave it there when closing and the database is away."""
        journal = self._journal
        while (batch := journal.read()) is not None:
            try:
                entered = self._batches.persist(batch, journal.sync)
            except PartLost:
                continue  # the journal, asked again, has it from memory where it can
            if entered is None:
                return
            self._spending.arrive(entered.spent, entered.sent)
            self._count_late(entered.count)
            journal.done(damaged=entered.damaged)
            self._pending.turn(journal)
            if not journal.many and not self._closing.is_set():
                break  # what came meanwhile is gathered first: small batches cost as much as large ones

    def _count_late(self, written: int) -> None:
        """Count what waited for the database: all that is in the journal when it answers again."""
        if self._batches.waited:
            self._late = self._journal.backlog
            self._spilled += self._late
            self._batches.waited = False
        late = min(written, self._late)
        self._late -= late
        self._replayed += late

    def _adopt(self, folder: Folder) -> None:
        """Write what a dead worker left, file by file; a file is removed when all of it is written."""
        for path in folder.segments():
            try:
                payloads, damaged = read_segment(path)
            except (OSError, ValueError) as error:
                _log.warning("%s", error)
                continue
            self._left_damaged += damaged
            for start in range(0, len(payloads), _BATCH):
                entered = self._batches.persist(payloads[start : start + _BATCH])
                if entered is None:
                    return
                self._spending.arrive(entered.spent, {})
                self._replayed += entered.new
                self._count_late(0)
            path.unlink(missing_ok=True)

    def _keep_house(self) -> None:
        """Refresh the fleet's spend and delete what is too old, each at its own pace."""
        now = time.monotonic()
        try:
            if now - self._refreshed >= _REFRESH_S:
                whole = now - self._reloaded >= _RELOAD_S
                since = "" if whole else day_of(time.time() - 86_400)
                self._spending.replace(self._batches.spend_rows(since), since)
                self._refreshed, self._reloaded = now, now if whole else self._reloaded
                self._loaded.set()
            if self._retention_days is not None and now - self._purged >= _PURGE_S:
                self._batches.purge(time.time() - self._retention_days * 86_400)
                self._purged = now
        except OneheadError as error:
            self._batches.failed(error)
            self._refreshed = now


def spill_folder(url: str) -> Path:
    """Where journals are kept without a setting: beside an SQLite file, else in ./onehead-spill."""
    path = parse_url(url).path
    return Path("onehead-spill") if path is None else path.with_name(f"{path.name}.spill")
