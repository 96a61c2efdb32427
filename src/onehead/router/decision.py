"""What a router decided for one prompt, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onehead import policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from onehead.policy import Choice, Constraints, RewardKind
    from onehead.predictors import Estimates
    from onehead.spread import Spread


INTERVAL = (
    "cost_usd_low",
    "cost_usd_high",
    "output_tokens",
    "output_tokens_low",
    "output_tokens_high",
)
"""What is told of each model's cost and length beside the estimates that decide."""


@dataclass(frozen=True, slots=True)
class ModelEstimate:
    """One model of the pool, as estimated for one prompt.

    `reward` is what the model is worth at the caller's willingness to pay, in units of quality;
    `why_not` says which constraint excludes it where it is not `eligible`. In eight of ten calls the
    cost and the length of the answer lie between their low and high ends; None where that is unknown,
    as the length is of a model of which only dollars are known.
    """

    model: str
    quality: float
    cost_usd: float
    reward: float
    eligible: bool
    why_not: str | None
    cost_usd_low: float | None = None
    cost_usd_high: float | None = None
    output_tokens: float | None = None
    output_tokens_low: float | None = None
    output_tokens_high: float | None = None


@dataclass(slots=True)  # not frozen: that doubles the time to make one
class Verdict:
    """What the decisions of one call share: the options and the arrays of all its prompts."""

    ids: tuple[str, ...]
    estimates: Estimates
    choice: Choice
    willingness_to_pay: float
    reward: RewardKind
    constraints: Constraints
    spread: Spread


class Decision:
    """The model chosen for one prompt. Everything but the choice is worked out when asked for."""

    __slots__ = ("_row", "_verdict", "model")

    def __init__(self, verdict: Verdict, row: int) -> None:
        self._verdict = verdict
        self._row = row
        self.model = verdict.ids[verdict.choice.column[row]]
        """The id of the chosen model."""

    def __repr__(self) -> str:
        return f"<Decision {self.model} at a willingness to pay of {self.willingness_to_pay} USD>"

    @property
    def willingness_to_pay(self) -> float:
        """λ in USD, a preset's name resolved."""
        return self._verdict.willingness_to_pay

    @property
    def reward(self) -> RewardKind:
        """The kind of reward that was compared: exponential or linear."""
        return self._verdict.reward

    @property
    def confidence(self) -> float:
        """How much the training data says about this prompt, in [0, 1]."""
        return float(self._verdict.estimates.confidence[self._row])

    @property
    def reason(self) -> str:
        """Why this model, and what the next best would change, in plain words."""
        shared = self._verdict
        return policy.explain(
            shared.choice,
            self._row,
            shared.estimates.quality,
            shared.estimates.cost_usd,
            shared.willingness_to_pay,
            kind=shared.reward,
            constraints=shared.constraints,
            ids=shared.ids,
        )

    @property
    def estimates(self) -> tuple[ModelEstimate, ...]:
        """Every model of the pool, in its order."""
        shared, row = self._verdict, self._row
        quality, cost_usd = shared.estimates.quality, shared.estimates.cost_usd
        obstacles = policy.why_not(shared.choice, row, quality, cost_usd, shared.constraints)
        columns = zip(
            shared.ids,
            quality[row].tolist(),
            cost_usd[row].tolist(),
            shared.choice.rewards[row].tolist(),
            obstacles,
            self._intervals(),
            strict=True,
        )
        return tuple(
            ModelEstimate(name, q, cost, worth, obstacle is None, obstacle, *ends)
            for name, q, cost, worth, obstacle, ends in columns
        )

    def _intervals(self) -> Iterable[tuple[float | None, ...]]:
        """The ends of cost, the length, and its ends, of every model."""
        own = self._verdict.estimates.take(slice(self._row, self._row + 1))
        found = self._verdict.spread.around(own)
        columns = (
            found.cost_usd_low,
            found.cost_usd_high,
            own.output_tokens,
            found.output_tokens_low,
            found.output_tokens_high,
        )
        return zip(*(map(digits, column[0].tolist()) for column in columns), strict=True)

    def to_json(self) -> dict[str, Any]:
        """The decision as JSON values; a reward too low for a number is null."""
        return {
            "model": self.model,
            "willingness_to_pay": self.willingness_to_pay,
            "reward": self.reward,
            "confidence": self.confidence,
            "reason": self.reason,
            "estimates": [
                {
                    "model": one.model,
                    "quality": one.quality,
                    "cost_usd": one.cost_usd,
                    "reward": one.reward if math.isfinite(one.reward) else None,
                    "eligible": one.eligible,
                    "why_not": one.why_not,
                    **{name: getattr(one, name) for name in INTERVAL},
                }
                for one in self.estimates
            ],
        }


def digits(value: float) -> float | None:
    """Six digits, as costs have; None where the value is unknown."""
    return None if math.isnan(value) else float(f"{value:.6g}")
