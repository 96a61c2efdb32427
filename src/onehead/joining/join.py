"""A model joins a router: its columns are solved for from a few outcomes, or copied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.amounts import amounts_of
from onehead.calibrate import calibrate, recalibrated
from onehead.errors import DataError, UsageError
from onehead.joining.solve import Prior, solve
from onehead.joining.view import view
from onehead.pool import ModelCard
from onehead.spread import usual_bands

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from onehead.artifact import Artifact
    from onehead.cache import EmbeddingCache
    from onehead.encoders import Encoder
    from onehead.joining.view import View
    from onehead.outcomes import OutcomeTable
    from onehead.spread import Bands

    Floats = NDArray[np.float64]
    Columns = dict[str, NDArray[np.float64]]

_QUALITY = Prior(level=0.1, task=0.05, anchor=0.02, noise=0.2)
_AMOUNT = Prior(level=2.0, task=0.3, anchor=0.0, noise=0.3)
"""Of logarithms; chosen like `_QUALITY` on models left out of MMLU-Pro (benchmarks/LOG.md)."""
_ALIKE = 0.3
"""Correlation of what estimates miss of two models on one prompt: how hard it really was."""
_CALIBRATION_COUNT = 500.0
_SMEARING_COUNT = 20.0


@dataclass(frozen=True)
class Prices:
    """What is said of a new model beside its outcomes; None where nothing is."""

    input_usd_per_million: float | None = None
    output_usd_per_million: float | None = None
    context_window: int | None = None

    def __post_init__(self) -> None:
        """Both prices or none."""
        if (self.input_usd_per_million is None) != (self.output_usd_per_million is None):
            raise UsageError(
                "give both prices, --input-usd-per-million and --output-usd-per-million, or none."
            )

    @property
    def given(self) -> bool:
        """Whether there are prices."""
        return self.input_usd_per_million is not None

    def on(self, card: ModelCard) -> ModelCard:
        """The card with what is known better."""
        window = card.context_window if self.context_window is None else self.context_window
        card = replace(card, context_window=window)
        if not self.given:
            return card
        return replace(
            card,
            cost_basis="tokens",
            input_usd_per_million=self.input_usd_per_million,
            output_usd_per_million=self.output_usd_per_million,
        )


def join_like(artifact: Artifact, model: str, like: str, prices: Prices) -> Artifact:
    """The router with one more model, which is estimated as `like` is, at other prices.

    Raises:
        UsageError: `like` is not in the pool, `model` is, or the prices cannot be used.
    """
    _check_new(artifact, model)
    pool = artifact.manifest.pool
    column = pool.index(like)
    known = pool.models[column]
    if prices.given and known.cost_basis == "usd":
        raise UsageError(
            f"only dollars are known of {like!r}, not tokens, so other prices cannot be taken "
            "into account. Name a model with prices (onehead models list), or give no prices."
        )
    card = prices.on(replace(known, id=model))
    axes = artifact.manifest.model_axes
    columns = {
        name: np.take(array, column, axis)
        for name, array in artifact.arrays.items()
        if (axis := axes[name]) is not None
    }
    profile = _priced(artifact.manifest.profiles.get(like, {}), card, changed=prices.given)
    return artifact.plus(card, columns, profile, artifact.manifest.spread.get(like, {}))


def join(
    artifact: Artifact,
    model: str,
    table: OutcomeTable,
    prices: Prices,
    *,
    encoder: Encoder | None = None,
    cache: EmbeddingCache | None = None,
) -> Artifact:
    """The router with one more model, known from outcomes on some prompts; nothing is trained.

    table: outcomes of `model`; those of models of the router on the same prompts say how hard
        these are, and make the estimate steadier

    Raises:
        DataError: the table holds no outcome of `model`, or its cost is nowhere known.
        UsageError: the router already has `model`, or is of a recipe that cannot be solved for.
    """
    _check_new(artifact, model)
    own = _known_rows(table, model)
    card, logs = _card_and_logs(own.only([model]), artifact, prices)
    seen = view(artifact, own.prompts, encoder=encoder, cache=cache)
    quality = own.quality[:, own.models.index(model)]
    easier = _easier(seen.raw, own, artifact)
    columns, estimated = _quality_columns(seen, quality, easier, artifact.arrays.get("usual"))
    amounts, tokens = _amount_columns(seen, artifact, card, logs)
    profile = _profile(artifact, card, seen, estimated, tokens)
    return artifact.plus(card, columns | amounts, profile, _bands(artifact, card))


def _check_new(artifact: Artifact, model: str) -> None:
    if model in artifact.manifest.pool.ids:
        raise UsageError(
            f"the router already has a model {model!r}. Remove it first (onehead models remove), "
            "or give the new one another name."
        )


def _known_rows(table: OutcomeTable, model: str) -> OutcomeTable:
    """The prompts on which the model's quality is known."""
    if model not in table.models:
        raise DataError(
            f"the outcomes are of {', '.join(table.models)}, and none is of {model!r}. "
            "Name the model as the data does."
        )
    rows = np.flatnonzero(~np.isnan(table.quality[:, table.models.index(model)]))
    if len(rows) == 0:
        raise DataError(f"no quality is known of {model!r}; grade some of its answers.")
    return table.take(rows)


def _card_and_logs(
    own: OutcomeTable, artifact: Artifact, prices: Prices
) -> tuple[ModelCard, dict[str, Floats]]:
    """The new model's card, and the logarithms of its amounts [n] where they are known."""
    if prices.given:
        card = prices.on(ModelCard(own.models[0]))
        counts = {"input": own.input_tokens[:, 0], "output": own.output_tokens[:, 0]}
        pool = artifact.manifest.pool
        if np.isnan(counts["output"]).all() and not any(c.cost_basis == "tokens" for c in pool):
            raise DataError(
                f"the outcomes of {card.id!r} hold no tokens, and the router knows tokens of no "
                "model to go by. Add input_tokens and output_tokens, or give no prices."
            )
        return card, {name: np.log(np.maximum(count, 1e-9)) for name, count in counts.items()}
    if np.isnan(own.cost_usd).all():
        raise DataError(
            f"the cost of {own.models[0]!r} is unknown: its outcomes hold no cost_usd. Give its "
            "prices (--input-usd-per-million, --output-usd-per-million), or add the costs."
        )
    amounts = amounts_of(own)
    card = prices.on(amounts.pool.models[0])
    logs = {"input": amounts.log_input[:, 0], "output": amounts.log_output[:, 0]}
    return card, logs


def _easier(raw: Floats, own: OutcomeTable, artifact: Artifact) -> Floats:
    """How much better than estimated the router's own models did on each prompt [n].

    A hard prompt is hard for most models: of k that were run, the mean miss times
    ρk / (1 + (k − 1)ρ) is what to expect of one more, where ρ is the correlation between two.
    """
    left = np.full(raw.shape, np.nan)
    for column, name in enumerate(artifact.manifest.pool.ids):
        if name in own.models:
            left[:, column] = own.quality[:, own.models.index(name)] - raw[:, column]
    count = (~np.isnan(left)).sum(axis=1)
    total = np.nansum(left, axis=1)
    expected: Floats = total * _ALIKE / (1 + np.maximum(count - 1, 0) * _ALIKE)
    return expected


def _quality_columns(
    seen: View, quality: Floats, easier: Floats, usual: NDArray[Any] | None
) -> tuple[Columns, Floats]:
    """The columns of the quality head, and what they say of the prompts [n].

    usual: quality of the pool's models where a prompt is unlike all that is known [m]; older routers
        lack it
    """
    arrays = seen.arrays
    column = solve(seen.raw, seen.tasks, seen.weights, quality - easier, _QUALITY)
    task = arrays["quality.task_quality"] @ column.shares + column.level + column.task
    values = arrays["quality.values"] @ column.shares + column.anchor
    slopes, offsets = arrays["quality.slope"], arrays["quality.offset"]
    slope, offset = calibrate(
        column.held_out[:, None],
        quality[:, None],
        _CALIBRATION_COUNT,
        toward=(float(slopes.mean()), float(offsets.mean())),
    )
    columns = {
        "quality.task_quality": task,
        "quality.values": values,
        "quality.slope": slope[0],
        "quality.offset": offset[0],
    }
    if usual is not None:
        before = recalibrated(usual.astype(np.float64), 1 / slopes, -offsets / slopes)
        mean = before @ column.shares + column.level + column.task.mean()
        columns["usual"] = recalibrated(mean, slope, offset)[0]
    raw = seen.tasks @ task + seen.weights @ values
    return columns, recalibrated(raw[:, None], slope, offset)[:, 0]


def _amount_columns(
    seen: View, artifact: Artifact, card: ModelCard, logs: Mapping[str, Floats]
) -> tuple[Columns, dict[str, Floats]]:
    """The columns of the cost head, and the logarithms that they say of the prompts [n] each."""
    columns, said = {}, {}
    for which, log in logs.items():
        weight, bias = _amount_column(seen, artifact, card, which, log)
        columns[f"amounts.linear.{which}_weight"] = weight
        columns[f"amounts.linear.{which}_bias"] = np.asarray(bias)
        said[which] = seen.amounts @ weight + bias
    return columns, said


def _amount_column(
    seen: View, artifact: Artifact, card: ModelCard, which: str, log: Floats
) -> tuple[Floats, float]:
    """Weights [d + t] and bias of one amount."""
    arrays = seen.arrays
    weight, bias = arrays[f"amounts.linear.{which}_weight"], arrays[f"amounts.linear.{which}_bias"]
    known = np.flatnonzero(~np.isnan(log))
    if len(known) and not log[known].any():  # never seen, or not what is paid for
        return np.zeros(len(weight)), 0.0
    alike = _priced_alike(artifact, card, weight)
    pool = seen.log_amounts(which)[known][:, alike]
    column = solve(pool, seen.tasks[known], None, log[known], _AMOUNT)
    made = weight[:, alike] @ column.shares
    made[-len(column.task) :] += column.task
    level = float(bias[alike] @ column.shares) + column.level
    return made, level + _smearing(log[known] - column.held_out)


def _bands(artifact: Artifact, card: ModelCard) -> Bands:
    """The usual spread of the pool's models whose amounts are of the same kind.

    A few outcomes tell how long a model's answers are, not yet how long the longest tenth is.
    """
    spread = artifact.manifest.spread
    alike = [one.id for one in artifact.manifest.pool if one.cost_basis == card.cost_basis]
    return usual_bands(spread[name] for name in alike if name in spread)


def _priced_alike(artifact: Artifact, card: ModelCard, weight: Floats) -> NDArray[np.intp]:
    """Columns of the models whose amounts are of the same kind; of all where there are none."""
    bases = np.array([one.cost_basis == card.cost_basis for one in artifact.manifest.pool])
    alike = np.flatnonzero(bases & weight.any(axis=0))
    return alike if len(alike) else np.arange(weight.shape[1])


def _smearing(residual: Floats) -> float:
    """Logarithm of the mean exp(residual) beyond its mean, drawn toward none (Duan 1983)."""
    if len(residual) == 0:
        return 0.0
    centered = residual - residual.mean()
    total = np.exp(np.clip(centered, -3, 3)).sum() + _SMEARING_COUNT
    return float(np.log(total / (len(residual) + _SMEARING_COUNT)))


def _profile(
    artifact: Artifact, card: ModelCard, seen: View, quality: Floats, logs: Mapping[str, Floats]
) -> dict[str, float]:
    """Means over the router's training prompts, which are gone: by the difference from the pool.

    Empty where the pool itself has no profiles.
    """
    manifest = artifact.manifest
    rows = [manifest.profiles.get(name, {}) for name in manifest.pool.ids]
    if not all("quality" in row for row in rows):
        return {}
    arrays = seen.arrays
    pool = recalibrated(seen.raw, arrays["quality.slope"], arrays["quality.offset"])
    usual = np.mean([row["quality"] for row in rows])
    profile = {"quality": float(np.clip(usual + (quality - pool.mean(axis=1)).mean(), 0.0, 1.0))}
    if card.cost_basis == "usd":
        return profile | {"cost_usd": float(np.exp(logs["output"]).mean())}
    for which, log in logs.items():
        name = f"{which}_tokens"
        known = [j for j, row in enumerate(rows) if name in row]
        if known:
            usual = np.mean([np.log(rows[j][name]) for j in known])
            shift = usual - seen.log_amounts(which)[:, known].mean(axis=1)
            profile[name] = float(np.exp((log + shift).mean()))
        else:
            profile[name] = float(np.exp(log).mean())
    return _priced(profile, card, changed=True)


def _priced(profile: Mapping[str, float], card: ModelCard, *, changed: bool) -> dict[str, float]:
    """A profile at the card's prices; empty where these changed and no tokens are known."""
    if not changed:
        return dict(profile)
    if not {"input_tokens", "output_tokens"} <= set(profile):
        return {}
    prices = card.input_usd_per_million or 0.0, card.output_usd_per_million or 0.0
    cost = (profile["input_tokens"] * prices[0] + profile["output_tokens"] * prices[1]) * 1e-6
    return {**profile, "cost_usd": cost}
