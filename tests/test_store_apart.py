"""The process that writes a worker's log: whoever of the two is killed, every record counts once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from stores import NOON, record, settings, wait_for

from onehead.store import Store, Writer
from onehead.store.apart import Apart
from onehead.store.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")


@pytest.fixture
def writer(store_url: str, tmp_path: Path) -> Iterator[Writer]:
    one = Writer(settings(store_url, tmp_path / "spill"), apart=True)
    one.start()
    yield one
    one.close(20)


def pid_of(writer: Writer) -> int:
    """The writer's process, as soon as it has one."""
    desk = writer._batches.desk
    assert isinstance(desk, Apart)
    wait_for(lambda: desk.pid is not None)
    assert desk.pid is not None
    return desk.pid


def runs(pid: int) -> bool:
    """Whether a process lives; one that nobody has waited for is dead."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_a_process_that_is_killed_is_replaced_and_nothing_counts_twice(
    writer: Writer, store_url: str
) -> None:
    made = [record(NOON + i) for i in range(3000)]
    killed = set()
    for place, one in enumerate(made):
        writer.put(one)
        if place % 1000 == 500:
            wait_for(lambda done=place - 400: writer.stats().written >= done)
            killed.add(pid_of(writer))
            os.kill(pid_of(writer), signal.SIGKILL)
    wait_for(lambda: writer.stats().queued == 0)
    assert len(killed) == 3
    assert pid_of(writer) not in killed
    assert writer.stats().down_since is None
    with Store.open(store_url) as store:
        assert store.count() == 3000
        assert store.totals(NOON - 60, NOON + 6000).overall().requests == 3000
        assert store.spend("team", "") == pytest.approx(3000 * 0.0015)


def test_a_journal_that_goes_before_it_is_read(
    writer: Writer, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process finds no file; what its worker still has in memory is sent instead."""
    exists = Path.exists

    def vanishing(path: Path) -> bool:
        there = exists(path)
        if path.suffix == ".journal":
            path.unlink(missing_ok=True)
        return there

    assert writer.wait_for_spend(20)
    monkeypatch.setattr(Path, "exists", vanishing)
    made = [record(NOON + i) for i in range(50)]
    for one in made:
        writer.put(one)
    wait_for(lambda: writer.stats().written == 50)
    wait_for(lambda: writer.stats().queued == 0)
    assert writer.stats().damaged == 0
    assert not list((tmp_path / "spill").glob("*/*.journal"))
    with Store.open(store_url) as store:
        assert list(store.each()) == made


def test_signals_for_the_whole_group_leave_it_to_its_worker(writer: Writer) -> None:
    pid = pid_of(writer)
    wait_for(lambda: writer.stats().down_since is None and writer.wait_for_spend(0.1))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid, number)
    time.sleep(0.2)
    writer.put(record(NOON))
    assert writer.close(20)
    assert writer.stats().written == 1
    assert not runs(pid)


def test_it_ends_with_a_worker_that_is_killed(store_url: str, tmp_path: Path) -> None:
    spill = str(tmp_path / "spill")
    code = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from stores import NOON, record, settings
from onehead.store import Writer
writer = Writer(settings({store_url!r}, {spill!r}), apart=True)
writer.start()
assert writer.wait_for_spend(30)
print(writer._batches.desk.pid, flush=True)
for i in range(500):
    writer.put(record(NOON + i))
print("put", flush=True)
time.sleep(60)
"""
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    pid = int(worker.stdout.readline())
    command = Path(f"/proc/{pid}/cmdline").read_text("utf-8")
    environment = Path(f"/proc/{pid}/environ").read_text("utf-8")
    assert store_url not in command + environment  # it may hold a password
    assert worker.stdout.readline() == "put\n"
    worker.kill()
    worker.wait()
    worker.stdout.close()
    wait_for(lambda: not runs(pid))
    heir = Writer(settings(store_url, Path(spill)), apart=True)
    heir.start()
    wait_for(lambda: not list(Path(spill).glob("*/*.journal")))
    assert heir.close(20)
    with Store.open(store_url) as store:
        assert store.count() == 500
        assert store.spend("team", "") == pytest.approx(500 * 0.0015)


def test_without_such_a_process_the_worker_writes_by_itself(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onehead.store.apart.sys.executable", str(tmp_path / "no python here"))
    writer = Writer(settings(store_url, tmp_path / "spill"), apart=True)
    writer.start()
    writer.put(record(NOON))
    assert writer.close(20)
    assert isinstance(writer._batches.desk, Desk)
    with Store.open(store_url) as store:
        assert store.count() == 1


def test_no_module_of_the_folder_where_it_starts_is_run(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit(3)\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    writer = Writer(settings(store_url, tmp_path / "spill"), apart=True)
    writer.start()
    try:
        assert writer.wait_for_spend(20)
        assert pid_of(writer)
    finally:
        assert writer.close(20)
