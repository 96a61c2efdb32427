"""The network of the recipe `attention` in few calls of numpy: its quick way to the same numbers.

onnxruntime takes a third of a microsecond for each of fifty operations, and with its code and
buffers pushes the rest of a decision out of the processor's caches. Here all that is linear in the
features is one product. `NetworkPredictor` compares both on load and takes this one where they agree.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]
    Floats = NDArray[np.float32]

# As in training; where they drift apart, the comparison on load finds it.
_TRUSTED = 0.5
_PROBABILITY = 1e-4
_SCORE_FLOOR = -60.0
_LEAST_LENGTH = 1e-12
_MOST_EXPONENT = 700.0
_MOST_LOGIT = 80.0
"""exp of this, and sums of hundreds, are numbers of float32; no other task has a chance then."""
_PROBES = 64
_SINGLE = 9_000
"""OpenBLAS multiplies a vector by so many numbers on the thread that asks for it."""
_ROWS = 32
_NEEDS_NO_SHIFT = 40.0
"""exp of this and its inverse, and of sums of many, are usual numbers of float32."""
_GATE = ("confidence.gate.weight", "confidence.gate.bias")
_AMOUNTS = (
    "amounts.linear.input_weight",
    "amounts.linear.output_weight",
    "amounts.linear.input_bias",
    "amounts.linear.output_bias",
)
_QUALITY = tuple(
    f"quality.{name}"
    for name in ("task_quality", "metric", "keys", "values", "sharpness", "slope", "offset")
)
_CONFIDENCE = tuple(
    f"confidence.{name}"
    for name in (
        "natural.weight",
        "natural.bias",
        "natural.familiarity.centroids",
        "natural.familiarity.low",
        "natural.familiarity.high",
        "slope",
        "bias",
    )
)
_ARRAYS = {"mean", "scale", "bound", "usual", *_GATE, *_AMOUNTS, *_QUALITY, *_CONFIDENCE}


class AttentionKernel:
    """Estimates of an attention network, from its arrays. Threads may share one.

    The names are those of `onehead.training.recipes.attention`, which says what they mean.
    """

    def __init__(self, arrays: Arrays) -> None:
        """Take arrays that fit each other."""
        # Constants are [1, k]: numpy is quicker where a single prompt's numbers have the same shape.
        self._mean, self._scale, self._most = (arrays[k][None] for k in ("mean", "scale", "bound"))
        self._least = -self._most
        gate, bias = (arrays[name] for name in _GATE)
        into, out, into_bias, out_bias = (arrays[name] for name in _AMOUNTS)
        prior, metric, keys, values, sharpness, slope, offset = (arrays[k] for k in _QUALITY)
        weight, natural_bias, centroids, low, high, steep, known_bias = (
            arrays[k] for k in _CONFIDENCE
        )
        d, t, m = len(gate), gate.shape[1], prior.shape[1]
        # The same probabilities; but logits add up to 0, so that the greatest is never far below.
        gate, bias = gate - gate.mean(axis=1, keepdims=True), bias - bias.mean()
        first = [metric, centroids.T, gate, weight[:, None], into[:d], out[:d]]
        self._first = Products(_beside(*(np.pad(a, ((0, d - len(a)), (0, 0))) for a in first)))
        biases = (bias, natural_bias.reshape(1), into_bias, out_bias)
        self._first_bias = np.concatenate(biases)[None]
        self._by_task = Products(_beside(prior, into[d:], out[d:], np.ones((t, 1), np.float32)))
        self._scores = Products((keys * sharpness).T)
        self._values = Products(_beside(values, np.ones((len(values), 1), np.float32)))
        self._shift = float(np.abs(sharpness).max()) > _NEEDS_NO_SHIFT
        self._slope, self._against = slope[None], np.exp(-offset)[None]
        self._usual = arrays["usual"][None]
        self._low, self._range = float(low), float(high) - float(low)
        self._steep, self._known_bias = float(steep), float(known_bias)
        self._tasks, self._models, self._vector = t, m, centroids.shape[1]
        self._centroids, self._query = centroids, metric.shape[1]
        self._nearest = self._query + len(centroids)

    @classmethod
    def of(cls, arrays: Arrays) -> AttentionKernel | None:
        """The kernel of a network with these arrays; None where it is another network."""
        if set(arrays) != _ARRAYS:
            return None
        usual = arrays["usual"]
        # Quality then lies between two shares, so that nobody need look whether it is one.
        return cls(arrays) if 0 <= usual.min() <= usual.max() <= 1 else None

    def probes(self) -> Floats:
        """Features on which to compare it: usual ones, strong ones, and the clusters' centres."""
        x = np.random.default_rng(0).normal(size=(_PROBES, self._mean.shape[1]))
        x[::2] *= 3
        centroids = self._centroids[:_PROBES]
        x[: len(centroids), : self._vector] = centroids
        scale = np.where(self._scale == 0, 1, self._scale)
        return np.asarray(self._mean + x / scale, np.float32)

    def __call__(self, features: Floats) -> Floats:
        """Quality, confidence, log_input and log_output side by side, [n, 3m + 1]."""
        m, t = self._models, self._tasks
        x = features - self._mean
        x *= self._scale
        np.minimum(x, self._most, out=x)
        np.maximum(x, self._least, out=x)
        first = self._first(x)
        linear = first[:, self._nearest :] + self._first_bias
        margin = np.maximum.reduce(linear[:, :t], axis=1)
        by_task = self._expected(linear[:, :t])
        quality = self._quality(first[:, : self._query], by_task[:, :m])
        confidence = self._confidence(
            np.maximum.reduce(first[:, self._query : self._nearest], axis=1),
            _lengths(x[:, : self._vector]),
            linear[:, t],
            margin,
        )
        quality -= self._usual
        quality *= _column([min(value / _TRUSTED, 1.0) for value in confidence])
        estimates = np.empty((len(x), 3 * m + 1), np.float32)
        np.add(quality, self._usual, out=estimates[:, :m])
        estimates[:, m] = confidence
        np.add(linear[:, t + 1 :], by_task[:, m:], out=estimates[:, m + 1 :])
        return estimates

    def _expected(self, logits: Floats) -> Floats:
        """Means over tasks, by their probabilities: of quality, log_input and log_output [n, 3m]."""
        np.minimum(logits, _MOST_LOGIT, out=logits)
        sums = self._by_task(np.exp(logits, out=logits))
        means: Floats = sums[:, :-1] / _each(sums[:, -1:])
        return means

    def _quality(self, query: Floats, prior: Floats) -> Floats:
        """The prior and what the head adds, calibrated: a sigmoid of the scaled logit [n, m]."""
        scores = self._scores(query / _column(_lengths(query)))
        if self._shift:
            scores -= np.maximum.reduce(scores, axis=1, keepdims=True)
            np.maximum(scores, _SCORE_FLOOR, out=scores)
        sums = self._values(np.exp(scores, out=scores))
        raw = sums[:, :-1] / _each(sums[:, -1:]) + prior
        np.minimum(raw, 1 - _PROBABILITY, out=raw)
        np.maximum(raw, _PROBABILITY, out=raw)
        # sigmoid(slope · logit(raw) + offset), without a logarithm and an exponential
        against = np.power((1 - raw) / raw, self._slope)
        against *= self._against
        against += 1
        quality: Floats = np.reciprocal(against, out=against)
        return quality

    def _confidence(
        self, nearest: Floats, lengths: Sequence[float], natural: Floats, margin: Floats
    ) -> list[float]:
        """Confidence in each prompt: it is familiar, no noise, and of a known task.

        Numbers of Python are quicker than arrays of one.
        """
        columns = (nearest.tolist(), lengths, natural.tolist(), margin.tolist())
        return [
            min(max((near / length - self._low) / self._range, 0.0), 1.0)
            * _probability(odds)
            * _probability(self._steep * best + self._known_bias)
            for near, length, odds, best in zip(*columns, strict=True)
        ]


class Products:
    """A matrix [k, l] that many vectors [n, k] are multiplied by, each for itself.

    numpy's `matmul` of stacks asks BLAS for a matrix times one vector again and again, so that a
    prompt gets bit for bit the same alone and in a batch: several vectors at once are multiplied by
    other code. The matrix is cut into blocks of one shape whatever l is, a multiple of the four
    columns that BLAS takes together, so that a model gets the same in another pool; and so small
    that BLAS wakes no threads for them, which takes longer than it saves.
    """

    def __init__(self, matrix: NDArray[Any]) -> None:
        """Take the matrix."""
        k, columns = matrix.shape
        rows = max(4, min(_ROWS, _SINGLE // k // 4 * 4))
        blocks = -(-columns // rows)
        turned = np.zeros((blocks * rows, k), matrix.dtype)
        turned[:columns] = matrix.T
        self._blocks = turned.reshape(blocks, rows, k)
        self._columns, self._padded = columns, blocks * rows

    def __call__(self, vectors: NDArray[Any]) -> NDArray[Any]:
        """The products [n, l]."""
        products: NDArray[Any] = np.matmul(self._blocks, vectors[:, None, :, None])
        return products.reshape(len(vectors), self._padded)[:, : self._columns]


def _probability(odds: float) -> float:
    """Of log-odds."""
    return 1 / (1 + math.exp(min(-odds, _MOST_EXPONENT)))


def _lengths(vectors: Floats) -> list[float]:
    """The length of each vector, never 0."""
    return [max(math.sqrt(vector.dot(vector)), _LEAST_LENGTH) for vector in vectors]


def _column(numbers: list[float]) -> Any:
    """A number for each row; a plain one, which numpy is quicker with, where it is alone."""
    return numbers[0] if len(numbers) == 1 else np.array(numbers, np.float32)[:, None]


def _each(column: Floats) -> Any:
    """A number [n, 1] for each row; a plain one where it is alone."""
    return column.item() if len(column) == 1 else column


def _beside(*blocks: NDArray[Any]) -> NDArray[Any]:
    """Blocks of as many rows, side by side."""
    return np.concatenate(blocks, axis=1)
