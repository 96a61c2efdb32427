"""Every recipe on every table, over several seeds: how well they route prompts that none has seen.

    python benchmarks/recipes.py [--table NAME …] [--only RECIPE …] [--seeds 0 1 2]

Each seed holds out a fifth of a table; the recipe tunes itself within the rest. Rows that are run
replace their namesakes in benchmarks/results/recipes.json, all others stay. What every row picked
is kept under benchmarks/.picks (not in git), because differences between recipes are taken prompt
by prompt; a row whose picks are gone has no differences until it is run again.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from cells import ENCODER, HELD_OUT, TASK_LABEL, Cell, Split, cell, read, split
from common import RESULTS, ROOT, TABLES, conditions, table_path, write
from contenders import CONTENDERS
from pooled import SAMPLES, ZERO_ROUTER, Part, gap, resampled_aiq

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

RESULT = RESULTS / "recipes.json"
PICKS = ROOT / "benchmarks" / ".picks"
PACKAGES = ("onehead", "numpy", "torch", "scikit-learn", "scipy")
OURS = "attention"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    document = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
    taken = conditions(PACKAGES)
    for name in arguments.table:
        run_table(name, arguments.only, arguments.seeds, document, taken)
        write(RESULT, document)


def run_table(
    name: str,
    contenders: Sequence[str],
    seeds: Iterable[int],
    document: dict[str, Any],
    taken: dict[str, Any],
) -> None:
    """Run some rows of one table into the document, then take its differences anew."""
    whole = read(table_path(name))
    table = whole.examples.table
    entry = document.setdefault("tables", {}).setdefault(name, {"controls": {}, "rows": []})
    entry |= {
        "title": TABLES[name].title,
        "n_prompts": table.n_prompts,
        "n_models": table.n_models,
        "n_tasks": len(set(table.tasks)),
        "left_out": whole.left_out,
        "data_hash": table.content_hash(),
        "encoder": ENCODER,
        "held_out": HELD_OUT,
    }
    for seed in seeds:
        part = split(whole.examples, seed)
        for contender in contenders:
            done = cell(CONTENDERS[contender], part)
            keep_picks(PICKS, name, contender, part, done)
            merge(entry, contender, done, taken["when"])
            report(name, contender, done.figures)
    splits = {seed: split(whole.examples, seed) for seed in seeds_of(entry)}
    entry["differences"] = differences(name, splits)
    document.setdefault("runs", {})[taken["when"]] = taken
    forget_unused_runs(document)


def merge(entry: dict[str, Any], contender: str, done: Cell, run: str) -> None:
    """Put a row in the place of its namesake; rows stand in the order of the contenders."""
    row = {"recipe": contender, "run": run, **done.figures}
    key = contender, row["seed"]
    others = [each for each in entry["rows"] if (each["recipe"], each["seed"]) != key]
    order = list(CONTENDERS)
    entry["rows"] = sorted([*others, row], key=lambda r: (order.index(r["recipe"]), r["seed"]))
    entry["controls"][str(row["seed"])] = done.controls


def forget_unused_runs(document: dict[str, Any]) -> None:
    """Keep the conditions of those runs that a row still comes from."""
    used = {row["run"] for entry in document["tables"].values() for row in entry["rows"]}
    document["runs"] = {when: run for when, run in document["runs"].items() if when in used}


def seeds_of(entry: dict[str, Any]) -> list[int]:
    """The seeds of our recipe's rows, which all differences are taken over."""
    return [row["seed"] for row in entry["rows"] if row["recipe"] == OURS]


def differences(name: str, splits: dict[int, Split]) -> dict[str, Any]:
    """AIQ of every recipe against the controls, and of ours against every other recipe.

    A recipe takes part where its picks on every seed of ours are at hand.
    """
    picks = {
        recipe: [kept_picks(PICKS, name, recipe, part) for part in splits.values()]
        for recipe in CONTENDERS
    }
    present = [
        recipe for recipe, found in picks.items() if found and all(one is not None for one in found)
    ]
    if OURS not in present:
        print(f"{name}: no differences, the picks of {OURS} are not at hand")
        return {}
    parts = [
        Part(
            part.table,
            {recipe: picks[recipe][i] for recipe in present}
            | {TASK_LABEL: part.task_label_picks()},
        )
        for i, part in enumerate(splits.values())
    ]
    draws = resampled_aiq(parts)
    return {
        "seeds": list(splits),
        "samples": SAMPLES,
        "minus_zero_router": {r: gap(parts, draws, r, ZERO_ROUTER) for r in present},
        "minus_true_task_label": {r: gap(parts, draws, r, TASK_LABEL) for r in present},
        "ours_minus": {r: gap(parts, draws, OURS, r) for r in present if r != OURS},
    }


def keep_picks(folder: Path, name: str, contender: str, part: Split, done: Cell) -> None:
    """Keep what a row picked, with the hash of the outcomes that it picked on."""
    folder.mkdir(exist_ok=True)
    np.savez_compressed(
        folder / f"{name}-{contender}-{part.seed}.npz",
        picks=done.picks.astype(np.int16),
        data=part.table.content_hash(),
    )


def kept_picks(folder: Path, name: str, contender: str, part: Split) -> Any:
    """The picks [L, n] of a row, or None where they are gone or of other outcomes."""
    path = folder / f"{name}-{contender}-{part.seed}.npz"
    if not path.exists():
        return None
    with np.load(path) as found:
        same = str(found["data"]) == part.table.content_hash()
        return found["picks"].astype(np.intp) if same else None


def report(name: str, contender: str, figures: dict[str, Any]) -> None:
    """One line for the terminal."""
    main = figures["rewards"]["exponential"]
    print(
        f"{name:12s} {contender:13s} seed {figures['seed']}  AIQ {main['aiq']:.4f}  "
        f"minus zero router {main['aiq_minus_zero_router']:+.4f}  "
        f"minus task label {main['aiq_minus_true_task_label']:+.4f}  "
        f"Brier {figures['quality']['brier']:.4f}  fit {figures['fit_s']:.1f} s "
        f"after {figures['tuning_s']:.1f} s of tuning",
        flush=True,
    )


if __name__ == "__main__":
    main()
