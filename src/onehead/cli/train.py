"""`onehead train`: outcomes in, a router out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from onehead.cli.options import Names, Place, Seed, cache_for, cost_option, json_option

if TYPE_CHECKING:
    from onehead.artifact import Artifact, Manifest
    from onehead.outcomes import OutcomeTable


@click.command(epilog="\b\nExample:\n  onehead train --data examples/outcomes.csv --out my-router")
@click.option(
    "--data",
    required=True,
    multiple=True,
    type=Place(),
    metavar="PATH",
    help="Outcomes; may be given several times.",
)
@click.option(
    "--out", required=True, type=Place(), metavar="DIR", help="Where to write the router."
)
@click.option(
    "--recipe",
    default="attention",
    show_default=True,
    metavar="NAME",
    help="attention, paper, knn, ridge, mlp, svr, random or constant.",
)
@click.option(
    "--encoder",
    default="static",
    show_default=True,
    metavar="NAME",
    help="static, static:DIR, onnx:DIR_OR_HUB_ID or http:MODEL@URL.",
)
@click.option(
    "--seed",
    type=Seed(),
    default=0,
    show_default=True,
    metavar="N",
    help="Another number gives another split and another start; the same one the same router.",
)
@click.option("--models", type=Names(), metavar="a,b", help="Learn these models only.")
@cost_option
@json_option
def train(
    *,
    data: tuple[str, ...],
    out: str,
    recipe: str,
    encoder: str,
    seed: int,
    models: tuple[str, ...] | None,
    costs: tuple[tuple[str, float], ...],
    as_json: bool,
) -> None:
    """Learn a router from outcomes.

    PATH is a file or folder in RouterBench's wide format (.pkl .csv .parquet) or in the long one
    (.parquet .jsonl .csv), or hub:routerbench. A router already in DIR is replaced when the new one
    is complete.
    """
    from onehead.artifact import check_target, save
    from onehead.cli.output import print_json, working
    from onehead.sources import read_outcomes

    check_target(out)
    started = time.monotonic()
    with working("reading outcomes"):
        table = read_outcomes(data)
    table = _with_quality(table) if models is None else table.only(models)
    artifact = _train(table, recipe=recipe, encoder=encoder, seed=seed, costs=dict(costs))
    save(artifact, out)
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        print_json(_document(artifact.manifest, out, table.n_prompts, seconds))
    else:
        _show(artifact.manifest, out, table.n_prompts, seconds)


def _with_quality(table: OutcomeTable) -> OutcomeTable:
    """The table less the models of which no quality is known; says on stderr which these are."""
    from onehead.cli.output import note

    known = [m for m, seen in zip(table.models, table.observed.T, strict=True) if seen.any()]
    unknown = [m for m in table.models if m not in known]
    if unknown:
        note(f"note: no quality is known of {', '.join(unknown)}, so left out")
    return table.only(known)


def _train(table: OutcomeTable, *, encoder: str, **how: Any) -> Artifact:
    """Train with a bar that names the stage."""
    from onehead.cli.output import stages
    from onehead.training import train as learn

    with stages() as tell:
        return learn(table, encoder=encoder, progress=tell, cache=cache_for(encoder), **how)


def _document(manifest: Manifest, out: str, n_prompts: int, seconds: float) -> dict[str, Any]:
    """What was made, as JSON values."""
    return {
        "router": out,
        "recipe": manifest.recipe,
        "encoder": manifest.encoder.spec,
        "seed": manifest.seed,
        "n_prompts": n_prompts,
        "models": list(manifest.pool.ids),
        "presets": dict(manifest.presets),
        "validation": dict(manifest.validation),
        "seconds": seconds,
    }


def _show(manifest: Manifest, out: str, n_prompts: int, seconds: float) -> None:
    """What was made, in words."""
    from onehead.cli.output import preset_line, show, table

    head = (
        f"{out}: recipe {manifest.recipe}, encoder {manifest.encoder.spec}, "
        f"{len(manifest.pool)} models, {n_prompts:,} prompts, {seconds:,.1f} s"
    )
    figures = {name: value for name, value in manifest.validation.items() if _is_figure(value)}
    shown = table(("validation", "value"))
    for name, value in figures.items():
        shown.add_row(name, f"{value:.4g}")
    show(head, *([shown] if figures else []), preset_line(manifest.presets))


def _is_figure(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
