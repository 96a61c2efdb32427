"""The overview: how much, what it saved, who answered, what went wrong, how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onehead.dashboard import words
from onehead.dashboard.data.spans import by_span, series, shares, span_table, spans_of, told
from onehead.dashboard.document import Card, Chart, Document, Section, Table
from onehead.dashboard.log import SERVED
from onehead.dashboard.savings import Tally
from onehead.report import charts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onehead.dashboard.log import Log
    from onehead.dashboard.ranges import Range
    from onehead.dashboard.savings import Comparison
    from onehead.store import Total, Totals

BUCKETS = 48
TRY = (
    'curl -s {base}/v1/chat/completions{key} -H "content-type: application/json" '
    '-d \'{{"model": "auto", "messages": [{{"role": "user", "content": "Hello"}}]}}\''
)


def overview(log: Log, chosen: Range, by_cost: Sequence[str], command: str) -> Document:
    """The page's data.

    by_cost: models from the cheapest to the dearest · command: sends a request here
    """
    totals = log.store.totals(chosen.since, chosen.until, BUCKETS, modes=SERVED)
    whole = totals.overall()
    if not whole.requests:
        return Document(empty=f"No requests in {chosen.words} yet. Send one: `{command}`")
    routed = log.store.totals(chosen.since, chosen.until, 1, modes=("auto",)).overall()
    sample = log.sample(chosen.since, chosen.until, modes=("auto",), name=chosen.name)
    tally = Tally(sample)
    best, dearest = (tally.against(name or "?") for name in (tally.best_single(), tally.dearest()))
    return Document(
        cards=(
            *_amounts(whole),
            _saved("best", "Saved against the best single model", best, routed),
            _saved("dearest", "Saved against the dearest model", dearest, routed),
            *_health(whole),
        ),
        parts=(
            _choice(totals, by_cost),
            _requests(totals),
            _spend(totals),
            _latency(totals),
            _overhead(totals),
            _models(totals, by_cost),
        ),
    )


def _amounts(whole: Total) -> tuple[Card, ...]:
    unknown = whole.requests - whole.priced
    note = f"{words.count(unknown)} without a known cost" if unknown else "of all requests"
    tokens = whole.input_tokens + whole.output_tokens
    return (
        Card("requests", "Requests", words.count(whole.requests), f"{words.count(tokens)} tokens"),
        Card("spend", "Spend", words.usd(whole.cost_usd), note),
    )


def _saved(name: str, label: str, found: Comparison | None, routed: Total) -> Card:
    """What the routed requests saved: the sample's ratio times what all of them cost."""
    if found is None or found.ratio is None:
        return Card(name, label, words.NOTHING, "no routed request with a known cost")
    saved = routed.cost_usd * (found.ratio - 1)
    part, kind = found.saved_share, "less"
    if saved < 0:
        part, kind = 1 / found.ratio - 1, "more"
    note = (
        f"{words.share(part)} {kind} than {found.model}, "
        f"expected quality {words.signed(-found.quality, 2)}"
    )
    if found.ratio_ends is not None:
        low, high = (routed.cost_usd * (end - 1) for end in found.ratio_ends)
        note += f"; 95 %: {words.usd(low)} to {words.usd(high)}"
    return Card(name, label, words.usd(saved), note)


def _health(whole: Total) -> tuple[Card, ...]:
    errors = whole.errors / whole.requests
    stood_in = whole.fallbacks / whole.requests
    return (
        Card(
            "errors", "Errors", words.share(errors), f"{words.count(whole.errors)} requests",
            tone="bad" if errors > 0.05 else "",
        ),
        Card(
            "fallbacks", "Fallbacks", words.share(stood_in),
            f"{words.count(whole.fallbacks)} answered by another model than chosen",
        ),
        Card(
            "latency", "Latency, median", words.seconds(whole.latency_s(0.5)),
            f"95th percentile {words.seconds(whole.latency_s(0.95))}",
        ),
        Card(
            "overhead", "Overhead, median", words.seconds(whole.overhead_s(0.5)),
            f"95th percentile {words.seconds(whole.overhead_s(0.95))}",
        ),
    )  # fmt: skip


def _choice(totals: Totals, by_cost: Sequence[str]) -> Chart:
    spans, found = spans_of(totals), shares(totals, by_cost)
    return Chart(
        "choice", "Who answers",
        "Share of the answered requests, from the cheapest model (below, light) to the dearest "
        "(above, dark).",
        (lambda width: charts.share_over_time(found, spans, width=width)) if found else None,
        span_table(spans, {name: told(row, words.share) for name, row in found.items()}),
        empty="Nobody answered a request in this range.",
    )  # fmt: skip


def _requests(totals: Totals) -> Chart:
    spans = spans_of(totals)
    good = series(totals, lambda row: row.requests - row.errors)
    bad = series(totals, lambda row: row.errors)
    return Chart(
        "requests", "Requests and errors",
        "Requests of each span; an error is any outcome but an answer that ended as it should.",
        lambda width: charts.amounts_over_time(
            {"answered": good, "errors": bad}, {"answered": "blue", "errors": "orange"},
            spans, title="requests", width=width,
        ),
        span_table(spans, {"answered": told(good, words.count), "errors": told(bad, words.count)}),
        half=True,
    )  # fmt: skip


def _spend(totals: Totals) -> Chart:
    spans = spans_of(totals)
    spent = series(totals, lambda row: row.cost_usd)
    return Chart(
        "spend", "Spend", "What the answers of each span cost, at the prices in force then.",
        lambda width: charts.amounts_over_time(
            {"spend": spent}, {"spend": "blue"}, spans, title="USD", dollars=True, width=width
        ),
        span_table(spans, {"spend": told(spent, words.usd)}),
        half=True,
    )  # fmt: skip


def _latency(totals: Totals) -> Chart:
    return _times(
        totals, "latency", "Latency", "From the first byte of a request to the last of its answer.",
        ("seconds", 1.0),
    )  # fmt: skip


def _overhead(totals: Totals) -> Chart:
    return _times(
        totals, "overhead", "Overhead",
        "What the gateway itself takes: reading, estimating, choosing.", ("milliseconds", 0.001),
    )  # fmt: skip


def _times(totals: Totals, name: str, title: str, reading: str, unit: tuple[str, float]) -> Chart:
    """Median and 95th percentile of a duration over time."""
    spans, rows = spans_of(totals), by_span(totals)
    lines = {
        label: [
            None if row is None
            else row.latency_s(part) if name == "latency" else row.overhead_s(part)
            for row in rows
        ]
        for label, part in (("median", 0.5), ("95th percentile", 0.95))
    }  # fmt: skip
    tones = {"median": "blue", "95th percentile": "orange"}
    return Chart(
        name, title, reading,
        lambda width: charts.lines_over_time(
            lines, tones, spans, title=unit[0], unit=unit[1], width=width
        ),
        span_table(spans, {label: told(row, words.seconds) for label, row in lines.items()}),
        half=True,
    )  # fmt: skip


def _models(totals: Totals, by_cost: Sequence[str]) -> Section:
    """Each model's part, the busiest first."""
    found = totals.by_model()
    answered = sum(row.requests for name, row in found.items() if name) or 1
    order = {name: place for place, name in enumerate(by_cost)}
    ranked = sorted(found, key=lambda name: (-found[name].requests, order.get(name, 0), name))
    rows = tuple(
        (
            name or "nobody",
            words.count(row.requests),
            words.share(row.requests / answered) if name else words.NOTHING,
            words.usd(row.cost_usd),
            words.usd(row.cost_usd / row.priced) if row.priced else words.NOTHING,
            words.count(row.errors),
            words.seconds(row.latency_s(0.5)),
            words.seconds(row.latency_s(0.95)),
        )
        for name, row in ((name, found[name]) for name in ranked)
    )
    header = (
        "model", "requests", "share", "spend", "per request", "errors", "latency, median", "95 %",
    )  # fmt: skip
    return Section("models", "Model by model", Table(header, rows))
