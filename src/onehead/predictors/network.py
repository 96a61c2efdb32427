"""The exported network of a router, run by onnxruntime."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from onehead.errors import ArtifactError
from onehead.predictors.attention import AttentionKernel
from onehead.predictors.estimates import Estimates
from onehead.predictors.graph import with_constants, with_joined
from onehead.predictors.prices import Prices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from onehead.pool import Pool

INPUT = "features"
OUTPUTS = ("quality", "confidence", "log_input", "log_output")
_JOINED = "onehead.estimates"
"""The output that holds all of `OUTPUTS` side by side."""
_ROWS = 256
"""Prompts per run: attention over a few thousand anchors then stays in the processor's cache."""
_NOISE = 1e-4
"""How far a kernel may be off on strange features, where large numbers of float32 cancel out. On
texts it is off by a millionth."""
_MILLION = 1e6
_COST_DIGITS = 6
_MAGNITUDES = range(-99, 100)
_POWERS = np.array([float(f"1e{magnitude}") for magnitude in _MAGNITUDES])
_SCALES = np.array([float(f"1e{_COST_DIGITS - 1 - m}") for m in (-99, *_MAGNITUDES)])
"""What a cost is multiplied by to leave its digits, by the number of `_POWERS` up to it."""


class NetworkPredictor:
    """Estimates from a network with its arrays fixed in it. Threads may share one.

    network: an ONNX model that takes ``features`` float32 [n, d] and the arrays by name, and gives
        ``quality`` [n, m] in [0, 1], ``log_input`` and ``log_output`` [n, m] and ``confidence`` [n]
    pool: the m models. Where the cost basis is ``tokens``, exp(log_input) and exp(log_output) are
        tokens, and cost is tokens × price; where it is ``usd``, exp(log_output) is the cost in USD.

    An attention network that does what `AttentionKernel` does is left to that: it is quicker. The
    session runs on one thread: a decision is too short to share out, and in a batch the network
    takes a small part of the time. Estimates are rounded beyond the noise of float32 arithmetic,
    so that it cannot tell equal models apart.
    """

    def __init__(self, network: bytes, arrays: Mapping[str, NDArray[Any]], pool: Pool) -> None:
        """ArtifactError says what of the network, the arrays and the pool does not fit."""
        self.pool = pool
        self._models = len(pool)
        fixed = with_constants(network, arrays)
        self._session = _session(with_joined(fixed, OUTPUTS, _JOINED))
        self.width = _width(self._session)
        self._prices = Prices(pool)
        self._kernel: AttentionKernel | None = None
        self._check(np.zeros((2, self.width), np.float32))
        self._kernel = self._agreeing(AttentionKernel.of(arrays))

    @property
    def by_kernel(self) -> bool:
        """Whether numpy gives the estimates instead of onnxruntime."""
        return self._kernel is not None

    def predict(self, features: NDArray[np.float32]) -> Estimates:
        """Estimates for prompt features [n, width].

        Raises:
            ArtifactError: the network fails, or gives what is not an estimate.
        """
        n = len(features)
        if not n:  # some networks take no empty batch
            return self._predict(np.zeros((1, self.width), np.float32)).take(slice(0))
        if n <= _ROWS:
            return self._predict(features)
        return Estimates.concatenate(
            [self._predict(features[start : start + _ROWS]) for start in range(0, n, _ROWS)]
        )

    def longer(self, estimates: Estimates, times: NDArray[np.float64]) -> Estimates:
        """Estimates of prompts that are so many times as long [n] as what was seen of them.

        What is written stays as it was, and so do costs of which only dollars are known.
        """
        assert estimates.tokens is not None  # noqa: S101  (this class makes them so)
        tokens = estimates.tokens * np.stack([times, np.ones_like(times)], axis=1)[:, :, None]
        more = self._prices.of_reading(tokens[:, 0] - estimates.tokens[:, 0])
        cost = round_digits(estimates.cost_usd + more)
        return Estimates(estimates.quality, cost, estimates.confidence, tokens)

    def _predict(self, features: NDArray[np.float32]) -> Estimates:
        """Estimates for a few prompts at once."""
        m = self._models
        if self._kernel is None:
            values = self._run([_JOINED], features)[0].astype(np.float64)
            np.clip(values[:, : m + 1], 0.0, 1.0, out=values[:, : m + 1])
        else:
            values = self._kernel(features).astype(np.float64)
        shares = _rounded(values[:, : m + 1])
        cost, tokens = self._prices(values[:, m + 1 :])
        # Two sums instead of a check of every value: whatever is not finite shows in them.
        if not math.isfinite(_total(shares) + _total(cost)):
            raise ArtifactError(
                "the router's network gave an estimate that is not a number. The encoder's vectors "
                "may hold one; if not, train the router again."
            )
        return Estimates(shares[:, :m], round_digits(cost), shares[:, m], tokens)

    def _check(self, features: NDArray[np.float32]) -> None:
        """Estimate two prompts; ArtifactError unless every output has the shape that it should."""
        n, m = len(features), len(self.pool)
        for name, output in zip(OUTPUTS, self._run(OUTPUTS, features), strict=True):
            if output.shape != ((n,) if name == "confidence" else (n, m)):
                raise ArtifactError(
                    f"the router's network gives estimates ({name}) of shape {output.shape} for {n} "
                    f"prompts and {m} models. Train the router again."
                )
        self.predict(features)

    def _agreeing(self, kernel: AttentionKernel | None) -> AttentionKernel | None:
        """The kernel, where it gives what the network gives."""
        if kernel is None:
            return None
        probes = kernel.probes()
        expected = self._run([_JOINED], probes)[0]
        with np.errstate(all="ignore"):
            agrees = np.allclose(kernel(probes), expected, rtol=_NOISE, atol=_NOISE)
        return kernel if agrees else None

    def _run(self, outputs: Sequence[str], features: NDArray[np.float32]) -> list[NDArray[Any]]:
        """Some outputs of the network."""
        try:
            found: list[NDArray[Any]] = self._session.run(outputs, {INPUT: features})
        except _failures() as error:
            raise ArtifactError(f"the router's network failed: {_line(error)}") from error
        return found


def as_served(estimates: Estimates) -> Estimates:
    """Estimates rounded as a router serves them, for a network that runs elsewhere.

    Ties, which the policy breaks by cost, are ties only after rounding.
    """
    return Estimates(
        _rounded(np.clip(estimates.quality, 0.0, 1.0)),
        round_digits(estimates.cost_usd),
        _rounded(np.clip(estimates.confidence, 0.0, 1.0)),
        estimates.tokens,
    )


def _rounded(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares in [0, 1] with six decimals; ufuncs alone, which are quick on a single row."""
    rounded = shares * _MILLION
    np.rint(rounded, out=rounded)
    rounded /= _MILLION
    return rounded


def _total(values: NDArray[np.float64]) -> float:
    """The sum of all, which Python is quicker with where it is a single row."""
    return sum(values[0].tolist()) if len(values) == 1 else float(np.add.reduce(values, None))


def round_digits(cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """`cost` to six significant digits; a free model stays free."""
    scale = _SCALES.take(_POWERS.searchsorted(cost, "right"), mode="clip")
    rounded: NDArray[np.float64] = np.rint(cost * scale) / scale
    return rounded


def _session(model: bytes) -> Any:
    """An onnxruntime session on one thread that says nothing but errors."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except _failures() as error:
        raise ArtifactError(f"the router's network cannot be read: {_line(error)}") from error


def _width(session: Any) -> int:
    """The width of the network's features, its inputs and outputs checked."""
    inputs = {entry.name: entry.shape for entry in session.get_inputs()}
    outputs = {entry.name for entry in session.get_outputs()}
    if set(inputs) != {INPUT} or not outputs.issuperset(OUTPUTS):
        raise ArtifactError(
            f"the router's network takes {', '.join(sorted(inputs))} and gives "
            f"{', '.join(sorted(outputs))}; it should take {INPUT} and the arrays, and give "
            f"{', '.join(OUTPUTS)}. Train the router again."
        )
    shape = inputs[INPUT]
    if len(shape) != 2 or not isinstance(shape[1], int):
        raise ArtifactError(
            f"the router's network takes features of shape {shape}; it should fix their width. "
            "Train the router again."
        )
    return shape[1]


@cache
def _failures() -> tuple[type[Exception], ...]:
    """What onnxruntime raises: classes without a base of their own, and two of Python's."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [kind for kind in vars(state).values() if isinstance(kind, type)]
    errors = [kind for kind in own if issubclass(kind, Exception)]
    return (*errors, ValueError, RuntimeError)


def _line(error: Exception) -> str:
    """The first line of an error, which may go on for pages."""
    return str(error).strip().split("\n", 1)[0][:300]
