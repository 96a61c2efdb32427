"""Estimates that `recipes.py` kept of the rows it ran, for scripts that look at them more closely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from common import BENCH, table_path

from onehead.bench.cells import split_rows
from onehead.bench.document import estimates_path
from onehead.bench.plan import Job
from onehead.sources import read_outcomes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
