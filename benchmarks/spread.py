"""Whether eight of ten true costs and lengths lie in the intervals that a router gives for them.

    python benchmarks/spread.py [--table NAME …] [--seeds 0 1 2]

Our recipe learns from four fifths of a table and keeps the spread that it measured on a part of these, as
training does. The intervals around its estimates of the last fifth are compared with what was really
written and paid. Beside the bands in steps stand one step for all estimates of a model, and a log-normal
distribution around the estimate with the standard deviation of the same misses.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np
from common import RESULTS, TABLES, conditions, table_path, write

from onehead.bench.cells import split_rows
from onehead.encoders import load_encoder
from onehead.sources import read_outcomes
from onehead.spread import Band, Spread
from onehead.training.estimating import estimate
from onehead.training.pipeline import VALIDATION, examples_of
from onehead.training.recipes import recipe_named
from onehead.training.spreading import bands_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from onehead.predictors import Estimates
    from onehead.spread import Bands
    from onehead.training.examples import Examples

    Floats = NDArray[np.float64]

RESULT = RESULTS / "spread.json"
RECIPE = recipe_named("attention")
PACKAGES = ("onehead", "numpy", "torch", "scikit-learn")
NORMAL = 1.2816
"""Standard deviations between which 80 % of a normal distribution lie."""
LEAST = 30
"""Held-out prompts of a task whose share is told."""
ROUNDING = 1e-5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    taken = conditions(PACKAGES)
    tables = {}
    for name in arguments.table:
        table, *_ = read_outcomes([table_path(name)]).complete_block()
        whole = examples_of(table, load_encoder("static"), lambda *_: None)
        rows = [of_split(whole, seed) for seed in arguments.seeds]
        tables[name] = {"title": TABLES[name].title, "rows": rows}
        print(name, [row["steps"]["cost_usd"]["inside"] for row in rows], flush=True)
    write(RESULT, {"run": taken, "tables": tables})


def of_split(whole: Examples, seed: int) -> dict[str, Any]:
    """All ways to tell the spread, on one fifth held out."""
    rest, held = split_rows(whole.table, seed)
    known, unseen = whole.take(rest), whole.take(held)
    inner, check = known.table.split(VALIDATION, seed)
    checked = known.take(check)
    tried = estimate(RECIPE.fit(known.take(inner), RECIPE.options, seed), checked)
    said = estimate(RECIPE.fit(known, RECIPE.options, seed), unseen)
    ways = {
        "steps": bands_of(tried, checked),
        "one_step": bands_of(tried, checked, 1),
        "log_normal": log_normal(tried, checked),
    }
    found = {way: scored(bands, said, unseen) for way, bands in ways.items()}
    return {"seed": seed, "n_held_out": len(held), **found}


def log_normal(tried: Estimates, checked: Examples) -> dict[str, dict[str, Band]]:
    """Bands of ±1.28 standard deviations of the logarithms."""
    bands: dict[str, dict[str, Band]] = {}
    for column, card in enumerate(checked.amounts.pool):
        in_usd = card.cost_basis == "usd"
        written = tried.cost_usd if in_usd else tried.output_tokens
        amounts = {"output": (written, checked.amounts.log_output)}
        if not in_usd:
            amounts["input"] = (tried.input_tokens, checked.amounts.log_input)
        bands[card.id] = {}
        for which, (estimated, log_true) in amounts.items():
            off = float(np.std(log_true[:, column] - np.log(estimated[:, column])))
            ends = float(np.exp(-NORMAL * off)), float(np.exp(NORMAL * off))
            bands[card.id][which] = Band((0.0,), (ends[0],), (ends[1],))
    return bands


def scored(bands: Mapping[str, Bands], said: Estimates, unseen: Examples) -> dict[str, Any]:
    """Shares of costs, and of lengths where they are known."""
    found = Spread(unseen.amounts.pool, bands).around(said)
    table = unseen.table
    scores = {
        "cost_usd": shares(found.cost_usd_low, found.cost_usd_high, table.cost_usd, table.tasks)
    }
    if not np.isnan(found.output_tokens_low).any():
        scores["output_tokens"] = shares(
            found.output_tokens_low, found.output_tokens_high, table.output_tokens, table.tasks
        )
    return scores


def shares(low: Floats, high: Floats, true: Floats, tasks: tuple[str, ...]) -> dict[str, Any]:
    """How many true amounts lie inside, below and above, over all, by model and by task."""
    below, above = true < low * (1 - ROUNDING), true > high * (1 + ROUNDING)
    inside, task = ~(below | above), np.array(tasks)
    of_task = {
        name: float(inside[task == name].mean())
        for name in sorted(set(tasks))
        if (task == name).sum() >= LEAST
    }
    worst = min(of_task, key=lambda name: of_task[name])
    return {
        "inside": float(inside.mean()),
        "below": float(below.mean()),
        "above": float(above.mean()),
        "least_of_a_model": float(inside.mean(axis=0).min()),
        "most_of_a_model": float(inside.mean(axis=0).max()),
        "least_of_a_task": of_task[worst],
        "task": worst,
        "width": float(np.median(high / np.maximum(low, 1e-12))),
    }


if __name__ == "__main__":
    main()
