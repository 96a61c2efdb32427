"""A grid of qualities: how well each model does on each kind of prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onehead.report.names import short_models
from onehead.report.theme import PAPER, chart, ramp, text_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROW = 22
CELL = 26
_TONES = 12


def heat_chart(
    quality: Mapping[str, Sequence[float]], kinds: Sequence[str], *, width: int = 700
) -> dict[str, Any]:
    """Quality of each model (rows, in the order given) on each kind of prompt (columns).

    On a narrow page only as many kinds as fit are drawn: those on which models differ most.
    """
    short = short_models(list(quality))
    limit = min(150, int(width * 0.36))
    named = min(max(len(name) for name in short.values()) * 6.2 + 14, limit)
    shown = _most_telling(quality, max(int((width - named) / CELL), 3))
    plot = int(width - named - 10)
    every = [row[place] for row in quality.values() for place in shown]
    low, high = min(every), max(every)
    span = (high - low) or 1.0
    values = []
    for model, row in quality.items():
        for place in shown:
            colour = ramp(round((row[place] - low) / span * _TONES) / _TONES)
            values.append(
                {
                    "model": short[model],
                    "kind": kinds[place],
                    "colour": colour,
                    "ink": text_on(colour),
                    "text": f"{row[place] * 100:.0f}",
                }
            )
    grid: dict[str, Any] = {
        "x": {
            "field": "kind",
            "type": "nominal",
            "sort": [kinds[place] for place in shown],
            "axis": {"title": None, "labelAngle": -60, "labelLimit": 150, "orient": "top"},
        },
        "y": {
            "field": "model",
            "type": "nominal",
            "sort": list(short.values()),
            "axis": {"title": None, "labelLimit": limit},
        },
    }
    literal = {"scale": None, "type": "nominal", "legend": None}
    layers = [
        {
            "mark": {"type": "rect", "stroke": PAPER, "strokeWidth": 1},
            "encoding": {**grid, "color": {"field": "colour", **literal}},
        },
        {
            "mark": {"type": "text", "fontSize": 10},
            "encoding": {
                **grid,
                "text": {"field": "text", "type": "nominal"},
                "color": {"field": "ink", **literal},
            },
        },
    ]
    told = (
        f"Mean quality in per cent of {len(quality)} models on {len(shown)} kinds of prompts, from "
        f"{low:.0%} to {high:.0%}."
    )
    height = ROW * len(quality)
    return chart(plot, height, told, data={"values": values}, layer=layers)


def _most_telling(quality: Mapping[str, Sequence[float]], most: int) -> list[int]:
    """The kinds on which models differ most, in their own order."""
    columns = list(zip(*quality.values(), strict=True))
    spread = [max(column) - min(column) for column in columns]
    ranked = sorted(range(len(columns)), key=lambda place: -spread[place])
    return sorted(ranked[:most])
