"""How steady routers are over what users are willing to pay, and what kinds of users get.

    python benchmarks/preferences.py [--table NAME …]

Works on the estimates that recipes.py keeps (benchmarks/.bench) and trains nothing. Every recipe is
scored on held-out prompts with the whole pool and with pools of a few models: the same estimates
with columns left out, as `--models` does. Writes benchmarks/results/preferences.json.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from common import BENCH, RESULTS, TABLES, conditions, table_path, write
from users import means_by_users, preset_points

from onehead import metrics, policy
from onehead.bench.blocks import load_estimates
from onehead.bench.cells import split_rows
from onehead.bench.document import estimates_path, main_rows, read
from onehead.bench.plan import Job
from onehead.bench.pooled import resampled_weights
from onehead.evaluation.curves import Singles, outcomes_of
from onehead.evaluation.grids import pool_grid
from onehead.sources import read_outcomes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.outcomes import OutcomeTable

    Floats = NDArray[np.float64]
    Part = tuple[OutcomeTable, Floats, Floats]

RESULT = RESULTS / "preferences.json"
ENCODER = "static"
RECIPES = ("attention", "paper", "knn", "ridge", "mlp", "constant")
REWARDS = ("exponential", "linear")
GAPS = ("quality_max", "cost_max")
FEW = 4
SAMPLES = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", nargs="+", choices=TABLES, default=list(TABLES))
    arguments = parser.parse_args()
    document = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {"tables": {}}
    for name in arguments.table:
        entry = read(RESULTS / "recipes.json")["tables"][name]
        block = read_outcomes([str(table_path(name))]).complete_block()[0]
        document["tables"][name] = {"title": entry["title"], "pools": study(name, entry, block)}
        document["run"] = conditions(("onehead", "numpy"))
        write(RESULT, document)


def study(name: str, entry: dict[str, Any], block: OutcomeTable) -> dict[str, Any]:
    """Every pool and recipe of one table."""
    kept = kept_parts(entry, block)
    found = {}
    for pool, models in pools(block).items():
        found[pool] = {"models": len(models), "recipes": {}}
        for recipe, parts in kept.items():
            some = [narrowed(part, models) for part in parts]
            found[pool]["recipes"][recipe] = figures(some)
            print(f"{name} {pool} {recipe}: {len(parts)} seeds", flush=True)
    return found


def kept_parts(entry: dict[str, Any], block: OutcomeTable) -> dict[str, list[Part]]:
    """Held-out outcomes and estimates of each recipe, by seed, where its estimates are at hand."""
    found: dict[str, list[Part]] = {}
    for row in main_rows(entry, ENCODER):
        if row["recipe"] not in RECIPES:
            continue
        held = split_rows(block, row["seed"])[1]
        path = estimates_path(BENCH, Job.named(row["id"]))
        estimates = load_estimates(path, held, row["fingerprint"])
        if estimates is not None:
            found.setdefault(row["recipe"], []).append((block.take(held), *estimates))
    return found


def pools(table: OutcomeTable) -> dict[str, list[str]]:
    """Pools by rules that every table allows; on small pools only those that differ."""
    cost, quality = table.cost_usd.mean(axis=0), table.quality.mean(axis=0)
    by_cost = [table.models[j] for j in np.argsort(cost)]
    best = table.models[Singles(cost, quality).best]
    hull = set(metrics.concave_hull(cost, quality)[0].tolist())
    steps = np.linspace(0, len(by_cost) - 1, FEW).round().astype(int)
    found = {
        "all models": by_cost,
        "the frontier": [m for m in by_cost if cost[table.models.index(m)] in hull],
        "the four cheapest": by_cost[:FEW],
        "the four dearest": by_cost[-FEW:],
        "four from cheap to dear": [by_cost[i] for i in steps],
        "cheapest and best": [by_cost[0], best],
    }
    distinct: dict[frozenset[str], str] = {}
    for pool, models in found.items():
        if len(set(models)) > 1:
            distinct.setdefault(frozenset(models), pool)
    return {pool: sorted(models) for models, pool in distinct.items()}


def narrowed(part: Part, models: list[str]) -> Part:
    """A part with some models only."""
    table, quality, cost = part
    columns = [table.models.index(model) for model in models]
    return table.only(models), quality[:, columns], cost[:, columns]


def figures(parts: list[Part]) -> dict[str, Any]:
    """Everything about one recipe and pool: means over the seeds."""
    grids = [pool_grid(table.cost_usd.mean(axis=0)) for table, *_ in parts]
    weights = resampled_weights([table.prompts for table, *_ in parts], SAMPLES)
    found: dict[str, Any] = {"seeds": len(parts)}
    draws = {}
    for reward in REWARDS:
        each = []
        drawn = []
        for part, grid, own in zip(parts, grids, weights, strict=True):
            curve = outcomes_of(part[0], swept(part, grid, reward))
            flat = np.full((1, len(own[0])), 1 / len(own[0]))
            each.append(steadiness(part[0], grid, curve, flat)[0])
            resampled = steadiness(part[0], grid, curve, own)
            drawn.append([[one[name] for name in GAPS] for one in resampled])
        draws[reward] = np.mean(drawn, axis=0)
        found[reward] = average(each) | {
            "users": average([means_by_users(part, reward) for part in parts]),
            "presets": average([preset_points(part, reward) for part in parts]),
        }
    gap = draws["exponential"] - draws["linear"]
    found |= {f"{name}_gap": list(metrics.interval(gap[:, i])) for i, name in enumerate(GAPS)}
    found["switches"] = average([switches(part) for part in parts])
    found["curve"] = curve_of(parts[0], grids[0])
    return found


def swept(part: Part, grid: Floats, reward: str) -> NDArray[np.intp]:
    table, quality, cost = part
    return policy.sweep(quality, cost, grid, kind=reward, ids=table.models)


def steadiness(
    table: OutcomeTable, grid: Floats, curve: tuple[Floats, Floats], weights: Floats
) -> list[dict[str, float]]:
    """λ-sensitivities under each weighting of the prompts [samples, n]."""
    cost, quality = (weights @ each for each in curve)
    means = weights @ table.cost_usd
    return [
        metrics.lambda_sensitivity(grid, c, q, float(span.min()), float(span.max()))
        for c, q, span in zip(cost, quality, means, strict=True)
    ]


def switches(part: Part) -> dict[str, float]:
    """Where prompts move from the cheapest to the best model, in decades of λ.

    Linear: λ = Δc / Δq; exponential: λ = Δc / Δ ln q, which is the former times the logarithmic
    mean of the two qualities. Prompts count by what the move brings, Δq.
    """
    table, quality, cost = part
    singles = Singles(table.cost_usd.mean(axis=0), table.quality.mean(axis=0))
    low, high = singles.cheapest, singles.best
    gain, paid = quality[:, high] - quality[:, low], cost[:, high] - cost[:, low]
    moves = (gain > 1e-6) & (paid > 0) & (quality[:, low] > 0)
    if moves.sum() < 2:
        return {}
    gain, paid = gain[moves], paid[moves]
    level = gain / np.log(quality[moves, high] / quality[moves, low])
    linear, shift = np.log10(paid / gain), np.log10(level)
    weight = gain / gain.sum()

    def spread(values: Floats, others: Floats) -> float:
        return float(weight @ ((values - weight @ values) * (others - weight @ others)))

    return {
        "share": float(moves.mean()),
        "shift": float(weight @ shift),
        "linear_sd": spread(linear, linear) ** 0.5,
        "exponential_sd": spread(linear + shift, linear + shift) ** 0.5,
        "correlation": spread(linear, shift)
        / max((spread(linear, linear) * spread(shift, shift)) ** 0.5, 1e-12),
    }


def curve_of(part: Part, grid: Floats) -> dict[str, list[list[float]]]:
    """Mean quality and share of the range of cost at every other λ, of one seed."""
    some = grid[::2]
    means = part[0].cost_usd.mean(axis=0)
    span = float(np.ptp(means))
    found = {}
    for reward in REWARDS:
        cost, quality = (
            each.mean(axis=0) for each in outcomes_of(part[0], swept(part, some, reward))
        )
        found[reward] = np.stack([some, quality, (cost - means.min()) / span], axis=1).tolist()
    return found


def average(each: list[Any]) -> Any:
    """Mean of documents of one shape; what one of them lacks is left out."""
    if isinstance(each[0], dict):
        names = [name for name in each[0] if all(name in one for one in each)]
        return {name: average([one[name] for one in each]) for name in names}
    return float(np.mean(each))


if __name__ == "__main__":
    main()
