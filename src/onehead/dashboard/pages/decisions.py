"""Decisions: looking for them, page by page, and one of them in full."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np

from onehead.dashboard import words
from onehead.dashboard.document import Table
from onehead.dashboard.markup import Markup, h, join
from onehead.dashboard.ranges import NAMES, range_of
from onehead.dashboard.shell import Frame, empty, facts, notice, page, table
from onehead.errors import UsageError
from onehead.policy import Constraints, choose, explain
from onehead.store import Filter

if TYPE_CHECKING:
    from onehead.dashboard.markup import Child
    from onehead.dashboard.visit import Visit
    from onehead.store import DecisionRecord, Feedback, Page

_ROWS = 50
_MODES = ("auto", "named", "shadow", "decision", "fallback")
_OUTCOMES = ("ok", "error", "cancelled", "broken", "refused")
_PREVIEW = 90


def decisions_page(visit: Visit) -> str:
    """The newest decisions that fit the filter."""
    wanted, chosen = _filter(visit)
    found = visit.context.log.store.decisions(wanted, limit=_ROWS, before=visit.asked("before"))
    texts = visit.context.state.config.store.prompts == "full"
    content: list[Child] = [_form(visit, chosen, texts=texts)]
    if found.decisions:
        content.append(_list(visit, found))
    elif found.complete:
        content.append(empty(_nothing(visit, wanted)))
    else:
        content.append(empty("Nothing in the part that was searched; the search goes on below."))
    content.append(_next(visit, found))
    lead = "Every request with what was weighed, newest first."
    return page(Frame("decisions", "Decisions", lead, key=visit.name), *content)


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


def _filter(visit: Visit) -> tuple[Filter, str]:
    """The filter in a page's address."""
    name = visit.asked("range") or "all"
    if name not in NAMES:
        range_of(name)
    since = None if name == "all" else range_of(name).since
    text = visit.asked("text")
    least = visit.asked("min_cost")
    key = visit.asked("key")
    if text is not None and visit.key is not None:
        key = visit.key.name  # the texts of others are not there to be searched
    return (
        Filter(
            model=visit.asked("model"), key=key, mode=visit.asked("mode"),
            outcome=visit.asked("outcome"), session=visit.asked("session"), text=text, since=since,
            min_cost_usd=None if least is None else _amount(least),
            failed=visit.asked("failed") is not None,
        ),
        name,
    )  # fmt: skip


def _amount(text: str) -> float:
    try:
        amount = float(text.removeprefix("$"))
    except ValueError:
        amount = math.nan
    if not 0 <= amount < math.inf:
        raise UsageError(f"{text[:40]!r} is no amount of USD, such as 0.01.")
    return amount


def _form(visit: Visit, chosen: str, *, texts: bool) -> Markup:
    """The filter as a form, which needs no script."""

    def pick(name: str, label: str, options: tuple[str, ...], now: str | None) -> Markup:
        entries = [h("option", {"value": "", "selected": not now}, "any")]
        entries += [h("option", {"value": one, "selected": one == now}, one) for one in options]
        return _labelled(name, label, h("select", {"id": name, "name": name}, entries))

    def field(name: str, label: str, hint: str = "") -> Markup:
        entry = {"id": name, "name": name, "value": visit.asked(name), "placeholder": hint}
        return _labelled(name, label, h("input", entry))

    context = visit.context
    keys = tuple(key.name for key in context.app.config.keys)
    ranges = [h("option", {"value": one, "selected": one == chosen}, one) for one in NAMES]
    return h(
        "form", {"class": "filters", "method": "get", "action": "/ui/decisions", "role": "search"},
        _labelled("text", "Text of the prompt", h("input", {
            "id": "text", "name": "text", "type": "search", "value": visit.asked("text"),
            "disabled": not texts,
            "placeholder": "" if texts else 'needs prompts = "full"',
        }), wide=True),
        pick("model", "Answered by", tuple(context.by_cost), visit.asked("model")),
        pick("mode", "Mode", _MODES, visit.asked("mode")),
        pick("outcome", "Outcome", _OUTCOMES, visit.asked("outcome")),
        pick("key", "Key", keys, visit.asked("key")) if keys else None,
        field("session", "Session"),
        field("min_cost", "Cost at least, USD", "0.01"),
        _labelled("range", "Time", h("select", {"id": "range", "name": "range"}, ranges)),
        h("button", {}, "Search"),
    )  # fmt: skip


def _labelled(name: str, label: str, control: Markup, *, wide: bool = False) -> Markup:
    kind = "wide" if wide else None
    return h("div", {"class": kind}, h("label", {"for": name}, label), control)


def _list(visit: Visit, found: Page) -> Markup:
    """The decisions as a table; a narrow page leaves out what one can do without."""
    head = [
        h("th", {"scope": "col", "class": kind}, text)
        for text, kind in (
            ("time, UTC", None),
            ("prompt", None),
            ("answered by", None),
            ("outcome", None),
            ("cost", "figure"),
            ("expected quality", "figure roomy"),
            ("latency", "figure roomy"),
            ("asked for", "roomy"),
        )
    ]
    return h(
        "div",
        {"class": "scroll tall", "tabindex": "0", "role": "region", "aria-label": "Decisions"},
        h(
            "table", {"data-table": "decisions"},
            h("thead", {}, h("tr", {}, head)),
            h("tbody", {}, [_row(visit, one) for one in found.decisions]),
        ),
    )  # fmt: skip


def _row(visit: Visit, one: DecisionRecord) -> Markup:
    address = f"/ui/decisions/{one.decision_id}"
    preview = _preview(one) if visit.own(one.key) else "of another key"
    day, clock, _ = words.moment(one.at).split(" ")
    return h(
        "tr", {},
        h("th", {"scope": "row", "class": "time"}, h("a", {"href": address}, h("span", {"class": "whole"}, day), " ", clock)),
        h("td", {"class": "wrap muted"}, preview),
        h("td", {"class": "words"}, one.model or words.NOTHING, _stood_in(one)),
        h("td", {}, _tag(one)),
        h("td", {"class": "figure"}, words.usd(one.cost_usd)),
        h("td", {"class": "figure roomy"}, words.quality(one.predicted_quality)),
        h("td", {"class": "figure roomy"}, words.seconds(one.total_s)),
        h("td", {"class": "words roomy"}, one.asked_model or words.NOTHING),
    )  # fmt: skip


def _stood_in(one: DecisionRecord) -> Markup | None:
    if one.model is None or one.chosen is None or one.model == one.chosen:
        return None
    return h("span", {"class": "muted small"}, f" instead of {one.chosen}")


def _tag(one: DecisionRecord) -> Markup:
    kind = "tag good" if one.outcome == "ok" else "tag bad"
    return h(
        "span",
        {"class": kind},
        one.outcome if one.outcome == "ok" else f"{one.outcome} {one.status}",
    )


def _preview(one: DecisionRecord) -> str:
    if one.prompt is None:
        return "not kept" if one.prompt_hash is None else f"hash {one.prompt_hash[:12]}"
    text = " ".join(one.prompt.split())
    return text if len(text) <= _PREVIEW else f"{text[: _PREVIEW - 1]}…"


def _next(visit: Visit, found: Page) -> Markup | None:
    """The way to older decisions, by the last one's id: quick however many there are."""
    if found.before is None:
        return None
    kept = {name: value for name, value in visit.request.query_params.items() if name != "before"}
    address = f"/ui/decisions?{urlencode({**kept, 'before': found.before})}"
    words_ = "Older decisions" if found.complete else "Search on, in older decisions"
    return h("p", {}, h("a", {"class": "button quiet", "rel": "next", "href": address}, words_))


def _nothing(visit: Visit, wanted: Filter) -> str:
    """Why a list is empty."""
    if wanted == Filter() and visit.asked("before") is None:
        return f"No decisions yet. Send a request: `{visit.context.command(visit.base)}`"
    return "No decision fits this search. Widen the time, or leave a field open."


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
    return told


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
        ("outcome", _tag(one)),
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
