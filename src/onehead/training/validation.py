"""What a recipe reached on prompts that it did not see, for the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onehead.errors import DataError
from onehead.evaluation import evaluate_block

if TYPE_CHECKING:
    from onehead.predictors import Estimates
    from onehead.training.examples import Examples


def figures(estimates: Estimates, unseen: Examples, seed: int) -> dict[str, float | int | None]:
    """Figures on held-out prompts; none where no outcome is complete."""
    try:
        scored = evaluate_block(estimates, unseen.table, seed=seed, bootstrap=0)
    except DataError:
        return {}
    return {
        "n_prompts": scored.n_prompts,
        "n_models": scored.n_models,
        "aiq": scored.aiq,
        "aiq_zero_router": scored.controls["zero_router"].score.aiq,
        "aiq_true_task_label": scored.controls["true_task_label"].score.aiq,
        "max_quality": scored.max_quality,
        "cost_to_match_best": scored.cost_to_match_best,
        "brier": scored.quality.brier,
        "ece": scored.quality.ece,
        "auc": scored.quality.auc,
        "cost_log_rmse": scored.cost.log_rmse,
        "cost_spearman": scored.cost.spearman,
    }
