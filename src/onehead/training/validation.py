"""What a recipe reached on prompts that it did not see, for the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onehead.errors import DataError
from onehead.evaluation import evaluate_block

if TYPE_CHECKING:
    from onehead.predictors import Estimates
    from onehead.training.examples import Examples


def figures(
    estimates: Estimates, unseen: Examples, seed: int
) -> dict[str, float | int | None]:
    """Figures on held-out prompts; none where no outcome is complete."""
    try:
        scored = evaluate_block(estimates, unseen.table, seed=seed, bootstrap=0)
    except DataError:
        return {}
    document = scored.to_json()
    controls = document["controls"]
    return {
        "n_prompts": document["n_prompts"],
        "n_models": document["n_models"],
        "aiq": document["aiq"],
        "aiq_zero_router": controls["zero_router"]["aiq"],
        "aiq_true_task_label": controls["true_task_label"]["aiq"],
        "max_quality": document["max_quality"],
        "cost_to_match_best": document["cost_to_match_best"],
        "brier": document["quality"]["brier"],
        "ece": document["quality"]["ece"],
        "auc": document["quality"]["auc"],
        "cost_log_rmse": document["cost"]["log_rmse"],
        "cost_spearman": document["cost"]["spearman"],
    }
