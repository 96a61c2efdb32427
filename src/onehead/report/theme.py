"""Colours and type of every chart, for light and for dark backgrounds.

The categorical colours are Okabe and Ito's, told apart with any colour vision; series differ in
shape or dash as well. A chart is always drawn in the light colours; `dark_rules` turns them into
the dark ones where the reader's system prefers those, so that one SVG serves both.
"""

from __future__ import annotations

from typing import Any

INK = "#1f2328"
MUTED = "#5c6670"
GRID = "#e3e6e9"
PAPER = "#ffffff"
ROUTER = "#0072b2"
TASK = "#009e73"
ORACLE = "#d55e00"
SINGLE = "#8c959f"

_DARK = {
    INK: "#e6edf3",
    MUTED: "#9aa5b1",
    GRID: "#2d333b",
    PAPER: "#14181d",
    ROUTER: "#56b4e9",
    TASK: "#2cc295",
    ORACLE: "#ff9248",
    SINGLE: "#77818c",
}

# From cheap to dear; light enough at both ends to stand on white and on near-black.
COST_RAMP = ("#f2d675", "#b5d07a", "#6fc08b", "#3fa79a", "#3a8aa3", "#4a6ca3", "#6a4f97")
OTHERS = "#b8bfc6"
CHARACTER = 0.6
"""Mean width of a character in font sizes: of the widest font that may stand in for FONT, so that
labels keep apart on every machine."""

ON_LIGHT = "#17202a"
ON_DARK = "#fdfdfd"

FONT = "Inter, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"
FONT_SIZE = 12


def ramp(position: float) -> str:
    """The colour at `position` in [0, 1] of COST_RAMP, interpolated in RGB."""
    scaled = min(max(position, 0.0), 1.0) * (len(COST_RAMP) - 1)
    low = min(int(scaled), len(COST_RAMP) - 2)
    share = scaled - low
    mixed = (
        round(a + (b - a) * share)
        for a, b in zip(_rgb(COST_RAMP[low]), _rgb(COST_RAMP[low + 1]), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def text_on(colour: str) -> str:
    """A text colour that reads on `colour` (relative luminance of WCAG 2)."""
    linear = [(channel / 255) ** 2.2 for channel in _rgb(colour)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return ON_LIGHT if luminance > 0.22 else ON_DARK


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def dark_rules() -> str:
    """CSS that turns the light colours of an SVG into the dark ones."""
    return "".join(
        f'svg [{attribute}="{light}"]{{{attribute}:{dark}}}'
        for light, dark in _DARK.items()
        for attribute in ("fill", "stroke")
    )


def chart(width: int, height: int, description: str, **parts: Any) -> dict[str, Any]:
    """A Vega-Lite specification in this theme; `parts` are its layers, data or concatenation."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": description,
        "width": width,
        "height": height,
        "config": CONFIG,
        **parts,
    }


def titled(spec: dict[str, Any], title: str, subtitle: str) -> dict[str, Any]:
    """The same chart as a picture that stands alone: with a title, on paper."""
    head = {"text": title, "subtitle": subtitle}
    return {**spec, "title": head, "background": PAPER, "padding": 16}


CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": FONT,
    "padding": 4,
    "view": {"stroke": None},
    "title": {
        "anchor": "start",
        "frame": "group",
        "color": INK,
        "fontSize": 16,
        "fontWeight": 600,
        "subtitleColor": MUTED,
        "subtitleFontSize": 12,
        "subtitlePadding": 5,
        "offset": 14,
    },
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": GRID,
        "labelColor": MUTED,
        "labelFontSize": 11,
        "labelPadding": 6,
        "titleColor": MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
    },
    "text": {"color": INK, "fontSize": FONT_SIZE},
    "legend": {"labelColor": MUTED, "titleColor": MUTED, "labelFontSize": 11},
}
