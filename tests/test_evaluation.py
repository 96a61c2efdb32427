"""Evaluation on small generated tables: controls, invariances, degenerate cases, intervals."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehead import metrics
from onehead.errors import DataError, UsageError
from onehead.evaluation import TaskMeans, compare, evaluate, evaluate_block
from onehead.outcomes import OutcomeTable
from onehead.predictors import Estimates

CONTRACT = {
    "n_prompts",
    "n_models",
    "reward",
    "aiq",
    "aiq_upstream",
    "max_quality",
    "cost_to_match_best",
    "lambda_sensitivity",
    "quality",
    "cost",
    "controls",
    "by_task",
    "curve",
    "aiq_ci",
    "max_quality_ci",
    "cost_to_match_best_ci",
    "aiq_minus_zero_router_ci",
}
CONTROLS = {
    "cheapest",
    "best_single",
    "zero_router",
    "random",
    "shuffled",
    "true_task_label",
    "oracle",
}


def make_table(quality, cost, tasks=None, models=None):
    quality, cost = np.array(quality, dtype=float), np.array(cost, dtype=float)
    n, m = quality.shape
    return OutcomeTable(
        prompt_ids=tuple(f"p{i}" for i in range(n)),
        prompts=tuple(f"prompt {i}" for i in range(n)),
        tasks=tuple(tasks or ("task",) * n),
        models=tuple(models or (f"m{j}" for j in range(m))),
        quality=quality,
        cost_usd=cost,
        input_tokens=np.full((n, m), np.nan),
        output_tokens=np.full((n, m), np.nan),
    )


def generated(n=200, seed=0, fractional=False):
    """Four models; the dear ones are better, and each is good at its own task."""
    rng = np.random.default_rng(seed)
    task = rng.integers(4, size=n)
    chance = np.array([0.3, 0.45, 0.6, 0.7]) + 0.3 * (task[:, None] == np.arange(4))
    cost = np.array([1e-4, 3e-4, 1e-3, 5e-3]) * np.exp(rng.normal(0, 0.4, (n, 4)))
    draw = rng.random((n, 4))
    quality = np.clip(chance + draw - 0.5, 0, 1) if fractional else (draw < chance).astype(float)
    table = make_table(quality, cost, [f"t{k}" for k in task])
    estimate = np.clip(chance + rng.normal(0, 0.05, (n, 4)), 0.01, 1)
    guess = cost * np.exp(rng.normal(0, 0.2, (n, 4)))
    return estimates_of(estimate, guess), table


def estimates_of(quality, cost):
    quality = np.array(quality, dtype=float)
    return Estimates(quality, np.array(cost, dtype=float), np.ones(len(quality)))


@pytest.mark.parametrize("fractional", [False, True])
@pytest.mark.parametrize("reward", ["linear", "exponential"])
def test_the_json_is_the_contract(fractional, reward):
    estimates, table = generated(fractional=fractional)
    found = evaluate(
        estimates, table, reward=reward, bootstrap=60, presets={"cheap": 1e-3}
    ).to_json()
    assert set(found) >= CONTRACT
    assert set(found["controls"]) == CONTROLS
    assert all({"aiq", "max_quality"} <= set(control) for control in found["controls"].values())
    assert set(found["lambda_sensitivity"]) == {
        "quality_max",
        "quality_mean",
        "cost_max",
        "cost_mean",
    }
    assert {"brier", "ece", "auc"} <= set(found["quality"])
    assert {"log_rmse", "spearman"} <= set(found["cost"])
    assert {"willingness_to_pay", "cost_usd", "quality"} <= set(found["curve"][0])
    assert set(found["by_task"]) == {"t0", "t1", "t2", "t3"}
    assert found["presets"]["cheap"]["willingness_to_pay"] == 1e-3
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["reward"] == reward


def test_the_controls_stand_in_their_order():
    estimates, table = generated(400)
    evaluation = evaluate(estimates, table, bootstrap=0)
    scores = {name: control.score for name, control in evaluation.controls.items()}
    aiq = {name: score.aiq for name, score in scores.items()}
    assert aiq["cheapest"] < aiq["best_single"] <= aiq["zero_router"]
    assert aiq["shuffled"] <= aiq["zero_router"] + 1e-12
    assert aiq["zero_router"] < evaluation.aiq < aiq["oracle"]
    assert aiq["zero_router"] < aiq["true_task_label"] < aiq["oracle"]
    assert scores["cheapest"].cost_to_match_best is None
    assert scores["best_single"].cost_to_match_best == 1.0
    assert scores["oracle"].max_quality == pytest.approx(table.quality.max(axis=1).mean())
    singles = table.quality.mean(axis=0)
    assert scores["cheapest"].aiq == scores["cheapest"].max_quality == pytest.approx(singles[0])
    assert scores["best_single"].max_quality == pytest.approx(singles.max())


def test_shuffled_is_the_mean_over_shuffles():
    estimates, table = generated(150)
    evaluation = evaluate(estimates, table, bootstrap=0)
    row = len(evaluation.sweep.picks) // 2
    picks = evaluation.sweep.picks[row]
    rng = np.random.default_rng(0)
    draws = [table.quality[np.arange(150), rng.permutation(picks)].mean() for _ in range(3000)]
    assert evaluation.controls["shuffled"].quality[row] == pytest.approx(np.mean(draws), abs=0.003)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(["linear", "exponential"]))
def test_no_router_beats_the_oracle(seed, reward):
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 40)), int(rng.integers(1, 6))
    quality = rng.integers(0, 4, (n, m)) / 3
    cost = rng.lognormal(-6, 1.5, (n, m))
    table = make_table(quality, cost)
    near = np.clip(quality + rng.normal(0, 0.2, (n, m)), 0, 1)
    evaluation = evaluate(estimates_of(near, cost), table, reward=reward, bootstrap=0)
    oracle = evaluation.controls["oracle"].score
    assert evaluation.aiq <= oracle.aiq + 2e-3  # the oracle's curve is a grid of λ too
    assert evaluation.max_quality <= oracle.max_quality + 1e-12
    known = evaluate(estimates_of(quality, cost), table, reward="linear", bootstrap=0)
    assert known.aiq == pytest.approx(oracle.aiq)


def test_a_router_that_knows_only_the_means_is_no_better_than_its_shuffle():
    _, table = generated()
    means = [np.tile(values.mean(axis=0), (200, 1)) for values in (table.quality, table.cost_usd)]
    evaluation = evaluate(estimates_of(*means), table, bootstrap=0)
    assert evaluation.aiq == pytest.approx(evaluation.controls["shuffled"].score.aiq)
    assert evaluation.margin("zero_router") <= 1e-12


@pytest.mark.parametrize("reward", ["linear", "exponential"])
def test_the_unit_of_cost_does_not_matter(reward):
    estimates, table = generated()
    plain = evaluate(estimates, table, reward=reward, bootstrap=40).to_json()
    scaled = evaluate(
        estimates_of(estimates.quality, estimates.cost_usd * 1024),
        make_table(table.quality, table.cost_usd * 1024, table.tasks),
        reward=reward,
        bootstrap=40,
    ).to_json()
    for name in ("aiq", "aiq_upstream", "cost_to_match_best", "aiq_ci", "lambda_sensitivity"):
        assert scaled[name] == pytest.approx(plain[name]), name
    assert scaled["controls"]["oracle"]["aiq"] == pytest.approx(plain["controls"]["oracle"]["aiq"])


def test_the_order_of_models_does_not_matter():
    estimates, table = generated()
    order = [2, 0, 3, 1]
    other = evaluate(
        estimates.only(order), table.only([table.models[j] for j in order]), bootstrap=0
    )
    plain = evaluate(estimates, table, bootstrap=0)
    assert other.aiq == pytest.approx(plain.aiq)
    assert other.cost_to_match_best == pytest.approx(plain.cost_to_match_best)
    for name, control in plain.controls.items():
        assert other.controls[name].score.aiq == pytest.approx(control.score.aiq), name


def test_a_dominated_model_changes_nothing():
    estimates, table = generated()
    worse = make_table(
        np.hstack([table.quality, table.quality[:, [1]] * 0.5]),
        np.hstack([table.cost_usd, table.cost_usd[:, [1]] * 1.5]),
        table.tasks,
    )
    guess = estimates_of(
        np.hstack([estimates.quality, estimates.quality[:, [1]] * 0.5]),
        np.hstack([estimates.cost_usd, estimates.cost_usd[:, [1]] * 1.5]),
    )
    plain = evaluate(estimates, table, bootstrap=0)
    more = evaluate(guess, worse, bootstrap=0)
    assert more.aiq == pytest.approx(plain.aiq, abs=1e-3)
    assert more.choice_share[:, 4].max() == 0


@pytest.mark.parametrize(
    ("quality", "cost"),
    [
        ([[1.0]], [[0.01]]),
        ([[0.0]], [[0.0]]),
        ([[0.3, 0.6]], [[0.01, 0.02]]),
        ([[0.0], [1.0], [0.5]], [[0.01], [0.02], [0.01]]),
        ([[0.0, 1.0], [1.0, 0.0]], [[0.01, 0.01], [0.01, 0.01]]),
        ([[0.0, 0.0], [0.0, 0.0]], [[0.01, 0.02], [0.01, 0.02]]),
        ([[1.0, 1.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]),
        ([[0.2, 0.9], [0.4, 0.7]], [[0.0, 0.1], [0.0, 0.3]]),
        ([[0.2, 0.9], [0.4, 0.7]], [[0.1, 0.0], [0.3, 0.0]]),
    ],
)
@pytest.mark.parametrize("reward", ["linear", "exponential"])
@pytest.mark.parametrize("flat", [False, True])
def test_degenerate_tables_have_figures_or_null(quality, cost, reward, flat):
    table = make_table(quality, cost)
    shape = table.quality.shape
    guess = (np.full(shape, 0.5), np.full(shape, 0.01)) if flat else (quality, cost)
    found = evaluate(estimates_of(*guess), table, reward=reward, bootstrap=20).to_json()
    json.dumps(found, allow_nan=False)
    assert 0 <= found["aiq"] <= 1
    assert 0 <= found["controls"]["oracle"]["aiq"] <= 1
    assert len(found["curve"]) > 10
    if table.n_models < 3:
        assert found["controls"]["zero_router"]["aiq_upstream"] is None
        assert "fewer than three distinct costs" in found["notes"][0]


def test_a_table_with_gaps_is_refused_and_its_block_scored():
    estimates, table = generated(50)
    quality = table.quality.copy()
    quality[:3, 1] = np.nan
    cost = table.cost_usd.copy()
    cost[:, 3] = np.nan
    gappy = make_table(quality, cost, table.tasks)
    with pytest.raises(DataError, match="misses 53 outcomes, first that of 'm1' on prompt 'p0'"):
        evaluate(estimates, gappy)
    found = evaluate_block(estimates, gappy, bootstrap=0)
    assert found.left_out.models == ("m3",)
    assert found.left_out.n_prompts == 3
    assert found.prompt_ids == table.prompt_ids[3:]
    rest = np.arange(3, 50)
    direct = evaluate(
        estimates.take(rest).only([0, 1, 2]), gappy.take(rest).only(["m0", "m1", "m2"]), bootstrap=0
    )
    assert found.aiq == direct.aiq
    assert found.to_json()["left_out"] == {"models": ["m3"], "n_prompts": 3}


def test_estimates_that_do_not_fit_are_refused():
    estimates, table = generated(20)
    with pytest.raises(UsageError, match="do not fit a table of 20 prompts × 4 models"):
        evaluate(estimates.take(slice(0, 5)), table)
    with pytest.raises(UsageError, match="NaN"):
        evaluate(estimates_of(estimates.quality * math.nan, estimates.cost_usd), table)
    with pytest.raises(UsageError, match="quality in \\[0, 1\\]"):
        evaluate(estimates_of(estimates.quality * 2, estimates.cost_usd), table)
    with pytest.raises(UsageError, match="other models"):
        evaluate(estimates, table, task_means=TaskMeans.of(table.only(["m0", "m1"])))


class TestTaskMeans:
    table = make_table(
        [[1.0, 0.0], [0.0, math.nan], [0.5, 1.0]],
        [[1.0, 3.0], [2.0, math.nan], [3.0, 5.0]],
        ["a", "a", "b"],
    )

    def test_are_means_of_what_is_known(self):
        quality, cost = TaskMeans.of(self.table).estimates(["b", "a", "unheard of"])
        assert quality.tolist() == [[0.5, 1.0], [0.5, 0.0], [0.5, 0.5]]
        assert cost.tolist() == [[3.0, 5.0], [1.5, 3.0], [2.0, 4.0]]

    def test_a_model_never_run_on_a_task_has_its_overall_mean(self):
        quality, _ = TaskMeans.of(self.table.take([1, 2])).estimates(["a"])
        assert quality.tolist() == [[0.0, 1.0]]

    def test_a_model_never_run_is_an_error(self):
        with pytest.raises(UsageError, match="no quality is known of m1"):
            TaskMeans.of(self.table.take([1]))

    def test_only(self):
        means = TaskMeans.of(self.table)
        assert means.only(["m1"]).quality.tolist() == [[0.0], [1.0], [0.5]]
        with pytest.raises(UsageError, match="know nothing of nobody"):
            means.only(["nobody"])

    def test_given_means_are_what_the_control_goes_by(self):
        estimates, table = generated(300)
        _, other = generated(300, seed=9)
        means = TaskMeans.of(other)
        control = evaluate(estimates, table, bootstrap=0, task_means=means).controls
        as_router = evaluate(estimates_of(*means.estimates(table.tasks)), table, bootstrap=0)
        assert control["true_task_label"].score.aiq == pytest.approx(as_router.aiq)
        assert control["true_task_label"].score.max_quality == as_router.max_quality

    def test_cross_fitting_does_not_see_its_own_outcomes(self):
        rng = np.random.default_rng(0)
        n = 120
        noise = (rng.random((n, 3)) < 0.5).astype(float)
        # A task per pair of prompts: means fitted on themselves would look clairvoyant.
        table = make_table(
            noise, np.tile([1.0, 1.1, 1.2], (n, 1)), [f"t{i // 2}" for i in range(n)]
        )
        found = evaluate(estimates_of(noise, table.cost_usd), table, bootstrap=0)
        assert found.controls["true_task_label"].score.max_quality < 0.65
        assert found.controls["oracle"].score.max_quality > 0.8


def test_intervals_hold_their_figures_and_depend_on_the_seed_alone():
    estimates, table = generated(300)
    found = evaluate(estimates, table, bootstrap=200, seed=3)
    json_ = found.to_json()
    for name in ("aiq", "max_quality", "aiq_minus_zero_router", "aiq_minus_true_task_label"):
        low, high = json_[f"{name}_ci"]
        assert low <= json_[name] <= high, name
    assert json_["aiq_ci"][1] - json_["aiq_ci"][0] < 0.2
    assert evaluate(estimates, table, bootstrap=200, seed=3).to_json() == json_
    assert evaluate(estimates, table, bootstrap=0).to_json()["aiq_ci"] is None


def test_compare_pairs_the_prompts():
    estimates, table = generated(300)
    worse = estimates_of(estimates.quality[::-1], estimates.cost_usd)
    good, bad = (evaluate(e, table, bootstrap=0) for e in (estimates, worse))
    same, gap = compare(table, {"good": good, "again": good, "bad": bad}, samples=200)
    assert (same.router, same.baseline, gap.router) == ("again", "good", "bad")
    assert same.gaps["aiq"].difference == 0
    assert same.gaps["aiq"].interval == (0, 0)
    assert gap.gaps["aiq"].difference == pytest.approx(bad.aiq - good.aiq)
    low, high = gap.gaps["aiq"].interval
    assert low <= gap.gaps["aiq"].difference <= high < 0


def test_compare_needs_two_evaluations_of_this_table():
    estimates, table = generated(20)
    one = evaluate(estimates, table, bootstrap=0)
    with pytest.raises(UsageError, match="at least two"):
        compare(table, {"one": one})
    with pytest.raises(UsageError, match="'one' was made on other prompts"):
        compare(table.take(range(10)), {"one": one, "two": one})


def test_a_gap_that_is_often_undefined_has_no_interval():
    _, table = generated(60)
    blind = evaluate(estimates_of(np.full((60, 4), 0.5), table.cost_usd), table, bootstrap=0)
    sharp = evaluate(estimates_of(table.quality, table.cost_usd), table, bootstrap=0)
    (found,) = compare(table, {"sharp": sharp, "blind": blind}, samples=50)
    assert found.gaps["cost_to_match_best"].difference is None
    assert found.gaps["cost_to_match_best"].interval is None


def test_what_the_pictures_need():
    estimates, table = generated(100)
    found = evaluate(estimates, table, bootstrap=0)
    assert found.choice_share.shape == (len(found.curve), 4)
    assert found.choice_share.sum(axis=1) == pytest.approx(1.0)
    assert len(found.reliability) == 4
    assert found.pooled_reliability.count.sum() == 400
    assert found.pooled_reliability.ece == pytest.approx(found.quality.ece)
    assert len(found.cost_sample.true_usd) == 400
    assert set(zip(found.cost_sample.true_usd, found.cost_sample.column, strict=True)) == {
        (table.cost_usd[i, j], j) for i in range(100) for j in range(4)
    }
    hull = metrics.concave_hull(found.controls["oracle"].cost_usd, found.controls["oracle"].quality)
    assert hull[1][-1] == pytest.approx(found.controls["oracle"].score.max_quality)
    point = found.curve[len(found.curve) // 2]
    assert point.regret >= 0
    wtp = {"middle": point.willingness_to_pay}
    again = evaluate(estimates, table, bootstrap=0, presets=wtp).presets["middle"]
    assert again == point


def test_tasks_are_scored_by_their_own_prompts():
    estimates, table = generated(200)
    found = evaluate(estimates, table, bootstrap=0).by_task["t2"]
    rows = np.flatnonzero(np.array(table.tasks) == "t2")
    assert found.n_prompts == len(rows)
    assert found.best_single_quality == pytest.approx(table.quality[rows].mean(axis=0).max())
    assert found.brier == pytest.approx(metrics.brier(estimates.quality[rows], table.quality[rows]))
    # The same prompts alone give nearly the same figure: only the grid of λ is another.
    alone = evaluate(estimates.take(rows), table.take(rows), bootstrap=0)
    assert found.aiq == pytest.approx(alone.aiq, abs=0.01)
    assert found.zero_router_aiq == pytest.approx(alone.controls["zero_router"].score.aiq)
