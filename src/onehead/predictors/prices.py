"""From the logarithms of amounts to dollars and tokens, by the prices of a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.pool import Pool


class Prices:
    """What an amount of each model costs: tokens by their prices, dollars as they are."""

    def __init__(self, pool: Pool) -> None:
        """Take the m models of a pool."""
        prices = np.stack(pool.usd_per_token())
        self._in_usd = np.array([card.cost_basis == "usd" for card in pool])
        prices[:, self._in_usd] = [[0.0], [1.0]]
        self._prices = prices
        self._free = ~prices.any(axis=0)
        self._all_counted = not (self._in_usd | self._free).any()

    def __call__(
        self, log_amounts: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Cost in USD [n, m] and tokens [n, 2, m] of logarithms [n, 2m]: of input, then of output.

        Tokens are NaN where only dollars are known. A free model whose tokens were never seen has
        both logarithms 0.
        """
        amounts = np.exp(log_amounts).reshape(-1, *self._prices.shape)
        cost: NDArray[np.float64] = amounts[:, 0] * self._prices[:1]
        cost += amounts[:, 1] * self._prices[1:]
        if not self._all_counted:
            unseen = self._free & ~log_amounts.reshape(amounts.shape).any(axis=1)
            amounts[np.broadcast_to((unseen | self._in_usd)[:, None], amounts.shape)] = np.nan
        return cost, amounts

    def of_reading(self, input_tokens: NDArray[np.float64]) -> NDArray[np.float64]:
        """USD of reading tokens [n, m]; 0 for a model of which only dollars are known."""
        return np.nan_to_num(input_tokens) * self._prices[:1]
