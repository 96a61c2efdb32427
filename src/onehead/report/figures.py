"""The pictures of a report: which there are, what they are called, and how to read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onehead.report import charts, series
from onehead.report.charts.curve import within_sight
from onehead.report.charts.tasks import MOST_TASKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from onehead.evaluation import Evaluation


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture.

    name: stem of its files · reading: how to read it, one or two sentences
    draw: the specification for a page of some width in pixels
    """

    name: str
    title: str
    reading: str
    draw: Callable[[int], dict[str, Any]]


def figures(evaluation: Evaluation) -> list[Figure]:
    """Every picture that the evaluation allows, in the order of the report."""
    curve = series.curve_data(evaluation)
    shares, bands = series.share_rows(evaluation), series.share_bands(evaluation)
    bins = series.reliability_bins(evaluation.pooled_reliability)
    cells = series.cost_cells(evaluation)
    tasks = series.task_rows(evaluation)
    found = [
        Figure(
            "curve",
            "Cost and quality",
            "Each dot is the router at one willingness to pay; up and to the left is better. The "
            "dashed grey line is what mixing single models at random gives."
            + _unseen(len(curve["models"]) - len(within_sight(curve))),
            lambda width: charts.curve_chart(curve, width=width),
        ),
        Figure(
            "shares",
            "Who answers",
            "The share of the prompts that goes to each model, from the cheapest (below, light) to "
            "the dearest (above, dark).",
            lambda width: charts.share_chart(shares, bands, width=width),
        ),
        Figure(
            "reliability",
            "Is a predicted quality kept?",
            "On the dashed diagonal predictions are kept exactly. All pairs of prompt and model, "
            "with 95 % intervals; the bars count the pairs.",
            lambda width: charts.reliability_chart(bins, width=min(width, 380) - 40),
        ),
    ]
    if cells:
        found.append(
            Figure(
                "cost",
                "Is a predicted cost kept?",
                "A sample of pairs of prompt and model; darker cells hold more. On the line the "
                "prediction is exact, on the dotted ones it is off by a factor of two.",
                lambda width: charts.cost_chart(cells, width=min(width, 380) - 40),
            )
        )
    found.append(
        Figure(
            "tasks",
            "Task by task",
            "AIQ is the mean quality over the range of cost between the cheapest and the dearest "
            "model. On the right, what it costs the router to be as good as the task's best single "
            "model." + _smaller(len(tasks)),
            lambda width: charts.task_chart(tasks, width=width),
        )
    )
    return found


def _unseen(count: int) -> str:
    return f" {count} weaker models lie below the picture; the table has them." if count else ""


def _smaller(count: int) -> str:
    left = max(count - MOST_TASKS, 0)
    return f" The {left} smallest tasks are only in the table." if left else ""
