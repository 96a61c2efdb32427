"""What a prompt's task is: its name in the table, or a kind that was found where there are no names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.training.recipes.base import Standard, folds_of, ridge, unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.training.examples import Examples

    Floats = NDArray[np.float64]

_KINDS = 20
"""As many as the paper's clusters; 10 and 40 do no better (`benchmarks/LOG.md`)."""
_LEAST_OF_A_KIND = 50
"""Different texts, on average."""
_PENALTY = 1.0


def labels_of(examples: Examples, seed: int) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Task names [t] and the task of each prompt [n], −1 where it is unknown.

    Where most prompts name no task, kinds of prompts stand in for tasks.
    """
    names = np.array(examples.table.tasks)
    named = names != ""
    if named.mean() < 0.5:
        return _kinds(examples, seed)
    tasks, index = np.unique(names[named], return_inverse=True)
    labels = np.full(len(names), -1, dtype=np.intp)
    labels[named] = index
    return tuple(str(task) for task in tasks), labels


def _kinds(examples: Examples, seed: int) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """Prompts that are put alike and on which the same models are expected to do well.

    Clusters of the vectors and, at the same weight, of what outcomes are predicted to be. Those that
    were observed are mostly luck; what is predicted of them from other prompts is not.
    """
    from sklearn.cluster import KMeans

    distinct = len(set(examples.table.prompts))
    count = max(1, min(_KINDS, distinct // _LEAST_OF_A_KIND))
    points = unit(examples.vectors)
    if count > 1:
        expected = _expected(examples, seed)
        size = max(float(np.sqrt(np.square(expected).sum(axis=1).mean())), 1e-9)
        points = np.concatenate([points, (expected / size).astype(np.float32)], axis=1)
    labels = KMeans(count, n_init=4, random_state=seed).fit_predict(points)
    return tuple(f"kind {c}" for c in range(count)), labels.astype(np.intp)


def _expected(examples: Examples, seed: int) -> Floats:
    """Outcomes [n, m] less their means, as a regression on other prompts' features predicts them."""
    x = Standard.of(examples).x.astype(np.float64)
    fold, expected = folds_of(examples, seed), np.zeros_like(examples.quality)
    for number in np.unique(fold):
        here = fold == number
        if not here.all():
            weights, biases = ridge(x[~here], examples.quality[~here], _PENALTY)
            expected[here] = x[here] @ weights + biases
    centered: Floats = expected - expected.mean(axis=0)
    return centered
