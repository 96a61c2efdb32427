"""One decision: why this model, what else was weighed, what happened, and what was said of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.dashboard import words
from onehead.dashboard.document import Table
from onehead.dashboard.markup import Markup, h, join
from onehead.dashboard.shell import Frame, empty, facts, notice, page, table
from onehead.policy import Constraints, choose, explain

if TYPE_CHECKING:
    from onehead.dashboard.markup import Child
    from onehead.dashboard.visit import Visit
    from onehead.store import DecisionRecord, Feedback


def decision_page(visit: Visit) -> str:
    """One decision: why, what else was weighed, what happened, and what was said of it."""
    store = visit.context.log.store
    record = store.decision(visit.request.path_params["decision_id"])
    said = store.feedback(record.decision_id)
    chosen = f"chose {record.chosen}" if record.chosen else "nothing chosen"
    lead = f"{words.moment(record.at)} · {record.path} · {record.mode} · {chosen}"
    own = visit.own(record.key)
    return page(
        Frame("decisions", "A decision", lead, key=visit.name),
        h("p", {"class": "mono muted small"}, record.decision_id),
        h("h2", {}, "Why"),
        h("p", {}, _reason(record)),
        facts(_weighed(record)),
        _estimates(record),
        h("h2", {}, "What happened"),
        facts(_happened(record)),
        _attempts(record),
        h("h2", {}, "The prompt"),
        _prompt(record, own=own),
        h("h2", {"id": "feedback"}, "Feedback"),
        _feedback(record, said, own=own),
    )


def tag(one: DecisionRecord) -> Markup:
    """The outcome as a label."""
    kind = "tag good" if one.outcome == "ok" else "tag bad"
    return h(
        "span",
        {"class": kind},
        one.outcome if one.outcome == "ok" else f"{one.outcome} {one.status}",
    )


def _reason(one: DecisionRecord) -> str:
    """Why this model, in words, from what was logged."""
    if one.chosen is None:
        return (
            "The caller named the model, so nothing was chosen."
            if one.mode == "named" else "Nothing was chosen: the router did not get to decide."
        )  # fmt: skip
    rows = [
        (m, q, c) for m, q, c, _, why_not in one.estimates
        if why_not is None and q is not None and c is not None
    ]  # fmt: skip
    if one.willingness_to_pay is None or one.reward is None or not rows:
        return "The conversation stayed with the model that answered it before; nothing was estimated anew."
    ids = tuple(name for name, _, _ in rows)
    quality = np.array([[q for _, q, _ in rows]], np.float64)
    cost = np.array([[c for _, _, c in rows]], np.float64)
    floor = one.constraints.get("min_quality")
    constraints = Constraints(min_quality=floor)
    kind: Any = one.reward
    choice = choose(
        quality, cost, one.willingness_to_pay, kind=kind, constraints=constraints, ids=ids
    )
    told = explain(
        choice,
        0,
        quality,
        cost,
        one.willingness_to_pay,
        kind=kind,
        constraints=constraints,
        ids=ids,
    )
    if ids[int(choice.column[0])] != one.chosen:
        told += f" Yet {one.chosen} was chosen, to stay with the conversation's prompt cache."
    return told if floor is not None else told + _barred(one)


def _barred(one: DecisionRecord) -> str:
    """The model that would have been worth more, had it been eligible."""
    known = [
        (worth, name, why_not) for name, _, _, worth, why_not in one.estimates if worth is not None
    ]
    _, name, why_not = max(known, key=lambda entry: entry[0], default=(0.0, "", None))
    if why_not is None:
        return ""
    return f" {name} would have been worth more, but could not be chosen: {why_not}."


def _weighed(one: DecisionRecord) -> list[tuple[str, Child]]:
    bounds = "; ".join(
        f"{name} {', '.join(value) if isinstance(value, list) else value}"
        for name, value in one.constraints.items()
    )
    return [
        ("chosen", one.chosen or words.NOTHING),
        ("willingness to pay", words.usd(one.willingness_to_pay)),
        ("reward", one.reward or words.NOTHING),
        ("constraints", bounds or "none"),
        ("confidence", words.quality(one.confidence)),
        ("expected quality", words.quality(one.predicted_quality, 3)),
        ("expected cost", words.usd(one.predicted_cost_usd)),
        ("router", h("span", {"class": "mono"}, one.router or words.NOTHING)),
    ]


def _estimates(one: DecisionRecord) -> Markup | None:
    """What every model was expected to do, best reward first."""
    if not one.estimates:
        return None
    ranked = sorted(
        one.estimates,
        key=lambda e: (e[4] is not None, -(e[3] if e[3] is not None else -math.inf), e[0]),
    )
    rows = tuple(
        (
            f"{name} (chosen)" if name == one.chosen else name,
            words.quality(quality, 3),
            words.usd(cost),
            words.NOTHING if worth is None else f"{worth:.4f}".replace("-", "−"),
            why_not or "could be chosen",
        )
        for name, quality, cost, worth, why_not in ranked
    )
    header = ("model", "quality", "cost", "reward", "eligible")
    return join(
        h("h2", {}, "What the models were expected to do"),
        table(Table(header, rows, right=1), "Estimates of every model"),
    )


def _happened(one: DecisionRecord) -> list[tuple[str, Child]]:
    tokens = f"{words.count(one.input_tokens)} in, {words.count(one.output_tokens)} out"
    details = [
        f"{words.count(number)} {name}"
        for number, name in ((one.cached_tokens, "cached"), (one.reasoning_tokens, "reasoning"))
        if number
    ]
    if one.usage_estimated:
        details.append("estimated")
    return [
        ("answered by", one.model or "nobody"),
        ("outcome", tag(one)),
        ("error", one.error or "none"),
        ("cost", words.usd(one.cost_usd)),
        ("tokens", tokens + (f" ({', '.join(details)})" if details else "")),
        ("overhead", words.seconds(one.overhead_s)),
        ("first byte", words.seconds(one.first_byte_s)),
        ("whole", words.seconds(one.total_s)),
        ("asked for", f"{one.asked_model}{', streamed' if one.stream else ''}"),
        ("key", one.key or "none"),
        ("session", one.session or "none"),
        ("request id", h("span", {"class": "mono"}, one.request_id or words.NOTHING)),
    ]


def _attempts(one: DecisionRecord) -> Markup | None:
    if not one.attempts:
        return None
    rows = tuple(
        (
            str(attempt.get("model", "")),
            str(attempt.get("outcome", "")),
            str(attempt.get("status") or words.NOTHING),
            words.seconds(attempt.get("seconds")),
        )
        for attempt in one.attempts
    )
    return join(
        h("h3", {}, "Attempts"),
        table(Table(("model", "outcome", "status", "took"), rows, left=2), "Attempts"),
    )


def _prompt(one: DecisionRecord, *, own: bool) -> Markup:
    if not own:
        return empty("This prompt was sent with another key, whose texts are not shown here.")
    if one.prompt is not None:
        return h("pre", {"tabindex": "0"}, one.prompt)
    if one.prompt_hash is not None:
        return join(
            h(
                "p",
                {"class": "muted"},
                'Only its hash is kept; set store.prompts = "full" to keep texts.',
            ),
            h("pre", {}, one.prompt_hash),
        )
    return empty("Nothing of the prompt is kept.")


def _feedback(one: DecisionRecord, said: list[Feedback], *, own: bool) -> Markup:
    """Thumbs, and what was said already."""
    rows = tuple(
        (words.moment(each.at), each.source, f"{each.quality:g}", _comment(each, own=own))
        for each in said
    )
    known = (
        table(Table(("time", "by", "quality", "comment"), rows, left=4), "Feedback")
        if rows
        else None
    )
    if not own:
        return join(known, notice("Only the key that sent the request judges its answer."))
    return join(
        known,
        h(
            "div", {"class": "thumbs", "data-decision": one.decision_id},
            h("button", {"type": "button", "class": "quiet", "data-quality": "1"}, _thumb("up"), "good"),
            h("button", {"type": "button", "class": "quiet", "data-quality": "0"}, _thumb("down"), "bad"),
            h("label", {"for": "comment", "class": "sr"}, "Comment"),
            h("textarea", {"id": "comment", "rows": "1", "maxlength": "4000",
                           "placeholder": "comment, before you press a thumb"}),
            h("span", {"role": "status", "class": "muted small"}),
        ),
    )  # fmt: skip


def _comment(said: Feedback, *, own: bool) -> str:
    """What was said, for the key that sent the request: it may quote the prompt."""
    return (said.comment or "") if own else words.NOTHING


def _thumb(way: str) -> Markup:
    """A mark that every font has."""
    return h("span", {"aria-hidden": "true"}, "▲ " if way == "up" else "▼ ")
