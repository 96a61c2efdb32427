"""How far what a call really takes lies from what was estimated: 80 % intervals around estimates.

An amount (tokens, or dollars where only these are known) is a mean; single answers are shorter or
longer. A router keeps, for each model, between which multiples of the estimate eight of ten held-out
amounts lay. Prices come last, so the intervals follow the prices in force. Nothing here is worked
out before someone asks: decisions go by the mean alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from onehead.pool import Pool
    from onehead.predictors import Estimates

    Floats = NDArray[np.float64]
    Bands = Mapping[str, "Band"]
    """``input`` and ``output`` of one model, as far as they are known."""

OUTER = (0.1, 0.9)
"""Shares of the true amounts that lie below the low end and below the high end."""
_TOGETHER = 0.3
"""How much misses of input and output are taken to come together. They hardly correlate, but have
heavy tails, so that a sum of squares alone falls short: with 0 the intervals of MMLU-Pro's costs hold
78 %, with 1 they hold 86 %."""


@dataclass(frozen=True)
class Band:
    """Between which multiples of an estimated amount the true one lies, by the estimate's size.

    start: from which estimate on each step holds, in tokens or USD; rising from 0
    low, high: of each step, multiples of the estimate. They need not be around 1: the estimate is a
        mean, and where one answer of twenty is long, the mean is longer than nine of ten
    """

    start: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        """ValueError for what is no band."""
        fits = len(self.start) == len(self.low) == len(self.high) > 0 == self.start[0]
        rising = all(one < other for one, other in pairwise(self.start))
        ordered = all(0 <= low <= high for low, high in zip(self.low, self.high, strict=False))
        if not (fits and rising and ordered):
            raise ValueError(f"{self} is no band of multiples")

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Band:
        """The band of a manifest; KeyError, TypeError or ValueError where it is none."""
        return cls(*(tuple(map(float, document[name])) for name in ("start", "low", "high")))

    def at(self, estimated: Floats) -> tuple[Floats, Floats]:
        """The multiples for estimated amounts [n], NaN for those that are NaN."""
        step = np.searchsorted(self.start[1:], estimated, side="right")
        unknown = np.isnan(estimated)
        low, high = (
            np.where(unknown, np.nan, np.take(np.array(multiples), step))
            for multiples in (self.low, self.high)
        )
        return low, high


@dataclass(frozen=True)
class Intervals:
    """Where eight of ten true amounts lie: float64 [n, m] each, NaN where that is unknown.

    cost_usd_low, cost_usd_high: USD of one call at the pool's prices; the estimate lies within
    output_tokens_low, output_tokens_high: NaN too for models of which only dollars are known; the
        estimate need not lie within (`Band`)
    """

    cost_usd_low: Floats
    cost_usd_high: Floats
    output_tokens_low: Floats
    output_tokens_high: Floats


class Spread:
    """The bands of a pool. bands: by model and amount; a model may lack some or all."""

    def __init__(self, pool: Pool, bands: Mapping[str, Bands]) -> None:
        self._pool = pool
        self._bands = bands

    def around(self, estimates: Estimates) -> Intervals:
        """The intervals around estimates of the pool's models."""
        in_usd = np.array([card.cost_basis == "usd" for card in self._pool])
        price_in, price_out = self._pool.usd_per_token()
        price_in, price_out = np.where(in_usd, 0.0, price_in), np.where(in_usd, 1.0, price_out)
        read = estimates.input_tokens
        written = np.where(in_usd, estimates.cost_usd, estimates.output_tokens)
        (in_low, in_high), (low, high) = self._at("input", read), self._at("output", written)
        input_usd, output_usd = _priced(read, price_in), _priced(written, price_out)
        less = _joined(_priced(1 - in_low, input_usd), _priced(1 - low, output_usd))
        more = _joined(_priced(in_high - 1, input_usd), _priced(high - 1, output_usd))
        tokens = np.where(in_usd, np.nan, written)
        cost = estimates.cost_usd
        return Intervals(np.maximum(cost - less, 0.0), cost + more, tokens * low, tokens * high)

    def _at(self, which: str, estimated: Floats) -> tuple[Floats, Floats]:
        """Multiples [n, m] of every model."""
        low, high = np.full((2, *estimated.shape), np.nan)
        for column, name in enumerate(self._pool.ids):
            band = self._bands.get(name, {}).get(which)
            if band is not None:
                low[:, column], high[:, column] = band.at(estimated[:, column])
        return low, high


def usual_bands(bands: Iterable[Bands]) -> dict[str, Band]:
    """What to take for a model of which no spread was measured: the median of the others'."""
    known = list(bands)
    usual = {}
    for which in ("input", "output"):
        some = [one[which] for one in known if which in one]
        if some:
            low, high = (
                float(np.median([multiple for band in some for multiple in getattr(band, end)]))
                for end in ("low", "high")
            )
            usual[which] = Band((0.0,), (low,), (high,))
    return usual


def _priced(amount: Floats, price: Floats) -> Floats:
    """Amount × price; an unknown amount of what costs nothing costs nothing."""
    cost: Floats = np.where(price == 0, 0.0, amount * price)
    return cost


def _joined(one: Floats, other: Floats) -> Floats:
    """How far a sum lies off to one side, of parts that lie off by `one` and `other`."""
    one, other = np.maximum(one, 0.0), np.maximum(other, 0.0)
    off: Floats = np.sqrt(one**2 + other**2 + 2 * _TOGETHER * one * other)
    return off
