"""Where the router loses, by kind of prompt, and how much of that luck alone would explain.

    python benchmarks/failures.py [--table NAME …] [--seeds 0 1 2] [--examples N]

Looks at the estimates that recipes.py kept, of prompts that no fit has seen, at two willingness to pay:
the preset `balanced` of the models' means in the training part, and no regard to cost (`best quality`).
The prompts of all seeds are put together, so a prompt that two seeds hold out counts twice.

gap: what the best outcome of any model has more than the chosen model's. regret: the same in the reward
by which was chosen (exponential). overspend: what was paid beyond the cheapest model whose outcome is as
good as the chosen one's. --examples prints prompts of each kind to the terminal, for those who hold the
tables; they are written nowhere.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from common import RESULTS, TABLES, conditions, write
from failures_luck import of_copies, of_guessing, of_luck
from kept import complete, kept

from onehead import policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kept import Kept
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

RESULT = RESULTS / "failures.json"
PACKAGES = ("onehead", "numpy", "scipy")
POINTS: Final = ("balanced", "best quality")
FEW = 0.25
"""So much of the pool at most is few."""
LEAST = 20
"""Tasks with fewer prompts are not among the worst."""
WORST = 5
SHOWN = 700
"""Characters of an example."""


@dataclass(frozen=True, eq=False)
class Losses:
    """What was chosen at one willingness to pay, and what that lost [n]."""

    chosen: NDArray[np.intp]
    said: Floats
    gap: Floats
    regret: Floats
    overspend_usd: Floats
    spent_usd: Floats

    @classmethod
    def of(cls, row: Kept, point: str) -> Losses:
        """The losses of one row."""
        known, table = row.known, row.unseen
        wtp = np.inf
        if point == "balanced":
            means = known.quality.mean(axis=0), known.cost_usd.mean(axis=0)
            wtp = policy.presets(*means)[point]
        chosen = policy.sweep(row.quality, row.cost_usd, [wtp], ids=table.models)[0]
        at = np.arange(len(chosen))
        quality, cost = table.quality, table.cost_usd
        rewards = quality if np.isinf(wtp) else policy.reward(quality, cost, wtp)
        as_good = np.where(quality >= quality[at, chosen][:, None], cost, np.inf)
        return cls(
            chosen,
            row.quality[at, chosen],
            quality.max(axis=1) - quality[at, chosen],
            rewards.max(axis=1) - rewards[at, chosen],
            cost[at, chosen] - as_good.min(axis=1),
            cost[at, chosen],
        )

    @classmethod
    def together(cls, each: Sequence[Losses]) -> Losses:
        """The losses of several rows, one after another."""
        names = cls.__dataclass_fields__
        return cls(*(np.concatenate([getattr(one, name) for one in each]) for name in names))

    def of_group(self, inside: Mask) -> dict[str, Any]:
        """The figures of some prompts, and what share of all lies with them."""
        return {
            "n": int(inside.sum()),
            "share": float(inside.mean()),
            "share_of_gap": _share(self.gap, inside),
            "gap": float(self.gap[inside].mean()),
            "regret": float(self.regret[inside].mean()),
            "spent_usd": float(self.spent_usd[inside].mean()),
            "overspend_usd": float(self.overspend_usd[inside].mean()),
            "share_of_overspend": _share(self.overspend_usd, inside),
        }

    def of_groups(self, groups: dict[str, Mask]) -> dict[str, Any]:
        """The figures of every group that has a prompt."""
        return {name: self.of_group(inside) for name, inside in groups.items() if inside.any()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--examples", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    taken = conditions(PACKAGES)
    tables = {}
    for name in arguments.table:
        rows = list(kept(name, "attention", arguments.seeds))
        if not rows:
            continue
        if arguments.examples:
            show(rows[0], arguments.examples)
        tables[name] = of_table(name, rows)
        print(f"{name}: seeds {[row.seed for row in rows]}", flush=True)
    if not arguments.examples:
        write(RESULT, {"run": taken, "tables": tables})


def of_table(name: str, rows: Sequence[Kept]) -> dict[str, Any]:
    """All figures of one table."""
    kinds = joined([kinds_of(row.unseen.quality) for row in rows])
    lengths = joined([lengths_of(row.unseen.prompts) for row in rows])
    tasks = np.array([task for row in rows for task in row.unseen.tasks])
    entry: dict[str, Any] = {
        "title": TABLES[name].title,
        "seeds": [row.seed for row in rows],
        "n_models": rows[0].unseen.n_models,
        "points": {},
    }
    for point in POINTS:
        losses = Losses.together([Losses.of(row, point) for row in rows])
        entry["points"][point] = {
            "all": losses.of_group(np.ones(len(tasks), dtype=bool)),
            "kinds": losses.of_groups(kinds),
            "lengths": losses.of_groups(lengths),
            "estimates": losses.of_groups(certainty(losses.said)),
            "tasks": worst(losses, tasks),
        }
    entry["luck"] = of_luck(rows)
    entry["guessing"] = of_guessing(rows)
    entry["copies"] = of_copies(complete(name))
    return entry


def kinds_of(quality: Floats) -> dict[str, Mask]:
    """Prompts by how many of the models succeed."""
    n_models = quality.shape[1]
    successes = (quality >= 0.5).sum(axis=1)
    some = (successes > 0) & (successes < n_models)
    few = some & (successes <= FEW * n_models)
    return {
        "nobody succeeds": successes == 0,
        "few succeed": few,
        "in between": some & ~few,
        "everybody succeeds": successes == n_models,
    }


def lengths_of(prompts: Sequence[str]) -> dict[str, Mask]:
    """Prompts by thirds of their number of characters."""
    length = np.array([len(text) for text in prompts])
    low, high = np.quantile(length, [1 / 3, 2 / 3])
    return {
        "short": length <= low,
        "middle": (length > low) & (length <= high),
        "long": length > high,
    }


def certainty(said: Floats) -> dict[str, Mask]:
    """Prompts by the estimated quality of the model that was chosen [n]."""
    return {
        "estimate below 0.5": said < 0.5,
        "0.5 to 0.8": (said >= 0.5) & (said < 0.8),
        "0.8 and above": said >= 0.8,
    }


def worst(losses: Losses, tasks: NDArray[np.str_]) -> dict[str, Any]:
    """The tasks with the largest mean gap."""
    found = losses.of_groups(
        {task: tasks == task for task in np.unique(tasks) if (tasks == task).sum() >= LEAST}
    )
    order = sorted(found, key=lambda task: -found[task]["gap"])
    return {task: found[task] for task in order[:WORST]}


def joined(each: Sequence[dict[str, Mask]]) -> dict[str, Mask]:
    """The groups of all rows, one after another."""
    return {name: np.concatenate([one[name] for one in each]) for name in each[0]}


def show(row: Kept, count: int) -> None:
    """Print some prompts of each kind, as they were routed without regard to cost."""
    losses, table = Losses.of(row, POINTS[-1]), row.unseen
    rng = np.random.default_rng(0)
    for kind, inside in kinds_of(table.quality).items():
        lost = np.flatnonzero(inside & (losses.gap > 0))
        at = lost if len(lost) else np.flatnonzero(inside)
        for i in rng.permutation(at)[:count]:
            right = [table.models[j] for j in np.flatnonzero(table.quality[i] >= 0.5)]
            print(f"\n== {kind} · {table.tasks[i]} · {table.prompt_ids[i]}")
            print(f"chosen: {table.models[losses.chosen[i]]}, estimated {losses.said[i]:.2f}")
            print(f"right ({len(right)}): {', '.join(right[:8])}")
            print(table.prompts[i][-SHOWN:])


def _share(values: Floats, inside: Mask) -> float:
    """The share of a sum that lies inside; 0 of nothing."""
    whole = float(values.sum())
    return float(values[inside].sum()) / whole if whole else 0.0


if __name__ == "__main__":
    main()
