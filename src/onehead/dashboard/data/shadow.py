"""Shadow mode: what the router's choices would have cost and brought."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onehead.dashboard import words
from onehead.dashboard.document import Card, Document, Link, Section, Table
from onehead.dashboard.savings import FALL, Tally

if TYPE_CHECKING:
    from onehead.dashboard.context import Context
    from onehead.dashboard.ranges import Range
    from onehead.dashboard.savings import Comparison


def shadow(context: Context, chosen: Range) -> Document:
    """The page's data."""
    sample = context.log.sample(chosen.since, chosen.until, modes=("shadow",), name=chosen.name)
    tally = Tally(sample)
    found = tally.against()
    if found is None:
        return Document(empty=_why_empty(context, chosen, len(sample)))
    whole = context.log.store.totals(chosen.since, chosen.until, 1, modes=("shadow",)).overall()
    return Document(
        cards=_cards(found, tally, whole.requests, whole.cost_usd),
        parts=(_moves(tally), _falls(tally)),
        remarks=_remarks(tally, whole.requests),
    )


def _why_empty(context: Context, chosen: Range, n_sample: int) -> str:
    if n_sample:
        return (
            f"None of the {words.count(n_sample)} requests of {chosen.words} has both a known cost "
            "and estimates of the model that answered. Name models of the router in `routing.shadow`."
        )
    if context.state.config.routing.shadow is None:
        return (
            "Shadow mode is off: the router's choices are followed. To see what they would save "
            'before following them, set `shadow = "your-model"` under `[routing]` (all traffic goes '
            'to that model) or `shadow = "caller"` (to the model that the caller names).'
        )
    return f"Shadow mode is on, but no request came in {chosen.words}."


def _cards(found: Comparison, tally: Tally, n_requests: int, paid_usd: float) -> tuple[Card, ...]:
    """The figures, scaled from the sample to all that was paid."""
    share, ends = found.would_share, found.would_ends
    scale = paid_usd if found.ratio is not None else 0.0
    saved = scale * (share or 0.0)
    money = (
        ""
        if ends is None
        else f"95 %: {words.usd(scale * ends[0])} to {words.usd(scale * ends[1])}"
    )
    part = "" if ends is None else f"95 %: {words.share(ends[0])} to {words.share(ends[1])}"
    falls = tally.falls / found.requests
    better = found.quality_ends
    quality = (
        "" if better is None else f"95 %: {words.signed(better[0])} to {words.signed(better[1])}"
    )
    return (
        Card("requests", "Requests in shadow", words.count(n_requests), f"{words.usd(paid_usd)} paid"),
        Card("saved", "Would have been saved", words.usd(saved), money),
        Card("share", "Share of the spend", words.share(share), part),
        Card("quality", "Expected change of quality", words.signed(found.quality), quality),
        Card(
            "falls", "Quality predicted to fall", words.share(falls),
            f"by more than {FALL:g}: {words.count(tally.falls)} of {words.count(found.requests)}",
            tone="bad" if falls > 0.1 else "",
        ),
    )  # fmt: skip


def _remarks(tally: Tally, n_requests: int) -> tuple[str, ...]:
    told = []
    if tally.requests + tally.left_out < n_requests:
        told.append(
            f"From a sample of {words.count(tally.requests)} requests, spread evenly over the "
            "range; onehead report savings reads them all."
        )
    if tally.left_out:
        told.append(
            f"{words.count(tally.left_out)} requests are left out: their cost is unknown, or the "
            "router knows nothing of the model that answered."
        )
    return tuple(told)


def _moves(tally: Tally) -> Section:
    """From which model to which the traffic would have gone."""
    moves = sorted(tally.moves.values(), key=lambda one: (-one.requests, one.taken, one.other))
    rows = tuple(
        (
            one.taken,
            one.other,
            words.count(one.requests),
            words.share(one.requests / tally.requests),
            words.share(1 - one.other_usd / one.expected_usd)
            if one.expected_usd
            else words.NOTHING,
            words.signed(one.quality / one.requests),
            words.share(one.falls / one.requests),
        )
        for one in moves
    )
    header = (
        "answered", "router's choice", "requests", "share", "cheaper by", "change of quality",
        f"falls by more than {FALL:g}",
    )  # fmt: skip
    return Section(
        "moves", "Where the traffic would have gone", Table(header, rows, left=2),
        "By the estimates logged with each request.",
    )  # fmt: skip


def _falls(tally: Tally) -> Section:
    """The requests with the deepest predicted falls."""
    rows = tuple(
        (
            Link(one.decision_id, f"/ui/decisions/{one.decision_id}"),
            one.taken,
            one.other,
            words.signed(one.quality),
        )
        for one in tally.worst
    )
    reading = "Open one to see what was asked for. Feedback on such requests is worth most."
    return Section(
        "falls", "Where quality is predicted to fall most",
        Table(("decision", "answered", "router's choice", "change of quality"), rows, left=3),
        reading, empty="Nowhere in this range.",
    )  # fmt: skip
