"""Per task: the router between the mixed single models and the oracle, and what it saves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from onehead.report.names import short_tasks
from onehead.report.theme import GRID, INK, MUTED, ORACLE, PAPER, ROUTER, SINGLE, chart

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_TASKS = 24
"""More rows are no longer a picture; the chart shows the largest tasks."""

ROW = 24
"""Height of a task's row in pixels."""

SPACING = 26

SERIES = {
    "oracle": ("oracle", ORACLE, "diamond"),
    "single models, mixed": ("zero_router", SINGLE, "circle"),
    "router": ("router", ROUTER, "circle"),
}
"""Name in the legend → field of the row, colour, shape; in drawing order."""


class TaskRow(TypedDict):
    """One task: AIQ of the router, of the zero router and of the oracle.

    cost_to_match: cost at which the router is as good as the task's best single model, relative to
    that model's; None where it never is
    """

    task: str
    prompts: int
    router: float
    zero_router: float
    oracle: float
    cost_to_match: float | None


def task_chart(rows: Sequence[TaskRow], *, width: int = 700) -> dict[str, Any]:
    """A row for each task: AIQs as dots on one axis, the cost to match the best model as a bar."""
    shown = sorted(rows, key=lambda row: -row["prompts"])[:MOST_TASKS]
    names = short_tasks([row["task"] for row in shown])
    values = [
        {
            **row,
            "label": f"{names[row['task']] or 'no task'} ({row['prompts']:,})",
            "figure": "never" if row["cost_to_match"] is None else f"{row['cost_to_match']:.0%}",
        }
        for row in sorted(shown, key=lambda row: -row["zero_router"])
    ]
    order = [str(value["label"]) for value in values]
    narrow = width < 480
    named = min(max(len(label) for label in order) * 6.0, width * 0.42)
    right = 1 if narrow else int((width - named) * 0.3)
    left = int(width - named - right - (44 if narrow else SPACING + 30))
    tasks = _row(order, labels=True, limit=named)
    spec = chart(
        0,
        0,
        _description(rows),
        data={"values": values},
        hconcat=[
            _aiqs(tasks, left, order, ticks=3 if narrow else 5),
            _costs(order, right, narrow=narrow),
        ],
        spacing=8 if narrow else SPACING,
    )
    return {key: value for key, value in spec.items() if key not in {"width", "height"}}


def _row(order: Sequence[str], *, labels: bool, limit: float = 0) -> dict[str, Any]:
    axis = {"title": None, "grid": True, "labelLimit": limit, "labelColor": INK, "gridColor": GRID}
    return {
        "field": "label",
        "type": "nominal",
        "sort": list(order),
        "axis": axis if labels else None,
    }


def _aiqs(tasks: dict[str, Any], width: int, order: Sequence[str], *, ticks: int) -> dict[str, Any]:
    def aiq(field: str) -> dict[str, Any]:
        return {
            "field": field,
            "type": "quantitative",
            "scale": {"zero": False, "nice": True},
            "axis": {
                "title": "AIQ",
                "format": ".2f",
                "tickCount": ticks,
                "orient": "top",
                "labelOverlap": "greedy",
                "labelSeparation": 6,
            },
        }

    span = {
        "mark": {"type": "rule", "color": ROUTER, "strokeWidth": 2, "opacity": 0.5},
        "encoding": {"y": tasks, "x": aiq("zero_router"), "x2": {"field": "router"}},
    }
    kinds = list(SERIES)
    legend = {"title": None, "orient": "top", "labelFontSize": 12, "values": kinds[::-1]}
    legend |= {"columnPadding": 26}
    dots = {
        "transform": [
            {"calculate": f"datum.{field}", "as": name} for name, (field, *_) in SERIES.items()
        ]
        + [{"fold": kinds, "as": ["kind", "at"]}],
        "mark": {
            "type": "point",
            "filled": True,
            "opacity": 1,
            "stroke": PAPER,
            "strokeWidth": 1,
            "size": {"expr": "datum.kind === 'router' ? 52 : 95"},
        },
        "encoding": {
            "y": tasks,
            "x": aiq("at"),
            "color": _kind(1) | {"legend": legend},
            "shape": _kind(2) | {"legend": legend},
        },
    }
    return {"width": width, "height": ROW * len(order), "layer": [span, dots]}


def _kind(part: int) -> dict[str, Any]:
    """The encoding that tells the series apart by one part of SERIES."""
    values = [series[part] for series in SERIES.values()]
    return {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": list(SERIES), "range": values},
    }


def _costs(order: Sequence[str], width: int, *, narrow: bool) -> dict[str, Any]:
    """Cost to match the task's best single model; on narrow pages only in figures."""
    title = "cost" if narrow else "cost to match best single"
    axis = {"title": title, "format": ".0%", "tickCount": 3, "orient": "top"}
    if narrow:
        axis |= {"labels": False, "grid": False, "titleAnchor": "start"}
    cost = {
        "field": "cost_to_match",
        "type": "quantitative",
        "axis": axis,
        "scale": {"zero": True},
    }
    row = _row(order, labels=False)
    bar = {
        "mark": {"type": "bar", "color": ROUTER, "opacity": 0 if narrow else 0.55, "height": 11},
        "encoding": {"y": row, "x": cost},
    }
    text = {
        "transform": [{"calculate": "datum.cost_to_match || 0", "as": "end"}],
        "mark": {"type": "text", "align": "left", "dx": 4, "color": MUTED, "fontSize": 11},
        "encoding": {
            "y": row,
            "x": {"value": 0} if narrow else cost | {"field": "end"},
            "text": {"field": "figure", "type": "nominal"},
        },
    }
    return {"width": width, "height": ROW * len(order), "layer": [bar, text]}


def _description(rows: Sequence[TaskRow]) -> str:
    better = sum(row["router"] > row["zero_router"] for row in rows)
    matched = sum(row["cost_to_match"] is not None for row in rows)
    return (
        f"AIQ of the router for {len(rows)} tasks: above the mixed single models on {better}, and "
        f"as good as the task's best single model at some cost on {matched}."
    )
