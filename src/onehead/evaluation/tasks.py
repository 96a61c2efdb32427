"""The same figures task by task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead import metrics
from onehead.evaluation.curves import Singles, outcomes_of, score_curve
from onehead.evaluation.result import TaskScore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.evaluation.curves import Score
    from onehead.outcomes import OutcomeTable
    from onehead.predictors import Estimates


def task_scores(
    estimates: Estimates,
    table: OutcomeTable,
    picks: NDArray[np.intp],
    oracle: NDArray[np.intp],
) -> dict[str, TaskScore]:
    """Scores of a router's and the oracle's picks, [L, n] each, within every task by name."""
    tasks = np.array(table.tasks)
    return {
        str(task): _task_score(estimates, table, picks, oracle, rows=np.flatnonzero(tasks == task))
        for task in np.unique(tasks)
    }


def _task_score(
    estimates: Estimates,
    table: OutcomeTable,
    picks: NDArray[np.intp],
    oracle: NDArray[np.intp],
    *,
    rows: NDArray[np.intp],
) -> TaskScore:
    singles = Singles(table.cost_usd[rows].mean(axis=0), table.quality[rows].mean(axis=0))
    own = _score(table, picks, rows, singles)
    return TaskScore(
        n_prompts=len(rows),
        aiq=own.aiq,
        zero_router_aiq=score_curve(singles.cost_usd, singles.quality, singles).aiq,
        oracle_aiq=_score(table, oracle, rows, singles).aiq,
        max_quality=own.max_quality,
        best_single=table.models[singles.best],
        best_single_quality=float(singles.quality[singles.best]),
        cost_to_match_best=own.cost_to_match_best,
        brier=metrics.brier(estimates.quality[rows], table.quality[rows]),
    )


def _score(
    table: OutcomeTable, picks: NDArray[np.intp], rows: NDArray[np.intp], singles: Singles
) -> Score:
    cost, quality = outcomes_of(table, picks, rows)
    return score_curve(cost.mean(axis=0), quality.mean(axis=0), singles)
