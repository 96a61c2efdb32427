"""Keys, budgets and limits, against a ledger that keeps every event and adds them up each time."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehead.config import KeyConfig
from onehead.gateway.accounts import (
    Accounts,
    BudgetExceeded,
    RateLimited,
    Reservation,
    Unauthorized,
)
from onehead.gateway.budgets import day_of, period_end, period_start

NOON = datetime(2026, 3, 11, 12, tzinfo=UTC).timestamp()  # a Wednesday


def key(name: str = "a", secret: str = "sk-secret", **options: Any) -> KeyConfig:
    return KeyConfig(name=name, sha256=hashlib.sha256(secret.encode()).hexdigest(), **options)


def nothing(name: str, since: str) -> float:
    return 0.0


class Log:
    """What the store says of spending: all that was put, and what other workers spent."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, float]] = []
        self.lossy = False

    def put(self, day: int, usd: float) -> None:
        if not self.lossy:
            self.rows.append((day, usd))

    def spend_of(self, name: str, since: str) -> float:
        start = datetime.fromisoformat(since or "1970-01-01").replace(tzinfo=UTC)
        return sum(usd for day, usd in self.rows if day >= day_of(start.timestamp()))


# Keys


def test_an_open_gateway_asks_for_nothing() -> None:
    accounts = Accounts((), nothing)
    assert accounts.identify({}) is None
    assert accounts.identify({"authorization": "Bearer whatever"}) is None
    accounts.admit(None, 1e9, 1e9, NOON).settle(1.0, 5)
    assert accounts.warning(None) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer sk-secret"},
        {"authorization": "bearer  sk-secret "},
        {"x-api-key": "sk-secret"},
        {"api-key": "sk-secret"},
        {"authorization": "Basic abc", "x-api-key": "sk-secret"},
    ],
)
def test_a_key_is_known_wherever_clients_put_it(headers: dict[str, str]) -> None:
    accounts = Accounts((key("a", "sk-other"), key("b")), nothing)
    found = accounts.identify(headers)
    assert found is not None
    assert found.name == "b"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer  "},
        {"authorization": "sk-secret"},
        {"authorization": "Bearer sk-secret2"},
        {"authorization": "Bearer " + hashlib.sha256(b"sk-secret").hexdigest()},
        {"x-api-key": "SK-SECRET"},
        {"api-key": "\udcff\xff"},
        {"x-api-key": ""},
    ],
)
def test_anything_else_is_a_401_that_repeats_no_key(headers: dict[str, str]) -> None:
    accounts = Accounts((key(),), nothing)
    with pytest.raises(Unauthorized) as refused:
        accounts.identify(headers)
    assert (refused.value.status, refused.value.code) == (401, "invalid_api_key")
    assert "sk-secret2" not in str(refused.value)
    assert "SK-SECRET" not in str(refused.value)


def test_every_key_is_compared_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(left: bytes, right: bytes) -> bool:
        compared.append((len(left), len(right)))
        return left == right

    monkeypatch.setattr("hmac.compare_digest", compare)
    accounts = Accounts(tuple(key(str(n), f"sk-{n}") for n in range(5)), nothing)
    accounts.identify({"x-api-key": "sk-0"})
    assert compared == [(32, 32)] * 5


# Periods


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        ("day", "2026-03-11", "2026-03-11", "2026-03-12"),
        ("week", "2026-03-11", "2026-03-09", "2026-03-16"),
        ("week", "2026-03-09", "2026-03-09", "2026-03-16"),
        ("week", "2026-03-15", "2026-03-09", "2026-03-16"),
        ("month", "2026-01-31", "2026-01-01", "2026-02-01"),
        ("month", "2024-02-29", "2024-02-01", "2024-03-01"),
        ("month", "2026-12-01", "2026-12-01", "2027-01-01"),
    ],
)
def test_periods_begin_and_end_in_utc(period: str, now: str, start: str, end: str) -> None:
    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    day = day_of(at(now).timestamp())
    assert period_start(period, day) == day_of(at(start).timestamp())
    assert period_end(period, day) == at(end)


def test_a_total_never_ends() -> None:
    assert period_start("total", day_of(NOON)) == 0
    assert period_end("total", day_of(NOON)) is None


# Budgets


def test_a_budget_stops_hard_and_says_until_when() -> None:
    account = key(budget_usd=1.0)
    accounts = Accounts((account,), nothing)
    accounts.admit(account, 0.6, 0, NOON).settle(0.7, 0)
    with pytest.raises(BudgetExceeded, match=r"\$0.7 of \$1.00 spent") as refused:
        accounts.admit(account, 0.4, 0, NOON)
    error = refused.value.document()["error"]
    assert (refused.value.status, error["code"]) == (429, "insufficient_quota")
    assert error["type"] == "insufficient_quota"
    assert "this month, until 2026-04-01 00:00 UTC" in error["message"]
    accounts.admit(account, 0.3, 0, NOON)  # an exact fit is a fit


def test_requests_at_the_same_time_cannot_overshoot_together() -> None:
    account = key(budget_usd=1.0)
    accounts = Accounts((account,), nothing)
    running = [accounts.admit(account, 0.3, 0, NOON) for _ in range(3)]
    with pytest.raises(BudgetExceeded, match="reserved for running requests"):
        accounts.admit(account, 0.3, 0, NOON)
    running[0].release()
    accounts.admit(account, 0.3, 0, NOON)


def test_a_spent_budget_lets_nothing_pass_not_even_what_is_free() -> None:
    spent, none = key("a", budget_usd=0.5), key("b", budget_usd=0)
    accounts = Accounts((spent, none), nothing)
    accounts.admit(spent, 0.1, 0, NOON).settle(0.5, 0)
    for one in (spent, none):
        with pytest.raises(BudgetExceeded):
            accounts.admit(one, 0, 0, NOON)


def test_a_new_period_begins_with_nothing_spent() -> None:
    account = key(budget_usd=1.0, period="day")
    accounts = Accounts((account,), nothing)
    late = accounts.admit(account, 0.9, 0, NOON)
    tomorrow = NOON + 86_400
    accounts.admit(account, 0.9, 0, tomorrow)  # yesterday's reservation is not today's
    late.settle(5.0, 0)
    assert accounts.used(account) == pytest.approx(0.9)


def test_a_reservation_ends_once() -> None:
    account = key(budget_usd=1.0)
    accounts = Accounts((account,), nothing)
    one = accounts.admit(account, 0.5, 0, NOON)
    one.settle(0.2, 0)
    one.settle(0.2, 0)
    one.release()
    assert accounts.used(account) == pytest.approx(0.2)


def test_a_warning_comes_at_its_share_and_is_plain_ascii() -> None:
    account = key(name="schlüssel", budget_usd=2.0, warn_at=0.5, period="week")
    accounts = Accounts((account,), nothing)
    accounts.admit(account, 0.9, 0, NOON).settle(0.9, 0)
    assert accounts.warning(account) is None
    accounts.admit(account, 0.1, 0, NOON)
    warning = accounts.warning(account)
    assert warning == "$1.00 of $2.00 used this week, until 2026-03-16 00:00 UTC"


def test_a_reload_keeps_what_runs_and_what_was_spent() -> None:
    account = key(budget_usd=1.0, requests_per_minute=3)
    before = Accounts((account,), nothing)
    running = before.admit(account, 0.4, 0, NOON)
    before.admit(account, 0.1, 0, NOON).settle(0.3, 0)
    changed = key(budget_usd=0.8, requests_per_minute=3)
    after = Accounts((changed, key("new", "sk-new")), nothing, before=before)
    assert after.used(changed) == pytest.approx(0.7)
    running.settle(0.1, 0)
    assert after.used(changed) == pytest.approx(0.4)
    after.admit(changed, 0.1, 0, NOON)
    with pytest.raises(RateLimited):
        after.admit(changed, 0.1, 0, NOON)


def test_a_log_that_loses_records_opens_no_budget() -> None:
    log = Log()
    log.put(day_of(NOON), 0.25)
    account = key(budget_usd=1)
    accounts = Accounts((account,), log.spend_of)
    log.lossy = True
    accounts.admit(account, 0.5, 0, NOON).settle(0.5, 0)
    log.put(day_of(NOON), 0.5)
    assert accounts.used(account) == pytest.approx(0.75)
    with pytest.raises(BudgetExceeded):
        accounts.admit(account, 0.5, 0, NOON)


amounts = st.integers(0, 400).map(lambda cents: cents / 100)
actions = st.one_of(
    st.tuples(st.just("ask"), amounts),
    st.tuples(st.just("settle"), amounts, st.integers(0, 9)),
    st.tuples(st.just("release"), st.integers(0, 9)),
    st.tuples(st.just("other"), amounts),
    st.tuples(st.just("wait"), st.integers(0, 3 * 86_400)),
)


@settings(max_examples=200, deadline=None)
@given(
    events=st.lists(actions, max_size=60),
    period=st.sampled_from(["day", "week", "month", "total"]),
    budget=st.integers(0, 1500).map(lambda cents: cents / 100),
)
def test_budgets_agree_with_a_ledger_of_every_event(
    events: list[tuple[Any, ...]], period: str, budget: float
) -> None:
    log, account, now = Log(), key(budget_usd=budget, period=period), NOON
    accounts = Accounts((account,), log.spend_of)
    running: list[tuple[Reservation, int, float]] = []
    spent: list[tuple[int, float]] = []
    for event, *rest in events:
        start = period_start(period, day_of(now))
        used = sum(u for day, u in spent if day >= start)
        used += sum(u for _, day, u in running if day >= start)
        if event == "ask":
            fits = used < budget - 1e-6 and used + rest[0] <= budget + 1e-6
            try:
                one = accounts.admit(account, rest[0], 0, now)
            except BudgetExceeded:
                assert not fits
            else:
                assert fits
                running.append((one, day_of(now), rest[0]))
                assert accounts.used(account) == pytest.approx(used + rest[0])
        elif event == "settle" and running:
            one, day, _ = running.pop(rest[1] % len(running))
            one.settle(rest[0], 0)
            log.put(day, rest[0])
            spent.append((day, rest[0]))
        elif event == "release" and running:
            running.pop(rest[0] % len(running))[0].release()
        elif event == "other":
            log.put(day_of(now), rest[0])
            spent.append((day_of(now), rest[0]))
        elif event == "wait":
            now += rest[0]


# Requests and tokens per minute


@settings(max_examples=200, deadline=None)
@given(
    gaps=st.lists(st.floats(0, 40), max_size=60),
    limit=st.integers(1, 8),
)
def test_no_minute_has_more_requests_than_the_limit_and_none_is_refused_without_need(
    gaps: list[float], limit: int
) -> None:
    account = key(requests_per_minute=limit)
    accounts = Accounts((account,), nothing)
    now, admitted = NOON, []
    for gap in gaps:
        now += gap
        try:
            accounts.admit(account, 0, 0, now).release()
        except RateLimited as refused:
            wait = refused.retry_after
            assert sum(now - at < 62 for at in admitted) >= limit
            assert wait is not None and 0 < wait <= 61  # noqa: PT018
            deepcopy(accounts).admit(account, 0, 0, now + wait)  # it passes when it was told to
        else:
            admitted.append(now)
    for at in admitted:
        assert sum(at <= other < at + 60 for other in admitted) <= limit


@settings(max_examples=200, deadline=None)
@given(
    asked=st.lists(
        st.tuples(st.floats(0, 30), st.integers(0, 60), st.integers(0, 120), st.integers(0, 3)),
        max_size=40,
    )
)
def test_tokens_count_as_estimated_and_then_as_they_were(
    asked: list[tuple[float, int, int, int]],
) -> None:
    limit = 100
    account = key(tokens_per_minute=limit)
    accounts = Accounts((account,), nothing)
    now = NOON
    counted: list[list[float]] = []  # second, tokens
    running: list[tuple[Reservation, list[float], int]] = []
    for gap, estimate, real, finish in asked:
        now += gap
        for _ in range(min(finish, len(running))):
            one, entry, tokens = running.pop(0)
            one.settle(0, tokens)
            entry[1] = tokens
        used = sum(tokens for second, tokens in counted if int(now) - second < 61)
        try:
            one = accounts.admit(account, 0, estimate, now)
        except RateLimited as refused:
            kind = refused.kind
            assert (kind, used + estimate > limit) == ("tokens", True)
        else:
            assert used + estimate <= limit
            entry = [int(now), estimate]
            counted.append(entry)
            running.append((one, entry, real))


def test_what_can_never_pass_is_told_so_without_a_time() -> None:
    account = key(tokens_per_minute=100)
    with pytest.raises(RateLimited, match="needs about 101 tokens") as refused:
        Accounts((account,), nothing).admit(account, 0, 101, NOON)
    assert refused.value.retry_after is None
    assert refused.value.code == "rate_limit_exceeded"


def test_a_refused_request_counts_for_nothing() -> None:
    account = key(requests_per_minute=1, tokens_per_minute=10, budget_usd=1.0)
    accounts = Accounts((account,), nothing)
    for _ in range(3):
        with pytest.raises(RateLimited):
            accounts.admit(account, 0.1, 50, NOON)
    with pytest.raises(BudgetExceeded):
        accounts.admit(account, 2.0, 1, NOON)
    assert accounts.used(account) == 0
    accounts.admit(account, 0.1, 10, NOON)


def test_workers_share_a_limit_rounded_up() -> None:
    account = key(requests_per_minute=5)
    accounts = Accounts((account,), nothing, workers=2)
    for _ in range(3):
        accounts.admit(account, 0, 0, NOON)
    with pytest.raises(RateLimited):
        accounts.admit(account, 0, 0, NOON)


def test_a_clock_that_is_set_back_frees_nothing() -> None:
    account = key(requests_per_minute=1, budget_usd=1.0, period="day")
    accounts = Accounts((account,), nothing)
    accounts.admit(account, 0.9, 0, NOON).settle(0.9, 0)
    earlier = NOON - timedelta(days=1).total_seconds()
    with pytest.raises(BudgetExceeded):
        accounts.admit(account, 0.2, 0, earlier)
    with pytest.raises(RateLimited):
        accounts.admit(account, 0.05, 0, earlier)
