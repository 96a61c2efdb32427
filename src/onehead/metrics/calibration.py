"""How good the estimates are: of quality (Brier, ECE, AUC) and of cost (log-RMSE, rank).

Arrays of any one shape; outcomes may be fractional. What is undefined (no such pair, or only one
kind of outcome) is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BINS = 15
"""Bins of ECE and of reliability diagrams: equal widths over [0, 1]."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability diagram: what was said and what came, in bins of equal width over [0, 1].

    estimate, outcome: means per bin [bins], NaN where the bin is empty; count: cells per bin [bins]
    """

    estimate: Floats
    outcome: Floats
    count: NDArray[np.intp]

    @property
    def ece(self) -> float:
        """Expected calibration error: mean |outcome − estimate| of the bins, by their counts."""
        full = self.count > 0
        gap = np.abs(self.outcome[full] - self.estimate[full])
        return float(np.average(gap, weights=self.count[full]))


def reliability(estimate: Floats, outcome: Floats, bins: int = BINS) -> Reliability:
    """Mean estimate and outcome in `bins` bins of equal width of the estimate."""
    flat = estimate.ravel()
    index = np.clip((flat * bins).astype(np.intp), 0, bins - 1)
    count = np.bincount(index, minlength=bins)
    share = np.where(count > 0, count, 1)
    means = [
        np.where(count > 0, np.bincount(index, weights=values, minlength=bins) / share, np.nan)
        for values in (flat, outcome.ravel())
    ]
    return Reliability(means[0], means[1], count)


def brier(estimate: Floats, outcome: Floats) -> float:
    """Mean squared error of the estimated quality."""
    return float(np.mean((estimate - outcome) ** 2))


def ece(estimate: Floats, outcome: Floats, bins: int = BINS) -> float:
    """Expected calibration error over `bins` (15) bins of equal width."""
    return reliability(estimate, outcome, bins).ece


def auc(estimate: Floats, outcome: Floats) -> float | None:
    """Chance that a success was estimated above a failure, ties counted half.

    A fractional outcome counts as that much of a success and the rest of a failure. None where
    there are no successes or no failures.
    """
    values, index = np.unique(estimate.ravel(), return_inverse=True)
    success = np.bincount(index, weights=outcome.ravel(), minlength=len(values))
    failure = np.bincount(index, weights=1.0 - outcome.ravel(), minlength=len(values))
    pairs = success.sum() * failure.sum()
    if pairs <= 0:
        return None
    below = np.cumsum(failure) - failure / 2
    return float(success @ below / pairs)


def log_rmse(estimate: Floats, true: Floats) -> float | None:
    """Root mean squared error of ln cost, over pairs where both are above zero."""
    paid = (estimate > 0) & (true > 0)
    if not paid.any():
        return None
    return float(np.sqrt(np.mean(np.log(estimate[paid] / true[paid]) ** 2)))


def spearman(a: Floats, b: Floats) -> float | None:
    """Rank correlation; equal values share their mean rank. None where either is constant."""
    x, y = mean_ranks(a.ravel()), mean_ranks(b.ravel())
    x -= x.mean()
    y -= y.mean()
    norm = float(np.sqrt((x @ x) * (y @ y)))
    return None if norm == 0 else float(np.clip(x @ y / norm, -1.0, 1.0))


def mean_ranks(values: Floats) -> Floats:
    """Ranks from 1 [k]; equal values share the mean of their ranks."""
    _, index, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks: Floats = (last - (count - 1) / 2)[index]
    return ranks
