"""What pages read of a large log: a fair sample, quickly; and ranges."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest
from stores import NOON

from onehead.dashboard import log as reading
from onehead.dashboard.data.calibration import judged
from onehead.dashboard.data.overview import overview
from onehead.dashboard.log import SAMPLE, Log
from onehead.dashboard.ranges import NAMES, range_of
from onehead.dashboard.savings import Tally
from onehead.errors import StoreError, UsageError
from onehead.store import DecisionRecord, Store, new_decision_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = 3600.0
SPAN = (NOON, NOON + 10 * HOUR)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """6,000 decisions in ten hours, nine in ten of them in the last; few in shadow, one named."""
    folder: Path = tmp_path_factory.mktemp("log")
    chance, records = random.Random(0), []
    for i in range(6000):
        at = NOON + (i * 9 * HOUR / 600 if i < 600 else 9 * HOUR + (i - 600) * HOUR / 5400)
        mode = "named" if i == 3000 else "shadow" if i % 5 == 4 else "auto"
        records.append(
            DecisionRecord(
                decision_id=new_decision_id(at), at=at, mode=mode, model="a", chosen="a",
                cost_usd=float(i), confidence=chance.random(),
            )
        )  # fmt: skip
    with Store.open(f"sqlite:///{folder / 'log.db'}") as opened:
        opened.write(records)
        yield opened


@pytest.mark.parametrize("modes", [("auto",), ("shadow",), ("auto", "shadow"), reading.SERVED])
def test_a_sample_is_fair(store: Store, modes: tuple[str, ...]) -> None:
    found = Log(lambda: store).sample(*SPAN, modes=modes)
    assert 0.7 * SAMPLE <= len(found) <= 2 * SAMPLE
    assert len({one.decision_id for one in found}) == len(found)
    assert {one.mode for one in found} <= set(modes)
    late = sum(one.at >= NOON + 9 * HOUR for one in found) / len(found)
    assert late == pytest.approx(0.9, abs=0.05)
    places = sorted(one.cost_usd for one in found if one.cost_usd is not None)
    assert places[len(places) // 2] == pytest.approx(3000, rel=0.1)


def test_what_is_rare_is_found_whole(store: Store) -> None:
    assert [one.mode for one in Log(lambda: store).sample(*SPAN, modes=("named",))] == ["named"]


def test_few_are_all_taken(store: Store) -> None:
    found = Log(lambda: store).sample(NOON, NOON + 3 * HOUR, modes=("auto", "shadow"))
    assert [one.cost_usd for one in found] == [float(i) for i in reversed(range(200))]


def test_an_empty_span_has_no_sample(store: Store) -> None:
    assert Log(lambda: store).sample(NOON - 9 * HOUR, NOON - 8 * HOUR) == []


def test_a_sample_is_kept_by_its_name(store: Store) -> None:
    opened: list[int] = []

    def give() -> Store:
        opened.append(1)
        return store

    log = Log(give)
    first = log.sample(*SPAN, name="24h")
    count = len(opened)
    assert log.sample(*SPAN, name="24h") is first
    assert len(opened) == count
    assert log.sample(*SPAN, name="7d") is not first


def test_a_store_that_cannot_be_opened_raises_each_time() -> None:
    def away() -> Store:
        raise StoreError("the store is away.")

    log = Log(away)
    for _ in range(2):
        with pytest.raises(StoreError, match="away"):
            log.first()


def test_all_begins_with_the_first_decision(store: Store) -> None:
    first = Log(lambda: store).first()
    assert first == NOON
    assert range_of("all", first, now=NOON + 5 * HOUR).since == NOON


@pytest.mark.parametrize(
    ("name", "first", "told"),
    [(None, None, "24h"), (None, NOON - 60, "1h"), (None, NOON - 7200, "24h"), ("7d", NOON - 60, "7d"),
     ("all", None, "all"), ("all", NOON + 60, "all")],
)  # fmt: skip
def test_ranges_by_name(name: str | None, first: float | None, told: str) -> None:
    found = range_of(name, first, now=NOON)
    assert found.name == told
    assert found.since < found.until == NOON
    assert found.words


def test_an_unknown_range_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="Choose one of: " + ", ".join(NAMES)):
        range_of("fortnight")


def test_documents_are_the_same_on_both_databases(store_url: str) -> None:
    """Every query that a page makes, on SQLite and on PostgreSQL."""
    chance, now, records = random.Random(4), time.time(), []
    for i in range(2500):
        at = now - 20 * HOUR + i * 20 * HOUR / 2500
        estimates = [("small", 0.6, 1e-4, 0.5, None), ("large", 0.8, 1e-2, 0.1, None)]
        mode = "shadow" if i % 10 == 0 else "auto"
        records.append(
            DecisionRecord(
                decision_id=new_decision_id(at), at=at, mode=mode, chosen="small",
                model="large" if mode == "shadow" else "small", estimates=estimates,
                cost_usd=2e-2 if mode == "shadow" else 2e-4, confidence=chance.random(),
                predicted_quality=0.6, predicted_cost_usd=1e-4, total_s=0.2, overhead_s=0.001,
            )
        )  # fmt: skip
    with Store.open(store_url) as store:
        store.write(records)
        for one in records[:300:3]:
            store.add_feedback(one.decision_id, 0.5)
        log, chosen = Log(lambda: store), range_of("24h")
        document = overview(log, chosen, ["small", "large"], "")
        cards = {card.name: card for card in document.cards}
        assert cards["requests"].value == "2,500"
        assert cards["best"].note.startswith("99.0% less than large")
        assert {one.model for one in judged(log, chosen)} == {"small", "large"}
        assert log.first() == pytest.approx(now - 20 * HOUR, abs=60)
        share = Tally(log.sample(chosen.since, chosen.until, modes=("shadow",))).against()
    assert share is not None
    assert share.would_share == pytest.approx(0.99)
