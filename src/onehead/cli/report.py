"""`onehead report`: what the log says, as tables and pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onehead.cli.group import lazy_group
from onehead.cli.log import When, open_store, store_options
from onehead.cli.options import Place, json_option
from onehead.errors import UsageError

if TYPE_CHECKING:
    from onehead.dashboard.savings import Comparison, Tally
    from onehead.store import Store


@lazy_group(
    {"savings": "onehead.cli.report:savings", "log": "onehead.cli.report:log_pictures"},
    epilog="\b\nExample:\n  onehead report savings --store sqlite:///onehead.db",
)
def report() -> None:
    """Tell what routing saved, or draw what the log holds."""


_SINCE = click.option(
    "--since", type=When(), metavar="DATE", help="Only decisions made from then on (UTC)."
)


@click.command(epilog="\b\nExample:\n  onehead report savings --store sqlite:///onehead.db --json")
@store_options
@_SINCE
@json_option
def savings(
    *, url: str | None, config_path: str | None, since: float | None, as_json: bool
) -> None:
    """What routing saved against single models, and what it would have saved in shadow mode.

    Every decision is read. Expected costs scale what was really paid, so an error that all estimates
    share cancels; intervals are a bootstrap over requests. docs/dashboard.md has the formulas.
    """
    from onehead.cli.output import print_json, working

    with open_store(url, config_path) as store, working("reading the log"):
        routed, shadow = (_tally(store, mode, since) for mode in ("auto", "shadow"))
    if as_json:
        print_json({"since": since, "routed": _routed(routed), "shadow": _shadow(shadow)})
        return
    _show(routed, shadow)


@click.command(
    "log",
    epilog="\b\nExample:\n  onehead report log --store sqlite:///onehead.db --out pictures",
)
@store_options
@_SINCE
@click.option(
    "--out", required=True, type=Place(), metavar="DIR", help="Folder to put the pictures in."
)
@json_option
def log_pictures(
    *, url: str | None, config_path: str | None, since: float | None, out: str, as_json: bool
) -> None:
    """Draw the dashboard's overview: who answered, requests, spend, latency, overhead.

    Each picture is written as PNG and as SVG, beside its specification in Vega-Lite.
    """
    from onehead.cli.output import note, print_json
    from onehead.report import check_report_target

    check_report_target(out)
    with open_store(url, config_path) as store:
        files = _pictures(store, since)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    if as_json:
        print_json({"folder": out, "files": sorted(files)})
    else:
        note(f"{len(files)} files in {out}")


def _tally(store: Store, mode: str, since: float | None) -> Tally:
    from onehead.dashboard.savings import Tally
    from onehead.store import Filter

    return Tally(store.each(Filter(mode=mode, since=since)))


def _pictures(store: Store, since: float | None) -> dict[str, bytes]:
    """File name → content of every picture of the overview."""
    import json

    from onehead.dashboard.data.overview import overview
    from onehead.dashboard.document import Chart
    from onehead.dashboard.log import Log
    from onehead.dashboard.ranges import Range
    from onehead.report.draw import png, svg
    from onehead.report.theme import titled

    log, now = Log(lambda: store), time.time()
    start = since if since is not None else log.first()
    if start is None or start >= now:
        raise UsageError("the log holds no decision of that time, so there is nothing to draw.")
    totals = store.totals(start, now, 1).by_model()
    order = sorted(totals, key=lambda name: totals[name].cost_usd / max(totals[name].priced, 1))
    document = overview(log, Range("all", start, now), order, "")
    if document.empty:
        raise UsageError("the log holds no request of that time, so there is nothing to draw.")
    files = {}
    for part in document.parts:
        if isinstance(part, Chart) and part.draw is not None:
            spec = titled(part.draw(700), part.title, part.reading)
            files[f"{part.name}.json"] = json.dumps(spec, indent=1).encode()
            files[f"{part.name}.png"] = png(spec)
            files[f"{part.name}.svg"] = svg(spec).encode()
    return files


def _comparison(found: Comparison | None) -> dict[str, Any] | None:
    """A single model beside what was done, as JSON values."""
    if found is None:
        return None
    return {
        "model": found.model,
        "requests": found.requests,
        "paid_usd": found.paid_usd,
        "instead_usd": found.instead_usd,
        "saved_usd": found.saved_usd,
        "saved_usd_ci": found.saved_ends,
        "saved_share": found.saved_share,
        "saved_share_ci": found.share_ends,
        "quality_change": -found.quality,
    }


def _routed(tally: Tally) -> dict[str, Any]:
    """Routed requests as JSON values."""
    best, dearest = tally.best_single(), tally.dearest()
    return {
        "requests": tally.requests,
        "left_out": tally.left_out,
        "against_best_single": _comparison(tally.against(best)) if best else None,
        "against_dearest": _comparison(tally.against(dearest)) if dearest else None,
    }


def _shadow(tally: Tally) -> dict[str, Any]:
    """Requests in shadow mode as JSON values."""
    from onehead.dashboard.savings import FALL

    found = tally.against()
    head = {"requests": tally.requests, "left_out": tally.left_out}
    if found is None:
        return head
    return {
        **head,
        "paid_usd": found.paid_usd,
        "would_cost_usd": found.instead_usd,
        "would_save_usd": -found.saved_usd,
        "would_save_usd_ci": found.would_save_ends,
        "would_save_share": found.would_share,
        "would_save_share_ci": found.would_ends,
        "quality_change": found.quality,
        "quality_change_ci": found.quality_ends,
        "falls": tally.falls,
        "fall_threshold": FALL,
        "moves": [
            {
                "answered": move.taken,
                "chosen": move.other,
                "requests": move.requests,
                "paid_usd": move.paid_usd,
                "expected_cost_ratio": move.other_usd / move.expected_usd
                if move.expected_usd
                else None,
                "quality_change": move.quality / move.requests,
                "falls": move.falls,
            }
            for move in sorted(tally.moves.values(), key=lambda one: -one.requests)
        ],
        "worst": [one._asdict() for one in tally.worst],
    }


def _show(routed: Tally, shadow: Tally) -> None:
    """Both as tables."""
    from onehead.cli.output import note, show, table
    from onehead.dashboard import words

    parts: list[Any] = []
    if routed.requests:
        made = table(("routed, against", "requests", "paid", "saved", "share, 95 %", "quality"))
        for name in dict.fromkeys((routed.best_single(), routed.dearest())):
            found = routed.against(name) if name else None
            if found is not None:
                made.add_row(
                    found.model, words.count(found.requests), words.usd(found.paid_usd),
                    words.usd(found.saved_usd),
                    _ends(found.share_ends), words.signed(-found.quality),
                )  # fmt: skip
        parts.append(made)
    found = shadow.against()
    if found is not None:
        made = table(("in shadow", "requests", "paid", "would save", "share, 95 %", "quality"))
        made.add_row(
            "router", words.count(found.requests), words.usd(found.paid_usd),
            words.usd(-found.saved_usd),
            _ends(found.would_ends), words.signed(found.quality),
        )  # fmt: skip
        parts.append(made)
        parts.append(
            f"Quality is predicted to fall on {words.count(shadow.falls)} of "
            f"{words.count(shadow.requests)} requests."
        )
    if not parts:
        parts.append("No routed request with a known cost in the log.")
    left_out = routed.left_out + shadow.left_out
    if left_out:
        note(f"note: without a known cost or estimate, so left out: {left_out:,}")
    show(*parts)


def _ends(ends: tuple[float, float] | None) -> str:
    from onehead.dashboard import words

    return "" if ends is None else f"{words.share(ends[0])} to {words.share(ends[1])}"
