"""What a page shows, before it is HTML or JSON: figures, charts with their tables, and remarks.

The page is drawn of it on the server, and its script asks for it again as JSON: one definition, so
that what is shown first and what is shown later cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Link:
    """A cell that leads to a page of the dashboard."""

    text: str
    href: str


Cell: TypeAlias = str | Link


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; the first cell names its row.

    left, right: columns of words at either end; those between hold figures
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left: int = 1
    right: int = 0

    def kind(self, column: int) -> str:
        """The class of a column's cells."""
        inside = self.left <= column < len(self.header) - self.right
        return "figure" if inside else "words"


@dataclass(frozen=True, slots=True)
class Card:
    """One figure. tone: "bad" where it asks for attention."""

    name: str
    label: str
    value: str
    note: str = ""
    tone: Literal["", "bad"] = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture with the table that says the same.

    reading: how to read it · half: whether it takes half the width
    draw: its specification at a width in pixels; None where there is nothing to draw
    empty: what stands in its place then
    """

    name: str
    title: str
    reading: str
    draw: Callable[[int], dict[str, Any]] | None
    table: Table | None = None
    half: bool = False
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A table of its own.

    folded: shown only when opened · empty: what stands in the place of a table without rows
    """

    name: str
    title: str
    table: Table
    reading: str = ""
    folded: bool = False
    empty: str = "Nothing in this range."


@dataclass(frozen=True, slots=True)
class Document:
    """All of a page's data, in the order shown.

    empty: why there is nothing to show; the rest is then left out
    """

    cards: tuple[Card, ...] = ()
    parts: tuple[Chart | Section, ...] = ()
    remarks: tuple[str, ...] = ()
    empty: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


def as_json(document: Document, full: int, half: int) -> dict[str, Any]:
    """A document for the page's script; charts at the widths that the page has for them."""
    charts, tables = {}, {}
    for part in document.parts:
        if isinstance(part, Chart):
            width = half if part.half else full
            charts[part.name] = None if part.draw is None else part.draw(width)
        if part.table is not None:
            tables[part.name] = [[_cell(cell) for cell in row] for row in part.table.rows]
    return {
        "empty": bool(document.empty),
        "shape": shape(document),
        "cards": {
            card.name: {"value": card.value, "note": card.note, "tone": card.tone}
            for card in document.cards
        },
        "charts": charts,
        "tables": tables,
        "remarks": list(document.remarks),
        **document.extra,
    }


def shape(document: Document) -> str:
    """What of a page its script cannot change; where this differs it loads the page anew."""
    drawn = [f"{part.name}{int(_full(part))}" for part in document.parts]
    return ",".join([str(int(bool(document.empty))), *drawn, *(c.name for c in document.cards)])


def _full(part: Chart | Section) -> bool:
    """Whether there is something to show, not only the words in its place."""
    return part.draw is not None if isinstance(part, Chart) else bool(part.table.rows)


def _cell(cell: Cell) -> Any:
    return {"text": cell.text, "href": cell.href} if isinstance(cell, Link) else cell
