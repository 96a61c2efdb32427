"""Calibration: probabilities that come true as often as they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_INSIDE = 1e-4
_CURVATURE = 0.2
"""p(1 − p) of a usual estimate: what one prompt adds to the curvature of the likelihood."""
_STEPS = 20


def calibrate(
    raw: Floats, quality: Floats, count: float, toward: tuple[float, float] = (1.0, 0.0)
) -> tuple[Floats, Floats]:
    """Slope and offset [m] on the logit scale (Platt 1999) for held-out estimates [n, m].

    Every model's pair is drawn toward `toward` as by `count` prompts that it calibrates already.
    """
    logits = _logits(raw)
    known = ~np.isnan(quality)
    pairs = np.empty((raw.shape[1], 2))
    for j, rows in enumerate(known.T):
        inputs = np.stack([logits[rows, j], np.ones(rows.sum())], axis=1)
        pairs[j] = _newton(inputs, quality[rows, j], _CURVATURE * count, np.array(toward))
    return pairs[:, 0], pairs[:, 1]


def recalibrated(raw: Floats, slope: Floats, offset: Floats) -> Floats:
    """Estimates [n, m] with slopes and offsets [m] on the logit scale applied."""
    applied: Floats = 1 / (1 + np.exp(-(slope * _logits(raw) + offset)))
    return applied


def _logits(raw: Floats) -> Floats:
    clipped = np.clip(raw, _INSIDE, 1 - _INSIDE)
    logits: Floats = np.log(clipped / (1 - clipped))
    return logits


def _newton(inputs: Floats, target: Floats, penalty: float, start: Floats) -> Floats:
    """Logistic regression from `start`, penalised by the distance from there."""
    pair = start.copy()
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-(inputs @ pair)))
        slope = inputs.T @ (target - p) - penalty * (pair - start)
        curvature = (inputs * (p * (1 - p))[:, None]).T @ inputs + penalty * np.eye(2)
        pair = pair + np.linalg.solve(curvature, slope)
    return pair
