"""Uncertainty over prompts: intervals of one router's figures, and of the gap between two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from onehead import metrics
from onehead.errors import UsageError
from onehead.evaluation.curves import Score, Singles, outcomes_of, score_curve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from onehead.evaluation.result import Evaluation, Interval
    from onehead.outcomes import OutcomeTable

    Floats = NDArray[np.float64]

SAMPLES = 1000
_FIGURES = ("aiq", "max_quality", "cost_to_match_best")


def resampled_scores(
    table: OutcomeTable,
    picks: Sequence[NDArray[np.intp]],
    samples: int,
    seed: int,
    zero_router: bool = False,
) -> list[dict[str, Floats]]:
    """Scores [samples] of several routers' picks, each [L, n], on the same resampled prompts.

    The single models, and with them c_min, c_max and the best, are resampled along. With
    `zero_router` the hull of the single models is scored too, as the last. A figure that is not
    reached in a resample is +∞ there.
    """
    columns = [part for each in picks for part in outcomes_of(table, each)]
    means = metrics.resampled_means(
        np.hstack([*columns, table.cost_usd, table.quality]), samples, seed
    )
    ends = np.cumsum([part.shape[1] for part in columns] + [table.n_models])
    *curves, cost, quality = np.split(means, ends, axis=1)
    singles = [Singles(*pair) for pair in zip(cost, quality, strict=True)]
    pairs = list(zip(curves[0::2], curves[1::2], strict=True))
    if zero_router:
        pairs.append((cost, quality))
    return [
        _columns([score_curve(*row) for row in zip(*pair, singles, strict=True)]) for pair in pairs
    ]


def _columns(scores: Sequence[Score]) -> dict[str, Floats]:
    """Scores, one array per figure; a figure that is None becomes +∞."""
    values = {name: [getattr(score, name) for score in scores] for name in _FIGURES}
    return {
        name: np.array([np.inf if value is None else value for value in column])
        for name, column in values.items()
    }


def router_intervals(
    table: OutcomeTable,
    picks: NDArray[np.intp],
    task_label: NDArray[np.intp],
    samples: int,
    seed: int,
) -> dict[str, Interval]:
    """Intervals of a router's figures and of its paired margins over two controls.

    picks, task_label: [L, n]. Without samples every interval is None.
    """
    names = (*_FIGURES, "aiq_minus_zero_router", "aiq_minus_true_task_label")
    if samples == 0:
        return dict.fromkeys(names)
    own, label, zero = resampled_scores(table, (picks, task_label), samples, seed, zero_router=True)
    draws = [own[name] for name in _FIGURES] + [
        own["aiq"] - other["aiq"] for other in (zero, label)
    ]
    return {name: metrics.interval(draw) for name, draw in zip(names, draws, strict=True)}


@dataclass(frozen=True, slots=True)
class Gap:
    """`router` minus `baseline` in one figure; None where one of them never reaches it."""

    difference: float | None
    interval: Interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two routers on the same prompts: the paired gap in each figure."""

    router: str
    baseline: str
    gaps: dict[str, Gap]


def compare(
    table: OutcomeTable,
    evaluations: Mapping[str, Evaluation],
    *,
    samples: int = SAMPLES,
    seed: int = 0,
) -> tuple[Comparison, ...]:
    """Each evaluation against the first of them, on the (complete) table that all were made on.

    A figure whose gap is undefined in more than one resample of forty has no interval.
    """
    if len(evaluations) < 2:
        raise UsageError("nothing to compare: give at least two evaluations.")
    for name, evaluation in evaluations.items():
        if (evaluation.prompt_ids, evaluation.models) != (table.prompt_ids, table.models):
            raise UsageError(
                f"evaluation {name!r} was made on other prompts or models than the table given; "
                "evaluate all routers on one table."
            )
    picks = [evaluation.sweep.picks for evaluation in evaluations.values()]
    draws = resampled_scores(table, picks, samples, seed)
    (baseline, first), *others = evaluations.items()
    return tuple(
        Comparison(
            name,
            baseline,
            {figure: _gap(figure, one, first, draw, draws[0]) for figure in _FIGURES},
        )
        for (name, one), draw in zip(others, draws[1:], strict=True)
    )


def _gap(
    figure: str,
    one: Evaluation,
    other: Evaluation,
    draws: dict[str, Floats],
    other_draws: dict[str, Floats],
) -> Gap:
    """The gap in one figure."""
    a, b = getattr(one, figure), getattr(other, figure)
    x, y = draws[figure], other_draws[figure]
    defined = np.isfinite(x) & np.isfinite(y)
    rare = np.count_nonzero(~defined) * 40 <= len(x)
    return Gap(
        None if a is None or b is None else a - b,
        metrics.interval(x[defined] - y[defined]) if rare else None,
    )
