"""Operating points: what a router's picks cost and achieve on known outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from onehead import metrics
from onehead.evaluation.grids import curve_grid
from onehead.policy import RewardKind, sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onehead.outcomes import OutcomeTable

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Singles:
    """The single models as operating points: mean cost [m] and mean quality [m]."""

    cost_usd: Floats
    quality: Floats

    @property
    def cheapest(self) -> int:
        """Column of the lowest mean cost, the better of equals."""
        return int(np.lexsort((-self.quality, self.cost_usd))[0])

    @property
    def dearest(self) -> int:
        """Column of the highest mean cost."""
        return int(self.cost_usd.argmax())

    @property
    def best(self) -> int:
        """Column of the highest mean quality, the cheaper of equals.

        Qualities are compared to twelve digits, because means of equal outcomes may differ in
        the last bit.
        """
        return int(np.lexsort((self.cost_usd, -np.round(self.quality, 12)))[0])


@dataclass(frozen=True, slots=True)
class Score:
    """What is read off one curve."""

    aiq: float
    max_quality: float
    cost_to_match_best: float | None


def score_curve(cost_usd: Floats, quality: Floats, singles: Singles) -> Score:
    """Score operating points [k]; the cheapest single model is always available beside them."""
    at, best = singles.cheapest, singles.best
    cost = np.append(cost_usd, singles.cost_usd[at])
    reached = np.append(quality, singles.quality[at])
    return Score(
        aiq=metrics.aiq(
            cost,
            reached,
            float(singles.cost_usd[at]),
            float(singles.cost_usd[singles.dearest]),
        ),
        max_quality=metrics.max_quality(quality),
        cost_to_match_best=metrics.cost_to_match(
            cost, reached, float(singles.quality[best]), float(singles.cost_usd[best])
        ),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """A router's picks over a grid of λ, its two limits included.

    willingness_to_pay: 0 (the cheapest by estimate), the grid in USD, ∞ (the best) [L]
    picks: columns [L, n]
    """

    willingness_to_pay: Floats
    picks: NDArray[np.intp]

    @property
    def inner(self) -> slice:
        """The rows with a positive, finite λ."""
        return slice(1, len(self.willingness_to_pay) - 1)


def sweep_estimates(
    quality: Floats, cost_usd: Floats, *, kind: RewardKind, ids: Sequence[str]
) -> Sweep:
    """Sweep estimates [n, m] over their own grid and both limits."""
    inner = curve_grid(quality, cost_usd, kind=kind, ids=ids)
    grid = np.concatenate(([0.0], inner, [np.inf]))
    return Sweep(grid, sweep(quality, cost_usd, grid, kind=kind, ids=ids))


def outcomes_of(
    table: OutcomeTable, picks: NDArray[np.intp], rows: NDArray[np.intp] | None = None
) -> tuple[Floats, Floats]:
    """Cost and quality of the picked models [n, L], for picks [L, n] (of some rows only)."""
    at = np.arange(table.n_prompts) if rows is None else rows
    columns = picks[:, at].T
    return table.cost_usd[at[:, None], columns], table.quality[at[:, None], columns]


def mean_outcomes(table: OutcomeTable, picks: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Mean cost [L] and quality [L] of picks [L, n], one λ at a time to spare memory."""
    rows = np.arange(table.n_prompts)
    cost = np.array([table.cost_usd[rows, columns].mean() for columns in picks])
    quality = np.array([table.quality[rows, columns].mean() for columns in picks])
    return cost, quality
