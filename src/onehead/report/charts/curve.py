"""The cost–quality curve: the router between the single models and the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from onehead.report.labels import Label, place
from onehead.report.names import short_models
from onehead.report.scales import Scale, log_scale, quality_scale, usd_axis
from onehead.report.theme import MUTED, ORACLE, PAPER, ROUTER, SINGLE, TASK, chart

if TYPE_CHECKING:
    from collections.abc import Sequence


HULL_NAMES = 1
"""Models that are named before the line that joins them."""


class Point(TypedDict):
    """A mean cost in USD per prompt and a mean quality."""

    cost_usd: float
    quality: float


class ModelPoint(Point):
    """A single model's point."""

    model: str


class CurveData(TypedDict):
    """What the chart shows; lines are dense enough to be drawn straight between their points.

    router: hull of the router's points · points: the points themselves, one for each λ
    zero_router: hull of the single models · true_task, oracle: hulls of these controls
    """

    router: list[Point]
    points: list[Point]
    zero_router: list[Point]
    true_task: list[Point]
    oracle: list[Point]
    models: list[ModelPoint]


def curve_chart(data: CurveData, *, width: int = 700, height: int = 420) -> dict[str, Any]:
    """Mean quality over mean cost (log axis), with models and lines labelled in place.

    Models far below the lines are left out, so that the lines can be told apart. What is free
    stands at the left end of the axis.
    """
    models = within_sight(data)
    everything = [*_low_lines(data), *data["oracle"], *models]
    x = log_scale((point["cost_usd"] for point in everything), width)
    y = quality_scale((point["quality"] for point in everything), height)
    layers = [
        line_layer(data["zero_router"], x, y, SINGLE, dash=[5, 4], stroke=1.5),
        line_layer(data["oracle"], x, y, ORACLE, dash=[1, 4], stroke=2),
        line_layer(data["true_task"], x, y, TASK, dash=[7, 3], stroke=1.5),
        dots_layer(models, x, y, SINGLE, size=42),
        line_layer(data["router"], x, y, ROUTER, dash=[], stroke=3),
        dots_layer(data["points"], x, y, ROUTER, size=20, stroke=0.4),
        dots_layer(data["oracle"][-1:], x, y, ORACLE, size=130, shape="diamond"),
        *_labels({**data, "models": models}, x, y),
    ]
    return chart(width, height, _description(data), layer=layers)


def within_sight(data: CurveData) -> list[ModelPoint]:
    """The models that the chart shows: down to a third of the oracle's lead below the cheapest."""
    cheapest = data["zero_router"][0]["quality"]
    floor = cheapest - (data["oracle"][-1]["quality"] - cheapest) / 3
    return [point for point in data["models"] if point["quality"] >= floor]


def _low_lines(data: CurveData) -> list[Point]:
    return [*data["router"], *data["points"], *data["zero_router"], *data["true_task"]]


def _description(data: CurveData) -> str:
    def usd(point: Point) -> str:
        return f"{point['quality']:.3f} at ${point['cost_usd']:.2g}"

    single = max(data["models"], key=lambda point: point["quality"])
    return (
        f"Mean quality over mean cost per prompt. The router reaches {usd(data['router'][-1])}; "
        f"the best single model, {single['model']}, {usd(single)}; the oracle "
        f"{usd(data['oracle'][-1])}."
    )


def _position(x: Scale, y: Scale) -> dict[str, Any]:
    return {
        "x": {
            "field": "cost_usd",
            "type": "quantitative",
            "scale": x.vega(),
            "axis": usd_axis(x, "mean cost per prompt"),
        },
        "y": {
            "field": "quality",
            "type": "quantitative",
            "scale": y.vega(),
            "axis": {"title": "mean quality", "format": ".2f", "tickCount": 6},
        },
    }


def line_layer(
    points: Sequence[Point], x: Scale, y: Scale, colour: str, *, dash: list[int], stroke: float
) -> dict[str, Any]:
    """A line through points."""
    mark = {"type": "line", "color": colour, "strokeWidth": stroke, "strokeCap": "round"}
    if dash:
        mark |= {"strokeDash": dash}
    return _layer(points, mark, x, y)


def _layer(points: Sequence[Point], mark: dict[str, Any], x: Scale, y: Scale) -> dict[str, Any]:
    values = [{**point, "cost_usd": max(point["cost_usd"], x.low)} for point in points]
    return {"data": {"values": values}, "mark": mark, "encoding": _position(x, y)}


def dots_layer(
    points: Sequence[Point],
    x: Scale,
    y: Scale,
    colour: str,
    *,
    size: int,
    shape: str = "circle",
    stroke: float = 1,
) -> dict[str, Any]:
    """A mark at each point."""
    mark = {
        "type": "point",
        "filled": True,
        "opacity": 1,
        "shape": shape,
        "size": size,
        "color": colour,
        "stroke": PAPER,
        "strokeWidth": stroke,
    }
    return _layer(points, mark, x, y)


def _labels(data: CurveData, x: Scale, y: Scale) -> list[dict[str, Any]]:
    """Lines first, then models on the hull, then the others from the best down, while room lasts.

    The name of a line is aimed a little above or below it.
    """
    lines = {
        "oracle": (data["oracle"][-1], ORACLE, 0),
        "router": (_climbed(data["router"], 0.75), ROUTER, -14),
        "knows the task": (_climbed(data["true_task"], 0.92), TASK, -14),
        "single models, mixed": (_climbed(data["zero_router"], 0.6), MUTED, 14),
    }
    names = short_models([point["model"] for point in data["models"]])
    corners = {(point["cost_usd"], point["quality"]) for point in data["zero_router"]}
    models = sorted(
        data["models"],
        key=lambda point: ((point["cost_usd"], point["quality"]) not in corners, -point["quality"]),
    )

    def pixels(point: Point, aim: float = 0) -> tuple[float, float]:
        return x(max(point["cost_usd"], x.low)), y(point["quality"]) + aim

    drawn = [*_low_lines(data), *data["oracle"], *data["models"]]
    wanted = [(text, *pixels(point, aim)) for text, (point, _, aim) in lines.items()]
    mixed = wanted.pop()
    wanted += [(names[point["model"]], *pixels(point)) for point in models]
    wanted.insert(len(lines) + HULL_NAMES, mixed)
    placed = place(
        wanted,
        [pixels(point) for point in drawn],
        x.pixels,
        y.pixels,
    )
    return [
        text_layer(label, lines[label.text][1] if label.text in lines else None) for label in placed
    ]


def text_layer(label: Label, colour: str | None) -> dict[str, Any]:
    """A label; with a colour it names a line."""
    mark = {
        "type": "text",
        "text": label.text,
        "align": label.align,
        "baseline": "middle",
        "color": colour or MUTED,
        "fontWeight": 600 if colour else "normal",
        "fontSize": 12 if colour else 10.5,
    }
    spot = {"x": {"value": label.x}, "y": {"value": label.y}}
    return {"data": {"values": [{}]}, "mark": mark, "encoding": spot}


def _climbed(points: Sequence[Point], part: float) -> Point:
    """Where a curve has made a part of its climb: a place for its name."""
    low, high = points[0]["quality"], points[-1]["quality"]
    return next(p for p in points if p["quality"] >= low + part * (high - low))
