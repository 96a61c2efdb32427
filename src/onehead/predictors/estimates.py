"""What predictors say about every model on every prompt, before anyone chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Estimates:
    """Estimates for `n` prompts over `m` models. They know nothing of the trade-off.

    quality: expected quality in [0, 1], float64 [n, m]
    cost_usd: expected cost of one call in USD, > 0, float64 [n, m]
    confidence: how much the training data says about each prompt, in [0, 1], float64 [n]
    """

    quality: NDArray[np.float64]
    cost_usd: NDArray[np.float64]
    confidence: NDArray[np.float64]

    def take(self, rows: NDArray[np.intp] | slice) -> Estimates:
        """The estimates of some prompts."""
        return Estimates(self.quality[rows], self.cost_usd[rows], self.confidence[rows])

    def only(self, columns: list[int]) -> Estimates:
        """The estimates of some models."""
        return Estimates(self.quality[:, columns], self.cost_usd[:, columns], self.confidence)


class Predictor(Protocol):
    """Turns features into estimates for every model of its pool."""

    def predict(self, features: NDArray[np.float32]) -> Estimates:
        """Estimates for prompt features [n, d]."""
        ...
