"""SQLite's write-ahead mode, for files that several processes may open at the same moment."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

_AGAIN_S: Final = 0.01
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def write_ahead(connection: sqlite3.Connection, patience_s: float) -> None:
    """Turn write-ahead mode on, where it is not yet; sqlite3.Error where that cannot be.

    Where others open a new file at the same time, SQLite may say at once that it is locked, for none
    of them would get further by waiting for the others. One of them does if all try again.
    """
    until = time.monotonic() + patience_s
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > until:
                raise
            time.sleep(_AGAIN_S)
        else:
            return
