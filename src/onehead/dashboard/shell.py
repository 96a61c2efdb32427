"""The frame of every page, and the pieces that pages are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onehead.dashboard.document import Chart, Document, Link, Section, shape
from onehead.dashboard.markup import Markup, h, join
from onehead.dashboard.ranges import NAMES, Range
from onehead.dashboard.static import CHARTS, address

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onehead.dashboard.document import Card, Cell, Table
    from onehead.dashboard.markup import Child

PAGES = (
    ("overview", "/ui/", "Overview"),
    ("playground", "/ui/playground", "Playground"),
    ("frontier", "/ui/frontier", "Frontier"),
    ("decisions", "/ui/decisions", "Decisions"),
    ("models", "/ui/models", "Models"),
    ("router", "/ui/router", "Router"),
    ("shadow", "/ui/shadow", "Shadow"),
)
_VEGA = ("vega.min.js", "vega-lite.min.js", "vega-embed.min.js", "charts.js")


@dataclass(frozen=True, slots=True)
class Frame:
    """What a page needs around its content.

    name: of the page, as in `PAGES` · lead: a sentence under its title
    scripts: of this page alone · charts: whether it draws any · key: who is logged in
    """

    name: str
    title: str
    lead: str = ""
    scripts: tuple[str, ...] = ()
    charts: bool = False
    key: str | None = None
    bare: bool = False


def page(frame: Frame, *content: Child) -> str:
    """A whole page."""
    scripts = ("page.js", *(_VEGA if frame.charts else ()), *frame.scripts)
    head = h(
        "head", {},
        h("meta", {"charset": "utf-8"}),
        h("meta", {"name": "viewport", "content": "width=device-width,initial-scale=1"}),
        h("meta", {"name": "color-scheme", "content": "light dark"}),
        h("title", {}, f"{frame.title} · onehead"),
        h("link", {"rel": "icon", "href": address("icon.svg"), "type": "image/svg+xml"}),
        h("script", {"src": address("theme.js")}),
        [
            h("link", {"rel": "stylesheet", "href": address(name)})
            for name in ("style.css", *((CHARTS,) if frame.charts else ()))
        ],
        [h("script", {"src": address(name), "defer": True}) for name in scripts],
    )  # fmt: skip
    body = h(
        "body", {},
        h("a", {"class": "skip", "href": "#content"}, "Skip to the content"),
        _header(frame),
        h(
            "main", {"id": "content", "tabindex": "-1"},
            h("h1", {}, frame.title),
            h("p", {"class": "lead"}, frame.lead) if frame.lead else None,
            *content,
        ),
        h(
            "footer", {},
            "onehead · times are UTC · ",
            h("a", {"href": "/v1/models"}, "/v1/models"), " · ",
            h("a", {"href": "/metrics"}, "/metrics"),
        ) if not frame.bare else None,
    )  # fmt: skip
    return f"<!doctype html>\n{h('html', {'lang': 'en'}, head, body)}\n"


def range_picker(place: str, chosen: Range, *, live: bool) -> Markup:
    """Links to the same page over other ranges, and the switch of its refreshing."""
    links = [
        h(
            "a",
            {"href": f"{place}?range={name}", "aria-current": "true" if name == chosen.name else None},
            name,
        )
        for name in NAMES
    ]  # fmt: skip
    switch = h(
        "button",
        {"type": "button", "id": "live", "class": "quiet", "aria-pressed": "true", "hidden": True},
        h("span", {"class": "dot", "aria-hidden": "true"}), "live",
    )  # fmt: skip
    return h(
        "div", {"class": "bar"},
        h("nav", {"class": "segments", "aria-label": "Time range"}, *links),
        switch if live else None,
        h("span", {"id": "updated", "class": "muted small"}),
    )  # fmt: skip


def shown(document: Document, source: str) -> Markup:
    """A document as HTML; `source` is where the page's script asks for it again."""
    if document.empty:
        inner: Child = empty(document.empty)
    else:
        inner = [_cards(document.cards), _parts(document.parts)]
    return h(
        "div", {"id": "document", "data-source": source, "data-shape": shape(document)},
        h("p", {"id": "trouble", "class": "notice bad", "role": "status", "hidden": True}),
        h("ul", {"id": "remarks", "class": "remarks"}, [h("li", {}, one) for one in document.remarks]),
        inner,
    )  # fmt: skip


def empty(message: str) -> Markup:
    """What stands where there is nothing to show: why, and how to get something.

    A text between backquotes is shown as code.
    """
    parts = [
        h("code", {}, part) if place % 2 else part for place, part in enumerate(message.split("`"))
    ]
    return h("div", {"class": "empty"}, h("p", {}, *parts))


def notice(message: str, *, bad: bool = False) -> Markup:
    """A remark that stands out."""
    return h("p", {"class": "notice bad" if bad else "notice", "role": "status"}, message)


def table(data: Table, label: str, name: str = "") -> Markup:
    """A table that can be scrolled by itself where the page is narrow."""
    head = [
        h("th", {"scope": "col", "class": data.kind(place)}, text)
        for place, text in enumerate(data.header)
    ]
    rows = [
        h("tr", {}, [
            h("th", {"scope": "row"}, cell(one)) if place == 0
            else h("td", {"class": data.kind(place)}, cell(one))
            for place, one in enumerate(row)
        ])
        for row in data.rows
    ]  # fmt: skip
    return h(
        "div", {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": f"{label}: table"},
        h(
            "table", {"data-table": name or None, "data-left": data.left, "data-right": data.right},
            h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows),
        ),
    )  # fmt: skip


def cell(one: Cell) -> Child:
    """What a cell holds."""
    return h("a", {"href": one.href}, one.text) if isinstance(one, Link) else one


def facts(pairs: Sequence[tuple[str, Child]]) -> Markup:
    """Names with what they stand for."""
    rows = [h("div", {}, h("dt", {}, name), h("dd", {}, value)) for name, value in pairs]
    return h("dl", {"class": "facts"}, rows)


def _header(frame: Frame) -> Markup:
    links = [
        h("a", {"href": href, "aria-current": "page" if name == frame.name else None}, title)
        for name, href, title in PAGES
    ]
    toggle = h(
        "button", {"type": "button", "id": "theme", "class": "quiet", "hidden": True}, "theme"
    )
    leave = h(
        "form", {"method": "post", "action": "/ui/logout"},
        h("button", {"class": "quiet"}, "log out", h("span", {"class": "sr"}, f" of {frame.key}")),
    )  # fmt: skip
    return h(
        "header", {},
        h("a", {"class": "brand", "href": "/ui/"}, "onehead"),
        None if frame.bare else h("nav", {"class": "pages", "aria-label": "Pages"}, links),
        h("div", {"class": "tools"}, toggle, leave if frame.key is not None else None),
    )  # fmt: skip


def _cards(cards: Sequence[Card]) -> Markup | None:
    if not cards:
        return None
    items = [
        h(
            "div", {"data-card": card.name, "class": card.tone or None},
            h("dt", {}, card.label),
            h("dd", {}, h("span", {}, card.value), h("small", {}, card.note)),
        )
        for card in cards
    ]  # fmt: skip
    return h("dl", {"class": "cards" if len(items) % 4 else "cards four"}, items)


def _parts(parts: Sequence[Chart | Section]) -> Markup:
    """Charts and tables in order; neighbours of half width stand side by side."""
    blocks: list[Markup] = []
    pair: list[Markup] = []
    for part in parts:
        half = isinstance(part, Chart) and part.half
        if not half and pair:
            blocks.append(h("div", {"class": "pair"}, pair))
            pair = []
        made = _chart(part) if isinstance(part, Chart) else _section(part)
        (pair if half else blocks).append(made)
    if pair:
        blocks.append(h("div", {"class": "pair"}, pair))
    return join(*blocks)


def _chart(chart: Chart) -> Markup:
    """A figure whose picture the page's script draws; its table is there without."""
    heading = f"chart-{chart.name}"
    if chart.draw is None:
        return h(
            "section", {"aria-labelledby": heading},
            h("h2", {"id": heading}, chart.title), empty(chart.empty),
        )  # fmt: skip
    return h(
        "section", {"aria-labelledby": heading},
        h("h2", {"id": heading}, chart.title),
        h("p", {"class": "reading"}, chart.reading),
        h("figure", {"class": "half" if chart.half else "full", "data-chart": chart.name}),
        None if chart.table is None else _folded(chart.table, f"{chart.title}: figures", chart.name),
    )  # fmt: skip


def _section(section: Section) -> Markup:
    if section.folded:
        return _folded(section.table, section.title, section.name)
    heading = f"table-{section.name}"
    rows = bool(section.table.rows)
    return h(
        "section", {"aria-labelledby": heading},
        h("h2", {"id": heading}, section.title),
        h("p", {"class": "reading"}, section.reading) if section.reading and rows else None,
        table(section.table, section.title, section.name) if rows else empty(section.empty),
    )  # fmt: skip


def _folded(data: Table, title: str, name: str) -> Markup:
    return h("details", {}, h("summary", {}, title), table(data, title, name))
