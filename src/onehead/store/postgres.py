"""PostgreSQL, by psycopg (extra `postgres`): one log for a fleet of gateways."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NoReturn

from onehead.errors import MissingExtraError, StoreError
from onehead.store.database import Connection, DatabaseGone, RowRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onehead.store.database import Row
    from onehead.store.place import Place

_AT_ONCE: Final = 1000
_HAS_TABLE: Final = (
    "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relname = ? AND n.nspname = ANY (current_schemas(false))"
)
_MIGRATIONS: Final = 0x6F6E656865  # any number that means this program's migrations to the server


class PostgresConnection(Connection):
    """A connection to a server, each statement of its own until `BEGIN`."""

    begin_sql = "BEGIN"
    lock_sql = f"SELECT pg_advisory_xact_lock({_MIGRATIONS})"

    def __init__(self, place: Place, *, patience_s: float) -> None:
        try:
            import psycopg
        except ImportError:
            raise MissingExtraError("a store on PostgreSQL", "postgres") from None
        self._psycopg = psycopg
        self._place = place
        patience = max(2, round(patience_s))
        # What is set in the URL wins over what is given here only where psycopg is told so.
        wanted = {
            "connect_timeout": patience,
            "tcp_user_timeout": patience * 2000,
            "keepalives_idle": 30,
            "application_name": "onehead",
        }
        try:
            given = psycopg.conninfo.conninfo_to_dict(place.url)
            self._raw = psycopg.connect(
                **{**wanted, **given},  # type: ignore[arg-type]
                autocommit=True,
            )
        except psycopg.Error as error:
            self._fail(error)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""
        try:
            return self._raw.execute(_marked(sql), tuple(values)).fetchall()
        except self._psycopg.Error as error:
            self._fail(error)

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; the number of rows it touched."""
        try:
            return self._raw.execute(_marked(sql), tuple(values)).rowcount
        except self._psycopg.Error as error:
            self._fail(error)

    def many(self, sql: str, rows: Sequence[Row]) -> None:
        """Run a statement once for each of `rows`."""
        if not rows:
            return
        try:
            with self._raw.cursor() as cursor:
                cursor.executemany(_marked(sql), rows)
        except self._psycopg.Error as error:
            self._fail(error)

    def insert(
        self, table: str, columns: Sequence[str], rows: Sequence[Row], conflict: str = ""
    ) -> None:
        """Insert `rows`, in one round trip."""
        places = ", ".join("?" * len(columns))
        self.many(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) {conflict}", rows)  # noqa: S608

    def insert_new(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> set[str]:
        """Insert `rows`; the server says which, for others may insert the same ones meanwhile."""
        key = columns[0]
        places = ", ".join("?" * len(columns))
        sql = (
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) "  # noqa: S608
            f"ON CONFLICT ({key}) DO NOTHING RETURNING {key}"
        )
        new: set[str] = set()
        if not rows:
            return new
        try:
            with self._raw.cursor() as cursor:
                cursor.executemany(_marked(sql), rows, returning=True)
                while True:
                    new.update(key for (key,) in cursor.fetchall())
                    if not cursor.nextset():
                        return new
        except self._psycopg.Error as error:
            self._fail(error)

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """Rows of a query as they come, by a cursor on the server."""
        try:
            with self._raw.transaction(), self._raw.cursor("onehead_stream") as cursor:
                cursor.itersize = _AT_ONCE
                cursor.execute(_marked(sql), tuple(values))
                yield from cursor
        except self._psycopg.Error as error:
            self._fail(error)

    def has_table(self, name: str) -> bool:
        """Whether there is such a table where unqualified names are looked for."""
        # Asked of the catalogue's rows: to_regclass may answer from a cache that another session's
        # migration has not reached.
        return bool(self.rows(_HAS_TABLE, (name,)))

    def close(self) -> None:
        """End the connection."""
        self._raw.close()

    def _fail(self, error: Exception) -> NoReturn:
        said = self._place.clean(str(error)) or type(error).__name__
        at_fault = (self._psycopg.DataError, self._psycopg.IntegrityError)
        if isinstance(error, at_fault):
            raise RowRefused(f"{self._place.name}: the store refuses ({said}).") from None
        # No cause: a driver's message may hold the address with its password.
        if isinstance(error, self._psycopg.OperationalError | self._psycopg.InterfaceError):
            raise DatabaseGone(
                f"{self._place.name}: the store does not answer ({said}). Check that the server runs "
                "and that store.url is right."
            ) from None
        raise StoreError(
            f"{self._place.name}: the store refuses ({said}). Check its state and this user's rights."
        ) from None


@lru_cache(maxsize=256)
def _marked(sql: str) -> str:
    """A statement with psycopg's marks for values."""
    return sql.replace("%", "%%").replace("?", "%s")
