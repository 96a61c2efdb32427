"""The models: prices, limits, health, what the router knows of each, and whether it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onehead.config import CAPABILITIES
from onehead.dashboard import words
from onehead.dashboard.data import calibration
from onehead.dashboard.document import Chart, Document, Link, Section, Table
from onehead.dashboard.log import SERVED
from onehead.report import charts

if TYPE_CHECKING:
    from onehead.config import ModelConfig
    from onehead.dashboard.context import Context
    from onehead.dashboard.ranges import Range
    from onehead.store import Total

_STATES = {"closed": "well", "open": "resting", "half-open": "trying again"}
_KINDS = 60
"""Kinds of prompts that the heat map's table lists at most."""


def models(context: Context, chosen: Range) -> Document:
    """The page's data."""
    totals = context.log.store.totals(chosen.since, chosen.until, 1, modes=SERVED).by_model()
    found = calibration.judged(context.log, chosen)
    return Document(
        parts=(
            _health(context, totals),
            _offers(context),
            _heat(context),
            _calibration(found),
            calibration.reliability_chart(found, half=False),
        ),
        remarks=("Health is what this worker process sees of each upstream.",),
    )


def _health(context: Context, totals: dict[str, Total]) -> Section:
    """Breakers beside what came back."""
    rows = []
    for name in context.by_cost:
        total = totals.get(name)
        model = context.fleet.models[name]
        rows.append(
            (
                Link(name, f"/ui/decisions?model={_quoted(name)}"),
                _state(context, model),
                words.count(total.requests if total else 0),
                words.share(total.errors / total.requests) if total else words.NOTHING,
                words.seconds(total.latency_s(0.5)) if total else words.NOTHING,
                words.seconds(total.latency_s(0.95)) if total else words.NOTHING,
                words.usd(total.cost_usd) if total else words.NOTHING,
            )
        )
    header = ("model", "upstream", "requests", "errors", "latency, median", "95 %", "spend")
    return Section(
        "health", "Health", Table(header, tuple(rows), left=2),
        "An upstream that fails repeatedly rests for a while; requests go to other models meanwhile.",
    )  # fmt: skip


def _state(context: Context, model: ModelConfig) -> str:
    if context.state.config.demo:
        return "demonstration"
    if not model.has_upstream:
        return "none: decisions only"
    return _STATES[context.state.upstreams.state(model.id)]


def _offers(context: Context) -> Section:
    """Prices, limits, and what the router expects in general."""
    rows = []
    for name in context.by_cost:
        model = context.fleet.models[name]
        known = context.profiles.get(name)
        rows.append(
            (
                name,
                _price(model, model.input_usd_per_million),
                _price(model, model.output_usd_per_million),
                words.count(model.context_window),
                words.count(model.max_output_tokens),
                words.quality(known[0] if known else None, 3),
                words.usd(known[1] if known else None),
                "chosen or named" if model.auto else "named only",
                _abilities(model),
            )
        )
    header = (
        "model", "input / M tokens", "output / M tokens", "context", "longest answer",
        "expected quality", "expected cost", "answers when", "capabilities",
    )  # fmt: skip
    return Section(
        "offers", "Prices and limits", Table(header, tuple(rows), right=2),
        "Expected quality and cost are means over the prompts that the router was trained on, at "
        "the prices in force.",
    )  # fmt: skip


def _abilities(model: ModelConfig) -> str:
    """What a model takes, or what it lacks, whichever is shorter."""
    has, lacks = sorted(model.capabilities), sorted(frozenset(CAPABILITIES) - model.capabilities)
    if len(lacks) < len(has):
        return f"all but {', '.join(lacks)}" if lacks else "all"
    return ", ".join(has) or "none"


def _price(model: ModelConfig, usd: float | None) -> str:
    return "free" if model.free else words.usd(usd)


def _heat(context: Context) -> Chart:
    """Quality by kind of prompt."""
    insight, fleet = context.insight, context.fleet
    title = "Quality by kind of prompt"
    if not insight.known or not insight.kinds:
        recipe = context.manifest.recipe
        return Chart(
            "heat", title, "", None,
            empty=f"A router of the recipe `{recipe}` keeps no quality by kind of prompt.",
        )  # fmt: skip
    kinds = insight.kinds
    columns = dict(zip(fleet.ids, fleet.columns.tolist(), strict=True))
    order = [name for name in reversed(context.by_cost) if name in columns]
    quality = {name: insight.quality[:, columns[name]].tolist() for name in order}
    rows = tuple(
        (kind, *(words.share(quality[name][place], 0) for name in order))
        for place, kind in enumerate(kinds[:_KINDS])
    )
    return Chart(
        "heat", title,
        "Mean quality in per cent that the router learned, the dearest model on top. Kinds without a "
        "name of their own are called by their most telling words.",
        lambda width: charts.heat_chart(quality, kinds, width=width),
        Table(("kind of prompt", *order), rows),
    )  # fmt: skip


def _calibration(found: list[calibration.Judged]) -> Section:
    """Predicted beside fed back, for each model."""
    told = calibration.by_model(found)
    rows = tuple(
        (
            name,
            words.count(told[name][0]),
            words.quality(told[name][1], 3),
            words.quality(told[name][2], 3),
            words.signed(told[name][2] - told[name][1]),
            f"{words.signed(told[name][3])} to {words.signed(told[name][4])}",
        )
        for name in sorted(told, key=lambda name: (-told[name][0], name))
    )
    header = (
        "model", "judgements", "mean predicted", "mean fed back", "difference", "95 % interval",
    )  # fmt: skip
    return Section(
        "calibration", "Calibration of each model", Table(header, rows),
        "What feedback said of each model's answers beside what was predicted of them.",
        empty="No feedback in this range.",
    )  # fmt: skip


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")
