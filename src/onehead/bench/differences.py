"""Differences between the contenders of one table, from the estimates that are kept of every row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onehead.bench import pooled
from onehead.bench.blocks import load_estimates
from onehead.bench.cells import split_rows
from onehead.bench.contenders import OURS
from onehead.bench.document import estimates_path
from onehead.bench.plan import Job
from onehead.evaluation import TaskMeans
from onehead.evaluation.controls import task_label_sweep
from onehead.evaluation.curves import sweep_estimates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from onehead.bench.pooled import Part
    from onehead.outcomes import OutcomeTable
    from onehead.policy import RewardKind

TASK_LABEL = "true_task_label"


def differences(
    table: OutcomeTable, rows: Sequence[dict[str, Any]], out: Path, reward: RewardKind
) -> dict[str, Any]:
    """AIQ of every recipe against the controls, and of ours against every other recipe.

    rows: those of one encoder that belong to the main comparison. A recipe takes part where its
    estimates on every seed of the leading recipe are at hand: ours, or else the first one.
    """
    recipes = list(dict.fromkeys(row["recipe"] for row in rows))
    leader = OURS if OURS in recipes else recipes[0]
    seeds = [row["seed"] for row in rows if row["recipe"] == leader]
    parts = [_part(table, rows, seed, out, reward) for seed in seeds]
    present = [name for name in recipes if all(name in part.picks for part in parts)]
    if leader not in present:
        return {}
    shared = {*present, TASK_LABEL}
    parts = [
        pooled.Part(part.table, {name: part.picks[name] for name in part.picks if name in shared})
        for part in parts
    ]
    draws = pooled.resampled_aiq(parts)
    zero = pooled.ZERO_ROUTER
    return {
        "seeds": seeds,
        "samples": pooled.SAMPLES,
        "ours": leader,
        "minus_zero_router": {r: pooled.gap(parts, draws, r, zero) for r in present},
        "minus_true_task_label": {r: pooled.gap(parts, draws, r, TASK_LABEL) for r in present},
        "ours_minus": {r: pooled.gap(parts, draws, leader, r) for r in present if r != leader},
    }


def with_kept(found: dict[str, Any], old: dict[str, Any], changed: set[str]) -> dict[str, Any]:
    """Differences with those of an earlier run whose estimates are gone, where they still hold.

    changed: the recipes that were run anew
    """
    if found and any(old.get(name) != found.get(name) for name in ("ours", "seeds")):
        return found
    kept = {**old, **found}
    for kind in ("minus_zero_router", "minus_true_task_label", "ours_minus"):
        stale = changed | ({*old.get(kind, {})} if kept.get("ours") in changed else set())
        dropped = stale if kind == "ours_minus" else changed
        still = {name: gap for name, gap in old.get(kind, {}).items() if name not in dropped}
        if still or kind in found:
            kept[kind] = {**still, **found.get(kind, {})}
    return kept


def _part(
    table: OutcomeTable, rows: Sequence[dict[str, Any]], seed: int, out: Path, reward: RewardKind
) -> Part:
    """What a seed held out, and what every row at hand and the control that knows tasks picked."""
    rest, held = split_rows(table, seed)
    unseen = table.take(held)
    means = TaskMeans.of(table.take(rest))
    picks: dict[str, NDArray[np.intp]] = {
        TASK_LABEL: task_label_sweep(unseen, reward, seed, means).picks
    }
    for row in rows:
        path = estimates_path(out, Job.named(row["id"]))
        found = load_estimates(path, held, row["fingerprint"]) if row["seed"] == seed else None
        if found is not None:
            picks[row["recipe"]] = sweep_estimates(*found, kind=reward, ids=table.models).picks
    return pooled.Part(unseen, picks)
