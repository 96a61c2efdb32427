"""What the models of a fleet are worth to requests, for many requests at once.

From a text to estimates at the prices in force, and to the choice that follows where nothing but
quality and cost matters. What a single request adds to that is the planner's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec
import numpy as np

from onehead.policy import choose_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onehead.gateway.fleet import Fleet
    from onehead.policy import Choice, RewardKind
    from onehead.predictors import Estimates

    Floats = NDArray[np.float64]


class Estimating(Protocol):
    """The part of a router that values use."""

    def represent(self, prompts: Sequence[str]) -> NDArray[np.float32]:
        """Features [n, d] of routing texts."""

    def estimate_features(self, features: NDArray[np.float32]) -> Estimates:
        """Estimates [n, m] from features."""


class Case(msgspec.Struct):
    """A turn to be valued.

    reading: how many times the tokens of the routing text the conversation has
    cached: how many of these a prompt cache of the model before may hold
    answers: how many answers are asked for at once
    willingness_to_pay: λ in USD
    """

    text: str
    reading: float
    cached: float
    answers: int
    willingness_to_pay: float
    reward: RewardKind


class Value(msgspec.Struct):
    """What a fleet's models, a in number, are worth to one case.

    quality, cost_usd: [1, a]
    tokens: that each is expected to read of the routing text and to write, [2, a]; NaN where only
        dollars are known
    features: what the router saw [d]; `half` the same in half precision, as it is logged
    free: the choice where nothing constrains it
    """

    quality: Floats
    cost_usd: Floats
    tokens: Floats
    confidence: float
    features: NDArray[np.float32]
    half: NDArray[np.float16]
    free: Choice

    def amounts(self, row: int) -> tuple[float, float]:
        """Tokens of the text that a model reads, and those that it writes; 0 where not known."""
        read, written = self.tokens[:, row].tolist()
        return (read if read == read else 0.0), (written if written == written else 0.0)  # noqa: PLR0124


class Valuer:
    """Values cases with one router over one fleet."""

    def __init__(self, router: Estimating, fleet: Fleet) -> None:
        self._router = router
        self._fleet = fleet

    def __call__(self, cases: Sequence[Case]) -> list[Value]:
        """The value of each case, the same alone and among others.

        Raises:
            OneheadError: the encoder or the network failed.
        """
        fleet = self._fleet
        features = self._router.represent([case.text for case in cases])
        estimates = self._router.estimate_features(features)
        quality = fleet.of_rows(estimates.quality)
        tokens = fleet.tokens(estimates)
        cost = fleet.costs(
            estimates, tokens,
            reading=np.array([[case.reading] for case in cases]),
            answers=np.array([[float(case.answers)] for case in cases]),
        )  # fmt: skip
        choices = self._choices(cases, quality, cost)
        confidence, half = estimates.confidence.tolist(), features.astype(np.float16)
        return [
            Value(
                quality[n : n + 1], cost[n : n + 1], tokens[n], confidence[n],
                features[n], half[n], free,
            )
            for n, free in enumerate(choices)
        ]  # fmt: skip

    def _choices(self, cases: Sequence[Case], quality: Floats, cost: Floats) -> list[Choice]:
        """The unconstrained choice of each case."""
        ids = self._fleet.ids
        kinds = {case.reward for case in cases}
        if len(kinds) == 1:
            wtp = [case.willingness_to_pay for case in cases]
            return choose_each(quality, cost, wtp, kind=kinds.pop(), ids=ids)
        return [
            choose_each(
                quality[n : n + 1], cost[n : n + 1], [case.willingness_to_pay],
                kind=case.reward, ids=ids,
            )[0]
            for n, case in enumerate(cases)
        ]  # fmt: skip
