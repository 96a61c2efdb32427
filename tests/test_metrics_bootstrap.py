"""The bootstrap: its means, its pairing and its coverage."""

from __future__ import annotations

import time

import numpy as np
import pytest

from onehead import metrics
from onehead.errors import UsageError


def test_means_are_those_of_resampled_rows():
    values = np.array([[0.0, 10.0], [1.0, 10.0], [2.0, 10.0]])
    means = metrics.resampled_means(values, samples=500, seed=0)
    assert means.shape == (500, 2)
    assert means[:, 1] == pytest.approx(10.0)
    assert set((means[:, 0] * 3).round(6)) <= set(range(7))
    assert means[:, 0].mean() == pytest.approx(1.0, abs=0.1)
    # Variance of a mean of three: (2/3) / 3.
    assert means[:, 0].var() == pytest.approx(2 / 9, rel=0.2)


def test_the_same_seed_draws_the_same_prompts_however_they_are_blocked(monkeypatch):
    values = np.random.default_rng(0).random((50, 3))
    plain = metrics.resampled_means(values, samples=40, seed=7)
    monkeypatch.setattr("onehead.metrics.bootstrap._BLOCK_CELLS", 120)
    assert metrics.resampled_means(values, samples=40, seed=7) == pytest.approx(plain)
    assert not np.allclose(metrics.resampled_means(values, samples=40, seed=8), plain)


def test_pairing_removes_what_two_routers_share():
    rng = np.random.default_rng(1)
    hard = rng.random((400, 1))
    both = np.hstack([hard + 0.01, hard])
    gap = metrics.paired_bootstrap(lambda row: float(row[0] - row[1]), both, 200, seed=0)
    low, high = metrics.interval(gap)
    assert low == pytest.approx(0.01)
    assert high == pytest.approx(0.01)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        values = (rng.random((120, 1)) < 0.7).astype(float)
        draws = metrics.paired_bootstrap(lambda row: float(row[0]), values, 300, seed=0)
        low, high = metrics.interval(draws)
        covered += low <= 0.7 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_what_is_never_reached_has_an_open_end():
    draws = metrics.paired_bootstrap(
        lambda row: None if row[0] < 0.5 else float(row[0]), np.eye(2)[:, :1], 400, seed=0
    )
    assert np.isinf(draws).any()
    low, high = metrics.interval(draws)
    assert low == 0.5
    assert high is None
    assert metrics.interval(np.full(3, np.inf)) == (None, None)


def test_no_prompts_or_samples_is_an_error():
    with pytest.raises(UsageError, match="bootstrap needs"):
        metrics.resampled_means(np.zeros((0, 1)), 10, 0)
    with pytest.raises(UsageError, match="bootstrap needs"):
        metrics.resampled_means(np.zeros((3, 1)), 0, 0)


def test_a_thousand_resamples_of_an_evaluation_are_quick():
    values = np.random.default_rng(3).random((2000, 266))
    start = time.perf_counter()
    metrics.resampled_means(values, 1000, 0)
    assert time.perf_counter() - start < 10
