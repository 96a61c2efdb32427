"""The pool: which models can be chosen, and what they cost. Models are data, never code."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from onehead.errors import DataError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

CostBasis = Literal["tokens", "usd"]

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Characters that no name holds."""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model of a pool.

    `cost_basis` says how its cost is known: ``tokens`` (predicted tokens × the prices in force) or
    ``usd`` (predicted directly, because only dollars were ever observed). Prices are USD per
    million tokens; a price of zero is a free model, None an unknown price.
    """

    id: str
    cost_basis: CostBasis = "usd"
    input_usd_per_million: float | None = None
    output_usd_per_million: float | None = None
    context_window: int | None = None
    capabilities: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.id or self.id != self.id.strip():
            raise DataError(f"model id {self.id!r}: must be a non-empty name without outer spaces.")
        if CONTROL.search(self.id):
            raise DataError(
                f"model id {self.id!r}: holds a control character. Rename the model; ids are shown "
                "on terminals and sent in headers."
            )
        if self.cost_basis not in get_args(CostBasis):
            raise DataError(
                f"model {self.id!r}: cost_basis {self.cost_basis!r} must be tokens or usd."
            )
        for name in ("input_usd_per_million", "output_usd_per_million"):
            price = getattr(self, name)
            if price is not None and not (math.isfinite(price) and price >= 0):
                raise DataError(f"model {self.id!r}: {name} is {price}; give a number ≥ 0.")
            if price is None and self.cost_basis == "tokens":
                raise DataError(f"model {self.id!r}: {name} is unknown; give its list price.")


@dataclass(frozen=True)
class Pool:
    """An ordered set of models; row order is the column order of every estimate."""

    models: tuple[ModelCard, ...]

    def __post_init__(self) -> None:
        if not self.models:
            raise DataError("the pool is empty: a router needs at least one model.")
        if len(set(self.ids)) != len(self.models):
            twice = sorted({name for name in self.ids if self.ids.count(name) > 1})
            raise DataError(f"the pool names a model twice: {', '.join(twice)}.")

    def __len__(self) -> int:
        return len(self.models)

    def __iter__(self) -> Iterator[ModelCard]:
        return iter(self.models)

    @property
    def ids(self) -> tuple[str, ...]:
        """Model ids, in column order."""
        return tuple(card.id for card in self.models)

    def index(self, model: str) -> int:
        """Column of `model`; UsageError lists the pool when it is unknown."""
        try:
            return self.ids.index(model)
        except ValueError:
            raise UsageError(
                f"model {model!r} is not in the pool.{did_you_mean(model, self.ids)} "
                f"It holds: {', '.join(self.ids)}."
            ) from None

    def indices(self, models: Iterable[str]) -> list[int]:
        """Columns of several models, in the order given."""
        return [self.index(model) for model in models]

    def usd_per_token(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Input and output prices, USD per token [m] each; NaN where the basis is ``usd``."""
        millionth = 1e-6

        def column(prices: list[float | None]) -> NDArray[np.float64]:
            return np.array([np.nan if p is None else p * millionth for p in prices])

        return (
            column([card.input_usd_per_million for card in self.models]),
            column([card.output_usd_per_million for card in self.models]),
        )
