"""The pictures of a comparison: curves by recipe, and what more prompts bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from onehead.bench.contenders import ABLATIONS
from onehead.bench.document import main_rows
from onehead.bench.page_more import gain, learning_rows
from onehead.bench.rows import by_recipe, name_of
from onehead.report.theme import MUTED, chart, titled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Line = tuple[str, Sequence[tuple[float, float]]]

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES: Final = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3])
_BELOW = -0.02
"""Recipes that stay this far below the zero router would squeeze all others together."""
_POINTS = 120


def pictures(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and Vega-Lite specification of every picture that the document has the figures for."""
    for name, entry in document["tables"].items():
        for encoder in entry["encoders"]:
            rows = [row for row in main_rows(entry, encoder) if row["recipe"] not in ABLATIONS]
            rows = [row for row in rows if row["hull"]]
            if rows:
                yield f"curve-{name}-{encoder}", _curves(entry, rows, encoder)
            if learning_rows(entry, encoder):
                yield f"learning-{name}-{encoder}", _learning(entry, encoder)


def line_chart(
    lines: Sequence[Line],
    titles: tuple[str, str],
    head: tuple[str, str],
    *,
    rule: float | None = None,
) -> dict[str, Any]:
    """Lines over a log axis, told apart by colour and dash, with a legend.

    titles: of the axes; head: title and subtitle; rule: a height to mark by a grey line
    """
    names = [name for name, _ in lines]
    points: list[dict[str, Any]] = [
        {"line": name, "x": x, "y": y} for name, line in lines for x, y in line if x > 0
    ]
    colour = {"domain": names, "range": [COLOURS[i % len(COLOURS)] for i in range(len(names))]}
    dash = {"domain": names, "range": [DASHES[i % len(DASHES)] for i in range(len(names))]}
    encoding = {
        "x": {
            "field": "x",
            "type": "quantitative",
            "scale": {"type": "log", "nice": False},
            "axis": {"title": titles[0], "format": "~g", "tickCount": 6},
        },
        "y": {
            "field": "y",
            "type": "quantitative",
            "scale": {"zero": False},
            "axis": {"title": titles[1], "format": ".3~f"},
        },
        "color": {"field": "line", "type": "nominal", "scale": colour, "legend": {"title": None}},
        "strokeDash": {"field": "line", "type": "nominal", "scale": dash},
    }
    layers: list[dict[str, Any]] = [
        {
            "data": {"values": points},
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": encoding,
        }
    ]
    if rule is not None:
        mark = {"type": "rule", "color": MUTED, "strokeDash": [4, 4]}
        layers.insert(
            0,
            {
                "data": {"values": [{"y": rule}]},
                "mark": mark,
                "encoding": {"y": encoding["y"] | {"field": "y"}},
            },
        )
    best = max(points, key=lambda point: point["y"])
    description = f"{head[0]}: {', '.join(names)}. Highest: {best['line']}, {best['y']:.4g}."
    return titled(chart(620, 340, description, layer=layers), *head)


def _curves(entry: dict[str, Any], rows: Sequence[dict[str, Any]], encoder: str) -> dict[str, Any]:
    """Hulls of the first seed's rows that are not far below the single models."""
    seed = rows[0]["seed"]
    own = [row for row in rows if row["seed"] == seed]
    best = sorted((row for row in own if gain(row) > _BELOW), key=gain, reverse=True)
    lines = [(name_of(row["recipe"]), _dense(row["hull"])) for row in best[: len(COLOURS) - 1]]
    zero = entry["controls"][str(seed)]["zero_router"]["hull"]
    lines.append(("single models, mixed", _dense(zero)))
    return line_chart(
        lines,
        ("mean cost per prompt, USD", "mean quality"),
        (entry["title"], f"Prompts held out by seed {seed}; encoder {encoder}"),
    )


def _learning(entry: dict[str, Any], encoder: str) -> dict[str, Any]:
    lines: list[Line] = []
    for recipe, rows in by_recipe(learning_rows(entry, encoder)):
        sizes = sorted({row["fraction"] for row in rows})
        each = [[row for row in rows if row["fraction"] == size] for size in sizes]
        lines.append(
            (
                name_of(recipe),
                [(float(some[0]["n_train"]), float(np.mean([*map(gain, some)]))) for some in each],
            )
        )
    return line_chart(
        lines,
        ("prompts learned from", "AIQ minus zero router"),
        (f"{entry['title']}: what more prompts bring", f"Mean over the seeds; encoder {encoder}"),
        rule=0.0,
    )


def _dense(hull: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """A hull with points enough for a log axis, on which its straight pieces are bent."""
    cost, quality = np.array(hull).T
    low = max(cost[0], cost[-1] * 1e-6)
    at = np.unique(np.append(np.geomspace(low, cost[-1], _POINTS), cost)) if low > 0 else cost
    return list(zip(at.tolist(), np.interp(at, cost, quality).tolist(), strict=True))
