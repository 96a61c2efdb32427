"""How far true amounts lie from estimated ones, measured on prompts held out of the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.spread import OUTER, Band

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.predictors import Estimates
    from onehead.training.examples import Examples

    Floats = NDArray[np.float64]

STEPS = 6
"""Steps of a band at most."""
_PER_STEP = 50
"""Held-out outcomes of a model that a step of its band needs."""
_ENOUGH = 40
"""Held-out outcomes from which on a model goes by its own; with fewer it leans on the pool's."""
_LEAST = 20
"""With fewer held-out outcomes of all models together, nothing is known of the spread."""


def bands_of(
    estimates: Estimates, unseen: Examples, most: int = STEPS
) -> dict[str, dict[str, Band]]:
    """The bands of every model, from estimates by a router that did not see these examples.

    most: how many steps a band has at most
    """
    amounts = unseen.amounts
    in_usd = np.array([card.cost_basis == "usd" for card in amounts.pool])
    written = np.where(in_usd, estimates.cost_usd, estimates.output_tokens)
    bands: dict[str, dict[str, Band]] = {}
    for which, estimated, log_true in (
        ("input", estimates.input_tokens, amounts.log_input),
        ("output", written, amounts.log_output),
    ):
        for alike in (np.flatnonzero(in_usd), np.flatnonzero(~in_usd)):
            found = _bands(estimated[:, alike], np.exp(log_true[:, alike]), most)
            for column, band in zip(alike, found, strict=True):
                if band is not None:
                    bands.setdefault(amounts.pool.ids[column], {})[which] = band
    return bands


def _bands(estimated: Floats, true: Floats, most: int) -> list[Band | None]:
    """A band for each of some models [n, k], whose amounts are of one kind; None where unknown."""
    known = (estimated > 0) & ~np.isnan(true)
    if known.sum() < _LEAST:
        return [None] * known.shape[1]
    missed = np.log(np.where(known, true, 1.0)) - np.log(np.where(known, estimated, 1.0))
    usual = _ends(missed[known])
    columns = zip(estimated.T, missed.T, known.T, strict=True)
    return [_band(size[here], off[here], usual, most) for size, off, here in columns]


def _band(estimated: Floats, missed: Floats, usual: Floats, most: int) -> Band:
    """One model's band, in steps of equal numbers of outcomes, from short to long.

    Prompts with one-letter answers and prompts with essays have spreads of their own; the estimate
    itself tells them apart.

    missed: logarithm of true over estimated amounts [n]; usual: its ends for the pool
    """
    own = min(len(missed) / _ENOUGH, 1.0)
    steps = min(max(len(missed) // _PER_STEP, 1), most)
    shares = np.arange(1, steps) / steps
    inner = np.quantile(estimated, shares) if steps > 1 else shares
    edges = np.unique([_digits(float(edge)) for edge in inner])
    step = np.searchsorted(edges, estimated, side="right")
    kept = np.unique(step) if len(step) else [0]
    ends = [_blended(missed[step == number], usual, own) for number in kept]
    return Band(
        (0.0, *(float(edges[number - 1]) for number in kept[1:])),
        tuple(_digits(float(np.exp(low))) for low, _ in ends),
        tuple(_digits(float(np.exp(high))) for _, high in ends),
    )


def _blended(missed: Floats, usual: Floats, own: float) -> Floats:
    """The ends of some outcomes, drawn toward the pool's where `own` is below 1."""
    if not own:
        return usual
    ends: Floats = own * _ends(missed) + (1 - own) * usual
    return ends


def _ends(missed: Floats) -> Floats:
    """The low and the high end, such that the next value lies beyond each as often as `OUTER` says."""
    ends: Floats = np.quantile(missed, OUTER, method="weibull")
    return ends


def _digits(value: float) -> float:
    """Four digits: a measured spread holds no more."""
    return float(f"{value:.4g}")
