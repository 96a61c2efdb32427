"""How good the estimates themselves are, before any choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead import metrics
from onehead.evaluation.result import CostSample, CostScores, QualityScores

if TYPE_CHECKING:
    from onehead.outcomes import OutcomeTable
    from onehead.predictors import Estimates

_SAMPLE = 2_000
"""Cells of estimated against true cost that are kept for a picture."""


def quality_scores(estimates: Estimates, table: OutcomeTable) -> QualityScores:
    """Brier score, ECE (15 bins of equal width) and AUC, all prompts × models pooled."""
    pair = estimates.quality, table.quality
    return QualityScores(metrics.brier(*pair), metrics.ece(*pair), metrics.auc(*pair))


def cost_scores(estimates: Estimates, table: OutcomeTable) -> CostScores:
    """Log-RMSE and rank correlation pooled, and the mean rank correlation within a model.

    The pooled rank correlation is mostly which model is dear; the one within models says whether
    dear prompts are told from cheap ones.
    """
    within = [
        metrics.spearman(estimates.cost_usd[:, j], table.cost_usd[:, j])
        for j in range(table.n_models)
    ]
    known = [value for value in within if value is not None]
    return CostScores(
        log_rmse=metrics.log_rmse(estimates.cost_usd, table.cost_usd),
        spearman=metrics.spearman(estimates.cost_usd, table.cost_usd),
        spearman_within_model=float(np.mean(known)) if known else None,
    )


def cost_sample(estimates: Estimates, table: OutcomeTable, seed: int) -> CostSample:
    """Some cells of estimated against true cost, drawn without replacement."""
    cells = table.n_prompts * table.n_models
    drawn = np.random.default_rng(seed).choice(cells, size=min(_SAMPLE, cells), replace=False)
    row, column = np.divmod(np.sort(drawn), table.n_models)
    return CostSample(estimates.cost_usd[row, column], table.cost_usd[row, column], column)
