"""The fleet: the configured models as rows, each with its column in the router and its prices.

A model is found in the router by its own id, else by the id that it is ``like``. Prices are those
of the configuration: predicted tokens times the price in force, so a new price needs no training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from onehead.config import ModelConfig
from onehead.errors import ConfigError, did_you_mean
from onehead.gateway.wire.options import is_auto
from onehead.policy import presets
from onehead.pool import Pool
from onehead.predictors.network import round_digits
from onehead.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from onehead.artifact import Manifest
    from onehead.config import Config
    from onehead.pool import ModelCard
    from onehead.predictors import Estimates

_MILLIONTH = 1e-6


@dataclass(frozen=True)
class Fleet:
    """The models that a gateway can call, and those among them that the router may choose.

    models: every configured model by id
    ids: ids of those that may be chosen, a rows in order
    columns: the router's column of each, intp [a]
    input_price, output_price, cached_price, request_usd: USD per token, and per call [a]
    fixed: whether the router knows the cost of a row in USD only, bool [a]
    presets: named willingness to pay for this pool at these prices
    spread: how far true costs and lengths lie from estimated ones
    """

    models: Mapping[str, ModelConfig]
    ids: tuple[str, ...]
    columns: NDArray[np.intp]
    input_price: NDArray[np.float64]
    output_price: NDArray[np.float64]
    cached_price: NDArray[np.float64]
    request_usd: NDArray[np.float64]
    fixed: NDArray[np.bool_]
    presets: Mapping[str, float]
    spread: Spread

    @cached_property
    def some_fixed(self) -> bool:
        """Whether any row's cost is known in USD only."""
        return bool(self.fixed.any())

    @property
    def callable(self) -> bool:
        """Whether any model has an upstream."""
        return any(model.has_upstream for model in self.models.values())

    def of_rows(self, estimates: NDArray[np.float64]) -> NDArray[np.float64]:
        """The columns of this fleet's rows out of the router's [n, m] → [n, a]."""
        return estimates.take(self.columns, axis=1)

    def tokens(self, estimates: Estimates) -> NDArray[np.float64]:
        """Expected input and output tokens of each row [n, 2, a]; NaN where only dollars are known."""
        if estimates.tokens is None:
            return np.full((len(estimates.quality), 2, len(self.ids)), np.nan)
        return estimates.tokens.take(self.columns, axis=2)

    def costs(
        self,
        estimates: Estimates,
        tokens: NDArray[np.float64],
        *,
        reading: NDArray[np.float64],
        answers: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Expected USD of one call of each row [n, a] at the prices in force.

        tokens: what `tokens` gives of the estimates
        reading: how many times the tokens of the routing text the whole conversation has [n, 1]
        answers: how many answers are asked for at once [n, 1]
        """
        cost = tokens[:, 0] * (self.input_price * reading)
        cost += tokens[:, 1] * (self.output_price * answers)
        cost += self.request_usd
        if self.some_fixed:
            cost = np.where(self.fixed, self.of_rows(estimates.cost_usd), cost)
        return round_digits(cost)


def fleet_of(config: Config, manifest: Manifest) -> Fleet:
    """The fleet of a configuration over a router; ConfigError where they do not fit.

    Without configured models it is the router's own pool, with its prices and without upstreams.
    """
    models = config.models or tuple(_own(card) for card in manifest.pool)
    for model in models:
        if is_auto(model.id):
            raise ConfigError(
                f"model {model.id!r}: names that begin like 'auto' ask the router to choose; "
                "give the model another id and set upstream_model to its name."
            )
    chosen = [model for model in models if model.auto]
    if not chosen:
        raise ConfigError("every model has auto = false, so there is none to choose from.")
    profiles = [_profile(model, manifest) for model in chosen]
    cards = [manifest.pool.models[manifest.pool.index(name)] for name in profiles]
    fleet = Fleet(
        models={model.id: model for model in models},
        ids=tuple(model.id for model in chosen),
        columns=np.array(manifest.pool.indices(profiles), dtype=np.intp),
        input_price=_prices([model.input_usd_per_million for model in chosen]),
        output_price=_prices([model.output_usd_per_million for model in chosen]),
        cached_price=_prices([_cached(model) for model in chosen]),
        request_usd=np.array([model.request_usd for model in chosen]),
        fixed=np.array([card.cost_basis == "usd" for card in cards]),
        presets={},
        spread=_spread(chosen, cards, manifest),
    )
    named = _repriced(fleet, cards, manifest) if config.models else manifest.presets
    return replace(fleet, presets=dict(named))


def check(config: Config, manifest: Manifest) -> list[str]:
    """Notes on how a configuration fits a router; ConfigError where it does not."""
    fleet = fleet_of(config, manifest)
    notes = []
    for name, column in zip(fleet.ids, fleet.columns, strict=True):
        profile = manifest.pool.ids[column]
        if profile != name:
            notes.append(f"{name}: starts from the profile of {profile}.")
    by_name = [name for name in fleet.models if name not in fleet.ids]
    return [*notes, *(f"{name}: answers by name only." for name in by_name)]


def _own(card: ModelCard) -> ModelConfig:
    """A model of the router's pool without an upstream."""
    return ModelConfig(
        id=card.id,
        input_usd_per_million=card.input_usd_per_million,
        output_usd_per_million=card.output_usd_per_million,
        context_window=card.context_window,
    )


def _profile(model: ModelConfig, manifest: Manifest) -> str:
    """The router's model that stands for a configured one."""
    known = manifest.pool.ids
    if model.id in known:
        return model.id
    if model.like in known and model.like is not None:
        return model.like
    wanted = model.like or model.id
    raise ConfigError(
        f"model {model.id!r}: the router knows nothing of {wanted!r}.{did_you_mean(wanted, known)} "
        "Set like to one of its models (onehead models list), teach it this one (onehead models "
        "add), or set auto = false to call it by name only."
    )


def _spread(
    chosen: Sequence[ModelConfig], cards: Sequence[ModelCard], manifest: Manifest
) -> Spread:
    """The spread of the configured models: that of their profiles, at the prices in force."""
    priced = [
        replace(
            card,
            id=model.id,
            input_usd_per_million=model.input_usd_per_million or 0.0,
            output_usd_per_million=model.output_usd_per_million or 0.0,
        )
        for model, card in zip(chosen, cards, strict=True)
    ]
    bands = {
        model.id: manifest.spread[card.id]
        for model, card in zip(chosen, cards, strict=True)
        if card.id in manifest.spread
    }
    return Spread(Pool(tuple(priced)), bands)


def _cached(model: ModelConfig) -> float | None:
    reduced = model.cached_input_usd_per_million
    return model.input_usd_per_million if reduced is None else reduced


def _prices(usd_per_million: Sequence[float | None]) -> NDArray[np.float64]:
    """USD per token; a free model costs nothing."""
    return np.array([(price or 0.0) * _MILLIONTH for price in usd_per_million])


def _repriced(fleet: Fleet, cards: Sequence[ModelCard], manifest: Manifest) -> Mapping[str, float]:
    """Presets from the models' training means at the prices in force."""
    profiles = [manifest.profiles.get(card.id, {}) for card in cards]
    quality = np.array([profile.get("quality", np.nan) for profile in profiles])
    known = np.array([profile.get("cost_usd", np.nan) for profile in profiles])
    read = np.array([profile.get("input_tokens", np.nan) for profile in profiles])
    written = np.array([profile.get("output_tokens", np.nan) for profile in profiles])
    tokens = read * fleet.input_price + written * fleet.output_price
    # A router that kept no tokens: its dollars, scaled as the price of output has changed.
    listed = _prices([card.output_usd_per_million for card in cards])
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = known * np.where(listed > 0, fleet.output_price / listed, 1.0)
    cost = np.where(fleet.fixed, known, np.where(np.isfinite(tokens), tokens, scaled))
    cost = cost + fleet.request_usd
    if not (np.isfinite(quality) & np.isfinite(cost)).any():
        return manifest.presets
    return presets(quality, cost)
