"""What a model is worth to someone who pays up to λ: the two rewards of the paper."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from onehead.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

RewardKind = Literal["exponential", "linear"]


def reward(
    quality: NDArray[np.float64],
    cost_usd: NDArray[np.float64],
    willingness_to_pay: float,
    kind: RewardKind = "exponential",
) -> NDArray[np.float64]:
    """Reward of quality s at cost c [.., m], in units of quality (arXiv 2509.09782).

    exponential: s · exp(−c/λ), linear: s − c/λ, with λ the willingness to pay in USD: what one
    certain success is worth (linear), or the spend at which a success has lost all but 1/e of its
    worth (exponential).
    """
    check_kind(kind)
    with np.errstate(over="ignore"):
        burden = cost_usd / check_willingness_to_pay(willingness_to_pay)
    return quality - burden if kind == "linear" else quality * np.exp(-burden)


def rank_score(
    quality: NDArray[np.float64],
    cost_usd: NDArray[np.float64],
    wtp: float | NDArray[np.float64],
    kind: RewardKind,
) -> NDArray[np.float64]:
    """A score that orders models as the reward does [.., m], without its underflow.

    wtp: one λ for all prompts, or one for each [n, 1]

    The exponential reward is compared by its logarithm: s · exp(−c/λ) is 0 in floating point from
    c/λ ≈ 745 on, where a small λ must still prefer the cheaper model.
    """
    # Quality 0 scores −∞: it never beats a chance of success. So does a burden beyond floating
    # point; both leave a tie, which goes to the cheaper model. Neither is usual, and to switch
    # numpy's warnings off and on takes as long as the logarithms of a pool.
    least = wtp if isinstance(wtp, float) else np.min(wtp)
    if least > _LEAST_USUAL and np.count_nonzero(quality) == quality.size:
        return _score(quality, cost_usd, wtp, kind)
    with np.errstate(divide="ignore", over="ignore"):
        return _score(quality, cost_usd, wtp, kind)


def _score(
    quality: NDArray[np.float64],
    cost_usd: NDArray[np.float64],
    wtp: float | NDArray[np.float64],
    kind: RewardKind,
) -> NDArray[np.float64]:
    score: NDArray[np.float64] = quality if kind == "linear" else np.log(quality)
    return score - cost_usd / wtp


def check_kind(kind: str) -> None:
    """UsageError unless `kind` names a reward."""
    if kind not in _KINDS:
        raise UsageError(
            f"reward {kind!r} is unknown. Choose one of: {', '.join(_KINDS)}.{did_you_mean(str(kind), _KINDS)}"
        )


def check_willingness_to_pay(value: float) -> float:
    """`value` itself; UsageError unless it is a positive, finite amount of USD."""
    if not 0 < value < math.inf:
        raise UsageError(
            f"willingness to pay is {value:g}; give a positive, finite amount in USD, "
            "for example 0.002, or the name of a preset."
        )
    return value


_KINDS = get_args(RewardKind)
_LEAST_USUAL = 1e-200
"""No cost of a call, divided by more than this, goes beyond floating point."""
