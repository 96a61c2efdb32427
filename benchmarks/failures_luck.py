"""How far the oracle's lead is luck: what outcomes drawn from estimates, and repeated prompts, say.

The oracle sees outcomes. Of two models that are equally good it takes the one that happened to be
right, which no router can. Estimates that are right, and outcomes drawn from them, give an oracle too;
its lead over the choice by the same estimates is what they would call luck. Drawn independently, that is
too much: models fail on the same prompts. So a hardness that models share (one normal factor behind all
outcomes of a prompt, its weight fitted to how unevenly successes gather on prompts) is tried as well.

Neither is a floor for all routers. Estimates that know less, the mean of each model, explain their own
larger gap as luck just as well; so they stand beside ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.special import ndtr, ndtri

from onehead import metrics
from onehead.bench.pooled import resampled_weights
from onehead.evaluation import TaskMeans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kept import Kept
    from numpy.typing import NDArray

    from onehead.outcomes import OutcomeTable

    Floats = NDArray[np.float64]

NODES: Final = 24
STEPS: Final = 18
SAMPLES: Final = 1000
_EDGE = 1e-4
_OPTION = re.compile(r"^([A-J])[.)] ", re.MULTILINE)


def of_luck(rows: Sequence[Kept]) -> dict[str, Any]:
    """What can be had, and the gap to the oracle as estimates of three kinds explain it."""
    each = [of_row(row) for row in rows]
    found: dict[str, Any] = {
        part: {name: _mean([one[part][name] for one in each]) for name in each[0][part]}
        for part in ("ceilings", "ours", "task means", "model means")
    }
    return found | {"ours_minus_task_means": ahead_of_tasks(rows)}


def of_row(row: Kept) -> dict[str, Any]:
    """The figures of one row."""
    table, shape = row.unseen, row.unseen.quality.shape
    by_task = TaskMeans.of(row.known).estimates(table.tasks)[0]
    flat = np.broadcast_to(row.known.quality.mean(axis=0), shape)
    return {
        "ceilings": ceilings(row),
        "ours": explained(row.quality, table),
        "task means": explained(by_task, table),
        "model means": explained(flat, table),
    }


def ceilings(row: Kept) -> dict[str, float]:
    """Mean quality of choices that know more and more; the best of a task is told in hindsight."""
    table = row.unseen
    hindsight = TaskMeans.of(table).estimates(table.tasks)[0]
    return {
        "best single model": float(table.quality.mean(axis=0).max()),
        "best of each task, known before": _reached(
            TaskMeans.of(row.known).estimates(table.tasks)[0], table
        ),
        "ours": _reached(row.quality, table),
        "best of each task, in hindsight": _reached(hindsight, table),
        "oracle": float(table.quality.max(axis=1).mean()),
    }


def ahead_of_tasks(rows: Sequence[Kept]) -> dict[str, Any]:
    """Quality without regard to cost, ours minus the best model of each task; interval over texts."""
    gains = [
        _outcomes(row.quality, row.unseen)
        - _outcomes(TaskMeans.of(row.known).estimates(row.unseen.tasks)[0], row.unseen)
        for row in rows
    ]
    weights = resampled_weights([row.unseen.prompts for row in rows], SAMPLES)
    draws = [own @ gain for own, gain in zip(weights, gains, strict=True)]
    return {
        "mean": _mean([gain.mean() for gain in gains]),
        "interval": list(metrics.interval(np.mean(draws, axis=0))),
    }


def explained(estimates: Floats, table: OutcomeTable) -> dict[str, float]:
    """The gap that was observed, and the gaps that outcomes drawn from the estimates would give."""
    said = np.clip(estimates, _EDGE, 1 - _EDGE)
    weight = fitted_weight(said, table.quality)
    best = said.max(axis=1).mean()
    alone, shared = (nobody(said, one) for one in (0.0, weight))
    return {
        "observed_gap": float(table.quality.max(axis=1).mean() - _reached(estimates, table)),
        "independent_gap": float(1 - alone - best),
        "shared_gap": float(1 - shared - best),
        "weight": weight,
        "nobody_observed": float((table.quality < 0.5).all(axis=1).mean()),
        "nobody_independent": alone,
        "nobody_shared": shared,
    }


def nobody(said: Floats, weight: float) -> float:
    """Chance that no model succeeds, mean over the prompts."""
    return float(sum(w * (1 - one).prod(axis=1) for w, one in _given(said, weight)).mean())


def fitted_weight(said: Floats, came: Floats) -> float:
    """The weight of the shared factor at which successes vary from prompt to prompt as they do."""
    observed = float(np.square((came - said).sum(axis=1)).mean())
    low, high = 0.0, 0.95
    for _ in range(STEPS):
        middle = (low + high) / 2
        if _variance(said, middle) < observed:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _variance(said: Floats, weight: float) -> float:
    """Mean squared distance of a prompt's number of successes from what was estimated."""
    expected = said.sum(axis=1)
    parts = (
        w * (np.square(one.sum(axis=1) - expected) + (one * (1 - one)).sum(axis=1))
        for w, one in _given(said, weight)
    )
    return float(sum(parts).mean())


def _given(said: Floats, weight: float) -> list[tuple[float, Floats]]:
    """Weights of the factor's values, and the chances of success [n, m] given each."""
    if weight == 0:
        return [(1.0, said)]
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    level = ndtri(said)
    scale = np.sqrt(1 - weight)
    return [
        (w, ndtr((level + np.sqrt(weight) * z) / scale))
        for z, w in zip(nodes, weights / weights.sum(), strict=True)
    ]


def of_guessing(rows: Sequence[Kept]) -> dict[str, Any] | None:
    """How often some model would be right were all to guess, and prompts no better solved than so.

    Of questions with at least four options: at least one model succeeds, but of all no more than by
    guessing on average. None where hardly any prompt is such a question, or the pool too small.
    """
    quality = np.concatenate([row.unseen.quality for row in rows])
    estimates = np.concatenate([row.quality for row in rows])
    texts = [text for row in rows for text in row.unseen.prompts]
    options = np.array([len(set(_OPTION.findall(text.rsplit("\n\n", 1)[-1]))) for text in texts])
    exam, n_models = options >= 4, quality.shape[1]
    by_chance = n_models / np.maximum(options, 1)
    if exam.mean() < 0.5 or by_chance[exam].mean() < 1:
        return None
    gap = quality.max(axis=1) - quality[np.arange(len(quality)), estimates.argmax(axis=1)]
    right = (quality >= 0.5).sum(axis=1)
    alike = exam & (right > 0) & (right <= by_chance)
    return {
        "options": float(options[exam].mean()),
        "any_if_all_guess": float((1 - (1 - 1 / options[exam]) ** n_models).mean()),
        "share": float(alike.mean()),
        "share_of_gap": float(gap[alike].sum() / gap.sum()),
    }


def of_copies(table: OutcomeTable) -> dict[str, Any] | None:
    """Texts that the table holds twice: how far a second run agrees with the first.

    The oracle of one run, scored on the other, is an oracle without the luck of a run. Of models that
    were right it takes the one that is best overall. Intervals are 95 % over the pairs. Most models
    answer the same text the same way; `sampled` are those whose answers mostly differ in length.
    """
    rows: dict[str, list[int]] = {}
    for i, text in enumerate(table.prompts):
        rows.setdefault(text, []).append(i)
    pairs = np.array([found[:2] for found in rows.values() if len(found) > 1])
    if len(pairs) < 30:
        return None
    one, other = table.quality[pairs[:, 0]], table.quality[pairs[:, 1]]
    same = table.output_tokens[pairs[:, 0]] == table.output_tokens[pairs[:, 1]]
    sampled = np.flatnonzero(same.mean(axis=0) < 0.5)
    at, usual = np.arange(len(pairs)), table.quality.mean(axis=0)
    across = [b[at, (a + _EDGE * usual).argmax(axis=1)] for a, b in ((one, other), (other, one))]
    single = ((one + other) / 2)[:, usual.argmax()]
    best = (one.max(axis=1) + other.max(axis=1)) / 2
    again = (across[0] + across[1]) / 2
    drawn = np.random.default_rng(0).integers(len(pairs), size=(SAMPLES, len(pairs)))
    means = [values[drawn].mean(axis=1) for values in (single, again, best)]
    ahead = means[2] > means[0]
    return {
        "n": len(pairs),
        "agree": float((one == other).mean()),
        "same_length": float(same.mean()),
        "sampled": [_noise(table.models[j], one[:, j], other[:, j]) for j in sampled],
        "best_single": float(single.mean()),
        "oracle": float(best.mean()),
        "oracle_of_the_other_run": float(again.mean()),
        "survives": _lead(*(values.mean() for values in (single, again, best))),
        "survives_interval": list(metrics.interval(_lead(*(one[ahead] for one in means)))),
    }


def _noise(model: str, one: Floats, other: Floats) -> dict[str, Any]:
    """Two runs of a model: how often they agree, and the share of the variance that lies within."""
    mean = float((one + other).mean() / 2)
    within = float(np.square(one - other).mean() / 2)
    share = within / (mean * (1 - mean))
    return {"model": model, "agree": float((one == other).mean()), "within": share}


def _lead(single: Any, again: Any, best: Any) -> Any:
    """The share of the oracle's lead over the best single model that a second run leaves."""
    return (again - single) / (best - single)


def _reached(estimates: Floats, table: OutcomeTable) -> float:
    """Mean quality of the choice by estimates alone."""
    return float(_outcomes(estimates, table).mean())


def _outcomes(estimates: Floats, table: OutcomeTable) -> Floats:
    """What the models that estimates put first achieved [n]."""
    chosen: Floats = table.quality[np.arange(table.n_prompts), estimates.argmax(axis=1)]
    return chosen


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
