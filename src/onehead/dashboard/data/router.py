"""The router: what it is, how it did on held-out prompts, and whether its estimates drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.dashboard import words
from onehead.dashboard.data import calibration
from onehead.dashboard.data.spans import series, span_table, spans_of, told
from onehead.dashboard.document import Card, Chart, Document, Section, Table
from onehead.report import charts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onehead.artifact import Manifest
    from onehead.dashboard.context import Context
    from onehead.dashboard.ranges import Range
    from onehead.report.charts.costs import CostCell
    from onehead.report.charts.over_time import Ends
    from onehead.store import DecisionRecord

_BUCKETS = 24
_CELLS = 24
_FAR = 0.25
"""A confidence below this: the prompt is unlike those that the router was trained on."""


def router(context: Context, chosen: Range) -> Document:
    """The page's data."""
    modes = ("auto", "shadow")
    sample = context.log.sample(chosen.since, chosen.until, modes=modes, name=chosen.name)
    return Document(
        cards=_cards(context, sample),
        parts=(
            _confidence(context, chosen, sample),
            _ratio(context, chosen),
            _cost(sample),
            calibration.reliability_chart(calibration.judged(context.log, chosen)),
            Section(
                "validation", "On held-out prompts of its training data",
                validation_table(context.manifest),
                "Measured when it was trained. AIQ: mean quality over the range of cost.",
            ),
            Section("about", "About this router", _about(context)),
        ),
    )  # fmt: skip


def validation_table(manifest: Manifest) -> Table:
    """Held-out figures, a row for each table of outcomes."""
    rows = []
    for name, figures in _tables(manifest).items():
        single = figures.get("best_single") or {}
        presets = figures.get("presets") or {}
        ends = figures.get("aiq_minus_zero_router_ci")
        above = words.signed(figures.get("aiq_minus_zero_router"))
        if ends:
            above += f" ({words.signed(ends[0])} to {words.signed(ends[1])})"
        rows.append(
            (
                name,
                words.count(figures.get("n_held_out")),
                words.count(figures.get("n_models")),
                words.quality(figures.get("aiq"), 3),
                above,
                words.share(figures.get("cost_to_match_best"), 0),
                _point(single, str(single.get("model", ""))),
                *(_point(presets.get(key) or {}) for key in ("cheap", "balanced", "best")),
                words.quality(figures.get("brier"), 3),
                words.quality(figures.get("ece"), 3),
            )
        )
    header = (
        "outcomes", "held out", "models", "AIQ", "above mixed single models",
        "cost to match the best", "best single model", "cheap", "balanced", "best", "Brier", "ECE",
    )  # fmt: skip
    return Table(header, tuple(rows))


def _tables(manifest: Manifest) -> Mapping[str, Mapping[str, Any]]:
    """Validation figures by table; a router of a single table keeps them at the top."""
    figures = manifest.validation
    tables = figures.get("tables")
    if isinstance(tables, dict):
        return tables
    return {"training data": figures} if figures else {}


def _point(at: Mapping[str, Any], name: str = "") -> str:
    """A quality at a cost, as measured."""
    if at.get("quality") is None or at.get("cost_usd") is None:
        return words.NOTHING
    told = f"{words.quality(at['quality'], 3)} at {words.usd(at['cost_usd'])}"
    return f"{name}: {told}" if name else told


def _cards(context: Context, sample: Sequence[DecisionRecord]) -> tuple[Card, ...]:
    manifest = context.manifest
    confidence = [one.confidence for one in sample if one.confidence is not None]
    far = sum(one < _FAR for one in confidence) / len(confidence) if confidence else None
    older = len({one.router for one in sample if one.router != context.state.version})
    return (
        Card("version", "Version", context.state.version, _older(older)),
        Card("recipe", "Recipe", manifest.recipe, f"encoder {manifest.encoder.spec}"),
        Card("models", "Models", str(len(manifest.pool)), f"{len(context.fleet.ids)} in use here"),
        Card(
            "far", "Prompts far from its training", words.share(far),
            f"confidence below {_FAR:g}, of {words.count(len(confidence))} requests",
            tone="bad" if far is not None and far > 0.25 else "",
        ),
    )  # fmt: skip


def _older(count: int) -> str:
    if not count:
        return "decided everything shown here"
    return f"this range also has decisions of {count} other version{'s' if count > 1 else ''}"


def _about(context: Context) -> Table:
    manifest = context.manifest
    presets = ", ".join(f"{n} {words.usd(usd)}" for n, usd in context.fleet.presets.items())
    rows = (
        ("trained", manifest.created or "unknown"),
        ("by onehead", manifest.onehead_version),
        ("seed", str(manifest.seed)),
        ("training data, SHA-256", manifest.data_hash),
        ("encoder", f"{manifest.encoder.spec}, {manifest.encoder.dimension} dimensions"),
        ("encoder, SHA-256", manifest.encoder.hash),
        (
            "anchors",
            words.count(context.insight.n_anchors) if context.insight.known else "none kept",
        ),
        ("presets here", presets),
        ("settings", ", ".join(_setting(n, v) for n, v in manifest.hyperparameters.items())),
    )
    return Table(("what", "value"), rows, left=2)


def _setting(name: str, value: Any) -> str:
    told = f"{len(value)} entries" if isinstance(value, list | dict) else str(value)
    return f"{name} {told}"


def _confidence(context: Context, chosen: Range, sample: Sequence[DecisionRecord]) -> Chart:
    """Quartiles of confidence over time."""
    title = "Confidence over time"
    totals = context.log.store.totals(
        chosen.since, chosen.until, _BUCKETS, modes=("auto", "shadow")
    )
    spans = spans_of(totals)
    parts: dict[int, list[float]] = {}
    for one in sample:
        if one.confidence is not None:
            place = int((one.at - spans["since"]) // spans["step_s"])
            parts.setdefault(place, []).append(one.confidence)
    rows: list[Ends] = []
    for place in sorted(parts):
        low, middle, high = np.percentile(parts[place], (10, 50, 90)).tolist()
        start = spans["since"] + place * spans["step_s"]
        rows.append({"start": start, "low": low, "middle": middle, "high": high})
    if not rows:
        return Chart("confidence", title, "", None, half=True, empty=_NO_ROUTED)
    return Chart(
        "confidence", title,
        "How near prompts lie to those that the router was trained on: the median, and the band of "
        "the middle 80 %. A fall means traffic of a new kind: its estimates are worth less.",
        lambda width: charts.band_over_time(rows, spans, title="confidence", width=width),
        Table(
            ("from, UTC", "10 % below", "median", "10 % above"),
            tuple(
                (
                    words.moment(one["start"]).removesuffix(":00 UTC"),
                    *(words.quality(end) for end in (one["low"], one["middle"], one["high"])),
                )
                for one in rows
            ),
        ),
        half=True,
    )  # fmt: skip


_NO_ROUTED = 'No routed requests in this range: send some with `"model": "auto"`.'


def _ratio(context: Context, chosen: Range) -> Chart:
    """Actual over expected cost."""
    title = "Actual over expected cost"
    totals = context.log.store.totals(chosen.since, chosen.until, _BUCKETS, modes=("auto",))
    paid = series(totals, lambda row: row.cost_usd if row.priced == row.predicted else 0.0)
    hoped = series(
        totals, lambda row: row.predicted_cost_usd if row.priced == row.predicted else 0.0
    )
    ratio = [a / b if b > 0 else None for a, b in zip(paid, hoped, strict=True)]
    if not any(one is not None for one in ratio):
        return Chart("ratio", title, "", None, half=True, empty=_NO_ROUTED)
    spans = spans_of(totals)
    return Chart(
        "ratio", title,
        "What answers cost for each dollar that was expected; on the dashed line costs are as "
        "expected. Errors that all models share do not change a choice.",
        lambda width: charts.lines_over_time(
            {"actual / expected": ratio}, {"actual / expected": "blue"}, spans,
            title="actual / expected", rule=1.0, width=width,
        ),
        span_table(spans, {"actual / expected": told(ratio, words.quality)}),
        half=True,
    )  # fmt: skip


def _cost(sample: Sequence[DecisionRecord]) -> Chart:
    """The density of expected over actual cost."""
    title = "Expected against actual cost"
    cells, pairs, within = cost_cells(sample)
    if not cells:
        return Chart("cost", title, "", None, half=True, empty=_NO_ROUTED)
    return Chart(
        "cost", title,
        f"Routed requests with a known cost; darker cells hold more. On the line the expectation is "
        f"exact, on the dotted ones off by a factor of two: {words.share(within, 0)} of "
        f"{words.count(pairs)} lie between.",
        lambda width: charts.cost_chart(cells, width=min(width, 380)),
        Table(
            ("actual, from", "expected, from", "requests"),
            tuple(
                (words.usd(one["true_low"]), words.usd(one["predicted_low"]), words.count(one["count"]))
                for one in sorted(cells, key=lambda one: (one["true_low"], one["predicted_low"]))
            ),
            left=0,
        ),
        half=True,
    )  # fmt: skip


def cost_cells(sample: Sequence[DecisionRecord]) -> tuple[list[CostCell], int, float]:
    """Square cells of log cost, the number of requests in them, and the share within a factor of 2.

    Of each request the expectation is that of the model which answered.
    """
    pairs = []
    for one in sample:
        for model, _, cost, *_ in one.estimates:
            if model == one.model and cost and one.cost_usd and one.outcome == "ok":
                pairs.append((one.cost_usd, cost))
    if not pairs:
        return [], 0, 0.0
    logs = np.log10(np.array(pairs))
    within = float((np.abs(logs[:, 0] - logs[:, 1]) <= np.log10(2)).mean())
    edges = np.linspace(logs.min() - 0.05, logs.max() + 0.05, _CELLS + 1)
    counts, _, _ = np.histogram2d(logs[:, 0], logs[:, 1], bins=(edges, edges))
    usd = (10**edges).tolist()
    cells: list[CostCell] = [
        {
            "true_low": usd[i], "true_high": usd[i + 1],
            "predicted_low": usd[j], "predicted_high": usd[j + 1], "count": int(counts[i, j]),
        }
        for i, j in np.argwhere(counts > 0).tolist()
    ]  # fmt: skip
    return cells, len(pairs), within
