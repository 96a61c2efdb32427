"""From outcomes to a router: read every view, tune and check on a split, then learn from all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.artifact import Artifact, EncoderRecord, Manifest
from onehead.encoders import load_encoder
from onehead.errors import DataError, UsageError
from onehead.features import Featurizer
from onehead.policy import presets
from onehead.training.amounts import amounts_of
from onehead.training.estimating import aiq_of, estimate
from onehead.training.examples import Examples, count_pieces
from onehead.training.export import export
from onehead.training.recipes import Fitted, Recipe, recipe_named
from onehead.training.recipes.base import known_mean
from onehead.training.validation import figures

if TYPE_CHECKING:
    from onehead.cache import EmbeddingCache
    from onehead.encoders import Encoder
    from onehead.outcomes import OutcomeTable

Progress = Callable[[str, int, int], None]

VALIDATION = 0.15
"""Share of the prompts that is held out to tune on and to report."""
_LEAST_TO_VALIDATE = 20
"""With fewer distinct prompts nothing is held out: figures would be noise."""


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
    tell = progress or _silent
    loaded = load_encoder(encoder)
    examples = examples_of(table, loaded, tell, cache, costs)
    settings = _settings(chosen, options)
    tune = bool(chosen.candidates) and not options
    settings, validation = _validate(chosen, settings, examples, tune, seed, tell)
    tell("training", 0, 1)
    fitted = chosen.fit(examples, settings, seed)
    tell("training", 1, 1)
    return _artifact(fitted, examples, loaded, recipe, settings, validation, seed)


def examples_of(
    table: OutcomeTable,
    encoder: Encoder,
    progress: Progress,
    cache: EmbeddingCache | None = None,
    costs: Mapping[str, float] | None = None,
) -> Examples:
    """The examples of a table: its prompts in every view."""
    unknown = [m for m, known in zip(table.models, table.observed.T, strict=True) if not known.any()]
    if unknown:
        raise DataError(
            f"no quality is known of {', '.join(unknown)}. Leave these models out (--models), or "
            "add their outcomes."
        )
    amounts = amounts_of(table, costs)
    featurizer = Featurizer(encoder)
    features = featurizer(
        table.prompts, cache, lambda done, total: progress("embedding", done, total)
    )
    return Examples(table, features, count_pieces(table.prompts), amounts)


def _settings(recipe: Recipe, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The recipe's options with some replaced; UsageError names one that it does not have."""
    for name in options or {}:
        if name not in recipe.options:
            raise UsageError(
                f"option {name!r} is unknown. The recipe has: {', '.join(recipe.options) or 'none'}."
            )
    return {**recipe.options, **(options or {})}


def _validate(
    recipe: Recipe,
    settings: dict[str, Any],
    examples: Examples,
    tune: bool,
    seed: int,
    tell: Progress,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that do best on held-out prompts, and the figures reached there."""
    if len(set(examples.table.prompts)) < _LEAST_TO_VALIDATE:
        return settings, {}
    rest, held = examples.table.split(VALIDATION, seed)
    known, unseen = examples.take(rest), examples.take(held)
    candidates = [{**settings, **change} for change in recipe.candidates] if tune else [settings]
    best, best_aiq, best_estimates = settings, -np.inf, None
    for number, candidate in enumerate(candidates):
        tell("validating", number, len(candidates))
        estimates = estimate(recipe.fit(known, candidate, seed), unseen)
        reached = _criterion(estimates, unseen, len(candidates))
        if best_estimates is None or reached > best_aiq:
            best, best_aiq, best_estimates = candidate, reached, estimates
    tell("validating", len(candidates), len(candidates))
    assert best_estimates is not None
    return best, figures(best_estimates, unseen, seed)


def _criterion(estimates: Any, unseen: Examples, candidates: int) -> float:
    """AIQ where there is a choice to make; a table without a complete block falls to Brier."""
    if candidates == 1:
        return 0.0
    try:
        return aiq_of(estimates, unseen)
    except DataError:
        return -float(np.nanmean(np.square(estimates.quality - unseen.quality)))


def _artifact(
    fitted: Fitted,
    examples: Examples,
    encoder: Encoder,
    recipe: str,
    settings: Mapping[str, Any],
    validation: Mapping[str, Any],
    seed: int,
) -> Artifact:
    """The router as it goes to disk."""
    width = examples.features.shape[1] + (fitted.lexicon.dimension if fitted.lexicon else 0)
    network, arrays, axes = export(fitted.network, width)
    if fitted.lexicon is not None:
        lexical = fitted.lexicon.arrays()
        arrays, axes = arrays | lexical, axes | dict.fromkeys(lexical)
    pool = examples.amounts.pool
    means = known_mean(examples.quality)
    estimates = estimate(fitted, examples)
    costs = estimates.cost_usd.mean(axis=0)
    manifest = Manifest(
        recipe=recipe,
        encoder=EncoderRecord(encoder.name, encoder.hash, encoder.dimension),
        pool=pool,
        model_axes=axes,
        presets=presets(means, costs),
        data_hash=examples.table.content_hash(),
        seed=seed,
        validation=dict(validation),
        hyperparameters=dict(settings),
        profiles={
            model: {"quality": float(q), "cost_usd": float(c)}
            for model, q, c in zip(pool.ids, means, costs, strict=True)
        },
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Artifact(manifest, arrays, network)


def _silent(stage: str, done: int, total: int) -> None:
    """Say nothing."""
