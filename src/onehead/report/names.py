"""Short names for labels: what tells models or tasks apart, without what they share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def short_models(models: Sequence[str]) -> dict[str, str]:
    """Model ids without their maker (``maker/model``), where that stays unambiguous."""
    tails = [model.rsplit("/", 1)[-1] for model in models]
    return {
        model: tail if tails.count(tail) == 1 else model
        for model, tail in zip(models, tails, strict=True)
    }


def short_tasks(tasks: Sequence[str]) -> dict[str, str]:
    """Task names without a prefix that all of them share up to a separator (``mmlu_``)."""
    cut = 0
    for match in re.finditer(r"[-_./: ]", tasks[0]) if len(tasks) > 1 else ():
        if all(task.startswith(tasks[0][: match.end()]) for task in tasks):
            cut = match.end()
    return {task: task[cut:] or task for task in tasks}
