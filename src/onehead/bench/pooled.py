"""Differences between recipes over several held-out parts of one table, with honest intervals.

Each seed holds out a part, and parts overlap: a prompt that two seeds hold out is still one prompt.
So the distinct prompt texts of the whole table are resampled, and a text counts as often as it was
drawn in every part that holds it. A figure of one resample is the mean over the seeds. The fits are
kept as they are: the interval says what other prompts would do, not other training data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead import metrics
from onehead.evaluation import Singles
from onehead.evaluation.curves import outcomes_of, score_curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onehead.outcomes import OutcomeTable

    Floats = NDArray[np.float64]

SAMPLES = 1000
ZERO_ROUTER = "zero_router"
SINGLE = "single"
"""The best single model at equal cost: at every cost, the best of those that cost no more."""


@dataclass(frozen=True, eq=False)
class Part:
    """What one seed held out, complete, and every router's picks there, columns [L, n] by name."""

    table: OutcomeTable
    picks: dict[str, NDArray[np.intp]]


def gap(parts: Sequence[Part], draws: dict[str, Floats], one: str, other: str) -> dict[str, Any]:
    """AIQ of `one` minus that of `other`: mean over the seeds, 95 % interval, and seed by seed."""
    each = [aiq_of(part, one) - aiq_of(part, other) for part in parts]
    return {
        "mean": float(np.mean(each)),
        "interval": list(metrics.interval(draws[one] - draws[other])),
        "by_seed": each,
    }


def aiq_of(part: Part, name: str) -> float:
    """AIQ of a router, the zero router or the best single model, on all prompts of a part."""
    singles = Singles(part.table.cost_usd.mean(axis=0), part.table.quality.mean(axis=0))
    if name == ZERO_ROUTER:
        return score_curve(singles.cost_usd, singles.quality, singles).aiq
    if name == SINGLE:
        return _single(singles)
    cost, quality = outcomes_of(part.table, part.picks[name])
    return score_curve(cost.mean(axis=0), quality.mean(axis=0), singles).aiq


def resampled_aiq(
    parts: Sequence[Part], samples: int = SAMPLES, seed: int = 0
) -> dict[str, Floats]:
    """AIQ of every router and of both controls, mean over the parts, in each resample [samples].

    The single models, and with them the range of cost, are resampled along.
    """
    weights = resampled_weights([part.table.prompts for part in parts], samples, seed)
    each = [_resampled(part, own) for part, own in zip(parts, weights, strict=True)]
    return {name: np.mean([one[name] for one in each], axis=0) for name in each[0]}


def resampled_weights(
    prompts: Sequence[Sequence[str]], samples: int = SAMPLES, seed: int = 0
) -> list[Floats]:
    """For each part, given by its texts, the weight of every prompt in each resample [samples, n].

    Distinct texts are drawn, over all parts at once; the weights of a part sum to 1.
    """
    texts = sorted({text for part in prompts for text in part})
    number = {text: i for i, text in enumerate(texts)}
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(texts), size=(samples, len(texts)))
    counts = np.stack([np.bincount(row, minlength=len(texts)) for row in drawn])
    each = [counts[:, [number[text] for text in part]].astype(np.float64) for part in prompts]
    return [own / own.sum(axis=1, keepdims=True) for own in each]


def _resampled(part: Part, weights: Floats) -> dict[str, Floats]:
    """AIQ of every router by the weight of each prompt of the part, [samples, n]."""
    cost, quality = weights @ part.table.cost_usd, weights @ part.table.quality
    singles = [Singles(*pair) for pair in zip(cost, quality, strict=True)]
    curves = {ZERO_ROUTER: (cost, quality)}
    for name, picks in part.picks.items():
        usd, reached = outcomes_of(part.table, picks)
        curves[name] = weights @ usd, weights @ reached
    found = {
        name: np.array([score_curve(*row).aiq for row in zip(*pair, singles, strict=True)])
        for name, pair in curves.items()
    }
    return found | {SINGLE: np.array([_single(one) for one in singles])}


def _single(singles: Singles) -> float:
    """Mean over costs, from the cheapest model's to the dearest's, of the best model's quality there."""
    order = np.argsort(singles.cost_usd)
    best, steps = np.maximum.accumulate(singles.quality[order]), np.diff(singles.cost_usd[order])
    return float(best[:-1] @ steps / steps.sum()) if steps.sum() else float(best[-1])
