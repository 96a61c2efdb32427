"""Train the router that comes with the package: src/onehead/data/router, and its model card.

    python scripts/train_bundled.py --data FOLDER        (or ONEHEAD_DATA=FOLDER make router)

FOLDER holds the outcome tables of `bundled_tables.SOURCES`. A router is learned without a part of
every table and scored on it, then the one that ships is learned from everything. The figures go into
its manifest, and the card is written from the manifest alone. A few minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundled_card import CARD, model_card
from bundled_figures import figures_of
from bundled_tables import read_union

from onehead.artifact import Artifact, load, save
from onehead.encoders import load_encoder
from onehead.router import bundled_path
from onehead.training import train
from onehead.training.estimating import estimate
from onehead.training.pipeline import VALIDATION, examples_of
from onehead.training.recipes import recipe_named

if TYPE_CHECKING:
    from bundled_tables import Union

RECIPE, ENCODER, SEED = "attention", "static", 0
OPTIONS: dict[str, Any] = {"anchors": 256}
"""Fewer anchors than the recipe's own number: a decision is quicker, and AIQ on the held-out prompts
moved by about 0.001 between 256 and 2048, either way."""
MOST_BYTES = 5_000_000


def main() -> None:
    arguments = _arguments()
    union = read_union(arguments.data)
    print(f"{union.table.n_prompts} prompts × {union.table.n_models} models", file=sys.stderr)
    router = learn(union, held_out_figures(union))
    save(router, arguments.out)
    write_card(arguments.out)
    size = sum(path.stat().st_size for path in arguments.out.iterdir())
    print(f"{arguments.out}: {size / 1e6:.2f} MB", file=sys.stderr)
    if size > MOST_BYTES:
        sys.exit(f"the router has more than {MOST_BYTES} bytes: lower OPTIONS['anchors'].")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    given = os.environ.get("ONEHEAD_DATA")
    parser.add_argument("--data", type=Path, default=given, required=given is None)
    parser.add_argument("--out", type=Path, default=bundled_path())
    return parser.parse_args()


def held_out_figures(union: Union) -> dict[str, Any]:
    """What a router of the same making reaches on prompts that it did not see."""
    examples = examples_of(union.table, load_encoder(ENCODER), _tell)
    rest, held = union.table.split(VALIDATION, SEED)
    recipe = recipe_named(RECIPE)
    _tell("scoring", 0, 1)
    fitted = recipe.fit(examples.take(rest), {**recipe.options, **OPTIONS}, SEED)
    estimates = estimate(fitted, examples.take(held))
    _tell("scoring", 1, 1)
    return {"held_out_share": VALIDATION, **figures_of(union, estimates, held, SEED)}


def learn(union: Union, figures: dict[str, Any]) -> Artifact:
    """The router from every prompt."""
    artifact = train(
        union.table, recipe=RECIPE, encoder=ENCODER, seed=SEED, progress=_tell, options=OPTIONS
    )
    return replace(artifact, manifest=replace(artifact.manifest, validation=figures))


def write_card(directory: Path) -> None:
    """The card, from the router as it lies on disk."""
    card = model_card(load(directory).manifest, directory)
    (directory / CARD).write_text(card, encoding="utf-8")


def _tell(stage: str, done: int, total: int) -> None:
    if done in (0, total):
        print(f"{stage} {done}/{total}", file=sys.stderr)


if __name__ == "__main__":
    main()
