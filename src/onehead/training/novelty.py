"""How to tell a prompt of a new task: the gate then finds no task that fits it well.

Tasks are left out of the gate in turn. What it says of their prompts, beside what it says of prompts
that it did not see of tasks that it knows, shows how sure it is of either kind. How near a prompt's
vector lies to those of training prompts tells far less: new tasks are put like known ones
(`benchmarks/LOG.md`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from onehead.training.gate import logits_elsewhere

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.training.gate import Labelled

    Floats = NDArray[np.float64]

_GROUPS = 5
"""Groups of tasks that are left out in turn, at most: each costs a fit of the gate."""
_MOST = 10_000
"""Prompts that this is learned from, at most: it is two numbers."""
_LEAST_TASKS = 3
"""With fewer, the gate has nothing to choose between once one is left out."""
_NEW = 0.1
"""How many of the prompts that reach a router are of a new task, before anything of them is read."""
_CERTAIN = 20.0
"""Log-odds where nothing can be told."""
NOT_TOLD = (0.0, _CERTAIN)


def fit_novelty(
    labelled: Labelled, strength: float, fold: NDArray[np.intp], seed: int
) -> tuple[float, float]:
    """Slope and bias of the log-odds that a prompt is of a known task, linear in the gate's `margin`.

    fold [n]: each group of tasks is left out together with a fold of the prompts of all others.
    """
    tasks, folds = np.unique(labelled.labels[labelled.labels >= 0]), np.unique(fold)
    if len(tasks) < _LEAST_TASKS or len(folds) < 2:
        return NOT_TOLD
    groups = np.array_split(
        np.random.default_rng([seed, 11]).permutation(tasks), min(_GROUPS, len(tasks))
    )
    taken = np.zeros(len(fold), dtype=bool)
    taken[np.random.default_rng([seed, 12]).permutation(len(fold))[:_MOST]] = True
    margins: list[Floats] = []
    known: list[NDArray[np.bool_]] = []
    for number, group in enumerate(groups):
        new = np.isin(labelled.labels, group)
        asked = new | (fold == folds[number % len(folds)])
        shown, asked = taken & ~asked, taken & asked & (labelled.labels >= 0)
        left = np.setdiff1d(labelled.labels[shown], [-1])
        if not asked.any() or len(left) < _LEAST_TASKS - 1:
            continue
        logits = logits_elsewhere(labelled, strength, shown, asked)
        margins.append(margin(logits[:, left]))
        known.append(~new[asked])
    return _fit(np.concatenate(margins), np.concatenate(known)) if margins else NOT_TOLD


def margin(logits: Floats) -> Floats:
    """By how much the best task's logit [n] lies above the mean of all tasks [n, t]."""
    above: Floats = logits.max(axis=1) - logits.mean(axis=1)
    return above


def _fit(margins: Floats, known: NDArray[np.bool_]) -> tuple[float, float]:
    """Logistic regression at even odds, then the odds that are usual."""
    from sklearn.linear_model import LogisticRegression

    if known.all() or not known.any():
        return NOT_TOLD
    middle, spread = float(margins.mean()), max(float(margins.std()), 1e-6)
    model = LogisticRegression(class_weight="balanced")
    model.fit((margins[:, None] - middle) / spread, known)
    slope = float(model.coef_[0, 0]) / spread
    if slope <= 0:
        return NOT_TOLD
    return slope, float(model.intercept_[0]) - slope * middle + math.log((1 - _NEW) / _NEW)
