"""Models that join a router without training, against a router that was trained with them.

    python benchmarks/new_models.py [--table NAME …] [--seeds 0 1 2] [--n 16 32 64 128 256]

Each seed holds out a fifth of a table's prompts. Then a group of models at a time is held out too,
until every model was; they are dealt out in the order in which they matter to a router told the true
task. A router is trained without the group; its models join by outcomes on n prompts, drawn at random
(three draws) or chosen, or by likeness alone. What it then reaches stands beside a router that was
trained with all. Tables that are not named keep what is known of them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from common import RESULTS, TABLES, conditions, table_path, write

from onehead import metrics
from onehead.bench.cells import split_rows
from onehead.evaluation import Singles, TaskMeans
from onehead.evaluation.curves import mean_outcomes, score_curve, sweep_estimates
from onehead.joining import Prices, choose_anchors, join, join_like
from onehead.router import Router
from onehead.sources import read_outcomes
from onehead.training import train

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onehead.artifact import Artifact
    from onehead.outcomes import OutcomeTable

RESULT = RESULTS / "new_models.json"
GROUPS = {"mmlu_pro": 8, "routerbench": 4}
"""Groups that the models of each table join in."""
DRAWS = 3
PACKAGES = ("onehead", "numpy", "torch", "scikit-learn")


@dataclass(frozen=True, eq=False)
class Case:
    """A seed and the models that join: what is known, what is not, and the router that they join."""

    seed: int
    known: OutcomeTable
    unseen: OutcomeTable
    new: tuple[str, ...]
    without: Artifact

    def joined(self, rows: Any, *, alone: bool = False) -> Artifact:
        """Every new model added by its outcomes on some rows of what is known."""
        some = self.known.take(rows)
        artifact = self.without
        for model in self.new:
            others = () if alone else self.without.manifest.pool.ids
            artifact = join(artifact, model, some.only([*others, model]), Prices())
        return artifact

    def alike(self) -> Artifact:
        """Every new model added as the model of nearest mean quality, as one who knows it would."""
        mean = dict(zip(self.known.models, self.known.quality.mean(axis=0), strict=True))
        artifact, pool = self.without, self.without.manifest.pool.ids
        for model in self.new:
            like = min(pool, key=lambda known: abs(mean[known] - mean[model]))
            artifact = join_like(artifact, model, like, self.prices(model))
        return artifact

    def prices(self, model: str) -> Prices:
        """The list prices of a model, as its costs show them."""
        from onehead.amounts import amounts_of

        card = amounts_of(self.known.only([model])).pool.models[0]
        return Prices(card.input_usd_per_million, card.output_usd_per_million)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--n", nargs="+", type=int, default=[16, 32, 64, 128, 256])
    arguments = parser.parse_args()
    for name in arguments.table:
        entry = measured(name, arguments.seeds, arguments.n)
        known = json.loads(RESULT.read_text())["tables"] if RESULT.exists() else {}
        found = known | {name: entry}
        write(RESULT, {"tables": {each: found[each] for each in GROUPS if each in found}})


def measured(name: str, seeds: Sequence[int], counts: Sequence[int]) -> dict[str, Any]:
    """What is known of models that join a router of one table."""
    taken = conditions(PACKAGES)
    table, *_ = read_outcomes([table_path(name)]).complete_block()
    groups = GROUPS[name]
    rows = [row for seed in seeds for row in rows_of_seed(table, groups, seed, counts)]
    return {
        "title": TABLES[name].title,
        "n_prompts": table.n_prompts,
        "n_models": table.n_models,
        "data_hash": table.content_hash(),
        "draws": DRAWS,
        "groups": groups,
        "rows": rows,
        "chosen_minus_random": {str(n): paired(rows, n) for n in counts},
        "run": taken,
    }


def rows_of_seed(
    table: OutcomeTable, groups: int, seed: int, counts: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Every row of one seed; the router that was trained with all is the same for every group."""
    rest, held = split_rows(table, seed)
    known, unseen = table.take(rest), table.take(held)
    trained = train(known, options=OPTIONS, seed=seed)
    order = by_weight(table)
    for group in range(groups):
        new = order[group::groups]
        without = train(known.without(new), options=OPTIONS, seed=seed)
        case = Case(seed, known, unseen, new, without)
        for how, n, draw, artifact in joined_routers(case, trained, counts):
            figures = scored(artifact, case)
            said = f"{figures['aiq']:.4f} {np.mean(figures['brier'] or [0]):.4f}"
            print(f"seed {seed} group {group} {how:14s} {n:5d} {said}", flush=True)
            yield {
                "seed": seed, "group": group, "how": how, "n": n, "draw": draw,
                "new": list(new), **figures,
            }  # fmt: skip


def joined_routers(
    case: Case, trained: Artifact, counts: Sequence[int]
) -> Iterator[tuple[str, int, int, Artifact]]:
    """How the new models came to it, on how many prompts, which draw of them, and the router."""
    known = case.known
    yield "trained", 0, 0, trained
    yield "without", 0, 0, case.without
    yield "like", 0, 0, case.alike()
    yield "all", known.n_prompts, 0, case.joined(np.arange(known.n_prompts))
    chosen = choose_anchors(case.without, known.without(case.new), max(counts))
    for n in counts:
        yield "chosen", n, 0, case.joined(chosen[:n])
        yield "chosen, alone", n, 0, case.joined(chosen[:n], alone=True)
        for draw in range(DRAWS):
            rows = np.random.default_rng([case.seed, draw]).permutation(known.n_prompts)[:n]
            yield "random", n, draw, case.joined(rows)


OPTIONS = {"anchors": 1024}
"""Given, so that nothing is tuned: the recipe's own number."""


def by_weight(table: OutcomeTable) -> tuple[str, ...]:
    """The models in the order in which a router told the true task picks them, over all λ."""
    quality, cost = TaskMeans.of(table).estimates(table.tasks)
    picks = sweep_estimates(quality, cost, kind="exponential", ids=table.models).picks
    share = np.bincount(picks.ravel(), minlength=table.n_models) / picks.size
    order = np.lexsort((-table.quality.mean(axis=0), -share))
    return tuple(table.models[j] for j in order)


def scored(artifact: Artifact, case: Case) -> dict[str, Any]:
    """AIQ over the whole pool on what was held out, and how right the new columns are there."""
    table = case.unseen.only(artifact.manifest.pool.ids)
    estimates = Router(artifact).estimate(table.prompts)
    sweep = sweep_estimates(
        estimates.quality, estimates.cost_usd, kind="exponential", ids=table.models
    )
    cost, quality = mean_outcomes(table, sweep.picks)
    singles = Singles(case.unseen.cost_usd.mean(axis=0), case.unseen.quality.mean(axis=0))
    columns = [table.models.index(model) for model in case.new if model in table.models]
    pairs = [(estimates.quality[:, j], table.quality[:, j]) for j in columns]
    costs = [(estimates.cost_usd[:, j], table.cost_usd[:, j]) for j in columns]
    return {
        "aiq": score_curve(cost, quality, singles).aiq,
        "brier": [metrics.brier(*pair) for pair in pairs],
        "ece": [metrics.ece(*pair) for pair in pairs],
        "mean_error": [float(np.abs(said.mean() - came.mean())) for said, came in pairs],
        "cost_log_rmse": [metrics.log_rmse(*pair) for pair in costs],
    }


def paired(rows: Sequence[dict[str, Any]], n: int) -> dict[str, Any]:
    """Chosen minus the mean of the random draws, with intervals from resampling what joined.

    Seeds share their models: what is resampled are models (for AIQ their groups), each with the
    mean of its gaps over the seeds.
    """
    result: dict[str, Any] = {}
    groups = sorted({row["group"] for row in rows})
    for name in ("brier", "mean_error", "aiq"):
        gaps: list[float] = []
        for group in groups:
            each = {
                how: np.mean(
                    [r[name] for r in rows if (r["group"], r["how"], r["n"]) == (group, how, n)],
                    axis=0,
                )
                for how in ("chosen", "random")
            }
            gaps += np.atleast_1d(each["chosen"] - each["random"]).tolist()
        drawn = np.random.default_rng(0).integers(len(gaps), size=(1000, len(gaps)))
        means = np.array(gaps)[drawn].mean(axis=1)
        result[name] = {"mean": float(np.mean(gaps)), "interval": list(metrics.interval(means))}
    return result


if __name__ == "__main__":
    main()
