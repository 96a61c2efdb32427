"""The posterior mean of a linear model whose prior is the pool itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


_USUAL_SPREAD = 0.85
"""Attention varies by at least this share of its unevenness over 8 prompts or more of our tables."""


@dataclass(frozen=True)
class Prior:
    """Standard deviations of what makes a new model differ from the mean of the pool.

    level: everywhere alike
    task: on each task
    anchor: at the anchors, in units of the attention's total spread
    noise: variance of one outcome about its mean

    Beside these it differs as the models of the pool differ from one another: their own covariance,
    known from their columns, needs no number.
    """

    level: float
    task: float
    anchor: float
    noise: float


@dataclass(frozen=True, eq=False)
class Column:
    """A new model as a combination of the pool's columns and of its own deviations.

    shares [m]: of the pool's columns, summing to 1; level: added everywhere; task [t]; anchor [a]
    held_out [n]: what the solution says of each prompt when its outcome is left out
    """

    shares: Floats
    level: float
    task: Floats
    anchor: Floats
    held_out: Floats


def solve(
    pool: Floats, tasks: Floats, weights: Floats | None, target: Floats, prior: Prior
) -> Column:
    """The column that explains `target` [n], near the pool's mean where little is known.

    pool [n, m], tasks [n, t], weights [n, a]: what the pool says of the prompts, and their view
    """
    m, t = pool.shape[1], tasks.shape[1]
    spread = 1 / np.sqrt(max(m - 1, 1))
    mean = pool.mean(axis=1)
    scale = 0.0
    parts = [(pool - mean[:, None]) * spread, np.full((len(pool), 1), prior.level)]
    parts.append(tasks * prior.task)
    if weights is not None:
        scale = prior.anchor / _total_spread(weights)
        parts.append(weights * scale)
    found, held_out = _ridge(np.concatenate(parts, axis=1), target - mean, prior.noise)
    ends = [m, m + 1, m + 1 + t]
    along, level, task, anchor = np.split(found, ends)
    shares = spread * (along - along.mean()) + 1 / m
    return Column(
        shares, float(level[0]) * prior.level, task * prior.task, anchor * scale, mean + held_out
    )


def _total_spread(weights: Floats) -> float:
    """Standard deviation of attention [n, a] over prompts, all anchors together.

    A single prompt, or a few that are alike, hardly vary among themselves, and their anchors would
    be free to take any value. How far attention is from being even stands in for them then.
    """
    total = float(np.sqrt(weights.var(axis=0).sum()))
    uneven = float(np.sqrt(np.square(weights - 1 / weights.shape[1]).sum(axis=1).mean()))
    return max(total, _USUAL_SPREAD * uneven, 1e-6)


def _ridge(design: Floats, target: Floats, noise: float) -> tuple[Floats, Floats]:
    """Coefficients [k] with prior variance 1, and predictions [n] that leave each row out."""
    n, k = design.shape
    if n == 0:
        return np.zeros(k), np.zeros(0)
    if n <= k:
        inverse = np.linalg.inv(design @ design.T + noise * np.eye(n))
        dual = inverse @ target
        return design.T @ dual, target - dual / np.diag(inverse)
    inverse = np.linalg.inv(design.T @ design + noise * np.eye(k))
    found = inverse @ (design.T @ target)
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design, optimize=True)
    held_out: Floats = (design @ found - leverage * target) / (1 - leverage)
    return found, held_out
