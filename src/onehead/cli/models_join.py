"""`onehead models add` and `anchors`: a new model without training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from onehead.cli.models import router_artifact
from onehead.cli.options import Number, Place, cache_for, json_option, router_option
from onehead.errors import DataError, UsageError

if TYPE_CHECKING:
    from onehead.artifact import Artifact
    from onehead.joining import Prices
    from onehead.outcomes import OutcomeTable, PromptTable


@click.command(
    epilog="\b\nExample:\n  onehead models add my-model --like gpt-4o-2024-05 --router bundled --out my-router"
    " --input-usd-per-million 0.5 --output-usd-per-million 2"
)
@click.argument("model")
@router_option(required=True)
@click.option(
    "--outcomes",
    type=Place(),
    multiple=True,
    metavar="PATH",
    help="Outcomes of MODEL on some prompts; may be given several times. Outcomes of the router's "
    "models on the same prompts make the estimate steadier.",
)
@click.option("--like", metavar="MODEL", help="Estimate it as this model of the router.")
@click.option("--input-usd-per-million", type=Number(), metavar="USD", help="Price of input.")
@click.option("--output-usd-per-million", type=Number(), metavar="USD", help="Price of output.")
@click.option("--context-window", type=click.IntRange(min=1), metavar="N", help="In tokens.")
@click.option(
    "--out", type=Place(), metavar="DIR", help="Write the larger router here and keep the old one."
)
@json_option
def add(
    *,
    model: str,
    router_path: str,
    outcomes: tuple[str, ...],
    like: str | None,
    input_usd_per_million: float | None,
    output_usd_per_million: float | None,
    context_window: int | None,
    out: str | None,
    as_json: bool,
) -> None:
    """Add MODEL to a router, from a few outcomes or as the likeness of another. Nothing is retrained.

    16 to 256 outcomes are enough to begin with; `onehead models anchors` says on which prompts.
    """
    from onehead.artifact import check_target, save
    from onehead.cli.output import note, print_json
    from onehead.joining import Prices
    from onehead.router import BUNDLED

    if bool(outcomes) == (like is not None):
        raise UsageError("give either --outcomes PATH or --like MODEL.")
    if router_path == BUNDLED and out is None:
        raise UsageError("the bundled router stays as it is; write the larger one with --out DIR.")
    target = out or router_path
    check_target(target)
    prices = Prices(input_usd_per_million, output_usd_per_million, context_window)
    larger = _larger(router_artifact(router_path), model, outcomes, like, prices)
    save(larger, target)
    card, profile = larger.manifest.pool.models[-1], larger.manifest.profiles.get(model, {})
    if as_json:
        known: dict[str, Any] = {"router": target, "added": model, "profile": dict(profile)}
        print_json({**known, "models": list(larger.manifest.pool.ids)})
        return
    quality = f", mean quality {profile['quality']:.3f}" if "quality" in profile else ""
    note(f"added {card.id}{quality}; {target} now has {len(larger.manifest.pool)} models")


@click.command(
    epilog="\b\nExample:\n  onehead models anchors --data examples/outcomes.csv -n 16 --json"
)
@router_option()
@click.option(
    "--data",
    required=True,
    multiple=True,
    type=Place(),
    metavar="PATH",
    help="Outcomes or prompts to choose from, best those that the router was trained on.",
)
@click.option(
    "-n", "count", type=click.IntRange(min=1), default=64, show_default=True, help="How many."
)
@json_option
def anchors(router_path: str | None, data: tuple[str, ...], count: int, as_json: bool) -> None:
    """Choose the prompts that tell most about a new model: run it on these, grade, and add it.

    The most telling come first, so that any first few of them are a good choice of fewer.
    """
    from onehead.cli.output import print_json, show, table
    from onehead.joining import choose_anchors

    artifact, known = router_artifact(router_path), _table(data)
    cache = cache_for(artifact.manifest.encoder.spec)
    rows = choose_anchors(artifact, known, count, cache=cache)
    chosen = [(known.prompt_ids[i], known.tasks[i], known.prompts[i]) for i in rows]
    if as_json:
        names = ("prompt_id", "task", "prompt")
        print_json({"anchors": [dict(zip(names, row, strict=True)) for row in chosen]})
        return
    shown = table(("prompt id", "task", "prompt"), left=3)
    for prompt_id, task, prompt in chosen:
        shown.add_row(prompt_id, task or "–", " ".join(prompt.split())[-60:])
    show(shown)


def _larger(
    artifact: Artifact, model: str, outcomes: tuple[str, ...], like: str | None, prices: Prices
) -> Artifact:
    """The router with the model in it."""
    from onehead.joining import join, join_like
    from onehead.sources import read_outcomes

    if like is not None:
        return join_like(artifact, model, like, prices)
    cache = cache_for(artifact.manifest.encoder.spec)
    return join(artifact, model, read_outcomes(outcomes), prices, cache=cache)


def _table(data: tuple[str, ...]) -> OutcomeTable | PromptTable:
    """Outcomes, or the prompts alone where the data holds none."""
    from onehead.outcomes import PromptTable
    from onehead.sources import read_outcomes, read_prompts

    try:
        return read_outcomes(data)
    except DataError:
        return PromptTable.merge([read_prompts(path) for path in data])
