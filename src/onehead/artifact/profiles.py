"""What a router keeps of each model beside its arrays: means over the training prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onehead.predictors import Estimates


def profiles_of(models: Sequence[str], estimates: Estimates) -> dict[str, dict[str, float]]:
    """Mean ``quality``, ``cost_usd``, ``input_tokens`` and ``output_tokens`` of each model.

    They are means of estimates over the same prompts, not of outcomes: models may have run on
    different tables. Tokens are left out where only dollars are known.
    """
    columns = {
        "quality": estimates.quality.mean(axis=0),
        "cost_usd": estimates.cost_usd.mean(axis=0),
        "input_tokens": estimates.input_tokens.mean(axis=0),
        "output_tokens": estimates.output_tokens.mean(axis=0),
    }
    return {
        model: {name: float(row[j]) for name, row in columns.items() if np.isfinite(row[j])}
        for j, model in enumerate(models)
    }
