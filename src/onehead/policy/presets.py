"""Named willingness to pay, derived from a pool's own prices of quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import UsageError
from onehead.policy.rewards import check_willingness_to_pay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PRESET_NAMES = ("cheap", "balanced", "best")


def presets(
    mean_quality: NDArray[np.float64], mean_cost_usd: NDArray[np.float64]
) -> dict[str, float]:
    """Willingness to pay in USD for each preset, from the models' mean quality and cost [m]."""
    known = np.isfinite(mean_quality) & np.isfinite(mean_cost_usd)
    quality, cost = mean_quality[known], mean_cost_usd[known]
    log_quality = np.log(np.maximum(quality, 1e-3))
    gain = log_quality[:, None] - log_quality
    extra = cost[:, None] - cost
    rates = (extra / np.where(gain > 0, gain, 1.0))[(gain > 1e-6) & (extra > 0)]
    if not len(rates):
        rates = cost[cost > 0] if (cost > 0).any() else np.ones(1)
    balanced = float(np.exp(np.median(np.log(rates))))
    return {"cheap": balanced / 10, "balanced": balanced, "best": balanced * 30}


def parse_willingness_to_pay(value: str | float, presets: Mapping[str, float]) -> float:
    """USD from a number, its text, or the name of a preset; UsageError says what is valid."""
    if isinstance(value, str) and value.strip() in presets:
        return presets[value.strip()]
    try:
        amount = float(value)
    except (TypeError, ValueError):
        raise UsageError(
            f"willingness to pay {value!r} is neither an amount in USD, such as 0.002, nor one "
            f"of: {', '.join(presets)}."
        ) from None
    return check_willingness_to_pay(amount)
