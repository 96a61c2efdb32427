"""Hull and AIQs against brute force and against examples computed by hand."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehead import metrics
from onehead.errors import UsageError

POINTS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12)).map(lambda p: (p[0] / 4, p[1] / 12)),
    min_size=1,
    max_size=12,
)


def split(points):
    return np.array([c for c, _ in points]), np.array([q for _, q in points])


def best_mix(points, budget):
    """Best mean quality of any mix of two points that costs at most `budget`, by trying all."""
    best = -np.inf
    for c1, q1 in points:
        for c2, q2 in points:
            if c1 <= budget:
                best = max(best, q1)
                if c2 > budget:
                    share = (budget - c1) / (c2 - c1)
                    best = max(best, q1 + share * (q2 - q1))
    return best


@settings(deadline=None, max_examples=200)
@given(POINTS)
def test_the_hull_is_the_best_mix_at_every_budget(points):
    cost, quality = metrics.concave_hull(*split(points))
    assert (np.diff(cost) > 0).all()
    assert (np.diff(quality) > 0).all()
    assert set(zip(cost, quality, strict=True)) <= set(points)
    for budget in np.linspace(cost[0], 3.5, 29):
        assert np.interp(budget, cost, quality) == pytest.approx(best_mix(points, budget))


@settings(deadline=None, max_examples=100)
@given(POINTS, st.randoms(), st.sampled_from([0.1, 3.0, 1e6]))
def test_the_hull_ignores_order_dominated_points_and_the_unit_of_cost(points, random, factor):
    plain = metrics.concave_hull(*split(points))
    worse = [(c + 1, q / 2) for c, q in points]
    mixed = points + worse
    random.shuffle(mixed)
    other = metrics.concave_hull(*split([(c * factor, q) for c, q in mixed]))
    at = np.linspace(plain[0][0], 5, 20)
    assert np.interp(at, other[0] / factor, other[1]) == pytest.approx(np.interp(at, *plain))


def test_the_hull_of_many_points_is_fast():
    rng = np.random.default_rng(0)
    cost = rng.random(100_000)
    start = time.perf_counter()
    metrics.concave_hull(cost, np.sqrt(cost))
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    ("cost", "quality"),
    [([], []), ([1.0], []), ([np.nan], [0.5]), ([1.0], [np.inf])],
)
def test_no_curve_no_hull(cost, quality):
    with pytest.raises(UsageError, match="a curve needs"):
        metrics.concave_hull(np.array(cost), np.array(quality))


def test_aiq_by_hand():
    cost, quality = np.array([1.0, 3.0]), np.array([0.4, 0.8])
    assert metrics.aiq(cost, quality, 1.0, 3.0) == pytest.approx(0.6)
    # Flat beyond the last point: half the span at a mean of 0.6, half at 0.8.
    assert metrics.aiq(cost, quality, 1.0, 5.0) == pytest.approx(0.7)
    # A point dearer than c_max counts up to c_max.
    assert metrics.aiq(cost, quality, 1.0, 2.0) == pytest.approx(0.5)
    # A point cheaper than c_min lifts the start.
    both = np.array([0.0, 1.0, 3.0]), np.array([0.6, 0.4, 0.8])
    assert metrics.aiq(*both, 1.0, 3.0) == pytest.approx(((0.6 + 0.2 / 3) + 0.8) / 2)


def test_aiq_of_one_cost_is_the_height_there():
    cost, quality = np.array([1.0, 1.0]), np.array([0.4, 0.8])
    assert metrics.aiq(cost, quality, 1.0, 1.0) == 0.8
    assert metrics.aiq(np.zeros(1), np.array([0.3]), 0.0, 0.0) == 0.3


def test_aiq_needs_the_cheapest_model():
    with pytest.raises(UsageError, match="add the cheapest single model"):
        metrics.aiq(np.array([2.0]), np.array([0.5]), 1.0, 3.0)


@settings(deadline=None, max_examples=100)
@given(POINTS, st.floats(1e-3, 1e3))
def test_aiq_does_not_depend_on_the_unit_of_cost(points, factor):
    cost, quality = split([(0.0, 0.1), *points])
    plain = metrics.aiq(cost, quality, 0.0, 2.5)
    assert metrics.aiq(cost * factor, quality, 0.0, 2.5 * factor) == pytest.approx(plain)
    assert 0 <= plain <= 1


def upstream_again(routers):
    """RouterBench's AIQ from its description, by brute force over all mixes of two points."""
    peaks = {}
    for name, points in routers.items():
        top = max(q for _, q in points)
        peaks[name] = min(c for c, q in points if q == top)
    c_max = max(peaks.values())
    found = {}
    for name, points in routers.items():
        knots = sorted({c for c, _ in points if c <= c_max} | {c_max})
        heights = [best_mix(points, x) for x in knots]
        pairs = zip(knots, knots[1:], heights, heights[1:], strict=False)
        found[name] = sum((b - a) * (p + q) / 2 for a, b, p, q in pairs) / c_max
    return found


@settings(deadline=None, max_examples=100)
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(1, 12), st.integers(0, 12)).map(
                lambda p: (p[0] * 50.0, p[1] / 12)
            ),
            min_size=3,
            max_size=8,
            unique_by=lambda p: p[0],
        ),
        min_size=1,
        max_size=3,
    )
)
def test_upstream_aiq_is_its_description(pools):
    routers = {f"r{k}": points for k, points in enumerate(pools)}
    found = metrics.aiq_upstream({name: split(points) for name, points in routers.items()})
    assert found == pytest.approx(upstream_again(routers))


def test_upstream_aiq_by_hand():
    a = np.array([10.0, 20.0, 40.0]), np.array([0.4, 0.6, 0.8])
    b = np.array([20.0, 50.0, 80.0]), np.array([0.5, 0.5, 0.9])
    found = metrics.aiq_upstream({"a": a, "b": b})
    # c_max is b's peak at 80; a starts at 10 and is flat from 40 on; b is a line from 20.
    assert found["a"] == pytest.approx((10 * 0.5 + 20 * 0.7 + 40 * 0.8) / 80)
    assert found["b"] == pytest.approx(60 * 0.7 / 80)


def test_upstream_aiq_fails_below_three_costs():
    with pytest.raises(UsageError, match="'a' is undefined: it needs three distinct costs"):
        metrics.aiq_upstream({"a": (np.array([1.0, 1.0, 2.0]), np.array([0.1, 0.2, 0.3]))})


def test_cost_to_match():
    cost, quality = np.array([1.0, 3.0, 9.0]), np.array([0.4, 0.8, 0.8])
    assert metrics.cost_to_match(cost, quality, 0.6, 4.0) == pytest.approx(0.5)
    assert metrics.cost_to_match(cost, quality, 0.8, 4.0) == pytest.approx(0.75)
    assert metrics.cost_to_match(cost, quality, 0.2, 4.0) == pytest.approx(0.25)
    assert metrics.cost_to_match(cost, quality, 0.81, 4.0) is None
    assert metrics.cost_to_match(cost, quality, 0.6, 0.0) is None
    assert metrics.cost_to_match(np.zeros(1), np.ones(1), 0.6, 0.0) == 1.0


def test_regret_is_what_the_choice_missed():
    rewards = np.array([[0.2, 0.9], [0.5, 0.1], [0.3, 0.3]])
    assert metrics.regret(rewards, np.array([0, 0, 1])) == pytest.approx(0.7 / 3)
    assert metrics.regret(rewards, rewards.argmax(axis=1)) == 0


def test_lambda_sensitivity_of_a_step_and_of_a_slope():
    grid = np.geomspace(1e-4, 1.0, 81)
    step = (grid > 1.1e-2).astype(float)
    found = metrics.lambda_sensitivity(grid, step * 4, step, 1.0, 3.0)
    assert found["quality_max"] == 1.0
    assert found["cost_max"] == 2.0
    # 20 of the 61 windows of one decade hold the step.
    assert found["quality_mean"] == pytest.approx(20 / 61, abs=1e-6)
    slope = np.log10(grid) / 10 + 0.5
    found = metrics.lambda_sensitivity(grid, slope, slope, 0.0, 0.0 + 1.0)
    assert found == pytest.approx(dict.fromkeys(found, 0.1))


@settings(deadline=None, max_examples=30)
@given(st.integers(30, 300))
def test_lambda_sensitivity_hardly_depends_on_the_grid(points):
    grid = np.geomspace(1e-4, 10.0, points)
    quality = 1 / (1 + np.exp(-np.log(grid / 0.01)))
    found = metrics.lambda_sensitivity(grid, quality, quality, 0.0, 1.0)
    # The steepest decade is the one around 0.01.
    root = np.sqrt(10)
    assert found["quality_max"] == pytest.approx(root / (1 + root) - 1 / (1 + root), abs=0.01)


def test_lambda_sensitivity_needs_a_decade():
    with pytest.raises(UsageError, match="one decade"):
        metrics.lambda_sensitivity(np.array([1.0, 9.0]), np.zeros(2), np.zeros(2), 0.0, 1.0)
