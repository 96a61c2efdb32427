"""Measures of the estimates against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehead import metrics

TENTHS = st.integers(0, 10).map(lambda k: k / 10)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(TENTHS, st.booleans()), min_size=1, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(cells):
    estimate = np.array([e for e, _ in cells])
    outcome = np.array([float(o) for _, o in cells])
    pairs = [
        1.0 if high > low else 0.5 if high == low else 0.0
        for high in estimate[outcome == 1]
        for low in estimate[outcome == 0]
    ]
    found = metrics.auc(estimate, outcome)
    if pairs:
        assert found == pytest.approx(np.mean(pairs))
    else:
        assert found is None


def test_auc_counts_a_fraction_as_that_much_of_a_success():
    # 0.75 of a success is three successes and one failure on the same estimate.
    whole = metrics.auc(np.array([0.2, 0.8, 0.8, 0.8, 0.8]), np.array([0, 1, 1, 1, 0.0]))
    weighted = metrics.auc(np.array([[0.2], [0.8]]), np.array([[0.0], [0.75]]))
    assert weighted == pytest.approx((0.75 + 0.75 * 0.25 / 2) / (0.75 * 1.25))
    assert whole is not None


def test_brier_by_hand():
    assert metrics.brier(np.array([0.5, 1.0]), np.array([1.0, 1.0])) == pytest.approx(0.125)


def test_ece_by_hand():
    estimate = np.array([0.02, 0.04, 0.9, 1.0])
    outcome = np.array([0.0, 1.0, 1.0, 1.0])
    # Fifteen bins: {0.02, 0.04} off by 0.47, {0.9} off by 0.1, {1.0} off by 0.
    assert metrics.ece(estimate, outcome) == pytest.approx((2 * 0.47 + 0.1) / 4)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 40))
def test_reliability_keeps_every_cell(seed, bins):
    rng = np.random.default_rng(seed)
    estimate = rng.random((7, 5)).round(2)
    outcome = rng.random((7, 5))
    found = metrics.reliability(estimate, outcome, bins)
    assert found.count.sum() == 35
    full = found.count > 0
    assert np.isnan(found.estimate[~full]).all()
    for values, cells in ((found.estimate, estimate), (found.outcome, outcome)):
        assert values[full] @ found.count[full] == pytest.approx(cells.sum())
    middle = (np.arange(bins) + 0.5) / bins
    assert (np.abs(found.estimate[full] - middle[full]) <= 0.5 / bins + 1e-9).all()


def test_a_perfectly_calibrated_estimate_has_no_error():
    estimate = np.repeat([0.1, 0.5, 0.9], 10)
    outcome = np.concatenate([np.arange(10) < k for k in (1, 5, 9)]).astype(float)
    assert metrics.ece(estimate, outcome) == pytest.approx(0.0)


def test_log_rmse_leaves_free_calls_out():
    estimate, true = np.array([1.0, np.e, 5.0, 0.0]), np.array([np.e, 1.0, 0.0, 5.0])
    assert metrics.log_rmse(estimate, true) == pytest.approx(1.0)
    assert metrics.log_rmse(np.zeros(2), np.ones(2)) is None


def test_spearman_with_ties():
    # Ranks 1, 2.5, 2.5, 4 against 1, 3, 2, 4; Pearson's r of these ranks.
    a, b = np.array([1.0, 2.0, 2.0, 9.0]), np.array([1.0, 30.0, 20.0, 40.0])
    assert metrics.spearman(a, b) == pytest.approx(0.9486832980505138)
    assert metrics.spearman(a, -b) == pytest.approx(-0.9486832980505138)
    assert metrics.spearman(a, np.ones(4)) is None
    assert metrics.mean_ranks(a).tolist() == [1.0, 2.5, 2.5, 4.0]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(TENTHS, TENTHS), min_size=2, max_size=30))
def test_spearman_only_sees_the_order(cells):
    a, b = np.array(cells).T
    plain, bent = metrics.spearman(a, b), metrics.spearman(np.exp(9 * a), b**3)
    assert plain == pytest.approx(bent)
    assert plain is None or -1 <= plain <= 1
