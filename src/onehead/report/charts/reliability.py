"""Reliability: does a predicted quality of 0.7 mean that 7 answers in 10 are right?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from onehead.report.theme import GRID, MUTED, PAPER, ROUTER, chart

if TYPE_CHECKING:
    from collections.abc import Sequence


class ReliabilityBin(TypedDict):
    """Pairs of prompt and model whose predicted quality falls between `low` and `high`.

    predicted, observed: their mean predicted and mean observed quality
    observed_low, observed_high: 95 % interval of the latter
    """

    low: float
    high: float
    count: int
    predicted: float
    observed: float
    observed_low: float
    observed_high: float


def reliability_chart(bins: Sequence[ReliabilityBin], *, width: int = 420) -> dict[str, Any]:
    """Observed over predicted quality with intervals, above the number of pairs in each bin."""
    upper = {"width": width, "height": width, "layer": [*_diagram(bins), *_hints(width)]}
    lower = {
        "width": width,
        "height": 70,
        "data": {"values": list(bins)},
        "mark": {"type": "bar", "color": ROUTER, "opacity": 0.55, "binSpacing": 1},
        "encoding": {
            "x": _share("low", "predicted quality") | {"bin": {"binned": True}},
            "x2": {"field": "high"},
            "y": {
                "field": "count",
                "type": "quantitative",
                "axis": {
                    "title": "pairs",
                    "labelExpr": "format(datum.value, ',d')",
                    "tickCount": 2,
                    "gridColor": GRID,
                },
            },
        },
    }
    spec = chart(0, 0, _description(bins), vconcat=[upper, lower], spacing=14)
    return {key: value for key, value in spec.items() if key not in {"width", "height"}}


def _diagram(bins: Sequence[ReliabilityBin]) -> list[dict[str, Any]]:
    """The diagonal, the intervals, and the observed means as a line with points."""
    point = {"type": "point", "filled": True, "opacity": 1, "size": 55, "color": ROUTER}
    means = {"x": _share("predicted", None), "y": _share("observed", None)}
    return [
        {
            "data": {"values": [{"at": 0, "to": 0}, {"at": 1, "to": 1}]},
            "mark": {"type": "line", "color": MUTED, "strokeDash": [5, 4], "strokeWidth": 1.5},
            "encoding": {"x": _share("at", None), "y": _share("to", None)},
        },
        {
            "data": {"values": list(bins)},
            "mark": {"type": "rule", "color": ROUTER, "strokeWidth": 2, "opacity": 0.55},
            "encoding": {
                "x": _share("predicted", None),
                "y": _share("observed_low", "observed quality"),
                "y2": {"field": "observed_high"},
            },
        },
        {
            "data": {"values": list(bins)},
            "mark": {"type": "line", "color": ROUTER, "strokeWidth": 2},
            "encoding": means,
        },
        {
            "data": {"values": list(bins)},
            "mark": point | {"stroke": PAPER, "strokeWidth": 1},
            "encoding": means,
        },
    ]


def _share(field: str, title: str | None) -> dict[str, Any]:
    """A quality axis from 0 to 1; without a title it is the shared axis of another layer."""
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {"title": title, "format": ".1f", "tickCount": 5},
    }


def _hints(width: int) -> list[dict[str, Any]]:
    """What either side of the diagonal means."""
    spots = (
        ("better than predicted", 0.05, 0.93, "left"),
        ("worse than predicted", 0.95, 0.07, "right"),
    )
    return [
        {
            "data": {"values": [{}]},
            "mark": {"type": "text", "text": text, "align": align, "color": MUTED, "fontSize": 11},
            "encoding": {"x": {"value": x * width}, "y": {"value": (1 - y) * width}},
        }
        for text, x, y, align in spots
    ]


def _description(bins: Sequence[ReliabilityBin]) -> str:
    pairs = sum(group["count"] for group in bins)
    gap = sum(abs(b["predicted"] - b["observed"]) * b["count"] for b in bins) / pairs
    return (
        f"Observed over predicted quality of {pairs:,} pairs of prompt and model in {len(bins)} "
        f"bins; on average the two differ by {gap:.3f}."
    )
