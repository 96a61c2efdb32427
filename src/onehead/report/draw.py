"""Specifications become pictures: PNG, SVG, and SVG to be put into a page."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from onehead.errors import MissingExtraError
from onehead.report.theme import dark_rules

if TYPE_CHECKING:
    from types import ModuleType

VEGA_LITE = "6.4"
SHARPNESS = 2.0
"""Pixels of a PNG for each pixel of the specification."""


def png(spec: dict[str, Any]) -> bytes:
    """The chart as PNG."""
    drawn: bytes = _converter().vegalite_to_png(
        json.dumps(spec), vl_version=VEGA_LITE, scale=SHARPNESS
    )
    return drawn


def svg(spec: dict[str, Any]) -> str:
    """The chart as SVG."""
    drawn: str = _converter().vegalite_to_svg(json.dumps(spec), vl_version=VEGA_LITE)
    return drawn


def inline_svg(spec: dict[str, Any], name: str) -> str:
    """The chart as an element of a page: one image to assistive technology, told by its alt text.

    Ids are made unique by `name`; the parts lose their own roles and labels.
    """
    text = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{name}-", svg(spec))
    text = re.sub(r' (?:role|aria-[a-z]+)="[^"]*"', "", text)
    alt = spec["description"].replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    width = re.search(r'width="(\d+)', text)
    limit = f' style="max-width:{width[1]}px"' if width else ""
    text = re.sub(r'^(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", text, count=1)
    return text.replace("<svg ", f'<svg role="img" aria-label="{alt}"{limit} ', 1)


def stylesheet() -> str:
    """Styles that a page with inline charts needs: dark colours where the reader prefers them."""
    return f"@media (prefers-color-scheme: dark){{{dark_rules()}}}"


def _converter() -> ModuleType:
    try:
        import vl_convert
    except ImportError as error:
        raise MissingExtraError("drawing a report", "report") from error
    module: ModuleType = vl_convert
    return module
