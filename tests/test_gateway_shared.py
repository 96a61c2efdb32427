"""Workers that share a key's limits: never more together than one alone would have."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gateway_accounts import NOON, key, nothing

from onehead.gateway.accounts import Accounts, BudgetExceeded, RateLimited
from onehead.gateway.place import FOLDER, WORKER, Place, place_of_environment
from onehead.gateway.rates import Minute
from onehead.gateway.shared import SharedKey

if TYPE_CHECKING:
    from pathlib import Path

    from onehead.config import KeyConfig


@pytest.fixture
def enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Accounts as the worker of a number would have them."""

    def entering(worker: int, *keys: KeyConfig, before: Accounts | None = None) -> Accounts:
        monkeypatch.setenv(FOLDER, str(tmp_path))
        monkeypatch.setenv(WORKER, f"{worker}/3")
        return Accounts(keys, nothing, workers=3, before=before)

    return entering


def test_there_is_no_place_without_a_supervisor(tmp_path: Path) -> None:
    assert place_of_environment({}) is None
    assert place_of_environment({WORKER: "1/2"}) is None
    assert place_of_environment({FOLDER: str(tmp_path), WORKER: "1/2"}) == Place(tmp_path, 1, 2)


def test_a_client_of_one_worker_has_the_whole_limit_and_of_all_no_more(enter: Any) -> None:
    account = key(requests_per_minute=4)
    one, two = enter(0, account), enter(1, account)
    for accounts in (one, one, one, two):
        accounts.admit(account, 0, 0, NOON)
    for accounts in (one, two):
        with pytest.raises(RateLimited) as refused:
            accounts.admit(account, 0, 0, NOON + 1)
        assert refused.value.retry_after == 60
    one.admit(account, 0, 0, NOON + 61)


def test_tokens_are_corrected_where_they_were_counted(enter: Any) -> None:
    account = key(tokens_per_minute=100)
    one, two = enter(0, account), enter(1, account)
    running = one.admit(account, 0, 80, NOON)
    with pytest.raises(RateLimited):
        two.admit(account, 0, 30, NOON)
    running.settle(0, 20)
    two.admit(account, 0, 80, NOON)


def test_what_runs_elsewhere_counts_against_the_budget(enter: Any) -> None:
    account = key(budget_usd=1.0)
    one, two = enter(0, account), enter(1, account)
    running = one.admit(account, 0.7, 0, NOON)
    with pytest.raises(BudgetExceeded, match="reserved for running requests"):
        two.admit(account, 0.4, 0, NOON)
    running.release()
    two.admit(account, 0.4, 0, NOON)


def test_a_reload_keeps_what_runs_and_new_limits_are_shared_too(enter: Any) -> None:
    account = key(budget_usd=1.0, requests_per_minute=2)
    one, two = enter(0, account), enter(1, account)
    running = one.admit(account, 0.7, 0, NOON)
    one = enter(0, account, before=one)
    with pytest.raises(BudgetExceeded):
        two.admit(account, 0.4, 0, NOON)
    running.settle(0.1, 0)
    two.admit(account, 0.4, 0, NOON)
    with pytest.raises(RateLimited):
        one.admit(account, 0.1, 0, NOON)
    free = enter(0, key(), before=enter(0, key()))
    later = enter(0, account, before=free)
    with pytest.raises(RateLimited):
        later.admit(account, 0.1, 0, NOON)


def test_a_worker_that_died_holds_nothing_but_its_minute_counts_on(enter: Any) -> None:
    account = key(budget_usd=1.0, requests_per_minute=2)
    enter(0, account).admit(account, 0.9, 0, NOON)
    again, other = enter(0, account), enter(1, account)
    other.admit(account, 0.9, 0, NOON)
    with pytest.raises(RateLimited):
        again.admit(account, 0.05, 0, NOON)


@settings(max_examples=100, deadline=None)
@given(
    counted=st.lists(
        st.tuples(st.floats(0, 20), st.integers(0, 2), st.integers(0, 5)), max_size=60
    ),
    limit=st.integers(1, 30),
)
def test_a_shared_minute_is_one_minute(
    tmp_path_factory: pytest.TempPathFactory,
    counted: list[tuple[float, int, int]],
    limit: int,
) -> None:
    folder = tmp_path_factory.mktemp("shared")
    workers = [SharedKey(Place(folder, number, 3), "a").requests for number in range(3)]
    alone, now = Minute(), NOON
    for gap, worker, amount in counted:
        now += gap
        workers[worker].add(now, amount)
        alone.add(now, amount)
        for one in workers:
            assert one.total(now) == alone.total(now)
            assert one.wait(now, 1, limit) == pytest.approx(alone.wait(now, 1, limit))


def hammer(folder: Path, worker: int, admitted: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER, str(folder))
        patch.setenv(WORKER, f"{worker}/4")
        account = key(requests_per_minute=500)
        accounts = Accounts((account,), nothing, workers=4)
        count = 0
        for _ in range(1000):
            try:
                accounts.admit(account, 0, 0, NOON)
                count += 1
            except RateLimited:
                pass
        admitted.put(count)


def test_processes_that_ask_at_once_get_exactly_the_limit(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    admitted = context.Queue()
    processes = [
        context.Process(target=hammer, args=(tmp_path, number, admitted)) for number in range(4)
    ]
    for process in processes:
        process.start()
    counts = [admitted.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    assert sum(counts) == 500
