"""Estimates that `recipes.py` kept of the rows it ran, for scripts that look at them more closely."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from common import BENCH, TABLES, conditions, table_path, write

from onehead.bench.cells import split_rows
from onehead.bench.document import estimates_path
from onehead.bench.plan import Job
from onehead.sources import read_outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from onehead.outcomes import OutcomeTable

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Kept:
    """One row: what it learned from, what was held out, and its estimates of that [n, m] each."""

    seed: int
    known: OutcomeTable
    unseen: OutcomeTable
    quality: Floats
    cost_usd: Floats


def score_kept(
    about: str | None, result: Path, packages: Sequence[str], of_row: Callable[[Kept], Any]
) -> None:
    """A script's whole work: `of_row` of every row of our recipe that was kept, written to `result`.

    about: the script's docstring
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--table", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    taken = conditions(packages)
    tables = {}
    for name in arguments.table:
        rows = [of_row(row) for row in kept(name, "attention", arguments.seeds)]
        if rows:
            tables[name] = {"title": TABLES[name].title, "rows": rows}
    write(result, {"run": taken, "tables": tables})


def complete(name: str) -> OutcomeTable:
    """The complete block of a table."""
    return read_outcomes([table_path(name)]).complete_block()[0]


def kept(name: str, recipe: str, seeds: Sequence[int]) -> Iterator[Kept]:
    """The rows of a recipe on a table whose estimates are at hand."""
    table = complete(name)
    for seed in seeds:
        path = estimates_path(BENCH, Job(name, recipe, "static", seed))
        rest, held = split_rows(table, seed)
        if not path.exists():
            print(f"{name} {recipe} {seed}: no estimates; run benchmarks/recipes.py", flush=True)
            continue
        with np.load(path) as found:
            if not np.array_equal(found["rows"], held):
                print(f"{name} {recipe} {seed}: estimates of other prompts", flush=True)
                continue
            quality, cost = found["quality"], found["cost_usd"]
        yield Kept(seed, table.take(rest), table.take(held), quality, cost)
