"""The report as one page that needs nothing else: no scripts, no fonts, no network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from onehead.report import tables
from onehead.report.draw import inline_svg, stylesheet
from onehead.report.theme import INK, MUTED, PAPER, ROUTER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onehead.evaluation import Evaluation
    from onehead.report.figures import Figure
    from onehead.report.tables import Table

WIDE, NARROW = 700, 300
"""Widths that each picture is drawn at: for a desk and for a phone, text at full size on both."""

_PAIR = ("reliability", "cost")
"""Small pictures that stand side by side where there is room."""

_STYLE = f"""
:root{{color-scheme:light dark;--ink:{INK};--muted:{MUTED};--paper:{PAPER};--line:#e3e6e9;
--accent:{ROUTER};--card:#f6f8fa}}
@media (prefers-color-scheme:dark){{:root{{--ink:#e6edf3;--muted:#9aa5b1;--paper:#14181d;
--line:#2d333b;--accent:#56b4e9;--card:#1b2027}}}}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}}
main{{max-width:52rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}}
h1{{font-size:1.9rem;line-height:1.2;margin:0 0 .3rem;letter-spacing:-.01em}}
h2{{font-size:1.2rem;margin:3rem 0 .2rem}}
p{{margin:.2rem 0 1rem;color:var(--muted);max-width:42rem}}
.cards{{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.75rem;
margin:1.6rem 0 0}}
.cards div{{background:var(--card);border-radius:.6rem;padding:.8rem 1rem}}
.cards dt{{color:var(--muted);font-size:.82rem}}
.cards dd{{margin:0;font-size:1.55rem;font-weight:600;font-variant-numeric:tabular-nums}}
.cards small{{display:block;font-size:.78rem;font-weight:400;color:var(--muted)}}
figure{{margin:1rem 0 0}}
svg{{display:block;width:100%;height:auto;overflow:visible}}
.pair{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));
gap:0 2.5rem}}
.narrow{{display:none}}
@media (max-width:46rem){{.wide{{display:none}}.narrow{{display:block}}}}
.scroll{{overflow-x:auto}}
@media (max-width:30rem){{.scroll table{{font-size:.86rem}}table thead th{{white-space:normal}}
table :is(th,td){{padding-right:.5rem}}table :is(th,td):last-child{{padding-right:0}}
table :is(th,td):first-child{{min-width:7.5rem}}}}
table{{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}}
th,td{{padding:.4rem .8rem .4rem 0;text-align:right;border-bottom:1px solid var(--line);
white-space:nowrap}}
th:first-child,td:first-child{{text-align:left;white-space:normal;min-width:10rem}}
thead th{{font-weight:500;color:var(--muted);font-size:.82rem;vertical-align:bottom}}
tbody th{{font-weight:400}}
details{{margin-top:.8rem}}
summary{{cursor:pointer;color:var(--accent)}}
a{{color:var(--accent)}}
ul{{padding-left:1.2rem;color:var(--muted)}}
"""


def page(evaluation: Evaluation, title: str, pictures: Sequence[Figure]) -> str:
    """The whole page."""
    extra = {
        "curve": _details("All single models", tables.models(evaluation)),
        "tasks": _details("All tasks", tables.tasks(evaluation)),
    }
    sections = {
        picture.name: f"<section>{_section(picture)}{extra.get(picture.name, '')}</section>"
        for picture in pictures
    }
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{tables.size(evaluation)}.</p>",
        _cards(evaluation),
        *(section for name, section in sections.items() if name not in _PAIR),
        f'<div class="pair">{"".join(sections.get(name, "") for name in _PAIR)}</div>',
        "<h2>Beside its controls</h2>",
        _table(tables.controls(evaluation)),
        "<h2>All figures</h2>",
        "<p>Intervals: 95 %, paired bootstrap over prompts.</p>",
        _table(tables.summary(evaluation)),
        _remarks(evaluation),
        _files(pictures),
    ]
    content = "\n".join(body)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}{stylesheet()}</style></head>\n"
        f"<body><main>\n{content}\n</main></body></html>\n"
    )


def _cards(evaluation: Evaluation) -> str:
    known = evaluation.intervals
    cards = (
        ("AIQ", tables.three(evaluation.aiq), tables.ends(known.get("aiq"))),
        (
            "above the zero router",
            tables.signed(evaluation.margin("zero_router")),
            tables.ends(known.get("aiq_minus_zero_router"), tables.signed),
        ),
        (
            "maximum quality",
            tables.three(evaluation.max_quality),
            tables.ends(known.get("max_quality")),
        ),
        (
            "cost to match the best",
            tables.share(evaluation.cost_to_match_best),
            tables.ends(known.get("cost_to_match_best"), tables.share),
        ),
    )
    items = (
        f"<div><dt>{name}</dt><dd>{value}<small>{interval or '&nbsp;'}</small></dd></div>"
        for name, value, interval in cards
    )
    return f'<dl class="cards">{"".join(items)}</dl>'


def _section(picture: Figure) -> str:
    variants = "".join(
        f'<div class="{name}">{inline_svg(picture.draw(width), f"{picture.name}-{name}")}</div>'
        for name, width in (("wide", WIDE), ("narrow", NARROW))
    )
    return (
        f"<h2>{escape(picture.title)}</h2>\n<p>{escape(picture.reading)}</p>\n"
        f"<figure>{variants}</figure>\n"
    )


def _table(table: Table) -> str:
    header = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    rows = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{header}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _details(words: str, table: Table) -> str:
    return f"<details><summary>{escape(words)}</summary>{_table(table)}</details>"


def _remarks(evaluation: Evaluation) -> str:
    """What was left out, and what could not be said."""
    left, remarks = evaluation.left_out, list(evaluation.notes)
    if left.models:
        remarks.append(f"left out for missing outcomes: {', '.join(left.models)}")
    if left.n_prompts:
        remarks.append(f"left out: {left.n_prompts:,} prompts without every model's outcome")
    if not remarks:
        return ""
    items = "".join(f"<li>{escape(remark)}</li>" for remark in remarks)
    return f"<h2>Left out</h2><ul>{items}</ul>"


def _files(pictures: Sequence[Figure]) -> str:
    names = ["figures.json", "curve.csv", "models.csv", "tasks.csv"]
    names += [f"{picture.name}.{kind}" for picture in pictures for kind in ("png", "svg")]
    links = " · ".join(f'<a href="{name}">{name}</a>' for name in names)
    return f"<h2>Files</h2><p>{links}</p>"
