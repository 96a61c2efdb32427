"""From outcomes to a router: read every view, tune and check on a split, then learn from all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.amounts import amounts_of, with_costs
from onehead.artifact import Artifact, EncoderRecord, Manifest, presets_of, profiles_of
from onehead.encoders import load_encoder
from onehead.errors import DataError
from onehead.features import Featurizer, tokenizer_hash
from onehead.training.estimating import aiq_of, estimate
from onehead.training.examples import Examples, count_pieces
from onehead.training.export import export
from onehead.training.recipes import recipe_named
from onehead.training.spreading import bands_of
from onehead.training.validation import figures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from onehead.cache import EmbeddingCache
    from onehead.encoders import Encoder
    from onehead.outcomes import OutcomeTable
    from onehead.predictors import Estimates
    from onehead.spread import Bands
    from onehead.training.recipes import Fitted, Recipe
    from onehead.training.recipes.base import Options

    Progress = Callable[[str, int, int], None]
    Figures = Mapping[str, float | None]

VALIDATION = 0.15
"""Share of the prompts that is held out to tune on and to report."""
_LEAST_TO_VALIDATE = 20
"""With fewer distinct prompts nothing is held out: figures would be noise."""


@dataclass(frozen=True)
class Origin:
    """How a router came about: by which recipe and settings, on which encoder's vectors.

    validation: the figures that it reached on held-out prompts
    spread: how far true amounts lay from estimated ones there, by model
    """

    recipe: str
    encoder: Encoder
    settings: Options
    validation: Figures
    spread: Mapping[str, Bands]
    seed: int


@dataclass(frozen=True, eq=False)
class Learned:
    """A trained network, the settings that it was tuned to, and what held-out prompts said of these.

    validation: figures; spread: how far true amounts lay from estimated ones, by model
    """

    fitted: Fitted
    settings: Options
    validation: Figures
    spread: Mapping[str, Bands]


def train(
    table: OutcomeTable,
    *,
    recipe: str = "attention",
    encoder: str = "static",
    seed: int = 0,
    progress: Progress | None = None,
    cache: EmbeddingCache | None = None,
    costs: Mapping[str, float] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Artifact:
    """Learn a router from outcomes.

    progress(stage, done, total) is told how far the work is. costs: USD per call of models whose
    cost was never observed. options: hyper-parameters to use instead of the recipe's own; with any
    given, nothing is tuned.

    Raises:
        UsageError: the recipe, the encoder or an option is unknown.
        DataError: a model has no outcome, or no known cost.
    """
    chosen = recipe_named(recipe)
    if options:
        chosen = chosen.fixed(options)
    tell = progress or _silent
    loaded = load_encoder(encoder)
    examples = examples_of(table, loaded, tell, cache, costs)
    learned = learn(chosen, examples, seed, tell)
    origin = Origin(recipe, loaded, learned.settings, learned.validation, learned.spread, seed)
    return _artifact(learned.fitted, examples, origin)


def learn(
    recipe: Recipe, examples: Examples, seed: int = 0, progress: Progress | None = None
) -> Learned:
    """Tune a recipe on a split of the examples, then fit it on all of them.

    progress is told of the stages "validating" and "training".
    """
    tell = progress or _silent
    settings, validation, spread = _validate(recipe, examples, seed, tell)
    tell("training", 0, 1)
    fitted = recipe.fit(examples, settings, seed)
    tell("training", 1, 1)
    return Learned(fitted, settings, validation, spread)


def examples_of(
    table: OutcomeTable,
    encoder: Encoder,
    progress: Progress,
    cache: EmbeddingCache | None = None,
    costs: Mapping[str, float] | None = None,
) -> Examples:
    """The examples of a table, with the costs given: its prompts in every view."""
    unknown = [
        m for m, known in zip(table.models, table.observed.T, strict=True) if not known.any()
    ]
    if unknown:
        raise DataError(
            f"no quality is known of {', '.join(unknown)}. Learn the others only (--models), or "
            "add their outcomes."
        )
    table = with_costs(table, costs or {})
    amounts = amounts_of(table)
    featurizer = Featurizer(encoder)
    n = table.n_prompts
    progress("embedding", 0, n)
    features = featurizer(table.prompts, cache, lambda done, _: progress("embedding", done, n))
    progress("embedding", n, n)
    return Examples(table, features, count_pieces(table.prompts), amounts)


def _validate(
    recipe: Recipe, examples: Examples, seed: int, tell: Progress
) -> tuple[Options, Figures, Mapping[str, Bands]]:
    """The settings that do best on held-out prompts, the figures and the spread found there."""
    if len(set(examples.table.prompts)) < _LEAST_TO_VALIDATE:
        return recipe.options, {}, {}
    rest, held = examples.table.split(VALIDATION, seed)
    known, unseen = examples.take(rest), examples.take(held)
    candidates = [{**recipe.options, **change} for change in recipe.candidates or ({},)]
    tried = []
    for number, candidate in enumerate(candidates):
        tell("validating", number, len(candidates))
        tried.append(estimate(recipe.fit(known, candidate, seed), unseen))
    tell("validating", len(candidates), len(candidates))
    best = _best(tried, unseen)
    return candidates[best], figures(tried[best], unseen, seed), bands_of(tried[best], unseen)


def _best(tried: Sequence[Estimates], unseen: Examples) -> int:
    """Which estimates to take, the first of equals.

    By AIQ where there is a choice to make; by Brier score in a table without a complete block.
    """
    if len(tried) == 1:
        return 0
    try:
        return int(np.argmax([aiq_of(estimates, unseen) for estimates in tried]))
    except DataError:
        errors = [np.nanmean(np.square(each.quality - unseen.quality)) for each in tried]
        return int(np.argmin(errors))


def _artifact(fitted: Fitted, examples: Examples, origin: Origin) -> Artifact:
    """The router as it goes to disk."""
    width = examples.features.shape[1] + (fitted.lexicon.dimension if fitted.lexicon else 0)
    network, arrays, axes = export(fitted.network, width)
    if fitted.lexicon is not None:
        lexical = fitted.lexicon.arrays()
        arrays, axes = arrays | lexical, axes | dict.fromkeys(lexical)
    pool = examples.amounts.pool
    profiles = profiles_of(pool.ids, estimate(fitted, examples))
    encoder = origin.encoder
    manifest = Manifest(
        recipe=origin.recipe,
        encoder=EncoderRecord(encoder.name, encoder.hash, encoder.dimension),
        pool=pool,
        model_axes=axes,
        presets=presets_of(pool, profiles),
        data_hash=examples.table.content_hash(),
        seed=origin.seed,
        tokenizer=tokenizer_hash() if fitted.lexicon else "",
        validation=dict(origin.validation),
        hyperparameters=dict(origin.settings),
        profiles=profiles,
        spread=origin.spread,
        tasks=fitted.tasks,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Artifact(manifest, arrays, network)


def _silent(stage: str, done: int, total: int) -> None:
    """Say nothing."""
