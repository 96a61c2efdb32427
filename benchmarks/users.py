"""What kinds of users get: expected quality, spend and missed reward over distributions of λ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onehead import policy
from onehead.evaluation.curves import Singles, outcomes_of
from onehead.policy.presets import presets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onehead.outcomes import OutcomeTable

    Floats = NDArray[np.float64]
    Part = tuple[OutcomeTable, Floats, Floats]

POINTS = 61
WIDE = 1.0
"""Decades beyond the presets that λ is spread over."""
PERIODS = 12
SPREAD = 0.5
"""Standard deviation of the users around their centre, in decades of λ."""
UTILITIES = ("exponential", "linear")


def named_amounts(part: Part) -> dict[str, float]:
    """The presets that a router with these estimates would have."""
    _, quality, cost = part
    return presets(quality.mean(axis=0), cost.mean(axis=0))


def preset_points(part: Part, reward: str) -> dict[str, Any]:
    """What each preset reaches beside always taking the best single model.

    quality: the difference; cost: the share of that model's cost
    """
    table, quality, cost = part
    amounts = named_amounts(part)
    picks = policy.sweep(quality, cost, list(amounts.values()), kind=reward, ids=table.models)
    usd, reached = (each.mean(axis=0) for each in outcomes_of(table, picks))
    singles = Singles(table.cost_usd.mean(axis=0), table.quality.mean(axis=0))
    best = singles.best
    return {
        name: {
            "quality": reached[i] - singles.quality[best],
            "cost": usd[i] / singles.cost_usd[best],
        }
        for i, name in enumerate(amounts)
    }


def means_by_users(part: Part, reward: str) -> dict[str, Any]:
    """Expected quality, spend and regret of each kind of users under one reward.

    Regret is what a user misses against the best model of every prompt, in units of quality, by
    the reward that the router goes by; `linear_regret` counts it in s − c/λ whatever the router
    goes by, so that two rewards can be compared.
    """
    table, quality, cost = part
    amounts = named_amounts(part)
    ends = np.log10([amounts["cheap"], amounts["best"]])
    grid = np.linspace(ends[0] - WIDE, ends[1] + WIDE, POINTS)
    picks = policy.sweep(quality, cost, 10**grid, kind=reward, ids=table.models)
    usd, reached = (each.mean(axis=0) for each in outcomes_of(table, picks))
    missed = {kind: regrets(table, picks, 10**grid, kind) for kind in UTILITIES}
    columns = {
        "quality": reached,
        "spend_usd": usd,
        "regret": missed[reward],
        "linear_regret": missed["linear"],
    }
    found = {
        kind: {name: float(weight @ values) for name, values in columns.items()}
        for kind, weight in kinds_of_users(grid, ends).items()
    }
    found["drifting from thrifty to demanding"] |= drift(grid, ends, reached, usd)
    return found


def regrets(table: OutcomeTable, picks: NDArray[np.intp], grid: Floats, kind: str) -> Floats:
    """Mean reward missed at each λ [L]."""
    rows = np.arange(table.n_prompts)
    found = []
    for wtp, columns in zip(grid, picks, strict=True):
        rewards = policy.reward(table.quality, table.cost_usd, float(wtp), kind)
        found.append((rewards.max(axis=1) - rewards[rows, columns]).mean())
    return np.array(found)


def kinds_of_users(grid: Floats, ends: Sequence[float] | Floats) -> dict[str, Floats]:
    """Weights [L] over log λ; the drifting users are those of all periods together."""
    each = [around(grid, centre) for centre in np.linspace(*ends, PERIODS)]
    return {
        "log-uniform": np.full(len(grid), 1 / len(grid)),
        "mostly thrifty": around(grid, float(ends[0])),
        "mostly demanding": around(grid, float(ends[1])),
        "drifting from thrifty to demanding": np.mean(each, axis=0),
    }


def around(grid: Floats, centre: float) -> Floats:
    """Weights of users whose log λ is normal around a centre."""
    weight = np.exp(-0.5 * ((grid - centre) / SPREAD) ** 2)
    return weight / weight.sum()


def drift(
    grid: Floats, ends: Sequence[float] | Floats, quality: Floats, usd: Floats
) -> dict[str, float]:
    """The largest change from one period to the next: of quality, and of spend as a factor."""
    each = np.array([around(grid, centre) for centre in np.linspace(*ends, PERIODS)])
    spend = np.log10(np.maximum(each @ usd, 1e-12))
    return {
        "quality_step": float(np.abs(np.diff(each @ quality)).max()),
        "spend_step": float(10 ** np.abs(np.diff(spend)).max()),
    }
