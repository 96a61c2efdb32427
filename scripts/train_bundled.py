"""Train the router that comes with the package: src/onehead/data/router, and its model card.

    python scripts/train_bundled.py --data FOLDER        (or ONEHEAD_DATA=FOLDER make router)

FOLDER holds the outcome tables of `bundled_tables.SOURCES`. The router is scored on a held-out part
of every table first, by a network that did not see it, then learned again from everything. The
figures go into its manifest, and the card is written from the manifest alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from bundled_card import CARD, model_card
from bundled_tables import FREE_FORM, NOT_OFFERED, SOURCES, Union, read_union

from onehead import metrics
from onehead.artifact import Artifact, load, save
from onehead.encoders import load_encoder
from onehead.evaluation import evaluate_block
from onehead.policy import presets, sweep
from onehead.router import Router, bundled_path
from onehead.training import train
from onehead.training.estimating import estimate
from onehead.training.pipeline import VALIDATION, examples_of
from onehead.training.recipes import recipe_named

if TYPE_CHECKING:
    from onehead.outcomes import OutcomeTable
    from onehead.predictors import Estimates

RECIPE, ENCODER, SEED = "attention", "static", 0
OPTIONS: dict[str, Any] = {"anchors": 2048}
UNPRICED_USD = 1.0
"""Stands in for the cost of a model without a price while it is learned from. It is in no estimate:
only offered models stay in the router."""


def main() -> None:
    arguments = _arguments()
    union = read_union(arguments.data)
    print(f"{union.table.n_prompts} prompts × {union.table.n_models} models", file=sys.stderr)
    figures = held_out_figures(union)
    router = learn(union, figures)
    save(router, arguments.out)
    written = load(arguments.out)
    (arguments.out / CARD).write_text(model_card(written.manifest, arguments.out), "utf-8")
    print(f"{arguments.out}: {len(written.manifest.pool)} models", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    given = os.environ.get("ONEHEAD_DATA")
    parser.add_argument("--data", type=Path, default=given, required=given is None)
    parser.add_argument("--out", type=Path, default=bundled_path())
    return parser.parse_args()


def _costs(union: Union) -> dict[str, float]:
    return dict.fromkeys(union.unpriced, UNPRICED_USD)


def held_out_figures(union: Union) -> dict[str, Any]:
    """What a router of the same making reaches on prompts that it did not see."""
    table = union.table
    examples = examples_of(table, load_encoder(ENCODER), _tell, costs=_costs(union))
    rest, held = table.split(VALIDATION, SEED)
    recipe = recipe_named(RECIPE)
    _tell("scoring", 0, 1)
    fitted = recipe.fit(examples.take(rest), {**recipe.options, **OPTIONS}, SEED)
    columns = [table.models.index(model) for model in union.offered]
    estimates = estimate(fitted, examples.take(held)).only(columns)
    _tell("scoring", 1, 1)
    named = presets(estimates.quality.mean(axis=0), estimates.cost_usd.mean(axis=0))
    seen = table.take(held).only(union.offered)
    tables = {}
    for number, source in enumerate(SOURCES):
        rows = np.flatnonzero(union.source[held] == number)
        tables[source.name] = _figures(estimates.take(rows), seen.take(rows), named) | {
            "n_trained": int((union.source[rest] == number).sum())
        }
    return {
        "held_out_share": VALIDATION,
        "presets": _preset_figures(estimates, named, union.offered),
        "tables": tables,
        "learned_from_only": {
            "not_chat": {model: NOT_OFFERED[model] for model in NOT_OFFERED},
            "no_price": list(union.unpriced),
        },
        **_coverage(union),
    }


def _coverage(union: Union) -> dict[str, Any]:
    """Where the offered models ran, which of all models link tables, and how much was written out."""
    ran_on = {
        model: [
            source.name
            for number, source in enumerate(SOURCES)
            if known[union.source == number].any()
        ]
        for model, known in zip(union.table.models, union.table.observed.T, strict=True)
    }
    return {
        "ran_on": {model: ran_on[model] for model in union.offered},
        "links": {model: names for model, names in ran_on.items() if len(names) > 1},
        "n_free_form": sum(task in FREE_FORM for task in union.table.tasks),
    }


def _figures(estimates: Estimates, table: OutcomeTable, named: dict[str, float]) -> dict[str, Any]:
    """Figures on the held-out prompts of one table, over the models of the pool that ran on it."""
    known = table.observed
    ran = np.flatnonzero(known.any(axis=0))
    quality, outcome = estimates.quality[known], table.quality[known]
    figures: dict[str, Any] = {
        "n_prompts": table.n_prompts,
        "n_models": len(ran),
        "brier": metrics.brier(quality, outcome),
        "ece": metrics.ece(quality, outcome),
    }
    if len(ran) > 1:
        own = table.only([table.models[j] for j in ran])
        scored = evaluate_block(estimates.only(ran.tolist()), own, seed=SEED, presets=named)
        whole = scored.to_json()
        figures |= {
            "aiq": scored.aiq,
            "aiq_minus_zero_router": scored.margin("zero_router"),
            "aiq_minus_zero_router_ci": whole["aiq_minus_zero_router_ci"],
            "max_quality": scored.max_quality,
            "best_single": scored.controls["best_single"].score.max_quality,
            "cost_to_match_best": scored.cost_to_match_best,
            "cost_log_rmse": scored.cost.log_rmse,
        }
    return figures


def _preset_figures(
    estimates: Estimates, named: dict[str, float], ids: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """The share of the held-out prompts that each model gets at each preset."""
    picks = sweep(estimates.quality, estimates.cost_usd, list(named.values()), ids=ids)
    shares = {}
    for name, row in zip(named, picks, strict=True):
        counts = np.bincount(row, minlength=len(ids)) / len(row)
        shares[name] = {ids[j]: float(counts[j]) for j in np.argsort(-counts) if counts[j] > 0}
    return shares


def learn(union: Union, figures: dict[str, Any]) -> Artifact:
    """The router from every prompt, over the offered models."""
    artifact = train(
        union.table,
        recipe=RECIPE,
        encoder=ENCODER,
        seed=SEED,
        progress=_tell,
        costs=_costs(union),
        options=OPTIONS,
    ).only(union.offered)
    estimates = Router(artifact).estimate(union.table.prompts)
    # Means over the prompts that a model ran on would compare tables, not models.
    quality, cost = estimates.quality.mean(axis=0), estimates.cost_usd.mean(axis=0)
    profiles = {
        model: {"quality": float(q), "cost_usd": float(c)}
        for model, q, c in zip(union.offered, quality, cost, strict=True)
    }
    manifest = replace(
        artifact.manifest,
        profiles=profiles,
        presets=presets(quality, cost),
        validation=figures,
    )
    return replace(artifact, manifest=manifest)


def _tell(stage: str, done: int, total: int) -> None:
    if done in (0, total):
        print(f"{stage} {done}/{total}", file=sys.stderr)


if __name__ == "__main__":
    main()
