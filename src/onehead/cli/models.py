"""`onehead models`: the pool of a router."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from onehead.cli.group import lazy_group
from onehead.cli.options import Place, json_option, router_option
from onehead.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from onehead.artifact import Artifact, Manifest
    from onehead.pool import ModelCard


@lazy_group(
    {
        "list": "onehead.cli.models:list_models",
        "show": "onehead.cli.models:show_model",
        "add": "onehead.cli.models_join:add",
        "anchors": "onehead.cli.models_join:anchors",
        "remove": "onehead.cli.models:remove",
        "import": "onehead.cli.models_import:import_models",
    },
    epilog="\b\nExample:\n  onehead models list",
)
def models() -> None:
    """See and change the pool of a router."""


@click.command("list", epilog="\b\nExample:\n  onehead models list --json")
@router_option()
@json_option
def list_models(router_path: str | None, as_json: bool) -> None:
    """List the models of a router with their prices and training means."""
    from onehead.cli.output import preset_line, print_json, show, table

    manifest = router_artifact(router_path).manifest
    rows = [_row(card, manifest) for card in manifest.pool]
    if as_json:
        print_json({"models": rows, "presets": dict(manifest.presets)})
        return
    known = [name for name in _COLUMNS if any(row[name] is not None for row in rows)]
    shown = table(("model", *(_COLUMNS[name] for name in known)))
    for row in rows:
        shown.add_row(row["id"], *(_cell(row, name) for name in known))
    last = preset_line(manifest.presets)
    if any(row["cost_basis"] == "usd" for row in rows):
        last = f"No price: the cost of this model is estimated in USD directly.\n{last}"
    show(shown, last)


@click.command("show", epilog="\b\nExample:\n  onehead models show gpt-4o-2024-05")
@click.argument("model")
@router_option()
@json_option
def show_model(model: str, router_path: str | None, as_json: bool) -> None:
    """Show everything the router keeps about MODEL."""
    from onehead.cli.output import print_json, show, table

    manifest = router_artifact(router_path).manifest
    row = _row(manifest.pool.models[manifest.pool.index(model)], manifest)
    if as_json:
        print_json(row)
        return
    shown = table(("", ""), left=2)
    for name, value in row.items():
        shown.add_row(name.replace("_", " "), _plain(value))
    show(shown)


@click.command(
    epilog="\b\nExample:\n  onehead models remove claude-v1 claude-v2 --router bundled --out my-router"
)
@click.argument("names", nargs=-1, required=True, metavar="MODEL...")
@router_option(required=True)
@click.option(
    "--out", type=Place(), metavar="DIR", help="Write the smaller router here and keep the old one."
)
@json_option
def remove(names: tuple[str, ...], router_path: str, out: str | None, as_json: bool) -> None:
    """Remove each MODEL from a router. Nothing is retrained; presets follow the new pool."""
    from onehead.artifact import save
    from onehead.cli.output import note, print_json
    from onehead.router import BUNDLED

    if router_path == BUNDLED and out is None:
        raise UsageError("the bundled router stays as it is; write the smaller one with --out DIR.")
    artifact, target = router_artifact(router_path), out or router_path
    gone = {artifact.manifest.pool.ids[column] for column in artifact.manifest.pool.indices(names)}
    left = [name for name in artifact.manifest.pool.ids if name not in gone]
    if not left:
        raise UsageError("a router needs at least one model; name fewer to remove.")
    save(artifact.only(left), target)
    if as_json:
        print_json({"router": target, "removed": sorted(gone), "models": left})
    else:
        note(f"removed {', '.join(sorted(gone))}; {len(left)} models are left in {target}")


_COLUMNS = {
    "input_usd_per_million": "$/M in",
    "output_usd_per_million": "$/M out",
    "context_window": "context",
    "mean_quality": "mean quality",
    "mean_cost_usd": "mean cost",
}
"""Figures of a model and their headings; what is known of no model is not shown."""


def router_artifact(router_path: str | None) -> Artifact:
    """The router, every byte checked; no network is started."""
    from onehead.artifact import load
    from onehead.router import BUNDLED, bundled_path

    place: str | Path = bundled_path() if router_path in (None, BUNDLED) else str(router_path)
    return load(place)


def _row(card: ModelCard, manifest: Manifest) -> dict[str, Any]:
    """A model as JSON values: its card, and its means and its spread where kept."""
    from onehead.spread import usual_bands

    profile = manifest.profiles.get(card.id, {})
    means = {"mean_quality": profile.get("quality"), "mean_cost_usd": profile.get("cost_usd")}
    ends = dict.fromkeys(("output_times_low", "output_times_high"))
    usual = usual_bands([manifest.spread.get(card.id, {})]).get("output")
    if usual is not None:
        ends = {"output_times_low": usual.low[0], "output_times_high": usual.high[0]}
    return {**asdict(card), "capabilities": list(card.capabilities), **means, **ends}


def _plain(value: object) -> str:
    """Any value of a model in words."""
    if isinstance(value, list):
        value = ", ".join(value)
    if value is None or value == "":
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _cell(row: dict[str, Any], name: str) -> str:
    """A figure of a model in words."""
    from onehead.policy.words import usd

    value = row[name]
    if value is None:
        return "–"
    if name == "mean_cost_usd":
        return usd(value)
    return f"{value:.3f}" if name == "mean_quality" else f"{value:,g}"
