"""Means per task and model: what a router that knew the task's name would go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from onehead.outcomes import OutcomeTable

    Floats = NDArray[np.float64]

_FOLDS = 5


@dataclass(frozen=True, eq=False)
class TaskMeans:
    """Mean quality and cost of each model on each task.

    models [m], tasks [t]; quality, cost_usd: [t + 1, m], the last row over all tasks, which also
    stands in for a task never seen and for a model never run on a task
    """

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    quality: Floats
    cost_usd: Floats

    @classmethod
    def of(cls, table: OutcomeTable) -> TaskMeans:
        """The means of a table, what is missing apart; UsageError for a model without outcomes."""
        tasks = tuple(sorted(set(table.tasks)))
        row = {task: number for number, task in enumerate(tasks)}
        member = np.zeros((len(tasks) + 1, table.n_prompts))
        member[[row[task] for task in table.tasks], np.arange(table.n_prompts)] = 1.0
        member[-1] = 1.0
        return cls(
            table.models,
            tasks,
            _means("quality", member, table.quality, table.models),
            _means("cost", member, table.cost_usd, table.models),
        )

    def only(self, models: Sequence[str]) -> TaskMeans:
        """The means of some models, in the order given; an unknown name is a UsageError."""
        unknown = [model for model in models if model not in self.models]
        if unknown:
            raise UsageError(f"the task means know nothing of {', '.join(unknown)}.")
        columns = [self.models.index(model) for model in models]
        return TaskMeans(
            tuple(models), self.tasks, self.quality[:, columns], self.cost_usd[:, columns]
        )

    def estimates(self, tasks: Sequence[str]) -> tuple[Floats, Floats]:
        """Quality and cost [n, m] by the task names of prompts [n]."""
        row = {task: number for number, task in enumerate(self.tasks)}
        index = np.array([row.get(task, len(self.tasks)) for task in tasks], dtype=np.intp)
        return self.quality[index], self.cost_usd[index]


def _means(name: str, member: Floats, values: Floats, models: Sequence[str]) -> Floats:
    """Means of the known values [t + 1, m]; where a task knows none, the mean over all."""
    known = ~np.isnan(values)
    total = member @ np.where(known, values, 0.0)
    count = member @ known
    unknown = [model for model, n in zip(models, count[-1], strict=True) if n == 0]
    if unknown:
        raise UsageError(f"no {name} is known of {', '.join(unknown)}; leave these models out.")
    means = total / np.maximum(count, 1.0)
    return np.where(count > 0, means, means[-1])


def cross_fitted(table: OutcomeTable, seed: int) -> tuple[Floats, Floats]:
    """Task means for every prompt of a table from its other folds [n, m].

    Five folds that keep equal texts together. With a single distinct text there is nothing else to
    learn from, and its own outcomes are the means.
    """
    folds = min(_FOLDS, len(set(table.prompts)))
    if folds < 2:
        return TaskMeans.of(table).estimates(table.tasks)
    fold = table.folds(folds, seed)
    quality, cost = np.empty_like(table.quality), np.empty_like(table.cost_usd)
    for k in range(folds):
        here = np.flatnonzero(fold == k)
        means = TaskMeans.of(table.take(np.flatnonzero(fold != k)))
        quality[here], cost[here] = means.estimates([table.tasks[i] for i in here])
    return quality, cost
