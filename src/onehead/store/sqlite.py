"""SQLite: a file in write-ahead mode, so that readers and the writers of several processes get along.

`synchronous` is NORMAL: a commit survives the death of the process; a power cut can take the commits
since the last checkpoint, and never damages the file.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, Final, NoReturn

from onehead.errors import StoreError
from onehead.store.database import Connection, RowRefused
from onehead.write_ahead import write_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onehead.store.database import Row
    from onehead.store.place import Place

_OLDEST: Final = (3, 25)
_LOOKUP: Final = 500
_AT_ONCE: Final = 50
"""Rows in a statement. The interpreter is given up and taken back for every statement, and each time
the gateway's thread may have to wait, so a statement for each row is what costs; see
benchmarks/LOG.md."""
_CHECKPOINT_PAGES: Final = 4000
"""Of the write-ahead log, 16 MB. The indexes change the same pages again and again; SQLite's own 1,000
copy them into the file four times as often, which costs 7 % of all writing."""
_AT_FAULT: Final = {
    sqlite3.SQLITE_BUSY: "is locked by another process. Stop what holds it, or wait",
    sqlite3.SQLITE_LOCKED: "is locked by another process. Stop what holds it, or wait",
    sqlite3.SQLITE_READONLY: "cannot be written. Make the file and its folder writable",
    sqlite3.SQLITE_FULL: "cannot grow; the disk is full. Make room, or keep less with retention_days",
    sqlite3.SQLITE_CORRUPT: "is damaged. Move the file away (a new one is made) or restore a backup",
    sqlite3.SQLITE_NOTADB: "is no SQLite database. Name another file, or move this one away",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened. Check that it is a file in a folder that exists "
    "and can be written",
    sqlite3.SQLITE_IOERR: "cannot be read or written; the disk fails or is full. Check the disk",
}


class SqliteConnection(Connection):
    """A connection to a file."""

    begin_sql = "BEGIN IMMEDIATE"

    def __init__(self, place: Place, *, create: bool, patience_s: float) -> None:
        self._place = place
        path = place.path
        assert path is not None  # noqa: S101  (whoever makes one asked)
        if path.is_dir():
            raise StoreError(f"{path} is a folder. Name the file to keep the log in.")
        if not create and not path.exists():
            raise StoreError(f"{path}: there is no such file. Check the path of the store.")
        if sqlite3.sqlite_version_info < _OLDEST:
            raise StoreError(
                f"SQLite {sqlite3.sqlite_version} is too old; 3.25 or newer is needed."
            )
        try:
            self._raw = sqlite3.connect(
                path, timeout=patience_s, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            self._fail(error)
        try:
            self._raw.execute("PRAGMA synchronous = NORMAL")
            write_ahead(self._raw, patience_s)
            self._raw.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self._raw.execute("PRAGMA journal_size_limit = 67108864")
            # SQLite's own knows only the letters of ASCII.
            self._raw.create_function("LOWER", 1, _lowered, deterministic=True)
        except sqlite3.Error as error:
            self._raw.close()
            self._fail(error)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        try:
            return self._raw.execute(sql, values).fetchall()
        except (sqlite3.Error, OverflowError) as error:
            self._fail(error)

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; the number of rows it touched."""
        try:
            return self._raw.execute(sql, values).rowcount
        except (sqlite3.Error, OverflowError) as error:
            self._fail(error)

    def many(self, sql: str, rows: Sequence[Row]) -> None:
        """Run a statement once for each of `rows`."""
        try:
            self._raw.executemany(sql, rows)
        except (sqlite3.Error, OverflowError) as error:
            self._fail(error)

    def insert(
        self, table: str, columns: Sequence[str], rows: Sequence[Row], conflict: str = ""
    ) -> None:
        """Insert `rows`, many with one statement."""
        limit = self._raw.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        size = max(1, min(_AT_ONCE, limit // len(columns)))
        head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608
        one = f"({marks(len(columns))})"
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            values = [value for row in part for value in row]
            self.run(f"{head}{', '.join([one] * len(part))} {conflict}", values)

    def insert_new(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> set[str]:
        """Insert `rows`; a transaction has the file to itself, so asking before is safe."""
        keys = [row[0] for row in rows]
        there: set[str] = set()
        for start in range(0, len(keys), _LOOKUP):
            part = keys[start : start + _LOOKUP]
            query = f"SELECT {columns[0]} FROM {table} WHERE {columns[0]} IN ({marks(len(part))})"  # noqa: S608
            there.update(key for (key,) in self.rows(query, part))
        new = [row for row in rows if row[0] not in there] if there else rows
        self.insert(table, columns, new)
        return {row[0] for row in new}

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """Rows of a query as they come."""
        try:
            yield from self._raw.execute(sql, values)
        except (sqlite3.Error, OverflowError) as error:
            self._fail(error)

    def has_table(self, name: str) -> bool:
        """Whether there is such a table."""
        return bool(
            self.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
        )

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    def _fail(self, error: Exception) -> NoReturn:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        said = self._place.clean(str(error))
        if code in _AT_FAULT:
            raise StoreError(
                f"{self._place.name}: the store {_AT_FAULT[code]} ({said})."
            ) from error
        at_fault = isinstance(error, sqlite3.OperationalError) or type(error) in (
            sqlite3.DatabaseError,
            sqlite3.Error,
        )
        kind = StoreError if at_fault else RowRefused
        raise kind(f"{self._place.name}: the store refuses ({said}).") from error


def marks(n: int) -> str:
    """Places for `n` values."""
    return ", ".join("?" * n)


def _lowered(text: Any) -> Any:
    return text.lower() if isinstance(text, str) else text
