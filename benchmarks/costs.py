"""How right predicted costs are, and what it buys to predict them for each prompt.

    python benchmarks/costs.py [--table NAME …] [--seeds 0 1 2]

Beside the costs that our recipe predicts stand one constant for each model (its mean), the geometric
mean over the 40 nearest prompts, and the true costs. Quality is always estimated by our recipe, as
recipes.py kept it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from common import RESULTS
from kept import score_kept

from onehead import metrics
from onehead.encoders import load_encoder
from onehead.evaluation import Singles
from onehead.evaluation.curves import mean_outcomes, score_curve, sweep_estimates

if TYPE_CHECKING:
    from kept import Kept
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESULT = RESULTS / "costs.json"
PACKAGES = ("onehead", "numpy")
NEIGHBOURS = 40


def main() -> None:
    score_kept(__doc__, RESULT, PACKAGES, of_row)


def of_row(row: Kept) -> dict[str, Any]:
    """Every way to predict costs on one row."""
    true = row.unseen.cost_usd
    ways = {
        "ours": row.cost_usd,
        "constant": np.tile(row.known.cost_usd.mean(axis=0), (len(true), 1)),
        "knn": neighbours(row),
        "true": true,
    }
    return {"seed": row.seed, **{name: scored(row, cost) for name, cost in ways.items()}}


def neighbours(row: Kept) -> Floats:
    """The geometric mean of each model's cost over the nearest known prompts [n, m]."""
    encode = load_encoder("static").encode
    known, unseen = (
        vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        for vectors in (encode(row.known.prompts), encode(row.unseen.prompts))
    )
    nearest = np.argpartition(-(unseen @ known.T), NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    logs = np.log(np.maximum(row.known.cost_usd, 1e-9))
    mean: Floats = np.exp(logs[nearest].mean(axis=1))
    return mean


def scored(row: Kept, cost: Floats) -> dict[str, Any]:
    """Errors of predicted costs, and how choices by them do."""
    true, ids = row.unseen.cost_usd, row.unseen.models
    within = [metrics.spearman(cost[:, j], true[:, j]) for j in range(cost.shape[1])]
    sweep = sweep_estimates(row.quality, cost, kind="exponential", ids=ids)
    paid, reached = mean_outcomes(row.unseen, sweep.picks)
    singles = Singles(true.mean(axis=0), row.unseen.quality.mean(axis=0))
    score = score_curve(paid, reached, singles)
    return {
        "log_rmse": metrics.log_rmse(cost, true),
        "spearman": metrics.spearman(cost, true),
        "spearman_within_model": float(np.mean([one or 0.0 for one in within])),
        "bias": float(cost.sum() / true.sum()),
        "aiq": score.aiq,
        "cost_to_match_best": score.cost_to_match_best,
    }


if __name__ == "__main__":
    main()
