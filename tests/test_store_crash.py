"""Journals, and what they are for: killed workers and killed servers lose nothing."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stores import NOON, Server, need_postgres, record, settings, wait_for

from onehead.store import Store, Writer
from onehead.store.journal import Journal
from onehead.store.segment import Part, PartLost, part_payloads
from onehead.store.spill import read_segment

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeWriter = Callable[..., Writer]


def taken(journal: Journal) -> list[bytes]:
    """What is read of a journal next, as a desk reads it; it is done then."""
    batch = journal.read()
    assert journal.read() == batch
    payloads, damaged = part_payloads(batch) if isinstance(batch, Part) else (batch or [], 0)
    journal.done(damaged)
    return payloads


@pytest.mark.parametrize("segment", [1, 3000, 1 << 20])
def test_a_journal_gives_back_what_it_was_given(
    segment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onehead.store.segment.SEGMENT_BYTES", segment)
    journal = Journal(tmp_path, memory=10)
    given = [bytes([i]) * (i * 7) for i in range(200)]  # the first ones look like the end of a file
    got: list[bytes] = []
    for place, payload in enumerate(given):
        assert journal.append(payload)
        if place % 17 == 0:
            journal.sync()
        if place % 5 == 0:
            got += taken(journal)
    while part := taken(journal):
        got += part
    assert got == given
    assert journal.backlog == 0
    assert journal.finished == 200
    assert len(list(tmp_path.iterdir())) <= 2  # one in use, and one to be used again
    assert journal.close() == 0
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_done_is_wiped_and_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onehead.store.segment.SEGMENT_BYTES", 400)
    made: list[int] = []
    real = os.posix_fallocate

    def allocate(handle: int, offset: int, size: int) -> None:
        made.append(handle)
        real(handle, offset, size)

    monkeypatch.setattr("onehead.store.segment.os.posix_fallocate", allocate)
    journal = Journal(tmp_path, memory=10)
    for place in range(60):
        assert journal.append(bytes([65 + place % 26]) * (90 + place % 7))
        if place % 4 == 3:
            while taken(journal):
                pass
            for path in tmp_path.iterdir():  # a killed worker would leave nothing that was done
                assert read_segment(path) == ([], 0)
    assert len(made) <= 3  # for fifteen files' worth of records
    assert journal.append(b"x" * 1000)  # which no file has room for
    assert taken(journal) == [b"x" * 1000]
    assert journal.close() == 0
    assert list(tmp_path.iterdir()) == []


def test_a_spare_file_that_somebody_removes_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onehead.store.segment.SEGMENT_BYTES", 100)
    journal = Journal(tmp_path, memory=10)
    assert journal.append(b"1" * 60)
    assert journal.append(b"2" * 60)
    assert taken(journal) == [b"1" * 60]
    spare = min(tmp_path.iterdir())
    spare.unlink()
    assert journal.append(b"3" * 60)
    assert [taken(journal), taken(journal)] == [[b"2" * 60], [b"3" * 60]]
    assert (journal.damaged, journal.close()) == (0, 0)


def test_what_only_memory_holds_goes_to_disk_in_the_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path, memory=10, limit_bytes=1)
    for payload in (b"one", b"two", b"three"):
        assert journal.append(payload)
    assert journal.read() == [b"one", b"two", b"three"]
    journal._limit_bytes = 1000
    assert journal.close() == 0
    (path,) = tmp_path.iterdir()
    assert read_segment(path) == ([b"one", b"two", b"three"], 0)


def test_a_disk_that_fills_up_costs_nothing_that_memory_can_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, room = os.posix_fallocate, 500

    def allocate(handle: int, offset: int, size: int) -> None:
        """A disk with `room` bytes left; what it has of them stays taken when it fails."""
        nonlocal room
        given, room = min(size, room), max(0, room - size)
        real(handle, offset, given)
        if given < size:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("onehead.store.segment.os.posix_fallocate", allocate)
    monkeypatch.setattr("onehead.store.segment.SEGMENT_BYTES", 400)
    journal = Journal(tmp_path, memory=100)
    given = [bytes([i]) * 50 for i in range(30)]
    assert all(journal.append(payload) for payload in given[:20])
    assert "No space" in str(journal.error)
    assert len(list(tmp_path.iterdir())) == 1
    assert journal.backlog == 20
    room = 10_000
    got: list[bytes] = []
    while part := taken(journal):
        got += part
    for payload in given[20:]:
        assert journal.append(payload)
    assert journal.error is None
    while part := taken(journal):
        got += part
    assert got == given
    assert journal.damaged == 0
    assert journal.close() == 0


def test_a_file_system_that_gives_no_blocks_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def allocate(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr("onehead.store.segment.os.posix_fallocate", allocate)
    journal = Journal(tmp_path, memory=10)
    assert journal.append(b"one")
    assert journal.error is None
    (path,) = tmp_path.iterdir()
    assert path.stat().st_blocks * 512 >= 1 << 20
    assert taken(journal) == [b"one"]
    assert journal.close() == 0


def test_a_long_outage_holds_few_files_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onehead.store.segment.SEGMENT_BYTES", 100)
    before = len(list(Path("/proc/self/fd").iterdir()))
    journal = Journal(tmp_path, memory=1)
    for _ in range(50):
        assert journal.append(b"x" * 90)
    assert len(list(tmp_path.iterdir())) == 50
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 2
    journal.close()


def test_a_folder_that_is_removed_under_a_worker(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "own", memory=10)
    (tmp_path / "own").mkdir()
    for payload in (b"one", b"two"):
        assert journal.append(payload)
    shutil.rmtree(tmp_path / "own")
    assert journal.append(b"three")
    assert journal.read() == [b"one", b"two", b"three"]
    journal.done()
    assert journal.append(b"four")  # to memory: a file without a name would end with the process
    assert "No such file" in str(journal.error)
    assert taken(journal) == [b"four"]
    assert journal.close() == 0


def test_a_file_that_goes_between_asking_and_reading(tmp_path: Path) -> None:
    journal = Journal(tmp_path, memory=10)
    journal.append(b"one")
    part = journal.read()
    assert isinstance(part, Part)
    Path(part.path).unlink()
    with pytest.raises(PartLost, match="has been removed"):
        part_payloads(part)
    assert journal.read() == [b"one"]
    journal.done()
    assert journal.backlog == 0
    assert journal.append(b"two")
    assert taken(journal) == [b"two"]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_full_file_that_is_gone_is_counted_and_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onehead.store.segment.SEGMENT_BYTES", 100)
    journal = Journal(tmp_path, memory=10)
    for i in range(3):
        journal.append(bytes([65 + i]) * 60)
    min(tmp_path.iterdir()).unlink()
    assert taken(journal) == [b"B" * 60]
    assert taken(journal) == [b"C" * 60]
    assert (journal.damaged, journal.backlog) == (1, 0)
    assert journal.close() == 0


CHILD = """
import os, sys, threading
from types import SimpleNamespace
sys.path.insert(0, {tests!r})
from stores import record, settings
from pathlib import Path
from onehead.store import Writer
writer = Writer(settings({url!r}, Path({spill!r})))
writer.start()
while True:
    one = record()
    writer.put(one)
    os.write(1, one.decision_id.encode() + b"\\n")
"""


@pytest.mark.parametrize("rounds", [2])
def test_what_was_acknowledged_survives_kill_9(
    rounds: int, make_writer: MakeWriter, store: Store, store_url: str, tmp_path: Path
) -> None:
    said: set[str] = set()
    code = CHILD.format(
        tests=str(Path(__file__).parent), url=store_url, spill=str(tmp_path / "spill")
    )
    for _ in range(rounds):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert child.stdout is not None
        for _ in range(1500):
            said.add(child.stdout.readline().decode().strip())
        child.kill()
        said |= {line for line in child.stdout.read().decode().split("\n") if len(line) == 36}
        child.wait()
        child.stdout.close()
    writer = make_writer()
    assert writer.close(60)
    logged = [one.decision_id for one in store.each()]
    assert set(logged) >= said
    assert len(logged) - len(said) <= rounds  # the one put and not yet said when the kill came
    assert store.spend("team", "") == pytest.approx(len(logged) * 0.0015)
    assert store.totals(NOON, NOON + 1).overall().requests == len(logged)


@pytest.mark.slow
def test_a_server_killed_twice_loses_nothing(tmp_path: Path) -> None:
    need_postgres()
    server = Server()
    try:
        with Store.open(server.url):
            pass
        writer = Writer(settings(server.url, tmp_path / "spill"))
        writer.start()
        made = [record(NOON + i / 1000) for i in range(10_000)]
        for place, one in enumerate(made):
            if place in (3000, 6000):
                server.kill()  # in the middle of what is being written
            if place in (4000, 7000):
                wait_for(lambda: writer.stats().down_since is not None)
                server.start()
                wait_for(lambda: writer.stats().down_since is None)
            writer.put(one)
        assert writer.close(60)
        assert writer.stats().replayed >= 2000
        with Store.open(server.url) as store:
            assert [one.decision_id for one in store.each()] == [one.decision_id for one in made]
            assert store.spend("team", "") == pytest.approx(10_000 * 0.0015)
    finally:
        server.remove()


def test_workers_that_start_and_write_at_once_count_everything_once(
    store_url: str, tmp_path: Path
) -> None:
    """Each of them migrates, writes rows of the same minutes and keys, and replays the same journal."""
    shared = [record(NOON + i) for i in range(200)]
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            with Store.open(store_url, patience_s=30) as own:
                for i in range(20):
                    own.write([record(NOON + (i * 7 + worker) % 300, model=f"m{i % 5}")])
                    own.write(shared[i * 10 : i * 10 + 10])
        except BaseException as error:  # noqa: BLE001  (told in the test's own thread)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    with Store.open(store_url) as store:
        assert store.count() == 280
        assert store.totals(NOON - 60, NOON + 600).overall().requests == 280
        assert store.spend("team", "") == pytest.approx(280 * 0.0015)


@pytest.mark.parametrize("databases", [3])
def test_many_open_a_new_log_at_once(databases: int, postgres: Server, tmp_path: Path) -> None:
    urls = [postgres.empty() for _ in range(databases)]
    urls += [f"sqlite:///{tmp_path / f'{i}.db'}" for i in range(databases)]
    failures: list[BaseException] = []

    def opened(url: str) -> None:
        try:
            Store.open(url, patience_s=30).close()
        except BaseException as error:  # noqa: BLE001  (told in the test's own thread)
            failures.append(error)

    for url in urls:
        threads = [threading.Thread(target=opened, args=(url,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures, failures


def test_a_new_file_is_opened_by_many_at_the_same_moment(tmp_path: Path) -> None:
    """SQLite refuses some of them at once; without another try about one round in thirty failed."""
    failures: list[BaseException] = []

    def opened(url: str, together: threading.Barrier) -> None:
        together.wait()
        try:
            Store.open(url, patience_s=30).close()
        except BaseException as error:  # noqa: BLE001  (told in the test's own thread)
            failures.append(error)

    for number in range(40):
        together = threading.Barrier(8)
        url = f"sqlite:///{tmp_path / f'{number}.db'}"
        threads = [threading.Thread(target=opened, args=(url, together)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failures, failures
