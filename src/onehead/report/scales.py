"""Domains and pixel positions, for what Vega-Lite leaves to the caller (label placement)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

_TICK_ROOM = 75
"""Pixels that an amount of dollars takes on an axis."""

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Scale:
    """One axis: its domain in data units and its length in pixels. `flip` counts from the end."""

    low: float
    high: float
    pixels: float
    log: bool = False
    flip: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of `value`."""
        share = (self._step(value) - self._step(self.low)) / (
            self._step(self.high) - self._step(self.low)
        )
        return self.pixels * (1 - share if self.flip else share)

    def _step(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def vega(self) -> dict[str, Any]:
        """This scale in a Vega-Lite encoding."""
        scale = {"domain": [self.low, self.high], "nice": False}
        return {"type": "log", **scale} if self.log else {"type": "linear", "zero": False, **scale}


def log_scale(values: Iterable[float], pixels: float, *, margin: float = 0.06) -> Scale:
    """A log axis around `values`, with a share of its length as margin on both sides.

    Zeros have no place on it; where everything is zero its range is arbitrary.
    """
    logs = [math.log10(value) for value in values if value > 0] or [-6.0, -5.0]
    low, high = min(logs), max(logs)
    pad = max((high - low) * margin, 0.05)
    return Scale(10 ** (low - pad), 10 ** (high + pad), pixels, log=True)


def quality_scale(values: Iterable[float], pixels: float) -> Scale:
    """An upright axis around qualities in [0, 1], rounded outwards to 0.05."""
    known = list(values)
    low = max(math.floor((min(known) - 0.01) * 20) / 20, 0.0)
    high = min(math.ceil((max(known) + 0.01) * 20) / 20, 1.0)
    return Scale(low, high, pixels, flip=True)


def decades(scale: Scale) -> list[float]:
    """Axis values of a log scale: 1, 2 and 5 in every decade, or fewer where room is short.

    A short axis may have none of these; its middle, rounded, is marked then.
    """
    first, last = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{step}e{power}") for power in range(first, last + 1) for step in steps]
        inside = [tick for tick in ticks if scale.low <= tick <= scale.high]
        if len(inside) * _TICK_ROOM <= scale.pixels:
            break
    return inside or [float(f"{math.sqrt(scale.low * scale.high):.2g}")]


def usd_axis(scale: Scale, title: str) -> dict[str, Any]:
    """A log axis of dollars, written out in decimals ($0.0002, not 200µ)."""
    return {
        "title": title,
        "values": decades(scale),
        "labelExpr": "'$' + format(datum.value, ',.10~f')",
        "labelOverlap": "greedy",
        "labelSeparation": 6,
    }
