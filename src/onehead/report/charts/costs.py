"""Predicted against true cost, as a density on logarithmic axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from onehead.report.scales import Scale, log_scale, usd_axis
from onehead.report.theme import INK, MUTED, ROUTER, chart

if TYPE_CHECKING:
    from collections.abc import Sequence


class CostCell(TypedDict):
    """Number of pairs of prompt and model in one cell of the density; bounds in USD."""

    true_low: float
    true_high: float
    predicted_low: float
    predicted_high: float
    count: int


def cost_chart(cells: Sequence[CostCell], *, width: int = 420) -> dict[str, Any]:
    """Where predictions fall for each true cost; the diagonal is exact, dots are off by two."""
    bounds = [cell[side] for cell in cells for side in ("true_low", "true_high")]
    bounds += [cell[side] for cell in cells for side in ("predicted_low", "predicted_high")]
    scale = log_scale(bounds, width, margin=0.02)
    most = max(cell["count"] for cell in cells)
    density = {
        "data": {"values": list(cells)},
        "mark": {"type": "rect", "color": ROUTER, "tooltip": True},
        "encoding": {
            **_axes(scale, "true_low", "predicted_low"),
            "x2": {"field": "true_high"},
            "y2": {"field": "predicted_high"},
            "opacity": {
                "field": "count",
                "type": "quantitative",
                "scale": {"type": "log", "domain": [1, max(most, 2)], "range": [0.08, 1]},
                "legend": None,
            },
        },
    }
    guides = [
        _guide(scale, 1, INK, []),
        _guide(scale, 2, MUTED, [2, 3]),
        _guide(scale, 0.5, MUTED, [2, 3]),
    ]
    hints = [
        _hint("predicted too dear", 0.04 * width, 0.06 * width, "left"),
        _hint("predicted too cheap", 0.96 * width, 0.94 * width, "right"),
    ]
    pairs = sum(cell["count"] for cell in cells)
    description = f"Predicted over true cost of {pairs:,} pairs of prompt and model, log–log."
    return chart(width, width, description, layer=[density, *guides, *hints])


def _axes(scale: Scale, x: str, y: str) -> dict[str, Any]:
    return {
        channel: {
            "field": field,
            "type": "quantitative",
            "scale": scale.vega(),
            "axis": usd_axis(scale, title),
        }
        for channel, field, title in (
            ("x", x, "true cost of a call"),
            ("y", y, "predicted cost of a call"),
        )
    }


def _guide(scale: Scale, factor: float, colour: str, dash: list[int]) -> dict[str, Any]:
    """The line of predictions that are `factor` times the true cost, within the plot."""
    low, high = scale.low, scale.high
    ends = [
        {"at": max(low, low / factor), "to": max(low, low * factor)},
        {"at": min(high, high / factor), "to": min(high, high * factor)},
    ]
    mark = {"type": "line", "color": colour, "strokeDash": dash, "strokeWidth": 1.2}
    return {"data": {"values": ends}, "mark": mark, "encoding": _axes(scale, "at", "to")}


def _hint(text: str, x: float, y: float, align: str) -> dict[str, Any]:
    mark = {"type": "text", "text": text, "align": align, "color": MUTED, "fontSize": 11}
    encoding = {"x": {"value": x}, "y": {"value": y}}
    return {"data": {"values": [{}]}, "mark": mark, "encoding": encoding}
