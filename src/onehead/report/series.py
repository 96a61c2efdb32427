"""What each chart shows, taken from an evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.metrics import concave_hull

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.evaluation import Evaluation
    from onehead.metrics import Reliability
    from onehead.report.charts.costs import CostCell
    from onehead.report.charts.curve import CurveData, ModelPoint, Point
    from onehead.report.charts.reliability import ReliabilityBin
    from onehead.report.charts.shares import Band, ShareRow
    from onehead.report.charts.tasks import TaskRow

    Floats = NDArray[np.float64]

_NORMAL = 1.96
"""Standard errors on either side of a mean in a 95 % interval."""


def curve_data(evaluation: Evaluation) -> CurveData:
    """The router's curve beside the single models, the control that knows the task, the oracle."""
    singles = evaluation.singles
    cheapest, dearest = singles.cheapest, float(singles.cost_usd.max())
    curve = [evaluation.at_cheapest, *evaluation.curve, evaluation.at_best]
    cost = np.array([point.cost_usd for point in curve])
    quality = np.array([point.quality for point in curve])
    task, oracle = (evaluation.controls[name] for name in ("true_task_label", "oracle"))

    def line(cost: Floats, quality: Floats, until: float = 0.0) -> list[Point]:
        """A hull over operating points and the cheapest model, which is always available."""
        return _hull_line(
            np.append(cost, singles.cost_usd[cheapest]),
            np.append(quality, singles.quality[cheapest]),
            until,
        )

    return {
        "router": line(cost, quality),
        "points": _points(cost, quality),
        "zero_router": line(singles.cost_usd, singles.quality, dearest),
        "true_task": line(task.cost_usd, task.quality),
        "oracle": line(oracle.cost_usd, oracle.quality),
        "models": model_points(evaluation),
    }


def model_points(evaluation: Evaluation) -> list[ModelPoint]:
    """Every single model's mean cost and quality, in the order of the pool."""
    points = _points(evaluation.singles.cost_usd, evaluation.singles.quality)
    return [{"model": name, **point} for name, point in zip(evaluation.models, points, strict=True)]


def share_rows(evaluation: Evaluation) -> list[ShareRow]:
    """The share of the prompts that each model gets at each λ."""
    return [
        {"willingness_to_pay": point.willingness_to_pay, "model": model, "share": float(share)}
        for point, shares in zip(evaluation.curve, evaluation.choice_share, strict=True)
        for model, share in zip(evaluation.models, shares, strict=True)
    ]


def share_bands(evaluation: Evaluation) -> list[Band]:
    """The models with their mean cost."""
    return [
        {"model": model, "mean_cost_usd": float(mean)}
        for model, mean in zip(evaluation.models, evaluation.singles.cost_usd, strict=True)
    ]


def reliability_bins(diagram: Reliability) -> list[ReliabilityBin]:
    """The bins that hold anything, with normal intervals of the observed mean.

    The standard error takes outcomes as 0 or 1, which is the widest that they can scatter.
    """
    width = 1 / len(diagram.count)
    found: list[ReliabilityBin] = []
    for index in np.flatnonzero(diagram.count):
        observed, count = float(diagram.outcome[index]), int(diagram.count[index])
        half = _NORMAL * float(np.sqrt(observed * (1 - observed) / count))
        found.append(
            {
                "low": float(index * width),
                "high": float((index + 1) * width),
                "count": count,
                "predicted": float(diagram.estimate[index]),
                "observed": observed,
                "observed_low": max(observed - half, 0.0),
                "observed_high": min(observed + half, 1.0),
            }
        )
    return found


def cost_cells(evaluation: Evaluation, *, bins: int = 40) -> list[CostCell]:
    """A density of log cost over log cost on square cells; free calls have no logarithm."""
    sample = evaluation.cost_sample
    paid = (sample.estimated_usd > 0) & (sample.true_usd > 0)
    if not paid.any():
        return []
    true, predicted = np.log10(sample.true_usd[paid]), np.log10(sample.estimated_usd[paid])
    ends = min(true.min(), predicted.min()), max(true.max(), predicted.max())
    edges = np.linspace(ends[0] - 1e-6, ends[1] + 1e-6, bins + 1)
    counts, _, _ = np.histogram2d(true, predicted, bins=(edges, edges))
    usd = 10**edges
    return [
        {
            "true_low": float(usd[i]),
            "true_high": float(usd[i + 1]),
            "predicted_low": float(usd[j]),
            "predicted_high": float(usd[j + 1]),
            "count": int(counts[i, j]),
        }
        for i, j in np.argwhere(counts > 0)
    ]


def task_rows(evaluation: Evaluation) -> list[TaskRow]:
    """Every task, from the largest to the smallest."""
    rows: list[TaskRow] = [
        {
            "task": task,
            "prompts": score.n_prompts,
            "router": score.aiq,
            "zero_router": score.zero_router_aiq,
            "oracle": score.oracle_aiq,
            "cost_to_match": score.cost_to_match_best,
        }
        for task, score in evaluation.by_task.items()
    ]
    return sorted(rows, key=lambda row: (-row["prompts"], row["task"]))


def _points(cost: Floats, quality: Floats) -> list[Point]:
    return [{"cost_usd": float(c), "quality": float(q)} for c, q in zip(cost, quality, strict=True)]


def _hull_line(cost: Floats, quality: Floats, until: float) -> list[Point]:
    """A hull dense enough for a log axis, on which its straight pieces are bent."""
    hull_cost, hull_quality = concave_hull(cost, quality)
    first, last = float(hull_cost[0]), max(float(hull_cost[-1]), until)
    between = np.geomspace(max(first, last * 1e-6), last, 160) if last > 0 else hull_cost
    at = np.unique(np.append(between, hull_cost))
    return _points(at, np.interp(at, hull_cost, hull_quality))
