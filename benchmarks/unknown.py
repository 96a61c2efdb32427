"""What a router says of prompts unlike those that it learned from, and how it routes them.

    python benchmarks/unknown.py [--table routerbench mmlu_pro] [--seeds 0 1 2]

Each task is left out in turn: a router learns from all others and routes the one left out. Its
estimates are taken with the fallback (drawn toward each model's usual quality as confidence falls),
without it, and with nothing but the usual quality, which is the best a router can do that never reads
the prompt. Beside these stand the zero router of the task left out, which knows its outcomes and mixes
models, and the best single model at equal cost: at every cost the best that costs no more. On the
usual splits the fallback must cost nothing. And confidence is read on texts of many kinds, and on
prompts of tasks that were left out beside prompts of tasks that were not.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from common import RESULTS, TABLES, conditions, table_path, write
from unknown_texts import TEXTS

from onehead import metrics
from onehead.amounts import amounts_of
from onehead.bench.cells import split, split_rows
from onehead.bench.pooled import SINGLE, ZERO_ROUTER, Part, aiq_of, gap, resampled_aiq
from onehead.encoders import load_encoder
from onehead.evaluation.curves import sweep_estimates
from onehead.features import Featurizer
from onehead.sources import read_outcomes
from onehead.training.estimating import features_for, run
from onehead.training.pipeline import examples_of
from onehead.training.recipes import recipe_named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from onehead.predictors import Estimates
    from onehead.training.examples import Examples
    from onehead.training.recipes import Fitted

RESULT = RESULTS / "unknown.json"
RECIPE = recipe_named("attention")
PACKAGES = ("onehead", "numpy", "torch", "scikit-learn")
WAYS = ("with", "without", "usual")
CONTROLS = (ZERO_ROUTER, SINGLE)
OFF = (0.1, 0.5, 0.9)


@dataclass(frozen=True, eq=False)
class Case:
    """A router, and prompts that it did not learn from, with its estimates in every way."""

    fitted: Fitted
    unseen: Examples
    estimates: dict[str, Estimates]

    @property
    def part(self) -> Part:
        """The picks of every way."""
        models = self.unseen.table.models
        picks = {
            way: sweep_estimates(one.quality, one.cost_usd, kind="exponential", ids=models).picks
            for way, one in self.estimates.items()
        }
        return Part(self.unseen.table, picks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", nargs="+", choices=TABLES, default=["routerbench", "mmlu_pro"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    for name in arguments.table:
        taken = conditions(PACKAGES)
        entry = of_table(name, arguments.seeds) | {"run": taken}
        known = json.loads(RESULT.read_text("utf-8"))["tables"] if RESULT.exists() else {}
        write(RESULT, {"tables": known | {name: entry}})


def of_table(name: str, seeds: Sequence[int]) -> dict[str, Any]:
    """All figures of one table."""
    table, *_ = read_outcomes([table_path(name)]).complete_block()
    whole = examples_of(table, load_encoder("static"), lambda *_: None)
    usual = [learned(*usual_split(whole, seed), seed) for seed in seeds]
    left = dict(left_out(whole))
    return {
        "title": TABLES[name].title,
        "n_prompts": table.n_prompts,
        "in_distribution": compared([case.part for case in usual]),
        "left_out": compared([case.part for case in left.values()]),
        "tasks": {task: of_task(case) for task, case in left.items()},
        "told_apart": told_apart(usual, list(left.values())),
        "confidence": {"held out": quantiles(usual[0].estimates["with"].confidence)}
        | {kind: quantiles(confidence(usual[0].fitted, texts)) for kind, texts in TEXTS.items()},
    }


def usual_split(whole: Examples, seed: int) -> tuple[Examples, Examples]:
    """A fifth held out."""
    part = split(whole, *split_rows(whole.table, seed), seed)
    return part.known, part.unseen


def left_out(whole: Examples) -> Iterator[tuple[str, Case]]:
    """Every task, and a router that learned from all the others."""
    tasks = np.array(whole.table.tasks)
    for task in sorted(set(whole.table.tasks)):
        known = whole.take(np.flatnonzero(tasks != task))
        known = replace(known, amounts=amounts_of(known.table))
        yield task, learned(known, whole.take(np.flatnonzero(tasks == task)), 0)
        print(f"left out {task}", flush=True)


def learned(known: Examples, unseen: Examples, seed: int) -> Case:
    """Learn from one part and estimate the other."""
    fitted = RECIPE.fit(known, RECIPE.options, seed)
    features, pool = features_for(fitted, unseen), known.amounts.pool
    network = fitted.network
    usual = network.usual
    assert usual is not None
    estimates = {"with": run(fitted, features, pool)}
    network.usual = None
    estimates["without"] = run(fitted, features, pool)
    network.usual = usual
    flat = np.tile(usual.numpy().astype(np.float64), (len(unseen), 1))
    estimates["usual"] = replace(estimates["with"], quality=flat)
    return Case(fitted, unseen, estimates)


def compared(parts: Sequence[Part]) -> dict[str, Any]:
    """Mean AIQ over the parts, and differences with 95 % intervals over prompts."""
    draws = resampled_aiq(parts)
    pairs = [("with", "without"), ("with", "usual")]
    pairs += [(way, control) for control in CONTROLS for way in WAYS]
    return {
        "aiq": {
            name: float(np.mean([aiq_of(part, name) for part in parts]))
            for name in (*WAYS, *CONTROLS)
        },
        "gaps": {f"{one} - {other}": gap(parts, draws, one, other) for one, other in pairs},
    }


def told_apart(usual: Sequence[Case], left: Sequence[Case]) -> float | None:
    """AUC of confidence: prompts held out of known tasks against prompts of tasks left out."""
    known = np.concatenate([case.estimates["with"].confidence for case in usual])
    new = np.concatenate([case.estimates["with"].confidence for case in left])
    return metrics.auc(
        np.concatenate([known, new]), np.concatenate([np.ones(len(known)), np.zeros(len(new))])
    )


def of_task(case: Case) -> dict[str, Any]:
    """Figures of one task left out."""
    part = case.part
    return {
        "n": len(case.unseen),
        "aiq": {name: aiq_of(part, name) for name in (*WAYS, *CONTROLS)},
        "confidence": quantiles(case.estimates["with"].confidence),
    }


def confidence(fitted: Fitted, texts: Sequence[str]) -> Any:
    """Confidence in each text."""
    features = Featurizer(load_encoder("static"), fitted.lexicon)(texts)
    with torch.no_grad():
        return fitted.network.eval()(torch.from_numpy(features))[3].numpy()


def quantiles(values: Any) -> list[float]:
    """The tenth, the middle and the ninetieth percentile."""
    return [float(np.quantile(values, share)) for share in OFF]


if __name__ == "__main__":
    main()
