"""What every router has to be compared with, scored by the same definitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from onehead.evaluation.curves import Score, Singles, mean_outcomes, score_curve, sweep_estimates
from onehead.evaluation.task_means import TaskMeans, cross_fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onehead.evaluation.curves import Sweep
    from onehead.outcomes import OutcomeTable
    from onehead.policy import RewardKind

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """One control: its operating points (mean cost [k], mean quality [k]) and their score."""

    cost_usd: Floats
    quality: Floats
    score: Score
    model: str | None = None

    def to_json(self) -> dict[str, object]:
        """The scores, and the model where the control is one."""
        scores: dict[str, object] = {
            "aiq": self.score.aiq,
            "max_quality": self.score.max_quality,
            "cost_to_match_best": self.score.cost_to_match_best,
        }
        return scores if self.model is None else {"model": self.model, **scores}


def plain_controls(singles: Singles, models: Sequence[str], shares: Floats) -> dict[str, Control]:
    """The controls that need only the models' means.

    cheapest, best_single: that model alone
    random: the cheapest and the dearest model, mixed at random in every proportion
    zero_router: the single models, mixed at random in every proportion (their hull)
    shuffled: the router's picks at each λ, given to other prompts; the mean over all shuffles,
        which follows from its `shares` [L, m] of each model
    """
    ends = [singles.cheapest, singles.dearest]
    mixes = {
        "random": (singles.cost_usd[ends], singles.quality[ends]),
        "zero_router": (singles.cost_usd, singles.quality),
        "shuffled": (shares @ singles.cost_usd, shares @ singles.quality),
    }
    alone = {"cheapest": singles.cheapest, "best_single": singles.best}
    controls = {
        name: _control(singles.cost_usd[[j]], singles.quality[[j]], singles, models[j])
        for name, j in alone.items()
    }
    controls |= {name: _control(*points, singles) for name, points in mixes.items()}
    return controls


def _control(
    cost_usd: Floats, quality: Floats, singles: Singles, model: str | None = None
) -> Control:
    return Control(cost_usd, quality, score_curve(cost_usd, quality, singles), model)


def swept_control(table: OutcomeTable, picks: Sweep, singles: Singles) -> Control:
    """A control that routes, scored on its picks."""
    return _control(*mean_outcomes(table, picks.picks), singles)


def oracle_sweep(table: OutcomeTable) -> Sweep:
    """The oracle: it knows every outcome. Its limit λ → ∞ is best quality, then cheapest.

    It chooses by the linear reward whatever the router's: maximising s − c/λ prompt by prompt
    visits the hull of all that any choice can reach, so that its AIQ bounds every router's.
    """
    return sweep_estimates(table.quality, table.cost_usd, kind="linear", ids=table.models)


def task_label_sweep(
    table: OutcomeTable, kind: RewardKind, seed: int, means: TaskMeans | None
) -> Sweep:
    """The true-task-label control: mean quality and cost per task and model as the estimates.

    The means come from `means` (of a training table) or from the other folds of this one.
    """
    given = cross_fitted(table, seed) if means is None else means.estimates(table.tasks)
    return sweep_estimates(*given, kind=kind, ids=table.models)
