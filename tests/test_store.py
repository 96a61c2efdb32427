"""The decision log: what goes in comes out, is counted once, found again and deleted."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from stores import DAY, NOON, record

from onehead.errors import UnknownDecision, UsageError
from onehead.store import (
    DecisionRecord,
    FeedbackRecord,
    Filter,
    Store,
    Which,
    id_time,
    new_decision_id,
    prompt_fields,
)
from onehead.store.records import decoded, encoded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from onehead.store.database import Row

ODD = "'; DROP TABLE decisions; -- <script>alert(1)</script> \u2028 ü 🙂 %s ? {x}"


def test_a_record_comes_back_as_it_went_in(store: Store) -> None:
    full = record(
        stream=True,
        usage_estimated=True,
        session=ODD,
        prompt=ODD,
        error="upstream_error",
        answer_id="resp_1",
        cached_tokens=3,
        reasoning_tokens=4,
    )
    empty = DecisionRecord(decision_id=new_decision_id(NOON), at=NOON)
    assert store.write([full, empty]) == 2
    assert store.decision(full.decision_id) == full
    back = store.decision(empty.decision_id)
    assert (back.estimates, back.attempts, back.constraints) == ([], [], {})
    assert back.embedding is None


def test_ids_are_in_the_order_of_time_and_tell_it() -> None:
    ids = [new_decision_id(NOON + i / 1e5) for i in range(100)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 100
    assert id_time(ids[7]) == pytest.approx(NOON + 7e-5, abs=1e-6)
    assert abs(id_time(new_decision_id()) - time.time()) < 5
    for wrong in ("", "dec_", "dec_" + "g" * 32, ids[0].upper(), ids[0] + "\n", "dec_" + "٣" * 32):
        with pytest.raises(UnknownDecision):
            id_time(wrong)


def test_writing_twice_counts_once(store: Store) -> None:
    first, second = record(), record()
    assert store.write([first, first]) == 1
    assert store.write([first, second]) == 1
    assert store.write([second]) == 0
    assert store.spend("team", "") == pytest.approx(0.003)
    assert store.totals(NOON - 1, NOON + 1).overall().requests == 2
    assert store.expected(NOON - 1, NOON + 1)[0].requests == 2
    assert store.spend_by_day("")[0].requests == 2


def test_spend_is_kept_by_day_and_key(store: Store) -> None:
    days = [datetime.fromtimestamp(NOON + i * DAY, UTC).date().isoformat() for i in range(3)]
    midnight = NOON + DAY / 2
    store.write([record(NOON), record(midnight - 0.001), record(midnight), record(NOON + 2 * DAY)])
    store.write([record(NOON, key=None, cost_usd=1.0), record(NOON, cost_usd=None)])
    assert store.spend("team", days[0]) == pytest.approx(4 * 0.0015)
    assert store.spend("team", days[1]) == pytest.approx(2 * 0.0015)
    assert store.spend("team", days[2]) == pytest.approx(0.0015)
    assert store.spend(None, days[0]) == 1.0
    assert store.spend("other", "") == 0.0
    newest, *_, oldest = store.spend_by_day(days[0])
    assert (newest.key, newest.day, newest.requests, newest.tokens) == ("team", days[2], 1, 120)
    assert (oldest.key, oldest.requests, oldest.tokens) == ("team", 3, 360)


def test_odd_values_do_not_spoil_sums(store: Store) -> None:
    nan = math.nan
    odd = record(
        cost_usd=nan,
        predicted_cost_usd=nan,
        willingness_to_pay=math.inf,
        confidence=nan,
        overhead_s=1e9,
        total_s=0.0,
        session="nul\0",
        estimates=[("small", nan, 0.1, None, None), ("none", None, None, None, "unknown")],
    )
    store.write([odd, record()])
    back = store.decision(odd.decision_id)
    assert (back.cost_usd, back.confidence, back.session) == (None, None, "nul\ufffd")
    total = store.totals(NOON - 1, NOON + 1).overall()
    assert (total.requests, total.priced, total.predicted) == (2, 1, 1)
    assert total.cost_usd == pytest.approx(0.0015)
    assert {one.model: one.requests for one in store.expected(NOON - 1, NOON + 1)} == {
        "small": 1,
        "large": 1,
    }


def test_numbers_of_numpy_and_half_characters_are_written_plainly() -> None:
    odd = record(
        estimates=[("a", np.float64(0.5), np.float32(0.25), np.float64(1), None)],
        session="half \ud800",
        constraints={"models": {"b"}, "x\udfff": ("\ud800",)},
    )
    back = decoded(encoded(odd))
    assert isinstance(back, DecisionRecord)
    assert back.estimates[0][1:4] == (0.5, 0.25, 1.0)
    assert (back.session, back.constraints["models"]) == ("half ?", ["b"])
    assert back.constraints["x?"] == ["?"]


def test_pages_follow_one_another_without_gap_or_repeat(store: Store) -> None:
    made = [record(NOON + i / 100) for i in range(25)]
    store.write(made)
    seen, before = [], None
    for size in (10, 10, 5):
        page = store.decisions(limit=10, before=before)
        assert len(page.decisions) == size
        seen += page.decisions
        before = page.before
    assert before is None
    assert [one.decision_id for one in seen] == [one.decision_id for one in reversed(made)]
    assert list(store.each()) == made
    with pytest.raises(UsageError, match="1 to 1,000"):
        store.decisions(limit=0)


def test_filters_find_what_they_name(store: Store) -> None:
    plain = [record(NOON + i) for i in range(3)]
    found = {
        "model": record(NOON + 10, model="large"),
        "key": record(NOON + 11, key="other"),
        "outcome": record(NOON + 12, outcome="error", model=None, status=502),
        "mode": record(NOON + 13, mode="shadow"),
        "session": record(NOON + 14, session="s-1"),
        "text": record(NOON + 15, prompt="Prove 100% of Fermat_s theorem!"),
        "script": record(NOON + 16, prompt="Wo liegt ÜBERLINGEN, und wo Ørsted?"),
        "cost": record(NOON + 17, cost_usd=0.5),
    }
    store.write([*plain, *found.values()])
    asked = {
        "model": Filter(model="large"),
        "key": Filter(key="other"),
        "outcome": Filter(outcome="error"),
        "mode": Filter(mode="shadow"),
        "session": Filter(session="s-1"),
        "text": Filter(text="100% of FERMAT_S theorem!"),
        "script": Filter(text="überlingen, und wo ørSTED"),
        "cost": Filter(min_cost_usd=0.5),
    }
    for name, wanted in asked.items():
        page = store.decisions(wanted)
        assert [one.decision_id for one in page.decisions] == [found[name].decision_id], name
        assert page.before is None, name
    assert store.decisions(Filter(text="100x")).decisions == []
    assert len(store.decisions(Filter(since=NOON + 1, until=NOON + 10)).decisions) == 2
    assert len(store.decisions(Filter(failed=True)).decisions) == 1
    assert store.decisions(Filter(model="large", key="other")).decisions == []


def test_a_search_without_an_index_stops_and_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onehead.store.search._SCAN_TEXT", 10)
    rare = record(NOON, prompt="needle")
    store.write([rare, *(record(NOON + 1 + i, prompt="hay") for i in range(25))])
    before, pages, found = None, 0, []
    while True:
        page = store.decisions(Filter(text="needle"), before=before)
        found += page.decisions
        pages += 1
        assert page.complete == (page.before is None)
        if page.before is None:
            break
        before = page.before
    assert [one.decision_id for one in found] == [rare.decision_id]
    assert pages == 3


def test_totals_add_up_by_span_and_model(store: Store) -> None:
    hour = NOON
    store.write(
        [
            record(hour),
            record(hour + 59, model="large", cost_usd=0.01, overhead_s=0.05, total_s=3.0),
            record(hour + 3600, outcome="error", model=None, cost_usd=None),
            record(hour + 3601, mode="shadow", model="large"),
            record(hour + 40 * DAY),
        ]
    )
    minutes = store.totals(hour, hour + 7200, 120)
    assert (minutes.step_s, minutes.since, minutes.until) == (60, hour, hour + 7200)
    assert [(row.start - hour, row.model, row.requests) for row in minutes.rows] == [
        (0, "large", 1),
        (0, "small", 1),
        (3600, "", 1),
        (3600, "large", 1),
    ]
    by_model = minutes.by_model()
    assert (by_model["large"].requests, by_model["large"].fallbacks) == (2, 1)
    assert (by_model[""].errors, by_model["small"].errors) == (1, 0)
    total = minutes.overall()
    assert total.cost_usd == pytest.approx(0.0015 * 2 + 0.01)
    assert total.predicted_cost_usd == pytest.approx(0.004)
    assert total.input_tokens == 400
    days = store.totals(hour - DAY, hour + 60 * DAY, 60)
    assert days.step_s == 2 * DAY
    assert days.overall().requests == 5
    assert store.totals(hour, hour + 7200, modes=["shadow"]).overall().requests == 1
    empty = store.totals(hour - 9000, hour - 8000)
    assert (empty.rows, empty.overall().requests, empty.overall().latency_s(0.5)) == ([], 0, None)


def test_what_every_model_was_expected_to_do(store: Store) -> None:
    store.write(
        [record(), record(mode="named"), record(outcome="error"), record(NOON + 1, mode="shadow")]
    )
    large, small = store.expected(NOON - 5, NOON + 5)
    assert (large.model, large.requests, large.eligible) == ("large", 2, 0)
    assert (small.model, small.requests, small.eligible) == ("small", 2, 2)
    assert (small.quality, large.cost_usd) == (pytest.approx(1.0), pytest.approx(0.02))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_quantiles_are_near_the_true_ones(store: Store, share: float) -> None:
    times = np.random.default_rng(0).lognormal(0.0, 0.8, 2000)
    store.write([record(total_s=float(t), overhead_s=float(t) / 2000) for t in times])
    total = store.totals(NOON - 1, NOON + 1).overall()
    true = float(np.quantile(times, share))
    assert total.latency_s(share) == pytest.approx(true, rel=0.2)
    assert total.overhead_s(share) == pytest.approx(true / 2000, rel=0.2)


@pytest.mark.parametrize(("buckets", "since", "until"), [(0, 0, 1), (2000, 0, 1), (10, 1, 1)])
def test_totals_refuse_what_is_no_range(buckets: int, since: int, until: int, store: Store) -> None:
    with pytest.raises(UsageError):
        store.totals(since, until, buckets)


def test_sessions_and_answers_know_their_model(store: Store) -> None:
    store.write(
        [
            record(NOON, session="s", model="large", answer_id="resp_9", path="/v1/responses"),
            record(NOON, model="small", answer_id="chatcmpl-1"),
            record(NOON + 1, session="s", model="small"),
            record(NOON + 2, session="s", model=None, outcome="error"),
        ]
    )
    assert store.session_model("s") == "small"
    assert store.session_model("new") is None
    assert store.answer_model("resp_9") == "large"
    assert store.answer_model("resp_0") is None
    assert store.answer_model("chatcmpl-1") is None  # nothing refers to it


def test_answers_are_found_by_their_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(f"sqlite:///{tmp_path}/log.db") as store:
        ask = store.database.rows
        plans: list[str] = []

        def explained(sql: str, values: Sequence[Any] = ()) -> list[Row]:
            plans.extend(str(row[-1]) for row in ask(f"EXPLAIN QUERY PLAN {sql}", values))
            return ask(sql, values)

        monkeypatch.setattr(store.database, "rows", explained)
        assert store.answer_model("resp_9") is None
        assert store.session_model("s") is None
    assert "decisions_response" in plans[0]
    assert any("decisions_session" in plan for plan in plans)


def test_feedback_is_kept_once_for_each_source(store: Store) -> None:
    one = record()
    store.write([one])
    store.add_feedback(one.decision_id, 0.25, "meh", source="api", at=NOON + 1)
    store.add_feedback(one.decision_id, 1, source="api", at=NOON + 2)
    store.add_feedback(one.decision_id, 0, "old", source="api", at=NOON)
    store.add_feedback(one.decision_id, 0.5, "nul\0", source="ui", at=NOON + 3)
    ui, api = store.feedback(one.decision_id)
    assert (api.source, api.quality, api.comment, api.at) == ("api", 1.0, None, NOON + 2)
    assert (ui.comment, ui.model, ui.predicted_quality) == ("nul\ufffd", "small", 0.5)
    assert store.feedback(since=NOON + 3) == [ui]
    assert store.feedback(until=NOON + 3) == [api]


def test_feedback_on_nothing_is_refused(store: Store) -> None:
    known = record()
    store.write([known])
    with pytest.raises(UnknownDecision, match="there is no decision"):
        store.add_feedback(new_decision_id(), 1.0)
    with pytest.raises(UnknownDecision, match="is no id"):
        store.add_feedback("nonsense", 1.0)
    for quality in (7, -0.1, math.nan, True, "1"):
        with pytest.raises(UsageError, match="is not from 0"):
            store.add_feedback(known.decision_id, quality)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at most"):
        store.add_feedback(known.decision_id, 1.0, "x" * 5000)
    with pytest.raises(UnknownDecision):
        store.decision(new_decision_id())
    assert (UnknownDecision.status, UnknownDecision.exit_code) == (404, 2)


def test_feedback_before_its_decision_is_not_kept(store: Store) -> None:
    one = record()
    early = FeedbackRecord(
        decision_id=one.decision_id, source="api", quality=1.0, comment=None, at=NOON
    )
    store.write([early])
    assert store.feedback() == []
    store.write([one, early])
    assert len(store.feedback()) == 1


def test_deleting_takes_feedback_along_and_leaves_the_rest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onehead.store.maintenance._AT_ONCE", 3)
    old = [record(NOON - DAY + i) for i in range(8)]
    held = [record(NOON + i, session="s") for i in range(2)]
    last = record(NOON + 5)
    store.write([*old, *held, last])
    for one in (old[0], last):
        store.add_feedback(one.decision_id, 1.0)
    assert store.purge(NOON) == 8
    assert [one.decision_id for one in store.feedback()] == [last.decision_id]
    assert store.delete(Which(session="s")) == 2
    assert store.delete(Which(decision_id=last.decision_id)) == 1
    assert store.count() == 0
    assert store.feedback() == []
    assert store.totals(NOON - 1, NOON + 6).overall().requests == 3
    assert store.spend("team", "") == pytest.approx(11 * 0.0015)
    store.write([record()])
    assert store.delete(Which(everything=True)) == 1
    assert store.totals(NOON - 1, NOON + 6).overall().requests == 0
    assert store.expected(NOON - 1, NOON + 6) == []
    assert store.spend("team", "") == pytest.approx(12 * 0.0015)
    for wrong in (Which(), Which(session="s", everything=True)):
        with pytest.raises(UsageError, match="exactly one"):
            store.delete(wrong)


def test_prompts_are_kept_as_the_policy_says() -> None:
    vector = np.array([0.5, -1.0], np.float16)
    assert prompt_fields("none", "secret", vector) == {}
    hashed = prompt_fields("hash", "secret", vector)
    assert set(hashed) == {"prompt_hash", "embedding"}
    assert np.frombuffer(hashed["embedding"], np.float16).tolist() == [0.5, -1.0]
    assert "secret" not in repr(hashed)
    assert prompt_fields("full", "half \ud800", None)["prompt"] == "half \ud800"
    with pytest.raises(UsageError, match="none, hash, full"):
        prompt_fields("some", "secret", vector)
