"""Choice share: which models are chosen at each willingness to pay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from onehead.report.names import short_models
from onehead.report.scales import Scale, usd_axis
from onehead.report.theme import CHARACTER, OTHERS, PAPER, chart, ramp, text_on

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_BANDS = 8
LEAST_SHARE = 0.03
"""More or thinner bands cannot be told apart; the rarest models are drawn together."""


class ShareRow(TypedDict):
    """Share of the prompts that go to `model` at one willingness to pay (USD)."""

    willingness_to_pay: float
    model: str
    share: float


class Band(TypedDict):
    """A model of the chart, from the cheapest (bottom) to the dearest (top)."""

    model: str
    mean_cost_usd: float


def share_chart(
    rows: Sequence[ShareRow], bands: Sequence[Band], *, width: int = 700, height: int = 320
) -> dict[str, Any]:
    """Stacked shares over λ (log axis): cheap models below in light, dear ones above in dark."""
    shares = _by_model(rows, bands)
    wtp = sorted({row["willingness_to_pay"] for row in rows})
    short = short_models(list(shares))
    names, layers = merge_rare({short[model]: values for model, values in shares.items()})
    colours = band_colours(names)
    x = Scale(wtp[0], wtp[-1], width, log=True)
    texts = _labels(names, layers, [x(at) for at in wtp], height, colours)
    named = {text["mark"]["text"] for text in texts}
    unnamed = [name for name in names if name not in named]
    legend = {
        "title": None,
        "values": unnamed,
        "orient": "bottom",
        "columns": max(width // 210, 1),
        "symbolType": "square",
        "symbolStrokeWidth": 0,
        "labelLimit": 180,
        "columnPadding": 24,
    }
    values = [
        {"wtp": at, "model": name, "low": low, "high": high}
        for name, (lows, highs) in zip(names, stack(layers), strict=True)
        for at, low, high in zip(wtp, lows, highs, strict=True)
    ]
    area = {
        "data": {"values": values},
        "mark": {"type": "area", "stroke": PAPER, "strokeWidth": 1, "opacity": 1},
        "encoding": {
            "x": {
                "field": "wtp",
                "type": "quantitative",
                "scale": x.vega(),
                "axis": usd_axis(x, "willingness to pay λ") | {"grid": False},
            },
            "y": {
                "field": "low",
                "type": "quantitative",
                "scale": {"domain": [0, 1]},
                "axis": {"title": "share of prompts", "format": ".0%", "tickCount": 5},
            },
            "y2": {"field": "high"},
            "color": {
                "field": "model",
                "type": "nominal",
                "scale": {"domain": names, "range": [colours[name] for name in names]},
                "legend": legend if unnamed else None,
            },
        },
    }
    return chart(width, height, _description(names, layers, wtp), layer=[area, *texts])


def _by_model(rows: Sequence[ShareRow], bands: Sequence[Band]) -> dict[str, list[float]]:
    """Shares over ascending λ for each model that is ever chosen, from cheap to dear."""
    ordered = sorted(bands, key=lambda band: band["mean_cost_usd"])
    shares: dict[str, list[float]] = {band["model"]: [] for band in ordered}
    for row in sorted(rows, key=lambda row: row["willingness_to_pay"]):
        shares[row["model"]].append(row["share"])
    return {model: values for model, values in shares.items() if max(values, default=0) > 0}


def merge_rare(shares: dict[str, list[float]]) -> tuple[list[str], list[list[float]]]:
    """The most chosen models in their order, and the rest summed as a last band."""
    rarest_first = sorted(shares, key=lambda model: max(shares[model]))
    rare = set(rarest_first[: max(len(shares) - MOST_BANDS, 0)])
    rare |= {model for model in shares if max(shares[model]) < LEAST_SHARE}
    names = [model for model in shares if model not in rare]
    layers = [shares[model] for model in names]
    if rare:
        others = [shares[model] for model in rarest_first if model in rare]
        layers.append([sum(column) for column in zip(*others, strict=True)])
        names.append(f"{len(rare)} others" if len(rare) > 1 else rare.pop())
    return names, layers


def band_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for each band, from light (cheap) to dark (dear); what is summed up is grey."""
    models = [name for name in names if not name.endswith(" others")]
    last = max(len(models) - 1, 1)
    colours = {name: ramp(place / last) for place, name in enumerate(models)}
    return {name: colours.get(name, OTHERS) for name in names}


def stack(layers: Sequence[Sequence[float]]) -> list[tuple[list[float], list[float]]]:
    """Lower and upper ends of each layer, one on top of the other."""
    stacked = []
    low = [0.0] * len(layers[0])
    for layer in layers:
        high = [a + b for a, b in zip(low, layer, strict=True)]
        stacked.append((low, high))
        low = high
    return stacked


def _labels(
    names: Sequence[str],
    layers: Sequence[Sequence[float]],
    pixels: Sequence[float],
    height: int,
    colours: dict[str, str],
) -> list[dict[str, Any]]:
    """Each band's name inside it, where it is thickest over the width of the name."""
    texts = []
    for name, layer, (low, _) in zip(names, layers, stack(layers), strict=True):
        half = len(name) * 11.5 * CHARACTER / 2 + 3
        best = max(
            (at for at in pixels if half <= at <= pixels[-1] - half),
            key=lambda at: _room(layer, low, pixels, at - half, at + half)[0],
            default=None,
        )
        if best is None:
            continue
        room, middle = _room(layer, low, pixels, best - half, best + half)
        if room * height < 15:
            continue
        mark = {"type": "text", "text": name, "color": text_on(colours[name]), "fontSize": 11.5}
        spot = {"x": {"value": best}, "y": {"value": height * (1 - middle)}}
        texts.append({"data": {"values": [{}]}, "mark": mark, "encoding": spot})
    return texts


def _room(
    layer: Sequence[float],
    low: Sequence[float],
    pixels: Sequence[float],
    left: float,
    right: float,
) -> tuple[float, float]:
    """Height and middle of the upright room that a band leaves between two pixels."""
    columns = [i for i, at in enumerate(pixels) if left <= at <= right]
    if not columns:
        columns = [min(range(len(pixels)), key=lambda i: abs(pixels[i] - (left + right) / 2))]
    floor = max(low[i] for i in columns)
    ceiling = min(low[i] + layer[i] for i in columns)
    return ceiling - floor, (ceiling + floor) / 2


def _description(
    names: Sequence[str], layers: Sequence[Sequence[float]], wtp: Sequence[float]
) -> str:
    def leader(column: int) -> str:
        shares = [layer[column] for layer in layers]
        return f"{names[shares.index(max(shares))]} ({max(shares):.0%} of the prompts)"

    return (
        f"Share of prompts for each model over the willingness to pay. At ${wtp[0]:.2g} "
        f"{leader(0)} leads, at ${wtp[-1]:.2g} {leader(-1)}."
    )
