"""The frontier: what each willingness to pay was expected to cost and bring on the present traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.dashboard import words
from onehead.dashboard.document import Chart, Document, Section, Table
from onehead.metrics import concave_hull
from onehead.policy import sweep
from onehead.report import charts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from onehead.dashboard.context import Context
    from onehead.dashboard.ranges import Range
    from onehead.report.charts.curve import ModelPoint, Point
    from onehead.report.charts.frontier import FrontierData
    from onehead.store import DecisionRecord

    Floats = NDArray[np.float64]

POINTS = 33
"""Amounts of willingness to pay at which the curve is drawn."""
_LEAST = 5
"""Requests from which on traffic makes a curve."""


_TOO_FEW = (
    "too few for a curve of your own traffic, so this is what the models are expected to do on the "
    "prompts that the router was trained on."
)


def frontier(context: Context, chosen: Range) -> Document:
    """The page's data: from traffic where there is enough, else from the models' profiles."""
    fleet = context.fleet
    sample = context.log.sample(
        chosen.since, chosen.until, modes=("auto", "shadow"), name=chosen.name
    )
    ids, quality, cost, rows = estimates_of(sample, fleet.ids)
    if len(rows) >= _LEAST:
        return _of_traffic(context, chosen, ids, (quality, cost), rows)
    return _of_profiles(context, chosen, len(rows))


def estimates_of(
    records: Iterable[DecisionRecord], models: Sequence[str]
) -> tuple[list[str], Floats, Floats, list[DecisionRecord]]:
    """Estimates of quality and cost [n, m] of the records that have them for all of `models`."""
    quality, cost, kept = [], [], []
    for record in records:
        known = {m: (q, c) for m, q, c, *_ in record.estimates if q is not None and c is not None}
        if record.outcome == "ok" and all(name in known for name in models):
            quality.append([known[name][0] for name in models])
            cost.append([known[name][1] for name in models])
            kept.append(record)
    shape = (len(kept), len(models))
    return (
        list(models), np.array(quality, np.float64).reshape(shape),
        np.array(cost, np.float64).reshape(shape), kept,
    )  # fmt: skip


def _of_traffic(
    context: Context, chosen: Range, ids: list[str], known: tuple[Floats, Floats],
    rows: list[DecisionRecord],
) -> Document:  # fmt: skip
    """The curve over the requests of a range, by the estimates logged with them."""
    quality, cost = known
    presets = dict(context.fleet.presets)
    amounts = [0.0, *_grid(presets), np.inf]
    curve = _swept(quality, cost, amounts, ids)
    named = dict(zip(presets, _swept(quality, cost, list(presets.values()), ids), strict=True))
    means = list(zip(ids, quality.mean(axis=0), cost.mean(axis=0), strict=True))
    own = _as_routed(rows)
    data: FrontierData = {
        "router": _distinct(curve),
        "hull": _hull(means),
        "models": [_model(*row) for row in means],
        "presets": named,
        "traffic": own,
    }
    return Document(
        parts=(
            Chart(
                "frontier", "Cost and quality on your traffic",
                f"From the estimates logged with {words.count(len(rows))} requests of "
                f"{chosen.words}. The line is the router at every willingness to pay; squares are "
                "the presets; the diamond is what was chosen; the dashed line mixes single models "
                "at random. Quality is expected, not measured.",
                lambda width: charts.frontier_chart(data, width=width),
            ),
            Section("operating", "What each way was expected to cost and bring", _ways(data, own)),
            _validation(context),
        )
    )  # fmt: skip


def _of_profiles(context: Context, chosen: Range, n_requests: int) -> Document:
    """Without traffic: the models' means over the training prompts, and the router's own figures."""
    means = [(name, q, c) for name, (q, c) in context.profiles.items()]
    reason = f"{n_requests or 'No'} routed requests in {chosen.words}"
    if not means:
        return Document(
            empty=f"{reason}, and the router keeps no profiles of its models, so there is no curve "
            'to draw. Send requests with `"model": "auto"`.'
        )
    data: FrontierData = {
        "router": [],
        "hull": _hull(means),
        "models": [_model(*row) for row in means],
        "presets": {},
        "traffic": [],
    }
    return Document(
        remarks=(f"{reason}: {_TOO_FEW}",),
        parts=(
            Chart(
                "profiles", "Single models on the training prompts",
                "Mean expected quality over mean expected cost of each model; the dashed line mixes "
                "them at random. Routing aims above it.",
                lambda width: charts.frontier_chart(data, width=width),
            ),
            Section("singles", "Single models", _ways(data, [])),
            _validation(context),
        ),
    )  # fmt: skip


def _grid(presets: dict[str, float]) -> list[float]:
    """Amounts from far below the lowest preset to far above the highest."""
    low, high = min(presets.values()), max(presets.values())
    grid: list[float] = np.geomspace(low / 100, high * 100, POINTS).tolist()
    return grid


def _swept(quality: Floats, cost: Floats, amounts: Sequence[float], ids: list[str]) -> list[Point]:
    """Mean expected cost and quality of the choices at each amount."""
    columns = sweep(quality, cost, amounts, ids=ids)
    rows = np.arange(len(quality))
    return [
        {"cost_usd": float(cost[rows, one].mean()), "quality": float(quality[rows, one].mean())}
        for one in columns
    ]


def _as_routed(rows: Sequence[DecisionRecord]) -> list[Point]:
    """Mean estimates of the models chosen."""
    known = [
        (one.predicted_cost_usd, one.predicted_quality)
        for one in rows
        if one.predicted_cost_usd is not None and one.predicted_quality is not None
    ]
    if not known:
        return []
    cost, quality = np.array(known, np.float64).mean(axis=0).tolist()
    return [{"cost_usd": cost, "quality": quality}]


def _hull(means: Sequence[tuple[str, float, float]]) -> list[Point]:
    """What mixing single models at random gives, up to the best of them."""
    cost, quality = concave_hull(
        np.array([c for _, _, c in means]), np.array([q for _, q, _ in means])
    )
    low, high = max(float(cost[0]), float(cost[-1]) * 1e-6), float(cost[-1])
    at = np.unique(np.append(np.geomspace(low, high, 80), cost)) if high > 0 else cost
    return [
        {"cost_usd": float(c), "quality": float(q)}
        for c, q in zip(at, np.interp(at, cost, quality), strict=True)
    ]


def _model(name: str, quality: float, cost: float) -> ModelPoint:
    return {"model": name, "quality": float(quality), "cost_usd": float(cost)}


def _distinct(points: list[Point]) -> list[Point]:
    """The points without repetitions of their forerunner."""
    return [one for place, one in enumerate(points) if not place or one != points[place - 1]]


def _ways(data: FrontierData, own: list[Point]) -> Table:
    """As routed, the presets, the single models."""
    rows = [("as routed", one) for one in own]
    rows += [(f"router, {name}", one) for name, one in data["presets"].items()]
    ranked = sorted(data["models"], key=lambda one: (one["cost_usd"], one["model"]))
    rows += [(f"{one['model']} alone", one) for one in ranked]
    cells = tuple(
        (name, words.usd(one["cost_usd"]), words.quality(one["quality"], 3)) for name, one in rows
    )
    return Table(("way", "expected cost per request", "expected quality"), cells)


def _validation(context: Context) -> Section:
    """The router's figures on prompts held out in training."""
    from onehead.dashboard.data.router import validation_table

    return Section(
        "validation", "On held-out prompts of the training data", validation_table(context.manifest),
        "Measured, not expected. Presets stand at this router's own amounts.",
    )  # fmt: skip
