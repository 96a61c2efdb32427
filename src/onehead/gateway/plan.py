"""A plan: who answers a request, who stands in, and all that was weighed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from onehead import policy
from onehead.policy import UNCONSTRAINED, Choice, Constraints
from onehead.predictors import Estimates
from onehead.router.decision import INTERVAL, digits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.gateway.eligible import Obstacles
    from onehead.spread import Spread


@dataclass(frozen=True, slots=True)
class Terms:
    """What a decision is to respect: the request's options, its key's and the configuration's."""

    willingness_to_pay: float
    reward: policy.RewardKind
    max_cost_usd: float | None
    min_quality: float | None
    models: tuple[str, ...] | None
    session: str | None


class Plan(msgspec.Struct):
    """What was decided for one request.

    order: models to try, the chosen one first
    columns: the policy's view: quality, cost and choice over the fleet's rows, one prompt
    tokens: that each is expected to read of the routing text and to write [2, a], of which the
        conversation has `reading` times as many, and `answers` are asked for
    """

    order: list[str]
    terms: Terms | None = None
    chosen: str | None = None
    confidence: float | None = None
    quality: NDArray[np.float64] | None = None
    cost_usd: NDArray[np.float64] | None = None
    choice: Choice | None = None
    constraints: Constraints = UNCONSTRAINED
    obstacles: Obstacles | None = None
    row: int | None = None
    incumbent: str | None = None
    held: bool = False
    text: str | None = None
    features: NDArray[np.float32] | None = None
    half: NDArray[np.float16] | None = None
    memory_keys: tuple[str, ...] = ()
    tokens: NDArray[np.float64] | None = None
    reading: float = 1.0
    answers: int = 1
    spread: Spread | None = None
    input_tokens: float = 0.0
    output_tokens: float = 0.0
    ids: tuple[str, ...] = ()

    @property
    def predicted_quality(self) -> float | None:
        """Estimated quality of the chosen model."""
        return (
            None if self.quality is None or self.row is None else float(self.quality[0, self.row])
        )

    @property
    def predicted_cost_usd(self) -> float | None:
        """Estimated cost of the chosen model."""
        return (
            None if self.cost_usd is None or self.row is None else float(self.cost_usd[0, self.row])
        )

    def expected_cost_usd(self, model: str) -> float | None:
        """Estimated cost of any model of the fleet; None where nothing was estimated."""
        if self.cost_usd is None or model not in self.ids:
            return None
        return float(self.cost_usd[0, self.ids.index(model)])

    def estimates(self) -> list[tuple[str, float, float, float, str | None]]:
        """Each model with its quality, cost, reward and what keeps it from being chosen."""
        if self.choice is None or self.quality is None or self.cost_usd is None:
            return []
        everyone = (None,) * len(self.ids)
        own = everyone if self.obstacles is None else self.obstacles.reasons
        words: tuple[str | None, ...] = everyone
        if self.constraints is not UNCONSTRAINED:
            words = policy.why_not(self.choice, 0, self.quality, self.cost_usd, self.constraints)
        rewards = self.choice.rewards[0].tolist()
        return [
            (name, quality, cost, reward, mine or theirs)
            for name, quality, cost, reward, mine, theirs in zip(
                self.ids, self.quality[0].tolist(), self.cost_usd[0].tolist(), rewards, own, words,
                strict=True,
            )
        ]  # fmt: skip

    def intervals(self) -> list[tuple[float | None, ...]]:
        """For each model the ends of its cost, the length of its answer, and the ends of that."""
        if self.spread is None or self.tokens is None:
            return [(None,) * 5 for _ in self.ids]
        assert self.quality is not None  # noqa: S101  (they come together)
        assert self.cost_usd is not None  # noqa: S101
        tokens = self.tokens * np.array([[self.reading], [float(self.answers)]])
        expected = Estimates(self.quality, self.cost_usd, np.ones(1), tokens[None])
        found = self.spread.around(expected)
        columns = (
            found.cost_usd_low, found.cost_usd_high, tokens[1:],
            found.output_tokens_low, found.output_tokens_high,
        )  # fmt: skip
        return list(zip(*(map(digits, column[0].tolist()) for column in columns), strict=True))

    def reason(self) -> str:
        """Why this model, in words."""
        if self.choice is None or self.terms is None or self.quality is None:
            return "the conversation stays with the model that answers it." if self.held else ""
        assert self.cost_usd is not None  # noqa: S101
        words = policy.explain(
            self.choice, 0, self.quality, self.cost_usd, self.terms.willingness_to_pay,
            kind=self.terms.reward, constraints=self.constraints, ids=self.ids,
        )  # fmt: skip
        if self.incumbent is not None:
            stays = "stays with" if self.chosen == self.incumbent else "leaves"
            words += (
                f" The conversation {stays} {self.incumbent}, whose prompt cache counts for it."
            )
        return words


def decision_document(plan: Plan) -> dict[str, Any]:
    """A plan as JSON values, in the shape of `onehead route --json`."""
    terms = plan.terms
    return {
        "model": plan.chosen,
        "willingness_to_pay": None if terms is None else terms.willingness_to_pay,
        "reward": None if terms is None else terms.reward,
        "confidence": plan.confidence,
        "reason": plan.reason(),
        "estimates": [
            {
                "model": name,
                "quality": quality,
                "cost_usd": cost,
                "reward": reward if abs(reward) < float("inf") else None,
                "eligible": why_not is None,
                "why_not": why_not,
                **dict(zip(INTERVAL, ends, strict=True)),
            }
            for (name, quality, cost, reward, why_not), ends in zip(
                plan.estimates(), plan.intervals(), strict=False
            )
        ],
    }
