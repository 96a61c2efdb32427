"""Score a router's estimates on known outcomes, with every control beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead import metrics, policy
from onehead.errors import DataError, UsageError
from onehead.evaluation.controls import (
    oracle_sweep,
    plain_controls,
    swept_control,
    task_label_sweep,
)
from onehead.evaluation.curves import Singles, Sweep, mean_outcomes, score_curve, sweep_estimates
from onehead.evaluation.estimated import cost_sample, cost_scores, quality_scores
from onehead.evaluation.grids import pool_grid
from onehead.evaluation.intervals import SAMPLES, router_intervals
from onehead.evaluation.result import Evaluation, LeftOut, Point
from onehead.evaluation.tasks import task_scores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from onehead.evaluation.task_means import TaskMeans
    from onehead.outcomes import OutcomeTable
    from onehead.policy import RewardKind
    from onehead.predictors import Estimates

    Floats = NDArray[np.float64]

NOTHING_LEFT_OUT = LeftOut()


def evaluate(
    estimates: Estimates,
    table: OutcomeTable,
    *,
    reward: RewardKind = "exponential",
    seed: int = 0,
    bootstrap: int = SAMPLES,
    task_means: TaskMeans | None = None,
    presets: Mapping[str, float] | None = None,
    left_out: LeftOut = NOTHING_LEFT_OUT,
) -> Evaluation:
    """Score estimates [n, m] on a table whose every quality and cost is known.

    bootstrap: resamples of the prompts for the 95 % intervals; 0 leaves them out.
    task_means: what the true-task-label control goes by (means of a training table); without it
        they are cross-fitted within this table.
    presets: named λ whose operating points are wanted too.
    left_out: what the table lost to become complete (see `evaluate_block`).

    Raises:
        DataError: the table has gaps.
        UsageError: the estimates or the task means do not fit the table.
    """
    _check(estimates, table, task_means)
    singles = Singles(table.cost_usd.mean(axis=0), table.quality.mean(axis=0))
    own = sweep_estimates(estimates.quality, estimates.cost_usd, kind=reward, ids=table.models)
    oracle = oracle_sweep(table)
    task_label = task_label_sweep(table, reward, seed, task_means)
    cost, quality = mean_outcomes(table, own.picks)
    score = score_curve(cost, quality, singles)
    shares = _shares(own.picks, table.n_models)
    router_upstream, zero_upstream, notes = _upstream(cost, quality, singles, table.n_prompts)
    return Evaluation(
        prompt_ids=table.prompt_ids,
        models=table.models,
        reward=reward,
        aiq=score.aiq,
        aiq_upstream=router_upstream,
        zero_router_aiq_upstream=zero_upstream,
        max_quality=score.max_quality,
        cost_to_match_best=score.cost_to_match_best,
        lambda_sensitivity=_sensitivity(estimates, table, reward, singles),
        quality=quality_scores(estimates, table),
        cost=cost_scores(estimates, table),
        controls=plain_controls(singles, table.models, shares)
        | {
            "true_task_label": swept_control(table, task_label, singles),
            "oracle": swept_control(table, oracle, singles),
        },
        by_task=task_scores(estimates, table, own.picks, oracle.picks),
        curve=_curve(table, own, reward),
        at_cheapest=Point(0.0, float(cost[0]), float(quality[0])),
        at_best=Point(np.inf, float(cost[-1]), float(quality[-1])),
        presets=_presets(estimates, table, reward, presets or {}),
        intervals=router_intervals(table, own.picks, task_label.picks, bootstrap, seed),
        notes=notes,
        left_out=left_out,
        singles=singles,
        sweep=own,
        choice_share=shares[own.inner],
        reliability=tuple(
            metrics.reliability(estimates.quality[:, j], table.quality[:, j])
            for j in range(table.n_models)
        ),
        pooled_reliability=metrics.reliability(estimates.quality, table.quality),
        cost_sample=cost_sample(estimates, table, seed),
    )


def evaluate_block(
    estimates: Estimates,
    table: OutcomeTable,
    *,
    reward: RewardKind = "exponential",
    seed: int = 0,
    bootstrap: int = SAMPLES,
    task_means: TaskMeans | None = None,
    presets: Mapping[str, float] | None = None,
) -> Evaluation:
    """Score estimates on the largest complete block of a table that may have gaps.

    `left_out` of the result says which models and how many prompts that cost.
    """
    _check_shape(estimates, table)
    block, models, n_prompts = table.complete_block()
    kept = set(block.prompt_ids)
    rows = np.array([row for row, name in enumerate(table.prompt_ids) if name in kept])
    columns = [table.models.index(model) for model in block.models]
    return evaluate(
        estimates.take(rows).only(columns),
        block,
        reward=reward,
        seed=seed,
        bootstrap=bootstrap,
        task_means=None if task_means is None else task_means.only(block.models),
        presets=presets,
        left_out=LeftOut(models, n_prompts),
    )


def _check(estimates: Estimates, table: OutcomeTable, task_means: TaskMeans | None) -> None:
    """Everything that has to hold before anything is counted."""
    _check_shape(estimates, table)
    gaps = np.isnan(table.quality) | np.isnan(table.cost_usd)
    if gaps.any():
        row, column = np.argwhere(gaps)[0]
        raise DataError(
            f"the table misses {int(gaps.sum())} outcomes, first that of {table.models[column]!r} "
            f"on prompt {table.prompt_ids[row]!r}; score its complete block (evaluate_block)."
        )
    if not (np.isfinite(estimates.quality).all() and np.isfinite(estimates.cost_usd).all()):
        raise UsageError("the estimates hold NaN or infinity; every model needs both estimates.")
    if (estimates.cost_usd < 0).any() or ((estimates.quality < 0) | (estimates.quality > 1)).any():
        raise UsageError("estimates need a quality in [0, 1] and a cost of 0 USD or more.")
    if task_means is not None and task_means.models != table.models:
        raise UsageError("the task means are of other models than the table; use only(models).")


def _check_shape(estimates: Estimates, table: OutcomeTable) -> None:
    shape = (table.n_prompts, table.n_models)
    if estimates.quality.shape != shape or estimates.cost_usd.shape != shape:
        raise UsageError(
            f"estimates of shape {estimates.quality.shape} and {estimates.cost_usd.shape} do not "
            f"fit a table of {shape[0]} prompts × {shape[1]} models."
        )


def _shares(picks: NDArray[np.intp], m: int) -> Floats:
    """Share of the prompts that each model gets, [L, m], of picks [L, n]."""
    return np.stack([np.bincount(row, minlength=m) / len(row) for row in picks])


def _upstream(
    cost: Floats, quality: Floats, singles: Singles, n: int
) -> tuple[float | None, float | None, tuple[str, ...]]:
    """Upstream's AIQ of the router and of the zero router beside it; notes where it fails.

    One that fails is null, and the other is then computed without it.
    """
    routers = {
        "router": (cost * n, quality),
        "zero router": (singles.cost_usd * n, singles.quality),
    }
    scored = {name: points for name, points in routers.items() if len(np.unique(points[0])) >= 3}
    notes = tuple(
        f"aiq_upstream of the {name} is null: it has fewer than three distinct costs"
        for name in routers
        if name not in scored
    )
    found = metrics.aiq_upstream(scored)
    return found.get("router"), found.get("zero router"), notes


def _sensitivity(
    estimates: Estimates, table: OutcomeTable, kind: RewardKind, singles: Singles
) -> dict[str, float]:
    """λ-sensitivity over the pool's own grid."""
    grid = pool_grid(singles.cost_usd)
    picks = policy.sweep(estimates.quality, estimates.cost_usd, grid, kind=kind, ids=table.models)
    cost, quality = mean_outcomes(table, picks)
    return metrics.lambda_sensitivity(
        grid, cost, quality, float(singles.cost_usd.min()), float(singles.cost_usd.max())
    )


def _curve(table: OutcomeTable, own: Sweep, kind: RewardKind) -> tuple[Point, ...]:
    """The operating points at finite λ."""
    inner = own.inner
    return tuple(
        _point(table, picks, float(wtp), kind)
        for wtp, picks in zip(own.willingness_to_pay[inner], own.picks[inner], strict=True)
    )


def _presets(
    estimates: Estimates, table: OutcomeTable, kind: RewardKind, presets: Mapping[str, float]
) -> dict[str, Point]:
    """The operating points at named λ."""
    picks = policy.sweep(
        estimates.quality, estimates.cost_usd, list(presets.values()), kind=kind, ids=table.models
    )
    return {
        name: _point(table, column, wtp, kind)
        for (name, wtp), column in zip(presets.items(), picks, strict=True)
    }


def _point(table: OutcomeTable, column: NDArray[np.intp], wtp: float, kind: RewardKind) -> Point:
    """What picks [n] at one λ cost and achieve, and the reward they miss."""
    cost, quality = mean_outcomes(table, column[None])
    rewards = policy.reward(table.quality, table.cost_usd, wtp, kind)
    return Point(wtp, float(cost[0]), float(quality[0]), metrics.regret(rewards, column))
