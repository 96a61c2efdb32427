"""Whether estimated quality comes true, and whether `min_quality` keeps its promise.

    python benchmarks/calibration.py [--table NAME …] [--seeds 0 1 2]

Looks at the estimates that recipes.py kept, of prompts that no fit has seen. A calibration error over
few prompts is never zero, so beside each stands what estimates that are right would show: the mean over
outcomes drawn by the estimates themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from common import RESULTS
from kept import score_kept

from onehead import metrics, policy

if TYPE_CHECKING:
    from kept import Kept

RESULT = RESULTS / "calibration.json"
PACKAGES = ("onehead", "numpy")
TARGETS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
DRAWS = 20
LEAST = 0.05
"""A target counts as one that can be reached from this share of the prompts on."""


def main() -> None:
    score_kept(__doc__, RESULT, PACKAGES, of_row)


def of_row(row: Kept) -> dict[str, Any]:
    """Calibration errors of one row, and its promises."""
    said, came = row.quality, row.unseen.quality
    rng = np.random.default_rng(row.seed)
    each = [metrics.ece(said[:, j], came[:, j]) for j in range(said.shape[1])]
    drawn = [(rng.random(said.shape) < said).astype(np.float64) for _ in range(DRAWS)]
    by_chance = [metrics.ece(said, one) for one in drawn]
    models = [
        np.mean([metrics.ece(said[:, j], one[:, j]) for one in drawn]) for j in range(said.shape[1])
    ]
    return {
        "seed": row.seed,
        "n": len(said),
        "ece": metrics.ece(said, came),
        "ece_if_right": float(np.mean(by_chance)),
        "ece_of_models": {"mean": float(np.mean(each)), "most": float(np.max(each))},
        "ece_of_models_if_right": float(np.mean(models)),
        "promises": [promise(row, target) for target in TARGETS],
    }


def promise(row: Kept, target: float) -> dict[str, Any]:
    """What came of the prompts on which some model was estimated to reach the target."""
    reached = np.flatnonzero(row.quality.max(axis=1) >= target)
    share = len(reached) / len(row.quality)
    if share < LEAST:
        return {"target": target, "share": share, "success": None, "spent_of_best": None}
    quality, cost = row.quality[reached], row.cost_usd[reached]
    choice = policy.choose(
        quality,
        cost,
        1.0,
        constraints=policy.Constraints(None, target, None),
        ids=row.unseen.models,
    )
    rows = np.arange(len(reached))
    came = row.unseen.quality[reached][rows, choice.column]
    paid = row.unseen.cost_usd[reached]
    best = int(row.unseen.quality.mean(axis=0).argmax())
    spent = float(paid[rows, choice.column].mean() / paid[:, best].mean())
    return {"target": target, "share": share, "success": float(came.mean()), "spent_of_best": spent}


if __name__ == "__main__":
    main()
