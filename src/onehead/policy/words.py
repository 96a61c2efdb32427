"""Decisions in words: why this model, what the next best would change, which constraint bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onehead.policy.choice import Choice, Constraints

_LEAST_POSITIONAL = 1e-12
"""Amounts below have more zeros than anyone reads."""
_LISTED = 5
"""Models named one by one in an error; the rest are counted."""


def why_not(
    choice: Choice,
    row: int,
    quality: NDArray[np.float64],
    cost_usd: NDArray[np.float64],
    constraints: Constraints,
) -> tuple[str | None, ...]:
    """Why each model [m] could not be chosen for prompt `row`; None where it could.

    quality, cost_usd: the estimates that were chosen from [n, m].
    """
    return tuple(
        None if eligible else _obstacle(column, float(q), float(c), constraints)
        for column, (eligible, q, c) in enumerate(
            zip(choice.eligible[row], quality[row], cost_usd[row], strict=True)
        )
    )


def _obstacle(column: int, quality: float, cost_usd: float, constraints: Constraints) -> str:
    """The first constraint that a model fails."""
    if constraints.models is not None and column not in constraints.models:
        return "not among the models allowed"
    if constraints.max_cost_usd is not None and not cost_usd <= constraints.max_cost_usd:
        return f"costs about {usd(cost_usd)}, above the ceiling of {usd(constraints.max_cost_usd)}"
    floor = constraints.min_quality
    return f"quality of about {quality:.3g} is below the floor of {floor:g}"


def no_eligible_model(
    row: int, cost_usd: NDArray[np.float64], constraints: Constraints, ids: Sequence[str]
) -> str:
    """The message for a prompt that no model is allowed to answer, with each model's reason.

    The models nearest to being allowed come first: those on the allow-list, by cost.
    """
    which = f" for prompt {row}" if len(cost_usd) > 1 else ""
    allowed = range(len(ids)) if constraints.models is None else sorted(set(constraints.models))
    ways = "raise the ceiling" if constraints.models is None else "allow more models"
    if not allowed:
        return f"no model can be chosen{which}: the allow-list is empty; {ways}."
    nearest = sorted(allowed, key=lambda column: (float(cost_usd[row, column]), ids[column]))
    reasons = [
        f"{ids[column]} {_obstacle(column, 0.0, float(cost_usd[row, column]), constraints)}"
        for column in nearest[:_LISTED]
    ]
    if len(nearest) > _LISTED:
        reasons.append(f"{len(nearest) - _LISTED} more cost at least as much")
    if len(allowed) < len(ids):
        reasons.append(f"{len(ids) - len(allowed)} are not among the models allowed")
        ways = "raise the ceiling or allow more models"
    return f"no model can be chosen{which}: {'; '.join(reasons)}. To mend it, {ways}."


def usd(amount: float) -> str:
    """Dollars to two significant digits: $0.0012, $14, $0; with an exponent only below $1e-12."""
    if not np.isfinite(amount):
        return "an unknown amount" if np.isnan(amount) else "$∞"
    if 0 < amount < _LEAST_POSITIONAL:
        return f"${amount:.1e}"
    digits = np.format_float_positional(amount, precision=2, fractional=False, trim="-")
    return f"${digits}"
