"""The choice of a model per prompt: rewards, constraints and ties. Knows nothing of prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import NoEligibleModel, UsageError
from onehead.policy.rewards import (
    RewardKind,
    check_kind,
    check_willingness_to_pay,
    rank_score,
)
from onehead.policy.words import no_eligible_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NUMBER = (int, float, np.number)
TIE = 1e-9
"""Scores nearer than this (relative to the best, at least absolute) count as equal."""


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a caller allows.

    max_cost_usd: ceiling on the estimated cost of one call
    min_quality: floor: the cheapest model whose estimated quality reaches it is taken, whatever the
        willingness to pay; where none reaches it, the best one
    models: allowed columns; None allows all
    """

    max_cost_usd: float | None = None
    min_quality: float | None = None
    models: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        most, least = self.max_cost_usd, self.min_quality
        if most is not None and not (isinstance(most, _NUMBER) and 0 <= most < math.inf):
            raise UsageError(f"max cost is {most!r}; give USD per call, 0 or more.")
        if least is not None and not (isinstance(least, _NUMBER) and 0 <= least <= 1):
            raise UsageError(f"min quality is {least!r}; give a number from 0 to 1.")


UNCONSTRAINED = Constraints()


@dataclass(frozen=True, slots=True)
class Choice:
    """The models chosen for n prompts, and what they were chosen from.

    column: the chosen model of each prompt, intp [n]
    score: what orders the models as their rewards do, float64 [n, m]
    kind: of the rewards
    kept: which models could be chosen [n, m]; None where nothing keeps any out
    missed: prompts on which no eligible model reaches min_quality, bool [n]; None without a floor
    """

    column: NDArray[np.intp]
    score: NDArray[np.float64]
    kind: RewardKind
    kept: NDArray[np.bool_] | None = None
    missed: NDArray[np.bool_] | None = None

    @property
    def rewards(self) -> NDArray[np.float64]:
        """Reward of every model, float64 [n, m]."""
        return self.score if self.kind == "linear" else np.exp(self.score)

    @property
    def eligible(self) -> NDArray[np.bool_]:
        """Which models could be chosen (constraints, and the floor where one reaches it) [n, m]."""
        return np.ones(self.score.shape, bool) if self.kept is None else self.kept

    @property
    def relaxed(self) -> NDArray[np.bool_]:
        """Prompts on which no eligible model reaches min_quality, bool [n]."""
        return np.zeros(len(self.score), bool) if self.missed is None else self.missed


def choose(
    quality: NDArray[np.float64],
    cost_usd: NDArray[np.float64],
    willingness_to_pay: float,
    *,
    kind: RewardKind = "exponential",
    constraints: Constraints = UNCONSTRAINED,
    ids: Sequence[str],
) -> Choice:
    """Choose one model per prompt from estimates [n, m]: the highest reward.

    Equal rewards go to the cheaper model, then to the name that sorts first. With a floor the
    order is cost, then quality, then name; where the floor cannot be reached quality, cost, name.

    Raises:
        UsageError: a willingness to pay, reward, shape or column that cannot be taken.
        NoEligibleModel: the allow-list and the ceiling leave a prompt without a model.
    """
    check_kind(kind)
    wtp = check_willingness_to_pay(willingness_to_pay)
    if quality.ndim != 2 or quality.shape != cost_usd.shape or quality.shape[1] != len(ids):
        raise UsageError(
            f"estimates of shape {quality.shape} and {cost_usd.shape} do not fit "
            f"{len(ids)} models; give quality and cost as [prompts, models]."
        )
    score = rank_score(quality, cost_usd, wtp, kind)
    if constraints is UNCONSTRAINED or constraints == UNCONSTRAINED:
        return Choice(pick(score, cost_usd, None, ids), score, kind)
    eligible = _eligible(quality, cost_usd, constraints, ids)
    if constraints.min_quality is None:
        return Choice(pick(score, cost_usd, eligible, ids), score, kind, eligible)
    floor = constraints.min_quality
    column, eligible, relaxed = _pick_with_floor(quality, cost_usd, eligible, floor, ids)
    return Choice(column, score, kind, eligible, relaxed)


def choose_each(
    quality: NDArray[np.float64],
    cost_usd: NDArray[np.float64],
    willingness_to_pay: Sequence[float],
    *,
    kind: RewardKind = "exponential",
    ids: Sequence[str],
) -> list[Choice]:
    """The unconstrained choice of each prompt at a willingness to pay of its own [n].

    Each is what `choose` makes of the prompt alone.
    """
    check_kind(kind)
    wtp = np.array([[check_willingness_to_pay(value)] for value in willingness_to_pay])
    score = rank_score(quality, cost_usd, wtp, kind)
    column = pick(score, cost_usd, None, ids)
    rows = (slice(n, n + 1) for n in range(len(column)))
    return [Choice(column[row], score[row], kind) for row in rows]


def sweep(
    quality: NDArray[np.float64],
    cost_usd: NDArray[np.float64],
    grid: Sequence[float] | NDArray[np.float64],
    *,
    kind: RewardKind = "exponential",
    ids: Sequence[str],
) -> NDArray[np.intp]:
    """The choice at every willingness to pay of `grid` [L]: columns [L, n], as `choose` makes it.

    The grid may hold the two limits: 0 (the cheapest model, then the better) and infinity (the
    best, then the cheaper).
    """
    check_kind(kind)
    columns = np.empty((len(grid), len(quality)), dtype=np.intp)
    for block in _row_blocks(*quality.shape):
        for row, wtp in enumerate(grid):
            columns[row, block] = _pick_at(quality[block], cost_usd[block], float(wtp), kind, ids)
    return columns


def _pick_at(
    quality: NDArray[np.float64],
    cost_usd: NDArray[np.float64],
    wtp: float,
    kind: RewardKind,
    ids: Sequence[str],
) -> NDArray[np.intp]:
    """One unconstrained choice, its two limits included [n]."""
    if wtp == 0:
        return pick(-cost_usd, -quality, None, ids, unit=0.0)
    if wtp == math.inf:
        return pick(quality, cost_usd, None, ids)
    wtp = check_willingness_to_pay(wtp)
    return pick(rank_score(quality, cost_usd, wtp, kind), cost_usd, None, ids)


def _row_blocks(n: int, m: int) -> list[slice]:
    """Rows in blocks that stay in the processor's cache over a whole sweep."""
    step = max(1, 16_384 // m)
    return [slice(start, start + step) for start in range(0, n, step)]


def pick(
    score: NDArray[np.float64],
    then_least: NDArray[np.float64],
    eligible: NDArray[np.bool_] | None,
    ids: Sequence[str],
    unit: float = 1.0,
) -> NDArray[np.intp]:
    """Column of the highest score per row [n]; ties by the least `then_least`, then by name.

    score, then_least, eligible: [n, m]; `eligible` None allows all. Scores within TIE of the best,
    relative to it and to `unit`, are equal; a score without a natural unit (a cost) gives 0.
    """
    if eligible is not None:
        score = np.where(eligible, score, -np.inf)
    column: NDArray[np.intp] = score.argmax(axis=1)
    best = _best(score, column)
    tied = score >= _least_tied(best, unit)
    if eligible is not None:
        tied &= eligible  # where all scores are −∞, those of the others too
        column = tied.argmax(axis=1)
    # A row with a NaN has no best; among several, the ties of another might make up its number.
    if np.count_nonzero(tied) != len(column) or (len(column) > 1 and np.isnan(best).any()):
        _settle_ties(column, tied, then_least, ids)
    return column


def _best(score: NDArray[np.float64], column: NDArray[np.intp]) -> NDArray[np.float64] | float:
    """The highest score of each row [n, 1], which is at `column`; a single one needs no array."""
    if len(column) == 1:
        return score.item(0, column[0])
    best: NDArray[np.float64] = np.maximum.reduce(score, axis=1, keepdims=True)
    return best


def _least_tied(best: NDArray[np.float64] | float, unit: float) -> NDArray[np.float64] | float:
    """The least score that counts as equal to the best."""
    if isinstance(best, float):
        return best - TIE * max(abs(best), unit)
    least: NDArray[np.float64] = best - TIE * np.maximum(np.abs(best), unit)
    return least


def _settle_ties(
    column: NDArray[np.intp],
    tied: NDArray[np.bool_],
    then_least: NDArray[np.float64],
    ids: Sequence[str],
) -> None:
    """Settle, in place, the rows of `column` [n] that have several best models."""
    count = np.count_nonzero(tied, axis=1)
    if not count.all():
        row = int(np.argmin(count))
        raise UsageError(f"the estimates of prompt {row} hold a NaN; give numbers for every model.")
    rows = np.flatnonzero(count > 1)
    second = np.where(tied[rows], then_least[rows], np.inf)
    least = second.min(axis=1, keepdims=True)
    tied = tied[rows] & (second <= least + TIE * np.abs(least))
    by_name = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.intp)
    column[rows] = by_name[tied[:, by_name].argmax(axis=1)]


def _eligible(
    quality: NDArray[np.float64],
    cost_usd: NDArray[np.float64],
    constraints: Constraints,
    ids: Sequence[str],
) -> NDArray[np.bool_]:
    """Models within the allow-list and the ceiling [n, m]."""
    if constraints.models is None:
        eligible = np.ones(quality.shape, bool)
    else:
        eligible = np.zeros(quality.shape, bool)
        eligible[:, _columns(constraints.models, len(ids))] = True
    if constraints.max_cost_usd is not None:
        eligible &= cost_usd <= constraints.max_cost_usd
    possible = eligible.any(axis=1)
    if not possible.all():
        row = int(np.argmin(possible))
        raise NoEligibleModel(no_eligible_model(row, cost_usd, constraints, ids))
    return eligible


def _columns(columns: tuple[int, ...], m: int) -> list[int]:
    """The allow-list as an index; UsageError on a column that the pool does not have."""
    wrong = [column for column in columns if not 0 <= column < m]
    if wrong:
        raise UsageError(f"the allow-list names columns {wrong}, but the pool has {m} models.")
    return list(columns)


def _pick_with_floor(
    quality: NDArray[np.float64],
    cost_usd: NDArray[np.float64],
    eligible: NDArray[np.bool_],
    floor: float,
    ids: Sequence[str],
) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_]]:
    """The cheapest eligible model that reaches `floor`; the best one where none does.

    Returns the choice [n], what remained eligible [n, m] and which prompts were relaxed [n].
    """
    reaching = eligible & (quality >= floor)
    relaxed = np.logical_not(reaching.any(axis=1))
    missed = relaxed[:, None]
    eligible = np.where(missed, eligible, reaching)
    first = np.where(missed, quality, -cost_usd)
    second = np.where(missed, cost_usd, -quality)
    return pick(first, second, eligible, ids, unit=0.0), eligible, relaxed
