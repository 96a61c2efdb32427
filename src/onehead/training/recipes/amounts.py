"""Predictors of amounts that are linear in the features, or constant: what all recipes but one take.

Logarithms of amounts are predicted. The exponential of a mean logarithm is below the mean; the mean of
exp(residual), Duan's smearing estimate (1983), makes up for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from onehead.training.networks import LinearAmounts
from onehead.training.recipes.base import folds_of, known_blocks, known_mean, ridge, tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch
    from numpy.typing import NDArray

    from onehead.training.examples import Examples

    Floats = NDArray[np.float64]

_PENALTIES: Final = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Tried for every table, per example: the best one is a hundred times lower for the lengths of ten
thousand prompts than for those of two thousand (`benchmarks/LOG.md`)."""
_UNTRIED: Final = 0.03
"""Where there are no two texts to try them on."""


def linear_amounts(
    examples: Examples, x: NDArray[np.float32], seed: int, emphasis: Floats | None = None
) -> LinearAmounts:
    """Log amounts by ridge regression on x [n, d], corrected to the mean of amounts.

    Penalties of input and output are those that predict prompts best which the regression was not
    shown, over folds drawn by `seed`. emphasis: how large each column counts [d]; what counts large
    is shrunk little.
    """
    size = np.ones(x.shape[1]) if emphasis is None else emphasis
    wide, fold = x * size, folds_of(examples, seed)
    weights, biases = [], []
    for values in (examples.amounts.log_input, examples.amounts.log_output):
        weight, bias = ridge(wide, values, best_penalty(wide, values, fold))
        residual = values - (wide @ weight + bias)
        weights.append(tensor(weight * size[:, None]))
        biases.append(tensor(bias + smearing(residual)))
    return LinearAmounts(_pair(weights), _pair(biases))


def constant_amounts(examples: Examples, width: int) -> LinearAmounts:
    """Each model's mean amounts, whatever the prompt."""
    m = len(examples.amounts.pool)
    means = [
        tensor(np.log(known_mean(np.exp(values))))
        for values in (examples.amounts.log_input, examples.amounts.log_output)
    ]
    return LinearAmounts(_pair([tensor(np.zeros((width, m)))] * 2), _pair(means))


def plain_amounts(
    examples: Examples, x: NDArray[np.float32], cost: Literal["linear", "constant"], seed: int
) -> LinearAmounts:
    """What a baseline without amounts of its own takes: upstream's are constant per model."""
    if cost == "constant":
        return constant_amounts(examples, x.shape[1])
    return linear_amounts(examples, x, seed)


def smearing(residual: Floats) -> Floats:
    """Logarithm of the mean exp(residual) over the known rows, [m]."""
    return np.log(known_mean(np.exp(residual)))


def best_penalty(x: Floats, y: Floats, fold: NDArray[np.intp]) -> float:
    """The penalty by which y [n, k] of every fold follows best from x [n, d] of the others."""
    errors = np.zeros(len(_PENALTIES))
    numbers = np.unique(fold)
    if len(numbers) < 2:
        return _UNTRIED
    for number in numbers:
        here, rest = fold == number, fold != number
        for place, (weight, bias) in enumerate(_path(x[rest], y[rest], _PENALTIES)):
            errors[place] += np.nansum(np.square(x[here] @ weight + bias - y[here]))
    return _PENALTIES[int(errors.argmin())]


def _path(x: Floats, y: Floats, penalties: Sequence[float]) -> Iterator[tuple[Floats, Floats]]:
    """As `ridge`, for one penalty after the other; what they share is worked out once."""
    parts = []
    for block in known_blocks(x, y):
        values, axes = np.linalg.eigh(block.gram)
        parts.append((block, np.maximum(values, 0), axes, axes.T @ block.moment))
    for penalty in penalties:
        weights, biases = np.zeros((x.shape[1], y.shape[1])), known_mean(y)
        for block, values, axes, along in parts:
            solved = axes @ (along / (values + penalty * block.n)[:, None])
            block.put(solved, weights, biases)
        yield weights, biases


def _pair(both: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    first, second = both
    return first, second
