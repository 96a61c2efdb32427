"""Figures of the bundled router on prompts that it did not see, table by table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from bundled_tables import FREE_FORM, NOT_OFFERED, SOURCES

from onehead import metrics
from onehead.evaluation import evaluate_block
from onehead.policy import presets, sweep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bundled_tables import Union
    from numpy.typing import NDArray

    from onehead.outcomes import OutcomeTable
    from onehead.predictors import Estimates

    Rows = NDArray[np.intp]


def figures_of(union: Union, estimates: Estimates, held: Rows, seed: int) -> dict[str, Any]:
    """What the manifest keeps, as JSON values.

    estimates: for the held-out rows `held` of the table, by a router that did not see them.
    """
    table = union.table.take(held)
    named = presets(estimates.quality.mean(axis=0), estimates.cost_usd.mean(axis=0))
    tables = {}
    for number, source in enumerate(SOURCES):
        rows = np.flatnonzero(union.source[held] == number)
        own = estimates.take(rows), table.take(rows)
        tables[source.name] = {
            "n_prompts": int((union.source == number).sum()),
            "n_held_out": len(rows),
            **_scores(*own, named, seed),
        }
    return {
        "tables": tables,
        "choices": _choices(estimates, named, table.models),
        "left_out": {"not_offered": dict(NOT_OFFERED), "no_price": list(union.unpriced)},
        **_coverage(union),
    }


def _scores(
    estimates: Estimates, table: OutcomeTable, named: Mapping[str, float], seed: int
) -> dict[str, Any]:
    """Scores on the held-out prompts of one table, over the models that ran on it."""
    known = table.observed
    ran = np.flatnonzero(known.any(axis=0))
    quality, outcome = estimates.quality[known], table.quality[known]
    scores: dict[str, Any] = {
        "n_models": len(ran),
        "brier": metrics.brier(quality, outcome),
        "ece": metrics.ece(quality, outcome),
    }
    if len(ran) < 2:
        return scores
    own = table.only([table.models[j] for j in ran])
    scored = evaluate_block(estimates.only(ran.tolist()), own, seed=seed, presets=named)
    best = int(np.argmax(scored.singles.quality))
    return scores | {
        "n_scored": scored.n_prompts,
        "aiq": scored.aiq,
        "aiq_minus_zero_router": scored.margin("zero_router"),
        "aiq_minus_zero_router_ci": scored.to_json()["aiq_minus_zero_router_ci"],
        "max_quality": scored.max_quality,
        "cost_to_match_best": scored.cost_to_match_best,
        "cost_log_rmse": scored.cost.log_rmse,
        "best_single": {
            "model": scored.models[best],
            "quality": float(scored.singles.quality[best]),
            "cost_usd": float(scored.singles.cost_usd[best]),
        },
        "presets": {
            name: {"quality": point.quality, "cost_usd": point.cost_usd}
            for name, point in scored.presets.items()
        },
    }


def _choices(
    estimates: Estimates, named: Mapping[str, float], models: tuple[str, ...]
) -> dict[str, dict[str, float]]:
    """The share of the held-out prompts that each model gets at each preset, most first."""
    picks = sweep(estimates.quality, estimates.cost_usd, list(named.values()), ids=models)
    shares = {}
    for name, row in zip(named, picks, strict=True):
        share = np.bincount(row, minlength=len(models)) / len(row)
        order = np.argsort(-share, kind="stable")
        shares[name] = {models[j]: float(share[j]) for j in order if share[j] > 0}
    return shares


def _coverage(union: Union) -> dict[str, Any]:
    """Which tables each model ran on, and how many prompts are no exam question with options."""
    of_source = [union.source == number for number in range(len(SOURCES))]
    ran_on = {
        model: [
            source.name
            for source, rows in zip(SOURCES, of_source, strict=True)
            if known[rows].any()
        ]
        for model, known in zip(union.table.models, union.table.observed.T, strict=True)
    }
    return {"ran_on": ran_on, "n_free_form": sum(t in FREE_FORM for t in union.table.tasks)}
