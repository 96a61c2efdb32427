"""One cell of the comparison: learned on most of one table, scored on the rest of it.

What a seed holds out is seen by nothing: not by the contender, its tuning, the prices that are read
off the table, nor the means of the true-task-label control.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from onehead.amounts import amounts_of
from onehead.encoders import load_encoder
from onehead.evaluation import Evaluation, TaskMeans, evaluate
from onehead.evaluation.controls import task_label_sweep
from onehead.sources import read_outcomes
from onehead.training.pipeline import examples_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from onehead.outcomes import OutcomeTable
    from onehead.policy import RewardKind
    from onehead.predictors import Estimates
    from onehead.training.examples import Examples

HELD_OUT = 0.2
ENCODER = "static"
REWARDS: Final[tuple[RewardKind, ...]] = ("exponential", "linear")
TASK_LABEL = "true_task_label"


@dataclass(frozen=True)
class Whole:
    """A complete table, encoded once, and what it lost to become complete."""

    examples: Examples
    left_out: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Split:
    """What one seed leaves to learn from, and what it holds out."""

    seed: int
    known: Examples
    unseen: Examples
    task_means: TaskMeans

    @property
    def table(self) -> OutcomeTable:
        """The outcomes held out."""
        return self.unseen.table

    def task_label_picks(self) -> NDArray[np.intp]:
        """What the true-task-label control picks, [L, n]."""
        return task_label_sweep(self.table, "exponential", self.seed, self.task_means).picks


@dataclass(frozen=True, eq=False)
class Cell:
    """A contender's figures on one split, and what it picks under the exponential reward [L, n]."""

    figures: dict[str, Any]
    controls: dict[str, Any]
    picks: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Answer:
    """A contender's estimates of what was held out, and how it came to them."""

    estimates: Estimates
    settings: dict[str, Any]
    fit_s: float
    tuning_s: float = 0.0
    validation_aiq: float | None = None


class Contender(Protocol):
    """Anything that learns from a split and estimates what the split holds out."""

    def answer(self, part: Split) -> Answer:
        """Learn from `part.known`, estimate `part.unseen`."""
        ...


def read(path: str | Path) -> Whole:
    """The complete block of a table, its prompts encoded."""
    table, models, n_prompts = read_outcomes([path]).complete_block()
    examples = examples_of(table, load_encoder(ENCODER), lambda *_: None)
    return Whole(examples, {"models": list(models), "n_prompts": n_prompts})


def split(whole: Examples, seed: int) -> Split:
    """Hold out a fifth: equal texts on one side, every task in proportion."""
    rest, held = whole.table.split(HELD_OUT, seed)
    known = whole.take(rest)
    known = replace(known, amounts=amounts_of(known.table))
    return Split(seed, known, whole.take(held), TaskMeans.of(known.table))


def cell(contender: Contender, part: Split) -> Cell:
    """Learn, estimate what was held out, and score it under both rewards."""
    answer = contender.answer(part)
    scored = {
        reward: evaluate(
            answer.estimates,
            part.table,
            reward=reward,
            seed=part.seed,
            bootstrap=0,
            task_means=part.task_means,
        )
        for reward in REWARDS
    }
    figures = {
        "seed": part.seed,
        "n_train": len(part.known),
        "n_test": len(part.unseen),
        "settings": answer.settings,
        "validation_aiq": answer.validation_aiq,
        "tuning_s": answer.tuning_s,
        "fit_s": answer.fit_s,
        **_figures(scored),
    }
    main = scored["exponential"]
    return Cell(figures, _controls(main), main.sweep.picks)


def _figures(scored: Mapping[RewardKind, Evaluation]) -> dict[str, Any]:
    """What is kept of an evaluation under each reward."""
    documents = {reward: evaluation.to_json() for reward, evaluation in scored.items()}
    names = (
        "aiq",
        "aiq_upstream",
        "aiq_minus_zero_router",
        "aiq_minus_true_task_label",
        "max_quality",
        "cost_to_match_best",
        "lambda_sensitivity",
        "regret",
    )
    main = documents["exponential"]
    return {
        "rewards": {
            reward: {name: document[name] for name in names}
            for reward, document in documents.items()
        },
        "aiq_minus_shuffled": scored["exponential"].margin("shuffled"),
        "quality": main["quality"],
        "cost": main["cost"],
    }


def _controls(evaluation: Evaluation) -> dict[str, Any]:
    """The controls that no router has a part in."""
    return {
        name: control.to_json()
        for name, control in evaluation.controls.items()
        if name != "shuffled"
    }
