"""Random partitions of prompts that keep equal texts together and every task in proportion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def split_rows(
    texts: Sequence[str], tasks: Sequence[str], fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows to keep and rows to hold out, each ascending.

    `fraction` of the distinct texts is held out (at least one, at most all but one), drawn at even
    steps through a list sorted by task, so that every task gives its share to within one text.
    The draw depends on the texts, the tasks and `seed`, not on the order of the rows.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"the held-out fraction is {fraction}; give a number between 0 and 1.")
    group_of_row, order = _groups(texts, tasks, seed)
    if len(order) < 2:
        raise DataError(
            "cannot split: every row holds the same prompt text. Give at least two distinct prompts."
        )
    count = min(max(round(fraction * len(order)), 1), len(order) - 1)
    offset = np.random.default_rng([seed, 1]).random()
    picks = ((np.arange(count) + offset) * len(order) / count).astype(np.intp)
    held = np.zeros(len(order), dtype=bool)
    held[order[picks]] = True
    held_rows = held[group_of_row]
    return np.flatnonzero(~held_rows), np.flatnonzero(held_rows)


def fold_rows(texts: Sequence[str], tasks: Sequence[str], k: int, seed: int) -> NDArray[np.intp]:
    """Fold [n] in 0..k-1 of every row, grouped and stratified as in `split_rows`.

    Distinct texts, sorted by task, are dealt to the folds like cards, so that every fold gets its
    share of every task to within one text.
    """
    group_of_row, order = _groups(texts, tasks, seed)
    if not 2 <= k <= len(order):
        raise UsageError(
            f"cannot make {k} folds of {len(order)} distinct prompts; "
            "give a number of folds from 2 up to the number of distinct prompts."
        )
    offset = int(np.random.default_rng([seed, 1]).integers(k))
    fold_of_group = np.empty(len(order), dtype=np.intp)
    fold_of_group[order] = (np.arange(len(order)) + offset) % k
    return fold_of_group[group_of_row]


def _groups(
    texts: Sequence[str], tasks: Sequence[str], seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Group [n] of each row (equal texts share one), and the groups by task, shuffled within.

    Groups are numbered by their sorted text, and a text under several tasks counts for the first
    of their names, so that nothing depends on the order of the rows.
    """
    task_of_text: dict[str, str] = {}
    for text, task in zip(texts, tasks, strict=True):
        task_of_text[text] = min(task, task_of_text.get(text, task))
    number = {text: i for i, text in enumerate(sorted(task_of_text))}
    group_of_row = np.fromiter((number[text] for text in texts), dtype=np.intp, count=len(texts))
    ranks = {task: i for i, task in enumerate(sorted(set(task_of_text.values())))}
    stratum = np.array([ranks[task_of_text[text]] for text in number])
    chance = np.random.default_rng([seed, 0]).random(len(number))
    return group_of_row, np.lexsort((chance, stratum))
