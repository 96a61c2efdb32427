"""What happened over time: shares and amounts as bars of one span each, durations as lines.

Spans are given in unix seconds; axes are in UTC, as the log is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from onehead.report.charts.shares import band_colours, merge_rare, stack
from onehead.report.names import short_models
from onehead.report.theme import ORACLE, PAPER, ROUTER, SINGLE, TASK, chart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HEIGHT = 200
_TICK_ROOM = 70
"""Pixels that a time takes on an axis."""
_TICKS_S = (
    *(60 * n for n in (1, 5, 10, 15, 30)),
    *(3600 * n for n in (1, 2, 3, 6, 12)),
    *(86_400 * n for n in (1, 2, 7, 14, 28, 91, 182, 364)),
)
_DAY = "utcFormat(datum.value, '%b %-d')"
_CLOCK = (
    "utchours(datum.value) + utcminutes(datum.value) == 0 ? "
    f"{_DAY} : utcFormat(datum.value, '%H:%M')"
)
TONES = {"blue": ROUTER, "green": TASK, "orange": ORACLE, "grey": SINGLE}


class Spans(TypedDict):
    """Equal spans of time: when the first begins, how long each is, and how many there are."""

    since: float
    step_s: float
    count: int


class Ends(TypedDict):
    """A value with its range, of the span that begins at `start`."""

    start: float
    low: float
    middle: float
    high: float


def share_over_time(
    shares: Mapping[str, Sequence[float]], spans: Spans, *, width: int = 700, height: int = 240
) -> dict[str, Any]:
    """Who answered: shares of each span stacked to 1, cheap models below in light, dear ones above.

    shares: for each model, from the cheapest to the dearest, its share in each span; where a span
    had no request all are 0
    """
    short = short_models(list(shares))
    names, layers = merge_rare({short[model]: list(row) for model, row in shares.items()})
    colours = band_colours(names)
    values = [
        {**_span(spans, place), "name": name, "low": low, "high": high}
        for name, (lows, highs) in zip(names, stack(layers), strict=True)
        for place, (low, high) in enumerate(zip(lows, highs, strict=True))
        if high > low
    ]
    means = {name: sum(layer) for name, layer in zip(names, layers, strict=True)}
    most = max(means, key=lambda name: means[name])
    return _bars(
        values, {name: colours[name] for name in names}, spans,
        axis={"title": "share of requests", "format": ".0%", "tickCount": 5}, domain=[0, 1],
        told=f"Share of the requests that each model answered, in {spans['count']} spans; {most} "
        "answered most.", size=(width, height),
    )  # fmt: skip


def amounts_over_time(
    amounts: Mapping[str, Sequence[float]], tones: Mapping[str, str], spans: Spans, *, title: str,
    dollars: bool = False, width: int = 340, height: int = HEIGHT,
) -> dict[str, Any]:  # fmt: skip
    """Amounts of each span, stacked by kind.

    amounts: for each kind, from the bottom up, its amount in each span; tones: its name in `TONES`
    """
    kept = {name: row for name, row in amounts.items() if any(row)} or dict(amounts)
    layers = stack([list(row) for row in kept.values()])
    values = [
        {**_span(spans, place), "name": name, "low": low, "high": high}
        for name, (lows, highs) in zip(kept, layers, strict=True)
        for place, (low, high) in enumerate(zip(lows, highs, strict=True))
        if high > low
    ]
    totals = ", ".join(f"{name} {sum(row):,.6g}" for name, row in kept.items())
    axis: dict[str, Any] = {"title": title, "tickCount": 4}
    axis["labelExpr"] = ("'$' + " if dollars else "") + "format(datum.value, ',.10~f')"
    colours = {name: TONES[tones[name]] for name in kept}
    most = max((high for _, highs in layers for high in highs), default=0.0)
    return _bars(
        values, colours, spans, axis=axis, domain=[0, most or 1.0],
        told=f"{title} over time; in all: {totals}.", size=(width, height), legend=len(kept) > 1,
    )  # fmt: skip


def lines_over_time(
    lines: Mapping[str, Sequence[float | None]], tones: Mapping[str, str], spans: Spans, *,
    title: str, unit: float = 1.0, rule: float | None = None, width: int = 340,
    height: int = HEIGHT,
) -> dict[str, Any]:  # fmt: skip
    """A line for each series at the middle of each span; spans without a value leave a gap.

    unit: values are shown as multiples of it · rule: a value marked across
    """
    values = [
        {"at": _middle(spans, place), "name": name, "value": None if v is None else v / unit}
        for name, row in lines.items()
        for place, v in enumerate(row)
    ]
    y = {"field": "value", "type": "quantitative", "axis": {"title": title, "tickCount": 4}}
    colour = _colour({name: TONES[tones[name]] for name in lines}, legend=len(lines) > 1)
    dash = {"field": "name", "type": "nominal", "legend": colour["legend"], "scale": {
        "domain": list(lines), "range": [[1, 0], [5, 4], [1, 3]][: len(lines)]}}  # fmt: skip
    marks: list[dict[str, Any]] = []
    if rule is not None:
        marks.append({
            "data": {"values": [{"value": rule}]},
            "mark": {"type": "rule", "color": SINGLE, "strokeDash": [5, 4], "strokeWidth": 1.5},
            "encoding": {"y": y},
        })  # fmt: skip
    point = {"filled": True, "size": 22, "opacity": 1}
    marks.append({
        "data": {"values": values},
        "mark": {"type": "line", "strokeWidth": 2, "point": point, "invalid": "break-paths-show-domains"},
        "encoding": {"x": _time("at", spans, width), "y": y, "color": colour, "strokeDash": dash},
    })  # fmt: skip
    told = f"{title} over time: {', '.join(lines)}."
    return chart(width, height, told, layer=marks)


def band_over_time(
    rows: Sequence[Ends], spans: Spans, *, title: str, width: int = 340, height: int = HEIGHT
) -> dict[str, Any]:
    """A middle line within a band; the axis runs from 0 to 1."""
    values = [{**row, "at": (row["start"] + spans["step_s"] / 2) * 1000} for row in rows]

    def y(field: str) -> dict[str, Any]:
        axis = {"title": title, "tickCount": 5}
        return {"field": field, "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": axis}

    x = _time("at", spans, width)
    layers = [
        {
            "mark": {"type": "area", "color": ROUTER, "opacity": 0.25},
            "encoding": {"x": x, "y": y("low"), "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "line", "color": ROUTER, "strokeWidth": 2, "point": {
                "filled": True, "size": 22, "color": ROUTER, "opacity": 1}},
            "encoding": {"x": x, "y": y("middle")},
        },
    ]  # fmt: skip
    told = f"{title} over time: the middle half or more of the requests, and their median."
    return chart(width, height, told, data={"values": values}, layer=layers)


def _bars(
    values: list[dict[str, Any]], colours: dict[str, str], spans: Spans, *, axis: dict[str, Any],
    domain: list[float], told: str, size: tuple[int, int], legend: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Stacked bars, a span wide each; the layers are stacked already."""
    bar: dict[str, Any] = {
        "mark": {"type": "bar", "stroke": PAPER, "strokeWidth": 0.75, "opacity": 1},
        "encoding": {
            "x": _time("start", spans, size[0]),
            "x2": {"field": "end"},
            "y": {
                "field": "low",
                "type": "quantitative",
                "scale": {"domain": domain, "nice": domain != [0, 1]},
                "axis": axis,
            },
            "y2": {"field": "high"},
            "color": _colour(colours, legend=legend, width=size[0]),
        },
    }
    return chart(*size, told, data={"values": values}, **bar)


def _colour(colours: dict[str, str], *, legend: bool, width: int = 340) -> dict[str, Any]:
    look = {
        "title": None,
        "orient": "bottom",
        "columns": max(width // 190, 1),
        "symbolType": "square",
        "symbolStrokeWidth": 0,
        "labelLimit": 170,
        "columnPadding": 20,
    }
    return {
        "field": "name",
        "type": "nominal",
        "scale": {"domain": list(colours), "range": list(colours.values())},
        "legend": look if legend else None,
    }


def _span(spans: Spans, place: int) -> dict[str, float]:
    start = spans["since"] + place * spans["step_s"]
    return {"start": start * 1000, "end": (start + spans["step_s"]) * 1000}


def _middle(spans: Spans, place: int) -> float:
    return (spans["since"] + (place + 0.5) * spans["step_s"]) * 1000


def _time(field: str, spans: Spans, width: int) -> dict[str, Any]:
    """Milliseconds on a plain axis with ticks at round times: no clock but UTC has a say."""
    first, last = spans["since"], spans["since"] + spans["step_s"] * spans["count"]
    most = max(width // _TICK_ROOM, 2)
    step = next((one for one in _TICKS_S if (last - first) / one <= most), _TICKS_S[-1])
    ticks = range(-int(-first // step) * step, int(last) + 1, step)
    axis = {
        "title": None,
        "grid": False,
        "values": [tick * 1000 for tick in ticks],
        "labelOverlap": "greedy",
        "labelExpr": _DAY if step % 86_400 == 0 else _CLOCK,
    }
    scale = {"domain": [first * 1000, last * 1000], "nice": False, "zero": False}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": axis}
