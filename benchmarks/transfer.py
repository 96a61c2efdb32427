"""What a router that learned from one table is worth on the prompts of another.

    python benchmarks/transfer.py [--seeds 0 1 2]

Recipe `attention` learns from four fifths of one table, all models of it, and estimates the held-out
fifth of another, of which it knows nothing, for the models that both tables hold. Two tables share two
models and can be routed; elsewhere one model is shared, and only its estimates are looked at. The
fourteen tasks have no costs: they are filled with one constant, and nothing of cost is read off them.

Beside the transferred router stand: the same without its fallback; the constants that the source knows
(each model's mean quality there, with the transferred costs), which tell what costs alone are worth;
router and constants with the costs that the table's own router predicts; that router, which learned
from the table itself; and the zero router, which knows the outcomes.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from common import DATA, RESULTS, ROOT, TABLES, conditions, write

sys.path.insert(0, str(ROOT / "scripts"))
from bundled_tables import ALIASES

from onehead import metrics
from onehead.bench.cells import split, split_rows
from onehead.bench.pooled import ZERO_ROUTER, Part, aiq_of, gap, resampled_aiq
from onehead.encoders import load_encoder
from onehead.evaluation import Singles
from onehead.evaluation.curves import mean_outcomes, score_curve, sweep_estimates
from onehead.sources import read_outcomes
from onehead.training.estimating import features_for, run
from onehead.training.pipeline import examples_of
from onehead.training.recipes import recipe_named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onehead.outcomes import OutcomeTable
    from onehead.predictors import Estimates
    from onehead.training.examples import Examples
    from onehead.training.recipes import Fitted

RESULT = RESULTS / "transfer.json"
RECIPE = recipe_named("attention")
PACKAGES = ("onehead", "numpy", "torch", "scikit-learn")
NO_COST_USD = 1e-4
BARE = "routerbench_bare"
TITLES: Final = {name: source.title for name, source in TABLES.items()} | {
    BARE: "RouterBench slice, question alone",
    "fourteen_tasks": "Fourteen tasks",
}
PAIRS: Final = (
    ("routerbench", "two_models"),
    (BARE, "two_models"),
    ("mmlu_pro", "two_models"),
    ("mmlu_pro", "routerbench"),
    ("mmlu_pro", "fourteen_tasks"),
)
"""Each is gone both ways."""
WHO = {"transferred": "foreign", "no fallback": "bold", "own": "own"}
WAYS = (
    "transferred",
    "no fallback",
    "constants",
    "transferred, own costs",
    "constants, own costs",
    "own",
)
GAPS = (
    ("transferred", ZERO_ROUTER),
    ("own", ZERO_ROUTER),
    ("transferred", "constants"),
    ("no fallback", "constants"),
    ("transferred, own costs", "constants, own costs"),
    ("own", "constants, own costs"),
    ("transferred", "own"),
)


@dataclass(frozen=True, eq=False)
class Learned:
    """A router of one table and seed, with both sides of its split."""

    fitted: Fitted
    known: Examples
    unseen: Examples

    def estimate(
        self, examples: Examples, models: Sequence[str], *, fallback: bool = True
    ) -> Estimates:
        """Estimates for the prompts of any table, of some models, at this table's prices."""
        network, features = self.fitted.network, features_for(self.fitted, examples)
        usual = network.usual
        network.usual = usual if fallback else None
        whole = run(self.fitted, features, self.known.amounts.pool)
        network.usual = usual
        return whole.only([self.known.table.models.index(model) for model in models])


@dataclass(frozen=True, eq=False)
class Crossing:
    """One pair and seed: outcomes of the shared models on the target, and both routers' estimates."""

    table: OutcomeTable
    foreign: Estimates
    bold: Estimates
    own: Estimates
    at_home: Estimates
    source_quality: Any

    @property
    def part(self) -> Part:
        """The picks of every way to route."""
        usual = np.tile(self.source_quality, (self.table.n_prompts, 1))
        ways = (
            self.foreign,
            self.bold,
            replace(self.foreign, quality=usual),
            replace(self.foreign, cost_usd=self.own.cost_usd),
            replace(self.own, quality=usual),
            self.own,
        )
        ids = self.table.models
        picks = {
            name: sweep_estimates(one.quality, one.cost_usd, kind="exponential", ids=ids).picks
            for name, one in zip(WAYS, ways, strict=True)
        }
        return Part(self.table, picks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    taken = conditions(PACKAGES)
    whole = {name: examples_of(table, load_encoder("static"), _silent) for name, table in tables()}
    crossings: dict[tuple[str, str], list[Crossing]] = {}
    for seed in seeds:
        routers = {name: learned(examples, seed) for name, examples in whole.items()}
        print(f"learned all tables, seed {seed}", flush=True)
        for pair in (way for one in PAIRS for way in (one, one[::-1])):
            crossings.setdefault(pair, []).append(crossing(*(routers[name] for name in pair)))
    found = [of_pair(*pair, parts) for pair, parts in crossings.items()]
    write(RESULT, {"run": taken, "seeds": seeds, "pairs": found})


def tables() -> list[tuple[str, OutcomeTable]]:
    """Every table under common names of models, complete."""
    found = [
        (name, read_outcomes([source.paths[0]]).complete_block()[0])
        for name, source in TABLES.items()
    ]
    routerbench = dict(found)["routerbench"]
    bare = tuple(text.rsplit("\n\n", 1)[-1] for text in routerbench.prompts)
    fourteen = read_outcomes([DATA / "fourteen_tasks_no_cost"])
    constant = np.full(fourteen.quality.shape, NO_COST_USD)
    found += [
        (BARE, replace(routerbench, prompts=bare)),
        ("fourteen_tasks", replace(fourteen, cost_usd=constant)),
    ]
    return [
        (name, replace(table, models=tuple(ALIASES.get(model, model) for model in table.models)))
        for name, table in found
    ]


def learned(whole: Examples, seed: int) -> Learned:
    """Learn from four fifths, with the recipe's usual settings."""
    part = split(whole, *split_rows(whole.table, seed), seed)
    return Learned(RECIPE.fit(part.known, RECIPE.options, seed), part.known, part.unseen)


def crossing(source: Learned, target: Learned) -> Crossing:
    """The router of one table on what another table holds out."""
    mine = source.known.table.models
    shared = [model for model in target.known.table.models if model in mine]
    return Crossing(
        target.unseen.table.only(shared),
        source.estimate(target.unseen, shared),
        source.estimate(target.unseen, shared, fallback=False),
        target.estimate(target.unseen, shared),
        source.estimate(source.unseen, shared),
        source.known.table.only(shared).quality.mean(axis=0),
    )


def of_pair(source: str, target: str, parts: Sequence[Crossing]) -> dict[str, Any]:
    """All figures of one direction."""
    models = parts[0].table.models
    found = {
        "source": source,
        "target": target,
        "titles": [TITLES[source], TITLES[target]],
        "models": list(models),
        "n_prompts": [one.table.n_prompts for one in parts],
        "estimates": {
            who: [of_model(parts, j, name) for j in range(len(models))] for who, name in WHO.items()
        },
        "confidence": {
            "at home": of_confidence([one.at_home for one in parts]),
            "abroad": of_confidence([one.foreign for one in parts]),
        },
    }
    print(f"{source} → {target}", flush=True)
    return found | (routed([one.part for one in parts]) if len(models) > 1 else {})


def of_model(parts: Sequence[Crossing], column: int, whose: str) -> dict[str, Any]:
    """How right the estimates of one model's quality are: means over the seeds."""
    pairs = [
        (getattr(one, whose).quality[:, column], one.table.quality[:, column]) for one in parts
    ]
    return {
        "model": parts[0].table.models[column],
        "auc": float(np.mean([metrics.auc(said, np.round(came)) or 0.0 for said, came in pairs])),
        "brier": float(np.mean([metrics.brier(said, came) for said, came in pairs])),
        "said": float(np.mean([said.mean() for said, _ in pairs])),
        "came": float(np.mean([came.mean() for _, came in pairs])),
    }


def of_confidence(each: Sequence[Estimates]) -> dict[str, float]:
    """Mean confidence, and the share of prompts where the fallback is at work."""
    values = np.concatenate([one.confidence for one in each])
    return {"mean": float(values.mean()), "below_half": float((values < 0.5).mean())}


def routed(parts: Sequence[Part]) -> dict[str, Any]:
    """AIQ of every way to route, differences with 95 % intervals, and cost to match the best."""
    draws = resampled_aiq(parts)
    return {
        "aiq": {
            name: float(np.mean([aiq_of(part, name) for part in parts]))
            for name in (*WAYS, ZERO_ROUTER)
        },
        "gaps": {f"{one} - {other}": gap(parts, draws, one, other) for one, other in GAPS},
        "cost_to_match_best": {name: [to_match(part, name) for part in parts] for name in WAYS},
        "singles": [
            {
                "model": model,
                "quality": float(np.mean([part.table.quality[:, j].mean() for part in parts])),
                "cost_usd": float(np.mean([part.table.cost_usd[:, j].mean() for part in parts])),
            }
            for j, model in enumerate(parts[0].table.models)
        ],
    }


def to_match(part: Part, name: str) -> float | None:
    """Cost at which a way reaches the best single model, relative to that model's."""
    table = part.table
    singles = Singles(table.cost_usd.mean(axis=0), table.quality.mean(axis=0))
    return score_curve(*mean_outcomes(table, part.picks[name]), singles).cost_to_match_best


def _silent(*_: Any) -> None:
    """Say nothing."""


if __name__ == "__main__":
    main()
