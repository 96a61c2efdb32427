"""Which values of the willingness to pay an evaluation visits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.policy import RewardKind, sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

POINTS = 100
"""λ per curve. On thirds of three public tables (750 to 3,700 prompts) 800 points give up to 0.001
more AIQ (once 0.002), most where estimates are noise: a hull over more points picks more luck."""

_COARSE = 48
_MOVED = 1e-3
"""A step of the coarse grid counts where at least this share of the prompts changes its model."""
_PER_DECADE = 20


def curve_grid(
    quality: NDArray[np.float64],
    cost_usd: NDArray[np.float64],
    *,
    kind: RewardKind,
    ids: Sequence[str],
    points: int = POINTS,
) -> NDArray[np.float64]:
    """Log-spaced λ in USD [points] over the range in which estimates [n, m] change their choice.

    The search runs from a tenth of the least to a thousand times the greatest estimated cost (1st
    and 99th percentile of those above zero): below it the cheapest model wins almost everywhere,
    above it a thousandth of quality outweighs every cost.
    """
    paid = cost_usd[cost_usd > 0]
    low, high = np.quantile(paid, (0.01, 0.99)) if len(paid) else (1.0, 1.0)
    coarse = np.geomspace(low / 10, high * 1000, _COARSE)
    picks = sweep(quality, cost_usd, coarse, kind=kind, ids=ids)
    moved = np.flatnonzero((picks[1:] != picks[:-1]).mean(axis=1) >= _MOVED)
    if len(moved):
        coarse = coarse[moved[0] : moved[-1] + 2]
    return np.geomspace(coarse[0], coarse[-1], points)


def pool_grid(mean_cost_usd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-spaced λ in USD, twenty per decade, relative to the models' mean costs [m].

    From a tenth of the cheapest model's mean cost to a hundred times the dearest one's, free
    models apart. It depends on the pool alone, so that the λ-sensitivities of two routers or two
    rewards on one table are taken over the same range.
    """
    paid = mean_cost_usd[mean_cost_usd > 0]
    low, high = (float(paid.min()), float(paid.max())) if len(paid) else (1.0, 1.0)
    decades = np.log10(high / low) + 3
    return np.geomspace(low / 10, high * 100, int(np.ceil(decades * _PER_DECADE)) + 1)
