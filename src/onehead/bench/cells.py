"""One cell of a comparison: learned on most of one table, scored on the rest of it.

What a seed holds out is seen by nothing: not by the contender, its tuning, the prices that are read
off the table, nor the means of the true-task-label control.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from onehead.amounts import amounts_of
from onehead.evaluation import Evaluation, TaskMeans, evaluate
from onehead.metrics import concave_hull

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from onehead.bench.contenders import Answer, Contender
    from onehead.outcomes import OutcomeTable
    from onehead.policy import RewardKind
    from onehead.predictors import Estimates
    from onehead.training.examples import Examples

    Rows = NDArray[np.intp]

HELD_OUT: Final = 0.2
_FIGURES = (
    "aiq",
    "aiq_upstream",
    "aiq_minus_zero_router",
    "aiq_minus_true_task_label",
    "max_quality",
    "cost_to_match_best",
    "lambda_sensitivity",
    "regret",
)


@dataclass(frozen=True, eq=False)
class Split:
    """What one seed leaves to learn from, and what it holds out."""

    seed: int
    known: Examples
    unseen: Examples
    task_means: TaskMeans


@dataclass(frozen=True, eq=False)
class Cell:
    """A contender's figures on one split, the controls beside it, and its estimates."""

    figures: dict[str, Any]
    controls: dict[str, Any]
    estimates: Estimates


def split_rows(table: OutcomeTable, seed: int, fraction: float = 1.0) -> tuple[Rows, Rows]:
    """Rows to learn from and rows held out: a fifth, equal texts on one side, tasks in proportion.

    Of the rows to learn from a share is taken; a smaller share is part of a larger one.
    """
    rest, held = table.split(HELD_OUT, seed)
    return (rest if fraction == 1 else _some(table, rest, seed, fraction)), held


def _some(table: OutcomeTable, rows: Rows, seed: int, fraction: float) -> Rows:
    """The rows of a random share of the distinct texts, at least two of them."""
    texts = sorted({table.prompts[i] for i in rows})
    order = np.random.default_rng([seed, 2]).permutation(len(texts))
    count = min(max(round(fraction * len(texts)), 2), len(texts))
    kept = {texts[i] for i in order[:count]}
    return np.array([i for i in rows if table.prompts[i] in kept], dtype=np.intp)


def split(whole: Examples, rest: Rows, held: Rows, seed: int) -> Split:
    """The examples of both sides, by row; prices come from the side to learn from."""
    known = whole.take(rest)
    known = replace(known, amounts=amounts_of(known.table))
    return Split(seed, known, whole.take(held), TaskMeans.of(known.table))


def cell(contender: Contender, part: Split, rewards: Sequence[RewardKind]) -> Cell:
    """Learn, estimate what was held out, and score it under every reward; the first one leads."""
    answer = contender.answer(part)
    scored = {
        reward: evaluate(
            answer.estimates,
            part.unseen.table,
            reward=reward,
            seed=part.seed,
            bootstrap=0,
            task_means=part.task_means,
        )
        for reward in rewards
    }
    figures = {"n_train": len(part.known), "n_test": len(part.unseen)}
    main = scored[rewards[0]]
    return Cell(
        {**figures, **_learning(answer), **_figures(scored)}, _controls(main), answer.estimates
    )


def _learning(answer: Answer) -> dict[str, Any]:
    """What learning settled on and took."""
    return {
        "settings": answer.settings,
        "validation_aiq": answer.validation_aiq,
        "tuning_s": answer.tuning_s,
        "fit_s": answer.fit_s,
    }


def _figures(scored: Mapping[RewardKind, Evaluation]) -> dict[str, Any]:
    """What is kept of an evaluation under each reward."""
    documents = {reward: evaluation.to_json() for reward, evaluation in scored.items()}
    main = next(iter(documents))
    return {
        "rewards": {
            reward: {name: document[name] for name in _FIGURES}
            for reward, document in documents.items()
        },
        "aiq_minus_shuffled": scored[main].margin("shuffled"),
        "quality": documents[main]["quality"],
        "cost": documents[main]["cost"],
        "hull": _hull(scored[main]),
    }


def _hull(evaluation: Evaluation) -> list[list[float]]:
    """The curve that counts, as pairs of mean cost and mean quality."""
    singles = evaluation.singles
    curve = [evaluation.at_cheapest, *evaluation.curve, evaluation.at_best]
    at = singles.cheapest
    cost = np.array([*(point.cost_usd for point in curve), singles.cost_usd[at]])
    quality = np.array([*(point.quality for point in curve), singles.quality[at]])
    return np.stack(concave_hull(cost, quality), axis=1).tolist()  # type: ignore[no-any-return]


def _controls(evaluation: Evaluation) -> dict[str, Any]:
    """The controls that no router has a part in."""
    controls = {
        name: control.to_json()
        for name, control in evaluation.controls.items()
        if name != "shuffled"
    }
    hull = concave_hull(evaluation.singles.cost_usd, evaluation.singles.quality)
    controls["zero_router"]["hull"] = np.stack(hull, axis=1).tolist()
    return controls
