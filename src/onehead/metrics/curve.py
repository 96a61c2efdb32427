"""Cost–quality curves: the hull, the two AIQs, and what is read off them.

A router gives one point (mean cost, mean quality) per willingness to pay. Sending a share of the
prompts by one operating point and the rest by another gives every point between them, so the curve
that counts is the non-decreasing concave hull, flat beyond its last point (RouterBench,
arXiv 2403.12031).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Curve = tuple[Floats, Floats]
    """Cost [k] and quality [k] of operating points."""

_NOISE = 1e-9
"""Relative difference that two ways of summing the same costs may show."""


def concave_hull(cost: Floats, quality: Floats) -> Curve:
    """Non-decreasing concave upper hull of points [k], by rising cost, in O(k log k).

    It starts at the cheapest point (the best of the cheapest), rises strictly in cost and quality,
    and ends at the cheapest point of the highest quality.
    """
    if cost.shape != quality.shape or cost.ndim != 1 or not len(cost):
        raise UsageError(f"a curve needs points [k] ≥ 1; got {cost.shape} and {quality.shape}.")
    if not (np.isfinite(cost).all() and np.isfinite(quality).all()):
        raise UsageError("a curve needs finite costs and qualities.")
    order = np.lexsort((-quality, cost))
    hull: list[tuple[float, float]] = []
    for x, y in zip(cost[order].tolist(), quality[order].tolist(), strict=True):
        if hull and y <= hull[-1][1]:
            continue  # dearer and no better
        while len(hull) > 1 and _below(hull[-1], hull[-2], (x, y)):
            hull.pop()
        hull.append((x, y))
    points = np.array(hull)
    return points[:, 0], points[:, 1]


def _below(
    middle: tuple[float, float], left: tuple[float, float], right: tuple[float, float]
) -> bool:
    """Whether `middle` lies on or below the line from `left` to `right`."""
    rise = (middle[1] - left[1]) * (right[0] - left[0])
    return rise <= (right[1] - left[1]) * (middle[0] - left[0])


def area(hull: Curve, start: float, stop: float) -> float:
    """∫ hull(c) dc from `start` (at or beyond the first point) to `stop`, flat past the last."""
    cost, quality = hull
    inside = cost[(cost > start) & (cost < stop)]
    at = np.concatenate(([start], inside, [stop]))
    height = np.interp(at, cost, quality)
    return float(np.dot(np.diff(at), height[1:] + height[:-1]) / 2)


def aiq(cost: Floats, quality: Floats, c_min: float, c_max: float) -> float:
    """Average improvement in quality: the mean height of the hull over costs c_min … c_max.

    AIQ = 1 / (c_max − c_min) · ∫ hull(c) dc (RouterBench, equation 6), with c_min and c_max the
    mean cost of the cheapest and of the dearest single model, so that it does not depend on what
    else is compared. `cost`, `quality`: points [k], the cheapest single model among them. Where
    c_min = c_max it is the hull's height there.
    """
    hull = concave_hull(cost, quality)
    if hull[0][0] > c_min * (1 + _NOISE):
        raise UsageError(
            f"the curve starts at a cost of {hull[0][0]:.6g}, above c_min = {c_min:.6g}; "
            "add the cheapest single model, which is always available."
        )
    if c_max <= c_min * (1 + _NOISE):
        return float(np.interp(c_max, *hull))
    return area(hull, c_min, c_max) / (c_max - c_min)


def aiq_upstream(routers: Mapping[str, Curve]) -> dict[str, float]:
    """AIQ as RouterBench's code computes it, for routers that are compared with each other.

    `routers`: for each the summed cost [k] and mean quality [k] of its operating points. c_max is
    the largest cost on any of the hulls; each hull is extended flat to it; the area starts at the
    router's own cheapest point and is divided by c_max, so that a router without cheap points is
    charged for them. Upstream's code fails on fewer than three distinct costs; so does this one.
    """
    for name, (cost, _) in routers.items():
        if len(np.unique(cost)) < 3:
            raise UsageError(
                f"upstream's AIQ of {name!r} is undefined: it needs three distinct costs. "
                "Sweep more values of the willingness to pay."
            )
    hulls = {name: concave_hull(*points) for name, points in routers.items()}
    c_max = max((float(hull[0][-1]) for hull in hulls.values()), default=0.0)
    if c_max == 0:  # every hull is one free point, flat from there
        return {name: float(hull[1][-1]) for name, hull in hulls.items()}
    return {name: area(hull, float(hull[0][0]), c_max) / c_max for name, hull in hulls.items()}


def max_quality(quality: Floats) -> float:
    """The highest mean quality over all operating points [k]."""
    return float(quality.max())


def cost_to_match(
    cost: Floats, quality: Floats, target: float, reference_cost: float
) -> float | None:
    """Least cost at which the hull of points [k] reaches quality `target`, ÷ `reference_cost`.

    None where it never does. Matching a free reference is 1 if it is free too, and else None.
    """
    x, y = concave_hull(cost, quality)
    if y[-1] < target - _NOISE:
        return None
    needed = float(np.interp(min(target, float(y[-1])), y, x))
    if reference_cost > 0:
        return round(needed / reference_cost, 12)
    return 1.0 if needed == 0 else None


def regret(rewards: Floats, column: NDArray[np.intp]) -> float:
    """Mean reward missed against the best model of each prompt.

    rewards: true rewards [n, m], from outcomes; column: the chosen model [n].
    """
    chosen = np.take_along_axis(rewards, column[:, None], axis=1)[:, 0]
    return float((rewards.max(axis=1) - chosen).mean())


def lambda_sensitivity(
    grid: Floats, cost: Floats, quality: Floats, c_min: float, c_max: float
) -> dict[str, float]:
    """How much a router's means change when the willingness to pay moves by one decade.

    For every λ of the log-spaced `grid` [k] whose tenfold is on it too: |quality(10 λ) −
    quality(λ)| and |cost(10 λ) − cost(λ)| / (c_max − c_min), straight lines in log λ between the
    points. The largest and the mean of these; smaller is steadier. Unlike differences between
    neighbours, windows of a decade do not depend on how fine the grid is.
    """
    decades = np.log10(grid)
    if len(grid) < 2 or decades[-1] - decades[0] < 1:
        raise UsageError("λ-sensitivity needs a grid over at least one decade.")
    starts = decades[decades <= decades[-1] - 1 + _NOISE]
    span = c_max - c_min if c_max > c_min else max(c_max, np.finfo(float).tiny)
    changes = {"quality": _windows(starts, decades, quality)}
    changes["cost"] = _windows(starts, decades, cost / span)
    return {
        f"{name}_{how}": float(statistic(change))
        for name, change in changes.items()
        for how, statistic in (("max", np.max), ("mean", np.mean))
    }


def _windows(starts: Floats, decades: Floats, values: Floats) -> Floats:
    """Absolute change of `values` over the decade after each of `starts`."""
    change: Floats = np.interp(starts + 1, decades, values) - np.interp(starts, decades, values)
    return np.abs(change)
