"""The pages and their documents: which there are, and what each is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onehead.dashboard.data.frontier import frontier
from onehead.dashboard.data.models import models
from onehead.dashboard.data.overview import overview
from onehead.dashboard.data.router import router
from onehead.dashboard.data.shadow import shadow
from onehead.dashboard.document import as_json
from onehead.dashboard.pages.decision import decision_page
from onehead.dashboard.pages.decisions import decisions_page
from onehead.dashboard.pages.playground import playground_page
from onehead.dashboard.shell import Frame, page, range_picker, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from onehead.dashboard.document import Document
    from onehead.dashboard.visit import Visit

    Made = Callable[[Visit], Document]


def _overview(visit: Visit) -> Document:
    context = visit.context
    return overview(context.log, visit.range, context.by_cost, context.command(visit.base))


_LEADS = {
    "overview": ("Overview", "What was asked, what it cost, and what routing saved."),
    "frontier": ("Frontier", "What more money would buy, as the router expects it."),
    "models": ("Models", "Prices, limits, health, and whether estimates are kept."),
    "router": ("Router", "Which router decides, how it did, and whether its estimates drift."),
    "shadow": ("Shadow", "What the router would have done with traffic that went elsewhere."),
}
_MADE: dict[str, Made] = {
    "overview": _overview,
    "frontier": lambda visit: frontier(visit.context, visit.range),
    "models": lambda visit: models(visit.context, visit.range),
    "router": lambda visit: router(visit.context, visit.range),
    "shadow": lambda visit: shadow(visit.context, visit.range),
}
_PLACES = {name: "/ui/" if name == "overview" else f"/ui/{name}" for name in _MADE}


def _document(name: str) -> Callable[[Visit], dict[str, Any]]:
    def told(visit: Visit) -> dict[str, Any]:
        made = _MADE[name](visit)
        return as_json(made, visit.width("full", 700), visit.width("half", 340))

    return told


def _page(name: str) -> Callable[[Visit], str]:
    title, lead = _LEADS[name]

    def seen(visit: Visit) -> str:
        chosen = visit.range
        return page(
            Frame(name, title, lead, charts=True, key=visit.name),
            range_picker(_PLACES[name], chosen, live=True),
            shown(_MADE[name](visit), f"/ui/api/{name}?range={chosen.name}"),
        )

    return seen


DOCUMENTS: dict[str, Callable[[Visit], dict[str, Any]]] = {name: _document(name) for name in _MADE}
PAGES: dict[str, Callable[[Visit], str]] = {
    **{_PLACES[name]: _page(name) for name in _MADE},
    "/ui/playground": playground_page,
    "/ui/decisions": decisions_page,
    "/ui/decisions/{decision_id}": decision_page,
}
