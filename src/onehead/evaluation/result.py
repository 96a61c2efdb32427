"""The figures of one evaluation, as a value that knows its JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.evaluation.controls import Control
    from onehead.evaluation.curves import Singles, Sweep
    from onehead.metrics import Reliability
    from onehead.policy import RewardKind

    Floats = NDArray[np.float64]

Interval = tuple[float | None, float | None] | None
"""95 % interval over prompts; None where none was asked for, an end None where it is unbounded."""


@dataclass(frozen=True, slots=True)
class QualityScores:
    """Estimated against true quality over all prompts × models: see `metrics`."""

    brier: float
    ece: float
    auc: float | None


@dataclass(frozen=True, slots=True)
class CostScores:
    """Estimated against true cost over all prompts × models, and within each model (mean)."""

    log_rmse: float | None
    spearman: float | None
    spearman_within_model: float | None


@dataclass(frozen=True, slots=True)
class TaskScore:
    """One task, by the definitions of the whole, with its own single models."""

    n_prompts: int
    aiq: float
    zero_router_aiq: float
    oracle_aiq: float
    max_quality: float
    best_single: str
    best_single_quality: float
    cost_to_match_best: float | None
    brier: float


@dataclass(frozen=True, slots=True)
class Point:
    """One operating point, in means over the prompts; regret is missed reward per prompt."""

    willingness_to_pay: float
    cost_usd: float
    quality: float
    regret: float | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a table lost to become complete."""

    models: tuple[str, ...] = ()
    n_prompts: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class CostSample:
    """Some cells of estimated against true cost: USD [k], USD [k], column of the model [k]."""

    estimated_usd: Floats
    true_usd: Floats
    column: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a router does on outcomes. Fields after `left_out` are for pictures, not in the JSON.

    aiq and its kin: see `metrics`. aiq_upstream: against the zero router, None where upstream's
    code fails (`notes` says so). curve: finite λ; at_cheapest and at_best: its two limits.
    intervals: by the name of the figure. choice_share: of each model at each λ of curve [L, m].
    reliability: of each model, in the order of `models`; sweep: the picks, both limits included.
    """

    prompt_ids: tuple[str, ...]
    models: tuple[str, ...]
    reward: RewardKind
    aiq: float
    aiq_upstream: float | None
    zero_router_aiq_upstream: float | None
    max_quality: float
    cost_to_match_best: float | None
    lambda_sensitivity: dict[str, float]
    quality: QualityScores
    cost: CostScores
    controls: dict[str, Control]
    by_task: dict[str, TaskScore]
    curve: tuple[Point, ...]
    at_cheapest: Point
    at_best: Point
    presets: dict[str, Point]
    intervals: dict[str, Interval]
    notes: tuple[str, ...]
    left_out: LeftOut
    singles: Singles
    sweep: Sweep
    choice_share: Floats
    reliability: tuple[Reliability, ...]
    pooled_reliability: Reliability
    cost_sample: CostSample = field(repr=False)

    @property
    def n_prompts(self) -> int:
        """Number of prompts scored."""
        return len(self.prompt_ids)

    @property
    def n_models(self) -> int:
        """Number of models scored."""
        return len(self.models)

    def margin(self, control: str) -> float:
        """AIQ minus that of a control."""
        return self.aiq - self.controls[control].score.aiq

    def to_json(self) -> dict[str, object]:
        """The figures as JSON values: no NaN, no infinity; null is undefined or never reached."""
        zero = self.controls["zero_router"].to_json()
        figures: dict[str, object] = {
            "n_prompts": self.n_prompts,
            "n_models": self.n_models,
            "reward": self.reward,
            "aiq": self.aiq,
            "aiq_upstream": self.aiq_upstream,
            "max_quality": self.max_quality,
            "cost_to_match_best": self.cost_to_match_best,
            "aiq_minus_zero_router": self.margin("zero_router"),
            "aiq_minus_true_task_label": self.margin("true_task_label"),
            "lambda_sensitivity": self.lambda_sensitivity,
            "regret": {
                "aiq": -self.margin("oracle"),
                "quality": self.controls["oracle"].score.max_quality - self.max_quality,
            },
            "quality": asdict(self.quality),
            "cost": asdict(self.cost),
            "controls": {name: control.to_json() for name, control in self.controls.items()}
            | {"zero_router": zero | {"aiq_upstream": self.zero_router_aiq_upstream}},
            "by_task": {name: asdict(score) for name, score in self.by_task.items()},
            "curve": [asdict(point) for point in self.curve],
            "limits": {
                "cheapest": _means_of(self.at_cheapest),
                "best": _means_of(self.at_best),
            },
            "presets": {name: asdict(point) for name, point in self.presets.items()},
            "models": [
                {"model": model, "cost_usd": float(cost), "quality": float(quality)}
                for model, cost, quality in zip(
                    self.models, self.singles.cost_usd, self.singles.quality, strict=True
                )
            ],
            "left_out": {
                "models": list(self.left_out.models),
                "n_prompts": self.left_out.n_prompts,
            },
            "notes": list(self.notes),
        }
        for name, ends in self.intervals.items():
            figures[f"{name}_ci"] = None if ends is None else list(ends)
        return figures


def _means_of(point: Point) -> dict[str, float]:
    return {"cost_usd": point.cost_usd, "quality": point.quality}
