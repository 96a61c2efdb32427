"""The background writer: nothing acknowledged is lost, nothing is counted twice, nobody waits."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from stores import NOON, record, settings, wait_for

from onehead.errors import UnknownDecision, UsageError
from onehead.store import DecisionRecord, Store, Writer, new_decision_id
from onehead.store.journal import Journal
from onehead.store.ledger import day_of
from onehead.store.pending import Pending
from onehead.store.records import encoded
from onehead.store.spill import claim
from onehead.store.writer import spill_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeWriter = Callable[..., Writer]


def blocked(path: Path) -> Callable[[], None]:
    """Put a folder in the way of an SQLite file; the function that is returned takes it away."""
    path.mkdir()
    return path.rmdir


def test_what_is_put_is_written(make_writer: MakeWriter, store: Store) -> None:
    writer = make_writer()
    made = [record(NOON + i / 1000) for i in range(1200)]
    for one in made:
        writer.put(one)
    assert writer.close(20)
    assert list(store.each()) == made
    stats = writer.stats()
    assert (stats.queued, stats.written, stats.dropped, stats.spilled) == (0, 1200, 0, 0)
    assert stats.down_since is None
    assert stats.last_error is None


def test_it_is_written_soon_without_closing(make_writer: MakeWriter, store: Store) -> None:
    writer = make_writer()
    writer.put(record())
    wait_for(lambda: store.count() == 1)
    wait_for(lambda: writer.stats().queued == 0)


def test_nothing_is_left_on_disk_after_a_good_end(make_writer: MakeWriter, tmp_path: Path) -> None:
    writer = make_writer()
    for _ in range(10):
        writer.put(record())
    assert list((tmp_path / "spill").glob("*/*.journal"))
    assert writer.close(20)
    assert [path.name for path in (tmp_path / "spill").iterdir()] == ["lock"]


def test_spend_counts_at_once_and_for_the_whole_fleet(
    make_writer: MakeWriter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onehead.store.writer._REFRESH_S", 0.05)
    store.write([record(NOON, cost_usd=1.0), record(NOON - 86_400, cost_usd=8.0)])
    today = day_of(NOON)
    one, other = make_writer(), make_writer()
    assert one.wait_for_spend(20)
    assert one.spend_of("team", today) == 1.0
    one.put(record(NOON, cost_usd=0.5))
    assert one.spend_of("team", today) == 1.5
    assert one.spend_of("team", "") == 9.5
    wait_for(lambda: one.stats().queued == 0)
    assert one.spend_of("team", today) == 1.5
    assert one.spend_of("stranger", "") == 0.0
    now = time.time()
    one.put(record(now, key=None, cost_usd=0.25))
    wait_for(lambda: other.spend_of(None, day_of(now)) == 0.25)


def test_a_store_that_is_away_is_waited_for(tmp_path: Path) -> None:
    away = blocked(tmp_path / "log.db")
    url = f"sqlite:///{tmp_path / 'log.db'}"
    writer = Writer(settings(url, tmp_path / "spill"))
    writer.start()
    made = [record(NOON + i) for i in range(700)]
    for one in made:
        writer.put(one)
    wait_for(lambda: writer.stats().spilled == 700)
    stats = writer.stats()
    assert (stats.queued, stats.written) == (700, 0)
    assert stats.down_since is not None
    assert "is a folder" in str(stats.last_error)
    away()
    wait_for(lambda: writer.stats().queued == 0)
    assert writer.stats().down_since is None
    assert writer.stats().replayed == 700
    assert writer.close(20)
    with Store.open(url) as store:
        assert list(store.each()) == made
    assert writer.stats().spilled == 700


def test_closing_while_the_store_is_away_leaves_a_journal_for_the_next(tmp_path: Path) -> None:
    away = blocked(tmp_path / "log.db")
    url = f"sqlite:///{tmp_path / 'log.db'}"
    first = Writer(settings(url, tmp_path / "spill"))
    first.start()
    first.put(record())
    wait_for(lambda: first.stats().down_since is not None)
    assert not first.close(20)
    away()
    second = Writer(settings(url, tmp_path / "spill"))
    second.start()
    wait_for(lambda: second.stats().replayed == 1)
    assert second.close(20)
    with Store.open(url) as store:
        assert store.count() == 1


def test_a_journal_that_was_written_already_counts_nothing_twice(
    make_writer: MakeWriter, store: Store, tmp_path: Path
) -> None:
    """A crash between the commit and the removal of the journal leaves both."""
    made = [record(NOON + i) for i in range(5)]
    own, _ = claim(tmp_path / "spill")
    journal = Journal(own.path, memory=10)
    for one in made:
        journal.append(encoded(one))
    journal.close()
    own.release()
    store.write(made[:3])
    writer = make_writer()
    wait_for(lambda: store.count() == 5)
    assert writer.close(20)
    assert store.spend("team", "") == pytest.approx(5 * 0.0015)
    assert store.totals(NOON, NOON + 10).overall().requests == 5
    assert writer.stats().replayed == 2


def test_half_a_line_at_the_end_and_damage_inside_cost_only_themselves(
    make_writer: MakeWriter, store: Store, tmp_path: Path
) -> None:
    own, _ = claim(tmp_path / "spill")
    journal = Journal(own.path, memory=10)
    made = [record(NOON + i) for i in range(4)]
    for one in made:
        journal.append(encoded(one))
    journal.close()
    own.release()
    (path,) = own.segments()
    data = bytearray(path.read_bytes())
    data[data.find(made[1].decision_id.encode()) + 8] ^= 0xFF
    path.write_bytes(data.rstrip(b"\0")[:-7])
    writer = make_writer()
    wait_for(lambda: store.count() == 2)
    wait_for(lambda: not path.exists())
    assert writer.stats().damaged == 2
    assert [one.decision_id for one in store.each()] == [
        made[0].decision_id,
        made[2].decision_id,
    ]


def test_a_living_workers_journal_is_left_alone(make_writer: MakeWriter, tmp_path: Path) -> None:
    own, _ = claim(tmp_path / "spill")
    journal = Journal(own.path, memory=10)
    journal.append(encoded(record()))
    writer = make_writer()
    assert writer.close(20)
    assert writer.stats().replayed == 0
    assert len(own.segments()) == 1
    journal.close()
    own.release()
    assert len(claim(tmp_path / "spill")[1]) == 1


def test_a_journal_of_another_format_is_left_and_said(
    make_writer: MakeWriter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "spill" / "1-abc"
    folder.mkdir(parents=True)
    strange = folder / "00000001.journal"
    strange.write_bytes(b"onehead journal 9\nwhatever")
    empty = folder / "00000002.journal"
    empty.write_bytes(b"onehead")
    writer = make_writer()
    wait_for(lambda: not empty.exists())
    assert writer.close(20)
    assert strange.exists()
    assert "no journal of this version" in caplog.text


def test_without_a_folder_memory_takes_the_records_and_drops_are_counted(
    make_writer: MakeWriter, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    writer = make_writer(spill=str(tmp_path / "file" / "spill"), queue=100)
    for i in range(50):
        writer.put(record(NOON + i))
    wait_for(lambda: store.count() == 50)
    assert "Not a directory" in str(writer.stats().journal_error)
    assert writer.close(20)
    writer.put(record())
    assert writer.stats().dropped == 1


def test_what_finds_no_room_is_counted(tmp_path: Path) -> None:
    away = blocked(tmp_path / "log.db")
    url = f"sqlite:///{tmp_path / 'log.db'}"
    size = len(encoded(record())) + 10
    writer = Writer(settings(url, tmp_path / "spill", queue=5), limit_bytes=10 * size)
    writer.start()
    for i in range(20):
        writer.put(record(NOON + i))
    stats = writer.stats()
    assert stats.queued + stats.dropped == 20
    assert 3 <= stats.dropped <= 6
    away()
    assert writer.close(20)
    with Store.open(url) as store:
        assert store.count() == 20 - stats.dropped


def test_a_record_that_cannot_be_kept_takes_no_other_with_it(
    make_writer: MakeWriter, store: Store
) -> None:
    writer = make_writer()
    writer.put(record(NOON, input_tokens=1 << 63))
    writer.put(record(NOON + 1))
    writer.put(DecisionRecord(decision_id=new_decision_id(NOON + 2), at=float("nan")))
    writer.put(record(NOON + 3, constraints={"x": object()}))
    writer.put(DecisionRecord(decision_id="dec_1", at="noon"))  # type: ignore[arg-type]
    writer.put(record(NOON + 4))
    assert writer.close(20)
    assert [one.at for one in store.each()] == [NOON + 1, NOON + 4]
    assert writer.stats().dropped == 4
    assert "a record cannot" in str(writer.stats().last_error)
    assert store.totals(NOON, NOON + 9).overall().requests == 2


def test_feedback_waits_for_its_decision_in_the_queue(
    make_writer: MakeWriter, store: Store
) -> None:
    writer = make_writer()
    one, other = record(), record(key="other")
    writer.put(one)
    writer.add_feedback(one.decision_id, 0.5, "fine", source="ui", key="team")
    writer.put(other)
    with pytest.raises(UnknownDecision):
        writer.add_feedback(other.decision_id, 0.5, key="team")
    assert writer.close(20)
    (kept,) = store.feedback()
    assert (kept.decision_id, kept.quality, kept.comment) == (one.decision_id, 0.5, "fine")


def test_feedback_through_the_writer_is_checked(make_writer: MakeWriter, store: Store) -> None:
    known = record()
    store.write([known])
    writer = make_writer()
    with pytest.raises(UsageError):
        writer.add_feedback(known.decision_id, 7)
    with pytest.raises(UnknownDecision):
        writer.add_feedback(new_decision_id(NOON), 1.0)
    with pytest.raises(UnknownDecision):
        writer.add_feedback(known.decision_id, 1.0, key="foreign")
    writer.add_feedback(known.decision_id, 1.0, key="team")
    wait_for(lambda: len(store.feedback()) == 1)


def test_feedback_finds_a_decision_that_another_worker_is_writing(
    make_writer: MakeWriter, store: Store
) -> None:
    young = record(time.time())
    writer = make_writer()
    threading.Timer(0.2, lambda: store.write([young])).start()
    writer.add_feedback(young.decision_id, 1.0)
    wait_for(lambda: len(store.feedback()) == 1)


def test_what_is_too_old_is_deleted(make_writer: MakeWriter, store: Store) -> None:
    now = time.time()
    store.write([record(now - 40 * 86_400), record(now - 20 * 86_400)])
    make_writer(retention_days=30)
    wait_for(lambda: store.count() == 1)


def test_a_journal_forgets_what_is_written(
    make_writer: MakeWriter, store: Store, tmp_path: Path
) -> None:
    writer = make_writer()
    secret = "my own prompt " * 1000
    writer.put(record(prompt=secret))
    (path,) = (tmp_path / "spill").glob("*/*.journal")
    assert secret.encode() in path.read_bytes()
    wait_for(lambda: writer.stats().queued == 0)
    assert not path.read_bytes()[100:].strip(b"\0")
    writer.put(record())
    wait_for(lambda: store.count() == 2)
    assert list((tmp_path / "spill").glob("*/*.journal")) == [path]


def test_where_journals_are_kept_without_a_setting() -> None:
    assert spill_folder("sqlite:///data/log.db") == Path("data/log.db.spill")
    assert spill_folder("postgresql://user:secret@host/db") == Path("onehead-spill")


def test_a_secret_url_is_revealed_to_the_driver_only(tmp_path: Path) -> None:
    url = SimpleNamespace(reveal=lambda: f"sqlite:///{tmp_path / 'log.db'}")
    writer = Writer(settings(url, tmp_path / "spill"))
    writer.start()
    writer.put(record())
    assert writer.close(20)
    assert writer.stats().written == 1


def test_decisions_on_their_way_are_forgotten_in_generations() -> None:
    pending, journal = Pending(limit=3), Journal(None, memory=100)
    for i in range(5):
        journal.append(b"x")
        pending.put(f"dec_{i}", f"key {i}")
    assert pending.find("dec_2") == ("key 2",)
    assert pending.find("dec_3") is None  # there is no room for more
    pending.turn(journal)  # nothing is older than these
    assert pending.find("dec_0") == ("key 0",)
    journal.append(b"y")
    pending.put("dec_y", None)
    pending.turn(journal)  # the journal is not done with the first five
    assert pending.find("dec_0") == ("key 0",)
    journal.read()
    journal.done()
    pending.turn(journal)
    assert pending.find("dec_0") is None
    assert pending.find("dec_y") == (None,)
