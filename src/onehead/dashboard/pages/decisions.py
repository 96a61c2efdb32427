"""Decisions: looking for them, page by page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from onehead.dashboard import words
from onehead.dashboard.markup import Markup, h
from onehead.dashboard.pages.decision import tag
from onehead.dashboard.ranges import NAMES, range_of
from onehead.dashboard.shell import Frame, empty, page
from onehead.errors import UsageError
from onehead.store import Filter

if TYPE_CHECKING:
    from onehead.dashboard.markup import Child
    from onehead.dashboard.visit import Visit
    from onehead.store import DecisionRecord, Page

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
        h("td", {}, tag(one)),
        h("td", {"class": "figure"}, words.usd(one.cost_usd)),
        h("td", {"class": "figure roomy"}, words.quality(one.predicted_quality)),
        h("td", {"class": "figure roomy"}, words.seconds(one.total_s)),
        h("td", {"class": "words roomy"}, one.asked_model or words.NOTHING),
    )  # fmt: skip


def _stood_in(one: DecisionRecord) -> Markup | None:
    if one.model is None or one.chosen is None or one.model == one.chosen:
        return None
    return h("span", {"class": "muted small"}, f" instead of {one.chosen}")


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
