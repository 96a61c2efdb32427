"""The reason for one decision, in one or two plain sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from onehead.policy.choice import TIE, UNCONSTRAINED, Choice, Constraints, choose
from onehead.policy.words import usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onehead.policy.rewards import RewardKind


def explain(
    choice: Choice,
    row: int,
    quality: NDArray[np.float64],
    cost_usd: NDArray[np.float64],
    willingness_to_pay: float,
    *,
    kind: RewardKind = "exponential",
    constraints: Constraints = UNCONSTRAINED,
    ids: Sequence[str],
) -> str:
    """Why prompt `row` of `choice` got its model, and what the alternative would have changed.

    Takes what `choose` took: estimates [n, m] and the same options. The second sentence names the
    constraint that changed the decision, or else the next best model.
    """
    one = quality[row : row + 1], cost_usd[row : row + 1]
    chosen = int(choice.column[row])
    facts = f"{ids[chosen]}, quality {one[0][0, chosen]:.2f} for about {usd(one[1][0, chosen])}"
    first = _why(choice, row, facts, willingness_to_pay, constraints)
    free = choose(*one, willingness_to_pay, kind=kind, ids=ids)
    wished = int(free.column[0])
    if wished != chosen:
        change = _change(one, chosen, wished)
        return f"{first} Without the {_bounds(constraints)}, {ids[wished]} would be chosen{change}."
    others = np.flatnonzero(choice.eligible[row])
    others = others[others != chosen]
    if not len(others):
        return first
    rest = replace(constraints, models=tuple(int(column) for column in others))
    next_best = choose(*one, willingness_to_pay, kind=kind, constraints=rest, ids=ids)
    other = int(next_best.column[0])
    equal = _equal(choice.rewards[row, chosen], choice.rewards[row, other])
    if equal and constraints.min_quality is None:
        return f"{first} {ids[other]} is worth the same{_tie(one[1][0], chosen, other)}."
    return f"{first} Next best is {ids[other]}{_change(one, chosen, other)}."


def _why(choice: Choice, row: int, facts: str, wtp: float, constraints: Constraints) -> str:
    """The first sentence: `facts` about the chosen model, and what they made it win."""
    floor = constraints.min_quality
    if choice.relaxed[row]:
        return f"{facts}, comes nearest to the floor of {floor:g}, which no model reaches."
    if floor is not None:
        return f"{facts}, is the cheapest that reaches the floor of {floor:g}."
    if np.count_nonzero(choice.eligible[row]) == 1:
        return f"{facts}, is the only model that can be chosen."
    return f"{facts}, is the best trade at a willingness to pay of {usd(wtp)}."


def _bounds(constraints: Constraints) -> str:
    """The constraints that are set, as a phrase."""
    names = []
    if constraints.models is not None:
        names.append("allow-list")
    if constraints.max_cost_usd is not None:
        names.append(f"ceiling of {usd(constraints.max_cost_usd)}")
    if constraints.min_quality is not None:
        names.append(f"floor of {constraints.min_quality:g}")
    return " and the ".join(names)


def _change(one: tuple[NDArray[np.float64], NDArray[np.float64]], chosen: int, other: int) -> str:
    """What the other model would change: ``: +0.03 quality for $0.004 more``."""
    better = float(one[0][0, other] - one[0][0, chosen])
    dearer = float(one[1][0, other] - one[1][0, chosen])
    price = f"{usd(abs(dearer))} {'more' if dearer > 0 else 'less'}" if dearer else "the same cost"
    gain = f"{better:+.2f} quality" if abs(better) >= 0.005 else "the same quality"
    return f": {gain} for {price}"


def _tie(cost_usd: NDArray[np.float64], chosen: int, other: int) -> str:
    """How a tie was settled."""
    if _equal(cost_usd[chosen], cost_usd[other]):
        return " and costs the same; the name that sorts first wins"
    return f" but costs {usd(float(cost_usd[other] - cost_usd[chosen]))} more"


def _equal(a: float, b: float) -> bool:
    """Equality as ties are judged."""
    return bool(abs(a - b) <= TIE * max(abs(a), abs(b)))
