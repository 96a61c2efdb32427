"""Places text beside points so that labels cover neither each other nor the points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onehead.report.theme import CHARACTER, FONT_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Label:
    """A text with its anchor, in pixels from the upper left corner of the plot.

    align: which end of the text stands at x, as in Vega-Lite
    """

    text: str
    x: float
    y: float
    align: str


def place(
    wanted: Sequence[tuple[str, float, float]],
    points: Iterable[tuple[float, float]],
    width: float,
    height: float,
    *,
    size: float = FONT_SIZE,
) -> list[Label]:
    """Labels for `wanted` (text, x, y), the first being the most important.

    Each goes right, left, above or below its point, wherever it first touches nothing placed
    before, none of `points` and no border; a label that fits nowhere is left out.
    """
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    placed = []
    for text, x, y in wanted:
        for label in _candidates(text, x, y, size):
            box = _box(label, size)
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= width and box[3] <= height
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                placed.append(label)
                break
    return placed


def _candidates(text: str, x: float, y: float, size: float) -> Iterator[Label]:
    for away in (1.0, 1.7):
        near, line = size * 0.7 * away, size * 1.0 * away
        yield Label(text, x + near, y, "left")
        yield Label(text, x - near, y, "right")
        yield Label(text, x, y - line, "center")
        yield Label(text, x, y + line, "center")
        for align, side in (("left", near / 2), ("right", -near / 2)):
            yield Label(text, x + side, y - line, align)
            yield Label(text, x + side, y + line, align)


def _box(label: Label, size: float) -> Box:
    length = len(label.text) * size * CHARACTER
    left = label.x - {"left": 0.0, "center": length / 2, "right": length}[label.align]
    return left, label.y - size / 2, left + length, label.y + size / 2


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
