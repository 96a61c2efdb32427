"""What all recipes share: their type, the standardised view, and the plain heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from onehead.errors import UsageError, did_you_mean
from onehead.training.networks import Familiarity, RouterNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from onehead.features import Lexicon
    from onehead.training.examples import Examples

    Floats = NDArray[np.float64]

Options = Mapping[str, Any]

_CENTROIDS = 64
_MEASURED = 8_000
"""Prompts by which familiarity is measured, at most: it is two numbers."""
_SURFACE_BOUND = 6.0
"""Standard deviations from the training mean beyond which a surface feature says nothing more."""
_UNBOUNDED = 1e9
_LEAST_SPAN = 0.1
_FOLDS = 4


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network, with the lexicon that it reads and the tasks that it tells apart, if any."""

    network: RouterNetwork
    lexicon: Lexicon | None = None
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """A way to learn a router.

    fit(examples, options, seed) trains a network. `options` are the defaults of its
    hyper-parameters; each of `candidates` changes some of them, and the best on a validation split
    is taken. No candidates: nothing is tuned.
    """

    fit: Callable[[Examples, Options, int], Fitted]
    options: Options = field(default_factory=dict)
    candidates: tuple[Options, ...] = ()

    def fixed(self, options: Options) -> Recipe:
        """The recipe with some options given, and nothing tuned; UsageError for one it lacks."""
        for name in options:
            if name not in self.options:
                raise UsageError(
                    f"option {name!r} is unknown. The recipe has: "
                    f"{', '.join(self.options) or 'none'}.{did_you_mean(name, self.options)}"
                )
        return replace(self, options={**self.options, **options}, candidates=())


@dataclass(frozen=True, eq=False)
class Standard:
    """Standardised dense features: x = (features − mean) · scale within ±bound, about unit size.

    Vectors are scaled as a whole, so that cosines stay what they are; surface features one by one.
    Those are bounded: a prompt in another script, or all question marks, lies a hundred deviations
    out, and what is linear in the features would follow it there.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    bound: NDArray[np.float32]
    x: NDArray[np.float32]
    d: int
    """Length of the encoder's vectors within x."""

    @classmethod
    def of(cls, examples: Examples) -> Standard:
        """From the training examples."""
        vectors, surface = examples.vectors, examples.surface
        d = vectors.shape[1]
        size = max(float(np.sqrt(np.mean(np.square(vectors)))), 1e-6)
        mean = np.concatenate([np.zeros(d, np.float32), surface.mean(axis=0)])
        spread = np.maximum(surface.std(axis=0), 1e-3)
        scale = np.concatenate([np.full(d, 1 / size), 1 / spread]).astype(np.float32)
        bound = np.append(np.full(d, _UNBOUNDED), np.full(surface.shape[1], _SURFACE_BOUND))
        x = np.clip((examples.features - mean) * scale, -bound, bound).astype(np.float32)
        return cls(mean, scale, bound.astype(np.float32), x, d)

    def widened(self, columns: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean, scale and bound with `columns` more features that are taken as they come."""
        mean = np.append(self.mean, np.zeros(columns, np.float32))
        scale = np.append(self.scale, np.ones(columns, np.float32))
        bound = np.append(self.bound, np.full(columns, _UNBOUNDED))
        return tensor(mean), tensor(scale), tensor(bound)


def tensor(array: NDArray[Any]) -> torch.Tensor:
    """A float32 tensor."""
    return torch.tensor(np.ascontiguousarray(array), dtype=torch.float32)


def assemble(
    examples: Examples,
    standard: Standard,
    quality: torch.nn.Module,
    amounts: torch.nn.Module,
    seed: int,
    *,
    lexicon: Lexicon | None = None,
    confidence: torch.nn.Module | None = None,
    usual: torch.Tensor | None = None,
    tasks: tuple[str, ...] = (),
) -> Fitted:
    """A network from its heads; confidence is familiarity unless given."""
    columns = standard.widened(lexicon.dimension if lexicon else 0)
    confidence = confidence or familiarity(examples, seed)
    return Fitted(RouterNetwork(columns, quality, amounts, confidence, usual), lexicon, tasks)


def known_mean(values: Floats) -> Floats:
    """Mean over the known values of each model, [m]; a model without any gets the overall mean."""
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    overall = total.sum() / max(known.sum(), 1)
    mean: Floats = np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), overall)
    return mean


def ridge(x: Floats, y: Floats, penalty: float) -> tuple[Floats, Floats]:
    """Weights [d, k] and biases [k] of ridge regressions of y [n, k], NaN where unknown.

    `penalty` counts per example. Columns that are known on the same rows are solved together.
    """
    weights, biases = np.zeros((x.shape[1], y.shape[1])), known_mean(y)
    for block in known_blocks(x, y):
        gram = block.gram + penalty * block.n * np.eye(x.shape[1])
        block.put(np.linalg.solve(gram, block.moment), weights, biases)
    return weights, biases


@dataclass(frozen=True, eq=False)
class Block:
    """Columns of y that are known on the same n rows, as a regression on x sees them.

    center [d], level [k]: means of x and y there; gram [d, d], moment [d, k]: centred products
    """

    columns: NDArray[np.intp]
    n: int
    center: Floats
    level: Floats
    gram: Floats
    moment: Floats

    def put(self, solved: NDArray[np.floating[Any]], weights: Floats, biases: Floats) -> None:
        """Write weights [d, k] of its columns, and the biases that follow, among those of all."""
        weights[:, self.columns] = solved
        biases[self.columns] = self.level - self.center @ solved


def known_blocks(x: Floats, y: Floats) -> Iterator[Block]:
    """The columns of y [n, k], NaN where unknown, by where they are known; not those of a single row."""
    patterns, group = np.unique(~np.isnan(y), axis=1, return_inverse=True)
    for number, rows in enumerate(patterns.T):
        columns, n = np.flatnonzero(group.ravel() == number), int(rows.sum())
        if n < 2:
            continue
        some, target = x[rows], y[np.ix_(rows, columns)]
        center, level = some.mean(axis=0), target.mean(axis=0)
        centered = some - center
        yield Block(columns, n, center, level, centered.T @ centered, centered.T @ (target - level))


def folds_of(examples: Examples, seed: int) -> NDArray[np.intp]:
    """A fold [n] for each example, equal texts in one; a single fold where there is only one text."""
    distinct = len(set(examples.table.prompts))
    if distinct < 2:
        return np.zeros(len(examples), dtype=np.intp)
    return examples.table.folds(min(_FOLDS, distinct), seed)


def familiarity(examples: Examples, seed: int) -> Familiarity:
    """Confidence from clusters of the training vectors.

    1 from the median prompt on, ½ at the first percentile, 0 as far below again, but at least
    `_LEAST_SPAN` below: a few prompts that are their own clusters are no measure. Prompts are
    measured by clusters that were made without them: those of a small task lie near their own, and
    the next ones of that task far from it.
    """
    vectors = unit(examples.vectors)
    centroids = _centroids(vectors, seed)
    some = np.sort(np.random.default_rng([seed, 13]).permutation(len(vectors))[:_MEASURED])
    fold, nearest = folds_of(examples, seed)[some], np.empty(len(some), np.float32)
    for number in np.unique(fold):
        here = fold == number
        others = centroids if here.all() else _centroids(vectors[some[~here]], seed)
        nearest[here] = (vectors[some[here]] @ others.T).max(axis=1)
    high, usual = np.quantile(nearest, 0.5), np.quantile(nearest, 0.01)
    low = min(high - 2 * (high - usual), high - _LEAST_SPAN)
    return Familiarity(tensor(centroids), torch.tensor(float(low)), torch.tensor(float(high)))


def _centroids(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """The middles of clusters of unit vectors [n, v], of unit length [c, v]."""
    from sklearn.cluster import KMeans

    count = min(_CENTROIDS, len(np.unique(vectors, axis=0)))
    return unit(KMeans(count, n_init=1, random_state=seed).fit(vectors).cluster_centers_)


def unit(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Rows of length 1; a zero row stays zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)
