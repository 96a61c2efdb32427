"""What a page shows beside the main comparison: ablations, learning curves, tight compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onehead.bench.contenders import ABLATIONS, OURS
from onehead.bench.document import main_rows
from onehead.bench.limits import TIGHT_MB
from onehead.bench.markdown import NOTHING, markdown, mean, number, rate_of, signed, with_interval
from onehead.bench.rows import Entry, Row, by_recipe, main, margin, name_of, seeds_of, values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def sections(name: str, entry: Entry, pictures: Callable[[str], str | None]) -> Iterator[str]:
    """The learning curves and the tight rows of one table, where there are any."""
    for encoder in entry["encoders"]:
        if learning_rows(entry, encoder):
            yield _learning(entry, encoder, pictures(f"learning-{name}-{encoder}"))
    if any(row["tight"] for row in entry["rows"]):
        yield _tight(entry)


def ablations(entry: Entry, encoder: str) -> str:
    """Our recipe less one part each."""
    found = entry["differences"].get(encoder, {})
    rows = [row for row in main_rows(entry, encoder) if row["recipe"] in (OURS, *ABLATIONS)]
    lines = []
    for recipe, own in by_recipe(rows):
        gap = found.get("ours_minus", {}).get(recipe)
        turned = gap and {
            "mean": -gap["mean"],
            "interval": [-gap["interval"][1], -gap["interval"][0]],
        }
        lines.append(
            [
                ABLATIONS[recipe][0] if recipe in ABLATIONS else f"`{OURS}` as it is",
                margin(found, "minus_zero_router", recipe),
                with_interval(turned) if turned else NOTHING,
                mean(values(own, lambda row: row["quality"]["brier"])),
                mean(values(own, lambda row: row["quality"]["ece"])),
            ]
        )
    header = ["ablation", "AIQ minus zero router", f"minus `{OURS}`", "Brier", "ECE"]
    return markdown(header, lines)


def learning_rows(entry: Entry, encoder: str) -> list[Row]:
    """Rows of the recipes that were learned from several shares of the prompts."""
    rows = [
        row
        for row in entry["rows"]
        if row["encoder"] == encoder and not row["tight"] and "failed" not in row
    ]
    partial = {(row["recipe"], row["seed"]) for row in rows if row["fraction"] < 1}
    return [row for row in rows if (row["recipe"], row["seed"]) in partial]


def _learning(entry: Entry, encoder: str, picture: str | None) -> str:
    """AIQ above the zero router by share of the prompts."""
    rows = learning_rows(entry, encoder)
    shares = sorted({row["fraction"] for row in rows})
    size = {row["fraction"]: row["n_train"] for row in rows}
    lines = [
        [
            name_of(recipe),
            *(_gain([row for row in own if row["fraction"] == share]) for share in shares),
        ]
        for recipe, own in by_recipe(rows)
    ]
    shown = (
        f"![AIQ above the zero router by prompts learned from]({picture})\n\n" if picture else ""
    )
    return (
        f"**Learning curves.** AIQ minus zero router by how many prompts the recipe learned and tuned "
        f"itself on; encoder `{encoder}`, {seeds_of(rows)}.\n\n{shown}"
        + markdown(["recipe", *(f"{share * 100:g} % ({size[share]:,})" for share in shares)], lines)
    )


def gain(row: Row) -> float:
    """AIQ above the zero router's."""
    return float(main(row)["aiq_minus_zero_router"])


def _gain(rows: list[Row]) -> str:
    return signed(sum(map(gain, rows)) / len(rows)) if rows else NOTHING


def _tight(entry: Entry) -> str:
    """What one core and little memory leave of encoders and recipes."""
    lines = []
    for encoder in entry["encoders"]:
        rows = [row for row in entry["rows"] if row["tight"] and row["encoder"] == encoder]
        lines += [
            [f"{name_of(recipe)}, `{encoder}`", *_limited(own)] for recipe, own in by_recipe(rows)
        ]
    speeds = [
        [f"`{encoder}`", *(_speed(found.get(how, {})) for how in ("free", "tight"))]
        for encoder, found in entry["encoders"].items()
        if "tight" in found
    ]
    return (
        f"**Tight compute**: one core, {TIGHT_MB} MB of private memory; a process that needs more is "
        "ended. Time includes embedding every prompt, or fetching what was embedded before.\n\n"
        + markdown(["recipe, encoder", "AIQ minus zero router", "seconds", "memory, MB"], lines)
        + "\n"
        + markdown(["encoder, prompts per second", "all cores", "tight"], speeds)
    )


def _limited(rows: list[Row]) -> list[str]:
    """What the rows of one recipe reached within limits."""
    well = [row for row in rows if "failed" not in row]
    if not well:
        return [rows[0]["failed"], NOTHING, NOTHING]
    return [
        _gain(well),
        mean([row["seconds"] for row in well], 1),
        mean([row["peak_private_mb"] for row in well], 0),
    ]


def _speed(found: dict[str, Any]) -> str:
    if "failed" in found:
        return str(found["failed"])
    rate = found.get("prompts_per_s")
    return number(None) if rate is None else rate_of(rate)
