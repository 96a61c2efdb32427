"""Paired bootstrap over prompts (Efron's percentile interval)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onehead.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BLOCK_CELLS = 4_000_000
"""Counts held at once: 32 MB."""


def resampled_means(values: Floats, samples: int, seed: int) -> Floats:
    """Means of `values` [n, k] over `samples` resamples of the prompts [samples, k].

    Everything that is compared belongs into one call, as columns: it then shares its resamples,
    which is what makes the comparison paired. The means are products of resample counts with
    `values`, so that the cost is one matrix product.
    """
    if samples < 1 or not len(values):
        raise UsageError(f"a bootstrap needs prompts and samples ≥ 1; got {samples} samples.")
    blocks = [counts @ values for counts in _counts(len(values), samples, seed)]
    means: Floats = np.concatenate(blocks) / len(values)
    return means


def _counts(n: int, samples: int, seed: int) -> Iterator[Floats]:
    """How often each prompt is drawn, in blocks of resamples [b, n]."""
    rng = np.random.default_rng(seed)
    step = max(1, _BLOCK_CELLS // n)
    for start in range(0, samples, step):
        b = min(step, samples - start)
        drawn = rng.integers(n, size=(b, n)) + np.arange(b)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=b * n).reshape(b, n).astype(np.float64)


def paired_bootstrap(
    statistic: Callable[[Floats], float | None], values: Floats, samples: int, seed: int
) -> Floats:
    """`statistic` of the means [k] of every resample of `values` [n, k]; None becomes +∞."""
    means = resampled_means(values, samples, seed)
    results = [statistic(row) for row in means]
    return np.array([np.inf if result is None else result for result in results])


def interval(draws: Floats, level: float = 0.95) -> tuple[float | None, float | None]:
    """Percentile interval of bootstrap draws [samples]; an end at +∞ (never reached) is None.

    The ends are order statistics, because draws at infinity cannot be interpolated.
    """
    low = np.quantile(draws, (1 - level) / 2, method="lower")
    high = np.quantile(draws, (1 + level) / 2, method="higher")
    return _finite(low), _finite(high)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
