"""What a call is paid for: tokens where they and the prices are known, dollars otherwise.

Where a table holds tokens and costs of a model, its prices follow from them, so that a later price
change needs no retraining. Where only dollars were observed, dollars are predicted. A model whose every cost is 0 is free.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import DataError, UsageError, did_you_mean
from onehead.pool import ModelCard, Pool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from onehead.outcomes import OutcomeTable

    Floats = NDArray[np.float64]

_EXACT = 1e-3
"""Largest relative error at which costs count as tokens × prices."""
_LEAST = 1e-9
"""Floor of tokens and dollars before the logarithm: an amount of 0 costs as good as nothing."""


@dataclass(frozen=True, eq=False)
class Amounts:
    """Logarithms of the amounts behind each cost, and the pool that prices them.

    log_input, log_output: of tokens, or of dollars where the model's cost basis is ``usd`` (then
        log_input is 0 and not priced), float64 [n, m], NaN where unknown
    """

    pool: Pool
    log_input: Floats
    log_output: Floats

    def take(self, rows: NDArray[np.intp]) -> Amounts:
        """The amounts of some prompts."""
        return replace(self, log_input=self.log_input[rows], log_output=self.log_output[rows])


def amounts_of(table: OutcomeTable) -> Amounts:
    """The amounts of a table; DataError where the cost of a model is nowhere known."""
    log_input, log_output = np.full((2, *table.quality.shape), np.nan)
    cards = []
    for column, model in enumerate(table.models):
        prices = _list_prices(table, column)
        if prices is not None:
            log_input[:, column] = _log(table.input_tokens[:, column])
            log_output[:, column] = _log(table.output_tokens[:, column])
            cards.append(ModelCard(model, "tokens", *prices))
            continue
        cost = table.cost_usd[:, column]
        free = bool((cost == 0).any()) and not bool((cost > 0).any())
        log_input[:, column] = np.where(np.isnan(cost), np.nan, 0.0)
        log_output[:, column] = log_input[:, column] if free else _log(cost)
        cards.append(ModelCard(model, "tokens", 0.0, 0.0) if free else ModelCard(model))
    _check_known(log_output, table.models)
    return Amounts(Pool(tuple(cards)), log_input, log_output)


def with_costs(table: OutcomeTable, costs: Mapping[str, float]) -> OutcomeTable:
    """The table with a cost in USD per call of models whose cost was never observed.

    UsageError where `costs` names a model that the table lacks, or an impossible cost.
    """
    _check_costs(costs, table)
    cost = table.cost_usd.copy()
    for model, usd in costs.items():
        cost[:, table.models.index(model)] = usd
    return replace(table, cost_usd=cost)


def _list_prices(table: OutcomeTable, column: int) -> tuple[float, float] | None:
    """USD per million input and output tokens, where they explain the model's every cost."""
    tokens = np.stack([table.input_tokens[:, column], table.output_tokens[:, column]], axis=1)
    cost = table.cost_usd[:, column]
    known = ~np.isnan(tokens).any(axis=1) & ~np.isnan(cost)
    if known.sum() < 2 or np.linalg.matrix_rank(tokens[known]) < 2:
        return None
    prices, *_ = np.linalg.lstsq(tokens[known], cost[known], rcond=None)
    rounded = [float(f"{max(price, 0.0) * 1e6:.4g}") for price in prices]
    fitted = tokens[known] @ (np.array(rounded) * 1e-6)
    error = np.abs(fitted - cost[known])
    if (error > _EXACT * cost[known].max()).any():
        return None
    return rounded[0], rounded[1]


def _log(values: Floats) -> Floats:
    return np.log(np.maximum(values, _LEAST))


def _check_costs(costs: Mapping[str, float], table: OutcomeTable) -> None:
    """UsageError unless every given cost is of a model without one, and possible."""
    for model, usd in costs.items():
        if model not in table.models:
            raise UsageError(
                f"a cost was given for {model!r}, which has no outcomes."
                f"{did_you_mean(model, table.models)} The data holds: {', '.join(table.models)}."
            )
        if not (np.isfinite(usd) and usd >= 0):
            raise UsageError(
                f"the cost given for {model!r} is {usd}; give USD per call, 0 for a free model."
            )
        if not np.isnan(table.cost_usd[:, table.models.index(model)]).all():
            raise UsageError(f"the data holds costs of {model!r}; leave out the one given for it.")


def _check_known(log_output: Floats, models: tuple[str, ...]) -> None:
    """DataError that names the models whose cost is unknown."""
    unknown = [m for m, j in zip(models, log_output.T, strict=True) if np.isnan(j).all()]
    if unknown:
        raise DataError(
            f"the cost of {', '.join(unknown)} is unknown: no row has cost_usd. An unknown price "
            "is never taken for zero. Add the costs to the data, give what a call costs "
            "(--cost MODEL=USD), or learn the others only (--models)."
        )
