"""Cost and quality as a router expects them on some traffic: its curve, its models, and what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from onehead.report.charts.curve import dots_layer, line_layer, text_layer
from onehead.report.labels import place
from onehead.report.names import short_models
from onehead.report.scales import log_scale, quality_scale
from onehead.report.theme import ORACLE, ROUTER, SINGLE, TASK, chart

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onehead.report.charts.curve import ModelPoint, Point


class FrontierData(TypedDict):
    """What the chart shows.

    router: the router's points over rising willingness to pay; may be empty
    hull: hull of the single models · presets: the named amounts' points
    traffic: what the traffic was expected to cost and bring as it was routed; may be empty
    """

    router: list[Point]
    hull: list[Point]
    models: list[ModelPoint]
    presets: Mapping[str, Point]
    traffic: list[Point]


def frontier_chart(
    data: FrontierData, *, width: int = 700, height: int = 400, named: str = "your traffic"
) -> dict[str, Any]:
    """Expected quality over expected cost per request (log axis), labelled in place."""
    presets = list(data["presets"].values())
    lines = [*data["router"], *data["hull"], *presets, *data["traffic"]]
    floor = min(point["quality"] for point in lines)
    top = max(point["quality"] for point in lines)
    models = [p for p in data["models"] if p["quality"] >= floor - max(top - floor, 0.05) / 2]
    everything = [*lines, *models]
    x = log_scale((point["cost_usd"] for point in everything), width)
    y = quality_scale((point["quality"] for point in everything), height)
    layers = [
        line_layer(data["hull"], x, y, SINGLE, dash=[5, 4], stroke=1.5),
        dots_layer(models, x, y, SINGLE, size=42),
    ]
    if data["router"]:
        layers.append(line_layer(data["router"], x, y, ROUTER, dash=[], stroke=3))
    layers.append(dots_layer(presets, x, y, TASK, size=90, shape="square"))
    if data["traffic"]:
        layers.append(dots_layer(data["traffic"], x, y, ORACLE, size=170, shape="diamond"))

    def pixels(point: Point) -> tuple[float, float]:
        return x(max(point["cost_usd"], x.low)), y(point["quality"])

    own = {named: ORACLE} if data["traffic"] else {}
    wanted = [(named, *pixels(point)) for point in data["traffic"]]
    wanted += [(name, *pixels(point)) for name, point in data["presets"].items()]
    if data["router"]:
        middle = data["router"][len(data["router"]) // 2]
        wanted.append(("router", pixels(middle)[0], pixels(middle)[1] - 12))
        own["router"] = ROUTER
    short = short_models([point["model"] for point in models])
    ranked = sorted(models, key=lambda point: -point["quality"])
    wanted += [(short[point["model"]], *pixels(point)) for point in ranked]
    labels = place(wanted, [pixels(point) for point in everything], width, height)
    colours = own | dict.fromkeys(data["presets"], TASK)
    layers += [text_layer(label, colours.get(label.text)) for label in labels]
    return chart(width, height, _description(data, named), layer=layers)


def _description(data: FrontierData, named: str) -> str:
    best = max(data["models"], key=lambda point: point["quality"])
    told = (
        f"Expected quality over expected cost per request. The best single model, {best['model']}, "
        f"reaches {best['quality']:.3f} at ${best['cost_usd']:.2g}."
    )
    for point in data["traffic"]:
        told += f" {named.capitalize()}: {point['quality']:.3f} at ${point['cost_usd']:.2g}."
    return told
