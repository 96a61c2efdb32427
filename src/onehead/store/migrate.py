"""Bringing a database up to the schema of this version."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from onehead.errors import StoreError
from onehead.store.schema import MIGRATIONS

if TYPE_CHECKING:
    from onehead.store.database import Connection, Database

_TABLE = """
CREATE TABLE IF NOT EXISTS migrations (
    name TEXT NOT NULL PRIMARY KEY,
    at DOUBLE PRECISION NOT NULL
)
"""


def migrate(database: Database) -> None:
    """Run what is missing, in one transaction; several processes may start at once.

    StoreError where the database is of a newer version.
    """
    with database.connection() as connection:
        if not _missing(connection, database.name):
            return
        with connection.transaction():
            if connection.lock_sql is not None:
                connection.run(connection.lock_sql)
            connection.run(_TABLE)
            _refuse_foreign(connection, database.name)
            for name, statements in _missing(connection, database.name):
                for statement in statements:
                    connection.run(statement)
                connection.run(
                    "INSERT INTO migrations (name, at) VALUES (?, ?)", (name, time.time())
                )


def _missing(connection: Connection, where: str) -> list[tuple[str, tuple[str, ...]]]:
    """Migrations that were not run; StoreError where unknown ones were."""
    done: set[str] = set()
    if connection.has_table("migrations"):
        done = {str(name) for (name,) in connection.rows("SELECT name FROM migrations")}
    unknown = sorted(done - {name for name, _ in MIGRATIONS})
    if unknown:
        raise StoreError(
            f"{where}: the store is of a newer version of onehead: it has the migration "
            f"{unknown[-1]!r}, which this one does not know. Upgrade onehead, or use another store."
        )
    return [(name, statements) for name, statements in MIGRATIONS if name not in done]


def _refuse_foreign(connection: Connection, where: str) -> None:
    """StoreError where the tables are another program's; asked when nobody else is migrating."""
    done = connection.rows("SELECT name FROM migrations LIMIT 1")
    if not done and connection.has_table("decisions"):
        raise StoreError(
            f"{where}: holds a table 'decisions' that is not onehead's. Use a database of its own."
        )
