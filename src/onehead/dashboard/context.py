"""What the pages know of the gateway that serves them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from onehead.artifact import load
from onehead.dashboard.insight import Insight
from onehead.dashboard.log import Log
from onehead.router import BUNDLED, bundled_path

if TYPE_CHECKING:
    from onehead.artifact import Manifest
    from onehead.gateway.app import App
    from onehead.gateway.fleet import Fleet
    from onehead.gateway.state import State


class Context:
    """One state of the gateway, read by pages; a reload makes another."""

    def __init__(self, app: App, state: State, log: Log) -> None:
        self.app = app
        self.state = state
        self.log = log

    @property
    def manifest(self) -> Manifest:
        """The loaded router's manifest."""
        return self.state.router.manifest

    @property
    def fleet(self) -> Fleet:
        """The configured models."""
        return self.state.fleet

    @cached_property
    def insight(self) -> Insight:
        """What the router's arrays tell beyond its estimates; read from disk when first asked for."""
        place = self.state.config.routing.router
        return Insight(load(bundled_path() if place == BUNDLED else place))

    @cached_property
    def profiles(self) -> dict[str, tuple[float, float]]:
        """Mean quality and cost (USD) of each model that may be chosen, at the prices in force."""
        fleet, manifest = self.fleet, self.manifest
        found: dict[str, tuple[float, float]] = {}
        for row, (name, column) in enumerate(zip(fleet.ids, fleet.columns.tolist(), strict=True)):
            card = manifest.pool.models[column]
            profile = manifest.profiles.get(card.id, {})
            if "quality" not in profile or "cost_usd" not in profile:
                continue
            cost = profile["cost_usd"]
            written = profile.get("output_tokens")
            listed = card.output_usd_per_million or 0.0
            if not fleet.fixed[row] and written is not None:
                read = profile.get("input_tokens", 0.0)
                cost = read * fleet.input_price[row] + written * fleet.output_price[row]
            elif not fleet.fixed[row] and listed > 0:
                cost *= float(fleet.output_price[row]) * 1e6 / listed
            found[name] = (profile["quality"], float(cost + fleet.request_usd[row]))
        return found

    @cached_property
    def by_cost(self) -> list[str]:
        """All models from the cheapest to the dearest, those of unknown cost last."""
        known = self.profiles
        price = {name: cost for name, (_, cost) in known.items()}
        return sorted(self.fleet.models, key=lambda name: (price.get(name, np.inf), name))

    def command(self, base: str) -> str:
        """A command that sends a request to this gateway."""
        from onehead.dashboard.data.overview import TRY

        key = ' -H "authorization: Bearer $ONEHEAD_KEY"' if self.app.config.keys else ""
        return TRY.format(base=base, key=key)


class Contexts:
    """The context of an app's present state; made when a page is first asked for."""

    def __init__(self) -> None:
        self._context: Context | None = None

    def of(self, app: App) -> Context:
        """The context for a request that is being answered."""
        state = app.state
        if self._context is None or self._context.state is not state:
            self._context = Context(app, state, Log(state.parts.reading.store))
        return self._context
