"""The page of a comparison and its pictures, put beside the JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onehead.artifact.atomic import write_bytes
from onehead.bench.page import page
from onehead.bench.pictures import pictures
from onehead.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PAGE = "index.md"
FOLDER = "pictures"


def write_page(out: Path, document: dict[str, Any]) -> Path:
    """Write the page, with pictures where the extra ``report`` can draw them; returns its path."""
    try:
        drawn = draw(out / FOLDER, pictures(document))
    except MissingExtraError:
        drawn = set()
    text = page(document, lambda name: f"{FOLDER}/{name}.svg" if name in drawn else None)
    write_bytes(out / PAGE, text.encode())
    return out / PAGE


def draw(folder: Path, specs: Iterable[tuple[str, dict[str, Any]]]) -> set[str]:
    """Draw named specifications as SVG; returns their names. MissingExtraError without ``report``."""
    from onehead.report.draw import svg

    folder.mkdir(parents=True, exist_ok=True)
    names = set()
    for name, spec in specs:
        write_bytes(folder / f"{name}.svg", svg(spec).encode())
        names.add(name)
    return names
