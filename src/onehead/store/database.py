"""The one seam between SQL that both databases understand and the driver that runs it.

Statements are written once, with ``?`` for values. A `Connection` runs them and turns the driver's
errors into `StoreError`; a `RowRefused` says that the values are at fault, everything else that the
database is, so that a later try may succeed.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

from onehead.errors import StoreError
from onehead.store.place import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onehead.store.place import Place

Row = tuple[Any, ...]
_IDLE: Final = 4
"""Connections that are kept open for the next question."""


class RowRefused(StoreError):  # noqa: N818  (the name says the situation)
    """The database cannot hold these values; trying again does not help."""

    status = 400


class DatabaseGone(StoreError):  # noqa: N818
    """A connection that is no longer one; a new one may work."""


class Connection(ABC):
    """One open connection, used by one thread at a time; outside `begin` each statement stands alone."""

    begin_sql: ClassVar[str]
    lock_sql: ClassVar[str | None] = None
    """Run first in a migration where beginning a transaction does not keep others out."""

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""

    @abstractmethod
    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; the number of rows it touched."""

    @abstractmethod
    def many(self, sql: str, rows: Sequence[Row]) -> None:
        """Run a statement once for each of `rows`."""

    @abstractmethod
    def insert(
        self, table: str, columns: Sequence[str], rows: Sequence[Row], conflict: str = ""
    ) -> None:
        """Insert `rows`; `conflict` is the clause that says what to do about those that are there."""

    @abstractmethod
    def insert_new(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> set[str]:
        """Insert `rows` whose first column is the key; the keys that were not there before.

        The keys of `rows` must differ.
        """

    @abstractmethod
    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """Rows of a query as they come; the connection serves nothing else meanwhile."""

    @abstractmethod
    def has_table(self, name: str) -> bool:
        """Whether there is such a table."""

    @abstractmethod
    def close(self) -> None:
        """Give the connection up; safe to call twice."""

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self.run(self.begin_sql)
        try:
            yield
            self.run("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        """Undo; a connection that cannot is closed, which undoes as well."""
        try:
            self.run("ROLLBACK")
        except StoreError:
            self.close()


class Database:
    """One database, and its idle connections; may be used from any thread."""

    def __init__(self, url: str, *, create: bool = True, patience_s: float = 5.0) -> None:
        self.place: Place = parse_url(url)
        self._create = create
        self._patience_s = patience_s
        self._idle: deque[Connection] = deque()
        self._lock = threading.Lock()
        self._closed = False

    @property
    def name(self) -> str:
        """How messages call the database; no password."""
        return self.place.name

    def connect(self) -> Connection:
        """A new connection; StoreError where there is nobody to connect to."""
        if self.place.path is not None:
            from onehead.store.sqlite import SqliteConnection

            return SqliteConnection(self.place, create=self._create, patience_s=self._patience_s)
        from onehead.store.postgres import PostgresConnection

        return PostgresConnection(self.place, patience_s=self._patience_s)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection for a while; one that failed is not used again."""
        with self._lock:
            taken = self._idle.pop() if self._idle else None
        taken = taken or self.connect()
        try:
            yield taken
        except BaseException:
            taken.close()
            raise
        with self._lock:
            if not self._closed and len(self._idle) < _IDLE:
                self._idle.append(taken)
                return
        taken.close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query; once more on a new connection where an idle one had been cut."""
        try:
            with self.connection() as taken:
                return taken.rows(sql, values)
        except DatabaseGone:
            self.forget()
            with self.connection() as taken:
                return taken.rows(sql, values)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection on which all that is done holds together."""
        with self.connection() as taken, taken.transaction():
            yield taken

    def forget(self) -> None:
        """Close the idle connections, which may have been cut."""
        with self._lock:
            idle, self._idle = self._idle, deque()
        for one in idle:
            one.close()

    def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        self._closed = True
        self.forget()
