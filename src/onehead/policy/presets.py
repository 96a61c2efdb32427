"""Named willingness to pay, derived from a pool's own prices of quality.

The rule, given the models' mean quality q and mean cost c:

1. The **top** is the model with the highest ln q − κ · ln(1 + c / median c): every tenfold of cost
   has to buy at least 5 % of quality. A model that is a little better at a thousand times the
   price is therefore not the top, and a free one does not become it by being free. A model dearer
   than 100 × the median is never the top: one absurd price must not set the scale for all.
2. The **frontier** below it is every model that no cheaper model matches in quality. Moving the
   average prompt from model j up to the top is worth it from λ = (c_top − c_j) / ln(q_top / q_j) on:
   there both have the same exponential reward.
3. **balanced** is the median of these λ; **cheap** is a quarter of it, which still escalates where
   it pays most, and **best** ten times it, where cost hardly counts.

Costs multiplied by any factor multiply every preset by that factor, so a preset makes the same
decisions on a cheap and on a dear pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import UsageError, did_you_mean
from onehead.policy.rewards import check_willingness_to_pay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PRESET_NAMES = ("cheap", "balanced", "best")

_GAIN_PER_DECADE = np.log(1.05) / np.log(10)
_DEAREST = 100.0
"""The top costs at most this many times the median."""
_LEAST_QUALITY = 1e-3
"""Mean qualities below this count as this, so that their logarithm stays usable."""
_FREE_POOL = 1e-3
"""Balanced where every model is free and no amount can matter."""


def presets(
    mean_quality: NDArray[np.float64], mean_cost_usd: NDArray[np.float64]
) -> dict[str, float]:
    """Willingness to pay in USD of each preset, from the models' mean quality and cost [m].

    Models with an unknown mean are left out; UsageError when none is left.
    """
    known = np.isfinite(mean_quality) & np.isfinite(mean_cost_usd)
    if not known.any():
        raise UsageError("presets need the mean quality and cost of at least one model.")
    balanced = _balanced(np.maximum(mean_quality[known], _LEAST_QUALITY), mean_cost_usd[known])
    return {"cheap": balanced / 4, "balanced": balanced, "best": balanced * 10}


def _balanced(quality: NDArray[np.float64], cost: NDArray[np.float64]) -> float:
    """The median λ at which a frontier model and the top are worth the same."""
    if not (cost > 0).any():
        return _FREE_POOL
    typical = float(np.median(cost[cost > 0]))
    value = np.log(quality) - _GAIN_PER_DECADE * np.log1p(cost / typical)
    value[cost > _DEAREST * typical] = -np.inf
    top = int(np.lexsort((cost, -value))[0])
    below = [j for j in _frontier(quality, cost) if cost[j] < cost[top]]
    if not below:
        # The top is also the cheapest: a tenth of quality is worth a call of the typical model.
        return typical * 10
    switch = (cost[top] - cost[below]) / np.log(quality[top] / quality[below])
    return float(np.exp(np.median(np.log(switch))))


def _frontier(quality: NDArray[np.float64], cost: NDArray[np.float64]) -> list[int]:
    """Models that no cheaper (or equally cheap) model matches, by rising cost and quality."""
    frontier: list[int] = []
    for j in np.lexsort((-quality, cost)):
        if not frontier or quality[j] > quality[frontier[-1]]:
            frontier.append(int(j))
    return frontier


def parse_willingness_to_pay(value: str | float, presets: Mapping[str, float]) -> float:
    """USD from a number, its text (a leading $ is fine), or the name of a preset.

    UsageError says what is valid: a positive, finite amount or one of the presets.
    """
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text in presets:
        return presets[text]
    try:
        amount = float(text.removeprefix("$") if isinstance(text, str) else text)
    except (TypeError, ValueError):
        raise UsageError(
            f"willingness to pay {value!r} is neither an amount in USD, such as 0.002, nor one "
            f"of: {', '.join(presets)}.{did_you_mean(str(text), presets)}"
        ) from None
    except OverflowError:  # a whole number beyond floating point
        amount = np.inf
    return check_willingness_to_pay(amount)
