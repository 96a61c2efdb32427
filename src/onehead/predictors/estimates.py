"""What predictors say about every model on every prompt, before anyone chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Estimates:
    """Estimates for `n` prompts over `m` models. They know nothing of the trade-off.

    quality: expected quality in [0, 1], float64 [n, m]
    cost_usd: expected cost of one call in USD, > 0, float64 [n, m]
    confidence: how much the training data says about each prompt, in [0, 1], float64 [n]
    tokens: expected input and output tokens of one call, float64 [n, 2, m], NaN for a model of
        which only dollars are known; None where that is every model
    """

    quality: NDArray[np.float64]
    cost_usd: NDArray[np.float64]
    confidence: NDArray[np.float64]
    tokens: NDArray[np.float64] | None = None

    @property
    def input_tokens(self) -> NDArray[np.float64]:
        """Expected input tokens of one call [n, m], NaN where only dollars are known."""
        return self._tokens(0)

    @property
    def output_tokens(self) -> NDArray[np.float64]:
        """Expected output tokens of one call [n, m], NaN where only dollars are known."""
        return self._tokens(1)

    def take(self, rows: NDArray[np.intp] | slice) -> Estimates:
        """The estimates of some prompts."""
        tokens = None if self.tokens is None else self.tokens[rows]
        return Estimates(self.quality[rows], self.cost_usd[rows], self.confidence[rows], tokens)

    def only(self, columns: list[int]) -> Estimates:
        """The estimates of some models."""
        tokens = None if self.tokens is None else self.tokens[:, :, columns]
        return Estimates(
            self.quality[:, columns], self.cost_usd[:, columns], self.confidence, tokens
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Estimates]) -> Estimates:
        """The estimates of all prompts of several parts, at least one, in order."""
        tokens = [part.tokens for part in parts if part.tokens is not None]
        return cls(
            np.concatenate([part.quality for part in parts]),
            np.concatenate([part.cost_usd for part in parts]),
            np.concatenate([part.confidence for part in parts]),
            np.concatenate(tokens) if len(tokens) == len(parts) else None,
        )

    def _tokens(self, which: int) -> NDArray[np.float64]:
        if self.tokens is None:
            return np.full(self.quality.shape, np.nan)
        return self.tokens[:, which]


class Predictor(Protocol):
    """Turns features into estimates for every model of its pool."""

    def predict(self, features: NDArray[np.float32]) -> Estimates:
        """Estimates for prompt features [n, d]."""
        ...
